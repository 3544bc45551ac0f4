"""Transforms made of transforms: lists, groups, choices, orders (src/program.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._core import MAX_ORDERED
from ._arguments import SMALL, number, optional, sequence_of
from ._flat import Flat, Mix, choice, group, order
from ._transform import (
    Transform,
    check_functions,
    checked_transforms,
    compile_all,
    flatten,
)

_MAX_DEPTH = 32


@dataclass(frozen=True)
class _Container(Transform):
    transforms: Sequence[Any]
    _checks = {"transforms": checked_transforms}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_inner()

    def _check_inner(self) -> None:
        """Check the transforms inside, and set `_depth` and `_is_mix`.

        Compose may hold everything that a list may. The other containers hold either
        transforms of single images or mixes, and no Python functions. `_has_order` says
        whether a RandomOrder is among them, at any depth.
        """
        depth = 1 + max(getattr(item, "_depth", 0) for item in self.transforms)
        if depth > _MAX_DEPTH:
            raise self._error(
                f"transforms must be nested at most {_MAX_DEPTH} deep, got {depth}"
            )
        object.__setattr__(self, "_depth", depth)
        if any(getattr(item, "_has_order", False) for item in self.transforms):
            object.__setattr__(self, "_has_order", True)
        if self._is_list:
            check_functions(f"{type(self).__name__}: transforms", self.transforms)
            return
        items = list(flatten(self.transforms))
        for item in items:
            if not isinstance(item, Transform):
                raise self._error(
                    f"transforms must not contain Python functions, got {item!r}.\n"
                    "Pass functions at the end of the list for augment, where they get "
                    "finished batches."
                )
        names = {item._is_mix: type(item).__name__ for item in reversed(items)}
        if len(names) > 1:
            raise self._error(
                "transforms must be either mixes or transforms of single images, got "
                f"{names[True]} and {names[False]}"
            )
        object.__setattr__(self, "_is_mix", True in names)

    def _mix(self, n_classes: int) -> Mix:
        items = list(flatten(self.transforms))
        if len(items) > 1:
            raise self._error(
                f"transforms must have at most one mix, got {len(items)}.\n"
                "Pass RandomChoice([...]) to draw one of several mixes."
            )
        mix: Mix = items[0]._mix(n_classes)
        return mix


@dataclass(frozen=True)
class Compose(_Container):
    """Apply several transforms one after the other.

    It means the same as the list of its transforms.

    Parameters
    ----------
    transforms : sequence
        Transforms of single images, then at most one mix, then Python functions. Lists,
        groups and choices can be nested at most 32 deep.

    Raises
    ------
    TypeError
        `transforms` is not a sequence of transforms and functions.
    ValueError
        `transforms` is empty or nested too deeply.

    Examples
    --------
    >>> import fmnist_fast as ff
    >>> ff.Compose([ff.RandomInvert(), ff.CenterCrop(24)]).transforms
    (RandomInvert(p=0.5), CenterCrop(size=(24, 24)))
    """

    _is_list = True

    def _compile(self, height: int, width: int) -> Flat:
        return compile_all(self.transforms, height, width)


@dataclass(frozen=True)
class RandomApply(_Container):
    """Apply all of several transforms with a given probability, or none of them.

    Parameters
    ----------
    transforms : sequence of Transform
        Transforms of single images, or one mix. If `p` is less than 1, they must keep
        the size of the image.
    p : float in 0..1, default 0.5
        Probability of applying the transforms.

    Raises
    ------
    TypeError
        `transforms` is not a sequence of transforms, or `p` is not a number.
    ValueError
        `transforms` is empty, is nested more than 32 deep, contains a Python function,
        or contains both mixes and transforms of single images, or `p` is outside its
        range. `Loader` raises it if the transforms do not keep the size, or for a
        second mix.
    """

    p: float = 0.5

    def _compile(self, height: int, width: int) -> Flat:
        inner, *size = compile_all(self.transforms, height, width)
        if self.p < 1 and size != [height, width]:
            raise self._error(
                f"transforms must keep the size {height}x{width} with p={self.p:g}, "
                f"got {size[0]}x{size[1]}.\n"
                "All images of a batch must have the same size."
            )
        return group(inner, self.p), size[0], size[1]

    def _mix(self, n_classes: int) -> Mix:
        p, kinds = super()._mix(n_classes)
        return self.p * p, kinds


@dataclass(frozen=True)
class RandomChoice(_Container):
    """Apply one transform that is drawn from a list.

    Parameters
    ----------
    transforms : sequence of Transform
        Transforms to choose from: either all for single images, or at most 8 mixes. All
        must return images of the same size. A `Compose` counts as one transform.
    p : sequence of float or None, default None
        Weight of each transform, 0..1e9; the weights need not add up to 1. None means
        equal probabilities.

    Raises
    ------
    TypeError
        `transforms` is not a sequence of transforms, or `p` not a sequence of numbers.
    ValueError
        `transforms` is empty, is nested more than 32 deep, contains a Python function,
        or contains both mixes and transforms of single images. `p` has another length
        than `transforms`, or its sum is below 1e-6. `Loader` raises it if the
        transforms return different sizes, or if there are more than 8 mixes.

    Examples
    --------
    >>> import fmnist_fast as ff
    >>> ff.RandomChoice([ff.MixUp(alpha=0.2), ff.CutMix()], p=[1, 3]).p
    (1.0, 3.0)
    """

    p: Sequence[float] | None = None

    def __post_init__(self) -> None:
        """Check `transforms` first, because their number is the length of `p`."""
        self._check(transforms=checked_transforms)
        self._check(p=optional(sequence_of(number(0, 1e9), len(self.transforms))))
        if self.p is not None and sum(self.p) < SMALL:
            raise self._error(f"p must have a sum above 0, got {self.p}")
        self._check_inner()

    @property
    def _shares(self) -> Sequence[float]:
        return self.p or (1.0,) * len(self.transforms)

    def _compile(self, height: int, width: int) -> Flat:
        compiled = [compile_all([item], height, width) for item in self.transforms]
        sizes = [(size[1], size[2]) for size in compiled]
        if len(set(sizes)) > 1:
            results = ", ".join(
                f"{type(item).__name__} {size[0]}x{size[1]}"
                for item, size in zip(self.transforms, sizes)
            )
            raise self._error(
                "transforms must all return the same size for an image of "
                f"{height}x{width}, got {results}"
            )
        alternatives = [(p, flat[0]) for p, flat in zip(self._shares, compiled)]
        return choice(alternatives), *sizes[0]

    def _mix(self, n_classes: int) -> Mix:
        chance, parts = 0.0, []
        for share, item in zip(self._shares, self.transforms):
            p, kinds = item._mix(n_classes)
            chance += p * share
            parts += [(kind, alpha, p * share * part) for kind, alpha, part in kinds]
        return chance / sum(self._shares), parts


@dataclass(frozen=True)
class RandomOrder(_Container):
    """Apply several transforms in a random order.

    All of them are applied to each image. Each order is equally likely.

    Parameters
    ----------
    transforms : sequence of Transform
        At most 32 transforms of single images, which must keep the size of the image. A
        `Compose` counts as one transform, and keeps its own order.

    Raises
    ------
    TypeError
        `transforms` is not a sequence of transforms.
    ValueError
        `transforms` is empty, has more than 32 elements, or is nested more than 32
        deep. It contains a mix, a Python function or another `RandomOrder`, at any
        depth. `Loader` raises it if the transforms do not keep the size.

    Notes
    -----
    Torchvision also takes transforms that change the size. Rotations and affine maps
    that are next to each other in the order of an image are combined and resampled
    once.

    Examples
    --------
    >>> import fmnist_fast as ff
    >>> len(ff.RandomOrder([ff.RandomRotation(9), ff.RandomInvert()]).transforms)
    2
    """

    _has_order = True

    def _check_inner(self) -> None:
        n = len(self.transforms)
        if n > MAX_ORDERED:
            raise self._error(
                f"transforms must have at most {MAX_ORDERED} elements, got {n}.\n"
                "Pass Compose([...]) for transforms that keep their order."
            )
        if any(getattr(item, "_has_order", False) for item in self.transforms):
            raise self._error(
                "transforms must not contain another RandomOrder, at any depth.\n"
                "Pass the transforms of both in one list, or one RandomOrder after the "
                "other."
            )
        super()._check_inner()
        if self._is_mix:
            name = type(self.transforms[0]).__name__
            raise self._error(
                f"transforms must be transforms of single images, got {name}.\n"
                "Pass RandomChoice([...]) to draw one of several mixes."
            )

    def _compile(self, height: int, width: int) -> Flat:
        groups = []
        for item in self.transforms:
            inner, *size = compile_all([item], height, width)
            if size != [height, width]:
                raise self._error(
                    f"transforms must keep the size {height}x{width}, got "
                    f"{size[0]}x{size[1]} from {type(item).__name__}.\n"
                    "In another order, the others would get images of another size."
                )
            groups.append(inner)
        return order(groups), height, width

"""Steps made of steps (groups and choices in src/augment/steps.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ._arguments import SMALL, number, optional, several
from ._flat import Flat, Mix, choice, group
from ._transform import Transform, checked_transforms, compile_all, flatten

_MAX_DEPTH = 32


@dataclass(frozen=True)
class _Container(Transform):
    transforms: Sequence[Any]
    _checks = {"transforms": checked_transforms}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_inner()

    def _check_inner(self) -> None:
        """Not too deep; in all but lists all for single images, or all mixes."""
        depth = 1 + max(getattr(item, "_depth", 0) for item in self.transforms)
        if depth > _MAX_DEPTH:
            raise self._error(
                f"steps stand at most {_MAX_DEPTH} deep inside each other"
            )
        object.__setattr__(self, "_depth", depth)
        if self._is_list:
            return
        items = list(flatten(self.transforms))
        for item in items:
            if not isinstance(item, Transform):
                raise self._error(
                    "a Python function gets the finished batch, and must be at the end "
                    f"of augment instead, got {item!r} inside"
                )
        names = {item._is_mix: type(item).__name__ for item in reversed(items)}
        if len(names) > 1:
            raise self._error(
                f"{names[True]} mixes the images of a batch, and can't stand together "
                f"with {names[False]}"
            )
        object.__setattr__(self, "_is_mix", True in names)

    def _mix(self, n_classes: int) -> Mix:
        items = list(flatten(self.transforms))
        if len(items) > 1:
            raise self._error(
                f"a batch is mixed once, got {len(items)} mixes: RandomChoice takes "
                "one of several"
            )
        mix: Mix = items[0]._mix(n_classes)
        return mix


@dataclass(frozen=True)
class Compose(_Container):
    """Several steps, one after the other: the same as a list of them.

    Parameters
    ----------
    transforms : sequence of steps

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
    """Several steps, all or none.

    Parameters
    ----------
    transforms : sequence of steps
        They must keep the size of the image, unless p is 1. Or one mix.
    p : float in 0..1
        Probability of all.
    """

    p: float = 0.5

    def _compile(self, height: int, width: int) -> Flat:
        inner, *size = compile_all(self.transforms, height, width)
        if self.p < 1 and size != [height, width]:
            raise self._error(
                f"its steps make {size[0]}x{size[1]} of {height}x{width}; with p="
                f"{self.p:g} they must keep the size, or a batch had images of two"
            )
        return group(inner, self.p), size[0], size[1]

    def _mix(self, n_classes: int) -> Mix:
        p, kinds = super()._mix(n_classes)
        return self.p * p, kinds


@dataclass(frozen=True)
class RandomChoice(_Container):
    """One of several steps.

    Parameters
    ----------
    transforms : sequence of steps
        All must make images of one size. Or several mixes. A Compose is one step.
    p : sequence of float, optional
        How probable each is, as shares of their sum; by default all are equally.

    Examples
    --------
    >>> import fmnist_fast as ff
    >>> ff.RandomChoice([ff.MixUp(alpha=0.2), ff.CutMix()], p=[1, 3]).p
    (1.0, 3.0)
    """

    p: Sequence[float] | None = None

    def __post_init__(self) -> None:
        self._check(transforms=checked_transforms)
        self._check(p=optional(several(number(0, 1e9), len(self.transforms))))
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
            found = ", ".join(
                f"{type(item).__name__} {size[0]}x{size[1]}"
                for item, size in zip(self.transforms, sizes)
            )
            raise self._error(
                f"all steps must make images of one size, of {height}x{width} got "
                f"{found}"
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

"""Transform, what all steps share, and lists of them.

Names, parameters and meaning of steps are those of torchvision.transforms.v2; what they
become is in _flat.py. Every step is a frozen dataclass that checks its arguments when
it is made. Sequences become tuples, so that steps can be compared, hashed and pickled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from .._checks import check_keywords
from .._core import MAX_WARP_SIDE
from ._arguments import MAX_SIDE, SHARED, Check, is_sequence
from ._flat import Fields, Flat, FlatTransform

Self = TypeVar("Self", bound="Transform")
MAX_FLAT_TRANSFORMS = 65_000  # an operation is 16 bits of the random numbers' counter


def pair(value: object) -> tuple[Any, Any]:
    """A field that a check has made a pair."""
    return cast("tuple[Any, Any]", value)


class Transform:
    """What all steps share.

    `_checks` says what the arguments must be that aren't as in all other steps.
    `_compile(height, width)` gives what the core does to an image of that size, and the
    size after it; it raises ValueError where such an image can't be. Most steps are one
    of the core's, of which they say the `_kind` and the `_fields`.
    """

    _is_mix = False  # works on the batch
    _is_list = False  # of steps, in the place of which these stand
    _depth = 0  # of steps inside steps
    _checks: Mapping[str, Check] = {}
    _kind: str

    def __new__(cls: type[Self], *arguments: Any, **options: Any) -> Self:
        check_keywords(cls, options)
        return super().__new__(cls)

    def __init__(self) -> None:  # object's would take any arguments, as __new__ does
        pass

    def __post_init__(self) -> None:
        checks = {**SHARED, **self._checks}
        self._check(**{name: checks[name] for name in vars(self) if name in checks})

    def _check(self, **checks: Check) -> None:
        for name, check in checks.items():
            value = check(f"{type(self).__name__}: {name}", getattr(self, name))
            object.__setattr__(self, name, value)

    def _error(self, text: str) -> ValueError:
        return ValueError(f"{type(self).__name__}: {text}")

    def _compile(self, height: int, width: int) -> Flat:
        size = self._size(height, width)
        if size != (height, width) and not 1 <= min(size) <= max(size) <= MAX_SIDE:
            raise self._error(
                f"images have sides of 1..{MAX_SIDE}, this would make "
                f"{size[0]}x{size[1]} of {height}x{width}"
            )
        return self._flatten(height, width), *size

    def _size(self, height: int, width: int) -> tuple[int, int]:
        return height, width

    def _flatten(self, height: int, width: int) -> list[FlatTransform]:
        return [(self._kind, getattr(self, "p", 1.0), self._fields(height, width))]

    def _fields(self, height: int, width: int) -> Fields:
        raise NotImplementedError


class Warp(Transform):
    """Steps that move pixels by fractions of a pixel."""

    def _size(self, height: int, width: int) -> tuple[int, int]:
        if max(height, width) > MAX_WARP_SIDE:
            raise self._error(
                f"warps take sides up to {MAX_WARP_SIDE}, got an image of "
                f"{height}x{width}"
            )
        return height, width


def checked_transforms(name: str, value: Any) -> tuple[Any, ...]:
    if not is_sequence(value):
        raise TypeError(f"{name} must be a list of steps, got {value!r}")
    if not value:
        raise ValueError(f"{name} must not be empty")
    for item in value:
        if isinstance(item, type):
            raise TypeError(
                f"{name}: {item.__name__} is a class, give an instance: "
                f"{item.__name__}(...)"
            )
        if not isinstance(item, Transform) and not callable(item):
            raise TypeError(f"{name} must be made of steps, got {item!r}")
    return tuple(value)


def flatten(items: Sequence[Any]) -> Iterator[Any]:
    """Steps and functions, with those that stand in a Compose in its place."""
    for item in items:
        is_list = isinstance(item, Transform) and item._is_list
        yield from flatten(item.transforms) if is_list else (item,)


def compile_all(items: Sequence[Transform], height: int, width: int) -> Flat:
    out = []
    for item in items:
        steps, height, width = item._compile(height, width)
        out += steps
        if len(out) > MAX_FLAT_TRANSFORMS:
            raise ValueError(
                f"augment must be at most {MAX_FLAT_TRANSFORMS:,} core transforms, got "
                f"{len(out):,} or more"
            )
    return out, height, width

"""Transform, the base class of all transforms, and functions for lists of transforms.

Names, parameters and meaning of the transforms follow torchvision.transforms.v2;
_flat.py has the form that the core takes. Each transform is a frozen dataclass that
checks its arguments when it is made. Sequences become tuples, so that transforms can be
compared, hashed and pickled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from .._checks import check_keywords
from .._core import MAX_TRANSFORMS, MAX_WARP_SIDE, default_floats
from ._arguments import MAX_SIDE, SHARED, Check, is_sequence
from ._flat import Fields, Flat, FlatTransform

Self = TypeVar("Self", bound="Transform")


def pair(value: object) -> tuple[Any, Any]:
    """Return the value of a field, which its check has made a pair."""
    return cast("tuple[Any, Any]", value)


class Transform:
    """Base class of all transforms that `Loader(augment=...)` takes.

    Notes
    -----
    Values: Transforms are immutable. They can be compared, hashed, copied and
    pickled, except for `CFunction`. `repr` returns the call that makes an equal
    transform. `interpolation` may also be torchvision's ``InterpolationMode`` or
    Pillow's code 0 or 2, and a gray level may be a sequence of one number. A numpy
    array means the same as a list.

    Determinism: The random numbers depend only on the loader's seed, the epoch, the
    position of the sample and the transform's index in the list.

    Thread safety: Transforms can be shared by loaders and threads.

    Buffers: Transforms change the images of batches, never those of the dataset.
    """

    # For subclasses: `_checks` has the checks of arguments that are not as in SHARED.
    # `_compile(height, width)` returns the core transforms for images of this size and
    # the size after them, and raises ValueError if they do not fit the size. Most
    # transforms are one core transform, and define only its `_kind` and `_fields`.
    _is_mix = False  # mixes the samples of a batch
    _is_list = False  # stands for the transforms in it, as Compose does
    _depth = 0  # levels of transforms inside transforms
    _checks: Mapping[str, Check] = {}
    _kind: str

    def __new__(cls: type[Self], *arguments: Any, **options: Any) -> Self:
        check_keywords(cls, options)
        return super().__new__(cls)

    # Without this, a class without fields would accept any arguments: object.__init__
    # ignores them if the class defines __new__ and not __init__.
    def __init__(self) -> None:
        pass

    def __post_init__(self) -> None:
        checks = {**SHARED, **self._checks}
        self._check(**{name: checks[name] for name in vars(self) if name in checks})

    @default_floats
    def _check(self, **checks: Check) -> None:
        for name, check in checks.items():
            given = getattr(self, name)
            if type(given).__module__ == "numpy" and hasattr(given, "tolist"):
                given = (
                    given.tolist()
                )  # an array like a list, its numbers like Python's
            value = check(f"{type(self).__name__}: {name}", given)
            object.__setattr__(self, name, value)

    def _error(self, text: str) -> ValueError:
        return ValueError(f"{type(self).__name__}: {text}")

    def _compile(self, height: int, width: int) -> Flat:
        size = self._size(height, width)
        if size != (height, width) and not 1 <= min(size) <= max(size) <= MAX_SIDE:
            raise self._error(
                f"the result must have sides in 1..{MAX_SIDE}, got "
                f"{size[0]}x{size[1]} from an image of {height}x{width}"
            )
        return self._to_core(height, width), *size

    def _size(self, height: int, width: int) -> tuple[int, int]:
        return height, width

    def _to_core(self, height: int, width: int) -> list[FlatTransform]:
        return [(self._kind, getattr(self, "p", 1.0), self._fields(height, width))]

    def _fields(self, height: int, width: int) -> Fields:
        raise NotImplementedError


class Warp(Transform):
    """Base class of transforms that move pixels by fractions of a pixel."""

    def _size(self, height: int, width: int) -> tuple[int, int]:
        if max(height, width) > MAX_WARP_SIDE:
            raise self._error(
                f"the image must have sides of at most {MAX_WARP_SIDE}, got "
                f"{height}x{width}"
            )
        return height, width


def checked_transforms(name: str, value: Any) -> tuple[Any, ...]:
    if not is_sequence(value):
        raise TypeError(f"{name} must be a list of transforms, got {value!r}")
    if not value:
        raise ValueError(f"{name} must not be empty, got {value!r}")
    for item in value:
        if not isinstance(item, Transform):
            from ._foreign import check_item

            check_item(name, item)
    return tuple(value)


def check_functions(name: str, items: Sequence[Any]) -> None:
    """Check that the functions among the items can be called with a batch."""
    for item in items:
        if not isinstance(item, Transform):
            from ._foreign import check_function

            check_function(name, item)


def flatten(items: Sequence[Any]) -> Iterator[Any]:
    """Yield transforms and functions, and the content of each Compose instead of it."""
    for item in items:
        is_list = isinstance(item, Transform) and item._is_list
        yield from flatten(item.transforms) if is_list else (item,)


def compile_all(
    items: Sequence[Transform], height: int, width: int, n_mixes: int = 0
) -> Flat:
    """Return the core transforms of all items, and the size after them.

    Each of the `n_mixes` mixes that follow counts as a core transform.
    """
    most, mixes = MAX_TRANSFORMS - n_mixes, " and a mix" if n_mixes else ""
    out = []
    for item in items:
        transforms, height, width = item._compile(height, width)
        out += transforms
        if len(out) > most:
            raise ValueError(
                f"augment must have at most {most:,} core transforms{mixes}, "
                f"got {len(out):,} or more.\n"
                "Most transforms are one core transform. Each operation of RandAugment "
                "and each TrivialAugmentWide are 32, and each AutoAugment is up to 76."
            )
    return out, height, width

"""Checks of the arguments of transforms, in the style of _checks.py.

Most functions return a check: a function of the argument's name and value that returns
the value as the transform keeps it, or raises TypeError or ValueError.
"""

from __future__ import annotations

import enum
import numbers
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

from .._checks import checked_flag, checked_integer, checked_name
from .._core import INTERPOLATIONS, PADDING_MODES

Check: TypeAlias = "Callable[[str, Any], Any]"  # (name, value) -> value to keep
MAX_SIDE = 65536
# These bounds of real numbers and of divisors keep the core's doubles finite.
LARGE, SMALL = 1e6, 1e-6
# Names of Pillow's codes of interpolations, which torchvision takes too.
_PILLOW = "nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"
_WARPS = "nearest", "bilinear"  # interpolations of warps; resizing has all


def number(low: float, high: float) -> Check:
    def check(name: str, value: Any) -> float:
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not is_number:
            raise TypeError(f"{name} must be a number, got {value!r}")
        if not low <= value <= high:  # False for nan, which is refused too
            raise ValueError(
                f"{name} must be a number in {low:g}..{high:g}, got {value!r}"
            )
        return float(value)

    return check


def integer(low: int, high: int) -> Check:
    return lambda name, value: checked_integer(name, value, low, high)


def one_of(known: Collection[str]) -> Check:
    """Return a check for a known name, or an enum member with such a value."""

    def check(name: str, value: Any) -> str:
        text = value.value if isinstance(value, enum.Enum) else value
        return checked_name(name, text, known)

    return check


def interpolation_of(known: Collection[str]) -> Check:
    """Return a check for an interpolation: its name, an enum or Pillow's code."""

    def check(name: str, value: Any) -> str:
        text = value.value if isinstance(value, enum.Enum) else value
        if type(text) is int and text in range(len(_PILLOW)):
            text = _PILLOW[text]
        if text == "nearest-exact":
            raise ValueError(
                f"{name} must be one of {', '.join(known)}, got {text!r}.\n"
                "Pass 'nearest'. Resize then takes other pixels, except at whole "
                "multiples."
            )
        return checked_name(name, text, known)

    return check


def is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def sequence_of(check: Check, *lengths: int) -> Check:
    """Return a check for a sequence of one of these lengths, item by item."""

    def check_all(name: str, value: Any) -> tuple[Any, ...]:
        allowed = " or ".join(map(str, lengths))
        if not is_sequence(value) or len(value) not in lengths:
            error = ValueError if is_sequence(value) else TypeError
            raise error(f"{name} must be a sequence of length {allowed}, got {value!r}")
        return tuple(check(name, item) for item in value)

    return check_all


def repeat(check: Check, lengths: tuple[int, ...] = (1, 2)) -> Check:
    """Return a check that repeats one value or a sequence up to the last length."""

    def check_all(name: str, value: Any) -> tuple[Any, ...]:
        items = value if is_sequence(value) else (value,)
        out = sequence_of(check, *lengths)(name, items)
        return out * (lengths[-1] // len(out))

    return check_all


def ordered(check: Check) -> Check:
    """Return a check that also requires low <= high in each (low, high) pair.

    The inner check returns the pairs in a row: (low, high) or (low, high, low, high).
    """

    def check_order(name: str, value: Any) -> tuple[Any, ...]:
        out: tuple[Any, ...] = check(name, value)
        if any(out[i] > out[i + 1] for i in range(0, len(out), 2)):
            raise ValueError(
                f"{name} must have low <= high in each pair (low, high), got {value}"
            )
        return out

    return check_order


def only(allowed: bool, reason: str) -> Check:
    """Return a check for a flag of torchvision that supports one value here."""

    def check(name: str, value: Any) -> bool:
        if checked_flag(name, value) != allowed:
            raise ValueError(f"{name} must be {allowed}, got {value}. {reason}")
        return allowed

    return check


def around(center: float, low: float, high: float, *lengths: int) -> Check:
    """Return a check for one number or for pairs (low, high).

    One number x means the range from center - x to center + x. The lower end is raised
    to `low` if it would be below `low`.
    """

    def check(name: str, value: Any) -> tuple[Any, ...]:
        if is_sequence(value):
            return ordered(sequence_of(number(low, high), *lengths))(name, value)
        reach = number(0, high - center)(name, value)
        return max(low, center - reach), center + reach

    return check


def optional(check: Check) -> Check:
    return lambda name, value: None if value is None else check(name, value)


def gray_level(name: str, value: Any) -> int:
    """Return a gray level in 0..255; None means black, and [x] means x."""
    item = value[0] if is_sequence(value) and len(value) == 1 else value
    if is_sequence(item):  # a color
        raise TypeError(
            f"{name} must be a number, got {value!r}.\n"
            "Pass one gray level, such as fill=0."
        )
    level = number(0, 255)(name, 0 if value is None else item)
    if level != int(level):
        raise ValueError(f"{name} must be a whole number in 0..255, got {value!r}")
    return int(level)


real = number(-LARGE, LARGE)
interval = ordered(sequence_of(number(SMALL, LARGE), 2))  # (low, high), above 0
resampling = interpolation_of(INTERPOLATIONS)
side = integer(1, MAX_SIDE)
borders = repeat(integer(0, MAX_SIDE), (1, 2, 4))  # left, top, right, bottom

# A transform's own `_checks` come before these, which all transforms share.
SHARED: dict[str, Check] = {
    "antialias": lambda name, value: value is not None and checked_flag(name, value),
    "center": optional(sequence_of(real, 2)),
    "degrees": around(0.0, -LARGE, LARGE, 2),
    "fill": gray_level,
    "interpolation": interpolation_of(_WARPS),
    "num_magnitude_bins": integer(2, 65536),
    "p": number(0, 1),
    "padding_mode": one_of(PADDING_MODES),
    "ratio": interval,
    "size": repeat(side),
}

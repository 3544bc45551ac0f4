"""What the arguments of transforms must be: checks as those of _checks.py."""

from __future__ import annotations

import enum
import numbers
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

from .._checks import checked_flag, checked_integer, checked_name
from .._core import INTERPOLATIONS, PADDING_MODES

Check: TypeAlias = "Callable[[str, Any], Any]"  # name, value -> value as kept
MAX_SIDE = 65536
# Real numbers stay so small, and divisors so large, that the core's doubles are finite.
LARGE, SMALL = 1e6, 1e-6


def number(low: float, high: float) -> Check:
    def check(name: str, value: Any) -> float:
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not is_number:
            raise TypeError(f"{name} must be a number, got {value!r}")
        if not low <= value <= high:  # nan is not
            raise ValueError(
                f"{name} must be a number in {low:g}..{high:g}, got {value!r}"
            )
        return float(value)

    return check


def integer(low: int, high: int) -> Check:
    return lambda name, value: checked_integer(name, value, low, high)


def one_of(known: Collection[str]) -> Check:
    """One of these names, or a member of an enum that has one as its value."""

    def check(name: str, value: Any) -> str:
        given = value.value if isinstance(value, enum.Enum) else value
        return checked_name(name, given, known)

    return check


def is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def several(check: Check, *lengths: int) -> Check:
    def check_all(name: str, value: Any) -> tuple[Any, ...]:
        wanted = " or ".join(map(str, lengths))
        if not is_sequence(value) or len(value) not in lengths:
            error = ValueError if is_sequence(value) else TypeError
            raise error(f"{name} must be a sequence of {wanted}, got {value!r}")
        return tuple(check(name, item) for item in value)

    return check_all


def repeat(check: Check, lengths: tuple[int, ...] = (1, 2)) -> Check:
    """One value, or a sequence that is repeated up to the last of these lengths."""

    def check_all(name: str, value: Any) -> tuple[Any, ...]:
        given = value if is_sequence(value) else (value,)
        out = several(check, *lengths)(name, given)
        return out * (lengths[-1] // len(out))

    return check_all


def ordered(check: Check) -> Check:
    """(low, high), or several such pairs in a row, of what the check returns."""

    def check_order(name: str, value: Any) -> tuple[Any, ...]:
        out: tuple[Any, ...] = check(name, value)
        if any(out[i] > out[i + 1] for i in range(0, len(out), 2)):
            raise ValueError(f"{name} must be low, high with low <= high, got {value}")
        return out

    return check_order


def only(allowed: bool, why: str) -> Check:
    """A flag of torchvision's that can't be otherwise here."""

    def check(name: str, value: Any) -> bool:
        if checked_flag(name, value) != allowed:
            raise ValueError(f"{name} must be {allowed}, got {value}: {why}")
        return allowed

    return check


def around(center: float, low: float, high: float, *lengths: int) -> Check:
    """A number that says how far around the center, cut at `low`; or (low, high)."""

    def check(name: str, value: Any) -> tuple[Any, ...]:
        if is_sequence(value):
            return ordered(several(number(low, high), *lengths))(name, value)
        reach = number(0, high - center)(name, value)
        return max(low, center - reach), center + reach

    return check


def optional(check: Check) -> Check:
    return lambda name, value: None if value is None else check(name, value)


def grey(name: str, value: Any) -> int:
    """A grey level; None is black."""
    level = number(0, 255)(name, 0 if value is None else value)
    if level != int(level):
        raise ValueError(f"{name} must be a whole number in 0..255, got {value!r}")
    return int(level)


real = number(-LARGE, LARGE)
interval = ordered(several(number(SMALL, LARGE), 2))  # (low, high), above 0
side = integer(1, MAX_SIDE)
borders = repeat(integer(0, MAX_SIDE), (1, 2, 4))  # left, top, right, bottom

# Arguments of these names are the same in all transforms that say nothing else.
SHARED: dict[str, Check] = {
    "antialias": lambda name, value: value is not None and checked_flag(name, value),
    "center": optional(several(real, 2)),
    "degrees": around(0.0, -LARGE, LARGE, 2),
    "fill": grey,
    "interpolation": one_of(INTERPOLATIONS),
    "num_magnitude_bins": integer(2, 65536),
    "p": number(0, 1),
    "padding_mode": one_of(PADDING_MODES),
    "ratio": interval,
    "size": repeat(side),
}

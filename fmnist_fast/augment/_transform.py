"""Step, what all steps share, and the form in which the core takes them.

Names, parameters and meaning of steps are those of torchvision.transforms.v2; what they
become are the structs in src/augment/*.h. Every step is a frozen dataclass that checks
its arguments when it is made. Sequences become tuples, so that steps can be compared,
hashed and pickled.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias, TypeVar, cast

from .._checks import check_keywords
from ._checks import Check

Self = TypeVar("Self", bound="Step")
FlatStep: TypeAlias = "tuple[str, float, dict[str, Any]]"  # kind, p, the C struct
Flat: TypeAlias = "tuple[list[FlatStep], int, int]"  # and the size after them
# The chance that any mix is used, and then (kind, alpha, share) of each.
Mix: TypeAlias = "tuple[float, list[tuple[int, float, float]]]"


def drawn(
    low: float, high: float, n_levels: int = 0, random_sign: int = 0
) -> dict[str, Any]:
    """struct fm_range."""
    return {"low": low, "high": high, "n_levels": n_levels, "random_sign": random_sign}


def constant(value: float) -> dict[str, Any]:
    return drawn(value, value)


def pair(value: object) -> tuple[Any, Any]:
    """A field that `_check` has made a pair."""
    return cast("tuple[Any, Any]", value)


def log_range(ratio: object) -> dict[str, Any]:
    """The logarithms of a range, the same on every machine: log() of two C libraries
    may differ in the last bit, which rounding takes away."""
    low, high = (round(math.log(limit), 12) for limit in pair(ratio))
    return drawn(low, high)


class Step:
    """What all steps share.

    `_compile(height, width)` gives what the core does to an image of that size, and the
    size after it; it raises ValueError where such an image can't be.
    """

    _is_mix = False  # works on the batch
    _depth = 0  # of steps inside steps

    def __new__(cls: type[Self], *arguments: Any, **options: Any) -> Self:
        check_keywords(cls, options)
        return super().__new__(cls)

    def __init__(self) -> None:
        """A step without parameters; dataclasses have their own."""

    def _check(self, **checks: Check) -> None:
        for name, check in checks.items():
            value = check(f"{type(self).__name__}: {name}", getattr(self, name))
            object.__setattr__(self, name, value)

    def _error(self, text: str) -> ValueError:
        return ValueError(f"{type(self).__name__}: {text}")

    def _compile(self, height: int, width: int) -> Flat:
        raise NotImplementedError

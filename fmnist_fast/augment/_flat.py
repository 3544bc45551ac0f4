"""The form in which the core takes transforms: a flat list of its steps.

A step is its kind, its probability and the fields of its C struct (src/augment/*.h).
Groups and choices come before what is inside them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, TypeAlias

from .._core import INTERPOLATIONS, TONE_KINDS

Fields: TypeAlias = "dict[str, Any]"
FlatTransform: TypeAlias = "tuple[str, float, Fields]"
Flat: TypeAlias = "tuple[list[FlatTransform], int, int]"  # and the size after them
# The chance that any mix is used, and then (kind, alpha, share) of each.
Mix: TypeAlias = "tuple[float, list[tuple[int, float, float]]]"
ALWAYS = 2**32  # `until` of the last of several alternatives


def drawn(low: float, high: float, n_levels: int = 0, random_sign: int = 0) -> Fields:
    """struct fm_range."""
    return {"low": low, "high": high, "n_levels": n_levels, "random_sign": random_sign}


def constant(value: float) -> Fields:
    return drawn(value, value)


def log_range(low: float, high: float) -> Fields:
    """The logarithms of a range, the same on every machine: log() of two C libraries
    may differ in the last bit, which rounding takes away."""
    return drawn(round(math.log(low), 12), round(math.log(high), 12))


def tone(kind: str, value: Fields, p: float = 1.0) -> FlatTransform:
    return "tone", p, {"kind": TONE_KINDS[kind], "value": value}


def affine(interpolation: str, fill: int | None, **fields: Any) -> FlatTransform:
    """An affine map that changes nothing but what `fields` say."""
    ranges = "angle", "translate_x", "translate_y", "shear_x", "shear_y"
    numbers = "counter_clockwise", "shear_tangent", "truncate", "center_x", "center_y"
    still = {
        **dict.fromkeys(ranges, constant(0.0)),
        **dict.fromkeys(numbers, 0),
        "scale": constant(1.0),
        "interpolation": INTERPOLATIONS[interpolation],
        "fill": fill,
    }
    return "affine", 1.0, still | fields


def cumulated(shares: Sequence[float]) -> list[int]:
    """Up to where each share goes, in parts of 2**32."""
    sums = list(accumulate(shares))
    return [round(ALWAYS * (upto / sums[-1])) for upto in sums[:-1]] + [ALWAYS]


def group(
    inner: list[FlatTransform], p: float = 1.0, until: int = ALWAYS
) -> list[FlatTransform]:
    return [("group", p, {"n_inner": len(inner), "until": until}), *inner]


def choice(
    alternatives: Sequence[tuple[float, list[FlatTransform]]],
) -> list[FlatTransform]:
    """One of several lists of steps, each with its share."""
    inner = []
    untils = cumulated([share for share, _ in alternatives])
    for (_, steps), until in zip(alternatives, untils):
        inner += group(steps, until=until)
    return [("choice", 1.0, {"n_inner": len(inner)}), *inner]

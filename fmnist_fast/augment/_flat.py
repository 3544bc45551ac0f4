"""The flat list of core transforms, the form in which the core takes an augmentation.

A core transform is its kind, its probability and the fields of its C struct
(src/augment/*.h). Groups, choices and orders come before the transforms inside them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, TypeAlias

from .._core import INTERPOLATIONS, TONE_KINDS

Fields: TypeAlias = "dict[str, Any]"
FlatTransform: TypeAlias = "tuple[str, float, Fields]"
Flat: TypeAlias = "tuple[list[FlatTransform], int, int]"  # and height, width after it
# The probability of mixing at all, and (kind, alpha, share) of each mix.
Mix: TypeAlias = "tuple[float, list[tuple[int, float, float]]]"
ALWAYS = 2**32  # `until` of the last alternative: above every 32-bit random word


def drawn(low: float, high: float, n_levels: int = 0, random_sign: int = 0) -> Fields:
    """Return the fields of C's fm_range, a number that is drawn from low to high."""
    return {"low": low, "high": high, "n_levels": n_levels, "random_sign": random_sign}


def constant(value: float) -> Fields:
    return drawn(value, value)


def log_range(low: float, high: float) -> Fields:
    """Return the range of the logarithms, the same on every machine.

    The log() of two C libraries may differ in the last bit. Rounding removes this bit.
    """
    return drawn(round(math.log(low), 12), round(math.log(high), 12))


def tone(kind: str, value: Fields, p: float = 1.0) -> FlatTransform:
    return "tone", p, {"kind": TONE_KINDS[kind], "value": value}


def affine(interpolation: str, fill: int | None, **fields: Any) -> FlatTransform:
    """Return an affine map that is the identity except for `fields`."""
    ranges = "angle", "translate_x", "translate_y", "shear_x", "shear_y"
    numbers = "counter_clockwise", "shear_tangent", "truncate", "center_x", "center_y"
    defaults = {
        **dict.fromkeys(ranges, constant(0.0)),
        **dict.fromkeys(numbers, 0),
        "scale": constant(1.0),
        "interpolation": INTERPOLATIONS[interpolation],
        "fill": fill,
    }
    return "affine", 1.0, defaults | fields


def cumulative_thresholds(shares: Sequence[float]) -> list[int]:
    """Return the cumulative sums of the shares, scaled to a total of 2**32."""
    sums = list(accumulate(shares))
    return [round(ALWAYS * (partial / sums[-1])) for partial in sums[:-1]] + [ALWAYS]


def group(
    inner: list[FlatTransform], p: float = 1.0, until: int = ALWAYS
) -> list[FlatTransform]:
    """Return a group of core transforms, which run all or none."""
    return [("group", p, {"n_inner": len(inner), "until": until}), *inner]


def choice(
    alternatives: Sequence[tuple[float, list[FlatTransform]]],
) -> list[FlatTransform]:
    """Return a choice of one of several lists of core transforms, by their shares."""
    inner = []
    untils = cumulative_thresholds([share for share, _ in alternatives])
    for (_, transforms), until in zip(alternatives, untils):
        inner += group(transforms, until=until)
    return [("choice", 1.0, {"n_inner": len(inner)}), *inner]


def order(groups: Sequence[list[FlatTransform]]) -> list[FlatTransform]:
    """Return lists of core transforms that all run, in random order."""
    inner = [transform for transforms in groups for transform in group(transforms)]
    return [("order", 1.0, {"n_inner": len(inner)}), *inner]

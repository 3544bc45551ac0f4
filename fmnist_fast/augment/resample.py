"""Images of another size (src/augment/resample.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from .._checks import checked_flag
from ._checks import (
    INTERPOLATIONS,
    MAX_SIDE,
    both,
    interpolation,
    is_sequence,
    optional,
    ordered,
    positive,
    several,
    side,
)
from ._transform import Flat, Step, drawn, log_range, pair


def _fields(height: int, width: int, interpolation: str, antialias: Any) -> Any:
    return {
        "height": height,
        "width": width,
        "interpolation": INTERPOLATIONS.index(interpolation),
        "antialias": int(antialias and interpolation == "bilinear"),
    }


def _antialias(name: str, value: Any) -> bool:
    return value is not None and checked_flag(name, value)


def _one_side_or_both(name: str, value: Any) -> int | tuple[int, ...]:
    given = value if is_sequence(value) else (value,)
    sides = several(side, 1, 2)(name, given)
    return sides if len(sides) == 2 else cast("int", sides[0])


@dataclass(frozen=True)
class Resize(Step):
    """Make the image larger or smaller.

    Parameters
    ----------
    size : int, (height, width) or None
        Of the result, in pixels, 1..65536. One number is the shorter side, and the
        other follows. None: `max_size` says it all.
    interpolation : "bilinear" or "nearest"
    max_size : int, optional
        Limit of the longer side, larger than `size`; only with one number or None.
    antialias : bool
        Take the mean of all pixels that a new pixel covers when shrinking. No effect
        on "nearest".
    """

    size: int | Sequence[int] | None
    interpolation: str = "bilinear"
    max_size: int | None = None
    antialias: bool | None = True

    def __post_init__(self) -> None:
        self._check(
            size=optional(_one_side_or_both),
            interpolation=interpolation,
            max_size=optional(side),
            antialias=_antialias,
        )
        if self.size is None and self.max_size is None:
            raise self._error("max_size must be an integer where size is None")
        if isinstance(self.size, tuple) and self.max_size is not None:
            raise self._error(
                f"max_size goes with one size or None, got size={self.size} and "
                f"max_size={self.max_size}"
            )
        if isinstance(self.size, int) and (self.max_size or MAX_SIDE + 1) <= self.size:
            raise self._error(
                f"max_size must be larger than size, got max_size={self.max_size} and "
                f"size={self.size}"
            )

    def _sides(self, height: int, width: int) -> tuple[int, int]:
        if isinstance(self.size, tuple):
            return pair(self.size)
        short, long = sorted((height, width))
        most: Any = self.max_size
        new_short: Any
        if self.size is None:
            new_short, new_long = _share(most, short, long), most
        else:
            new_short, new_long = self.size, _share(self.size, long, short)
            if most is not None and new_long > most:
                new_short, new_long = _share(most, new_short, new_long), most
        sides = (new_long, new_short) if width <= height else (new_short, new_long)
        return pair(sides)

    def _compile(self, height: int, width: int) -> Flat:
        new_height, new_width = self._sides(height, width)
        if (
            not 1
            <= min(new_height, new_width)
            <= max(new_height, new_width)
            <= MAX_SIDE
        ):
            raise self._error(
                f"images have sides of 1..{MAX_SIDE}, this would make {height}x{width} "
                f"{new_height}x{new_width}"
            )
        fields = _fields(new_height, new_width, self.interpolation, self.antialias)
        return [("resize", 1.0, fields)], new_height, new_width


def _share(side: Any, part: int, whole: int) -> int:
    return int(side * part / whole)


@dataclass(frozen=True)
class RandomResizedCrop(Step):
    """Cut out a rectangle of random area and shape, and resize it.

    Szegedy et al., "Going deeper with convolutions", CVPR 2015, section 6.

    Parameters
    ----------
    size : int or (height, width)
        Of the result, in pixels, 1..65536.
    scale : (low, high)
        Share of the image's area, uniform, above 0.
    ratio : (low, high)
        Width / height, uniform in its logarithm, above 0. After ten draws that do not
        fit into the image, the largest rectangle in the middle that `ratio` allows.
    interpolation : "bilinear" or "nearest"
    antialias : bool
        As in `Resize`.
    """

    size: int | Sequence[int]
    scale: Sequence[float] = (0.08, 1.0)
    ratio: Sequence[float] = (3 / 4, 4 / 3)
    interpolation: str = "bilinear"
    antialias: bool | None = True

    def __post_init__(self) -> None:
        self._check(
            size=both(side),
            scale=ordered(positive, 2),
            ratio=ordered(positive, 2),
            interpolation=interpolation,
            antialias=_antialias,
        )

    def _compile(self, height: int, width: int) -> Flat:
        new_height, new_width = pair(self.size)
        low, high = pair(self.ratio)
        # Not 0 for a shape that is narrower than a pixel.
        fallback_height = max(1, round(width / max(low, width / height)))
        fallback_width = max(1, round(height * min(high, width / height)))
        fields = {
            "scale": drawn(*pair(self.scale)),
            "log_ratio": log_range(self.ratio),
            "fallback_height": fallback_height,
            "fallback_width": fallback_width,
            "resize": _fields(
                new_height, new_width, self.interpolation, self.antialias
            ),
        }
        return [("resized_crop", 1.0, fields)], new_height, new_width

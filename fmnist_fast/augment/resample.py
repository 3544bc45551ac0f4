"""Images of another size (src/augment/resample.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from .._core import INTERPOLATIONS
from ._arguments import MAX_SIDE, interval, is_sequence, optional, repeat, side
from ._flat import Fields, drawn, log_range
from ._transform import Transform, pair


def _one_side_or_both(name: str, value: Any) -> int | tuple[int, ...]:
    sides: tuple[int, ...] = repeat(side)(name, value)
    return sides if is_sequence(value) and len(value) == 2 else sides[0]


class _Resample(Transform):
    _kind = "resize"
    interpolation: str
    antialias: bool | None

    def _fields(self, height: int, width: int) -> Fields:
        new_height, new_width = self._size(height, width)
        return {
            "height": new_height,
            "width": new_width,
            "interpolation": INTERPOLATIONS[self.interpolation],
            "antialias": int(bool(self.antialias) and self.interpolation == "bilinear"),
        }


@dataclass(frozen=True)
class Resize(_Resample):
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
    _checks = {"size": optional(_one_side_or_both), "max_size": optional(side)}

    def __post_init__(self) -> None:
        super().__post_init__()
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

    def _size(self, height: int, width: int) -> tuple[int, int]:
        if isinstance(self.size, tuple):
            return pair(self.size)
        short, long = sorted((height, width))
        size, most = cast("int | None", self.size), self.max_size
        sides = (short, long) if size is None else (size, int(size * long / short))
        if most is not None and (size is None or sides[1] > most):
            sides = int(most * sides[0] / sides[1]), most
        return (sides[1], sides[0]) if width <= height else sides


@dataclass(frozen=True)
class RandomResizedCrop(_Resample):
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
    _kind = "resized_crop"
    _checks = {"scale": interval}

    def _size(self, height: int, width: int) -> tuple[int, int]:
        return pair(self.size)

    def _fields(self, height: int, width: int) -> Fields:
        low, high = pair(self.ratio)
        return {
            "scale": drawn(*pair(self.scale)),
            "log_ratio": log_range(low, high),
            # Not 0 for a shape that is narrower than a pixel.
            "fallback_height": max(1, round(width / max(low, width / height))),
            "fallback_width": max(1, round(height * min(high, width / height))),
            "resize": super()._fields(height, width),
        }

"""Resize and RandomResizedCrop, which change the size (src/augment/resample.h)."""

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
    """Resize the image.

    Parameters
    ----------
    size : int, (height, width) or None
        Size of the result in pixels, 1..65536. One number is the shorter side, and the
        longer side keeps the aspect ratio. None makes the longer side `max_size`.
    interpolation : {"bilinear", "nearest"}, default "bilinear"
        Interpolation between pixels.
    max_size : int in 1..65536 or None, default None
        Limit of the longer side in pixels, above `size`. It requires `size` to be one
        number or None. None means no limit.
    antialias : bool or None, default True
        Whether a smaller image averages all pixels that each new pixel covers. It has
        no effect with "nearest". None means False.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range, `size` and `max_size` are both None, or
        `max_size` does not agree with `size`. `Loader` raises it if a side of the
        result is 0 or above 65536.

    Notes
    -----
    "nearest" is equal to torchvision's. With "bilinear", pixels differ from
    torchvision's by at most one gray level. Other interpolations, such as bicubic and
    "nearest-exact", are not available.
    """

    size: int | Sequence[int] | None
    interpolation: str = "bilinear"
    max_size: int | None = None
    antialias: bool | None = True
    _checks = {"size": optional(_one_side_or_both), "max_size": optional(side)}

    def __post_init__(self) -> None:
        """Check the arguments, and `size` against `max_size`."""
        super().__post_init__()
        if self.size is None and self.max_size is None:
            raise self._error("size=None requires max_size, got max_size=None")
        if isinstance(self.size, tuple) and self.max_size is not None:
            raise self._error(
                "max_size requires size to be an integer or None, got "
                f"size={self.size} and max_size={self.max_size}"
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
        size, limit = cast("int | None", self.size), self.max_size
        sides = (short, long) if size is None else (size, int(size * long / short))
        if limit is not None and (size is None or sides[1] > limit):
            sides = int(limit * sides[0] / sides[1]), limit
        return (sides[1], sides[0]) if width <= height else sides


@dataclass(frozen=True)
class RandomResizedCrop(_Resample):
    """Crop a rectangle of random area and aspect ratio, and resize it.

    The method is that of Szegedy et al., "Going deeper with convolutions", CVPR 2015,
    section 6.

    Parameters
    ----------
    size : int or (height, width)
        Size of the result in pixels, 1..65536. One number makes a square.
    scale : (low, high), default (0.08, 1.0)
        Range of the crop's area as a share of the image's area, 1e-6..1e6. The area is
        drawn uniformly.
    ratio : (low, high), default (3/4, 4/3)
        Range of the crop's width / height, 1e-6..1e6. Its logarithm is drawn uniformly.
    interpolation : {"bilinear", "nearest"}, default "bilinear"
        Interpolation between pixels.
    antialias : bool or None, default True
        Whether a smaller image averages all pixels that each new pixel covers. It has
        no effect with "nearest". None means False.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range.

    Notes
    -----
    After ten draws that do not fit into the image, the crop is the largest rectangle
    in the center that `ratio` allows, as in torchvision.

    "nearest" is equal to torchvision's. With "bilinear", pixels differ from
    torchvision's by at most one gray level. Other interpolations, such as bicubic and
    "nearest-exact", are not available.
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
            # An extreme ratio would round to a side of 0, which cannot be resized.
            "fallback_height": max(1, round(width / max(low, width / height))),
            "fallback_width": max(1, round(height * min(high, width / height))),
            "resize": super()._fields(height, width),
        }

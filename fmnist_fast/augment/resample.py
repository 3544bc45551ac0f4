"""Resize, RandomResizedCrop and RandomZoomOut (src/augment/resample.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from .._core import INTERPOLATIONS
from ._arguments import (
    MAX_SIDE,
    interval,
    is_sequence,
    number,
    optional,
    ordered,
    repeat,
    resampling,
    sequence_of,
    side,
)
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
            "antialias": int(bool(self.antialias) and self.interpolation != "nearest"),
        }


@dataclass(frozen=True)
class Resize(_Resample):
    """Resize the image.

    Parameters
    ----------
    size : int, (height, width) or None
        Size of the result in pixels, 1..65536. One number is the shorter side, and the
        longer side keeps the aspect ratio. None makes the longer side `max_size`.
    interpolation : {"bilinear", "nearest", "bicubic"}, default "bilinear"
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
    With "bilinear", pixels differ from torchvision's by at most one gray level. With
    "nearest", they are equal, except in single rows and columns of few sizes, because
    torchvision rounds the ratio of both sizes to float32. Other interpolations, such as
    "nearest-exact", are not available.

    "bicubic" rounds and clips once. It is within one gray level of torchvision's result
    for floats, rounded and clipped. For 8-bit images, torchvision rounds and clips
    after each side. docs/augmentation.md has a table of the differences.
    """

    size: int | Sequence[int] | None
    interpolation: str = "bilinear"
    max_size: int | None = None
    antialias: bool | None = True
    _checks = {
        "size": optional(_one_side_or_both),
        "interpolation": resampling,
        "max_size": optional(side),
    }

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
    interpolation : {"bilinear", "nearest", "bicubic"}, default "bilinear"
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

    With "bilinear", pixels differ from torchvision's by at most one gray level. With
    "nearest", they are equal, except in single rows and columns of few sizes, because
    torchvision rounds the ratio of both sizes to float32. Other interpolations, such as
    "nearest-exact", are not available.

    "bicubic" rounds and clips once. It is within one gray level of torchvision's result
    for floats, rounded and clipped. For 8-bit images, torchvision rounds and clips
    after each side. docs/augmentation.md has a table of the differences.
    """

    size: int | Sequence[int]
    scale: Sequence[float] = (0.08, 1.0)
    ratio: Sequence[float] = (3 / 4, 4 / 3)
    interpolation: str = "bilinear"
    antialias: bool | None = True
    _kind = "resized_crop"
    _checks = {"scale": interval, "interpolation": resampling}

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


@dataclass(frozen=True)
class RandomZoomOut(_Resample):
    """Place the image on a larger canvas, and shrink the canvas to the image's size.

    The method is that of Liu et al., "SSD: Single shot multibox detector", ECCV 2016,
    section 3.6.

    Parameters
    ----------
    fill : int in 0..255 or None, default 0
        Gray level of the canvas around the image. None means 0.
    side_range : (low, high), default (1.0, 4.0)
        Range of the canvas's sides as multiples of the image's sides, 1..32. One factor
        is drawn uniformly for both sides. The image's place on the canvas is uniform.
    p : float in 0..1, default 0.5
        Probability of the change.
    interpolation : {"bilinear", "nearest"}, default "bilinear"
        Interpolation between pixels.
    antialias : bool or None, default True
        Whether each new pixel averages all pixels that it covers. It has no effect with
        "nearest". None means False.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range. `Loader` raises it if a side of the largest
        canvas is above 65536.

    Notes
    -----
    Torchvision's RandomZoomOut returns the canvas, whose size is random. Images of a
    batch have one size, so that the result here is that of torchvision's
    ``[RandomZoomOut(...), Resize((height, width))]``. Torchvision has no
    `interpolation` and no `antialias` in RandomZoomOut; they are those of its Resize.

    With "bilinear", pixels differ from torchvision's for the same canvas by at most one
    gray level. With "nearest", they are equal, except in single rows and columns of few
    canvases, because torchvision rounds the ratio of both sizes to float32.

    Examples
    --------
    >>> RandomZoomOut(side_range=(1, 2))
    RandomZoomOut(fill=0, side_range=(1.0, 2.0), p=0.5, interpolation='bilinear', \
antialias=True)
    """

    fill: int | None = 0
    side_range: Sequence[float] = (1.0, 4.0)
    p: float = 0.5
    interpolation: str = "bilinear"
    antialias: bool | None = True
    _kind = "zoom_out"
    _checks = {"side_range": ordered(sequence_of(number(1, 32), 2))}

    def _fields(self, height: int, width: int) -> Fields:
        low, high = pair(self.side_range)
        canvas = int(height * high), int(width * high)
        if max(canvas) > MAX_SIDE:
            raise self._error(
                f"the largest canvas must have sides of at most {MAX_SIDE}, got "
                f"{canvas[0]}x{canvas[1]} from an image of {height}x{width}.\n"
                "Pass a smaller side_range."
            )
        return {
            "side": drawn(low, high),
            "fill": self.fill,
            "resize": super()._fields(height, width),
        }

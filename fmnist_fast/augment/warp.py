"""Rotations, affine, perspective and elastic warps (src/augment/*.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from .._core import INTERPOLATIONS
from ._arguments import (
    around,
    interval,
    number,
    only,
    optional,
    real,
    repeat,
    sequence_of,
)
from ._flat import Fields, FlatTransform, affine, drawn
from ._transform import Warp, pair


class _Affine(Warp):
    """Base class of transforms that are one affine map.

    `center` is measured from the upper left corner, and the core's `center_x` and
    `center_y` from the center of the image.
    """

    interpolation: str
    fill: int | None
    center: Sequence[float] | None

    def _to_core(self, height: int, width: int) -> list[FlatTransform]:
        fields = self._fields(height, width)
        if self.center is not None:
            x, y = self.center
            fields |= {"center_x": x - width * 0.5, "center_y": y - height * 0.5}
        return [affine(self.interpolation, self.fill, **fields)]


@dataclass(frozen=True)
class RandomRotation(_Affine):
    """Rotate the image by a random angle.

    Parameters
    ----------
    degrees : float or (low, high)
        Range of the angle in degrees, counterclockwise, -1e6..1e6. The angle is drawn
        uniformly. One number d, at least 0, means ``(-d, d)``.
    interpolation : {"nearest", "bilinear"}, default "nearest"
        Interpolation between pixels.
    expand : bool, default False
        Must be False. The result keeps the size of the image.
    center : (x, y) or None, default None
        Center of the rotation in pixels from the upper left corner, -1e6..1e6. None
        means the center of the image.
    fill : int in 0..255 or None, default 0
        Gray level outside the image. None means 0.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range, or `expand` is True. `Loader` raises it for
        images with a side above 16384 pixels.

    Notes
    -----
    Rotations and affine maps that follow each other are composed and resampled once.

    Torchvision allows expand=True, which makes images of different sizes.
    With "bilinear", pixels differ from torchvision's by at most two gray levels, if its
    `fill` is None. Otherwise, also with its default of 0, torchvision multiplies the
    pixels at the border by their weight twice, which makes them darker. With "nearest",
    points exactly between two pixels take the pixel that Pillow takes, as torchvision
    does for Pillow images. For tensors it takes the even one. docs/augmentation.md has
    a table of the differences.

    Examples
    --------
    >>> RandomRotation(10).degrees
    (-10.0, 10.0)
    """

    degrees: float | Sequence[float]
    interpolation: str = "nearest"
    expand: bool = False
    center: Sequence[float] | None = None
    fill: int | None = 0
    _checks = {"expand": only(False, "All images of a batch must have the same size.")}

    def _fields(self, height: int, width: int) -> Fields:
        return {"angle": drawn(*pair(self.degrees)), "counter_clockwise": 1}


@dataclass(frozen=True)
class RandomAffine(_Affine):
    """Apply a random affine map: rotation, translation, scaling and shear.

    Parameters
    ----------
    degrees : float or (low, high)
        Range of the angle in degrees, clockwise, -1e6..1e6. The angle is drawn
        uniformly. One number d, at least 0, means ``(-d, d)``; 0 means no rotation.
    translate : (x, y) or None, default None
        Largest translations as shares of the width and of the height, 0..1. The
        translation is drawn uniformly and rounded to whole pixels. None means no
        translation.
    scale : (low, high) or None, default None
        Range of the scale factor, 1e-6..1e6, drawn uniformly. None means no scaling.
    shear : float, (low, high), (x_low, x_high, y_low, y_high) or None, default None
        Range of the shear angles in degrees, -89..89, drawn uniformly. One number s, at
        least 0, means ``(-s, s)``. One number or one pair shears along x only. None
        means no shear.
    interpolation : {"nearest", "bilinear"}, default "nearest"
        Interpolation between pixels.
    fill : int in 0..255 or None, default 0
        Gray level outside the image. None means 0.
    center : (x, y) or None, default None
        Center of the map in pixels from the upper left corner, -1e6..1e6. None means
        the center of the image.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range. `Loader` raises it for images with a side
        above 16384 pixels.

    Notes
    -----
    Rotations and affine maps that follow each other are composed and resampled once.

    With "bilinear", pixels differ from torchvision's by at most two gray levels, if its
    `fill` is None. Otherwise, also with its default of 0, torchvision multiplies the
    pixels at the border by their weight twice, which makes them darker. With "nearest",
    points exactly between two pixels take the pixel that Pillow takes, as torchvision
    does for Pillow images. For tensors it takes the even one. docs/augmentation.md has
    a table of the differences.
    """

    degrees: float | Sequence[float]
    translate: Sequence[float] | None = None
    scale: Sequence[float] | None = None
    shear: float | Sequence[float] | None = None
    interpolation: str = "nearest"
    fill: int | None = 0
    center: Sequence[float] | None = None
    _checks = {
        "translate": optional(sequence_of(number(0, 1), 2)),
        "scale": optional(interval),
        "shear": optional(around(0.0, -89.0, 89.0, 2, 4)),
    }

    def _fields(self, height: int, width: int) -> Fields:
        x, y = pair(self.translate or (0.0, 0.0))
        angles = cast("tuple[float, ...]", self.shear or (0.0, 0.0))
        shear = angles if len(angles) == 4 else (*angles, 0.0, 0.0)
        return {
            "angle": drawn(*pair(self.degrees)),
            "translate_x": drawn(-x * width, x * width),
            "translate_y": drawn(-y * height, y * height),
            "scale": drawn(*pair(self.scale or (1.0, 1.0))),
            "shear_x": drawn(shear[0], shear[1]),
            "shear_y": drawn(shear[2], shear[3]),
        }


@dataclass(frozen=True)
class ElasticTransform(Warp):
    """Distort the image by smooth random displacements.

    The method is that of Simard, Steinkraus and Platt, "Best practices for
    convolutional neural networks applied to visual document analysis", ICDAR 2003.

    Parameters
    ----------
    alpha : float or (x, y), default 50.0
        Strength of the displacements, -1e6..1e6. Uniform noise in -1..1 is smoothed and
        multiplied by alpha / 2 pixels.
    sigma : float or (x, y), default 5.0
        Standard deviation of the Gaussian that smooths the noise, in pixels, 0..1000.
    interpolation : {"bilinear", "nearest"}, default "bilinear"
        Interpolation between pixels.
    fill : int in 0..255 or None, default 0
        Gray level outside the image. None means 0.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range. `Loader` raises it for images with a side
        above 16384 pixels.

    Notes
    -----
    Three box filters in a row approximate the Gaussian. Torchvision uses a Gaussian
    that is cut at 4 sigma.

    With "bilinear", pixels differ from torchvision's for the same displacements by at
    most two gray levels, if its `fill` is None. Otherwise, also with its default of 0,
    torchvision multiplies the pixels at the border by their weight twice, which makes
    them darker. docs/augmentation.md has a table of the differences.
    """

    alpha: float | Sequence[float] = 50.0
    sigma: float | Sequence[float] = 5.0
    interpolation: str = "bilinear"
    fill: int | None = 0
    _kind = "elastic"
    _checks = {"alpha": repeat(real), "sigma": repeat(number(0, 1000))}

    def _fields(self, height: int, width: int) -> Fields:
        (alpha_x, alpha_y), (sigma_x, sigma_y) = pair(self.alpha), pair(self.sigma)
        return {
            "alpha_x": alpha_x,
            "alpha_y": alpha_y,
            "sigma_x": sigma_x,
            "sigma_y": sigma_y,
            "interpolation": INTERPOLATIONS[self.interpolation],
            "fill": self.fill,
        }


@dataclass(frozen=True)
class RandomPerspective(Warp):
    """Apply a random perspective map with a given probability.

    Each corner of the image moves inwards. The image is drawn into the quadrilateral
    that the four corners make.

    Parameters
    ----------
    distortion_scale : float in 0..1, default 0.5
        Largest share of half the width, and of half the height, by which a corner
        moves. Distances are whole pixels, drawn uniformly for each corner and axis.
    p : float in 0..1, default 0.5
        Probability of the map.
    interpolation : {"bilinear", "nearest"}, default "bilinear"
        Interpolation between pixels.
    fill : int in 0..255 or None, default 0
        Gray level outside the image. None means 0.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range. `Loader` raises it for images with a side
        above 16384 pixels.

    Notes
    -----
    The image is resampled once for this map, also if rotations or affine maps come
    before or after it.

    With "bilinear", pixels differ from torchvision's by at most two gray levels, if its
    `fill` is None. Otherwise, also with its default of 0, torchvision multiplies the
    pixels at the border by their weight twice, which makes them darker.
    docs/augmentation.md has a table of the differences.

    If three corners lie on a line, no map exists, and all pixels are `fill`. This
    requires a `distortion_scale` of at least 0.6, or a side of fewer than 10 pixels.
    """

    distortion_scale: float = 0.5
    p: float = 0.5
    interpolation: str = "bilinear"
    fill: int | None = 0
    _kind = "perspective"
    _checks = {"distortion_scale": number(0, 1)}

    def _fields(self, height: int, width: int) -> Fields:
        return {
            "n_x": int(self.distortion_scale * (width // 2)) + 1,
            "n_y": int(self.distortion_scale * (height // 2)) + 1,
            "interpolation": INTERPOLATIONS[self.interpolation],
            "fill": self.fill,
        }

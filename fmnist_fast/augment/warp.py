"""Rotation, affine maps and elastic fields (src/augment/warp.h, elastic.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from .._core import INTERPOLATIONS
from ._arguments import around, interval, number, only, optional, real, repeat, several
from ._flat import Fields, FlatTransform, affine, drawn
from ._transform import Warp, pair


class _Affine(Warp):
    """One affine map. `center` is a point from the upper left corner."""

    interpolation: str
    fill: int | None
    center: Sequence[float] | None

    def _flatten(self, height: int, width: int) -> list[FlatTransform]:
        fields = self._fields(height, width)
        if self.center is not None:
            x, y = self.center
            fields |= {"center_x": x - width * 0.5, "center_y": y - height * 0.5}
        return [affine(self.interpolation, self.fill, **fields)]


@dataclass(frozen=True)
class RandomRotation(_Affine):
    """Rotate by a random angle.

    Parameters
    ----------
    degrees : float or (low, high)
        Counter-clockwise, uniform; one number d is (-d, d).
    interpolation : "nearest" or "bilinear"
    expand : False
        True would make images of different sizes, which no batch can hold.
    center : (x, y), optional
        Pixels from the upper left corner; by default the centre.
    fill : int in 0..255
        Grey level outside the image.

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
    _checks = {"expand": only(False, "a batch needs images of one size")}

    def _fields(self, height: int, width: int) -> Fields:
        return {"angle": drawn(*pair(self.degrees)), "counter_clockwise": 1}


@dataclass(frozen=True)
class RandomAffine(_Affine):
    """Rotate, scale, shear and move at random, about one point.

    Parameters
    ----------
    degrees : float or (low, high)
        Clockwise, uniform; one number d is (-d, d), 0 does not rotate.
    translate : (x, y), optional
        Farthest moves, as shares of width and height in 0..1; whole pixels are drawn.
    scale : (low, high), optional
        Factor, above 0.
    shear : float, (low, high) or (x_low, x_high, y_low, y_high), optional
        Degrees in -89..89; one number or pair is along x only.
    interpolation : "nearest" or "bilinear"
    fill : int in 0..255
        Grey level outside the image.
    center : (x, y), optional
        Pixels from the upper left corner; by default the centre.
    """

    degrees: float | Sequence[float]
    translate: Sequence[float] | None = None
    scale: Sequence[float] | None = None
    shear: float | Sequence[float] | None = None
    interpolation: str = "nearest"
    fill: int | None = 0
    center: Sequence[float] | None = None
    _checks = {
        "translate": optional(several(number(0, 1), 2)),
        "scale": optional(interval),
        "shear": optional(around(0.0, -89.0, 89.0, 2, 4)),
    }

    def _fields(self, height: int, width: int) -> Fields:
        x, y = pair(self.translate or (0.0, 0.0))
        given = cast("tuple[float, ...]", self.shear or (0.0, 0.0))
        shear = given if len(given) == 4 else (*given, 0.0, 0.0)
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
    """Move every pixel by a smooth random field.

    Simard, Steinkraus and Platt, "Best practices for convolutional neural networks
    applied to visual document analysis", ICDAR 2003.

    Parameters
    ----------
    alpha : float or (x, y)
        Strength.
    sigma : float or (x, y)
        Smoothness: standard deviation of the Gaussian over the field, in pixels,
        0..1000.
    interpolation : "bilinear" or "nearest"
    fill : int in 0..255
        Grey level outside the image.
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

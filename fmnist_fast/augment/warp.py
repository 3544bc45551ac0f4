"""Rotation, affine maps and elastic fields (src/augment/warp.h, elastic.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from .._checks import checked_flag
from ._checks import (
    INTERPOLATIONS,
    LARGE,
    any_number,
    around,
    both,
    grey,
    interpolation,
    number,
    optional,
    ordered,
    positive,
    several,
)
from ._transform import Flat, FlatStep, Step, constant, drawn, pair

MAX_WARP_SIDE = 16384  # FM_QUADS_MAX_SIDE


class Warp(Step):
    """Steps that move pixels by fractions of a pixel."""

    def _check_sides(self, height: int, width: int) -> None:
        if max(height, width) > MAX_WARP_SIDE:
            raise self._error(
                f"warps take sides up to {MAX_WARP_SIDE}, got an image of "
                f"{height}x{width}"
            )


def affine(interpolation: str, fill: int | None, **fields: Any) -> FlatStep:
    """An affine map that changes nothing but what `fields` say."""
    still = dict.fromkeys(
        ("angle", "translate_x", "translate_y", "shear_x", "shear_y"), constant(0.0)
    )
    flags = dict.fromkeys(("counter_clockwise", "shear_tangent", "truncate"), 0)
    center = {"center_x": 0.0, "center_y": 0.0}
    rest = {"interpolation": INTERPOLATIONS.index(interpolation), "fill": fill}
    scale = {"scale": constant(1.0)}
    return "affine", 1.0, still | scale | flags | center | rest | fields


_degrees = around(0.0, -LARGE, LARGE, 2)


def _center(center: object, height: int, width: int) -> dict[str, float]:
    """From the image's centre, of a point given from its upper left corner."""
    if center is None:
        return {}
    x, y = pair(center)
    return {"center_x": x - width * 0.5, "center_y": y - height * 0.5}


@dataclass(frozen=True)
class RandomRotation(Warp):
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

    def __post_init__(self) -> None:
        self._check(
            degrees=_degrees,
            interpolation=interpolation,
            expand=checked_flag,
            center=optional(several(any_number, 2)),
            fill=grey,
        )
        if self.expand:
            raise self._error(
                "expand must be False, got True: a batch needs images of one size"
            )

    def _compile(self, height: int, width: int) -> Flat:
        self._check_sides(height, width)
        step = affine(
            self.interpolation,
            self.fill,
            angle=drawn(*pair(self.degrees)),
            counter_clockwise=1,
            **_center(self.center, height, width),
        )
        return [step], height, width


@dataclass(frozen=True)
class RandomAffine(Warp):
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

    def __post_init__(self) -> None:
        self._check(
            degrees=_degrees,
            translate=optional(several(number(0, 1), 2)),
            scale=optional(ordered(positive, 2)),
            shear=optional(around(0.0, -89.0, 89.0, 2, 4)),
            interpolation=interpolation,
            fill=grey,
            center=optional(several(any_number, 2)),
        )

    def _compile(self, height: int, width: int) -> Flat:
        self._check_sides(height, width)
        x, y = pair(self.translate or (0.0, 0.0))
        given = cast("tuple[float, ...]", self.shear or (0.0, 0.0))
        shear = given if len(given) == 4 else (*given, 0.0, 0.0)
        step = affine(
            self.interpolation,
            self.fill,
            angle=drawn(*pair(self.degrees)),
            translate_x=drawn(-x * width, x * width),
            translate_y=drawn(-y * height, y * height),
            scale=drawn(*pair(self.scale or (1.0, 1.0))),
            shear_x=drawn(shear[0], shear[1]),
            shear_y=drawn(shear[2], shear[3]),
            **_center(self.center, height, width),
        )
        return [step], height, width


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

    def __post_init__(self) -> None:
        self._check(
            alpha=both(any_number),
            sigma=both(number(0, 1000)),
            interpolation=interpolation,
            fill=grey,
        )

    def _compile(self, height: int, width: int) -> Flat:
        self._check_sides(height, width)
        (alpha_x, alpha_y), (sigma_x, sigma_y) = pair(self.alpha), pair(self.sigma)
        fields = {
            "alpha_x": alpha_x,
            "alpha_y": alpha_y,
            "sigma_x": sigma_x,
            "sigma_y": sigma_y,
            "interpolation": INTERPOLATIONS.index(self.interpolation),
            "fill": self.fill,
        }
        return [("elastic", 1.0, fields)], height, width

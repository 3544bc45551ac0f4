"""Policies: random operations of random or given strength."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from ._checks import grey, integer, interpolation
from ._transform import Flat, FlatStep, constant, drawn
from .group import choice
from .tone import (
    AUTOCONTRAST,
    BRIGHTNESS,
    CONTRAST,
    EQUALIZE,
    POSTERIZE,
    SOLARIZE,
    tone,
)
from .warp import Warp, affine

Draw: TypeAlias = "Callable[[float, float, int], dict[str, Any]]"  # low, high, sign


class _Policy(Warp):
    """One of torchvision's 14 operations, but Color, each with the same probability."""

    interpolation: str
    fill: int | None

    def _operations(
        self,
        draw: Draw,
        *,
        shear: float,
        move_x: float,
        move_y: float,
        degrees: float,
        factor: float,
        bits: int,
        corner: dict[str, float],
    ) -> list[FlatStep]:
        def warp(**fields: Any) -> list[FlatStep]:
            return [affine(self.interpolation, self.fill, **fields)]

        # Half of their share each: 1 + factor and 1 - factor, drawn from 1 on.
        factors = [draw(1.0, 1.0 + factor, 0), draw(1.0, 1.0 - factor, 0)]
        shears = {"shear_tangent": 1, **corner}
        return choice(
            [
                (2, []),
                (2, warp(shear_x=draw(0.0, shear, 1), **shears)),
                (2, warp(shear_y=draw(0.0, shear, 1), **shears)),
                (2, warp(translate_x=draw(0.0, move_x, 1), truncate=1)),
                (2, warp(translate_y=draw(0.0, move_y, 1), truncate=1)),
                (2, warp(angle=draw(0.0, degrees, 1), counter_clockwise=1)),
                *((1, [tone(BRIGHTNESS, value)]) for value in factors),
                *((1, [tone(CONTRAST, value)]) for value in factors),
                *((1, [("sharpness", 1.0, {"factor": value})]) for value in factors),
                (2, [tone(POSTERIZE, draw(8.0, bits, 0))]),
                (2, [tone(SOLARIZE, draw(255.0, 0.0, 0))]),
                (2, [tone(AUTOCONTRAST, constant(0.0))]),
                (2, [tone(EQUALIZE, constant(0.0))]),
            ]
        )


def _corner(height: int, width: int) -> dict[str, float]:
    """The upper left corner, which shears keep in place."""
    return {"center_x": -width * 0.5, "center_y": -height * 0.5}


@dataclass(frozen=True)
class TrivialAugmentWide(_Policy):
    """One random operation of random strength.

    Müller and Hutter, "TrivialAugment: Tuning-free yet state-of-the-art data
    augmentation", ICCV 2021, arXiv:2103.10158. One of identity, shear and translation
    along x or y, rotation, brightness, contrast, sharpness, posterize, solarize,
    autocontrast and equalize. Torchvision's operation Color is left out: it does
    nothing to grayscale images.

    Parameters
    ----------
    num_magnitude_bins : int in 2..65536
        Number of strengths, equally spaced.
    interpolation : "nearest" or "bilinear"
    fill : int in 0..255, optional
        Grey level outside the image; black by default.
    """

    num_magnitude_bins: int = 31
    interpolation: str = "nearest"
    fill: int | None = None

    def __post_init__(self) -> None:
        self._check(
            num_magnitude_bins=integer(2, 65536), interpolation=interpolation, fill=grey
        )

    def _compile(self, height: int, width: int) -> Flat:
        self._check_sides(height, width)
        steps = self._operations(
            lambda low, high, sign: drawn(low, high, self.num_magnitude_bins, sign),
            shear=0.99,
            move_x=32.0,
            move_y=32.0,
            degrees=135.0,
            factor=0.99,
            bits=2,
            corner=_corner(height, width),
        )
        return steps, height, width


@dataclass(frozen=True)
class RandAugment(_Policy):
    """Several random operations of one strength.

    Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced
    search space", arXiv:1909.13719. The operations are those of `TrivialAugmentWide`,
    in narrower ranges.

    Parameters
    ----------
    num_ops : int in 0..1000
        Number of operations, one after the other.
    magnitude : int in 0..num_magnitude_bins - 1
        Their strength.
    num_magnitude_bins : int in 2..65536
        Number of strengths, equally spaced.
    interpolation : "nearest" or "bilinear"
    fill : int in 0..255, optional
        Grey level outside the image; black by default.
    """

    num_ops: int = 2
    magnitude: int = 9
    num_magnitude_bins: int = 31
    interpolation: str = "nearest"
    fill: int | None = None

    def __post_init__(self) -> None:
        self._check(
            num_ops=integer(0, 1000),
            num_magnitude_bins=integer(2, 65536),
            interpolation=interpolation,
            fill=grey,
        )
        self._check(magnitude=integer(0, self.num_magnitude_bins - 1))

    def _compile(self, height: int, width: int) -> Flat:
        self._check_sides(height, width)
        share = self.magnitude / (self.num_magnitude_bins - 1)

        def draw(low: float, high: float, sign: int) -> dict[str, Any]:
            value = low + (high - low) * share
            return drawn(value, value, random_sign=sign)

        steps = self._operations(
            draw,
            shear=0.3,
            move_x=150.0 / 331.0 * width,
            move_y=150.0 / 331.0 * height,
            degrees=30.0,
            factor=0.9,
            bits=4,
            corner=_corner(height, width),
        )
        return steps * self.num_ops, height, width

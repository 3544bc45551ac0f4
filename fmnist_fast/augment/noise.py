"""Noise (src/augment/noise.h)."""

from __future__ import annotations

from dataclasses import dataclass

from ._arguments import LARGE, number, only, real
from ._flat import Fields
from ._transform import Transform


@dataclass(frozen=True)
class GaussianNoise(Transform):
    """Add a normal number to every pixel.

    Parameters
    ----------
    mean, sigma : float
        Mean and standard deviation, in shares of white (1 is 255); sigma from 0.
    clip : True
        Results are cut to 0..255; pixels are bytes and can hold nothing else.
    """

    mean: float = 0.0
    sigma: float = 0.1
    clip: bool = True
    _kind = "noise"
    _checks = {
        "mean": real,
        "sigma": number(0, LARGE),
        "clip": only(True, "pixels are bytes"),
    }

    def _fields(self, height: int, width: int) -> Fields:
        return {"mean": self.mean, "sigma": self.sigma}

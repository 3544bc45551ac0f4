"""GaussianNoise, which adds noise to each pixel (src/augment/noise.h)."""

from __future__ import annotations

from dataclasses import dataclass

from ._arguments import LARGE, number, only, real
from ._flat import Fields
from ._transform import Transform


@dataclass(frozen=True)
class GaussianNoise(Transform):
    """Add normally distributed noise to every pixel.

    Parameters
    ----------
    mean : float in -1e6..1e6, default 0.0
        Mean of the noise in units of white: 1 means 255 gray levels.
    sigma : float in 0..1e6, default 0.1
        Standard deviation of the noise in the same unit.
    clip : bool, default True
        Must be True. Values are clipped to 0..255.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range, or `clip` is False.

    Notes
    -----
    The sum of pixel and noise is rounded to the nearest gray level. Torchvision
    truncates the noise toward zero, and allows clip=False.
    """

    mean: float = 0.0
    sigma: float = 0.1
    clip: bool = True
    _kind = "noise"
    _checks = {
        "mean": real,
        "sigma": number(0, LARGE),
        "clip": only(True, "Pixels are 8-bit and cannot hold other values."),
    }

    def _fields(self, height: int, width: int) -> Fields:
        return {"mean": self.mean, "sigma": self.sigma}

"""GaussianNoise and SaltAndPepperNoise, for each pixel (src/augment/noise.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ._arguments import LARGE, number, only, ordered, real, repeat
from ._flat import Fields, drawn
from ._transform import Transform, pair


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


@dataclass(frozen=True)
class SaltAndPepperNoise(Transform):
    """Make random pixels white or black.

    Each pixel is replaced with probability `amount`, independently of the others. It
    becomes white with probability `salt_vs_pepper`, otherwise black.

    Parameters
    ----------
    amount : float or (low, high), default 0.05
        Probability that a pixel is replaced, 0..1, drawn uniformly from the range for
        each image. A single number is used for all images.
    salt_vs_pepper : float in 0..1, default 0.5
        Share of white, gray level 255, among the replaced pixels. The others become
        black, gray level 0.
    p : float in 0..1, default 1.0
        Probability of adding noise to an image.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range.

    Notes
    -----
    Torchvision has no such transform. The names and the defaults of `amount` and
    `salt_vs_pepper` are those of scikit-image's random_noise, mode "s&p". They are also
    the names in Kornia's RandomSaltAndPepperNoise. There and in Albumentations'
    SaltAndPepper, `salt_vs_pepper` is drawn from a range too, and `p` is 0.5.

    The probabilities ``amount`` and ``amount * salt_vs_pepper`` are rounded to
    multiples of 1/65536. With amount=0 no pixel changes, and with amount=1 all are
    replaced.
    """

    amount: float | Sequence[float] = 0.05
    salt_vs_pepper: float = 0.5
    p: float = 1.0
    _kind = "salt_pepper"
    _checks = {
        "amount": ordered(repeat(number(0, 1))),
        "salt_vs_pepper": number(0, 1),
    }

    def _fields(self, height: int, width: int) -> Fields:
        return {
            "amount": drawn(*pair(self.amount)),
            "salt_vs_pepper": self.salt_vs_pepper,
        }

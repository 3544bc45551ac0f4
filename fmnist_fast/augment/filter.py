"""Steps that look at a pixel's neighbours (src/augment/filter.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._checks import checked_integer
from .._core import MAX_BLUR_SIZE
from ._arguments import LARGE, number, ordered, repeat
from ._flat import Fields, constant, drawn
from ._transform import Transform, pair


def _kernel(name: str, value: Any) -> int:
    size = checked_integer(name, value, 1, MAX_BLUR_SIZE)
    if size % 2 == 0:
        raise ValueError(f"{name} must be odd, got {size}")
    return size


@dataclass(frozen=True)
class GaussianBlur(Transform):
    """Blur with a Gaussian of random width.

    Parameters
    ----------
    kernel_size : int or (x, y)
        Pixels that the Gaussian is cut to: odd, 1..255, and half of it less than the
        image's side.
    sigma : float or (low, high)
        Standard deviation in pixels, uniform, 0.001..1000.
    """

    kernel_size: int | Sequence[int]
    sigma: float | Sequence[float] = (0.1, 2.0)
    _kind = "blur"
    _checks = {
        "kernel_size": repeat(_kernel),
        "sigma": ordered(repeat(number(1e-3, 1e3))),
    }

    def _fields(self, height: int, width: int) -> Fields:
        size_x, size_y = pair(self.kernel_size)
        if size_x // 2 >= width or size_y // 2 >= height:
            raise self._error(
                f"half of kernel_size must be less than the image's sides, got "
                f"{self.kernel_size} (x, y) for an image of {height}x{width}"
            )
        return {"size_x": size_x, "size_y": size_y, "sigma": drawn(*pair(self.sigma))}


@dataclass(frozen=True)
class RandomAdjustSharpness(Transform):
    """Sharpen or smooth.

    Parameters
    ----------
    sharpness_factor : float
        From 0: 0 smooths, 1 changes nothing, 2 sharpens.
    p : float in 0..1
        Probability.
    """

    sharpness_factor: float
    p: float = 0.5
    _kind = "sharpness"
    _checks = {"sharpness_factor": number(0, LARGE)}

    def _fields(self, height: int, width: int) -> Fields:
        return {"factor": constant(self.sharpness_factor)}

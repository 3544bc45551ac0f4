"""Blur and sharpening, which use each pixel's neighbors (src/augment/filter.h)."""

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
    """Blur the image with a Gaussian of random standard deviation.

    Parameters
    ----------
    kernel_size : int or (x, y)
        Size of the kernel in pixels, odd, 1..255. Half of it, rounded down, must be
        less than the image's side.
    sigma : float or (low, high), default (0.1, 2.0)
        Standard deviation in pixels, 0.001..1000, drawn uniformly from the range. A
        single number is used for all images.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range, or `kernel_size` is even. `Loader` raises it
        if the kernel is too large for the images.

    Notes
    -----
    Pixels outside the image are mirrored, as in torchvision. The result is within one
    gray level of torchvision's, which adds the pixels in another order.
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
    """Sharpen or smooth the image with a given probability.

    Parameters
    ----------
    sharpness_factor : float in 0..1e6
        Strength. 0 smooths the image, 1 leaves it unchanged, and 2 sharpens it.
    p : float in 0..1, default 0.5
        Probability of the change.

    Raises
    ------
    TypeError
        An argument is not a number.
    ValueError
        An argument is outside its range.

    Notes
    -----
    The outermost pixels stay unchanged, as in torchvision. The result is within one
    gray level of torchvision's, which rounds the factor's product differently.
    """

    sharpness_factor: float
    p: float = 0.5
    _kind = "sharpness"
    _checks = {"sharpness_factor": number(0, LARGE)}

    def _fields(self, height: int, width: int) -> Fields:
        return {"factor": constant(self.sharpness_factor)}

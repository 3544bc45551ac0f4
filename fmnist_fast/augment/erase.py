"""RandomErasing and Cutout, which paint over rectangles (src/augment/erase.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._checks import checked_flag
from ._arguments import gray_level, number, one_of, ordered, sequence_of, side
from ._flat import Fields, drawn, log_range
from ._transform import Transform, pair


def _gray_level_or_random(name: str, value: Any) -> Any:
    check = one_of(["random"]) if isinstance(value, str) else gray_level
    return check(name, value)


@dataclass(frozen=True)
class RandomErasing(Transform):
    """Paint over a rectangle of random size and location with a given probability.

    The method is that of Zhong et al., "Random erasing data augmentation",
    arXiv:1708.04896.

    Parameters
    ----------
    p : float in 0..1, default 0.5
        Probability of erasing.
    scale : (low, high), default (0.02, 0.33)
        Range of the rectangle's area as a share of the image's area, 0..1. The area is
        drawn uniformly.
    ratio : (low, high), default (0.3, 3.3)
        Range of the rectangle's height / width, 1e-6..1e6. Its logarithm is drawn
        uniformly.
    value : int or "random", default 0
        Gray level of the rectangle, 0..255. "random" draws a gray level for each pixel,
        uniformly from 0..255.
    inplace : bool, default False
        Accepted as in torchvision, without effect.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range.

    Notes
    -----
    The rectangle must be smaller than the image in both directions. After ten draws
    that do not fit, the image stays unchanged.

    Torchvision's `value` can also be a color, and its "random" draws from a normal
    distribution.
    """

    p: float = 0.5
    scale: Sequence[float] = (0.02, 0.33)
    ratio: Sequence[float] = (0.3, 3.3)
    value: int | str = 0
    inplace: bool = False
    _kind = "erasing"
    _checks = {
        "scale": ordered(sequence_of(number(0, 1), 2)),
        "value": _gray_level_or_random,
        "inplace": checked_flag,
    }

    def _fields(self, height: int, width: int) -> Fields:
        return {
            "scale": drawn(*pair(self.scale)),
            "log_ratio": log_range(*pair(self.ratio)),
            "random": int(self.value == "random"),
            "value": 0 if self.value == "random" else self.value,
        }


@dataclass(frozen=True)
class Cutout(Transform):
    """Paint over a square around a random pixel.

    The part of the square outside the image is cut off. The method is that of DeVries
    and Taylor, "Improved regularization of convolutional neural networks with cutout",
    arXiv:1708.04552.

    Parameters
    ----------
    size : int in 1..65536
        Side of the square in pixels.
    fill : int in 0..255 or None, default 0
        Gray level of the square. None means 0.

    Raises
    ------
    TypeError
        An argument has a wrong type.
    ValueError
        An argument is outside its range.

    Notes
    -----
    Torchvision has no such transform.
    """

    size: int
    fill: int | None = 0
    _kind = "cutout"
    _checks = {"size": side}

    def _fields(self, height: int, width: int) -> Fields:
        return {"size": self.size, "value": self.fill}

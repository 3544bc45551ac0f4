"""Rectangles that are painted over (src/augment/erase.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._checks import checked_flag
from ._arguments import grey, number, one_of, ordered, several, side
from ._flat import Fields, drawn, log_range
from ._transform import Transform, pair


def _grey_or_random(name: str, value: Any) -> Any:
    return (one_of(["random"]) if isinstance(value, str) else grey)(name, value)


@dataclass(frozen=True)
class RandomErasing(Transform):
    """Paint over a rectangle of random area, shape and place.

    Zhong et al., "Random erasing data augmentation", arXiv:1708.04896.

    Parameters
    ----------
    p : float in 0..1
        Probability.
    scale : (low, high)
        Share of the image's area, uniform, in 0..1.
    ratio : (low, high)
        Height / width, uniform in its logarithm, above 0. After ten draws that do not
        fit into the image, nothing is erased.
    value : int in 0..255, or "random"
        Grey level; "random" gives every pixel one of its own, all equally likely.
    inplace : bool
        No effect.
    """

    p: float = 0.5
    scale: Sequence[float] = (0.02, 0.33)
    ratio: Sequence[float] = (0.3, 3.3)
    value: int | str = 0
    inplace: bool = False
    _kind = "erasing"
    _checks = {
        "scale": ordered(several(number(0, 1), 2)),
        "value": _grey_or_random,
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
    """Paint over a square around a random pixel, cut at the edges of the image.

    DeVries and Taylor, "Improved regularization of convolutional neural networks with
    cutout", arXiv:1708.04552.

    Parameters
    ----------
    size : int
        Side of the square in pixels, 1..65536.
    fill : int in 0..255
        Grey level.
    """

    size: int
    fill: int | None = 0
    _kind = "cutout"
    _checks = {"size": side}

    def _fields(self, height: int, width: int) -> Fields:
        return {"size": self.size, "value": self.fill}

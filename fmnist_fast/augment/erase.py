"""Rectangles that are painted over (src/augment/erase.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._checks import checked_flag
from ._checks import grey, grey_or_random, number, ordered, positive, probability, side
from ._transform import Flat, Step, drawn, log_range, pair


@dataclass(frozen=True)
class RandomErasing(Step):
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

    def __post_init__(self) -> None:
        self._check(
            p=probability,
            scale=ordered(number(0, 1), 2),
            ratio=ordered(positive, 2),
            value=grey_or_random,
            inplace=checked_flag,
        )

    def _compile(self, height: int, width: int) -> Flat:
        random = self.value == "random"
        fields = {
            "scale": drawn(*pair(self.scale)),
            "log_ratio": log_range(self.ratio),
            "random": int(random),
            "value": 0 if random else self.value,
        }
        return [("erasing", self.p, fields)], height, width


@dataclass(frozen=True)
class Cutout(Step):
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

    def __post_init__(self) -> None:
        self._check(size=side, fill=grey)

    def _compile(self, height: int, width: int) -> Flat:
        fields = {"size": self.size, "value": self.fill}
        return [("cutout", 1.0, fields)], height, width

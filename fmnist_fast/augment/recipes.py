"""Named lists of steps, from papers."""

from __future__ import annotations

from collections.abc import Callable

from .._checks import did_you_mean
from ._transform import Transform
from .crop import RandomCrop, RandomHorizontalFlip
from .erase import Cutout, RandomErasing
from .policy import TrivialAugmentWide


def _standard(height: int, width: int) -> tuple[Transform, ...]:
    # He et al., "Deep residual learning for image recognition", CVPR 2016, section 4.2:
    # 4 pixels of padding, a random crop of the image's size, and a flip (CIFAR-10).
    return RandomCrop((height, width), padding=4), RandomHorizontalFlip()


def _standard_erasing(height: int, width: int) -> tuple[Transform, ...]:
    # Zhong et al., arXiv:1708.04896, which has results for Fashion-MNIST; scale and
    # ratio are torchvision's.
    return *_standard(height, width), RandomErasing()


def _strong(height: int, width: int) -> tuple[Transform, ...]:
    # Müller and Hutter, arXiv:2103.10158, as their code does it for CIFAR-10: the wide
    # operation first, crop and flip, then Cutout with half the image's side (16 of 32).
    cutout = Cutout(max(1, min(height, width) // 2))
    return TrivialAugmentWide(), *_standard(height, width), cutout


# Of the size of the image. Padding and holes are black, as Fashion-MNIST's background.
RECIPES: dict[str, Callable[[int, int], tuple[Transform, ...]]] = {
    "standard": _standard,
    "standard+erasing": _standard_erasing,
    "strong": _strong,
}


def recipe(name: str) -> Callable[[int, int], tuple[Transform, ...]]:
    if name not in RECIPES:
        raise ValueError(
            f"augment must be one of the recipes {', '.join(RECIPES)}, got {name!r}"
            f"{did_you_mean(name, list(RECIPES))}"
        )
    return RECIPES[name]

"""Recipes: named lists of transforms, from papers."""

from __future__ import annotations

from collections.abc import Callable

from .._checks import did_you_mean
from ._foreign import hint_for
from ._transform import Transform
from .crop import RandomCrop, RandomHorizontalFlip
from .erase import Cutout, RandomErasing
from .filter import RandomAdjustSharpness
from .group import RandomChoice
from .tone import ColorJitter, RandomAutocontrast, RandomEqualize, RandomPosterize
from .warp import RandomAffine, RandomRotation


def _standard(height: int, width: int) -> tuple[Transform, ...]:
    # He et al., "Deep residual learning for image recognition", CVPR 2016, section 4.2:
    # 4 pixels of padding, a random crop of the image's size, and a flip (CIFAR-10).
    return RandomCrop((height, width), padding=4), RandomHorizontalFlip()


def _standard_erasing(height: int, width: int) -> tuple[Transform, ...]:
    # Zhong et al., arXiv:1708.04896, which has results for Fashion-MNIST. The scale and
    # the ratio are torchvision's.
    return *_standard(height, width), RandomErasing()


def _strong(height: int, width: int) -> tuple[Transform, ...]:
    # Müller and Hutter, arXiv:2103.10158, in the order of their code for CIFAR-10: one
    # random operation, crop, flip, then Cutout with half the image's side (16 of 32).
    # Their ranges make 5 % of Fashion-MNIST nearly black. A translation by 32 pixels
    # moves the garment out of 28x28, factors near 0 darken it, and solarizing inverts
    # bright garments. The ranges below make 0.01 % nearly black.
    operation = RandomChoice(
        [
            RandomRotation(135),
            RandomAffine(0, shear=(-45, 45)),
            RandomAffine(0, shear=(0, 0, -45, 45)),
            RandomAffine(0, translate=(0.25, 0.25)),
            ColorJitter(brightness=(0.4, 2)),
            ColorJitter(contrast=(0.2, 2)),
            RandomAdjustSharpness(2),
            RandomPosterize(3, p=1),
            RandomAutocontrast(p=1),
            RandomEqualize(p=1),
        ]
    )
    cutout = Cutout(max(1, min(height, width) // 2))
    return operation, *_standard(height, width), cutout


# Each recipe is a function of the image's height and width. Padding and erased parts
# are black, the background of Fashion-MNIST.
RECIPES: dict[str, Callable[[int, int], tuple[Transform, ...]]] = {
    "standard": _standard,
    "standard+erasing": _standard_erasing,
    "strong": _strong,
}


def recipe(name: str) -> Callable[[int, int], tuple[Transform, ...]]:
    """Return the recipe of a name.

    Parameters
    ----------
    name : {"standard", "standard+erasing", "strong"}
        Name of the recipe.

    Returns
    -------
    callable
        Function of an image's height and width that returns a tuple of transforms.

    Raises
    ------
    ValueError
        No recipe has this name. The message lists the names.
    """
    if name not in RECIPES:
        raise ValueError(
            f"augment must be one of the recipes {', '.join(RECIPES)}, got {name!r}"
            f"{did_you_mean(name, list(RECIPES)) or hint_for(name)}"
        )
    return RECIPES[name]

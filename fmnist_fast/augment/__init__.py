"""What `Loader(augment=...)` takes: steps, policies, mixes, recipes, user functions.

One module for each family of src/augment/*.h. They are imported when a name of theirs
is asked for: a frozen dataclass takes about a millisecond to make.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._compile import Augment, Compiled, compile_steps
    from ._text import parse_steps
    from ._transform import Step
    from .crop import (
        CenterCrop,
        Pad,
        RandomCrop,
        RandomHorizontalFlip,
        RandomVerticalFlip,
    )
    from .erase import Cutout, RandomErasing
    from .filter import GaussianBlur, RandomAdjustSharpness
    from .group import Compose, RandomApply, RandomChoice
    from .mix import CutMix, MixUp
    from .noise import GaussianNoise
    from .policy import RandAugment, TrivialAugmentWide
    from .recipes import RECIPES
    from .resample import RandomResizedCrop, Resize
    from .tone import (
        ColorJitter,
        RandomAutocontrast,
        RandomEqualize,
        RandomInvert,
        RandomPosterize,
        RandomSolarize,
    )
    from .user import CFunction
    from .warp import ElasticTransform, RandomAffine, RandomRotation

__all__ = [
    "RECIPES",
    "Augment",
    "CFunction",
    "CenterCrop",
    "ColorJitter",
    "Compiled",
    "Compose",
    "CutMix",
    "Cutout",
    "ElasticTransform",
    "GaussianBlur",
    "GaussianNoise",
    "MixUp",
    "Pad",
    "RandAugment",
    "RandomAdjustSharpness",
    "RandomAffine",
    "RandomApply",
    "RandomAutocontrast",
    "RandomChoice",
    "RandomCrop",
    "RandomEqualize",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomPosterize",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomSolarize",
    "RandomVerticalFlip",
    "Resize",
    "Step",
    "TrivialAugmentWide",
    "compile_steps",
    "parse_steps",
]

_NAMES = {
    "crop": "RandomCrop CenterCrop Pad RandomHorizontalFlip RandomVerticalFlip",
    "resample": "Resize RandomResizedCrop",
    "warp": "RandomRotation RandomAffine ElasticTransform",
    "tone": "ColorJitter RandomAutocontrast RandomEqualize RandomInvert "
    "RandomPosterize RandomSolarize",
    "filter": "GaussianBlur RandomAdjustSharpness",
    "noise": "GaussianNoise",
    "erase": "RandomErasing Cutout",
    "mix": "MixUp CutMix",
    "group": "Compose RandomApply RandomChoice",
    "policy": "TrivialAugmentWide RandAugment",
    "user": "CFunction",
    "recipes": "RECIPES",
    "_transform": "Step",
    "_compile": "Augment Compiled compile_steps",
    "_text": "parse_steps",
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

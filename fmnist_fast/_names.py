"""Public names that are imported when they are asked for.

A frozen dataclass takes about a millisecond to make, and there are many transforms.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

# The one list of transforms: for each public module of fmnist_fast.augment its names.
TRANSFORMS = {
    "crop": (
        "RandomCrop",
        "CenterCrop",
        "Pad",
        "RandomHorizontalFlip",
        "RandomVerticalFlip",
    ),
    "resample": ("Resize", "RandomResizedCrop"),
    "warp": ("RandomRotation", "RandomAffine", "ElasticTransform"),
    "tone": (
        "ColorJitter",
        "RandomInvert",
        "RandomPosterize",
        "RandomSolarize",
        "RandomAutocontrast",
        "RandomEqualize",
    ),
    "filter": ("GaussianBlur", "RandomAdjustSharpness"),
    "noise": ("GaussianNoise",),
    "erase": ("RandomErasing", "Cutout"),
    "mix": ("MixUp", "CutMix"),
    "group": ("Compose", "RandomApply", "RandomChoice"),
    "policy": ("TrivialAugmentWide", "RandAugment"),
    "user": ("CFunction",),
}
MODULES = {name: module for module, names in TRANSFORMS.items() for name in names}


def lazy(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package.

    Parameters
    ----------
    package : str
        Name of the package, which has `__all__`.
    modules : mapping of str to str
        For each name the module that has it, relative to the package.
    """
    namespace = vars(sys.modules[package])

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f".{modules[name]}", package)
        value = namespace[name] = getattr(module, name)
        return value

    def names() -> list[str]:
        special = [name for name in namespace if name.startswith("__")]
        return sorted({*special, *namespace["__all__"]})

    return get, names

"""Public names that are imported on first use.

Creating a frozen dataclass takes about a millisecond, and each transform is one.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ._checks import in_place_of

# The only list of transforms: the names in each public module of fmnist_fast.augment.
TRANSFORMS = {
    "crop": (
        "RandomCrop",
        "CenterCrop",
        "Pad",
        "RandomHorizontalFlip",
        "RandomVerticalFlip",
        "FiveCrop",
        "TenCrop",
    ),
    "resample": ("Resize", "RandomResizedCrop", "RandomZoomOut"),
    "warp": (
        "RandomRotation",
        "RandomAffine",
        "ElasticTransform",
        "RandomPerspective",
    ),
    "tone": (
        "ColorJitter",
        "RandomInvert",
        "RandomPosterize",
        "RandomSolarize",
        "RandomAutocontrast",
        "RandomEqualize",
    ),
    "filter": ("GaussianBlur", "RandomAdjustSharpness"),
    "noise": ("GaussianNoise", "SaltAndPepperNoise"),
    "erase": ("RandomErasing", "Cutout"),
    "mix": ("MixUp", "CutMix"),
    "group": ("Compose", "RandomApply", "RandomChoice", "RandomOrder"),
    "policy": ("TrivialAugmentWide", "RandAugment", "AutoAugment"),
    "user": ("CFunction",),
}
MODULES = {name: module for module, names in TRANSFORMS.items() for name in names}


def lazy(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for a package that imports names lazily.

    Parameters
    ----------
    package : str
        Name of the package, which must have `__all__`.
    modules : mapping of str to str
        Module of each name, relative to the package.

    Returns
    -------
    tuple of two functions
        `__getattr__` and `__dir__`.
    """
    namespace = vars(sys.modules[package])

    def get(name: str) -> Any:
        if name not in modules:
            public = "" if name.startswith("_") else name
            if public and importlib.util.find_spec(f"{package}.{name}"):
                hint = f".\nImport this module first: import {package}.{name}"
            else:
                hint = public and in_place_of(package, public, namespace["__all__"])
            raise AttributeError(f"module {package!r} has no attribute {name!r}{hint}")
        module = importlib.import_module(f".{modules[name]}", package)
        value = namespace[name] = getattr(module, name)
        return value

    def names() -> list[str]:
        special = [name for name in namespace if name.startswith("__")]
        return sorted({*special, *namespace["__all__"]})

    return get, names

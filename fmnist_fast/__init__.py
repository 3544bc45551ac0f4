"""Fashion-MNIST and other IDX datasets as training batches, at the speed of memory.

>>> import fmnist_fast as ff
>>> train, test = ff.synthetic(n_train=1000, n_test=100)
>>> loader = ff.Loader(train, batch_size=100, shuffle=True, seed=0)
>>> for images, labels in loader:
...     pass
>>> images.shape, images.dtype, labels.dtype
((100, 1, 28, 28), dtype('float32'), dtype('int64'))
"""

import importlib
from typing import TYPE_CHECKING, Any

try:
    importlib.import_module(f"{__name__}._core")
except ModuleNotFoundError as error:
    if error.name not in (f"{__name__}._core", "_core"):
        raise
    raise ImportError(
        "the compiled core of fmnist_fast is not here: this is the source tree. "
        "Build it in place with 'pip install -e .', or install with 'pip install .' "
        "and start Python from another folder"
    ) from None

from ._version import __version__
from .config import apply_cpu_level, show_config
from .dataset import Dataset
from .errors import DownloadError, FormatError
from .idx import read_idx, write_idx
from .loader import Loader
from .synthetic import synthetic

if TYPE_CHECKING:  # imported when they are asked for: see __getattr__
    from ._dataset.known_cards import Card
    from ._load.files import load_shards
    from ._load.load import load
    from .augment import (
        CenterCrop,
        CFunction,
        ColorJitter,
        Compose,
        CutMix,
        Cutout,
        ElasticTransform,
        GaussianBlur,
        GaussianNoise,
        MixUp,
        Pad,
        RandAugment,
        RandomAdjustSharpness,
        RandomAffine,
        RandomApply,
        RandomAutocontrast,
        RandomChoice,
        RandomCrop,
        RandomEqualize,
        RandomErasing,
        RandomHorizontalFlip,
        RandomInvert,
        RandomPosterize,
        RandomResizedCrop,
        RandomRotation,
        RandomSolarize,
        RandomVerticalFlip,
        Resize,
        TrivialAugmentWide,
    )
    from .photos.convert import convert
    from .photos.folder import convert_folder

apply_cpu_level()

__all__ = [
    "CFunction",
    "Card",
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "CutMix",
    "Cutout",
    "Dataset",
    "DownloadError",
    "ElasticTransform",
    "FormatError",
    "GaussianBlur",
    "GaussianNoise",
    "Loader",
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
    "TrivialAugmentWide",
    "__version__",
    "convert",
    "convert_folder",
    "load",
    "load_shards",
    "read_idx",
    "show_config",
    "synthetic",
    "write_idx",
]

_LAZY = frozenset(__all__).difference(globals())
# Where these are; steps of augmentation, all others, are in augment.
_MODULES = {
    "Card": "_dataset.known_cards",
    "convert": "photos.convert",
    "convert_folder": "photos.folder",
    "load": "_load.load",
    "load_shards": "_load.files",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{_MODULES.get(name, 'augment')}", __name__)
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    dunders = [name for name in globals() if name.startswith("__")]
    return sorted({*dunders, *__all__})

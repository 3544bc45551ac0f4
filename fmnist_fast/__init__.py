"""Load Fashion-MNIST and other IDX datasets as training batches, in native threads.

>>> import fmnist_fast as ff
>>> train, test = ff.synthetic(n_train=1000, n_test=100)
>>> loader = ff.Loader(train, batch_size=100, shuffle=True, seed=0)
>>> for images, labels in loader:
...     pass
>>> images.shape, images.dtype, labels.dtype
((100, 1, 28, 28), dtype('float32'), dtype('int64'))
"""
# ruff: noqa: F403

import importlib
from typing import TYPE_CHECKING

try:
    importlib.import_module(f"{__name__}._core")
except ModuleNotFoundError as error:
    if error.name not in (f"{__name__}._core", "_core"):
        raise
    raise ImportError(
        "the compiled core of fmnist_fast is missing, because this is the source tree."
        "\nBuild it in place with 'pip install -e .'. Or install the package with "
        "'pip install .' and start Python in another folder."
    ) from None

from ._names import MODULES, lazy
from ._version import __version__ as __version__
from .config import apply_cpu_level
from .config import show_config as show_config
from .dataset import Dataset as Dataset
from .errors import DownloadError as DownloadError
from .errors import FormatError as FormatError
from .idx import read_idx as read_idx
from .idx import write_idx as write_idx
from .loader import Loader as Loader
from .synthetic import synthetic as synthetic

if TYPE_CHECKING:
    from ._dataset.known_cards import Card as Card
    from ._load.files import load_files as load_files
    from ._load.load import load as load
    from .augment.crop import *
    from .augment.erase import *
    from .augment.filter import *
    from .augment.group import *
    from .augment.mix import *
    from .augment.noise import *
    from .augment.policy import *
    from .augment.resample import *
    from .augment.tone import *
    from .augment.user import *
    from .augment.warp import *
    from .photos.convert import convert as convert
    from .photos.folder import convert_folder as convert_folder
else:
    _MODULES = {
        "Card": "_dataset.known_cards",
        "convert": "photos.convert",
        "convert_folder": "photos.folder",
        "load": "_load.load",
        "load_files": "_load.files",
        **dict.fromkeys(MODULES, "augment"),
    }
    __all__ = sorted(
        "Dataset DownloadError FormatError Loader __version__ read_idx show_config "
        "synthetic write_idx".split()
        + list(_MODULES)
    )
    __getattr__, __dir__ = lazy(__name__, _MODULES)

apply_cpu_level()

"""Fashion-MNIST and other IDX datasets as training batches, at the speed of memory.

>>> import fmnist_fast as ff
>>> train, test = ff.synthetic(n_train=1000, n_test=100)
>>> loader = ff.Loader(train, batch_size=100, shuffle=True, seed=0)
>>> for images, labels in loader:
...     pass
>>> images.shape, images.dtype, labels.dtype
((100, 1, 28, 28), dtype('float32'), dtype('int64'))
"""

__version__ = "0.1.0"

try:
    from ._core import FormatError
except ModuleNotFoundError as error:
    if error.name not in (f"{__name__}._core", "_core"):
        raise
    raise ImportError(
        "the compiled core of fmnist_fast is not here: this is the source tree. "
        "Build it in place with 'pip install -e .', or install with 'pip install .' "
        "and start Python from another folder"
    ) from None

from .config import apply_cpu_level, show_config
from .dataset import Dataset
from .idx import read_idx, write_idx
from .loader import Loader
from .sources import load
from .synthetic import synthetic

apply_cpu_level()

__all__ = [
    "Dataset",
    "FormatError",
    "Loader",
    "__version__",
    "load",
    "read_idx",
    "show_config",
    "synthetic",
    "write_idx",
]

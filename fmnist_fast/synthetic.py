"""Draw a stand-in for Fashion-MNIST, for machines without the files.

The images come from garments.py. The next call with the same arguments maps copies of
them in the cache folder. Every Dataset made of them says that it is synthetic.
"""

from __future__ import annotations

import functools

import numpy as np

from . import _core, config
from ._checks import checked_integer, checked_seed
from ._dataset.statistics import Statistics
from .dataset import Dataset

_FOLDER = "synthetic"  # a change of the drawings needs another name


def synthetic(
    n_train: int = 60000, n_test: int = 10000, seed: int = 0
) -> tuple[Dataset, Dataset]:
    """Draw a dataset of the form of Fashion-MNIST: 28x28 garments in ten classes.

    Parameters
    ----------
    n_train, n_test : int in 1..2**32-1, default 60000 and 10000
        Number of images in each split. No two images use the same random numbers.
    seed : int in 0..2**64-1, default 0
        Number that decides all images and labels.

    Returns
    -------
    tuple of two Dataset
        The splits "train" and "test", with `synthetic` set to True. Copies of the
        images stay in the cache folder, and the next call with the same arguments maps
        them. A pickled dataset holds only the arguments, unless the cache is off.

    Raises
    ------
    TypeError, ValueError
        An argument is not an integer or is out of range.

    Warns
    -----
    RuntimeWarning
        The function waits for another process that draws the same images.
    UserWarning
        A copy cannot be saved, or other users could write to its folder.

    Notes
    -----
    Determinism: The same arguments give the same bytes on every machine.

    Buffers: Arrays are read-only. All processes that draw the same images share the
    memory of the copy.
    """
    n_train = checked_integer("n_train", n_train, 1, 2**32 - 1)
    n_test = checked_integer("n_test", n_test, 1, 2**32 - 1)
    seed = checked_seed(seed)
    train = _split("train", n_train, 0, seed)
    return train, _split("test", n_test, n_train, seed, train)


def _split(
    split: str, n: int, first: int, seed: int, train: Dataset | None = None
) -> Dataset:
    """Return the split with `n` images, the first of which has the number `first`.

    The test split is normalized like `train`, which is drawn again if it is missing.
    """
    from ._load.copies import Copy, load_or_make
    from ._registry.datasets import CLASSES

    # Classes have the same number of labels, or one more, in random order.
    labels = (_core.order(n, seed=seed, epoch=first) % 10).astype(np.uint8)
    labels.flags.writeable = False
    draw = functools.partial(_draw, labels, seed, first)
    cache = config.cache_folder()
    if cache is None:
        images, _ = draw()
    else:
        name = f"{n}-from-{first}-seed-{seed}"
        title = f"a copy of the synthetic {split} images"
        copy = Copy(cache, _FOLDER, name, title, lambda: {"name": name}, draw)
        images, _ = load_or_make(copy)

    def of_training() -> Statistics:
        return (train or _split("train", first, 0, seed))._own()

    return Dataset._make(
        images,
        labels,
        CLASSES,
        name="synthetic",
        split=split,
        synthetic=True,
        origin=(_split, (split, n, first, seed)) if cache else None,
        statistics=of_training if first else None,
    )


def _draw(labels: np.ndarray, seed: int, first: int) -> tuple[np.ndarray, None]:
    from ._synthetic.garments import draw

    images = draw(labels, seed=seed, first=first)
    images.flags.writeable = False
    return images, None

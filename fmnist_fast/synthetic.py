"""Draw a stand-in for Fashion-MNIST, for machines without the files.

This module writes the images of garments.py to IDX files and reads them back, so that
everything afterwards is the same as with published files. The dataset.json beside the
files says that they are synthetic, and every Dataset read from them says so too.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from . import _core, config
from ._checks import checked_integer, checked_seed
from ._io.files import replacing
from .dataset import Dataset
from .idx import write_idx


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
        The splits "train" and "test", with `synthetic` set to True. Their files stay in
        the cache folder, and the next call with the same arguments reads them.

    Raises
    ------
    TypeError, ValueError
        An argument is not an integer or is out of range.

    Warns
    -----
    UserWarning
        The files can't be written to the cache folder.

    Notes
    -----
    Determinism: The same arguments give the same bytes on every machine.
    """
    n_train = checked_integer("n_train", n_train, 1, 2**32 - 1)
    n_test = checked_integer("n_test", n_test, 1, 2**32 - 1)
    seed = checked_seed(seed)
    cache = config.cache_folder()
    if cache is not None:
        folder = cache / f"synthetic-{n_train}-{n_test}-seed{seed}"
        try:
            write_synthetic(folder, n_train, n_test, seed)
        except OSError as error:
            warnings.warn(
                f"{folder}: can't save the synthetic dataset: {error}.\n"
                "Set FMNIST_FAST_CACHE to a writable folder or to 'off'.",
                stacklevel=2,
            )
        else:
            return _read(folder)
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        write_synthetic(Path(temporary), n_train, n_test, seed)
        return _read(Path(temporary), keep=False)


def write_synthetic(folder: Path, n_train: int, n_test: int, seed: int) -> None:
    """Write four IDX files and then a dataset.json, unless the folder has one.

    Parameters
    ----------
    folder : Path
        Folder for the files. It is created if it is missing.
    n_train, n_test : int in 1..2**32-1
        Number of images in each split.
    seed : int in 0..2**64-1
        Number that decides all images and labels.

    Raises
    ------
    OSError
        The files can't be written.
    """
    import json

    from ._dataset.card import CARD_NAME
    from ._registry.datasets import CLASSES, SPLITS
    from ._synthetic.garments import draw

    if (folder / CARD_NAME).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    first = 0
    for split, n in (("train", n_train), ("test", n_test)):
        # Classes have the same number of labels, or one more, in random order.
        labels = (_core.order(n, seed=seed, epoch=first) % 10).astype(np.uint8)
        images_name, labels_name = SPLITS[split].stems
        write_idx(folder / images_name, draw(labels, seed=seed, first=first))
        write_idx(folder / labels_name, labels)
        first += n
    card = {"name": "synthetic", "synthetic": True, "seed": seed, "classes": CLASSES}
    with replacing(folder / CARD_NAME) as file:
        file.write(json.dumps(card, indent=1).encode())


def _read(folder: Path, keep: bool = True) -> tuple[Dataset, Dataset]:
    """Return both splits, which don't refer to the files if `keep` is False."""
    from ._load.find import find_split
    from ._load.split import read_split
    from ._registry.datasets import SPLITS

    train, test = (
        read_split(find_split(split, folder), cache=False, keep=keep)[0]
        for split in SPLITS
    )
    return train, test

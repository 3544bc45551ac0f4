"""A drawn stand-in for Fashion-MNIST, for machines without the files.

The pictures come from garments.py; this puts them into IDX files and reads them back,
so that all that follows is as with real files. The dataset.json beside the files says
that they are synthetic, and so does every Dataset read from them.
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
    """Draw a dataset of the shape of Fashion-MNIST: ten classes of garments, 28x28.

    Parameters
    ----------
    n_train, n_test : int
        Images in each split, in 1..2**32-1; no two splits or images share a draw.
    seed : int
        In 0..2**64-1. The same seed gives the same bytes on every machine.

    Returns
    -------
    tuple of two Dataset
        Train and test, `synthetic` is True. Their files are kept in the cache folder
        and read the next time.

    Raises
    ------
    TypeError, ValueError
        An argument is not an integer, or out of its range.
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
                f"could not keep the synthetic set in {folder}: {error}. Point "
                "FMNIST_FAST_CACHE at a folder that can be written, or set it to 'off'",
                stacklevel=2,
            )
        else:
            return _read(folder)
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        write_synthetic(Path(temporary), n_train, n_test, seed)
        return _read(Path(temporary), keep=False)


def write_synthetic(folder: Path, n_train: int, n_test: int, seed: int) -> None:
    """Draw four IDX files and then a dataset.json, unless that is there already."""
    import json

    from ._dataset.card import CARD_NAME
    from ._registry.datasets import CLASSES, SPLITS
    from ._synthetic.garments import draw

    if (folder / CARD_NAME).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    first = 0
    for split, n in (("train", n_train), ("test", n_test)):
        # As many of each class as n allows, in random order.
        labels = (_core.order(n, seed=seed, epoch=first) % 10).astype(np.uint8)
        images_name, labels_name = SPLITS[split].stems
        write_idx(folder / images_name, draw(labels, seed=seed, first=first))
        write_idx(folder / labels_name, labels)
        first += n
    card = {"name": "synthetic", "synthetic": True, "seed": seed, "classes": CLASSES}
    with replacing(folder / CARD_NAME) as file:
        file.write(json.dumps(card, indent=1).encode())


def _read(folder: Path, keep: bool = True) -> tuple[Dataset, Dataset]:
    from ._load.find import find_split
    from ._load.split import read_split
    from ._registry.datasets import SPLITS

    train, test = (
        read_split(find_split(split, folder), cache=False, keep=keep)[0]
        for split in SPLITS
    )
    return train, test

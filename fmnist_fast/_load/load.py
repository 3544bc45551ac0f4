"""load: a split of a dataset, from files that are given, found or fetched."""

from __future__ import annotations

import os
import warnings

from .._io.paths import is_url, shown
from ..dataset import Dataset
from .find import find_split
from .split import read_split


def load(
    split: str,
    root: str | os.PathLike[str] | None = None,
    *,
    name: str | os.PathLike[str] | None = None,
    download: bool = False,
    cache: bool = True,
) -> Dataset:
    """Load Fashion-MNIST, another dataset of its family, or any folder of IDX files.

    Parameters
    ----------
    split : str
        "train" or "test"; of QMNIST also "test10k" and "test50k"; of a folder whatever
        word its files have in their names.
    root : path, optional
        The folder with the files, plain or gzip, or one that holds them the way
        torchvision or Keras does. By default ``$FMNIST_FAST_DATA``, then the user's
        cache folder. Or the URL of a folder with the files, which requires the extra
        ``remote``: they are fetched into the cache folder, and again when the server
        has others.
    name : str or path, optional
        "fashion-mnist", "mnist", "kmnist", "emnist/byclass", "emnist/bymerge",
        "emnist/balanced", "emnist/letters", "emnist/digits", "emnist/mnist", "qmnist",
        or a folder with an IDX file of images and one of labels for the split. By
        default Fashion-MNIST; with `root`, the dataset that its files are.
    download : bool
        Fetch the files if they are not there, into ``root/name`` or the cache folder.
        Without it nothing is fetched.
    cache : bool
        Keep decoded copies in the cache folder and use them the next time.

    Returns
    -------
    Dataset
        Read-only arrays. EMNIST's images stand upright, and labels count from 0.
        QMNIST's other labels are in `extra`. If a file has the name of a published one
        but isn't that, a warning says so. Where it is no published file, `name` is
        None, and `classes` are numbers unless a ``dataset.json`` beside the files names
        them.

    Raises
    ------
    FileNotFoundError
        The files are not there, or those that are belong to another dataset. The
        message says where they were looked for, what is there instead, and what would
        be fetched from where.
    FormatError
        A file is damaged, isn't images or labels, disagrees with the other in number,
        or is a published file of another dataset than `name`.
    DownloadError
        Fetching failed.
    ImportError
        A URL needs a package that is missing.
    ValueError
        There is no such dataset or split.
    """
    if download and is_url(root):
        raise ValueError(
            "download fetches the published files; those of root are fetched without "
            f"it, got root={shown(root)!r}"
        )
    files = find_split(split, root, name, download=download)
    dataset, doubt = read_split(files, cache)
    if doubt:
        warnings.warn(doubt, stacklevel=2)
    return dataset

"""Load a split of a dataset from a folder, the cache folder or a URL."""

from __future__ import annotations

import os

from .._checks import checked_flag, hinting
from .._io.paths import is_url, shown
from .._io.warn import warn
from ..dataset import Dataset
from .find import find_split
from .split import read_split, warn_of_labels_from_1


@hinting()
def load(
    split: str,
    root: str | os.PathLike[str] | None = None,
    *,
    name: str | os.PathLike[str] | None = None,
    download: bool = False,
    cache: bool = True,
) -> Dataset:
    """Load a split of Fashion-MNIST, of another published dataset or of IDX files.

    Parameters
    ----------
    split : str
        Name of the split: "train" or "test". QMNIST also has "test10k" and "test50k".
        A folder of your own files may have any other split. Its name is a word in the
        names of the files.
    root : str or path, optional
        Folder with the files, plain or gzip. Subfolders in which torchvision and Keras
        keep the files are searched too. It may also be the URL of a folder. A URL
        other than http requires the extra ``remote``. Files at a URL are downloaded
        into the cache folder, and again when the server has another version. The
        default is ``$FMNIST_FAST_DATA``, then the user's cache folder.
    name : str or path, optional
        Name of a published dataset: "fashion-mnist", "mnist", "kmnist",
        "emnist/byclass", "emnist/bymerge", "emnist/balanced", "emnist/letters",
        "emnist/digits", "emnist/mnist" or "qmnist". It may also be a folder with one
        image file and one label file for the split. The default is Fashion-MNIST. With
        `root` and without `name`, the files themselves tell which dataset it is.
    download : bool, default False
        Whether to download missing files, into a subfolder of `root` or of the cache
        folder. The subfolder is named after the dataset. If the cache is off,
        ``$FMNIST_FAST_DATA`` takes the place of the cache folder.
    cache : bool, default True
        Whether to keep decoded copies in the cache folder and reuse them.

    Returns
    -------
    Dataset
        The split. Its arrays are read-only. EMNIST images are upright, and labels
        count from 0. The further label columns of QMNIST are in `Dataset.extra`. If the
        files are not published ones, `Dataset.name` is None and `Dataset.classes` are
        numbers. A ``dataset.json`` beside the files may name the dataset and its
        classes. A Loader normalizes it like the training set, if that is known.

    Raises
    ------
    FileNotFoundError
        The files were not found, or the files found belong to another dataset. The
        message says where `load` looked, what the folders have, and how to get the
        files. Folders, pipes and devices are not files. Also raised if no folder is
        known to download into.
    FormatError
        A file is damaged, has no images or no labels, or belongs to another dataset
        than `name`. Also raised if the numbers of images and labels differ. The message
        names the file. It says how to replace a published file that is damaged.
    OSError
        A file can't be read. The error's `filename` is the path.
    MemoryError
        A file needs more memory than the system has. The message names the file.
    DownloadError
        A download failed, or FMNIST_FAST_OFFLINE forbids it.
    ImportError
        A URL requires a package that is not installed.
    TypeError
        `root` is not a path, or `download` or `cache` not a bool.
    ValueError
        There is no such dataset or split, the arguments contradict each other, or a
        path has a null character.

    Warns
    -----
    RuntimeWarning
        The function waits for another process that makes the same decoded copy.
    UserWarning
        A file has the name of a published file, but other content, perhaps that of
        another dataset or split. Labels begin at 1 without names of classes. A decoded
        copy can't be saved, or other users could write to its folder.

    Notes
    -----
    Images of a compressed file are memory-mapped from its decoded copy. All processes
    that load the file share this memory.
    """
    download = checked_flag("download", download)
    cache = checked_flag("cache", cache)
    if download and is_url(root):
        raise ValueError(
            f"download requires root to be a folder, got root={shown(root)!r}.\n"
            "Files at a URL are fetched without download=True."
        )
    files = find_split(split, root, name, download=download)
    dataset, warning = read_split(files, cache)
    if warning:
        warn(warning)
    warn_of_labels_from_1(dataset)
    return dataset

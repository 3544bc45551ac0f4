"""Where a dataset's files are, whether they are the published ones, and reading them.

File names and SHA-256 of the compressed files: https://github.com/zalandoresearch/
fashion-mnist, README, "Get the Data". SHA-256 of the inflated files: computed from
those.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import config
from ._core import FormatError
from .dataset import Dataset, checked_labels
from .files import read_whole, run_together
from .idx import decode_idx

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}

# What follows the root in torchvision's, Keras' and the repository's own layout.
FOLDERS = (
    "",
    "fashion-mnist",
    "FashionMNIST/raw",
    "raw",
    "datasets/fashion-mnist",
    "data/fashion",
)

PUBLISHED_NAME = "fashion-mnist"

CARD_NAME = "dataset.json"  # classes and origin, beside files that we made


class Published(NamedTuple):
    """SHA-256 of a published file as it is downloaded and when inflated."""

    gzip_sha256: str
    idx_sha256: str


PUBLISHED = {
    "train-images-idx3-ubyte": Published(
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    "train-labels-idx1-ubyte": Published(
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    "t10k-images-idx3-ubyte": Published(
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    "t10k-labels-idx1-ubyte": Published(
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}


def load(
    split: str,
    root: str | os.PathLike[str] | None = None,
    *,
    cache: bool = True,
) -> Dataset:
    """Load Fashion-MNIST, or another dataset in files of the same names.

    Parameters
    ----------
    split : "train" or "test"
    root : path, optional
        The folder with the files, plain or gzip, or one that holds them the way
        torchvision or Keras does. By default ``$FMNIST_FAST_DATA``, then the user's
        cache folder.
    cache : bool
        Keep decoded copies in the cache folder and use them the next time.

    Returns
    -------
    Dataset
        Read-only arrays. `name` is "fashion-mnist" if the files are the published
        ones; otherwise a warning says which isn't, and `classes` are numbers unless a
        ``dataset.json`` beside the files names them.

    Raises
    ------
    FileNotFoundError
        The files are not there; the message says where they were looked for.
    FormatError
        A file is damaged, isn't images or labels, or they disagree in number.
    """
    if not isinstance(split, str) or split not in FILES:
        raise ValueError(f"split must be 'train' or 'test', got {split!r}")
    return load_pair(split, *find_pair(split, root), cache)


def find_pair(
    split: str, root: str | os.PathLike[str] | None = None
) -> tuple[Path, Path]:
    """The paths of the images and of the labels file of a split."""
    if root is not None:
        bases: list[Path] = [Path(root).expanduser()]
        if not bases[0].is_dir():
            what = "a file" if bases[0].exists() else "missing"
            raise FileNotFoundError(f"root must be a folder, but {root} is {what}")
    else:
        known = [config.data_folder(), config.cache_folder()]
        bases = [folder for folder in known if folder is not None]
    for base in bases:
        for folder in FOLDERS:
            found = [_find_file(base / folder, stem) for stem in FILES[split]]
            if found[0] and found[1]:
                return found[0], found[1]
            for path, stem in zip(found, reversed(FILES[split])):
                if path:
                    raise FileNotFoundError(
                        f"{path} is there, but {stem} or {stem}.gz is not beside it"
                    )
    names = " and ".join(f"{stem}[.gz]" for stem in FILES[split])
    places = ", ".join(map(str, bases)) or "nowhere: FMNIST_FAST_DATA is not set"
    raise FileNotFoundError(
        f"found no {names} in {places}. Put the files there, pass root=FOLDER, set "
        "FMNIST_FAST_DATA=FOLDER, or draw a stand-in with fmnist_fast.synthetic()"
    )


def _find_file(folder: Path, stem: str) -> Path | None:
    for name in (stem, f"{stem}.gz"):
        if (folder / name).is_file():
            return folder / name
    return None


def load_pair(
    split: str, images: Path, labels: Path, cache: bool, *, keep: bool = True
) -> Dataset:
    """The dataset in a pair of IDX files, which are to go away unless `keep`."""
    card = _read_card(images.parent)
    verify = not card.get("synthetic")  # drawn files can't be the published ones
    (image_items, images_published), (label_items, labels_published) = run_together(
        [
            lambda: _read_file(images, cache, verify),
            lambda: _read_file(labels, cache, verify),
        ]
    )
    _check_pair(images, image_items, labels, label_items)
    unpublished = [
        path
        for path, is_it in ((images, images_published), (labels, labels_published))
        if not is_it
    ]
    another = {"name", "classes"} & card.keys() and card.get("name") != PUBLISHED_NAME
    if unpublished and verify and not another:
        warnings.warn(
            f"{' and '.join(map(str, unpublished))}: not the published Fashion-MNIST "
            "file of that name (its SHA-256 differs); classes are shown as numbers "
            f"unless a {CARD_NAME} names them",
            stacklevel=3,
        )
    published = {} if unpublished else {"name": PUBLISHED_NAME, "classes": CLASSES}
    known: dict[str, Any] = published | card
    try:
        return Dataset._make(
            image_items,
            _read_only(checked_labels(label_items)),
            known.get("classes"),
            name=known.get("name"),
            split=split,
            source=str(images.parent) if keep else None,
            synthetic=bool(known.get("synthetic", False)),
            origin=(split, images.absolute(), labels.absolute(), cache)
            if keep
            else None,
            card=card,
        )
    except ValueError as error:
        raise FormatError(f"{labels}: {error}") from None


def _check_pair(
    images: Path, image_items: np.ndarray, labels: Path, label_items: np.ndarray
) -> None:
    shape = image_items.shape
    if image_items.dtype != np.uint8 or len(shape) != 3 or 0 in shape[1:]:
        raise FormatError(
            f"{images}: images must be uint8 with 3 dimensions, found "
            f"{image_items.dtype} {shape}"
        )
    if label_items.dtype.kind not in "iu" or label_items.ndim != 1:
        raise FormatError(
            f"{labels}: labels must be integers with 1 dimension, found "
            f"{label_items.dtype} {label_items.shape}"
        )
    if len(image_items) != len(label_items):
        raise FormatError(
            f"{images} has {len(image_items)} images, but {labels} has "
            f"{len(label_items)} labels"
        )


def _read_card(folder: Path) -> dict[str, Any]:
    """The dataset.json beside the files, or nothing."""
    path = folder / CARD_NAME
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return {}
    import json

    from .card import card_fields

    try:
        card = json.loads(text.decode("utf-8"))
        classes, name = card.get("classes", [""]), card.get("name", "")
        named = type(classes) is list and all(type(each) is str for each in classes)
        if not named or not classes:
            raise ValueError(f"classes must be a list of names, got {classes!r}")
        if type(name) is not str:
            raise ValueError(f"name must be a string, got {name!r}")
        card_fields(card)
        return dict(card)
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise FormatError(f"{path}: not a dataset card: {error}") from None


def _read_file(path: Path, cache: bool, verify: bool) -> tuple[np.ndarray, bool | None]:
    """The items of an IDX file, read-only, and whether it is a published one.

    None stands for not verified.
    """
    from .cache import load_copy, save_copy, stamp_of

    compressed = path.suffix == ".gz"
    folder = config.cache_folder() if cache and compressed else None
    if folder is not None:
        copy = load_copy(folder, path)
        if copy is not None and not (verify and copy[1]["published"] is None):
            return copy[0], copy[1]["published"]
    published, stamp = None, stamp_of(path)
    content = read_whole(path)
    if verify:
        items, digest = run_together(
            [lambda: decode_idx(content, str(path)), lambda: _sha256(content)]
        )
        published = is_published(path, digest, items)
    else:
        items = decode_idx(content, str(path))
    if folder is not None:
        save_copy(folder, path, stamp, items, {"published": published})
        copy = load_copy(folder, path)
        if copy is not None:  # memory-mapped, and so shared by all processes
            items = copy[0]
    return _read_only(items), published


def _read_only(items: np.ndarray) -> np.ndarray:
    items.flags.writeable = False
    return items


def is_published(path: Path, digest: str, items: np.ndarray) -> bool:
    """Whether the file at `path`, with SHA-256 `digest`, holds what was published."""
    import hashlib

    known = PUBLISHED.get(path.name.removesuffix(".gz"))
    if known is None:
        return False
    if digest in known:
        return True
    # The same items compressed in another way are the same file to us.
    content = hashlib.sha256(bytes([0, 0, 8, items.ndim]))
    content.update(np.array(items.shape, dtype=">u4").tobytes())
    content.update(items.reshape(-1).data)
    return items.dtype == np.uint8 and content.hexdigest() == known.idx_sha256


def _sha256(content: memoryview) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return _sha256(read_whole(path))

"""Many IDX files as one dataset that may be larger than memory."""

from __future__ import annotations

import functools
import glob
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._dataset.arrays import checked_classes, checked_labels
from .._dataset.card import CARD_NAME, read_card
from .._dataset.images import MultiFileImages
from .._io.files import run_together, usable_cores
from .._io.paths import File, expanded, is_url, shown
from ..dataset import Dataset
from ..errors import FormatError
from ..idx import map_idx
from .cache import read_items, read_only
from .find import fetch_any, find_file, half_of_pair
from .split import check_pair

_IMAGES = re.compile(r"images([-._]?)idx3", re.IGNORECASE)
_NAMED = "a file of images must have images-idx3 in its name"

Pair = tuple[File, File]  # the files of images and of labels


def load_files(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    classes: Sequence[str] | None = None,
    cache: bool = True,
) -> Dataset:
    """Load many IDX files as one dataset, which may be larger than memory.

    Parameters
    ----------
    source : str, path, or sequence of them
        A pattern such as ``"data/*-images-idx3-ubyte"``, where ``**`` stands for any
        folders, or the files of images themselves. Of what matches a pattern, those
        with ``images-idx3`` in their names are taken, in the order of their names with
        numbers taken as numbers: 9 before 10. Files of a sequence stay in its order.
        Beside each is its file of labels, which has ``labels-idx1`` there. Either may
        be ``.gz``; of a plain file and its ``.gz`` the plain one is taken.
        URLs too, which need the extra ``remote``: files are fetched into the cache
        folder, and again when the server has others.
    classes : sequence of str, optional
        The name of each class. By default what a ``dataset.json`` beside the files
        says, or "0", "1", ...
    cache : bool
        Keep decoded copies of ``.gz`` files in the cache folder, and map those.
        Without, they are decoded into memory.

    Returns
    -------
    Dataset
        Its `images` are a MultiFileImages: several files as one sequence, indexed as an
        array is by its first dimension. `numpy.asarray` copies it. Plain files are
        mapped, and only what is touched is read. Labels are in memory.

    Raises
    ------
    FileNotFoundError
        Nothing matches, or a file or its labels are not there.
    FormatError
        A file is damaged, isn't of images or labels, or disagrees with its companion
        or with the other files.
    DownloadError
        A file can't be fetched, or FMNIST_FAST_OFFLINE is set.
    ImportError
        A URL needs a package that is missing.
    TypeError, ValueError
        An argument is not what it should be.

    Notes
    -----
    Files must not be written to while the dataset is in use; they may be replaced. One
    that becomes shorter ends the process by a signal when what is missing is read.
    """
    files = tuple(map(_pair_of, _files(source)))
    return _load_files(files, checked_classes(classes), cache)


def _load_files(
    files: tuple[Pair, ...], classes: Sequence[str] | None, cache: bool
) -> Dataset:
    """Return the dataset of these pairs of files, in their order."""
    card = _common_card([images for images, _ in files])
    classes = card.get("classes") if classes is None else classes
    parts = _read_pairs(files, classes, cache)
    filled = [images for images, _ in parts if len(images)]
    return Dataset._make(
        MultiFileImages(filled or [parts[0][0]]),  # type: ignore[arg-type]
        read_only(np.concatenate([labels for _, labels in parts])),
        classes,
        name=card.get("name"),
        source=os.path.commonpath([images.path.parent for images, _ in files]),
        synthetic=bool(card.get("synthetic", False)),
        origin=(_load_files, (files, classes, cache)),
        card=card,
    )


def _read_pairs(
    files: tuple[Pair, ...], classes: Sequence[str] | None, cache: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the images, all of one size, and the labels of each pair."""
    read = [functools.partial(_read_pair, *pair, classes, cache) for pair in files]
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for begin in range(0, len(read), usable_cores()):
        parts += run_together(read[begin : begin + usable_cores()])
    first = parts[0][0].shape[1:]
    for (images, _), (path, _) in zip(parts, files):
        if images.shape[1:] != first:
            raise FormatError(
                f"{path}: images must be of the size {first}, as those of "
                f"{files[0][0]}, got {images.shape[1:]}"
            )
    return parts


def _read_pair(
    images: File, labels: File, classes: Sequence[str] | None, cache: bool
) -> tuple[np.ndarray, np.ndarray]:
    image_items = map_idx(images.path, str(images))
    if image_items is None:
        image_items, _ = read_items(images, cache, verify=False)
    label_items, _ = read_items(labels, cache, verify=False)
    check_pair(images, image_items, labels, label_items)
    low, high = (label_items.min(), label_items.max()) if len(label_items) else (0, 0)
    if low < 0 or (classes is not None and high >= len(classes)):
        wanted = (
            "not be negative" if classes is None else f"be in 0..{len(classes) - 1}"
        )
        raise FormatError(f"{labels}: labels must {wanted}, got {low} to {high}")
    return image_items, checked_labels(label_items)


def _common_card(files: Iterable[File]) -> dict[str, Any]:
    """Return the card beside the files, which must not differ between folders."""
    first, *others = {file.path.parent: file for file in files}.values()
    card, *cards = (
        read_card(file.path.parent, str(file.beside(CARD_NAME)))
        for file in (first, *others)
    )
    for file, other in zip(others, cards):
        if other != card:
            raise FormatError(
                f"{CARD_NAME} must be the same in all folders of a dataset, but those "
                f"of {first.folder} and {file.folder} differ"
            )
    return card


# ---- which files --------------------------------------------------------------------


def _files(source: Any) -> list[str]:
    """Return the paths and URLs of files of images."""
    if isinstance(source, (str, os.PathLike)):
        return _matching(expanded(source))
    if isinstance(source, (bytes, bytearray)) or not isinstance(source, Iterable):
        raise TypeError(
            f"source must be a pattern, a path or a sequence, got {source!r}"
        )
    files = [expanded(path) for path in source]
    if not files:
        raise ValueError("source must name at least one file, got none")
    for i, path in enumerate(files):
        if not _IMAGES.search(_name(path)):
            raise ValueError(f"{_NAMED}, got {shown(path)}")
        if path in files[:i]:
            raise ValueError(
                f"source must name each file once, got {shown(path)} twice"
            )
    return files


def _matching(pattern: str) -> list[str]:
    """Return what matches, in natural order."""
    if is_url(pattern):
        from .._download.urls import find  # takes time, and is for URLs alone

        found = find(pattern)
    elif os.path.isfile(pattern):
        found = [pattern]
    else:
        found = list(filter(os.path.isfile, glob.iglob(pattern, recursive=True)))
    named = [path for path in found if _IMAGES.search(_name(path))]
    if not named:
        what = _what_there_is(pattern)
        raise FileNotFoundError(
            f"files of images must match {shown(pattern)}, but {what}; {_NAMED}"
        )
    # Plain files come after their .gz and replace them.
    plain = {path.removesuffix(".gz"): path for path in sorted(named, reverse=True)}
    return sorted(plain.values(), key=_natural)


def _what_there_is(pattern: str) -> str:
    """Return why nothing matches."""
    if is_url(pattern):
        return "nothing does"
    if os.path.isdir(pattern):
        return f"it is a folder: pass {os.path.join(pattern, '*')}"
    if any(glob.iglob(f"{pattern}.gz", recursive=True)):
        return f"only {pattern}.gz does: pass that"
    return "nothing does"


def _natural(path: str) -> tuple:
    """Return a key that sorts numbers as numbers."""
    words = re.split(r"(\d+)", path)
    return [(int(w), "") if w.isdecimal() else (-1, w) for w in words], path


def _name(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


def _pair_of(source: str) -> Pair:
    """Return a file of images and that of its labels, fetched if they are at a URL."""
    folder, name = (
        os.path.split(source) if not is_url(source) else source.rsplit("/", 1)
    )
    stem = _IMAGES.sub(r"labels\1idx1", name.removesuffix(".gz"))
    if is_url(source):
        from .._download.urls import fetch

        images = File(fetch(source), shown(source))
        labels = fetch_any(folder, stem, f"{stem}.gz")
        if labels is not None:
            fetch_any(folder, CARD_NAME, needed=False)
    else:
        images = File(Path(source).absolute())
        labels = find_file(images.path.parent, stem)
        if labels is None and not images.path.is_file():
            raise FileNotFoundError(f"{images}: there is no such file of images")
    if labels is None:
        raise FileNotFoundError(half_of_pair(images, stem))
    return images, labels

"""Load many IDX files as one dataset, which may be larger than memory."""

from __future__ import annotations

import contextlib
import functools
import glob
import os
import re
from collections.abc import Iterable, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np

from .._dataset.arrays import checked_labels, classes_of
from .._dataset.card import CARD_NAME, read_card, training_statistics
from .._dataset.classes import ClassNames, checked_classes
from .._dataset.images import LazyImages
from .._io.cores import usable_cores
from .._io.files import naming
from .._io.paths import File, expanded, is_url, shown
from .._io.private import has_file, only_files
from .._io.threads import run_together
from ..dataset import Dataset
from ..errors import DownloadError, FormatError
from ..idx import map_idx
from .cache import read_items, read_only
from .find import fetch_any
from .hints import companion_missing
from .names import find_file, spelling
from .split import check_images_and_labels, warn_of_labels_from_1

_SEPARATORS = re.escape(os.sep + (os.altsep or ""))
_IMAGES = re.compile(r"images([-._]?)idx3", re.IGNORECASE)
_ANY_FOLDERS = re.compile(rf"(?:(?<![^{_SEPARATORS}])\*\*(?:[{_SEPARATORS}]+|$))+")
_MAX_URL_NAME = 200  # file systems allow 255, also for the hidden files of a download
_IMAGE_NAMES = "The name of an image file must contain images-idx3"

FilePair = tuple[File, File]  # an image file and its label file


def load_files(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    classes: ClassNames | None = None,
    cache: bool = True,
) -> Dataset:
    """Load many IDX files as one dataset, which may be larger than memory.

    Parameters
    ----------
    source : str, path, or sequence of them
        Pattern such as ``"data/*-images-idx3-ubyte"``, one image file, or a sequence of
        image files. In a pattern, ``**`` matches any number of folders, and follows no
        links to folders, as in bash and pathlib. The function
        takes the matching files that have ``images-idx3`` in their names, and sorts
        them by name, with numbers by value: 9 before 10. A sequence keeps its order.
        Each label file is in the same folder as its image file, and has ``labels-idx1``
        in place of ``images-idx3`` in its name. Files may be plain or ``.gz``. If both
        match, the plain file is used. Paths may also be URLs. Patterns, and URLs other
        than http, require the extra ``remote``. Files at URLs are downloaded into the
        cache folder, and again when the server has another version.
    classes : sequence of str, or mapping, optional
        Names of the classes, as for `Dataset.from_arrays`. The default comes from a
        ``dataset.json`` beside the files. Without it, the names are "0", "1", ...
    cache : bool, default True
        Whether to keep decoded copies of ``.gz`` files in the cache folder and map
        them. Otherwise these files are decoded into memory.

    Returns
    -------
    Dataset
        The rows of all files, in the order of the files. `Dataset.images` is a
        `LazyImages`, which is indexed like an array along its first dimension.
        `numpy.asarray` copies it.

    Raises
    ------
    FileNotFoundError
        No image file matches, or a file or its label file is missing. Folders, pipes
        and devices are not files.
    FormatError
        A file is damaged or has no images or no labels. Also raised if the numbers of
        images and labels differ, if image sizes differ between files, if labels are
        negative or beyond `classes`, or if the folders have different cards. The
        message names the file.
    OSError
        A file can't be read. The error's `filename` is the path.
    MemoryError
        A file needs more memory than the system has. The message names the file.
    DownloadError
        A download failed, FMNIST_FAST_OFFLINE forbids it, or a name at a URL has more
        than 200 characters.
    ImportError
        A URL requires a package that is not installed.
    TypeError
        `source` is neither a pattern nor a sequence, or `classes` are not strings.
    ValueError
        `source` is empty, names a file twice, or names a file without ``images-idx3``
        in its name. Also raised for `classes` that are not valid names, and for a path
        with a null character.

    Warns
    -----
    RuntimeWarning
        The function waits for another process that makes the same decoded copy.
    UserWarning
        A decoded copy cannot be saved, or other users could write to its folder. Or
        labels begin at 1, and no classes are named.

    Notes
    -----
    Buffers: Plain image files and decoded copies are memory-mapped, so only the images
    in use are read from disk. Labels are in memory. Do not write to a file while the
    dataset is in use, but you may replace it. If a file becomes shorter, reads of the
    missing part raise FormatError: see "If a file becomes shorter" in docs/files.md.
    """
    files = tuple(map(_file_pair, _files(source)))
    dataset = _load_files(files, checked_classes(classes), cache)
    if classes is None:
        warn_of_labels_from_1(dataset)
    return dataset


def _load_files(
    files: tuple[FilePair, ...], classes: Sequence[str] | None, cache: bool
) -> Dataset:
    """Return the dataset made of these pairs of files, in their order."""
    card = _common_card([images for images, _ in files])
    classes = card.get("classes") if classes is None else classes
    parts = _read_all(files, classes, cache)
    not_empty = [images for images, _ in parts if len(images)]
    return Dataset._make(
        LazyImages(not_empty or [parts[0][0]]),  # type: ignore[arg-type]
        read_only(np.concatenate([labels for _, labels in parts])),
        classes,
        name=card.get("name"),
        source=_common_folder([images.path.parent for images, _ in files]),
        synthetic=bool(card.get("synthetic", False)),
        origin=(_load_files, (files, classes, cache)),
        card=card,
        statistics=training_statistics(card, card.get("name")),
    )


def _read_all(
    files: tuple[FilePair, ...], classes: Sequence[str] | None, cache: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the images, all of one size, and the labels of each pair."""
    tasks = [
        functools.partial(_read_file_pair, *pair, classes, cache) for pair in files
    ]
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    n_together = usable_cores()
    for begin in range(0, len(tasks), n_together):
        parts += run_together(tasks[begin : begin + n_together])
    size = parts[0][0].shape[1:]
    for (images, _), (path, _) in zip(parts, files):
        if images.shape[1:] != size:
            raise FormatError(
                f"{path}: images must be of size {size}, got {images.shape[1:]}.\n"
                f"All files must have images of one size, and {files[0][0]} has {size}."
            )
    return parts


def _read_file_pair(
    images: File, labels: File, classes: Sequence[str] | None, cache: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and the labels of one pair, after checking both."""
    image_items = map_idx(images.path, str(images))
    if image_items is None:
        image_items, _ = read_items(images, cache, verify=False)
    label_items, _ = read_items(labels, cache, verify=False)
    check_images_and_labels(images, image_items, labels, label_items)
    try:
        with naming(labels.path):
            label_items = checked_labels(label_items)
            classes_of(image_items, label_items, classes)
    except ValueError as error:
        raise FormatError(f"{labels}: {error}") from None
    return image_items, label_items


def _common_folder(folders: Sequence[Path]) -> str | None:
    """Return the folder that has all others, or None if they are on several drives."""
    try:
        return os.path.commonpath(folders)
    except ValueError:
        return None


def _common_card(files: Iterable[File]) -> dict[str, Any]:
    """Return the card beside the files, which must be the same in all folders."""
    first, *rest = {file.path.parent: file for file in files}.values()
    card, *cards = (
        read_card(file.path.parent, str(file.beside(CARD_NAME)))
        for file in (first, *rest)
    )
    for file, other_card in zip(rest, cards):
        if other_card != card:
            raise FormatError(
                f"{CARD_NAME} must be the same in all folders of a dataset, got "
                f"different files in {first.folder} and {file.folder}"
            )
    return card


# ---- which files --------------------------------------------------------------------


def _files(source: Any) -> list[str]:
    """Return the paths and URLs of the image files."""
    if isinstance(source, (str, os.PathLike)):
        return _matching(expanded(source))
    # A set would have another order in every process.
    if isinstance(source, (bytes, bytearray, Set)) or not isinstance(source, Iterable):
        raise TypeError(
            f"source must be a pattern, a path or a sequence, got {source!r}"
        )
    files = [expanded(path) for path in source]
    if not files:
        raise ValueError("source must name at least one file, got none")
    for i, path in enumerate(files):
        if not _IMAGES.search(_name(path)):
            raise ValueError(f"{_IMAGE_NAMES}, got {shown(path)}")
        if path in files[:i]:
            raise ValueError(
                f"source must name each file once, got {shown(path)} twice"
            )
    return files


def _matching(pattern: str) -> list[str]:
    """Return the image files that match a pattern, in natural order."""
    if is_url(pattern):
        from .._download.urls import find  # a slow import that only URLs need

        paths = find(pattern)
    else:
        paths = [pattern] if has_file(pattern) else _glob(pattern)
    images = [path for path in paths if _IMAGES.search(_name(path))]
    if not is_url(pattern):
        images = list(only_files(images))
    if not images:
        raise FileNotFoundError(
            f"{shown(pattern)}: {_why_no_match(pattern)}.\n{_IMAGE_NAMES}."
        )
    # In reverse order, a plain file comes after its .gz and replaces it.
    by_stem = {path.removesuffix(".gz"): path for path in sorted(images, reverse=True)}
    return sorted(by_stem.values(), key=_natural_key)


def _glob(pattern: str, root: str = "") -> list[str]:
    """Return the paths that match a pattern, without those in hidden folders.

    Python's glob follows links to folders at ``**``, which may lead in circles.
    """
    stars = _ANY_FOLDERS.search(pattern)
    if stars is None:
        paths = glob.iglob(pattern, root_dir=root or None)
        return [os.path.join(root, path) for path in paths]
    base, rest = pattern[: stars.start()], pattern[stars.end() :]
    rest = rest or "*" * pattern.endswith("**")  # ``**/`` matches folders only
    folders = _glob(base, root) if base else [root or os.curdir]
    matches: dict[str, None] = {}  # each path once, also with several ``**``
    while folders:
        folder = folders.pop()
        matches |= dict.fromkeys(_glob(rest, folder) if rest else [folder])
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            folders += [
                entry.path
                for entry in entries
                if entry.is_dir(follow_symlinks=False) and entry.name[0] != "."
            ]
    return list(matches)


def _why_no_match(pattern: str) -> str:
    """Return why no image file matches a pattern, and what to pass instead."""
    no_match = "found no image file that matches"
    if is_url(pattern):
        return no_match
    if os.path.isdir(pattern):
        patterns = [os.path.join(pattern, stars) for stars in ("*", "*/*")]
        first = next(filter(_has_images, patterns), patterns[0])
        return f"source must be files or a pattern, got a folder. Pass {first}"
    if has_file(pattern):
        return "source must be image files, got a file with another name"
    if os.path.lexists(pattern):
        return "source must be a regular file, got a broken link, a pipe or a device"
    if _has_images(f"{pattern}.gz"):
        return f"{no_match}. Pass {pattern}.gz, which matches"
    folder, name = os.path.split(pattern)
    stem = name.removesuffix(".gz")
    file = find_file(Path(folder), stem) if _IMAGES.search(stem) else None
    return f"{no_match}. Pass {file}, which matches" if file else no_match


def _has_images(pattern: str) -> bool:
    paths = _glob(pattern)
    return any(_IMAGES.search(_name(path)) and has_file(path) for path in paths)


def _natural_key(path: str) -> tuple:
    """Return a sort key that compares numbers by value."""
    words = re.split(r"([0-9]+)", path)
    words[1::2] = [number.lstrip("0") for number in words[1::2]]
    # The longer one of two numbers is larger.
    return [(len(word) if i % 2 else 0, word) for i, word in enumerate(words)], path


def _name(path: str) -> str:
    """Return the last part of a path or URL."""
    return re.split(r"[/\\]", path)[-1]


def _file_pair(source: str) -> FilePair:
    """Return an image file and its label file, downloaded if they are at a URL."""
    folder, name = (
        os.path.split(source) if not is_url(source) else source.rsplit("/", 1)
    )
    stem = _IMAGES.sub(r"labels\1idx1", name.removesuffix(".gz"))
    if is_url(source):
        from .._download.urls import fetch

        if len(name) > _MAX_URL_NAME:
            raise DownloadError(
                f"{shown(source)}: the name of a file at a URL must have at most "
                f"{_MAX_URL_NAME} characters, got {len(name)}"
            )
        images = File(fetch(source), shown(source))
        labels = fetch_any(folder, stem, f"{stem}.gz")
        if labels is not None:
            fetch_any(folder, CARD_NAME, needed=False)
    else:
        images = File(Path(source).absolute())
        parent = images.path.parent
        labels = find_file(parent, stem)
        if labels is None and spelling(parent.name, name.removesuffix(".gz")):
            labels = find_file(parent.parent, stem)  # each file is in its own folder
        if labels is None and not images.path.is_file():
            raise FileNotFoundError(f"{images}: found no such image file")
    if labels is None:
        raise FileNotFoundError(companion_missing(images, stem))
    return images, labels

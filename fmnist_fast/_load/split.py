"""Read the two files of a split, check them, and make a Dataset of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .._dataset.arrays import checked_labels, numbered_from_1
from .._dataset.card import CARD_NAME, read_card, training_statistics
from .._dataset.statistics import Statistics
from .._io.paths import File
from .._io.threads import run_together
from .._io.warn import warn
from .._registry.datasets import DATASETS
from .._registry.hashes import is_published, owner_of, owner_of_files
from .._registry.spec import DatasetSpec, SplitSpec
from ..dataset import Dataset
from ..errors import FormatError
from .cache import read_items, read_only
from .copies import Decoded
from .find import SplitFiles, find_split
from .names import find_file, spelling
from .published import with_advice


def read_split(files: SplitFiles, cache: bool) -> tuple[Dataset, str]:
    """Return the dataset in the files of a split, and the text of a warning or "".

    The warning says that a file has the name of a published file, but other content.
    """
    card_file = files.beside(CARD_NAME)
    card = read_card(card_file.path.parent, str(card_file))
    synthetic = bool(card.get("synthetic", False))
    spec = DATASETS.get(files.name or "")
    part = _part_of(files, spec)
    read = functools.partial(_read, files, spec, part, cache, synthetic)
    (images, image_hash), (labels, label_hash) = _read_both(files, read)
    published, warning = None, ""
    if not synthetic:
        hashes, n_images = (image_hash, label_hash), (*images.shape, 0)[0]
        published, warning = _identify(files, spec, part, hashes, n_images, card)
        spec = published or spec
    labels, extra = _split_columns(spec, files.labels, labels)
    check_images_and_labels(files.images, images, files.labels, labels)
    labels = _from_zero(spec, files.labels, labels)
    part = _part_of(files, spec)
    rows = slice(part.begin, part.end) if part else slice(None)
    name = card.get("name", published and published.name)
    known = training_statistics(card, name, published and published.moments)
    beside = functools.partial(_beside, files, cache, name, images.shape[1:])
    try:
        dataset = Dataset._make(
            images[rows],
            read_only(checked_labels(labels[rows])),
            card.get("classes", published and published.classes),
            name=name,
            split=files.split,
            source=str(card_file.path.parent),
            synthetic=synthetic,
            extra={key: read_only(column[rows]) for key, column in extra.items()},
            origin=(_read_again, (files, cache)),
            card=card,
            statistics=known or beside,
        )
    except ValueError as error:
        raise FormatError(f"{files.labels}: {error}") from None
    return dataset, warning


def _read_both(files: SplitFiles, read: Callable[..., Decoded]) -> list[Decoded]:
    """Read both files at the same time. An error says how to replace its file."""
    try:
        return run_together(
            [lambda: read(is_images=True), lambda: read(is_images=False)]
        )
    except FormatError as error:
        raise with_advice(error, files.advice) from None


def warn_of_labels_from_1(dataset: Dataset) -> None:
    """Warn if labels begin at 1, unless a dataset.json names the classes."""
    n = 0 if "classes" in dataset._card else numbered_from_1(dataset.labels)
    if n:
        warn(
            f"{dataset.source}: the labels are 1 to {n}, and class 0 has no images.\n"
            f"Write label files with labels - 1, or a {CARD_NAME} that names the "
            f"{n + 1} classes."
        )


def _beside(
    files: SplitFiles, cache: bool, name: str | None, sides: tuple[int, ...]
) -> Statistics | None:
    """Return the statistics of the training files in the folder of another split.

    Return None if there are none of the dataset `name` with images of that size. Warn
    and return None if they can't be read. Files at a URL are not fetched for this.
    """
    if files.split.lower() == "train" or files.images.url:
        return None
    try:
        pair = _training_files(files)
        train = read_split(pair, cache)[0] if pair else None
        if train and (train.name, train.images.shape[1:]) == (name, sides):
            return train._whole.statistics
    except (OSError, ValueError, MemoryError) as error:
        warn(
            f"{error}\nThis training file can't be read, so the split {files.split!r} "
            "is normalized by its own mean and standard deviation.\n"
            "Replace the file, or pass normalize=(mean, std)."
        )
    return None


def _training_files(files: SplitFiles) -> SplitFiles | None:
    """Return the training files in the folder of another split, if it has both."""
    folder = files.beside(CARD_NAME).path.parent
    spec = DATASETS.get(files.name or "")
    if spec is None:
        try:
            return find_split("train", name=folder)
        except FileNotFoundError:
            return None
    images, labels = (find_file(folder, stem) for stem in spec.splits["train"].stems)
    return SplitFiles(images, labels, "train", spec.name) if images and labels else None


def _part_of(files: SplitFiles, spec: DatasetSpec | None) -> SplitSpec | None:
    """Return the split of that name, otherwise the one that has this image file."""
    parts, name = (spec.splits if spec else {}), files.images.path.name
    matches = (part for part in parts.values() if spelling(name, part.images))
    return parts.get(files.split) or next(matches, None)


def _read_again(files: SplitFiles, cache: bool) -> Dataset:
    """Return a pickled dataset, read from its files again."""
    dataset, warning = read_split(files, cache)
    if warning:
        warn(warning)
    return dataset


def _read(
    files: SplitFiles,
    spec: DatasetSpec | None,
    part: SplitSpec | None,
    cache: bool,
    synthetic: bool,
    *,
    is_images: bool,
) -> Decoded:
    """Return the items of a file, and its hash if this can identify the file."""
    file = files.images if is_images else files.labels
    verify, transposed = not synthetic, False
    if spec is not None and part is not None:
        verify = verify and any(spec.sha256_of(part.stems[not is_images]))
        transposed = is_images and spec.transposed
    return read_items(file, cache, verify=verify, transposed=transposed)


def _identify(
    files: SplitFiles,
    spec: DatasetSpec | None,
    part: SplitSpec | None,
    hashes: tuple[str | None, str | None],
    n_items: int,
    card: dict[str, Any],
) -> tuple[DatasetSpec | None, str]:
    """Return the dataset that published these files, if any, and a warning or "".

    Raise FormatError if the files are of another dataset than the caller named.
    """
    owner = _owner_of_both(files, hashes, card)
    if spec is None or part is None:
        return owner, _why_another_split(files, owner, hashes[0])
    wrong = [
        (file, reason, owner_of(sha256) is not None)
        for file, stem, sha256 in zip((files.images, files.labels), part.stems, hashes)
        if (reason := _why_not(spec, stem, sha256, file, n_items))
    ]
    if not wrong:
        return spec, ""
    owners = [published[0].name for published in map(owner_of, hashes) if published]
    others = [name for name in owners if name != spec.name]
    hint = ""
    if others:
        hint = f"\nPass root={files.beside(CARD_NAME).root!r}, name={others[0]!r}."
    elif files.is_named:
        hint = files.advice.replace(" it", " both", len(wrong) - 1)
    paths = " and ".join(str(file) for file, _, _ in wrong)
    _, reason, is_published_file = max(wrong, key=lambda entry: entry[2])
    text = f"{paths}: not the published {spec.title} file of that name. {reason}."
    if files.is_named and is_published_file:
        raise FormatError(text + hint)
    if {"name", "classes"} & card.keys() and card.get("name") != spec.name:
        return None, ""
    if not others:
        owner = None
    if owner is None:
        text += f"\nClasses are shown as numbers unless a {CARD_NAME} names them."
    exact = [name for stem in part.stems for name in (stem, f"{stem}.gz")]
    is_exact = all(file.path.name in exact for file, _, _ in wrong)
    text += hint
    return owner, text if is_exact or files.is_named or is_published_file else ""


def _why_another_split(
    files: SplitFiles, owner: DatasetSpec | None, sha256: str | None
) -> str:
    """Return a warning if an image file was published as another split, or ""."""
    part, published = owner and owner.splits.get(files.split), owner_of(sha256)
    if part is None or published is None or published[1] == part.images:
        return ""
    spec, stem = published
    return f"{files.images}: not of split {files.split!r}. It is {stem} of {spec.title}"


def _owner_of_both(
    files: SplitFiles, hashes: tuple[str | None, str | None], card: dict[str, Any]
) -> DatasetSpec | None:
    """Return the dataset that published both files, if any.

    Raise FormatError if the two files, or the files and the card, contradict each
    other.
    """
    owners = [published[0] for published in map(owner_of, hashes) if published]
    titles = dict.fromkeys(owner.title for owner in owners)
    if len(titles) == 2 and not {"name", "classes"} & card.keys():
        first, second = titles
        raise FormatError(
            f"{files.labels}: must be a file of {first}, as {files.images} is, got a "
            f"file of {second}"
        )
    owner = owner_of_files(*hashes)
    name = card.get("name")
    if owner is not None and name in DATASETS and name != owner.name:
        raise FormatError(
            f"{files.beside(CARD_NAME)}: name must be {owner.name!r}, the "
            f"dataset of the files beside it, got {name!r}"
        )
    return owner


def _why_not(
    spec: DatasetSpec, stem: str, sha256: str | None, file: File, n_items: int
) -> str:
    """Return why a file is not `stem` of a dataset, or "" if it is or if unknown."""
    is_known = sha256 and is_published(spec, stem, sha256, file.path)
    if is_known:
        return ""
    if is_known is False:
        owner, name = owner_of(sha256) or (None, "")
        return f"It is {name} of {owner.title}" if owner else "Its SHA-256 differs"
    expected = {part.n_items for part in spec.splits.values() if stem in part.stems}
    if n_items in expected:
        return ""
    return f"It has {n_items} items, and the published file has {expected.pop()}"


# ---- checks -----------------------------------------------------------------------


def check_images_and_labels(
    images: File, image_items: np.ndarray, labels: File, label_items: np.ndarray
) -> None:
    """Raise FormatError unless the items are images and equally many labels."""
    shape = image_items.shape
    if (len(shape), label_items.ndim) == (1, 3):
        raise FormatError(
            f"{images}: has labels, and {labels} has images.\n"
            "Swap the names of the two files."
        )
    if image_items.dtype != np.uint8 or len(shape) != 3 or 0 in shape[1:]:
        raise FormatError(
            f"{images}: images must be uint8 with 3 dimensions, got "
            f"{image_items.dtype} {shape}"
        )
    if label_items.dtype.kind not in "iu" or label_items.ndim != 1:
        raise FormatError(
            f"{labels}: labels must be integers with 1 dimension, got "
            f"{label_items.dtype} {label_items.shape}"
        )
    if len(image_items) != len(label_items):
        raise FormatError(
            f"{labels}: must have {len(image_items)} labels, one for each image of "
            f"{images}, got {len(label_items)}"
        )


def _split_columns(
    spec: DatasetSpec | None, labels: File, items: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the column of class numbers, and a dict of the further columns."""
    if spec is None or not spec.columns:
        return items, {}
    n_columns = 1 + len(spec.columns)
    if items.dtype.kind not in "iu" or items.ndim != 2 or items.shape[1] != n_columns:
        raise FormatError(
            f"{labels}: labels of {spec.title} must be integers of shape "
            f"(n, {n_columns}), got {items.dtype} {items.shape}"
        )
    labels_column, *further = np.ascontiguousarray(items.T)
    return labels_column, dict(zip(spec.columns, further))


def _from_zero(spec: DatasetSpec | None, labels: File, items: np.ndarray) -> np.ndarray:
    """Return labels that count from 0. In some files they count from 1."""
    if spec is None or spec.first_label == 0 or len(items) == 0:
        return items
    first, last = spec.first_label, spec.first_label + len(spec.classes) - 1
    low, high = int(items.min()), int(items.max())
    if low < first or high > last:
        raise FormatError(
            f"{labels}: labels of {spec.title} must be in {first}..{last}, "
            f"got {low} to {high}"
        )
    return items - items.dtype.type(first)

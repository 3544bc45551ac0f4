"""Read the two files of a split, check them, and make a Dataset of them."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import numpy as np

from .._dataset.arrays import checked_labels
from .._dataset.card import CARD_NAME, read_card
from .._io.files import run_together
from .._io.paths import File
from .._registry.datasets import DATASETS
from .._registry.hashes import is_published, owner_of, owner_of_pair
from .._registry.spec import DatasetSpec, SplitSpec
from ..dataset import Dataset
from ..errors import FormatError
from .cache import Decoded, read_items, read_only
from .find import SplitFiles, spelling


def read_split(
    files: SplitFiles, cache: bool, *, keep: bool = True
) -> tuple[Dataset, str]:
    """Return the dataset in the files of a split, and a warning or "".

    The warning says that files with the names of published ones are others. Without
    `keep` the files are to go away, and the dataset does not refer to them.
    """
    card_file = files.images.beside(CARD_NAME)
    card = read_card(card_file.path.parent, str(card_file))
    synthetic = bool(card.get("synthetic", False))
    spec = DATASETS.get(files.name or "")
    part = _part_of(files, spec)
    read = functools.partial(_read, files, spec, part, cache, synthetic)
    (images, image_hash), (labels, label_hash) = run_together(
        [lambda: read(is_images=True), lambda: read(is_images=False)]
    )
    published, doubt = None, ""
    if not synthetic:
        hashes, n_images = (image_hash, label_hash), (*images.shape, 0)[0]
        published, doubt = _identify(files, spec, part, hashes, n_images, card)
        spec = published or spec
    labels, extra = _split_columns(spec, files.labels, labels)
    check_pair(files.images, images, files.labels, labels)
    labels = _from_zero(spec, files.labels, labels)
    name, classes = (published.name, published.classes) if published else (None, None)
    part = _part_of(files, spec)
    rows = slice(part.begin, part.end) if part else slice(None)
    try:
        dataset = Dataset._make(
            images[rows],
            read_only(checked_labels(labels[rows])),
            card.get("classes", classes),
            name=card.get("name", name),
            split=files.split,
            source=str(files.images.path.parent) if keep else None,
            synthetic=synthetic,
            extra={key: read_only(column[rows]) for key, column in extra.items()},
            origin=(_read_again, (files, cache)) if keep else None,
            card=card,
        )
    except ValueError as error:
        raise FormatError(f"{files.labels}: {error}") from None
    return dataset, doubt


def _part_of(files: SplitFiles, spec: DatasetSpec | None) -> SplitSpec | None:
    """Return the split by its name, or else the one whose images have that name."""
    parts = spec.splits if spec else {}
    named = (p for p in parts.values() if spelling(files.images.path.name, p.images))
    return parts.get(files.split) or next(named, None)


def _read_again(files: SplitFiles, cache: bool) -> Dataset:
    """Return the dataset that was pickled."""
    dataset, doubt = read_split(files, cache)
    if doubt:
        warnings.warn(doubt, stacklevel=3)
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
    """Return the items of a file, and its hash where that tells something."""
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
    """Return the dataset whose published files these are, if any, and a warning.

    Raises FormatError where they are of another dataset than the caller named.
    """
    whole = _owner_of_both(files, hashes, card)
    if spec is None or part is None:
        return whole, ""
    wrong = [
        (file, reason, owner_of(sha256) is not None)
        for file, stem, sha256 in zip((files.images, files.labels), part.stems, hashes)
        if (reason := _why_not(spec, stem, sha256, file, n_items))
    ]
    if not wrong:
        return spec, ""
    owners = [owner[0].name for owner in map(owner_of, hashes) if owner]
    others = [name for name in owners if name != spec.name]
    hint = f": pass name={others[0]!r}" if others else ""
    which = " and ".join(str(file) for file, _, _ in wrong)
    _, reason, is_another = max(wrong, key=lambda each: each[2])
    text = f"{which}: not the published {spec.title} file of that name ({reason}{hint})"
    if files.is_named and is_another:
        raise FormatError(text)
    if {"name", "classes"} & card.keys() and card.get("name") != spec.name:
        return None, ""
    if not others:
        whole = None
    if whole is None:
        text += f"; classes are shown as numbers unless a {CARD_NAME} names them"
    exact = [name for stem in part.stems for name in (stem, f"{stem}.gz")]
    is_exact = all(file.path.name in exact for file, _, _ in wrong)
    return whole, text if is_exact or files.is_named else ""


def _owner_of_both(
    files: SplitFiles, hashes: tuple[str | None, str | None], card: dict[str, Any]
) -> DatasetSpec | None:
    """Return whose published pair this is. Raise if files or card contradict it."""
    owners = [owner[0] for owner in map(owner_of, hashes) if owner]
    titles = dict.fromkeys(owner.title for owner in owners)
    if len(titles) == 2 and not {"name", "classes"} & card.keys():
        first, second = titles
        raise FormatError(
            f"{files.images} is {first}'s, but {files.labels} is {second}'s"
        )
    whole = owner_of_pair(*hashes)
    name = card.get("name")
    if whole is not None and name in DATASETS and name != whole.name:
        raise FormatError(
            f"{files.images.beside(CARD_NAME)}: name is {name!r}, but the files beside "
            f"it are {whole.title}'s"
        )
    return whole


def _why_not(
    spec: DatasetSpec, stem: str, sha256: str | None, file: File, n_items: int
) -> str:
    """Return why a file isn't `stem` of a dataset; "" if it is, or can't be told."""
    known = sha256 and is_published(spec, stem, sha256, file.path)
    if known:
        return ""
    if known is False:
        owner, name = owner_of(sha256) or (None, "")
        return f"it is {owner.title}'s {name}" if owner else "its SHA-256 differs"
    wanted = {part.n_items for part in spec.splits.values() if stem in part.stems}
    if n_items in wanted:
        return ""
    return f"it has {n_items} items, the published one {wanted.pop()}"


# ---- checks -----------------------------------------------------------------------


def check_pair(
    images: File, image_items: np.ndarray, labels: File, label_items: np.ndarray
) -> None:
    """Raise FormatError unless the items are images, and as many labels."""
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


def _split_columns(
    spec: DatasetSpec | None, labels: File, items: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the column of classes, and the others by name."""
    if spec is None or not spec.columns:
        return items, {}
    n_columns = 1 + len(spec.columns)
    if items.dtype.kind not in "iu" or items.ndim != 2 or items.shape[1] != n_columns:
        raise FormatError(
            f"{labels}: labels of {spec.title} must be integers of shape "
            f"(n, {n_columns}), found {items.dtype} {items.shape}"
        )
    first, *others = np.ascontiguousarray(items.T)
    return first, dict(zip(spec.columns, others))


def _from_zero(spec: DatasetSpec | None, labels: File, items: np.ndarray) -> np.ndarray:
    """Return labels that count from 0, whatever the files count from."""
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

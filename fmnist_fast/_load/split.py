"""The two files of a split, read, checked, put right and made into a Dataset."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import config
from .._dataset.arrays import checked_labels
from .._dataset.card import CARD_NAME, read_card
from .._io.files import read_whole, run_together
from .._registry.datasets import DEFAULT, MEMBERS
from .._registry.hashes import doubt, known_sha256, sha256_of_bytes
from .._registry.spec import Member
from ..dataset import Dataset
from ..errors import FormatError
from ..idx import decode_idx


def load_pair(
    split: str,
    images: Path,
    labels: Path,
    cache: bool,
    name: str | None = DEFAULT,
    *,
    keep: bool = True,
) -> Dataset:
    """The dataset in a pair of IDX files, which are to go away unless `keep`.

    `name` is the member of the family that they are named after. With None they are
    told by their hashes, or else are nobody's.
    """
    with naming_urls(images, labels):
        return _load_pair(split, images, labels, cache, name, keep)


@contextlib.contextmanager
def naming_urls(*files: Path) -> Iterator[None]:
    """Errors about files that are copies, or a card beside them, name their URLs."""
    try:
        yield
    except FormatError as error:
        error.args = (_with_urls(str(error), files),)
        raise


def _with_urls(text: str, files: Iterable[Path]) -> str:
    from .._download.urls import with_urls  # takes time

    cards = {file.with_name(CARD_NAME): None for file in files}
    return with_urls(text, [*files, *cards])


def _load_pair(
    split: str,
    images: Path,
    labels: Path,
    cache: bool,
    name: str | None,
    keep: bool,
) -> Dataset:
    named = None if name is None else MEMBERS[name]
    card = read_card(images.parent)
    synthetic = bool(card.get("synthetic", False))
    (image_items, image_hash), (label_items, label_hash) = run_together(
        [
            lambda: read_file(images, cache, named, synthetic, is_images=True),
            lambda: read_file(labels, cache, named, synthetic, is_images=False),
        ]
    )
    member = named or _owner(image_hash, label_hash)
    label_items, extra = _split_columns(member, labels, label_items)
    check_pair(images, image_items, labels, label_items)
    label_items = _from_zero(member, labels, label_items)
    published = member is not None and not synthetic
    if published and named is not None:
        hashes = {images: image_hash, labels: label_hash}
        published = not _warn_of_others(named, hashes, len(image_items), card)
    known: dict[str, Any] = {}
    if published and member is not None:
        known = {"name": member.name, "classes": member.classes}
    known |= card
    rows = _rows_of(member, split)
    try:
        return Dataset._make(
            image_items[rows],
            read_only(checked_labels(label_items[rows])),
            known.get("classes"),
            name=known.get("name"),
            split=split,
            source=str(images.parent) if keep else None,
            synthetic=synthetic,
            extra={key: read_only(column[rows]) for key, column in extra.items()},
            origin=(
                load_pair,
                (split, images.absolute(), labels.absolute(), cache, name),
            )
            if keep
            else None,
            card=card,
        )
    except ValueError as error:
        raise FormatError(f"{labels}: {error}") from None


def _rows_of(member: Member | None, split: str) -> slice:
    part = member and member.splits.get(split)
    return slice(part.begin, part.end) if part else slice(None)


def _owner(image_hash: str | None, label_hash: str | None) -> Member | None:
    """Whose published pair that is."""
    if image_hash is None or label_hash is None:
        return None
    for member in MEMBERS.values():
        for part in member.splits.values():
            if image_hash in member.sha256_of(part.images):
                is_pair = label_hash in member.sha256_of(part.labels)
                return member if is_pair else None
    return None


def _warn_of_others(
    member: Member, hashes: dict[Path, str | None], n_items: int, card: dict[str, Any]
) -> bool:
    """Whether a file isn't the published one; warns if no card says so."""
    reasons = {
        path: doubt(member, path, sha256, n_items) for path, sha256 in hashes.items()
    }
    doubtful = [path for path, reason in reasons.items() if reason]
    another = {"name", "classes"} & card.keys() and card.get("name") != member.name
    if doubtful and not another:
        which = _with_urls(" and ".join(map(str, doubtful)), doubtful)
        warnings.warn(
            f"{which}: not the published {member.title} file of that name "
            f"({reasons[doubtful[0]]}); classes are shown as numbers unless a "
            f"{CARD_NAME} names them",
            stacklevel=5,
        )
    return bool(doubtful)


# ---- checks -----------------------------------------------------------------------


def check_pair(
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


def _split_columns(
    member: Member | None, labels: Path, items: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The column of classes, and the others by name."""
    if member is None or not member.columns:
        return items, {}
    n_columns = 1 + len(member.columns)
    if items.dtype.kind not in "iu" or items.ndim != 2 or items.shape[1] != n_columns:
        raise FormatError(
            f"{labels}: labels of {member.title} must be integers of shape "
            f"(n, {n_columns}), found {items.dtype} {items.shape}"
        )
    first, *others = np.ascontiguousarray(items.T)
    return first, dict(zip(member.columns, others))


def _from_zero(member: Member | None, labels: Path, items: np.ndarray) -> np.ndarray:
    """Labels that count from 0, whatever the files count from."""
    if member is None or member.first_label == 0 or len(items) == 0:
        return items
    first = member.first_label
    low, high, last = (
        int(items.min()),
        int(items.max()),
        first + len(member.classes) - 1,
    )
    if low < first or high > last:
        raise FormatError(
            f"{labels}: labels of {member.title} must be in {first}..{last}, "
            f"got {low} to {high}"
        )
    return items - items.dtype.type(first)


def is_another(folder: Path) -> bool:
    """Whether the card in `folder` says that its files are nobody's published ones."""
    card = read_card(folder)
    return bool(card) and card.get("name") not in MEMBERS


# ---- one file -----------------------------------------------------------------------


def read_file(
    path: Path, cache: bool, member: Member | None, synthetic: bool, *, is_images: bool
) -> tuple[np.ndarray, str | None]:
    """The items of an IDX file, read-only, rows first, and its `known_sha256`.

    The hash is None where it would tell nothing.
    """
    transposed = is_images and member is not None and member.transposed
    stem = path.name.removesuffix(".gz")
    verify = not synthetic and (member is None or any(member.sha256_of(stem)))
    costly = transposed or path.suffix == ".gz"
    folder = config.cache_folder() if cache and costly else None
    if folder is None:
        items, sha256 = _decode_upright(path, verify, transposed)
        return read_only(items), sha256
    copied = _copied(folder, path, verify, transposed)
    if copied is None:
        from .cache import making_copy

        with making_copy(folder, path):  # others that have waited find it there
            copied = _copied(folder, path, verify, transposed)
            copied = copied or _decode_and_keep(folder, path, verify, transposed)
    items, sha256 = copied
    return read_only(items), sha256


def _copied(
    folder: Path, path: Path, verify: bool, transposed: bool
) -> tuple[np.ndarray, str | None] | None:
    """The items and hash of the decoded copy of `path`, if there is one as wanted."""
    from .cache import load_copy

    copy = load_copy(folder, path)
    if copy is None:
        return None
    items, facts = copy
    known = facts.get("sha256")
    if facts.get("transposed") == transposed and (known or not verify):
        return items, known
    return None


def _decode_and_keep(
    folder: Path, path: Path, verify: bool, transposed: bool
) -> tuple[np.ndarray, str | None]:
    from .cache import load_copy, save_copy, stamp_of

    stamp = stamp_of(path)
    items, sha256 = _decode_upright(path, verify, transposed)
    facts = {"sha256": sha256, "transposed": transposed}
    save_copy(folder, path, stamp, items, facts)
    copy = load_copy(folder, path)
    if copy is not None:  # memory-mapped, and so shared by all processes
        items = copy[0]
    return items, sha256


def _decode_upright(
    path: Path, verify: bool, transposed: bool
) -> tuple[np.ndarray, str | None]:
    items, sha256 = _decode(path, verify)
    if transposed and items.ndim == 3:
        items = np.ascontiguousarray(items.transpose(0, 2, 1))
    return items, sha256


def _decode(path: Path, verify: bool) -> tuple[np.ndarray, str | None]:
    content = read_whole(path)
    if not verify:
        return decode_idx(content, str(path)), None
    items, digest = run_together(
        [lambda: decode_idx(content, str(path)), lambda: sha256_of_bytes(content)]
    )
    return items, known_sha256(digest, items)


def read_only(items: np.ndarray) -> np.ndarray:
    items.flags.writeable = False
    return items

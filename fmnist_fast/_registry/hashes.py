"""Recognize published files by the SHA-256 of the file or of its content."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .. import _core
from .datasets import DATASETS
from .spec import DatasetSpec


def sha256_of(content: memoryview) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    import hashlib

    return hashlib.sha256(content).hexdigest()


def owner_of(sha256: str | None) -> tuple[DatasetSpec, str] | None:
    """Return the dataset and the name, without ``.gz``, of the file with that hash."""
    for spec in DATASETS.values() if sha256 else ():
        for split in spec.splits.values():
            for stem in split.stems:
                if sha256 in spec.sha256_of(stem):
                    return spec, stem
    return None


def owner_of_files(images: str | None, labels: str | None) -> DatasetSpec | None:
    """Return the dataset that has a split with these two hashes, if there is one."""
    for spec in DATASETS.values() if images and labels else ():
        for part in spec.splits.values():
            if images in spec.sha256_of(part.images):
                return spec if labels in spec.sha256_of(part.labels) else None
    return None


def published_sha256(digest: str, items: np.ndarray) -> str:
    """Return the published SHA-256 of the file with these `items`, if there is one.

    Otherwise, return `digest`, the SHA-256 of the file itself. A published file that
    was compressed again has another `digest`, but the same items.
    """
    if owner_of(digest) or items.dtype != np.uint8:
        return digest
    import hashlib

    content = hashlib.sha256(bytes([0, 0, _core.IDX_TYPES["uint8"], items.ndim]))
    content.update(np.array(items.shape, dtype=">u4").tobytes())
    content.update(np.ascontiguousarray(items).reshape(-1).data)
    idx_sha256 = content.hexdigest()
    return idx_sha256 if owner_of(idx_sha256) else digest


def has_content_of(sha256: str, items: np.ndarray) -> bool:
    """Return whether `items` are those of the published file with that hash.

    Return False if the hash of its content is not known.
    """
    owner = owner_of(sha256)
    known = owner and owner[0].sha256_of(owner[1])[1]
    return known is not None and published_sha256("", items) == known


def is_published(spec: DatasetSpec, stem: str, sha256: str, path: Path) -> bool | None:
    """Return whether `path`, which has that `published_sha256`, is `stem` of a dataset.

    Return None if this is unknown, because no hash of such a file is published.
    """
    compressed, uncompressed = spec.sha256_of(stem)
    if sha256 in (compressed, uncompressed):
        return True
    known = uncompressed or (compressed and path.suffix == ".gz") or owner_of(sha256)
    return False if known else None

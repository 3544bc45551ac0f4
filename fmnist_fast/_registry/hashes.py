"""Whether a file is a published one, told by SHA-256 of it or of its content."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .. import _core
from .._io.files import read_whole
from .datasets import DATASETS
from .spec import DatasetSpec


def sha256_of(content: Path | memoryview) -> str:
    """Return SHA-256 of a file, or of bytes, in hexadecimal."""
    import hashlib

    if isinstance(content, Path):
        content = read_whole(content)
    return hashlib.sha256(content).hexdigest()


def owner_of(sha256: str | None) -> tuple[DatasetSpec, str] | None:
    """Return whose published file has that hash, and its name without ``.gz``."""
    for spec in DATASETS.values() if sha256 else ():
        for split in spec.splits.values():
            for stem in split.stems:
                if sha256 in spec.sha256_of(stem):
                    return spec, stem
    return None


def owner_of_pair(images: str | None, labels: str | None) -> DatasetSpec | None:
    """Return the dataset of which the files with these hashes make a split."""
    for spec in DATASETS.values() if images and labels else ():
        for part in spec.splits.values():
            if images in spec.sha256_of(part.images):
                return spec if labels in spec.sha256_of(part.labels) else None
    return None


def published_sha256(digest: str, items: np.ndarray) -> str:
    """Return the published SHA-256 of a file with these `items`, or else its own.

    `digest` is its own. The same items compressed in another way are the same file.
    """
    if owner_of(digest) or items.dtype != np.uint8:
        return digest
    import hashlib

    content = hashlib.sha256(bytes([0, 0, _core.IDX_TYPES["uint8"], items.ndim]))
    content.update(np.array(items.shape, dtype=">u4").tobytes())
    content.update(np.ascontiguousarray(items).reshape(-1).data)
    inflated = content.hexdigest()
    return inflated if owner_of(inflated) else digest


def is_published(spec: DatasetSpec, stem: str, sha256: str, path: Path) -> bool | None:
    """Return whether `path`, with that `published_sha256`, is `stem` of a dataset.

    None where that can't be told, because no hash of such a file is published.
    """
    compressed, inflated = spec.sha256_of(stem)
    if sha256 in (compressed, inflated):
        return True
    known = inflated or (compressed and path.suffix == ".gz") or owner_of(sha256)
    return False if known else None

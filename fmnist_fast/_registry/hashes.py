"""Is this file the published one? Told by SHA-256 of the file, or of what is inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .._io.files import read_whole
from .datasets import owner_of
from .spec import Member


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return sha256_of_bytes(read_whole(path))


def sha256_of_bytes(content: memoryview) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    import hashlib

    return hashlib.sha256(content).hexdigest()


def known_sha256(digest: str, items: np.ndarray) -> str:
    """The published SHA-256 that a file of these items has, or else its own.

    The same items compressed in another way are the same file to us.

    Parameters
    ----------
    digest : str
        SHA-256 of the file.
    items : ndarray
        What it holds.
    """
    if owner_of(digest) or items.dtype != np.uint8:
        return digest
    import hashlib

    content = hashlib.sha256(bytes([0, 0, 8, items.ndim]))
    content.update(np.array(items.shape, dtype=">u4").tobytes())
    content.update(np.ascontiguousarray(items).reshape(-1).data)
    inflated = content.hexdigest()
    return inflated if owner_of(inflated) else digest


def is_published(member: Member, path: Path, sha256: str) -> bool | None:
    """Whether a file with that `known_sha256` is the one that `path` is named after.

    None where that can't be told: no hash of such a file is published.
    """
    compressed, inflated = member.sha256_of(path.name.removesuffix(".gz"))
    if sha256 in (compressed, inflated):
        return True
    decidable = inflated or (compressed and path.suffix == ".gz")
    return False if decidable else None


def doubt(member: Member, path: Path, sha256: str | None, n_items: int) -> str:
    """Why a file isn't the published one; "" if it is, or if that can't be told.

    Parameters
    ----------
    sha256 : str or None
        Its `known_sha256`; None if it was not computed, as no hash is published.
    n_items : int
        The images or labels in it.
    """
    published = None if sha256 is None else is_published(member, path, sha256)
    if published:
        return ""
    if published is False and sha256 is not None:
        owner = owner_of(sha256)
        if owner is None:
            return "its SHA-256 differs"
        other, stem = owner
        hint = "" if other.name == member.name else f": pass name={other.name!r}"
        return f"it is {other.title}'s {stem}{hint}"
    stem = path.name.removesuffix(".gz")
    wanted = [s.n_items for s in member.splits.values() if stem in (s.images, s.labels)]
    if n_items in wanted:
        return ""
    return f"it has {n_items} items, the published one {wanted[0]}"

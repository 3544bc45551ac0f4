"""Read IDX files, and keep decoded copies so that the next start decodes nothing.

A decoded copy is one file. It has the size of the header and a checksum of all
following bytes, then a JSON header padded to whole pages, then the items in numpy's
layout. So the items can be memory-mapped, and all processes share them. A copy is
written under a temporary name and renamed. Its checksum is verified at each opening. A
copy is valid while its source file has the same path, size and modification time.
"""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import config
from .._io.files import map_whole, read_whole, replacing
from .._io.lock import locked
from .._io.paths import File
from .._io.threads import run_together
from .._registry.hashes import published_sha256, sha256_of
from ..idx import decode_idx

_PAGE = 4096
_FORMAT = 1
_PREFIX_NBYTES = 16  # header size in decimal, CRC-32 in hexadecimal, 8 characters each

Decoded = tuple[np.ndarray, "str | None"]  # the items and the hash of their file


def read_items(
    file: File, cache: bool, *, verify: bool, transposed: bool = False
) -> Decoded:
    """Return the items of an IDX file as a read-only array, and the file's hash.

    With `cache`, files that take time to decode have a decoded copy in the cache
    folder. The hash comes from `published_sha256`, and may be None without `verify`.
    The images of a `transposed` file are stored column by column.
    """
    costly = transposed or file.path.suffix == ".gz"
    folder = config.cache_folder() if cache and costly else None
    if folder is None:
        items, sha256 = _decode(file, verify, transposed)
        return read_only(items), sha256

    def from_copy() -> Decoded | None:
        items, facts = load_copy(folder, file.path) or (None, {})
        sha256 = facts.get("sha256")
        matches = facts.get("transposed") == transposed and (sha256 or not verify)
        return (items, sha256) if items is not None and matches else None

    decoded = from_copy()
    if decoded is None:
        with _making_copy(folder, file.path):
            decoded = from_copy()  # another process may have made the copy meanwhile
            if decoded is None:
                stamp = stamp_of(file.path)
                decoded = _decode(file, verify, transposed)
                facts = {"sha256": decoded[1], "transposed": transposed}
                save_copy(folder, file.path, stamp, decoded[0], facts)
                # All processes share the memory of the mapped copy.
                decoded = from_copy() or decoded
    return read_only(decoded[0]), decoded[1]


def _decode(file: File, verify: bool, transposed: bool) -> Decoded:
    """Return the items of an IDX file, and with `verify` the file's hash."""
    content = read_whole(file.path)
    hashing = [lambda: sha256_of(content)] if verify else []
    items, *digests = run_together([lambda: decode_idx(content, str(file)), *hashing])
    sha256 = published_sha256(digests[0], items) if digests else None
    if transposed and items.ndim == 3:
        items = np.ascontiguousarray(items.transpose(0, 2, 1))
    return items, sha256


def read_only(items: np.ndarray) -> np.ndarray:
    """Return the same array, made read-only."""
    items.flags.writeable = False
    return items


def _copy_path(folder: Path, path: Path) -> Path:
    """Return the path of the decoded copy of `path`."""
    key = _checksum(os.fsencode(os.path.realpath(path)))
    return folder / "decoded" / f"{path.name}-{key:08x}.bin"


def stamp_of(path: Path) -> dict[str, Any]:
    """Return what a copy of `path` must match. Call this before reading `path`."""
    stat = path.stat()
    return {
        "format": _FORMAT,
        "path": os.path.realpath(path),
        "size": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
    }


def load_copy(folder: Path, path: Path) -> tuple[np.ndarray, dict[str, Any]] | None:
    """Return the decoded copy of `path` and its facts, or None if it is not valid."""
    try:
        mapped = map_whole(_copy_path(folder, path))
        prefix = bytes(mapped[:_PREFIX_NBYTES])
        header_nbytes, checksum = int(prefix[:8]), int(prefix[8:], 16)
        if _checksum(mapped[_PREFIX_NBYTES:]) != checksum:
            return None
        header = json.loads(bytes(mapped[_PREFIX_NBYTES:header_nbytes]))
        if header["stamp"] != stamp_of(path):
            return None
        flat = np.frombuffer(mapped, np.uint8, offset=header_nbytes)
        return flat.view(header["dtype"]).reshape(header["shape"]), header["facts"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # the copy is missing or damaged, so the caller makes a new one


@contextlib.contextmanager
def _making_copy(folder: Path, path: Path) -> Iterator[None]:
    """Hold a lock so that one process makes the copy of `path` and all map it.

    If the folder is not writable, there is no lock, and each process decodes the file.
    """
    lock = _copy_path(folder, path).with_suffix(".lock")
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(locked(lock, f"decoding {path}"))
        yield


def save_copy(
    folder: Path, path: Path, stamp: dict[str, Any], items: np.ndarray, facts: dict
) -> None:
    """Write a decoded copy of `path` with some facts, or warn if this fails."""
    flat = items.reshape(-1).view(np.uint8)
    header = {
        "stamp": stamp,
        "dtype": items.dtype.str,
        "shape": items.shape,
        "facts": facts,
    }
    text = json.dumps(header).encode()
    header_nbytes = -(-(_PREFIX_NBYTES + len(text)) // _PAGE) * _PAGE
    text = text.ljust(header_nbytes - _PREFIX_NBYTES)
    checksum = _checksum(flat, _checksum(text))
    try:
        copy = _copy_path(folder, path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        # The copy is not synced: the checksum reveals damage by a power failure.
        with replacing(copy, sync=False) as file:
            file.write((b"%8d%08x" % (header_nbytes, checksum)) + text)
            file.write(flat.data)
    except OSError as error:
        warnings.warn(
            f"could not keep a decoded copy of {path} in {folder}: {error}.\n"
            "Set FMNIST_FAST_CACHE to a writable folder, or to 'off'.",
            stacklevel=2,
        )


def _checksum(content: Any, before: int = 0) -> int:
    """Return the CRC-32 of some bytes, continued from the checksum `before` them."""
    import deflate

    return deflate.crc32(content, before)

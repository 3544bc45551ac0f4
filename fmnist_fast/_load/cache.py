"""Read IDX files, and keep decoded copies, so that a second start inflates nothing.

A copy is one file: the header's size and a checksum of all that follows, a JSON header
padded to whole pages, then the items as numpy wants them, ready to be memory-mapped and
so shared by all processes. It is written under another name and renamed, and the
checksum is verified whenever it is opened. It is taken for the file it was made from
while that has the same path, size and time of change.
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
from .._io.files import map_whole, read_whole, replacing, run_together
from .._io.lock import locked
from .._io.paths import File
from .._registry.hashes import published_sha256, sha256_of
from ..idx import decode_idx

_PAGE = 4096
_FORMAT = 1
_PREFIX_NBYTES = 16  # header size in decimal, CRC-32 in hexadecimal, 8 characters each


Decoded = tuple[np.ndarray, "str | None"]  # items, and the hash of their file


def read_items(
    file: File, cache: bool, *, verify: bool, transposed: bool = False
) -> Decoded:
    """Return the items of an IDX file, read-only, rows first, and their hash.

    With `cache` there is a decoded copy in the cache folder, where decoding takes time.
    The hash is a `published_sha256`; without `verify` it may be None. A file that is
    `transposed` has columns of pixels in place of rows.
    """
    costly = transposed or file.path.suffix == ".gz"
    folder = config.cache_folder() if cache and costly else None
    if folder is None:
        items, sha256 = _decode(file, verify, transposed)
        return read_only(items), sha256

    def copied() -> Decoded | None:
        items, facts = load_copy(folder, file.path) or (None, {})
        known = facts.get("sha256")
        is_wanted = facts.get("transposed") == transposed and (known or not verify)
        return (items, known) if items is not None and is_wanted else None

    decoded = copied()
    if decoded is None:
        with _making_copy(folder, file.path):  # others that have waited find it there
            decoded = copied()
            if decoded is None:
                stamp = stamp_of(file.path)
                decoded = _decode(file, verify, transposed)
                facts = {"sha256": decoded[1], "transposed": transposed}
                save_copy(folder, file.path, stamp, decoded[0], facts)
                # Memory-mapped, and so shared by all processes.
                decoded = copied() or decoded
    return read_only(decoded[0]), decoded[1]


def _decode(file: File, verify: bool, transposed: bool) -> Decoded:
    content = read_whole(file.path)
    hashing = [lambda: sha256_of(content)] if verify else []
    items, *digests = run_together([lambda: decode_idx(content, str(file)), *hashing])
    sha256 = published_sha256(digests[0], items) if digests else None
    if transposed and items.ndim == 3:
        items = np.ascontiguousarray(items.transpose(0, 2, 1))
    return items, sha256


def read_only(items: np.ndarray) -> np.ndarray:
    """Return the array, which can't be written to from now on."""
    items.flags.writeable = False
    return items


def _copy_path(folder: Path, path: Path) -> Path:
    key = _checksum(os.fsencode(os.path.realpath(path)))
    return folder / "decoded" / f"{path.name}-{key:08x}.bin"


def stamp_of(path: Path) -> dict[str, Any]:
    """Return what a copy of `path` is known by. Call it before reading the file."""
    stat = path.stat()
    return {
        "format": _FORMAT,
        "path": os.path.realpath(path),
        "size": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
    }


def load_copy(folder: Path, path: Path) -> tuple[np.ndarray, dict[str, Any]] | None:
    """Return the decoded copy of `path` in `folder` and its facts, if it is good."""
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
        return None  # no copy, or not one of ours: make a new one


@contextlib.contextmanager
def _making_copy(folder: Path, path: Path) -> Iterator[None]:
    """Let one process at a time make the copy of `path`, so that all map the same file.

    Where that can't be had, in a folder that can't be written, each makes its own.
    """
    lock = _copy_path(folder, path).with_suffix(".lock")
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(locked(lock, lambda: None))
        yield


def save_copy(
    folder: Path, path: Path, stamp: dict[str, Any], items: np.ndarray, facts: dict
) -> None:
    """Keep a decoded copy of `path`, with some facts; warns if that can't be done."""
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
        # Not synced: after a power cut the checksum tells.
        with replacing(copy, sync=False) as file:
            file.write((b"%8d%08x" % (header_nbytes, checksum)) + text)
            file.write(flat.data)
    except OSError as error:
        warnings.warn(
            f"could not keep a decoded copy of {path} in {folder}: {error}. Point "
            "FMNIST_FAST_CACHE at a folder that can be written, or set it to 'off'",
            stacklevel=2,
        )


def _checksum(content: Any, before: int = 0) -> int:
    import deflate

    return deflate.crc32(content, before)

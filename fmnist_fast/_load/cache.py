"""Decoded copies of files, so that a second start needs no inflating.

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

from .._io.files import map_whole, replacing
from .._io.lock import locked

_PAGE = 4096
_FORMAT = 1
_PREFIX_NBYTES = 16  # header size in decimal, CRC-32 in hexadecimal, 8 characters each


def _copy_path(folder: Path, path: Path) -> Path:
    key = _checksum(os.fsencode(os.path.realpath(path)))
    return folder / "decoded" / f"{path.name}-{key:08x}.bin"


def stamp_of(path: Path) -> dict[str, Any]:
    """What a copy of `path` is known by; take it before reading the file."""
    stat = path.stat()
    return {
        "format": _FORMAT,
        "path": os.path.realpath(path),
        "size": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
    }


def load_copy(folder: Path, path: Path) -> tuple[np.ndarray, dict[str, Any]] | None:
    """The decoded copy of `path` in `folder` and the facts kept with it, if good."""
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
        return None  # no copy, or not one of ours: make it anew


@contextlib.contextmanager
def making_copy(folder: Path, path: Path) -> Iterator[None]:
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

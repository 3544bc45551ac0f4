"""Decoded copies of files, so that a second start needs no inflating.

A copy is one file: a JSON header padded to whole pages, then the items as numpy wants
them, ready to be memory-mapped and so shared by all processes. It is written under
another name and renamed, and its checksum is verified whenever it is opened. It is
taken for the file it was made from while that has the same path, size and time of
change.
"""

from __future__ import annotations

import json
import mmap
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from .files import replacing

_PAGE = 4096
_FORMAT = 1


def _copy_path(folder: Path, path: Path) -> Path:
    import hashlib

    key = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:16]
    return folder / "decoded" / f"{path.name}-{key}.bin"


def _stamp(path: Path) -> dict[str, int]:
    stat = path.stat()
    return {"format": _FORMAT, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def load_copy(folder: Path, path: Path) -> tuple[np.ndarray, dict[str, Any]] | None:
    """The decoded copy of `path` in `folder` and the facts kept with it, if good."""
    try:
        with open(_copy_path(folder, path), "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        header_nbytes = int(mapped[:8])
        header = json.loads(mapped[8:header_nbytes])
        if {key: header[key] for key in _stamp(path)} != _stamp(path):
            return None
        flat = np.frombuffer(mapped, np.uint8, offset=header_nbytes)
        items = flat.view(header["dtype"]).reshape(header["shape"])
        if _checksum(flat) != header["crc32"]:
            return None
        return items, header["facts"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no copy, or not one of ours: make it anew


def save_copy(folder: Path, path: Path, items: np.ndarray, facts: dict) -> None:
    """Keep a decoded copy of `path`, with some facts; warns if that can't be done."""
    flat = items.reshape(-1).view(np.uint8)
    try:
        header = _stamp(path) | {
            "dtype": items.dtype.str,
            "shape": items.shape,
            "crc32": _checksum(flat),
            "facts": facts,
        }
        text = json.dumps(header).encode()
        header_nbytes = (8 + len(text) + _PAGE - 1) // _PAGE * _PAGE
        copy = _copy_path(folder, path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        # Not synced: after a power cut the checksum tells.
        with replacing(copy, sync=False) as file:
            file.write((b"%8d" % header_nbytes) + text.ljust(header_nbytes - 8))
            file.write(flat.data)
    except OSError as error:
        warnings.warn(
            f"could not keep a decoded copy of {path} in {folder}: {error}. Point "
            "FMNIST_FAST_CACHE at a folder that can be written, or set it to 'off'",
            stacklevel=2,
        )


def _checksum(flat: np.ndarray) -> int:
    import deflate

    return deflate.crc32(flat)

"""Read IDX files, and keep decoded copies so that the next start decodes nothing.

A copy is valid while its file has the same path, inode, size, times and ends.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import numpy as np

from .. import config
from .._io.files import naming
from .._io.paths import File
from .._io.private import open_file
from .._io.threads import run_together
from .._registry.hashes import published_sha256, sha256_of
from ..idx import decode_idx, read_content
from .copies import Copy, Decoded, load_or_make

_END_NBYTES = 4096  # of a file's content at both ends
_NAME_LENGTH = 50  # of at most 200 bytes; file systems allow 255


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
        return _decode(file, verify, transposed)
    return load_or_make(
        decoded_copy(folder, file, verify=verify, transposed=transposed)
    )


def decoded_copy(
    folder: Path, file: File, *, verify: bool = False, transposed: bool = False
) -> Copy:
    """Return the decoded copy of an IDX file, which may not exist yet."""
    key = _checksum(os.fsencode(os.path.realpath(file.path)))
    name = file.path.name[-_NAME_LENGTH:]  # so that the copy's name is not too long
    return Copy(
        folder,
        "decoded",
        f"{name}-{key:08x}" + "-transposed" * transposed,
        f"a decoded copy of {file}",
        functools.partial(stamp_of, file.path, transposed),
        functools.partial(_decode, file, verify, transposed),
        needs_sha256=verify,
    )


def stamp_of(path: Path, transposed: bool = False) -> dict[str, Any]:
    """Return what changes when the content of a file does.

    A change in place alters ``ctime_ns``, and a new file the inode. The ends of a gzip
    file include the CRC-32 of its content. Windows has the time of creation as ctime.
    """
    with open_file(path) as file, naming(path):
        status = os.fstat(file.fileno())
        begin = file.read(_END_NBYTES) or b""
        file.seek(max(0, status.st_size - _END_NBYTES))
        end = file.read(_END_NBYTES) or b""
    return {
        "path": os.path.realpath(path),
        "size": status.st_size,
        "inode": status.st_ino,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
        "ends": _checksum(begin + end),
        "transposed": transposed,
    }


def _checksum(content: bytes) -> int:
    import deflate

    return deflate.crc32(content)


def _decode(file: File, verify: bool, transposed: bool) -> Decoded:
    """Return the items of an IDX file, and with `verify` the file's hash."""
    content = read_content(file.path, str(file))
    hashing = [lambda: sha256_of(content)] if verify else []
    decode = functools.partial(decode_idx, content, str(file))
    with naming(file.path):
        items, *digests = run_together([decode, *hashing])
        sha256 = published_sha256(digests[0], items) if digests else None
        if transposed and items.ndim == 3:
            items = np.ascontiguousarray(items.transpose(0, 2, 1))
    return read_only(items), sha256


def read_only(items: np.ndarray) -> np.ndarray:
    """Return the same array, made read-only."""
    items.flags.writeable = False
    return items

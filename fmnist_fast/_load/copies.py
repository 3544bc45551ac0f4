"""Copies of arrays in the cache folder, which all processes of a machine map.

A copy is one file. It has the size of the header and a tag of all following bytes, then
a JSON header padded to whole pages, then the items in numpy's layout. It is written
under a temporary name and renamed. A copy is used only if three things hold. Otherwise
it is made again and replaced.

- Its folder and file belong to this user or to root, and nobody else may write to them.
- Its stamp is equal to that of the file or arguments that it was made from.
- Its tag is right. The tag is a CRC-32, which reveals damage. A copy with the hash of a
  published file needs a keyed digest, which only a process that can read the key makes.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .. import _core
from .._io.cores import usable_cores
from .._io.files import map_file, replacing, set_folder_aside
from .._io.lock import Lock, locked
from .._io.private import is_ours, open_file, trusted_folder
from .._io.threads import TaskThread, join_all, run_together, start_all
from .._io.warn import warn
from .._registry.hashes import has_content_of, owner_of
from ..errors import FormatError

_FORMAT = 2
_PAGE = 4096
_SIZE_NBYTES = 8  # header size in decimal
_PREFIX_NBYTES = _SIZE_NBYTES + 64  # and the tag in hexadecimal
_PIECE_NBYTES = 4 << 20  # hashed by one thread
_KEY_NBYTES = 32
_MODE = 0o600  # of copies and keys; an umask of 002 would let the group write
_BEAT_SECONDS = 1.0
# Names that `replacing` gives to temporary files of copies and keys.
_LEFTOVER = re.compile(r"\.(key|.+\.bin)\.[0-9a-f]{12}\.part")
_LEFTOVER_SECONDS = 24 * 3600

Decoded = tuple[np.ndarray, "str | None"]  # the items and the hash of their file


class Copy(NamedTuple):
    """A copy of an array in the cache folder, which may not exist yet.

    Attributes
    ----------
    cache : Path
        The cache folder.
    folder, name : str
        Subfolder and name of the copy, without a suffix.
    title : str
        Name of the copy in messages.
    stamp : callable
        Function that returns a dict, which is equal to that of the time when the copy
        was made if the copy is still valid.
    make : callable
        Function that returns the items, and the hash of their file or None.
    needs_sha256 : bool
        Whether a copy without a hash is made again.
    """

    cache: Path
    folder: str
    name: str
    title: str
    stamp: Callable[[], dict[str, Any]]
    make: Callable[[], Decoded]
    needs_sha256: bool = False

    @property
    def path(self) -> Path:
        """Return the path of the copy."""
        return self.cache / self.folder / f"{self.name}.bin"


def load_or_make(copy: Copy) -> Decoded:
    """Return the items and the hash of a copy, which is made if it isn't valid.

    One process makes it, and the others wait. If the copy can't be kept, warn and
    return items in memory.
    """
    try:
        trusted_folder(copy.cache, copy.folder)
    except OSError as error:
        _warn(copy, error)
        return copy.make()
    lock_path = copy.path.with_suffix(".lock")
    decoded = load_copy(copy)
    if decoded is not None:
        if lock_path.exists():  # a killed process left it
            with locked(lock_path, "", patience=0):
                pass
        return decoded
    with locked(lock_path, f"making {copy.title}") as lock, _signs_of_life(lock):
        decoded = load_copy(copy)  # another process may have made it meanwhile
        if decoded is not None:
            return decoded
        stamp = copy.stamp()
        decoded = copy.make()
        try:
            _prepare(copy.path, lock)
            if copy.stamp() == stamp:  # otherwise the file changed while it was read
                save_copy(copy, stamp, decoded)
        except OSError as error:
            _warn(copy, error)
    return load_copy(copy) or decoded  # all processes share a mapped copy


def load_copy(copy: Copy) -> Decoded | None:
    """Return the items and the hash of a copy, or None if it isn't valid.

    The items are mapped, and read-only.
    """
    try:
        with open_file(copy.path, trusted=True) as file:
            mapped = map_file(file, f"{copy.path} ({copy.title})")
            ours = is_ours(os.fstat(file.fileno()))
        with _core.FileReads((mapped,)):
            return _checked(copy, mapped, ours)
    except Exception:  # numpy raises even a SyntaxError for a damaged header
        return None  # the copy is missing or damaged, so the caller makes a new one


def _checked(copy: Copy, mapped: memoryview, ours: bool) -> Decoded | None:
    """Return the items and the hash in a mapped copy, or None if it isn't valid.

    `ours` says whether the file belongs to this user.
    """
    header_nbytes = int(bytes(mapped[:_SIZE_NBYTES]))
    tag = bytes(mapped[_SIZE_NBYTES:_PREFIX_NBYTES]).decode().rstrip()
    text = bytes(mapped[_PREFIX_NBYTES:header_nbytes])
    header = json.loads(text)
    sha256 = header["sha256"]
    if header["format"] != _FORMAT or header["stamp"] != copy.stamp():
        return None
    if copy.needs_sha256 and not sha256:
        return None
    flat = np.frombuffer(mapped, np.uint8, offset=header_nbytes)
    items = flat.view(header["dtype"]).reshape(header["shape"])
    is_claim = owner_of(sha256) is not None
    key = _read_key(copy.cache) if is_claim else None
    if is_claim and key is None:
        # Only root can read the key of a cache that root shares with others.
        is_right = not ours and has_content_of(sha256, items)
    else:
        is_right = tag == _tag(key, text, flat)
    return (items, sha256) if is_right else None


def save_copy(copy: Copy, stamp: dict[str, Any], decoded: Decoded) -> None:
    """Write a copy."""
    items, sha256 = decoded
    header = {
        "format": _FORMAT,
        "stamp": stamp,
        "dtype": items.dtype.str,
        "shape": items.shape,
        "sha256": sha256,
    }
    text = json.dumps(header).encode()
    header_nbytes = -(-(_PREFIX_NBYTES + len(text)) // _PAGE) * _PAGE
    text = text.ljust(header_nbytes - _PREFIX_NBYTES)
    flat = items.reshape(-1).view(np.uint8)
    key = _make_key(copy.cache) if owner_of(sha256) else None
    tag = _tag(key, text, flat).encode()
    with _replacing(copy.path) as file:
        file.write(b"%8d%-64s" % (header_nbytes, tag) + text)
        file.write(flat.data)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces a copy or a key, or what has its place.

    It is not synced: tags reveal damage by a power failure.
    """
    set_folder_aside(path)
    with replacing(path, sync=False, mode=_MODE) as file:
        yield file


def _warn(copy: Copy, error: OSError) -> None:
    warn(
        f"could not keep {copy.title} in {copy.cache}: {error}.\n"
        "Set FMNIST_FAST_CACHE to another folder, which only you can write, or to "
        "'off'.",
        repeat=True,
    )


@contextlib.contextmanager
def _signs_of_life(lock: Lock) -> Iterator[None]:
    """Tell the processes that wait for `lock` every second that the block runs."""
    has_ended = threading.Event()

    def beat() -> None:
        while lock.is_held and not has_ended.wait(_BEAT_SECONDS):
            lock.say_alive()

    thread = TaskThread(beat)
    try:
        start_all([thread])
        yield
    finally:
        has_ended.set()
        join_all([thread])


def _prepare(path: Path, lock: Lock) -> None:
    """Remove temporary files that killed processes left beside `path`.

    Raise an OSError if another process may hold the lock of `path`. With the lock held,
    nobody writes to a temporary file of that name. Temporary files of other names are
    removed after a day. A file system without locks keeps them: there, several
    processes may write the same copy.
    """
    if not lock.is_supported:
        return
    lock.check_held()
    for entry in os.scandir(path.parent):
        match = _LEFTOVER.fullmatch(entry.name)
        if match is None:
            continue
        with contextlib.suppress(OSError):  # another process removed it
            status = entry.stat(follow_symlinks=False)
            is_old = time.time() - status.st_mtime > _LEFTOVER_SECONDS
            is_plain = stat.S_ISREG(status.st_mode) and is_ours(status)
            if is_plain and (is_old or match[1] == path.name):
                os.unlink(entry.path)


# ---- tags ---------------------------------------------------------------------------


def _tag(key: bytes | None, text: bytes, flat: np.ndarray) -> str:
    """Return the keyed digest, or without a key the CRC-32, of a header and items."""
    if key is None:
        import deflate

        return f"{deflate.crc32(flat, deflate.crc32(text)):08x}"
    # A slow import. Processors with instructions for SHA-256 hash 47 MB in 27 ms, and
    # with BLAKE2b in 52 ms.
    import hashlib

    n_bytes = len(flat)
    starts = range(0, n_bytes, _PIECE_NBYTES)
    pieces: list[Any] = [text]
    pieces += [flat[begin : begin + _PIECE_NBYTES] for begin in starts]
    digests = [b""] * len(pieces)
    n_threads = max(1, min(8, usable_cores(), n_bytes // _PIECE_NBYTES))

    def hash_pieces(first: int) -> None:
        with _core.FileReads((flat,)):
            for i in range(first, len(pieces), n_threads):
                digests[i] = hashlib.sha256(pieces[i]).digest()

    run_together([functools.partial(hash_pieces, i) for i in range(n_threads)])
    keyed = hashlib.blake2b(b"".join(digests), key=key, digest_size=32)
    return keyed.hexdigest()


def _read_key(cache: Path) -> bytes | None:
    """Return the key of a cache folder, or None without a key that can be trusted."""
    try:
        with open_file(cache / "key", trusted=True) as file:
            key = file.read(_KEY_NBYTES + 1)
    except (OSError, FormatError):
        return None
    return key if len(key) == _KEY_NBYTES else None


def _make_key(cache: Path) -> bytes:
    """Return the key of a cache folder, which is made if it has none."""
    path, key = cache / "key", _read_key(cache)
    if key is not None:
        return key
    with locked(path.with_suffix(".lock"), f"making {path}") as lock:
        key = _read_key(cache)  # another process may have made it meanwhile
        if key is None:
            _prepare(path, lock)
            key = os.urandom(_KEY_NBYTES)
            with _replacing(path) as file:
                file.write(key)
        return key

"""A lock between processes that doesn't outlive its holder.

It is the operating system's lock of an open file, flock(2) or LockFileEx, which is let
go of when the holder ends, however that happens. That the file exists means nothing.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

_POLL_SECONDS = 0.1  # waiting in slices lets Ctrl-C through everywhere

if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: BinaryIO) -> bool:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def _try_lock(file: BinaryIO) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock `path` while the block runs; threads and processes take turns.

    `waiting` is called once if somebody else holds it. The folder is made where it is
    missing; at the end the file is removed.
    """
    file = _acquire(path, waiting)
    try:
        yield
    finally:
        if sys.platform == "win32":  # an open file can't be removed, by nobody
            file.close()
        with contextlib.suppress(OSError):
            path.unlink()
        file.close()


def _acquire(path: Path, waiting: Callable[[], None]) -> BinaryIO:
    told = False
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        file = open(path, "ab")
        held = False
        try:
            # The last holder may have removed the file before we locked it: then it
            # is nobody else's lock.
            held = _try_lock(file) and _is_at(path, file)
            if held:
                return file
        except OSError as error:  # a file system without locks
            error.filename = str(path)
            raise
        finally:
            if not held:
                file.close()
        if not told:
            waiting()
            told = True
        time.sleep(_POLL_SECONDS)


def _is_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False

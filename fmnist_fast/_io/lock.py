"""A lock between processes, which is released when the process that holds it ends.

It is the operating system's lock on an open file: flock(2) or LockFileEx. The system
also releases it if the process is killed. The file alone, without a lock on it, means
nothing.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

_POLL_SECONDS = 0.1  # short waits let Ctrl-C through on all systems

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
    """Hold the lock `path` while the block runs. Threads and processes take turns.

    `waiting` is called once if another thread or process holds the lock. A missing
    folder is created. The file is removed at the end.
    """
    file = _acquire(path, waiting)
    try:
        yield
    finally:
        if sys.platform == "win32":  # an open file can't be removed there
            file.close()
        with contextlib.suppress(OSError):
            path.unlink()
        file.close()


def _acquire(path: Path, waiting: Callable[[], None]) -> BinaryIO:
    is_reported = False
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        file = open(path, "ab")
        is_held = False
        try:
            # The last holder may have removed the file before we locked it. Our lock
            # then is on a file without a name, and excludes nobody.
            is_held = _try_lock(file) and _is_at(path, file)
            if is_held:
                return file
        except OSError as error:  # such as a file system without locks
            error.filename = str(path)
            raise
        finally:
            if not is_held:
                file.close()
        if not is_reported:
            waiting()
            is_reported = True
        time.sleep(_POLL_SECONDS)


def _is_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False

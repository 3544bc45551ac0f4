"""A lock between processes, which is released when the process that holds it ends.

It is the operating system's lock on an open file: flock(2) or LockFileEx. The system
also releases it if the process is killed. The file alone, without a lock on it, means
nothing. It has the number of the process that holds the lock, for messages.

No wait is endless. The process that holds the lock may be stopped, or a child may have
inherited the open file. So a wait ends when the holder gives no sign of life for a
minute, and the caller goes on without the lock.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .private import SAFE_FLAGS, is_ours, make_folder
from .warn import warn

_POLL_SECONDS = 0.1  # short waits let Ctrl-C through on all systems
_SILENT_SECONDS = 2.0  # a longer wait is reported
_PATIENCE_SECONDS = 60.0
_MAX_NUMBER_NBYTES = 20
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)

if sys.platform == "win32":
    import msvcrt

    def try_lock(file: BinaryIO) -> bool:
        file.seek(1 << 20)  # others may read the bytes before
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def try_lock(file: BinaryIO) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class Lock:
    """A lock, held or not, as `locked` yields it.

    Attributes
    ----------
    is_held : bool
        Whether this process holds the lock.
    is_supported : bool
        False if the file system has no locks.
    error : OSError or None
        The reason why the lock is not held: a TimeoutError if another process holds it,
        or the error of the system.
    """

    def __init__(self, path: Path, file: BinaryIO | None, error: OSError | None):
        self.is_held = file is not None
        self.is_supported = error is None or error.errno not in _NO_LOCKS
        self.error = error
        self._path = path
        self._file = file

    def check_held(self) -> None:
        """Raise the reason why this process does not hold the lock, if it doesn't."""
        if self.error is not None:
            raise self.error

    def say_alive(self) -> None:
        """Tell the processes that wait that the work goes on."""
        if self._file is not None:
            with contextlib.suppress(OSError, ValueError):  # closed in a forked child
                has_fd = os.utime in os.supports_fd
                os.utime(self._file.fileno() if has_fd else self._path)


_open_files: set[BinaryIO] = set()


@contextlib.contextmanager
def locked(path: Path, task: str, *, patience: float | None = None) -> Iterator[Lock]:
    """Try to hold the lock `path` while the block runs, and say whether it is held.

    Threads and processes take turns. `task` says in a warning what waits. The wait ends
    when the holder gives no sign of life for `patience` seconds, by default a minute. A
    missing folder is created. The file is removed at the end.
    """
    if patience is None:
        patience = _PATIENCE_SECONDS
    file = error = None
    try:
        file = _acquire(path, task, patience)
    except OSError as reason:
        reason.filename = str(path)
        error = reason
    try:
        yield Lock(path, file, error)
    finally:
        if file is not None:
            _release(path, file)


def _acquire(path: Path, task: str, patience: float) -> BinaryIO:
    """Return the locked file, or raise an OSError."""
    make_folder(path.parent)
    begin = sign_of_life = time.monotonic()
    is_reported, last_time = False, None
    while True:
        file = _open(path)
        is_locked = False
        try:
            # The last holder may have removed the file before we locked it. Our lock
            # then is on a file without a name, and excludes nobody.
            is_locked = try_lock(file) and _is_at(path, file)
            if is_locked:
                _write_number(path, file)
                return file
            holder, time_ns = _holder(file), os.fstat(file.fileno()).st_mtime_ns
        finally:
            if not is_locked:
                _close(file)
        now = time.monotonic()
        if time_ns != last_time:
            sign_of_life, last_time = now, time_ns
        if now - sign_of_life >= patience:
            reason = f"{holder} holds it, and gives no sign of life (end that process)"
            raise TimeoutError(errno.ETIMEDOUT, reason)
        if now - begin >= _SILENT_SECONDS and not is_reported:
            is_reported = True
            warn(
                f"{task}: waiting for {holder}, which holds {path}.\nThe wait ends "
                f"when that process gives no sign of life for {patience:.0f} s.",
                RuntimeWarning,
            )
        time.sleep(_POLL_SECONDS)


def _open(path: Path) -> BinaryIO:
    """Open or create the file of a lock, and nothing else that has its name."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | SAFE_FLAGS, 0o600)
    file = os.fdopen(descriptor, "r+b", buffering=0)
    _open_files.add(file)  # now, because a fork may come as soon as it is locked
    status = os.fstat(descriptor)
    is_plain = stat.S_ISREG(status.st_mode) and status.st_nlink <= 1
    if is_plain and is_ours(status) and _holder(file) is not None:
        return file
    _close(file)
    raise OSError(errno.EINVAL, "not a lock file of this user. Remove it")


def _holder(file: BinaryIO) -> str | None:
    """Return who holds a lock, in words, or None if the file has other content."""
    file.seek(0)
    number = file.read(_MAX_NUMBER_NBYTES + 1)
    if not re.fullmatch(rb"[0-9]{0,%d}" % _MAX_NUMBER_NBYTES, number):
        return None
    return f"process {number.decode()}" if number else "another process"


def _is_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file.fileno()))
    except (FileNotFoundError, ValueError):  # ValueError: closed in a forked child
        return False


def _write_number(path: Path, file: BinaryIO) -> None:
    """Write the number of this process into the file of its lock."""
    try:
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()).encode())
    except BaseException:  # the disk is full, or Ctrl-C
        _release(path, file)
        raise


def _release(path: Path, file: BinaryIO) -> None:
    is_at_path = _is_at(path, file)
    if sys.platform == "win32":  # an open file can't be removed there
        _close(file)
    if is_at_path:
        with contextlib.suppress(OSError):
            path.unlink()
    _close(file)


def _close(file: BinaryIO) -> None:
    _open_files.discard(file)
    file.close()


def _close_in_child() -> None:
    """Close the files in a forked child, which would hold their locks as well."""
    for file in _open_files.copy():
        _close(file)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)

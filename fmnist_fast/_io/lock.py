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
import weakref
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from .private import SAFE_FLAGS, is_ours, make_folder
from .threads import is_interrupted
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
    error : OSError or None
        The reason why the lock is not held: a TimeoutError if another process holds it,
        or the error of the system.
    """

    def __init__(self, path: Path) -> None:
        self.is_held = False
        self.error: OSError | None = None
        self._path = path
        self._file: FileIO | None = None

    @property
    def is_supported(self) -> bool:
        """Return False if the file system has no locks."""
        return self.error is None or self.error.errno not in _NO_LOCKS

    def check_held(self) -> None:
        """Raise the reason why this process does not hold the lock, if it doesn't."""
        if self.error is not None:
            raise self.error

    def say_alive(self) -> None:
        """Tell the processes that wait that the work goes on."""
        if self._file is not None and self.is_held:
            with contextlib.suppress(OSError, ValueError):  # closed in a forked child
                has_fd = os.utime in os.supports_fd
                os.utime(self._file.fileno() if has_fd else self._path)

    def acquire(self, task: str, patience: float) -> None:
        """Wait for the lock and hold it, or raise an OSError."""
        make_folder(self._path.parent)
        begin = sign_of_life = time.monotonic()
        is_reported, last_time = False, None
        while True:
            self._file = file = _open(self._path)
            if self._try(file):
                return
            holder, time_ns = _holder(file), os.fstat(file.fileno()).st_mtime_ns
            file.close()
            now = time.monotonic()
            if time_ns != last_time:
                sign_of_life, last_time = now, time_ns
            if now - sign_of_life >= patience:
                reason = "holds it, and gives no sign of life (end that process)"
                raise TimeoutError(errno.ETIMEDOUT, f"{holder} {reason}")
            if now - begin >= _SILENT_SECONDS and not is_reported:
                is_reported = True
                text = f"{task}: waiting for {holder}, which holds {self._path}."
                end = f"when that process gives no sign of life for {patience:.0f} s"
                warn(f"{text}\nThe wait ends {end}.", RuntimeWarning, repeat=True)
            if is_interrupted():
                raise KeyboardInterrupt
            time.sleep(_POLL_SECONDS)

    def _try(self, file: FileIO) -> bool:
        """Return whether the lock is free, and then hold it."""
        # The last holder may have removed the file before we locked it. Our lock then
        # is on a file without a name, and excludes nobody.
        self.is_held = try_lock(file) and _is_at(self._path, file)
        if self.is_held:
            file.seek(0)
            file.truncate()
            file.write(str(os.getpid()).encode())
        return self.is_held

    def release(self) -> None:
        """Remove the file if the lock is held, and close it in any case."""
        file = self._file
        if file is None:
            return
        try:
            is_at_path = self.is_held and _is_at(self._path, file)
            if sys.platform == "win32":  # an open file can't be removed there
                file.close()
            if is_at_path:
                with contextlib.suppress(OSError):
                    self._path.unlink()
        finally:
            file.close()
            self.is_held = False


@contextlib.contextmanager
def locked(path: Path, task: str, *, patience: float | None = None) -> Iterator[Lock]:
    """Try to hold the lock `path` while the block runs, and say whether it is held.

    Threads and processes take turns. `task` says in a warning what waits. The wait ends
    when the holder gives no sign of life for `patience` seconds, by default a minute. A
    missing folder is created. The file is removed at the end.
    """
    lock = Lock(path)
    try:
        try:
            lock.acquire(task, _PATIENCE_SECONDS if patience is None else patience)
        except OSError as reason:
            reason.filename = str(path)
            lock.release()
            lock.error = reason
        yield lock
    finally:
        lock.release()


# Files of locks by descriptor, for forked children. The references are weak, because an
# open file holds its lock: wherever Ctrl-C arrives, the last reference goes, which
# closes the file. A WeakSet has callbacks in Python, in which Ctrl-C would be lost.
_files: dict[int, weakref.ref[FileIO]] = {}


def _open(path: Path) -> FileIO:
    """Open or create the file of a lock, and nothing else that has its name."""
    flags = os.O_RDWR | os.O_CREAT | SAFE_FLAGS
    # Without bytecode in between, where Ctrl-C would leave the descriptor open.
    file = next(map(FileIO, map(os.open, [path], [flags], [0o600]), ["r+"]))
    # Now, because a fork may come as soon as it is locked.
    _files[file.fileno()] = weakref.ref(file)
    status = os.fstat(file.fileno())
    is_plain = stat.S_ISREG(status.st_mode) and status.st_nlink <= 1
    if is_plain and is_ours(status) and _holder(file) is not None:
        return file
    file.close()
    raise OSError(errno.EINVAL, "not a lock file of this user. Remove it")


def _holder(file: FileIO) -> str | None:
    """Return who holds a lock, in words, or None if the file has other content."""
    file.seek(0)
    number = file.read(_MAX_NUMBER_NBYTES + 1)
    if not re.fullmatch(rb"[0-9]{0,%d}" % _MAX_NUMBER_NBYTES, number):
        return None
    return f"process {number.decode()}" if number else "another process"


def _is_at(path: Path, file: FileIO) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file.fileno()))
    except (FileNotFoundError, ValueError):  # ValueError: closed in a forked child
        return False


def _close_in_child() -> None:
    """Close the files in a forked child, which would hold their locks as well."""
    for reference in _files.values():
        file = reference()
        if file is not None:
            file.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)

"""A private folder beside a file's place, in which the file grows until it is complete.

Its name is random, and only this user may enter it. So nobody else can put a link into
it, or swap it for another folder. The process that uses it holds the system's lock on
the part, which is the file so far. The folder of a killed process is continued.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from .files import naming, sync_folder
from .lock import locked, try_lock
from .private import SAFE_FLAGS, is_ours

_PART, _NOTE = "part", "note"
_ABANDONED_SECONDS = 60.0  # an empty folder of this age is removed
_TRIES = 5  # to make a folder that no other process takes for a leftover
_IS_POSIX = os.name == "posix"


class Staging:
    """A folder with the part of a file, and a note of where the part comes from.

    The folder is new unless `mode`, which is the mode of the file, is None. Raise
    OSError if an existing folder is not ours, is not private or is in use. Some file
    systems have no owners and modes, so that a new folder is not checked.
    """

    def __init__(self, path: Path, mode: int | None) -> None:
        self.path, self._folder = path, None
        with contextlib.ExitStack() as stack:
            if mode is not None:
                path.mkdir(0o700)
            status = path.lstat()
            if _IS_POSIX:
                self._folder = os.open(path, SAFE_FLAGS | os.O_DIRECTORY)
                stack.callback(os.close, self._folder)
                status = os.fstat(self._folder)
            is_private = not _IS_POSIX or status.st_mode & 0o077 == 0
            is_private = stat.S_ISDIR(status.st_mode) and is_ours(status) and is_private
            if mode is None and not is_private:
                raise PermissionError(f"{path}: not private")
            flags = os.O_RDWR if mode is None else os.O_RDWR | os.O_CREAT | os.O_EXCL
            self.part = os.fdopen(self._open(_PART, flags, mode or 0), "r+b")
            stack.callback(self._close_part)
            try:
                is_free = try_lock(self.part)
            except OSError:  # a file system without locks
                is_free = mode is not None
            if not (is_free and self._has_name()):
                raise BlockingIOError(f"{path}: in use")
            self._stack = stack.pop_all()

    @property
    def nbytes(self) -> int:
        """Size of the part."""
        return os.fstat(self.part.fileno()).st_size

    def note(self) -> dict[str, str]:
        """Return the note, or an empty dict if it is missing or damaged."""
        with contextlib.suppress(OSError, ValueError, AttributeError, RecursionError):
            with os.fdopen(self._open(_NOTE, os.O_RDONLY), "rb") as file:
                note = json.loads(file.read())
            return {name: str(value) for name, value in note.items()}
        return {}

    def write_note(self, note: dict[str, str]) -> None:
        """Replace the note."""
        self._remove(_NOTE)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(self._open(_NOTE, flags, 0o600), "wb") as file:
            file.write(json.dumps(note).encode())

    def begin(self, note: dict[str, str]) -> None:
        """Remove the part's bytes, and note where the next ones come from."""
        self.part.seek(0)
        self.part.truncate()
        self.write_note(note)

    def publish(self, target: Path, note_target: Path | None = None) -> None:
        """Give the part, and perhaps the note, a name beside the folder."""
        if note_target is None:
            self._remove(_NOTE)  # first, because a folder without a part must be empty
        else:
            os.replace(self._at(_NOTE), note_target, src_dir_fd=self._folder)
        if not _IS_POSIX:  # an open file can't be renamed there
            self.part.close()
        with naming(target, Path(self._at(_PART))):
            os.replace(self._at(_PART), target, src_dir_fd=self._folder)
        sync_folder(target.parent)

    def leave(self) -> None:
        """Close the folder, and remove it if its part is empty or has moved."""
        with self._stack:
            if not self.part.closed and self._has_name() and self.nbytes:
                return
            if not _IS_POSIX:  # an open file can't be removed there
                self.part.close()
            with contextlib.suppress(OSError):
                self._remove(_NOTE)
                self._remove(_PART)
                self.path.rmdir()  # only an empty folder

    def _at(self, name: str) -> str:
        return name if self._folder is not None else str(self.path / name)

    def _open(self, name: str, flags: int, mode: int = 0) -> int:
        return os.open(self._at(name), flags | SAFE_FLAGS, mode, dir_fd=self._folder)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._at(name), dir_fd=self._folder)

    def _has_name(self) -> bool:
        """Return whether the open part is a file of ours, and still has its name."""
        status = os.fstat(self.part.fileno())
        with contextlib.suppress(FileNotFoundError):
            named = os.stat(self._at(_PART), dir_fd=self._folder, follow_symlinks=False)
            is_plain = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
            return is_plain and os.path.samestat(status, named)
        return False

    def _close_part(self) -> None:
        with contextlib.suppress(OSError):  # a full disk
            self.part.close()


@contextlib.contextmanager
def staged(target: Path, mode: int) -> Iterator[Staging]:
    """Open the folder of a killed process, or a new one. Remove it if it is empty.

    `mode` is the mode of the file, from which the process's umask is taken.
    """
    leftovers = sorted(_leftovers(target), key=lambda staging: staging.nbytes)
    staging = leftovers.pop() if leftovers else _new(target, mode)
    _discard(leftovers)
    try:
        yield staging
    finally:
        staging.leave()


def _new(target: Path, mode: int) -> Staging:
    for _ in range(_TRIES):
        path = target.with_name(f".{target.name}.{os.urandom(8).hex()}.fetching")
        with naming(target, path), contextlib.suppress(BlockingIOError):
            return Staging(path, mode)
    raise BlockingIOError(errno.EAGAIN, "other processes use all parts", str(target))


def tidy(target: Path) -> None:
    """Remove what killed processes have left beside a complete file, if possible."""
    with contextlib.suppress(OSError):
        lock = lock_path(target)
        if not any(_names(target)) and not lock.exists():
            return
        with locked(lock, f"tidying {target.parent}", patience=0) as held:
            if held.is_held:
                _discard(_leftovers(target))


def lock_path(target: Path) -> Path:
    """Return the path of the lock for the transfer of a file."""
    return target.with_name(f".{target.name}.lock")


def _discard(leftovers: Iterable[Staging]) -> None:
    for staging in leftovers:
        with contextlib.suppress(OSError):  # such as a file system that is full
            staging.begin({})
        staging.leave()


def _leftovers(target: Path) -> Iterator[Staging]:
    """Yield the folders for `target` that are ours and that no process uses."""
    for name in _names(target):
        path = target.with_name(name)
        try:
            yield Staging(path, None)
        except FileNotFoundError:  # killed before or after the folder had a part
            with contextlib.suppress(OSError):
                status = path.lstat()
                age = time.time() - status.st_mtime
                if is_ours(status) and age > _ABANDONED_SECONDS:
                    path.rmdir()
        except OSError:
            continue


def _names(target: Path) -> Iterator[str]:
    pattern = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{16}}\.fetching")
    return filter(pattern.fullmatch, os.listdir(target.parent))

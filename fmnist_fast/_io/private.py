"""Open files that may be anything, and files that no other user can change.

A file or folder is trusted if it belongs to this user or to root, and if nobody else
may write to it. Windows has no such owners and modes: there, the folders of a user's
profile are private, and nothing is checked.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import stat
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import TypeVar

from ..errors import FormatError

# Flags for os.open that follow no link, don't wait at a FIFO for its other end, and
# don't make a terminal that of this process.
SAFE_FLAGS = 0
for _name in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"):
    SAFE_FLAGS |= getattr(os, _name, 0)
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
_HAS_OWNERS = hasattr(os, "geteuid")
_IS_SPECIAL = "must be a file, got a FIFO, socket or device"
# The errors for a socket, which has no way to be opened, and for an absent device.
_NOT_OPENED = (errno.ENXIO, errno.EOPNOTSUPP)
_Path = TypeVar("_Path", str, Path)


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents, for this user only."""
    for path in reversed([folder, *folder.parents]):
        if path == folder or not path.exists():
            path.mkdir(mode=0o700, exist_ok=True)


@contextlib.contextmanager
def no_empty_folders(folder: Path) -> Iterator[None]:
    """Remove the folder and its parents that the block creates and leaves empty."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    finally:
        for path in missing:
            with contextlib.suppress(OSError):  # it has files, or was not created
                path.rmdir()


def is_ours(status: os.stat_result) -> bool:
    """Return whether a file belongs to this user."""
    return not _HAS_OWNERS or status.st_uid == os.geteuid()


def check_trusted(status: os.stat_result, path: str | os.PathLike[str]) -> None:
    """Raise PermissionError if another user may have written a file or folder."""
    if not _HAS_OWNERS:
        return
    if status.st_uid not in (os.geteuid(), 0):
        raise PermissionError(
            errno.EPERM, f"belongs to another user, number {status.st_uid}", str(path)
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(
            errno.EPERM,
            f"is writable by other users (run chmod go-w {shlex.quote(str(path))})",
            str(path),
        )


def trusted_folder(base: Path, name: str) -> Path:
    """Return the subfolder `name` of `base`, and create both if they are missing.

    `base` may be a symbolic link. Raise PermissionError if one of them is not trusted,
    and NotADirectoryError if the subfolder is a link or a file.
    """
    make_folder(base)
    check_trusted(base.stat(), base)
    folder = base / name
    make_folder(folder)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "not a folder", str(folder))
    check_trusted(status, folder)
    return folder


def is_file(path: Path) -> bool:
    """Return whether there is a regular file, or a link to one, at `path`.

    Return False if there is nothing. Raise FormatError if there is something else.
    """
    try:
        _check_regular(path.stat().st_mode, path)
    except FileNotFoundError:
        if path.is_symlink():
            raise FormatError(
                f"{path}: must be a file, got a link to nothing"
            ) from None
        return False
    return True


def has_file(path: str | os.PathLike[str]) -> bool:
    """Return whether there is a regular file, or a link to one, at `path`.

    Raise PermissionError, which names the folder, if nobody can know.
    """
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except PermissionError as error:
        at = Path(path)
        while not os.path.lexists(at):
            at = at.parent  # up to the folder that may not be searched
        raise PermissionError(error.errno, error.strerror, str(at)) from None
    except (OSError, ValueError):
        return False


def only_files(paths: Iterable[_Path]) -> Iterator[_Path]:
    """Yield the paths of regular files, and of links to them.

    Raise the PermissionError of `has_file` only if none of the others is a file.
    """
    unknown, n_files = None, 0
    for path in paths:
        try:
            if not has_file(path):
                continue
        except PermissionError as error:
            unknown = unknown or error
            continue
        n_files += 1
        yield path
    if unknown is not None and n_files == 0:
        raise unknown


def _check_regular(mode: int, name: str | os.PathLike[str]) -> None:
    if not stat.S_ISREG(mode):
        is_folder = stat.S_ISDIR(mode)
        text = "must be a file, got a folder" if is_folder else _IS_SPECIAL
        raise FormatError(f"{name}: {text}")


def open_file(
    path: str | os.PathLike[str], source: str | None = None, *, trusted: bool = False
) -> FileIO:
    """Open a regular file for reading, unbuffered, and never wait for it.

    Raise FormatError, which names `source` or the path, for a folder, a FIFO or another
    special file. If `trusted` is True, raise an OSError for a link, and for a file that
    is not trusted.
    """
    safe = SAFE_FLAGS if trusted else SAFE_FLAGS & ~_NO_LINKS

    def open_checked(name: str, flags: int) -> int:
        try:
            descriptor = os.open(name, flags | safe)
        except OSError as error:
            if error.errno not in _NOT_OPENED:
                raise
            raise FormatError(f"{source or path}: {_IS_SPECIAL}") from None
        try:
            status = os.fstat(descriptor)
            _check_regular(status.st_mode, source or path)
            if trusted:
                check_trusted(status, path)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    return open(path, "rb", buffering=0, opener=open_checked)

"""A folder that grows beside its final place, in which only this user can write.

Other users may be able to write beside it, and put links, pipes or folders of theirs in
its place. So a descriptor stands for the folder, and no link is followed in it. Windows
has no such descriptors, owners and modes: there, paths are used.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from .files import naming, sync_folder
from .lock import try_lock
from .private import SAFE_FLAGS, check_trusted, is_ours

_IS_POSIX = os.name == "posix"
# Not writable by others, whatever the umask is, because such files are not trusted.
_FOLDER_MODE, _FILE_MODE = 0o755, 0o644


class OwnFolder:
    """An open folder of this user alone, which may have one subfolder.

    Names of files are relative to it. The folder is created if it is missing. Raise
    FileExistsError if another user may have made it or may write to it, and for a link
    or a file. Some file systems have no owners and modes, so they are not checked in a
    new folder.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path, self._is_new = path, False
        self._folder: int | None = None
        self._lock: BinaryIO | None = None
        if create:
            with contextlib.suppress(FileExistsError):
                path.mkdir(_FOLDER_MODE)
                self._is_new = True
        self._check(path, path.lstat(), is_folder=True)
        if _IS_POSIX:
            self._folder = os.open(path, SAFE_FLAGS | os.O_DIRECTORY)
            _open_folders[self._folder] = weakref.ref(self)
            try:
                self._check(path, os.fstat(self._folder), is_folder=True)
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> OwnFolder:
        """Return the folder."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the folder."""
        self.close()

    def close(self) -> None:
        """Release the lock and close the folder."""
        self.unlock()
        folder, self._folder = self._folder, None
        if folder is not None:
            os.close(folder)

    def lock(self, name: str) -> bool:
        """Take the lock on a file of the folder, or return False if it is in use.

        Raise FileNotFoundError if another process has moved the folder.
        """
        # Kept before it is locked, because a fork may come as soon as it is.
        self._lock = self.open(name, os.O_RDWR | os.O_CREAT)
        with naming(self.path / name):
            is_held = try_lock(self._lock)
        if not is_held:
            self.unlock()
        elif not self._has_name():  # the last holder has moved it
            self.remove(name)
            self.unlock()
        self.check_at_path()
        return is_held

    def unlock(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            self._lock.close()

    def make_subfolder(self, name: str) -> None:
        """Create a subfolder if it is missing."""
        with self._naming(name), contextlib.suppress(FileExistsError):
            os.mkdir(self._at(name), _FOLDER_MODE, dir_fd=self._folder)
        self._check(self.path / name, self._status(name), is_folder=True)

    def files(self, subfolder: str) -> Iterator[str]:
        """Yield the name of each file, also of those in the subfolder.

        Raise FileExistsError if the subfolder is not a folder that is ours alone.
        """
        here = self.path if self._folder is None else self._folder
        for name in sorted(os.listdir(here)):
            if name != subfolder:
                yield name
                continue
            self._check(self.path / name, self._status(name), is_folder=True)
            if self._folder is None:
                names = os.listdir(self.path / name)
            else:
                flags = SAFE_FLAGS | os.O_DIRECTORY
                descriptor = os.open(name, flags, dir_fd=self._folder)
                try:
                    names = os.listdir(descriptor)
                finally:
                    os.close(descriptor)
            yield from (f"{subfolder}/{inner}" for inner in sorted(names))

    def check_file(self, name: str) -> None:
        """Raise FileExistsError if there is something else than a file of ours."""
        with contextlib.suppress(FileNotFoundError):
            self._check(self.path / name, self._status(name))

    def nbytes(self, name: str) -> int:
        """Return the size of a file, or -1 if it is missing."""
        try:
            return self._status(name).st_size
        except FileNotFoundError:
            return -1

    def open(self, name: str, flags: int = os.O_RDONLY) -> BinaryIO:
        """Open a file of ours with flags of os.open, for reading or for both."""

        def open_checked(at: str, _: int) -> int:
            safe = flags | SAFE_FLAGS
            descriptor = os.open(at, safe, _FILE_MODE, dir_fd=self._folder)
            try:
                self._check(self.path / name, os.fstat(descriptor))
            except BaseException:
                os.close(descriptor)
                raise
            return descriptor

        mode: Literal["r+b", "rb"] = "r+b" if flags & os.O_RDWR else "rb"
        with self._naming(name):
            # With os.fdopen, Ctrl-C could let two of us close the descriptor.
            return open(self._at(name), mode, opener=open_checked)

    @contextlib.contextmanager
    def replacing(self, name: str, temporary: str) -> Iterator[BinaryIO]:
        """Open a new file that gets its name when it is on disk."""
        with self._naming(name):
            self.remove(temporary)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
            with self.open(temporary, flags) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            source, target = self._at(temporary), self._at(name)
            folder = self._folder
            os.replace(source, target, src_dir_fd=folder, dst_dir_fd=folder)
            if folder is not None:
                os.fsync(folder)

    def remove(self, name: str) -> None:
        """Remove a file, but no folder."""
        with self._naming(name), contextlib.suppress(FileNotFoundError):
            os.unlink(self._at(name), dir_fd=self._folder)

    def remove_subfolder(self, name: str) -> None:
        """Remove an empty subfolder."""
        with self._naming(name):
            os.rmdir(self._at(name), dir_fd=self._folder)

    def new_mode(self, name: str) -> int:
        """Return the mode of a new file that asks for all rights.

        `name` is a temporary file. The umask itself can be read only by changing it for
        all threads. A default ACL of a folder sets limits in its place.
        """

        def create(at: str, _: int) -> int:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | SAFE_FLAGS
            return os.open(at, flags, 0o777, dir_fd=self._folder)

        with self._naming(name):
            self.remove(name)
            with open(self._at(name), "r+b", opener=create) as file:
                mode = os.fstat(file.fileno()).st_mode
            self.remove(name)
        return mode

    def share(self, names: Iterable[str], mode: int) -> None:
        """Give files and the folder the rights in `mode`, from `new_mode`.

        The folder may be untrusted then, so do this last. Missing files are skipped.
        """
        if self._folder is None:
            return
        for name in names:
            with contextlib.suppress(FileNotFoundError), self.open(name) as file:
                os.fchmod(file.fileno(), mode & 0o666)
        special = stat.S_IMODE(os.fstat(self._folder).st_mode) & ~0o777
        os.fchmod(self._folder, special | mode & 0o777)

    def check_at_path(self) -> None:
        """Raise FileNotFoundError if another process has moved the folder."""
        if not self._has_name():
            text = "was moved or replaced by another process"
            raise FileNotFoundError(errno.ENOENT, text, str(self.path))

    def move(self, target: Path) -> None:
        """Rename the folder to `target`, which may be an empty folder."""
        self.check_at_path()
        if not _IS_POSIX:  # there, a folder neither replaces one nor has open files
            self.unlock()
            with contextlib.suppress(FileNotFoundError):
                target.rmdir()
        self.path.rename(target)
        self.path = target
        sync_folder(target.parent)

    def _has_name(self) -> bool:
        """Return whether the open folder is still the one at its path."""
        if self._folder is None:
            return True
        try:
            return os.path.samestat(os.fstat(self._folder), self.path.lstat())
        except FileNotFoundError:
            return False

    def _at(self, name: str) -> str:
        return name if self._folder is not None else str(self.path / name)

    def _naming(self, name: str) -> contextlib.AbstractContextManager[None]:
        return naming(self.path / name, Path(name))

    def _status(self, name: str) -> os.stat_result:
        return os.stat(self._at(name), dir_fd=self._folder, follow_symlinks=False)

    def _check(
        self, path: Path, status: os.stat_result, *, is_folder: bool = False
    ) -> None:
        """Raise FileExistsError if a file or folder may be another user's."""
        kind = "folder" if is_folder else "file"
        is_kind = stat.S_ISDIR if is_folder else stat.S_ISREG
        reason = ""
        if stat.S_ISLNK(status.st_mode):
            reason = "is a link"
        elif not is_kind(status.st_mode):
            reason = f"is not a {kind}"
        elif not is_folder and status.st_nlink > 1:
            reason = "has another name too (a hard link)"
        elif not self._is_new:
            try:
                check_trusted(status, path)
                reason = "" if is_ours(status) else "belongs to root"
            except PermissionError as error:
                reason = str(error.strerror)
        if reason:
            raise FileExistsError(f"{path} {reason}")


# Open folders by descriptor, for forked children. The weak references are without
# callbacks, in which Ctrl-C would be lost.
_open_folders: dict[int, weakref.ref[OwnFolder]] = {}


def _close_in_child() -> None:
    """Close the folders in a forked child, which would hold their locks as well."""
    for reference in _open_folders.values():
        folder = reference()
        if folder is not None:
            folder.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)

"""Reads of whole files in several threads, and atomic writes. All errors name the file.

Atomic writes use POSIX rename(2), so readers see either the old file or the new one.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from .. import _core
from ..errors import FormatError
from .cores import usable_cores
from .private import SAFE_FLAGS
from .threads import run_together

if TYPE_CHECKING:
    import numpy as np

_PART_NBYTES = 8 << 20  # below this a second thread costs more than it saves
_CALL_NBYTES = 1 << 30  # macOS and Windows refuse or cut reads of 2 GiB


@contextlib.contextmanager
def naming(source: Any, *temporary: str | Path) -> Iterator[None]:
    """Let errors of the system name the file `source`, and not `temporary` ones."""
    try:
        yield
    except MemoryError as error:
        raise _named(MemoryError, source, error) from None
    except OSError as error:
        if error.errno is None and type(error) is OSError:  # such as numpy's
            raise _named(OSError, source, error) from None
        if error.errno is not None and error.filename in (None, *map(str, temporary)):
            error.filename = str(source)
            del error.filename2
        raise


def _named(kind: type[Exception], source: Any, error: Exception) -> Exception:
    text = str(error) or os.strerror(errno.ENOMEM)
    return kind(text if text.startswith(str(source)) else f"{source}: {text}")


def read_into(file: IO[bytes], offset: int, out: np.ndarray) -> int:
    """Fill `out` with the bytes of `file` from `offset` on, and return their number.

    `out` is uint8 (n,). Without the GIL, threads can't safely slice one memoryview.
    Several threads read a large file. The number is less than ``len(out)`` only if the
    file ends earlier.
    """
    n_parts = min(4, len(out) // _PART_NBYTES) or 1
    positioned = hasattr(os, "preadv")
    if not positioned:
        n_parts = 1
        file.seek(offset)
    if n_parts > 1:
        n_parts = min(n_parts, usable_cores())

    def read(part: int) -> int:
        begin, end = len(out) * part // n_parts, len(out) * (part + 1) // n_parts
        done = begin
        while done < end:
            piece = out[done : min(end, done + _CALL_NBYTES)]
            if positioned:
                n = os.preadv(file.fileno(), [piece], offset + done)
            else:
                n = file.readinto(piece)  # type: ignore[attr-defined]
            if n == 0:
                break
            done += n
        return done - begin

    if n_parts == 1:
        return read(0)
    return sum(run_together([functools.partial(read, i) for i in range(n_parts)]))


def read_whole(file: IO[bytes]) -> memoryview:
    """Read a whole file in several threads."""
    import numpy as np

    # A bytes object would be zeroed first, and would use small pages.
    content = np.empty(os.fstat(file.fileno()).st_size, np.uint8)
    return memoryview(content)[: read_into(file, 0, content)]


def map_file(file: IO[bytes], name: str) -> memoryview:
    """Map a file into memory, so that bytes are read when they are accessed.

    No handle is kept. The file may be replaced, but must not be written to. If it
    becomes shorter, reads of the missing part raise a FormatError that names `name`.
    An empty file is a FormatError, too.
    """
    nbytes = os.fstat(file.fileno()).st_size
    if nbytes == 0:
        raise FormatError(f"{name}: the file is empty")
    return memoryview(_core.FileMap(file.fileno(), nbytes, name))


@contextlib.contextmanager
def replacing(
    path: str | os.PathLike[str], *, sync: bool = True, mode: int = 0o666
) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` that replaces it when the block ends.

    If the block raises an exception, the temporary file is removed and `path` stays
    unchanged. With `sync`, the bytes reach the disk before the new name does. The umask
    limits `mode`. Errors of the system that name no file, such as that of a full disk,
    name `path`.
    """
    path = Path(os.fsdecode(path))
    if not path.parent.is_dir():
        error = errno.ENOENT
        raise FileNotFoundError(error, os.strerror(error), str(path))
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}.part")
    try:
        opener = functools.partial(os.open, mode=mode)
        with naming(path, temporary):
            with open(temporary, "xb", opener=opener) as file:
                yield file
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if sync:
        sync_folder(path.parent)


def set_folder_aside(path: Path) -> None:
    """Rename a folder at `path`, where no file can replace it. It keeps its files."""
    if path.is_dir() and not path.is_symlink():
        path.rename(path.with_name(f".{path.name}.{os.urandom(6).hex()}.old"))


def sync_folder(folder: Path) -> None:
    """Write the names in `folder` to disk. Windows has no way to do this."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_DIRECTORY | SAFE_FLAGS & ~os.O_NOFOLLOW)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

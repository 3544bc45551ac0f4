"""Extract chosen members of a zip file, with a size limit for each.

The standard library's zipfile reads the format (PKWARE's APPNOTE.TXT).
"""

from __future__ import annotations

import errno
import functools
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import FormatError
from .files import naming, replacing
from .private import is_file, open_file

_CHUNK_NBYTES = 1 << 20


def extract(archive: Path, folder: Path, members: Mapping[str, int]) -> list[Path]:
    """Extract members of a zip file into `folder`, under the last part of their names.

    `members` maps their names in the archive to their maximum sizes in bytes. No other
    member is extracted, so the archive does not decide which files are written. Return
    the paths of the files. A file that already exists is not changed.

    Raise FormatError if the archive is damaged or lacks a member, if a member is longer
    than its maximum size, or if something that is not a file has a file's name. An
    OSError of the disk names the file.
    """
    paths = {name: folder / name.rpartition("/")[2] for name in members}
    missing = {name: path for name, path in paths.items() if not is_file(path)}
    if missing:
        with open_file(archive) as file, naming(archive):
            call = functools.partial(_call, archive)
            zip_file = call(zipfile.ZipFile, file)
            for name, path in missing.items():
                if name not in zip_file.namelist():
                    text = f"{archive}: the zip file does not contain {name}"
                    raise FormatError(text)
                with call(zip_file.open, name) as source, replacing(path) as target:
                    nbytes = 0
                    while chunk := call(source.read, _CHUNK_NBYTES):
                        nbytes += len(chunk)
                        if nbytes > members[name]:
                            raise FormatError(
                                f"{archive}: {name} must have at most {members[name]} "
                                f"bytes, got {nbytes} or more"
                            )
                        target.write(chunk)
    return list(paths.values())


def _call(archive: Path, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call zipfile, and raise only FormatErrors, and OSErrors that name the archive."""
    try:
        return function(*arguments)
    except MemoryError:
        raise
    except Exception as error:  # zipfile and its decoders raise a dozen types
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            error.filename = error.filename or str(archive)
            raise
        reason = str(error) or type(error).__name__
        raise FormatError(f"{archive}: damaged zip file: {reason}") from None

"""Extract chosen members of a zip file, with a size limit for each.

The standard library's zipfile reads the format (PKWARE's APPNOTE.TXT).
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from .._io.files import replacing
from ..errors import FormatError

_CHUNK_NBYTES = 1 << 20
# The exceptions that zipfile raises. It raises RuntimeError for encrypted members.
_ZIP_ERRORS = (
    EOFError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


def extract(archive: Path, folder: Path, members: Mapping[str, int]) -> list[Path]:
    """Extract members of a zip file into `folder`, under the last part of their names.

    Parameters
    ----------
    archive : Path
        The zip file.
    folder : Path
        Existing folder for the extracted files.
    members : mapping of str to int
        Names in the archive, and the maximum size of each in bytes. No other member is
        extracted, so the archive does not decide which files are written.

    Returns
    -------
    list of Path
        Paths of the files, in the order of `members`. A file that already exists is
        not changed.

    Raises
    ------
    FormatError
        The archive is damaged or lacks a member, or a member is longer than its
        maximum size.
    """
    paths = {name: folder / name.rpartition("/")[2] for name in members}
    missing = {name: path for name, path in paths.items() if not path.exists()}
    if missing:
        try:
            with zipfile.ZipFile(archive) as zip_file:
                for name, path in missing.items():
                    _extract_member(zip_file, archive, name, path, members[name])
        except _ZIP_ERRORS as error:
            raise FormatError(f"{archive}: damaged zip file: {error}") from None
    return list(paths.values())


def _extract_member(
    zip_file: zipfile.ZipFile, archive: Path, name: str, path: Path, max_nbytes: int
) -> None:
    try:
        info = zip_file.getinfo(name)
    except KeyError:
        raise FormatError(f"{archive}: the zip file does not contain {name}") from None
    with zip_file.open(info) as source, replacing(path) as target:
        nbytes_left = max_nbytes
        while chunk := source.read(_CHUNK_NBYTES):
            nbytes_left -= len(chunk)
            if nbytes_left < 0:
                raise FormatError(
                    f"{archive}: {name} must have at most {max_nbytes} bytes, got "
                    f"{max_nbytes - nbytes_left} or more"
                )
            target.write(chunk)

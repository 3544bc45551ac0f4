"""Files out of a zip file, under our own names and not longer than they may be."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from .._io.files import replacing
from ..errors import FormatError

_CHUNK_NBYTES = 1 << 20
# What zipfile raises; RuntimeError is for encrypted members.
_DAMAGE = (
    EOFError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


def extract(archive: Path, folder: Path, members: Mapping[str, int]) -> list[Path]:
    """Put members of a zip file into `folder`, each under the last part of its name.

    Parameters
    ----------
    archive : Path
    folder : Path
    members : mapping of str to int
        Names inside of the archive, and the bytes that each has at most. The archive
        has no say in what is written where.

    Returns
    -------
    list of Path
        In the order of `members`. A file that is there already is left as it is.

    Raises
    ------
    FormatError
        The archive is damaged, lacks a member, or a member is longer than it may be.
    """
    paths = {name: folder / name.rpartition("/")[2] for name in members}
    missing = {name: path for name, path in paths.items() if not path.exists()}
    if missing:
        try:
            with zipfile.ZipFile(archive) as opened:
                for name, path in missing.items():
                    _extract_one(opened, archive, name, path, members[name])
        except _DAMAGE as error:
            raise FormatError(f"{archive}: damaged zip file: {error}") from None
    return list(paths.values())


def _extract_one(
    opened: zipfile.ZipFile, archive: Path, name: str, path: Path, max_nbytes: int
) -> None:
    try:
        info = opened.getinfo(name)
    except KeyError:
        raise FormatError(f"{archive}: there is no {name} in it") from None
    with opened.open(info) as source, replacing(path) as target:
        left = max_nbytes
        while chunk := source.read(_CHUNK_NBYTES):
            left -= len(chunk)
            if left < 0:
                raise FormatError(
                    f"{archive}: {name} must have at most {max_nbytes} bytes, but is "
                    "longer"
                )
            target.write(chunk)

"""Fetch published files that are missing, with one download for all processes.

`fetch` finds the missing files and locks each one. mirrors.py chooses the URL and the
number of tries. pooch checks the hash. transfer.py continues a partial file.
connection.py sends a request.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import config
from .._io.paths import expanded
from ..errors import DownloadError, FormatError

if TYPE_CHECKING:
    from .._registry.spec import PublishedFile


def fetch(
    files: Sequence[PublishedFile],
    folder: str | os.PathLike[str],
    *,
    progress: bool = True,
    replace: bool = False,
) -> list[Path]:
    """Fetch the published files that are missing from a folder.

    The URLs of a file are tried in order, https first, until one gives a file with the
    published hash. No other content ever gets the file's name. If a download stops
    early, also by Ctrl-C, the next call continues it. Processes that fetch the same
    file at the same time share one download.

    Parameters
    ----------
    files : sequence of PublishedFile
        Files to fetch.
    folder : path
        Folder for the files. It is created if it is missing. ``~`` is the user's home.
    progress : bool, default True
        Whether to show a progress bar on stderr, and to report failed tries there.
    replace : bool, default False
        Whether to fetch files again that do not have the published hash. By default
        such a file is kept, and a FormatError is raised before anything is fetched.

    Returns
    -------
    list of Path
        Absolute paths of `files`, in their order. Each file has the published hash.

    Raises
    ------
    DownloadError
        No URL gives a file, or FMNIST_FAST_OFFLINE is set. Files that were
        fetched before stay. The message says which files to fetch by hand, and where
        to put them.
    FormatError
        A file exists with another hash and `replace` is False.
    ValueError
        A file's name has a separator or another special character, or no hash or no URL
        of the file is known.
    OSError
        The folder can't be written, or the disk is full.
    """
    folder = Path(expanded(folder)).absolute()
    for file in files:
        _check(file)
    missing = [file for file in files if not _is_there(folder, file, replace)]
    if missing and config.offline():
        raise DownloadError(
            "FMNIST_FAST_OFFLINE is set, so nothing is fetched.\n"
            f"{by_hand(missing, folder)}"
        )
    if missing:
        _fetch_missing(missing, folder, progress, replace)
    return [folder / file.name for file in files]


def _fetch_missing(
    missing: list[PublishedFile], folder: Path, progress: bool, replace: bool
) -> None:
    from .._io.lock import locked
    from .connection import TransferError
    from .mirrors import Delivery

    for i, file in enumerate(missing):
        delivery = Delivery(file, folder, published_hash(file), progress=progress)
        with locked(delivery.lock, f"fetching {file.name}"):
            if _is_there(folder, file, replace):  # another process fetched it
                continue
            try:
                delivery.run()
            except TransferError as error:
                text = f"{error}\n{by_hand(missing[i:], folder)}"
                raise DownloadError(text) from None


def by_hand(files: Sequence[PublishedFile], folder: str | os.PathLike[str]) -> str:
    """Return lines that name the folder, and each file with its URLs and hash."""
    lines = [f"Put these files into {Path(expanded(folder)).absolute()}:"]
    for file in files:
        algorithm, known = published_hash(file)
        size = f"{file.nbytes} bytes, " if file.nbytes else ""
        name = {"sha256": "SHA-256", "md5": "MD5"}[algorithm]
        urls = " or ".join(file.urls)
        lines.append(f"  {file.name} ({size}{name} {known}) from {urls}")
    return "\n".join(lines)


def _check(file: PublishedFile) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", file.name):
        raise ValueError(
            "a file name must have only letters, digits and ._- and begin with a "
            f"letter or digit, got {file.name!r}"
        )
    if not file.sha256 and not file.md5:
        raise ValueError(f"{file.name} requires a published SHA-256 or MD5")
    if not file.urls:
        raise ValueError(f"{file.name} requires at least one URL")


def published_hash(file: PublishedFile) -> tuple[str, str]:
    """Return the name of the strongest known algorithm, and the file's hash by it."""
    if file.sha256:
        return "sha256", file.sha256.lower()
    return "md5", str(file.md5).lower()


def _is_there(folder: Path, file: PublishedFile, replace: bool) -> bool:
    """Return whether `folder` has the published file.

    Raise FormatError if it has another file of that name, unless `replace` is True.
    """
    algorithm, known = published_hash(file)
    digest = hashlib.new(algorithm, usedforsecurity=False)
    path = folder / file.name
    try:
        with open(path, "rb") as opened:
            while piece := opened.read(1 << 20):
                digest.update(piece)
    except FileNotFoundError:
        return False
    actual = digest.hexdigest()
    if actual != known and not replace:
        raise FormatError(
            f"{path}: not the published file of that name: its {algorithm} must be "
            f"{known}, got {actual}.\nRemove or rename the file, then fetch it again."
        )
    return actual == known

"""Fetching published files: which are missing, one download for all that ask.

fetch -> mirrors.py: which URL, how often -> pooch: the hash -> transfer.py: a partial
file, continued -> connection.py: a request.
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
    """Fetch published files into a folder, those that are not there.

    Each is asked for at its URLs, https first, until one gives a file with the
    published hash; nothing else ever has the file's name. A download that breaks off,
    also by Ctrl-C, is continued by the next call. Processes that ask at the same time
    share one download.

    Parameters
    ----------
    files : sequence of PublishedFile
    folder : path
        Made where it is missing; ``~`` is the user's home.
    progress : bool
        Show a bar on stderr, and say there what goes wrong on the way.
    replace : bool
        Also fetch files that are there but do not have the published hash. By default
        those are left alone and raise FormatError, before anything is fetched.

    Returns
    -------
    list of Path
        The absolute paths of `files`, in their order; each has the published hash.

    Raises
    ------
    DownloadError
        No URL gave the file, or FMNIST_FAST_OFFLINE is set. What was fetched before
        stays; the message says what to fetch by hand, and where to put it.
    FormatError
        See `replace`.
    ValueError
        A file's name isn't a plain one, or no hash or no URL is known of it.
    OSError
        The folder can't be written, or the disk is full.
    """
    folder = Path(expanded(folder)).absolute()
    for file in files:
        _check(file)
    missing = [file for file in files if not _is_there(folder, file, replace)]
    if missing and config.offline():
        raise DownloadError(
            "FMNIST_FAST_OFFLINE is set, so nothing is fetched. "
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
        with locked(delivery.lock, delivery.say_waiting):
            if _is_there(folder, file, replace):  # by now
                continue
            try:
                delivery.run()
            except TransferError as error:
                text = f"{error}\n{by_hand(missing[i:], folder)}"
                raise DownloadError(text) from None


def by_hand(files: Sequence[PublishedFile], folder: str | os.PathLike[str]) -> str:
    """Which files to put where, from which URLs and with which hashes."""
    lines = [f"Put into {Path(expanded(folder)).absolute()}:"]
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
            "a file's name must be of letters, digits and ._- and begin with a letter "
            f"or digit, got {file.name!r}"
        )
    if not file.sha256 and not file.md5:
        raise ValueError(f"{file.name}: a published SHA-256 or MD5 must be known")
    if not file.urls:
        raise ValueError(f"{file.name}: a URL must be known")


def published_hash(file: PublishedFile) -> tuple[str, str]:
    """The algorithm and the hash that `file` is known by, the stronger if two are."""
    if file.sha256:
        return "sha256", file.sha256.lower()
    return "md5", str(file.md5).lower()


def _is_there(folder: Path, file: PublishedFile, replace: bool) -> bool:
    """Whether `folder` has the published file; raises for another unless `replace`."""
    algorithm, known = published_hash(file)
    digest = hashlib.new(algorithm, usedforsecurity=False)
    path = folder / file.name
    try:
        with open(path, "rb") as opened:
            while piece := opened.read(1 << 20):
                digest.update(piece)
    except FileNotFoundError:
        return False
    found = digest.hexdigest()
    if found != known and not replace:
        raise FormatError(
            f"{path}: not the published file of that name: wanted {algorithm} {known}, "
            f"found {found}. Remove it, or ask for it to be replaced"
        )
    return found == known

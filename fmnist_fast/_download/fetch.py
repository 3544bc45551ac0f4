"""Fetch published files that are missing, with one download for all processes."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .. import config
from .._io.paths import expanded
from .._io.private import is_file, open_file
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
    """Fetch the published files that are missing from a folder, and return the paths.

    The URLs of a file are tried in order, https first, until one gives a file with the
    published hash. No other content ever gets the file's name. If a download stops
    early, also by Ctrl-C, the next call continues it. Processes that fetch the same
    file at the same time share one download. `progress` shows it on stderr.

    Raise FormatError, before anything is fetched, if a file exists with another hash,
    unless `replace` is True, or if something else has its name. Raise DownloadError if
    no URL gives a file, or FMNIST_FAST_OFFLINE is set. The message says which files to
    fetch by hand, and where to put them. An OSError of the disk names the file.
    """
    folder = Path(expanded(folder)).absolute()
    missing = [file for file in files if not _is_there(folder, file, replace)]
    if missing and config.offline():
        text = "FMNIST_FAST_OFFLINE is set, so nothing is fetched."
        raise DownloadError(f"{text}\n{by_hand(missing, folder)}")
    if missing and not folder.is_relative_to(config.cache_folder() or ""):
        folder.mkdir(parents=True, exist_ok=True)  # others may use it, too
    for i, file in enumerate(missing):
        reasons = _fetch_one(file, folder, progress, replace)
        if reasons:
            text = f"could not fetch {file.name}:{reasons}"
            raise DownloadError(f"{text}\n{by_hand(missing[i:], folder)}")
    return [folder / file.name for file in files]


def _fetch_one(file: PublishedFile, folder: Path, progress: bool, replace: bool) -> str:
    """Fetch a file from the first mirror that has it, or return why none gave it."""
    from .sources import TransferError, http_source  # not needed if all files are there
    from .transfer import transfer

    reasons, check = "", functools.partial(_difference, file)
    target, nbytes = folder / file.name, file.nbytes
    with transfer(target, 0o666, nbytes, check, progress=progress) as running:
        if _is_there(folder, file, replace):  # another process fetched it
            return ""
        for url in sorted(file.urls, key=lambda url: not url.startswith("https:")):
            source = functools.partial(http_source, url, file.sha256 is not None)
            try:
                staging = running.receive(url, source)
                if _is_there(folder, file, replace):  # somebody put it there meanwhile
                    staging.begin({})
                else:
                    staging.publish(target)
                return ""
            except TransferError as error:
                reasons += f"\n  {url}: {error}"
                running.say(f"giving up on {url}: {error}")
    return reasons


def by_hand(files: Sequence[PublishedFile], folder: str | os.PathLike[str]) -> str:
    """Return lines that name the folder, and each file with its URLs and hash."""
    lines = [f"Put these files into {Path(expanded(folder)).absolute()}:"]
    for file in files:
        size = f"{file.nbytes} bytes, " if file.nbytes else ""
        known = f"SHA-256 {file.sha256}" if file.sha256 else f"MD5 {file.md5}"
        lines.append(f"  {file.name} ({size}{known}) from {' or '.join(file.urls)}")
    return "\n".join(lines)


def _is_there(folder: Path, file: PublishedFile, replace: bool) -> bool:
    """Return whether `folder` has the published file.

    Raise FormatError if it has another file of that name, unless `replace` is True.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", file.name):
        raise ValueError(
            "a file name must have only letters, digits and ._- and begin with a "
            f"letter or digit, got {file.name!r}"
        )
    path = folder / file.name
    if not is_file(path):
        return False
    with open_file(path) as content:
        text = _difference(file, content)
    if text and not replace:
        raise FormatError(
            f"{path}: not the published file of that name: {text}.\n"
            "Remove or rename the file, then fetch it again."
        )
    return not text


def _difference(file: PublishedFile, content: BinaryIO) -> str:
    """Return how a content differs from the published file, or ""."""
    algorithm = "sha256" if file.sha256 else "md5"
    known = str(file.sha256 or file.md5).lower()
    digest = hashlib.new(algorithm, usedforsecurity=False)
    content.seek(0)
    while piece := content.read(1 << 20):
        digest.update(piece)
    actual = digest.hexdigest()
    return "" if actual == known else f"its {algorithm} must be {known}, got {actual}"

"""Fetch published files that are missing, with one download for all processes."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from .. import config
from .._io.paths import expanded
from .._io.private import is_file, make_folder, no_empty_folders, open_file
from .._io.progress import say
from .._io.staging import tidy
from .._registry.spec import PublishedFile
from ..errors import DownloadError, FormatError


def fetch(files: Sequence[PublishedFile], folder: str | os.PathLike[str]) -> list[Path]:
    """Fetch the published files that are missing from a folder, and return the paths.

    The URLs of a file are tried in order, https first, until one gives a file with the
    published hash. No other content ever gets the file's name. If a download stops
    early, also by Ctrl-C, the next call continues it. Processes that fetch the same
    file at the same time share one download. A slow one is shown on stderr.

    Raise FormatError, before anything is fetched, if something else has the name of a
    file. Raise DownloadError if no URL gives a file, or FMNIST_FAST_OFFLINE is set. The
    message says which files to fetch by hand, and where to put them. An OSError of the
    disk names the file.
    """
    folder = Path(expanded(folder)).absolute()
    missing = [file for file in files if not _is_there(folder, file)]
    for file in files:
        if file not in missing:
            tidy(folder / file.name)
    if missing and config.offline():
        text = "FMNIST_FAST_OFFLINE is set, so nothing is fetched."
        raise DownloadError(f"{text}\n{_by_hand(missing, folder)}")
    with no_empty_folders(folder):
        if missing and folder.is_relative_to(config.cache_folder() or ""):
            make_folder(folder)
        elif missing:
            folder.mkdir(parents=True, exist_ok=True)  # others may use it, too
        for i, file in enumerate(missing):
            if reasons := _fetch_one(file, folder):
                text = f"could not fetch {file.name}:{reasons}"
                raise DownloadError(f"{text}\n{_by_hand(missing[i:], folder)}")
    return [folder / file.name for file in files]


def _fetch_one(file: PublishedFile, folder: Path) -> str:
    """Fetch a file from the first mirror that has it, or return why none gave it."""
    from .sources import TransferError, http_source  # not needed if all files are there
    from .transfer import transfer

    check, reasons = functools.partial(_difference, file), ""
    with transfer(folder / file.name, 0o666, file.nbytes, check) as running:
        if _is_there(folder, file):  # another process fetched it
            return ""
        for url in sorted(file.urls, key=lambda url: not url.startswith("https:")):
            source = functools.partial(http_source, url, file.sha256 is not None)
            try:
                staging = running.receive(url, source)
            except TransferError as error:
                reasons += f"\n  {url}: {error}"
                say(f"{file.name}: giving up on {url}: {error}")
                continue
            if _is_there(folder, file):  # somebody put it there meanwhile
                staging.begin({})
            else:
                staging.publish(folder / file.name)
            return ""
    return reasons


def _by_hand(files: Sequence[PublishedFile], folder: Path) -> str:
    """Return lines that name the folder, and each file with its URLs and hash."""
    lines = [f"Put these files into {folder}, then try again:"]
    for file in files:
        size = f"{file.nbytes} bytes, " if file.nbytes else ""
        known = f"SHA-256 {file.sha256}" if file.sha256 else f"MD5 {file.md5}"
        lines.append(f"  {file.name} ({size}{known}) from {' or '.join(file.urls)}")
    return "\n".join(lines)


def _is_there(folder: Path, file: PublishedFile) -> bool:
    """Return whether a folder has the file, and raise FormatError for another one."""
    path = folder / file.name
    if not is_file(path):
        return False
    with open_file(path) as content:
        if difference := _difference(file, content):
            text = f"{path}: not the published file of that name: {difference}"
            raise FormatError(text)
    return True


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

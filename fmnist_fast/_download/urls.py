"""Copies of files at URLs, in the cache folder.

A copy is valid for one URL and one version of the file. The version is all that the
server says of the file: its size, and its ETag, time of modification or similar field.
If it says only the size, the file may have changed, and the copy is not used again.
The file of the same name with ``.from`` appended has the version and a checksum of the
copy's bytes. The checksum guards against damage, and the folder against other users.
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import hashlib
import html
import json
import os
import re
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import deflate

from .. import config
from .._io.files import set_folder_aside
from .._io.paths import shown
from .._io.private import no_empty_folders, open_file, trusted_folder
from .._io.staging import Staging, tidy
from ..errors import DownloadError
from .sources import Source, TransferError, Version, http_source, limited, store_source
from .transfer import transfer

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.%+=@ -]*")  # that a copy may have
_WILDCARD = re.compile(r"[*?\[]")
_LIST_SECONDS = 300.0  # to list the files of a pattern
_MAX_LIST_NBYTES = 1 << 24  # of a page that lists a folder


def find(pattern: str) -> list[str]:
    """Return the URLs that match a pattern, or a URL without wildcards unchanged."""
    folder, _, name = pattern.rpartition("/")
    if not _WILDCARD.search(pattern):
        return [pattern]
    if _is_http(pattern) and re.search(r"\?[^/]*=", name):
        raise ValueError(
            f"{shown(pattern.partition('?')[0])}: a URL must end in a file name, got a "
            "query after it.\nDownload the file, and pass its path."
        )
    if _is_offline(pattern):
        raise DownloadError(_offline_text(pattern))
    if not _is_http(pattern):
        matches = _matching(*_file_system(pattern))
    elif not _WILDCARD.search(folder):
        matches = _linked(folder, name)
    else:
        raise ValueError(
            f"{shown(pattern)}: a folder over http must not have wildcards.\n"
            "Only the name of the files may have them."
        )
    try:
        return next(limited(matches, pattern, _LIST_SECONDS))
    except TransferError as error:
        text = f"{shown(pattern)}: the files could not be listed: {error}"
        raise DownloadError(text) from None


def _matching(system: Any, path: str) -> Generator[list[str]]:
    """Yield the URLs in a store that match a pattern."""
    system.invalidate_cache()
    yield [system.unstrip_protocol(match) for match in system.glob(path)]


def _linked(folder: str, pattern: str) -> Generator[list[str]]:
    """Yield the URLs to which the page of a folder links, and that match a pattern."""
    page = bytearray()
    with contextlib.closing(_source_of(f"{folder}/")(0, None)) as pieces:
        next(pieces)  # the position and the version
        for piece in pieces:
            page += piece
            if len(page) > _MAX_LIST_NBYTES:
                raise TransferError("the page of the folder is too long")
    if page.startswith(b"\x1f\x8b"):
        raise TransferError(
            "the page of the folder is compressed, which is not allowed"
        )
    links = re.findall(rb"""href\s*=\s*["']?([^"'\s>]+)""", page, re.IGNORECASE)
    pairs = (html.unescape(link.decode("latin-1")).rpartition("/") for link in links)
    here = ("", ".", folder, urlsplit(folder).path)
    names = {name for parent, _, name in pairs if parent in here}
    names = {name for name in names if _NAME.fullmatch(name)}
    yield [f"{folder}/{name}" for name in sorted(fnmatch.filter(names, pattern))]


def fetch_first(urls: Sequence[str], *, needed: bool = True) -> Path | None:
    """Return a copy of the first file that exists, or None if no file exists.

    Copies of the files before it are removed, because without the network they would be
    used instead. If no file exists and the file is `needed`, all copies stay, because
    the server may only have refused access. The caller then raises an error.

    Without the network, the first file that has a copy counts. If no file has a copy,
    the result is None, or a DownloadError if the file is `needed`.
    """
    with no_empty_folders(_folder_of(urls[0])):
        return _fetch_first(urls, needed)


def _fetch_first(urls: Sequence[str], needed: bool) -> Path | None:
    copies = {url: _copy_path(url) for url in urls}
    if any(map(_is_offline, urls)):
        kept = [url for url in urls if os.path.lexists(copies[url])]
        return fetch(kept[0] if kept else urls[0]) if kept or needed else None
    found, outdated = None, []
    for url, copy in copies.items():
        try:
            found = fetch(url)
            break
        except FileNotFoundError:
            outdated += [copy, _note_path(copy)]
    for path in outdated if found or not needed else ():
        with contextlib.suppress(OSError):  # missing, or a folder
            path.unlink()
    return found


def fetch(url: str) -> Path:
    """Return a copy of the file, and fetch it unless a copy of this version is kept."""
    with no_empty_folders(_folder_of(url)):
        return _fetch(url)


def _fetch(url: str) -> Path:
    copy = _copy_path(url)
    kept = _kept_version(copy)
    if _is_offline(url):
        if kept is None:
            text = f"Its copy {copy} is missing or damaged."
            advice = "Unset FMNIST_FAST_OFFLINE to fetch it."
            raise DownloadError(f"{_offline_text(url)}.\n{text}\n{advice}")
        return copy
    source = _source_of(url)
    try:
        if kept and kept.keys() != {"size"}:
            with contextlib.suppress(TransferError):  # the transfer reports it
                header = limited(source(0, kept), url)
                if next(header)[1] == kept:
                    tidy(copy)
                    return copy
        with transfer(copy, 0o600) as running:
            if _kept_version(copy) in (None, kept):  # no other process fetched it
                _publish(running.receive(url, source), copy)
    except TransferError as error:
        if error.missing:
            raise FileNotFoundError(f"{shown(url)}: no such file ({error})") from None
        text = f"{shown(url)}: could not be fetched: {error}"
        raise DownloadError(text) from None
    return copy


def _publish(staging: Staging, copy: Path) -> None:
    staging.write_note(staging.note() | {"crc32": _crc32(staging.part)})
    set_folder_aside(copy)
    set_folder_aside(_note_path(copy))
    staging.publish(copy, _note_path(copy))


def _kept_version(copy: Path) -> Version | None:
    """Return the version of a copy, or None if there is no copy without damage."""
    try:
        with open_file(_note_path(copy), trusted=True) as file:
            version = json.loads(file.read())
        with open_file(copy, trusted=True) as file:
            return version if version.pop("crc32") == _crc32(file) else None
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ):
        return None


def _crc32(file: BinaryIO) -> str:
    checksum = 0
    file.seek(0)
    while piece := file.read(1 << 20):
        checksum = deflate.crc32(piece, checksum)
    return f"{checksum:08x}"


def _note_path(copy: Path) -> Path:
    return copy.with_name(f"{copy.name}.from")


def _folder_of(url: str) -> Path:
    """Return the folder for copies of the files in one folder, and create nothing."""
    digest = hashlib.sha256(url.rpartition("/")[0].encode()).hexdigest()[:16]
    return (config.cache_folder() or Path()) / "remote" / digest


def _copy_path(url: str) -> Path:
    """Return the path for a copy, in a folder that is created."""
    base, name = config.cache_folder(), url.rpartition("/")[2]
    if base is None:
        text = "there is no folder for a copy, because FMNIST_FAST_CACHE is off"
        advice = "Set FMNIST_FAST_CACHE to a folder."
        raise FileNotFoundError(f"{shown(url)}: {text}.\n{advice}")
    if not _NAME.fullmatch(name):
        raise ValueError(
            "a URL must end in a file name of letters, digits, spaces and _.%+=@- that "
            f"begins with a letter, digit or _, got {shown(url)}"
        )
    folder = _folder_of(url).name
    return trusted_folder(trusted_folder(base, "remote"), folder) / name


def _is_offline(url: str) -> bool:
    protocol = url.split("://")[0].split("::")[-1]
    return config.offline() and protocol not in ("file", "local", "memory")


def _offline_text(url: str) -> str:
    return f"FMNIST_FAST_OFFLINE is set, so {shown(url)} is not fetched"


def _is_http(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


def _source_of(url: str) -> Source:
    if _is_http(url):
        return functools.partial(http_source, url, url.lower().startswith("http:"))
    return functools.partial(store_source, *_file_system(url))


def _file_system(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path of the file in it."""
    try:
        from fsspec.core import url_to_fs

        return url_to_fs(url)
    except ImportError as error:
        text = f"{shown(url)} requires a package that is not installed ({error})"
        advice = (
            "Run pip install 'fmnist_fast[remote]', or install the store's package."
        )
        raise ImportError(f"{text}.\n{advice}") from error
    except Exception as error:  # ValueError, or one of the file system's own
        kind = ValueError if isinstance(error, ValueError) else DownloadError
        text = f"{shown(url)}: could not be opened: {shown(error)}"
        raise kind(text) from None

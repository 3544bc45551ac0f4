"""Fetch files at URLs with fsspec, and keep copies in the cache folder.

A copy is valid for one URL and one version of the file. The version is all that the
server says of the file: its size, and its ETag, time of modification or similar field.
A file is fetched under a temporary name and then renamed. The file of the same name
with ``.from`` appended says which version the copy is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .. import config
from .._io.files import replacing
from .._io.lock import locked
from .._io.paths import shown
from ..errors import DownloadError

_WITHOUT_NETWORK = ("file", "local", "memory")
_MISSING = (403, 404, 410)  # stores that don't list their files answer 403
_EXTRA = "pip install 'fmnist_fast[remote]'"
# Keys, in lower case, of the fields that identify a version in a file system's info.
_MARKS = frozenset(
    "etag last-modified lastmodified mtime created md5hash content-md5 generation "
    "versionid version_id checksum".split()
)


def find(pattern: str) -> list[str]:
    """Return the URLs that match a pattern, or a URL without wildcards unchanged."""
    if not re.search(r"[*?\[]", pattern):
        return [pattern]
    with _open_url(pattern) as (system, path):
        return [system.unstrip_protocol(match) for match in system.glob(path)]


def fetch_first(urls: Sequence[str], *, needed: bool = True) -> Path | None:
    """Return a copy of the first file that exists, or None if no file exists.

    Copies of the files before it are removed. The server does not have these files any
    more, and without the network the old copies would be used instead. If no file
    exists and the file is `needed`, all copies stay, because the server may only have
    refused access. The caller then raises an error.

    Without the network, the first file that has a copy counts. If no file has a copy,
    the result is None, or a DownloadError if the file is `needed`.
    """
    copies = [_copy_path(url) for url in urls]
    if any(map(_is_offline, urls)):
        kept = [url for url in urls if _known_version(_copy_path(url)) is not None]
        return fetch(kept[0] if kept else urls[0]) if kept or needed else None
    copy, n_missing = None, 0
    while copy is None and n_missing < len(urls):
        try:
            copy = fetch(urls[n_missing])
        except FileNotFoundError:
            n_missing += 1
    if copy is not None or not needed:
        for outdated in copies[:n_missing]:
            outdated.unlink(missing_ok=True)
            _version_path(outdated).unlink(missing_ok=True)
    return copy


def fetch(url: str) -> Path:
    """Return a copy of the file, and fetch it unless a copy of this version is kept."""
    copy = _copy_path(url)
    if _is_offline(url) and _known_version(copy) is not None:
        return copy
    with _open_url(url) as (system, path):
        version = _version(url, system, path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with locked(copy.with_name(f"{copy.name}.lock"), f"fetching {shown(url)}"):
            if _known_version(copy) != version:
                _receive(system, path, copy, version)
    return copy


def _receive(system: Any, path: str, copy: Path, version: dict[str, Any]) -> None:
    _version_path(copy).unlink(missing_ok=True)
    with replacing(copy) as file:
        system.get_file(path, file.name)
        nbytes = os.stat(file.name).st_size
        if nbytes != (nbytes if version["size"] is None else version["size"]):
            raise DownloadError(
                f"{version['url']}: the file must have {version['size']} bytes, got "
                f"{nbytes}"
            )
        system.invalidate_cache()
        if _version(version["url"], system, path) != version:
            raise DownloadError(
                f"{version['url']}: the file changed while it was fetched. Try again."
            )
    with replacing(_version_path(copy)) as file:
        file.write(json.dumps(version | {"kept": nbytes}).encode())


def _version(url: str, system: Any, path: str) -> dict[str, Any]:
    """Return what the server says of the current version of a file."""
    info = system.info(path)
    marks = {k: str(v) for k, v in sorted(info.items()) if k.lower() in _MARKS}
    return {"url": shown(url), "size": info.get("size"), "marks": marks}


def _version_path(copy: Path) -> Path:
    return copy.with_name(f"{copy.name}.from")


def _known_version(copy: Path) -> dict[str, Any] | None:
    """Return the version of a copy, or None if there is no complete copy."""
    try:
        version = json.loads(_version_path(copy).read_bytes())
        is_complete = version.pop("kept") == copy.stat().st_size
        return version if is_complete else None
    except (OSError, ValueError, KeyError, AttributeError):
        return None


def _copy_path(url: str) -> Path:
    """Return the path for a copy. Files of one folder get the same folder."""
    base = config.cache_folder()
    if base is None:
        raise FileNotFoundError(
            f"{shown(url)}: there is no folder for a copy, because FMNIST_FAST_CACHE "
            "is off.\nSet FMNIST_FAST_CACHE to a folder."
        )
    folder, _, name = url.rpartition("/")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.%+=@ -]*", name):
        raise ValueError(
            "a URL must end in a file name of letters, digits, spaces and _.%+=@- that "
            f"begins with a letter, digit or _, got {shown(url)}"
        )
    return base / "remote" / hashlib.sha256(folder.encode()).hexdigest()[:16] / name


def _is_offline(url: str) -> bool:
    protocol = url.split("://")[0].split("::")[-1]
    return config.offline() and protocol not in _WITHOUT_NETWORK


@contextlib.contextmanager
def _open_url(url: str) -> Iterator[tuple[Any, str]]:
    """Open the file system of a URL, and yield it with the path of the file in it.

    Errors in the block become errors that name the URL without its password. The
    messages of their causes may contain it, so causes are left out if there is one.
    """
    name = shown(url)
    if _is_offline(url):
        raise DownloadError(f"FMNIST_FAST_OFFLINE is set, so {name} is not fetched")
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise ImportError(
            f"{name} requires fsspec ({error}).\nRun {_EXTRA}."
        ) from error
    try:
        system, path = url_to_fs(url)
        system.invalidate_cache()  # of listings
    except ImportError as error:
        raise ImportError(
            f"{name} requires a package that is not installed ({error}).\n"
            f"For http, run {_EXTRA}."
        ) from error
    except ValueError as error:  # such as an unknown protocol
        raise ValueError(f"{name}: {shown(error)}") from _cause(url, error)
    try:
        yield system, path
    except FileNotFoundError as error:
        cause = error.__cause__  # over http, any failure becomes a FileNotFoundError
        missing = cause is None or isinstance(cause, FileNotFoundError)
        if not missing and getattr(cause, "status", None) not in _MISSING:
            reason = shown(repr(cause))
            raise DownloadError(f"{name}: could not be fetched: {reason}") from _cause(
                url, error
            )
        raise FileNotFoundError(f"{name}: no such file") from _cause(url, error)
    except DownloadError:
        raise
    except Exception as error:  # each file system has its own exceptions
        reason = shown(error) or type(error).__name__
        raise DownloadError(f"{name}: could not be fetched: {reason}") from _cause(
            url, error
        )


def _cause(url: str, error: Exception) -> Exception | None:
    """Return `error` as a cause to show, or None if its URL has a password."""
    return error if shown(url) == url else None

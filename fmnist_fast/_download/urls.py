"""Files at URLs, by way of fsspec, kept in the cache folder.

A copy is known by its URL and by what the server says of the file's version: size and
ETag, time of change or the like. It is fetched under another name and renamed; beside
it a file of the same name with ``.from`` appended says which version it is.
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
# What file systems call the marks of a version, in lower case.
_MARKS = frozenset(
    "etag last-modified lastmodified mtime created md5hash content-md5 generation "
    "versionid version_id checksum".split()
)


def find(pattern: str) -> list[str]:
    """The URLs that match a pattern; that of a single file as it is."""
    if not re.search(r"[*?\[]", pattern):
        return [pattern]
    with _reached(pattern) as (system, path):
        return [system.unstrip_protocol(found) for found in system.glob(path)]


def fetch_first(urls: Sequence[str], *, needed: bool = True) -> Path | None:
    """A copy of the first file that is there; None where none is.

    Copies of those before it are removed, which are no longer on the server, and would
    be taken instead. One that is `needed` ends in an error where none is there: then
    what is kept stays, as the server may only have refused. Offline it is the first
    that is kept; where none is, DownloadError if it is `needed`.
    """
    places = [_place(url) for url in urls]
    if any(map(_is_offline, urls)):
        kept = [url for url in urls if _known_version(_place(url)) is not None]
        return fetch(kept[0] if kept else urls[0]) if kept or needed else None
    found, n_missing = None, 0
    while found is None and n_missing < len(urls):
        try:
            found = fetch(urls[n_missing])
        except FileNotFoundError:
            n_missing += 1
    if found is not None or not needed:
        for place in places[:n_missing]:
            place.unlink(missing_ok=True)
            _version_path(place).unlink(missing_ok=True)
    return found


def fetch(url: str) -> Path:
    """A copy of the file, fetched unless it is kept and still what the server has."""
    place = _place(url)
    if _is_offline(url) and _known_version(place) is not None:
        return place
    with _reached(url) as (system, path):
        version = _version(url, system, path)
        place.parent.mkdir(parents=True, exist_ok=True)
        with locked(place.with_name(f"{place.name}.lock"), waiting=lambda: None):
            if _known_version(place) != version:
                _receive(system, path, place, version)
    return place


def _receive(system: Any, path: str, place: Path, version: dict[str, Any]) -> None:
    _version_path(place).unlink(missing_ok=True)
    with replacing(place) as file:
        system.get_file(path, file.name)
        nbytes = os.stat(file.name).st_size
        if nbytes != (nbytes if version["size"] is None else version["size"]):
            raise DownloadError(
                f"{version['url']} ends after {nbytes} of {version['size']} bytes"
            )
        system.invalidate_cache()
        if _version(version["url"], system, path) != version:
            raise DownloadError(
                f"{version['url']} changed while it was fetched: try again"
            )
    with replacing(_version_path(place)) as file:
        file.write(json.dumps(version | {"kept": nbytes}).encode())


def _version(url: str, system: Any, path: str) -> dict[str, Any]:
    """What is said of a file now."""
    info = system.info(path)
    marks = {k: str(v) for k, v in sorted(info.items()) if k.lower() in _MARKS}
    return {"url": shown(url), "size": info.get("size"), "marks": marks}


def _version_path(place: Path) -> Path:
    return place.with_name(f"{place.name}.from")


def _known_version(place: Path) -> dict[str, Any] | None:
    """The version of the copy that is kept, if one is, whole."""
    try:
        version = json.loads(_version_path(place).read_bytes())
        whole = version.pop("kept") == place.stat().st_size
        return version if whole else None
    except (OSError, ValueError, KeyError, AttributeError):
        return None


def _place(url: str) -> Path:
    """Where the copy is kept: files of one folder stay in one."""
    base = config.cache_folder()
    if base is None:
        raise FileNotFoundError(
            f"nowhere to keep {shown(url)}: FMNIST_FAST_CACHE is off; name a folder"
        )
    folder, _, name = url.rpartition("/")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.%+=@ -]*", name):
        raise ValueError(
            "a URL must end in the name of a file, of letters, digits and _.%+=@-, "
            f"got {shown(url)}"
        )
    return base / "remote" / hashlib.sha256(folder.encode()).hexdigest()[:16] / name


def _is_offline(url: str) -> bool:
    protocol = url.split("://")[0].split("::")[-1]
    return config.offline() and protocol not in _WITHOUT_NETWORK


@contextlib.contextmanager
def _reached(url: str) -> Iterator[tuple[Any, str]]:
    """The file system of a URL and the path in it; failures name the URL.

    Not its password, which the messages of a cause may have.
    """
    name = shown(url)
    if _is_offline(url):
        raise DownloadError(f"FMNIST_FAST_OFFLINE is set, so {name} is not fetched")
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise ImportError(f"{name} needs fsspec ({error}): {_EXTRA}") from error
    try:
        system, path = url_to_fs(url)
        system.invalidate_cache()  # of listings
    except ImportError as error:
        raise ImportError(
            f"{name} needs a package that is not installed ({error}): {_EXTRA} is "
            "enough for http"
        ) from error
    except ValueError as error:  # such as an unknown protocol
        raise ValueError(f"{name}: {shown(error)}") from _cause(url, error)
    try:
        yield system, path
    except FileNotFoundError as error:
        cause = error.__cause__  # over http anything that goes wrong ends up here
        missing = cause is None or isinstance(cause, FileNotFoundError)
        if not missing and getattr(cause, "status", None) not in _MISSING:
            reason = shown(repr(cause))
            raise DownloadError(f"{name} can't be fetched: {reason}") from _cause(
                url, error
            )
        raise FileNotFoundError(f"{name}: there is no such file") from _cause(
            url, error
        )
    except DownloadError:
        raise
    except Exception as error:  # each file system has errors of its own
        reason = shown(error) or type(error).__name__
        raise DownloadError(f"{name} can't be fetched: {reason}") from _cause(
            url, error
        )


def _cause(url: str, error: Exception) -> Exception | None:
    """What to raise an error from: nothing that shows a password."""
    return error if shown(url) == url else None

"""Sources of bytes: http by requests, and all other URLs by fsspec.

A source is a generator. It yields a pair, the position at which it begins and the
version of the file, and then the bytes. The size is part of the version. It runs in a
thread that is abandoned if it takes too long: a socket's time-out restarts with every
byte, and name lookups have none.

Proxies, .netrc and CA bundles come from the environment. requests reads all these
variables except SSL_CERT_FILE and SSL_CERT_DIR. Range requests follow RFC 9110,
sections 13.1.5 and 14. Bytes are taken as sent, whatever Content-Encoding says.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from http.client import responses
from typing import Any

import requests
import urllib3
from requests.utils import get_auth_from_url

from .._io.paths import shown
from .._io.threads import in_thread
from .._version import __version__

_PATIENCE_SECONDS = 60.0  # for the header, redirects included, and for each piece
_TIMEOUTS = (10.0, 30.0)  # seconds to connect, and between two packets
_PIECE_NBYTES = 1 << 18
_REQUEST_NBYTES = 1 << 20  # of fsspec's requests, which each end in time
_MAX_AFTER = 21600.0  # seconds; a longer Retry-After means the same
_TEMPORARY = (408, 425, 429, 500, 502, 503, 504)  # another try may succeed after these
_MISSING = (403, 404, 410)  # stores that don't list their files answer 403
# urllib3 counts a refused connection as a time-out, too.
_TIMEOUT_ERRORS = (TimeoutError, requests.Timeout, urllib3.exceptions.ReadTimeoutError)
# A ValueError reports a bad URL, header or certificate.
_LASTING_ERRORS = (ValueError, FileNotFoundError, requests.TooManyRedirects)
_BAD_URL_ERRORS = (
    requests.exceptions.InvalidURL,
    urllib3.exceptions.LocationValueError,
)
# Keys, in lower case, of the fields that identify a version in a file system's info.
_MARKS = frozenset(
    "size etag last-modified lastmodified mtime created md5hash content-md5 generation "
    "versionid version_id checksum crc sha".split()
)


@dataclass(eq=False)
class TransferError(Exception):
    """Failure to get a file from a source, and what may help."""

    message: str
    again: bool = False  # another try
    restart: bool = False  # a try from the first byte
    missing: bool = False  # nothing, since the source has no such file
    after: float = 0.0  # a wait of this many seconds


Version = dict[str, str]  # all fields that identify a version of a file

# The arguments are the position to begin at, and a known version. The source begins at
# 0 instead if it can't tell that the bytes are of that version. None stands for any
# version. If position 0 of the known version is asked for, the bytes may be left out.
Source = Callable[[int, Version | None], Generator[Any]]


def limited(
    items: Generator[Any],
    waiting: Callable[[], None] = lambda: None,
    seconds: float | None = None,
) -> Generator[Any]:
    """Yield the items of a source, each in limited time, and raise TransferErrors.

    `waiting` is called when an item takes long.
    """
    try:
        yield from in_thread(items, seconds or _PATIENCE_SECONDS, waiting)
    except Exception as error:  # a server may make a library raise anything
        raise _failure(error) from None


def _failure(error: Exception) -> TransferError:
    """Return the TransferError for an exception in a source."""
    if isinstance(error, TransferError):
        return error
    missing, again, inner = isinstance(error, FileNotFoundError), True, error
    while isinstance(inner, Exception):
        if isinstance(inner, _TIMEOUT_ERRORS):
            return TransferError("no answer in time", again=True)
        again = again and not isinstance(inner, _LASTING_ERRORS)
        error, inner = inner, getattr(inner, "reason", (None, *inner.args)[-1])
    text = shown((str(error) or type(error).__name__)[:10_000])  # in quadratic time
    if isinstance(error, _BAD_URL_ERRORS):  # its text may have the password
        text = "the URL is not valid"
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return TransferError(f"request failed: {text:.300}", again=again, missing=missing)


class _Session(requests.Session):
    """Session that sends no unencrypted requests unless `plain` is true."""

    def __init__(self, url: str, plain: bool) -> None:
        super().__init__()
        self.plain, self.max_redirects = plain, 10
        auth = get_auth_from_url(url)  # before that of .netrc
        self.auth = auth if any(auth) else None
        # REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE still have priority.
        bundle = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
        self.verify = bundle or True

    def get_adapter(self, url: str) -> Any:
        """Return the adapter for a URL, which may be the target of a redirect."""
        if url.lower().startswith("http:") and not self.plain:
            text = "is not encrypted; http requires a known SHA-256 of the file"
            raise TransferError(f"{shown(url)!r} {text}")
        return super().get_adapter(url)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return the next URL. Leave the redirect's body, which may be endless."""
        target = super().get_redirect_target(resp)
        if target is not None:
            resp.close()
        return target


def http_source(
    url: str, plain: bool, begin: int, version: Version | None
) -> Generator[Any]:
    """Yield the position, the version and the bytes of a file at an http URL.

    `plain` says whether unencrypted http is allowed, in the URL and after a redirect.
    """
    known = version or {}
    validator = _validator(known)
    if begin and version is not None and not validator:
        begin, known = 0, {}
    conditions = {
        "Range": f"bytes={begin}-" if begin else "",
        "If-Range": validator if begin else "",
        "If-None-Match": "" if begin else known.get("etag"),
        "If-Modified-Since": "" if begin else known.get("last-modified"),
    }
    agent = {"User-Agent": f"fmnist_fast/{__version__}", "Accept-Encoding": "identity"}
    headers = agent | {name: value for name, value in conditions.items() if value}
    with (
        _Session(url, plain) as session,
        session.get(url, headers=headers, stream=True, timeout=_TIMEOUTS) as response,
    ):
        start, found = _http_header(response, begin, known)
        if start and not _continues(found, known):  # the server ignores If-Range
            raise TransferError("the file has changed", again=True, restart=True)
        yield start, found
        read1 = response.raw.read1  # returns as soon as some bytes arrive
        while piece := read1(_PIECE_NBYTES, decode_content=False):
            yield piece


def _validator(version: Version) -> str:
    """Return the field with which a request can continue this version, or ""."""
    validator = version.get("etag") or version.get("last-modified", "")
    return "" if validator.startswith("W/") else validator


def _continues(found: Version, known: Version) -> bool:
    """Return whether a range with the fields `found` is of the known version.

    It must have the same ETag, and may omit the other fields.
    """
    may_be_omitted = {name: known[name] for name in known if name != "etag"}
    return known.items() <= (may_be_omitted | found).items()


def _http_header(
    response: requests.Response, begin: int, known: Version
) -> tuple[int, Version]:
    status, headers = response.status_code, response.headers
    if status == 304 and known and not begin:
        return 0, known
    size = headers.get("Content-Length", "")
    if status == 206 and begin:
        content_range = headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]+/([0-9]+|\*)", content_range)
        if match is None or int(match[1]) != begin:
            got = f"Content-Range must begin at byte {begin}, got {content_range!r:.80}"
            raise TransferError(got, again=True, restart=True)
        size = match[2]
    elif status == 416 and begin:
        raise TransferError(f"no bytes from {begin} on", again=True, restart=True)
    elif status != 200:
        message, after = f"HTTP {status} {responses.get(status, '')}".rstrip(), 0.0
        with contextlib.suppress(Exception):  # OverflowError for the year 10**10
            after = urllib3.Retry().parse_retry_after(headers.get("Retry-After", ""))
        if after := min(after, _MAX_AFTER):
            message += f"; the server asks to wait {after:.0f} s"
        again, missing = status in _TEMPORARY, status in _MISSING
        raise TransferError(message, again=again, missing=missing, after=after)
    version = {"size": size} if re.fullmatch("[0-9]{1,18}", size) else {}
    for name in ("etag", "last-modified"):
        value = headers.get(name, "")
        # Other values can't be sent back. A file that was modified in the second of the
        # response may change in the same second again (section 8.8.2.2).
        if re.fullmatch("[!-~][ -~]{0,999}", value) and value != headers.get("date"):
            version[name] = value
    return (begin if status == 206 else 0), version


def store_source(
    system: Any, path: str, begin: int, version: Version | None
) -> Generator[Any]:
    """Yield the position, the version and the bytes of a file in a file system."""

    def current() -> Version:
        system.invalidate_cache()  # of listings
        items = sorted(system.info(path).items())
        return {k: str(v) for k, v in items if k.lower() in _MARKS and v is not None}

    first = current()
    if first != version or first.keys() <= {"size"}:
        begin = 0
    yield begin, first
    with system.open(path, "rb", block_size=_REQUEST_NBYTES) as file:
        file.seek(begin)
        piece = file.read(_PIECE_NBYTES)
        while piece:
            following = file.read(_PIECE_NBYTES)
            if not following and current() != first:
                text = "the file changed while it was fetched"
                raise TransferError(text, again=True, restart=True)
            yield piece
            piece = following

"""Sources of bytes: http by requests, and all other URLs by fsspec.

A source is a generator. It yields a pair, the position at which it begins and the
version of the file, and then the bytes. The version has all fields that identify it,
also the size. A source is given the position to begin at, and a known version or None,
which stands for any version. It begins at 0 instead if it can't tell that the bytes are
of that version. At position 0 of the known version, the bytes may be left out.

Proxies, .netrc and CA bundles come from the environment. requests reads all these
variables except SSL_CERT_FILE and SSL_CERT_DIR. Range requests follow RFC 9110,
sections 13.1.5 and 14. Bytes are taken as sent, whatever Content-Encoding says.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from http.client import responses
from typing import Any

import requests
from requests.exceptions import InvalidURL
from requests.utils import get_auth_from_url
from urllib3 import Retry
from urllib3.exceptions import LocationValueError, ReadTimeoutError

from .._io.paths import shown
from .._io.progress import say
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
_TIMEOUT_ERRORS = (TimeoutError, requests.Timeout, ReadTimeoutError)
# A ValueError reports a bad URL, header or certificate.
_LASTING_ERRORS = (ValueError, FileNotFoundError, requests.TooManyRedirects)
# Keys, in lower case, of the fields that identify a version in a file system's info.
_MARKS = frozenset(
    "size etag last-modified lastmodified mtime created md5hash content-md5 generation "
    "versionid version_id checksum crc sha".split()
)

Version = dict[str, str]
Source = Callable[[int, Version | None], Generator[Any]]


@dataclass(eq=False)
class TransferError(Exception):
    """Failure to get a file from a source, and what may help."""

    message: str
    again: bool = False  # another try
    restart: bool = False  # a try from the first byte
    missing: bool = False  # nothing, since the source has no such file
    after: float = 0.0  # a wait of this many seconds


def limited(
    items: Generator[Any], url: str, seconds: float | None = None
) -> Generator[Any]:
    """Yield the items of a source, each in limited time, and raise TransferErrors.

    They are made in a thread, which may be abandoned: a socket's time-out restarts with
    every byte, and name lookups have none.
    """
    waiting = functools.partial(say, f"waiting for {shown(url)}")
    try:
        yield from in_thread(items, seconds or _PATIENCE_SECONDS, waiting)
    except Exception as error:  # a server may make a library raise anything
        raise _failure(error) from None


def _failure(error: Exception) -> TransferError:
    """Return the TransferError for an exception in a source."""
    if isinstance(error, TransferError):
        return error
    again, inner = True, error
    while isinstance(inner, Exception):
        if isinstance(inner, _TIMEOUT_ERRORS):
            return TransferError("no answer in time", again=True)
        again = again and not isinstance(inner, _LASTING_ERRORS)
        error, inner = inner, getattr(inner, "reason", (None, *inner.args)[-1])
    text = shown((str(error) or type(error).__name__)[:10_000])  # in quadratic time
    text = re.sub(r"\[(Errno|WinError) -?\d+\] ", "", text)
    if isinstance(error, (InvalidURL, LocationValueError)):  # it may have the password
        text = "the URL, or that of a proxy, is not valid"
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    missing = isinstance(error, FileNotFoundError)
    return TransferError(f"request failed: {text:.300}", again=again, missing=missing)


class _Refusal(requests.adapters.HTTPAdapter):
    """Adapter that sends no unencrypted requests."""

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> Any:
        """Refuse."""
        text = "is not encrypted; http requires a known SHA-256 of the file"
        raise TransferError(f"{shown(request.url)!r} {text}")


def _new_session(url: str, plain: bool) -> requests.Session:
    session = requests.Session()
    session.max_redirects = 10
    session.headers["User-Agent"] = f"fmnist_fast/{__version__}"
    session.headers["Accept-Encoding"] = "identity"
    session.hooks["response"] = [_close_redirect]
    auth = get_auth_from_url(url)  # before that of .netrc
    session.auth = auth if any(auth) else None
    # REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE still have priority.
    bundle = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
    session.verify = bundle or True
    if not plain:
        session.mount("http://", _Refusal())
    return session


def _close_redirect(response: requests.Response, **_: Any) -> None:
    if response.is_redirect:  # its body may be endless
        response.close()


def http_source(
    url: str, plain: bool, begin: int, version: Version | None
) -> Generator[Any]:
    """Yield the position, the version and the bytes of a file at an http URL.

    `plain` says whether unencrypted http is allowed, in the URL and after a redirect.
    """
    known = version or {}
    validator = known.get("etag") or known.get("last-modified", "")
    if begin and version is not None and (not validator or validator.startswith("W/")):
        begin, known, validator = 0, {}, ""  # weak ETags can't tell
    condition = "If-None-Match" if "etag" in known else "If-Modified-Since"
    headers = {"If-Range" if begin else condition: validator} if validator else {}
    if begin:
        headers["Range"] = f"bytes={begin}-"
    with (
        _new_session(url, plain) as session,
        session.get(url, headers=headers, stream=True, timeout=_TIMEOUTS) as response,
    ):
        start, found = _read_header(response, begin, known)
        rest = {name: known[name] for name in known if name != "etag"}  # may be missing
        if start and not known.items() <= (rest | found).items():
            # The server ignores If-Range.
            raise TransferError("the file has changed", again=True, restart=True)
        yield start, found
        read1 = response.raw.read1  # returns as soon as some bytes arrive
        while piece := read1(_PIECE_NBYTES, decode_content=False):
            yield piece


def _read_header(
    response: requests.Response, begin: int, known: Version
) -> tuple[int, Version]:
    """Return the position and the version of the bytes that follow."""
    status, headers = response.status_code, response.headers
    size, start = headers.get("Content-Length", ""), 0
    if status == 304 and known and not begin:
        return 0, known
    if begin and status in (206, 416):
        content_range = headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]+/([0-9]+|\*)", content_range)
        if status == 416 or match is None or int(match[1]) != begin:
            text = f"HTTP {status}, with no bytes from {begin} on"
            raise TransferError(text, again=True, restart=True)
        start, size = begin, match[2]
    elif status != 200:
        message, after = f"HTTP {status} {responses.get(status, '')}".rstrip(), 0.0
        with contextlib.suppress(Exception):  # OverflowError for the year 10**10
            after = Retry().parse_retry_after(headers.get("Retry-After", ""))
        if after := min(after, _MAX_AFTER):
            message += f"; the server asks to wait {after:.0f} s"
        again, missing = status in _TEMPORARY, status in _MISSING
        raise TransferError(message, again=again, missing=missing, after=after)
    version = {"size": size} if re.fullmatch("[0-9]{1,18}", size) else {}
    # Without a size, bytes that a broken connection cut off would be this version.
    has_end = start or version or response.raw.chunked
    for name in ("etag", "last-modified") if has_end else ():
        value = headers.get(name, "")
        # Other values can't be sent back. A file that was modified in the second of the
        # response may change in the same second again (section 8.8.2.2).
        if re.fullmatch("[!-~][ -~]{0,999}", value) and value != headers.get("date"):
            version[name] = value
    return start, version


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
        while piece := file.read(_PIECE_NBYTES):
            yield piece
    if current() != first:
        text = "the file changed while it was fetched"
        raise TransferError(text, again=True, restart=True)

"""Sources of bytes: http by requests, and all other URLs by fsspec.

A source is a generator. It yields a header, and then the file's bytes. It runs in a
thread that is abandoned if it takes too long: a socket's time-out restarts with every
byte, and name lookups have none.

Proxies, .netrc and CA bundles come from the environment. requests reads all these
variables except SSL_CERT_FILE and SSL_CERT_DIR. Range requests follow RFC 9110,
sections 13.1.5 and 14. Bytes are taken as sent, whatever Content-Encoding says.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import ssl
from collections.abc import Callable, Generator
from http.client import responses
from typing import Any, NamedTuple
from urllib.parse import urljoin

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
_MAX_REDIRECTS = 10
_MAX_AFTER = 21600.0  # seconds; a longer Retry-After means the same
_TEMPORARY = (408, 425, 429, 500, 502, 503, 504)  # another try may succeed after these
_MISSING = (403, 404, 410)  # stores that don't list their files answer 403
# urllib3 counts a refused connection as a time-out, too.
_TIMEOUT_ERRORS = (TimeoutError, requests.Timeout, urllib3.exceptions.ReadTimeoutError)
# A ValueError reports a bad URL, header or certificate.
_LASTING_ERRORS = (ValueError, FileNotFoundError)
# Keys, in lower case, of the fields that identify a version in a file system's info.
_MARKS = frozenset(
    "etag last-modified lastmodified mtime created md5hash content-md5 generation "
    "versionid version_id checksum".split()
)


class TransferError(Exception):
    """Failure to get a file from a source, and what may help."""

    def __init__(
        self,
        message: str,
        *,
        again: bool = False,  # another try
        restart: bool = False,  # a try from the first byte
        missing: bool = False,  # nothing, since the source has no such file
        after: float = 0.0,  # a wait of this many seconds
    ) -> None:
        super().__init__(message)
        self.again, self.restart = again, restart
        self.missing, self.after = missing, after


Version = dict[str, str]  # fields and their values


class Header(NamedTuple):
    """Description of a file, before the bytes from `begin` on."""

    begin: int
    total: int | None  # size of the file
    version: Version  # all that identifies this version
    validator: str  # with which a later request can continue it, or ""


# The arguments are the position to begin at if the validator, which follows, is valid,
# and a known version, whose bytes are not needed.
Source = Callable[[int, str, Version | None], Generator[Any]]


def limited(items: Generator[Any], seconds: float | None = None) -> Generator[Any]:
    """Yield the items of a source, each in limited time, and raise TransferErrors."""
    try:
        yield from in_thread(items, seconds or _PATIENCE_SECONDS)
    except Exception as error:  # a server may make a library raise anything
        raise _failure(error) from None


def _failure(error: BaseException) -> TransferError:
    """Return the TransferError for an exception in a source."""
    if isinstance(error, TransferError):
        return error
    missing, again, what = isinstance(error, FileNotFoundError), True, "request failed"
    inner: Any = error
    while isinstance(inner, BaseException):
        error = inner
        if isinstance(error, _TIMEOUT_ERRORS):
            return TransferError("no answer in time", again=True)
        again = again and not isinstance(error, _LASTING_ERRORS)
        inner = getattr(error, "reason", None) or (None, *error.args)[-1]
    if isinstance(error, ssl.SSLCertVerificationError):
        what = "certificate not trusted"
    text = str(error) or type(error).__name__
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        text = text.partition("): ")[2] or text  # without the connection's repr
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return TransferError(f"{what}: {shown(text):.300}", again=again, missing=missing)


def http_source(
    url: str, plain: bool, begin: int, validator: str, known: Version | None
) -> Generator[Any]:
    """Yield the header and the bytes of a file at an http URL.

    `plain` says whether unencrypted http is allowed, in the URL and after a redirect.
    """
    conditions = {
        "Range": f"bytes={begin}-" if begin else "",
        "If-Range": validator if begin else "",
        "If-None-Match": (known or {}).get("etag"),
        "If-Modified-Since": (known or {}).get("last-modified"),
    }
    agent = {"User-Agent": f"fmnist_fast/{__version__}", "Accept-Encoding": "identity"}
    headers = agent | {name: value for name, value in conditions.items() if value}
    with requests.Session() as session:
        # REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE still have priority.
        bundle = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
        session.verify = bundle or True
        for _ in range(_MAX_REDIRECTS + 1):
            _check_scheme(url, plain)
            with contextlib.closing(_get(session, url, headers)) as response:
                target = session.get_redirect_target(response)
                if target is None:
                    header = _http_header(response, begin, known)
                    is_other = header.validator not in ("", validator)
                    if header.begin and validator and is_other:  # no If-Range there
                        text = "the file has changed"
                        raise TransferError(text, again=True, restart=True)
                    yield header
                    read1 = response.raw.read1  # returns as soon as some bytes arrive
                    while header.version != known and (
                        piece := read1(_PIECE_NBYTES, decode_content=False)
                    ):
                        yield piece
                    return
            url = urljoin(url, target)
    raise TransferError(f"more than {_MAX_REDIRECTS} redirects")


def _check_scheme(url: str, plain: bool) -> None:
    scheme, name = url.partition(":")[0].lower(), repr(shown(url))
    if scheme == "http" and not plain:
        raise TransferError(
            f"{name} is not encrypted; http requires a known SHA-256 of the file"
        )
    if scheme not in ("http", "https"):
        raise TransferError(f"the scheme must be https or http, got {name}")


def _get(
    session: requests.Session, url: str, headers: dict[str, str]
) -> requests.Response:
    """Send a request. Session.get would read the body of a redirect to its end."""
    auth = get_auth_from_url(url)  # before that of .netrc
    request = requests.Request("GET", url, headers, auth=auth if any(auth) else None)
    prepared = session.prepare_request(request)
    url = str(prepared.url)
    settings = session.merge_environment_settings(url, {}, True, None, None)
    return session.get_adapter(url).send(prepared, timeout=_TIMEOUTS, **settings)


def _http_header(
    response: requests.Response, begin: int, known: Version | None
) -> Header:
    status, headers = response.status_code, response.headers
    if status == 304 and known:
        return Header(0, None, known, "")
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
    total = int(size) if version else None
    for name in ("etag", "last-modified"):
        value = headers.get(name, "")
        if re.fullmatch("[!-~][ -~]{0,999}", value):  # other values can't be sent back
            version[name] = value
    validator = version.get("etag") or version.get("last-modified", "")
    validator = "" if validator.startswith("W/") else validator
    return Header(begin if status == 206 else 0, total, version, validator)


def store_source(
    system: Any, path: str, begin: int, validator: str, known: Version | None
) -> Generator[Any]:
    """Yield the header and the bytes of a file in one of fsspec's file systems."""

    def header() -> Header:
        system.invalidate_cache()  # of listings
        info = system.info(path)
        marks = {k: str(v) for k, v in sorted(info.items()) if k.lower() in _MARKS}
        total = info.get("size")
        version = marks if total is None else marks | {"size": str(total)}
        return Header(0, total, version, json.dumps(version) if marks else "")

    first = header()
    begin = begin if validator and validator == first.validator else 0
    yield first._replace(begin=begin)
    if first.version == known:
        return
    with system.open(path, "rb", block_size=_REQUEST_NBYTES) as file:
        file.seek(begin)
        piece = file.read(_PIECE_NBYTES)
        while piece:
            following = file.read(_PIECE_NBYTES)
            if not following and header() != first:
                text = "the file changed while it was fetched"
                raise TransferError(text, again=True, restart=True)
            yield piece
            piece = following

"""One request over HTTP: its redirects, its time-outs, and the words for its failures.

Proxies, .netrc and CA bundles come from the environment: requests reads all variables
but SSL_CERT_FILE and SSL_CERT_DIR. What waits for the network runs in a thread that is
left behind when it takes too long: a socket's time-out starts anew with every byte, and
looking up a name has none.
"""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from types import TracebackType
from typing import Any
from urllib.parse import urljoin

import requests
import urllib3

from .._version import __version__

_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 30.0  # between two packets
_PATIENCE_SECONDS = 60.0  # from the request to the end of the header; for one read
_MAX_REDIRECTS = 10


class TransferError(Exception):
    """Why a URL gave no file.

    Attributes
    ----------
    again : bool
        Whether to ask once more may help.
    restart : bool
        Whether the partial file is not to be continued from this URL.
    after : float
        Seconds that the server asks to wait.
    """

    def __init__(
        self,
        message: str,
        *,
        again: bool = False,
        restart: bool = False,
        after: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.again = again
        self.restart = restart
        self.after = after


class Connection:
    """A GET request, a context manager.

    Parameters
    ----------
    plain : bool
        Whether unencrypted http is allowed, at first or by a redirect.
    """

    def __init__(self, *, plain: bool) -> None:
        self._plain = plain
        self._session = requests.Session()
        bundle = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
        if bundle:  # REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE still come first
            self._session.verify = bundle
        self._response: requests.Response | None = None
        self._asked: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def __enter__(self) -> Connection:
        threading.Thread(target=self._work, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._asked.put(None)  # the thread closes: it may still be reading

    def open(self, url: str, headers: dict[str, str]) -> requests.Response:
        """Ask for `url` and follow redirects; returns the header of the answer."""
        for _ in range(_MAX_REDIRECTS + 1):
            self._check_scheme(url)
            response = self._ask(functools.partial(self._send, url, headers))
            try:
                target = self._session.get_redirect_target(response)
                if target is None:
                    return response
                url = urljoin(url, target)
            except ValueError as error:
                raise TransferError(f"redirects to no URL: {error}") from None
        raise TransferError(f"redirects more than {_MAX_REDIRECTS} times")

    def read(self, nbytes: int) -> bytes:
        """At most `nbytes` of the body, as sent, as soon as some are there; or none."""
        assert self._response is not None  # only after open()
        raw = self._response.raw
        return self._ask(lambda: raw.read1(nbytes, decode_content=False)) or b""

    def _check_scheme(self, url: str) -> None:
        scheme = url.partition(":")[0].lower()
        if scheme == "https" or (scheme == "http" and self._plain):
            return
        if scheme == "http":
            raise TransferError(
                f"{url!r} is not encrypted, which is only allowed where the SHA-256 of "
                "the file is known"
            )
        raise TransferError(f"{url!r} is neither https nor http")

    def _send(self, url: str, headers: dict[str, str]) -> requests.Response:
        """In the thread: send the request and wait for the header."""
        if self._response is not None:
            self._response.close()
        agent = {"User-Agent": f"fmnist_fast/{__version__}"}
        request = self._session.prepare_request(
            requests.Request("GET", url, headers=agent | headers)
        )
        assert request.url is not None
        settings = self._session.merge_environment_settings(
            request.url, {}, True, None, None
        )
        # Session.send would read the body of a redirect to its end, which may not come.
        self._response = self._session.get_adapter(request.url).send(
            request, timeout=(_CONNECT_SECONDS, _SILENCE_SECONDS), **settings
        )
        return self._response

    def _ask(self, call: Callable[[], Any]) -> Any:
        """What `call` returns, run in the thread."""
        future: Future[Any] = Future()
        self._asked.put((future, call))
        try:
            return future.result(_PATIENCE_SECONDS)
        except (
            FutureTimeoutError,
            requests.Timeout,
            urllib3.exceptions.TimeoutError,
        ):
            raise TransferError("takes too long to answer", again=True) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            cause = _cause(error)
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise TransferError(f"is not trusted: {cause}") from None
            # Those that are also ValueErrors find fault with a URL or a header.
            again = not isinstance(error, ValueError)
            raise TransferError(f"fails: {cause}", again=again) from None
        except ValueError as error:
            raise TransferError(f"can't be asked for: {error}") from None
        finally:
            future.cancel()

    def _work(self) -> None:
        for future, call in iter(self._asked.get, None):
            # Nobody waits for the result of a cancelled one.
            with contextlib.suppress(InvalidStateError):
                try:
                    result = call()
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
        if self._response is not None:
            self._response.close()
        self._session.close()


def _cause(error: BaseException) -> BaseException:
    """The innermost of the exceptions that `error` is wrapped around."""
    while True:
        inner = getattr(error, "reason", None) or (error.args or ("",))[-1]
        if not isinstance(inner, BaseException):
            return error
        error = inner

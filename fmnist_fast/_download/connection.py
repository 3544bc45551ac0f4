"""Send one HTTP GET request, follow its redirects, and limit the time that it takes.

Proxies, .netrc and CA bundles come from the environment. requests reads all these
variables except SSL_CERT_FILE and SSL_CERT_DIR, which this module reads.

Calls that wait for the network run in a thread. A call that takes too long is abandoned
with its thread: a socket's time-out restarts with every byte, and a name lookup has no
time-out. If no thread can start, the calling thread waits, for as long as this takes.
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

from .._io.threads import start_all
from .._version import __version__

_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 30.0  # between two packets
_PATIENCE_SECONDS = 60.0  # from the request to the end of the header, and for one read
_MAX_REDIRECTS = 10


class TransferError(Exception):
    """Failure to get a file from a URL.

    Attributes
    ----------
    again : bool
        Whether another try may succeed.
    restart : bool
        Whether the next try must start from the first byte, because this URL can't
        continue the partial file.
    after : float
        Seconds that the server asks the client to wait, at least 0.
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
    """A GET request, as a context manager.

    Parameters
    ----------
    plain : bool
        Whether unencrypted http is allowed, in the first URL and after a redirect.
    """

    def __init__(self, *, plain: bool) -> None:
        self._plain = plain
        self._session = requests.Session()
        bundle = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
        if bundle:  # REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE still have priority
            self._session.verify = bundle
        self._response: requests.Response | None = None
        self._calls: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def __enter__(self) -> Connection:
        """Start the thread that waits for the network."""
        thread = threading.Thread(target=self._work, daemon=True)
        self._has_thread = start_all([thread]) == 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Tell the thread to close the connection and to end."""
        self._calls.put(None)  # the thread closes it, because it may still be reading
        if not self._has_thread:
            self._work()

    def open(self, url: str, headers: dict[str, str]) -> requests.Response:
        """Request `url`, follow its redirects, and return the header of the answer."""
        for _ in range(_MAX_REDIRECTS + 1):
            self._check_scheme(url)
            response = self._run(functools.partial(self._send, url, headers))
            try:
                target = self._session.get_redirect_target(response)
                if target is None:
                    return response
                url = urljoin(url, target)
            except ValueError as error:
                raise TransferError(f"redirect to an invalid URL: {error}") from None
        raise TransferError(f"more than {_MAX_REDIRECTS} redirects")

    def read(self, nbytes: int) -> bytes:
        """Return the next bytes of the body as sent, at most `nbytes`.

        The call returns as soon as some bytes arrive. It returns b"" at the end.
        """
        assert self._response is not None  # open() is called first
        raw = self._response.raw
        return self._run(lambda: raw.read1(nbytes, decode_content=False)) or b""

    def _check_scheme(self, url: str) -> None:
        scheme = url.partition(":")[0].lower()
        if scheme == "https" or (scheme == "http" and self._plain):
            return
        if scheme == "http":
            raise TransferError(
                f"{url!r} is not encrypted; http requires a known SHA-256 of the file"
            )
        raise TransferError(f"the scheme must be https or http, got {url!r}")

    def _send(self, url: str, headers: dict[str, str]) -> requests.Response:
        """Send the request and wait for the header, in the thread."""
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

    def _run(self, call: Callable[[], Any]) -> Any:
        """Run `call` in the thread and return its result."""
        future: Future[Any] = Future()
        self._calls.put((future, call))
        if not self._has_thread:
            self._calls.put(None)
            self._make_calls()
        try:
            return future.result(_PATIENCE_SECONDS)
        except (
            FutureTimeoutError,
            requests.Timeout,
            urllib3.exceptions.TimeoutError,
        ):
            raise TransferError("no answer in time", again=True) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            cause = _cause(error)
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise TransferError(f"certificate not trusted: {cause}") from None
            # An exception that is also a ValueError reports a bad URL or header, and
            # another try does not help.
            again = not isinstance(error, ValueError)
            text = str(cause)
            if isinstance(cause, urllib3.exceptions.NewConnectionError):
                text = text.partition("): ")[2] or text  # without the connection's repr
            raise TransferError(f"request failed: {text}", again=again) from None
        except ValueError as error:
            raise TransferError(f"invalid request: {error}") from None
        finally:
            future.cancel()

    def _work(self) -> None:
        self._make_calls()
        if self._response is not None:
            self._response.close()
        self._session.close()

    def _make_calls(self) -> None:
        """Make the calls that arrive until a None arrives."""
        for future, call in iter(self._calls.get, None):
            # A canceled future takes no result, and nobody waits for it.
            with contextlib.suppress(InvalidStateError):
                try:
                    result = call()
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)


def _cause(error: BaseException) -> BaseException:
    """Return the innermost exception that `error` wraps, or `error` itself."""
    while True:
        inner = getattr(error, "reason", None) or (error.args or ("",))[-1]
        if not isinstance(inner, BaseException):
            return error
        error = inner

"""Servers that send anything: the next mirror is asked, or the error is documented."""

import gc
import gzip
import hashlib
import random
import socket
import threading
import time

import pytest
from helpers.loopback import require_loopback
from helpers.server import content, respond, status
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnist_fast._download import sources, transfer, urls
from fmnist_fast._download.fetch import fetch
from fmnist_fast._io import threads
from fmnist_fast._registry.spec import PublishedFile
from fmnist_fast.errors import DownloadError

BODY = random.Random(0).randbytes(5000)
OK = b"HTTP/1.1 200 OK\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\n"
FOUND = b"HTTP/1.1 302 Found\r\n"

# urllib3 leaves a socket to the garbage collector if a header is invalid.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning"
)


@pytest.fixture(scope="module")
def raw():
    """Return a server that sends the bytes `raw.answer` to all who connect."""
    with Raw() as server:
        yield server
    gc.collect()


class Raw:
    """A server on 127.0.0.1 that sends any bytes, and then closes the connection."""

    def __init__(self):
        require_loopback()
        self.answer, self.n_asked, self.is_endless = b"", 0, False
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/file"

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.is_endless = False
        self._socket.close()

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._send, args=(connection,)).start()

    def _send(self, connection):
        self.n_asked += 1
        answer = self.answer
        with connection:
            try:
                connection.settimeout(5)
                connection.recv(65536)
                connection.sendall(answer)
                while self.is_endless:
                    connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except OSError:
                pass  # clients may hang up


@pytest.fixture(autouse=True)
def quick(no_proxies, monkeypatch, tmp_path):
    monkeypatch.setattr(transfer, "_BACKOFF_SECONDS", 0)
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def good(http):
    """Return the URL of the file at an honest server."""
    return http.serve("/file", content(BODY))


def check(raw, good, folder, answer):
    """Check that the file comes from the second mirror, or is right, or a copy fails.

    Other exceptions than DownloadError and FileNotFoundError fail the test.
    """
    raw.answer = answer
    sha256 = hashlib.sha256(BODY).hexdigest()
    file = PublishedFile("file", (raw.url, good), sha256, nbytes=len(BODY))
    [path] = fetch([file], folder)
    assert path.read_bytes() == BODY
    path.unlink()
    n_asked = raw.n_asked
    try:
        urls.fetch(raw.url)
    except (DownloadError, FileNotFoundError) as error:
        assert raw.url in str(error) and str(error).isprintable()
    assert raw.n_asked > n_asked


HEADERS = [
    b"Retry-After: Wed, 21 Oct 99999999999 07:28:00 GMT",
    b"Retry-After: Wed, 21 Oct 2015 07:28:00 +99999999999999",
    b"Retry-After: -5",
    b"Retry-After: nan",
    b"Retry-After: 1e999",
    b"Retry-After: \x00",
    b"Retry-After: " + b"9" * 5000,
    b"Retry-After: " + b"9" * 400,
    b"Retry-After: \xff\xfe",
    b"Retry-After: 0\r\n 1",
    b"Content-Length: -1",
    b"Content-Length: 5000, 5001",
    b"Content-Length: " + b"9" * 5000,
    b"Content-Length: 0x10",
    b"Content-Length: \xb2",
    b"Content-Range: bytes 0-4999/" + b"9" * 19,
    b"Content-Encoding: gzip",
    b"Content-Encoding: " + b"gzip, " * 500,
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Content-Type: multipart/byteranges; boundary=x",
    b"Location: http://[1",
    b"Location: http://127.0.0.1:99999999999/",
    b"Location: http://127.0.0.1:-1/",
    b"Location: gopher://x",
    b"Location: http://user:pass@127.0.0.1:1/\x00",
    b"Location: http://\xc3\xa9\xff/",
    b"Location: //",
    b"Location: http://a" + b".a" * 300,
    b"Location: \x00",
    b"Location: " + b"x" * 60000,
    b"ETag: \x00\x1b[31m",
    b'ETag: "1"\r\n "2"',
    b"Last-Modified: \xff",
    b"Set-Cookie: a=b; expires=Wed, 99 Oct 99999999999",
    b"Set-Cookie: \x00=\xff; max-age=" + b"9" * 500,
    b"WWW-Authenticate: Digest \x00",
    b": empty",
    b"no colon",
    b" folded",
    b"\x00",
    b"X: " + b"x" * 70000,
    b"\r\n".join([b"X: y"] * 300),
]
BODIES = [
    BODY,
    b"",
    BODY[:2000],
    BODY * 2,
    gzip.compress(BODY),
    b"ffffffffffffffffffffff\r\nabc",
    b"-5\r\nabc\r\n",
    b"zz\r\n\r\n",
    b"5\r\nabcde\r\n0\r\n" + b"A: b\r\n" * 200,
    b"\x00" * 100,
]
STATUS_LINES = [
    *(f"HTTP/1.1 {code} X".encode() for code in (200, 201, 204, 206, 301, 302, 304)),
    *(f"HTTP/1.1 {code} X".encode() for code in (307, 400, 401, 404, 407, 408, 410)),
    *(f"HTTP/1.1 {code} X".encode() for code in (416, 429, 500, 503, 599, 999, 1000)),
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
    b"HTTP/9.9 200 OK",
    b"HTTP/1.1 -1 X",
    b"HTTP/1.1 \xb2\xb2\xb2 X",
    b"HTTP/1.1 200 \x1b[31m" + b"x" * 1000,
    b"ICY 200 OK",
    b"",
    b"\x16\x03\x01\x02\x00",
]


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: repr(header)[:40])
def test_headers(raw, good, tmp_path, header):
    for line in (OK, BUSY, FOUND):
        check(raw, good, tmp_path, line + header + b"\r\n\r\n" + BODY)


@pytest.mark.parametrize("line", STATUS_LINES, ids=lambda line: repr(line)[:40])
def test_status_lines(raw, good, tmp_path, line):
    check(raw, good, tmp_path, line + b"\r\nContent-Length: 5000\r\n\r\n" + BODY)


@settings(max_examples=60)
@given(
    line=st.sampled_from(STATUS_LINES),
    headers=st.lists(st.sampled_from(HEADERS) | st.binary(max_size=40), max_size=4),
    body=st.sampled_from(BODIES) | st.binary(max_size=100),
)
def test_any_answer(raw, good, tmp_path, line, headers, body):
    check(raw, good, tmp_path, b"\r\n".join([line, *headers, b"", body]))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early\r\nA: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000,
    ],
)
def test_a_header_that_never_ends(raw, good, tmp_path, monkeypatch, answer):
    """The thread that reads it ends, too."""
    monkeypatch.setattr(sources, "_PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(transfer, "_TRIES", 1)
    raw.is_endless = True
    try:
        check(raw, good, tmp_path, answer)
        name = threads._make_items.__name__
        for thread in [t for t in threading.enumerate() if name in t.name]:
            thread.join(5)
            assert not thread.is_alive()
    finally:
        raw.is_endless = False


def test_a_gzip_bomb_stays_small(http):
    bomb = gzip.compress(bytes(50_000_000), 9)
    url = http.serve("/bomb.gz", content(bomb, Content_Encoding="gzip"))
    copy = urls.fetch(url)
    assert copy.stat().st_size == len(bomb) and copy.read_bytes() == bomb


def test_a_file_at_a_url_that_is_too_large(http, monkeypatch, tmp_path):
    """It is refused by its header, and the message says what helps."""
    monkeypatch.setenv("FMNIST_FAST_MAX_DOWNLOAD_GB", "0.001")
    url = http.serve("/file", respond(200, {"Content-Length": "1000001"}, [BODY]))
    begin = time.monotonic()
    message = (
        r"at most 1000000 bytes, got 1000001 .*\nSet FMNIST_FAST_MAX_DOWNLOAD_GB to"
    )
    with pytest.raises(DownloadError, match=message):
        urls.fetch(url)
    assert time.monotonic() - begin < 5 and len(http.asked) == 1
    assert not list((tmp_path / "cache").glob("remote/*/*"))
    monkeypatch.setenv("FMNIST_FAST_MAX_DOWNLOAD_GB", "0.002")
    http.serve("/file", content(bytes(1_000_001)))
    assert urls.fetch(url).stat().st_size == 1_000_001


def test_a_slow_honest_server_is_waited_for(http, monkeypatch):
    """Six minutes, simulated: twelve intervals, and a longer time than any limit."""
    monkeypatch.setattr(sources, "_PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(sources, "_TIMEOUTS", (1, 0.3))
    monkeypatch.setattr(transfer, "_INTERVAL_SECONDS", 0.1)

    def slowly(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(BODY)))
        handler.end_headers()
        for i in range(0, len(BODY), 200):
            handler.wfile.write(BODY[i : i + 200])
            time.sleep(0.05)

    assert urls.fetch(http.serve("/file", slowly)).read_bytes() == BODY
    assert len(http.asked) == 1


def test_a_stall_is_reported_and_the_copy_is_resumed(http, monkeypatch, capsys):
    monkeypatch.setattr(sources, "_TIMEOUTS", (1, 0.2))
    stalled = content(BODY, cut=2000, hang=True, etag='"1"')
    url = http.serve("/file", stalled, content(BODY, etag='"1"'))
    assert urls.fetch(url).read_bytes() == BODY
    assert http.ranges() == [None, "bytes=2000-"]
    assert f"{url}: no answer in time; trying again" in capsys.readouterr().err


def test_an_interrupted_copy_is_resumed_by_the_next_call(http):
    broken = content(BODY, cut=2000, etag='"1"')
    url = http.serve("/file", broken, status(404), content(BODY, etag='"1"'))
    with pytest.raises(FileNotFoundError, match="HTTP 404"):
        urls.fetch(url)
    assert urls.fetch(url).read_bytes() == BODY
    assert http.ranges() == [None, "bytes=2000-", "bytes=2000-"]


def test_a_copy_without_a_validator_begins_again(http):
    url = http.serve("/file", content(b"x" * 5000, cut=2000), content(BODY))
    assert urls.fetch(url).read_bytes() == BODY
    assert http.ranges() == [None, None]


def test_a_server_that_ignores_if_range_does_not_mix_versions(http):
    old = content(b"x" * 5000, cut=2000, etag='"1"')
    headers = {"Content-Range": "bytes 2000-4999/5000", "ETag": '"2"'}
    mixed, new = respond(206, headers, [BODY[2000:]]), content(BODY, etag='"2"')
    assert urls.fetch(http.serve("/file", old, mixed, new)).read_bytes() == BODY
    assert http.ranges() == [None, "bytes=2000-", None]


@pytest.mark.parametrize(
    "answer, reason",
    [
        (respond(206, {"ETag": '"1"'}, [BODY]), "HTTP 206, with no bytes from 2000 on"),
        (status(416), "HTTP 416, with no bytes from 2000 on"),
        (
            respond(206, {"Content-Range": "bytes 2000-4999/5000"}, [BODY[2000:]]),
            "the file has changed",
        ),
        (respond(200, {}, []), "no bytes arrived"),
    ],
)
def test_reasons_of_another_try_are_shown(http, capsys, answer, reason):
    first = content(BODY, cut=2000, etag='"1"')
    url = http.serve("/file", first, answer, content(BODY, etag='"1"'))
    assert urls.fetch(url).read_bytes() == BODY
    assert f"{url}: {reason}; trying again in " in capsys.readouterr().err

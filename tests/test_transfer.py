"""Download of one URL to a partial file: ranges, sizes, errors and slow servers."""

import contextlib
import errno
import hashlib
import io
import os
import random
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
import tqdm
from helpers.server import content, respond, status

from fmnist_fast._download import connection, transfer
from fmnist_fast._download.connection import TransferError
from fmnist_fast._download.transfer import Downloader
from fmnist_fast._registry.spec import PublishedFile

N = 256_000
BODY = random.Random(0).randbytes(N)


@pytest.fixture
def download(tmp_path):
    """Return a function that downloads a URL as pooch does.

    It returns the bytes of the file, and the downloader.
    """

    def download(url, nbytes=N, *, resume=True):
        sha256 = hashlib.sha256(BODY).hexdigest()
        file = PublishedFile("a", (url,), sha256=sha256, nbytes=nbytes)
        with tqdm.tqdm(disable=True) as bar:
            downloader = Downloader(file, tmp_path / "part", bar, resume=resume)
            downloader(url, str(tmp_path / "out"), None)
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        return (tmp_path / "out").read_bytes(), downloader

    return download


def begin_part(tmp_path, n=1000, url="", validator=""):
    """Write the first n bytes to the partial file, and where they come from."""
    (tmp_path / "part").write_bytes(BODY[:n])
    if url:
        (tmp_path / "part.from").write_text(f"{url}\n{validator}")


# ---- whole files ------------------------------------------------------------------


@pytest.mark.parametrize("nbytes", [N, None])
def test_a_file(http, download, nbytes):
    body, downloader = download(http.serve("/a", content(BODY)), nbytes)
    assert body == BODY and not downloader.resumed
    assert http.ranges() == [None]
    assert http.asked[0][1]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("nbytes", [N, None])
def test_a_file_without_a_length(http, download, nbytes):
    url = http.serve("/a", respond(200, {}, [BODY[:1000], BODY[1000:]]))
    assert download(url, nbytes)[0] == BODY


def test_an_empty_file(http, download):
    assert download(http.serve("/a", content(b"")), None)[0] == b""


def test_bytes_are_on_disk_before_the_file_is_renamed(http, download, monkeypatch):
    calls, replace = [], os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append("sync"))
    monkeypatch.setattr(
        os, "replace", lambda *names: (calls.append("rename"), replace(*names))
    )
    download(http.serve("/a", content(BODY)))
    assert calls == ["sync", "rename"]


# ---- ranges -----------------------------------------------------------------------


@pytest.mark.parametrize("nbytes", [N, None])
def test_a_partial_file_is_continued(http, download, tmp_path, nbytes):
    begin_part(tmp_path)
    body, downloader = download(http.serve("/a", content(BODY)), nbytes)
    assert body == BODY and downloader.resumed
    assert http.ranges() == ["bytes=1000-"]


def test_an_interrupted_download_is_continued(http, download):
    url = http.serve("/a", content(BODY, cut=70_000), content(BODY))
    with pytest.raises(TransferError, match=r"failed: .*bytes read") as caught:
        download(url)
    assert caught.value.again and not caught.value.restart
    assert download(url)[0] == BODY
    assert http.ranges() == [None, "bytes=70000-"]


def test_an_interrupted_download_without_a_length_is_continued(http, download):
    url = http.serve("/a", respond(200, {}, [BODY[:70_000]]), content(BODY))
    with pytest.raises(TransferError, match=f"only 70000 of {N} bytes") as caught:
        download(url)
    assert caught.value.again
    assert download(url)[0] == BODY


def test_a_complete_partial_file_needs_no_server(download, tmp_path, no_proxies):
    begin_part(tmp_path, N)
    body, downloader = download("http://127.0.0.1:9/a")
    assert body == BODY and downloader.resumed


def test_a_server_without_ranges_sends_all(http, download, tmp_path):
    begin_part(tmp_path)
    body, downloader = download(http.serve("/a", content(BODY, ranges=False)))
    assert body == BODY and not downloader.resumed


def test_a_partial_file_is_not_continued_with_resume_false(http, download, tmp_path):
    begin_part(tmp_path)
    body, downloader = download(http.serve("/a", content(BODY)), resume=False)
    assert body == BODY and not downloader.resumed
    assert http.ranges() == [None]


@pytest.mark.parametrize(
    "headers, validator",
    [
        ({"ETag": '"a"'}, '"a"'),
        ({"ETag": '"a"', "Last-Modified": "yesterday"}, '"a"'),
        ({"ETag": 'W/"a"', "Last-Modified": "yesterday"}, None),
        ({"Last-Modified": "yesterday"}, "yesterday"),
        ({}, None),
    ],
)
def test_the_same_version_is_requested_again(http, download, headers, validator):
    url = http.serve("/a", content(BODY, cut=1000, **headers), content(BODY, **headers))
    with pytest.raises(TransferError, match="bytes read"):
        download(url)
    with contextlib.suppress(TransferError):
        download(url)
    assert http.ranges() == [None, "bytes=1000-"]
    assert http.asked[1][1].get("If-Range") == validator


def test_a_new_version_is_downloaded_from_the_start(http, download):
    old = content(b"x" * N, cut=1000, etag='"a"')
    url = http.serve("/a", old, content(BODY, etag='"b"'))
    with pytest.raises(TransferError, match="bytes read"):
        download(url)
    body, downloader = download(url)
    assert body == BODY and not downloader.resumed


def test_another_mirror_is_not_asked_for_the_version(http, download, tmp_path):
    begin_part(tmp_path, 1000, "https://elsewhere/a", '"a"')
    assert download(http.serve("/a", content(BODY, etag='"b"')))[0] == BODY
    assert "If-Range" not in http.asked[0][1]
    assert http.ranges() == ["bytes=1000-"]


def test_an_unreadable_origin_of_a_partial_file_is_ignored(http, download, tmp_path):
    begin_part(tmp_path)
    (tmp_path / "part.from").write_bytes(b"\xff\xfe")
    assert download(http.serve("/a", content(BODY)))[0] == BODY


@pytest.mark.parametrize(
    "content_range",
    [
        None,
        "",
        f"bytes 0-{N - 1}/{N}",
        f"bytes 999-{N - 1}/{N}",
        f"bytes 1001-{N - 1}/{N}",
        "bytes */10",
        "1000",
        f"bytes {'9' * 5000}-1/2",
    ],
)
def test_wrong_ranges_are_refused(http, download, tmp_path, content_range):
    begin_part(tmp_path)
    headers = {} if content_range is None else {"Content-Range": content_range}
    url = http.serve("/a", respond(206, headers, [BODY]))
    message = "Content-Range must begin at byte 1000, got '"
    with pytest.raises(TransferError, match=message) as caught:
        download(url)
    assert caught.value.again and caught.value.restart
    assert (tmp_path / "part").read_bytes() == BODY[:1000]


def test_a_range_of_unknown_total(http, download, tmp_path):
    begin_part(tmp_path)
    headers = {"Content-Range": f"bytes 1000-{N - 1}/*"}
    assert download(http.serve("/a", respond(206, headers, [BODY[1000:]])))[0] == BODY


def test_a_range_that_is_too_short_is_continued(http, download, tmp_path):
    begin_part(tmp_path)
    headers = {"Content-Range": f"bytes 1000-1999/{N}", "Content-Length": "1000"}
    short = respond(206, headers, [BODY[1000:2000]])
    url = http.serve("/a", short, content(BODY))
    with pytest.raises(TransferError, match=f"only 2000 of {N} bytes"):
        download(url)
    assert download(url)[0] == BODY
    assert http.ranges() == ["bytes=1000-", "bytes=2000-"]


def test_a_partial_file_that_is_too_long(http, download, tmp_path):
    begin_part(tmp_path)
    url = http.serve("/a", content(BODY[:500]))
    with pytest.raises(TransferError, match="no bytes from 1000 on") as caught:
        download(url, None)
    assert caught.value.again and caught.value.restart


def test_a_range_without_a_request_for_it(http, download):
    headers = {"Content-Range": f"bytes 0-{N - 1}/{N}"}
    url = http.serve("/a", respond(206, headers, [BODY]))
    with pytest.raises(TransferError, match="HTTP 206 Partial Content") as caught:
        download(url)
    assert not caught.value.again


# ---- sizes ------------------------------------------------------------------------


@pytest.mark.parametrize("size", [N - 1, N + 1, 0])
def test_another_size_is_refused_by_the_header(http, download, tmp_path, size):
    url = http.serve("/a", content(b"x" * size))
    with pytest.raises(
        TransferError, match=f"must have {N} bytes, got {size}"
    ) as caught:
        download(url)
    assert not caught.value.again and not list(tmp_path.iterdir())


def test_a_range_of_another_size_is_refused(http, download, tmp_path):
    begin_part(tmp_path)
    url = http.serve("/a", content(BODY + b"x"))
    with pytest.raises(TransferError, match=f"must have {N} bytes, got {N + 1}"):
        download(url)


def test_an_unknown_size_has_a_limit(http, download, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "_MAX_NBYTES", N)
    assert download(http.serve("/a", content(BODY)), None)[0] == BODY
    (tmp_path / "out").unlink()
    url = http.serve("/b", content(BODY + b"x"))
    with pytest.raises(
        TransferError, match=f"at most {N} bytes, got {N + 1}"
    ) as caught:
        download(url, None)
    assert not caught.value.again


@pytest.mark.parametrize("begin", [0, 1000])
def test_an_endless_file_of_unknown_size(http, download, tmp_path, monkeypatch, begin):
    monkeypatch.setattr(transfer, "_MAX_NBYTES", N)
    begin_part(tmp_path, begin)
    headers = {"Content-Range": f"bytes {begin}-{N}/*"} if begin else {}
    endless = respond(206 if begin else 200, headers, iter(lambda: b"x" * 1000, None))
    with pytest.raises(TransferError, match=f"more than {N} bytes were sent") as caught:
        download(http.serve("/a", endless), None)
    assert not caught.value.again and not list(tmp_path.iterdir())


def test_an_endless_file_is_read_to_its_known_size(http, download):
    endless = respond(200, {}, iter(lambda: b"x" * 1000, None))
    assert download(http.serve("/a", endless))[0] == b"x" * N


def test_a_length_that_is_no_number(http, download):
    url = http.serve("/a", respond(200, {"Content-Length": "many"}, [BODY]))
    assert download(url)[0] == BODY


# ---- answers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "code, reason, again",
    [
        (204, " No Content", False),
        (304, " Not Modified", False),
        (403, " Forbidden", False),
        (404, " Not Found", False),
        (408, " Request Timeout", True),
        (429, " Too Many Requests", True),
        (500, " Internal Server Error", True),
        (503, " Service Unavailable", True),
        (599, "", False),
    ],
)
def test_http_errors(http, download, tmp_path, code, reason, again):
    begin_part(tmp_path)
    with pytest.raises(TransferError, match=f"^HTTP {code}{reason}$") as caught:
        download(http.serve("/a", status(code)))
    assert caught.value.again is again and caught.value.after == 0
    assert (tmp_path / "part").read_bytes() == BODY[:1000]


@pytest.mark.parametrize(
    "value, seconds",
    [
        ("7", 7),
        ("0", 0),
        ("-7", 0),
        ("soon", 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2015 07:28:00", 0),
        ("9" * 5000, 0),
    ],
)
def test_seconds_to_wait(http, download, value, seconds):
    url = http.serve("/a", status(503, **{"Retry-After": value}))
    words = f"; the server asks to wait {seconds} s" if seconds else ""
    with pytest.raises(TransferError, match=f"Unavailable{words}$") as caught:
        download(url)
    assert caught.value.after == seconds


def test_date_to_wait_for(http, download):
    date = datetime.now(timezone.utc) + timedelta(seconds=100)
    value = format_datetime(date, usegmt=True)
    with pytest.raises(TransferError, match="Unavailable; the server asks") as caught:
        download(http.serve("/a", status(503, **{"Retry-After": value})))
    assert 90 < caught.value.after <= 100


# ---- slow servers and full disks --------------------------------------------------


def drip(handler):
    """Send the headers, then one byte every 10 ms."""
    respond(200, {"Content-Length": str(N)}, [])(handler)
    for i in range(N):
        if handler.server_stopping.wait(0.01):
            return
        handler.wfile.write(BODY[i : i + 1])


def test_a_server_that_sends_single_bytes(http, download, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "_INTERVAL_SECONDS", 0.2)
    with pytest.raises(TransferError, match=r"only [0-9]+ bytes a second") as caught:
        download(http.serve("/a", drip))
    assert caught.value.again
    part = (tmp_path / "part").read_bytes()
    assert part and part == BODY[: len(part)]


def test_a_slow_server_is_accepted(http, download, monkeypatch):
    monkeypatch.setattr(transfer, "_INTERVAL_SECONDS", 0.05)

    def slow(handler):
        respond(200, {"Content-Length": str(N)}, [])(handler)
        for i in range(0, N, N // 16):
            handler.wfile.write(BODY[i : i + N // 16])
            handler.server_stopping.wait(0.01)

    assert download(http.serve("/a", slow))[0] == BODY


def test_a_timeout_keeps_the_partial_file(http, download, tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "_SILENCE_SECONDS", 0.1)
    with pytest.raises(TransferError, match="no answer in time") as caught:
        download(http.serve("/a", content(BODY, cut=1000, hang=True)))
    assert caught.value.again
    assert (tmp_path / "part").read_bytes() == BODY[:1000]


def test_a_full_disk_is_reported_as_such(http, download, tmp_path, monkeypatch):
    class Full(io.FileIO):
        def write(self, piece):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(transfer, "open", Full, raising=False)
    with pytest.raises(OSError, match=r"No space left on device: '.*part'"):
        download(http.serve("/a", content(BODY)))
    assert not (tmp_path / "out").exists()

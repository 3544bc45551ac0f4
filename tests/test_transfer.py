"""Transfer of a file into its staging folder: ranges, sizes, errors, slow servers."""

import errno
import functools
import json
import os
import random
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from helpers.server import content, respond, status

from fmnist_fast._download import sources, transfer
from fmnist_fast._download.sources import TransferError, http_source

N = 256_000
BODY = random.Random(0).randbytes(N)


@pytest.fixture(autouse=True)
def once(monkeypatch):
    """Try each source only once."""
    monkeypatch.setattr(transfer, "_TRIES", 1)
    monkeypatch.setattr(transfer, "_BACKOFF_SECONDS", 0)


@pytest.fixture
def twice(once, monkeypatch):
    """Try each source twice."""
    monkeypatch.setattr(transfer, "_TRIES", 2)


@pytest.fixture
def folder(tmp_path):
    """Return the folder for the downloaded file, as a process left it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


@pytest.fixture
def download(folder):
    """Return a function that downloads a URL as `fetch` does, and returns the bytes."""

    def download(url, nbytes=N, *, check=lambda part: ""):
        source = functools.partial(http_source, url, True)
        path = folder / "a"
        with transfer.transfer(path, 0o600, nbytes, check) as running:
            running.receive(url, source).publish(path)
        assert [path.name for path in folder.iterdir()] == ["a"]
        return (folder / "a").read_bytes()

    return download


def part_of(folder):
    """Return the path of the only part in the folder."""
    [part] = folder.glob(".a.*.fetching/part")
    return part


def begin_part(folder, n=1000, etag=""):
    """Leave the first n bytes in a staging folder, and their version."""
    staging = folder / ".a.0123456789abcdef.fetching"
    staging.mkdir(mode=0o700)
    (staging / "part").write_bytes(BODY[:n])
    (staging / "note").write_text(json.dumps({"version": {"etag": etag}}))


# ---- whole files ------------------------------------------------------------------


@pytest.mark.parametrize("nbytes", [N, None])
def test_a_file(http, download, nbytes):
    body = download(http.serve("/a", content(BODY)), nbytes)
    assert body == BODY
    assert http.ranges() == [None]
    assert http.asked[0][1]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("nbytes", [N, None])
def test_a_file_without_a_length(http, download, nbytes):
    url = http.serve("/a", respond(200, {}, [BODY[:1000], BODY[1000:]]))
    assert download(url, nbytes) == BODY


def test_an_empty_file(http, download):
    assert download(http.serve("/a", content(b"")), None) == b""


def test_bytes_are_on_disk_before_the_file_is_renamed(http, download, monkeypatch):
    calls, replace = [], os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append("sync"))
    monkeypatch.setattr(
        os,
        "replace",
        lambda *names, **_: (calls.append("rename"), replace(*names, **_)),
    )
    download(http.serve("/a", content(BODY)))
    assert calls[:2] == ["sync", "rename"]


# ---- ranges -----------------------------------------------------------------------


@pytest.mark.parametrize("nbytes", [N, None])
def test_a_partial_file_is_continued(http, download, folder, nbytes):
    begin_part(folder)
    body = download(http.serve("/a", content(BODY)), nbytes)
    assert body == BODY
    assert http.ranges() == ["bytes=1000-"]


def test_an_interrupted_download_is_continued(http, download):
    url = http.serve("/a", content(BODY, cut=70_000), content(BODY))
    with pytest.raises(TransferError, match=r"failed: .*bytes read") as caught:
        download(url)
    assert caught.value.again
    assert download(url) == BODY
    assert http.ranges() == [None, "bytes=70000-"]


def test_an_interrupted_download_without_a_length_is_continued(http, download):
    url = http.serve("/a", respond(200, {}, [BODY[:70_000]]), content(BODY))
    with pytest.raises(TransferError, match=f"only 70000 of {N} bytes") as caught:
        download(url)
    assert caught.value.again
    assert download(url) == BODY


def test_a_complete_partial_file_needs_no_server(download, folder, no_proxies):
    begin_part(folder, N)
    body = download("http://127.0.0.1:9/a")
    assert body == BODY


def test_a_server_without_ranges_sends_all(http, download, folder):
    begin_part(folder)
    body = download(http.serve("/a", content(BODY, ranges=False)))
    assert body == BODY


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
        download(url, check=None)
    assert download(url, check=None) == BODY
    assert http.ranges() == [None, "bytes=1000-" if validator else None]
    assert http.asked[1][1].get("If-Range") == validator


def test_a_new_version_is_downloaded_from_the_start(http, download):
    old = content(b"x" * N, cut=1000, etag='"a"')
    url = http.serve("/a", old, content(BODY, etag='"b"'))
    with pytest.raises(TransferError, match="bytes read"):
        download(url, check=None)
    assert download(url, check=None) == BODY
    assert http.ranges() == [None, "bytes=1000-"]


@pytest.mark.parametrize(
    "old, new",
    [
        ({"ETag": '"a"'}, {"ETag": '"b"'}),
        ({"ETag": '"a"'}, {"ETag": 'W/"a"'}),
        ({"ETag": '"a"'}, {}),
        ({"Last-Modified": "yesterday"}, {"Last-Modified": "today"}),
        ({"Last-Modified": "yesterday"}, {"size": N + 1}),
    ],
)
def test_a_range_of_another_version_is_refused(monkeypatch, http, download, old, new):
    """A server that ignores If-Range sends it."""
    monkeypatch.setattr(transfer, "_TRIES", 3)
    size = new.pop("size", N)
    headers = {"Content-Range": f"bytes 1000-{size - 1}/{size}", **new}
    url = http.serve(
        "/a",
        content(b"x" * N, cut=1000, **old),
        respond(206, headers, [BODY[1000:].ljust(size - 1000)]),
        content(BODY, **new),
    )
    assert download(url, None, check=None) == BODY
    assert http.ranges() == [None, "bytes=1000-", None]


@pytest.mark.parametrize("headers", [{"ETag": '"a"'}, {"Last-Modified": "yesterday"}])
def test_a_range_of_the_same_version_continues(http, download, headers):
    """It needs an ETag, but no time (RFC 9110, section 15.3.7)."""
    rest = {"Content-Range": f"bytes 1000-{N - 1}/*"}
    rest |= {"ETag": headers["ETag"]} if "ETag" in headers else {}
    first = content(BODY, cut=1000, **headers)
    url = http.serve("/a", first, respond(206, rest, [BODY[1000:]]))
    with pytest.raises(TransferError, match="bytes read"):
        download(url, None, check=None)
    assert download(url, None, check=None) == BODY


def test_a_checked_file_is_continued_whatever_its_version(http, download, folder):
    begin_part(folder, 1000, '"a"')
    assert download(http.serve("/a", content(BODY, etag='"b"'))) == BODY
    assert "If-Range" not in http.asked[0][1]
    assert http.ranges() == ["bytes=1000-"]


@pytest.mark.parametrize(
    "note",
    [b"\xff\xfe", b"", b"[1]", b'{"version": 1}', b'{"version": {"etag": 1}}'],
)
def test_an_unreadable_note_is_ignored(http, download, folder, note):
    begin_part(folder)
    part_of(folder).with_name("note").write_bytes(note)
    assert download(http.serve("/a", content(BODY)), check=None) == BODY


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
def test_wrong_ranges_are_refused(twice, http, download, folder, content_range):
    begin_part(folder)
    headers = {} if content_range is None else {"Content-Range": content_range}
    wrong = respond(206, headers, [BODY])
    assert download(http.serve("/a", wrong, content(BODY))) == BODY
    assert http.ranges() == ["bytes=1000-", None]


def test_wrong_ranges_cost_one_more_try(twice, http, download, folder):
    begin_part(folder)
    url = http.serve("/a", respond(206, {}, [BODY]))
    with pytest.raises(TransferError, match="HTTP 206 Partial Content"):
        download(url)
    assert not list(folder.iterdir())


def test_a_range_of_unknown_total(http, download, folder):
    begin_part(folder)
    headers = {"Content-Range": f"bytes 1000-{N - 1}/*"}
    assert download(http.serve("/a", respond(206, headers, [BODY[1000:]]))) == BODY


def test_a_range_that_is_too_short_is_continued(http, download, folder):
    begin_part(folder)
    headers = {"Content-Range": f"bytes 1000-1999/{N}", "Content-Length": "1000"}
    short = respond(206, headers, [BODY[1000:2000]])
    url = http.serve("/a", short, content(BODY))
    with pytest.raises(TransferError, match=f"only 2000 of {N} bytes"):
        download(url)
    assert download(url) == BODY
    assert http.ranges() == ["bytes=1000-", "bytes=2000-"]


def test_a_partial_file_that_is_too_long(twice, http, download, folder):
    begin_part(folder)
    assert download(http.serve("/a", content(BODY[:500])), None) == BODY[:500]
    assert http.ranges() == ["bytes=1000-", None]


def test_a_range_without_a_request_for_it(http, download):
    headers = {"Content-Range": f"bytes 0-{N - 1}/{N}"}
    url = http.serve("/a", respond(206, headers, [BODY]))
    with pytest.raises(TransferError, match="HTTP 206 Partial Content") as caught:
        download(url)
    assert not caught.value.again


# ---- sizes ------------------------------------------------------------------------


@pytest.mark.parametrize("size", [N - 1, N + 1, 0])
def test_another_size_is_refused_by_the_header(http, download, folder, size):
    url = http.serve("/a", content(b"x" * size))
    with pytest.raises(
        TransferError, match=f"must have {N} bytes, got {size}"
    ) as caught:
        download(url)
    assert not caught.value.again and not list(folder.iterdir())


def test_a_range_of_another_size_is_refused(http, download, folder):
    begin_part(folder)
    url = http.serve("/a", content(BODY + b"x"))
    with pytest.raises(TransferError, match=f"must have {N} bytes, got {N + 1}"):
        download(url)


def test_an_unknown_size_has_a_limit(http, download, folder, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_MAX_DOWNLOAD_GB", str(N / 1e9))
    assert download(http.serve("/a", content(BODY)), None) == BODY
    (folder / "a").unlink()
    url = http.serve("/b", content(BODY + b"x"))
    with pytest.raises(
        TransferError, match=f"at most {N} bytes, got {N + 1} .*\nSet FMNIST_FAST_MAX"
    ) as caught:
        download(url, None)
    assert not caught.value.again


@pytest.mark.parametrize("begin", [0, 1000])
def test_an_endless_file_of_unknown_size(http, download, folder, monkeypatch, begin):
    monkeypatch.setenv("FMNIST_FAST_MAX_DOWNLOAD_GB", str(N / 1e9))
    begin_part(folder, begin)
    headers = {"Content-Range": f"bytes {begin}-{N}/*"} if begin else {}
    endless = respond(206 if begin else 200, headers, iter(lambda: b"x" * 1000, None))
    with pytest.raises(
        TransferError, match=f"most {N} bytes, got {N + 1} or"
    ) as caught:
        download(http.serve("/a", endless), None)
    assert not caught.value.again and not list(folder.iterdir())


def test_an_endless_file_is_read_to_its_known_size(http, download, folder):
    endless = respond(200, {}, iter(lambda: b"x" * 1000, None))
    with pytest.raises(TransferError, match=f"{N} bytes, got {N + 1} or") as caught:
        download(http.serve("/a", endless))
    assert not caught.value.again and not list(folder.iterdir())


def test_a_length_that_is_no_number(http, download):
    url = http.serve("/a", respond(200, {"Content-Length": "many"}, [BODY]))
    assert download(url) == BODY


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
def test_http_errors(http, download, folder, code, reason, again):
    begin_part(folder)
    with pytest.raises(TransferError, match=f"^HTTP {code}{reason}$") as caught:
        download(http.serve("/a", status(code)))
    assert caught.value.again is again and caught.value.after == 0
    assert part_of(folder).read_bytes() == BODY[:1000]


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
        ("9" * 400, 21_600),
        ("Wed, 21 Oct 20150000000 07:28:00 GMT", 0),
        ("nan", 0),
        ("inf", 0),
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


def test_a_server_that_sends_single_bytes(http, download, folder, monkeypatch):
    monkeypatch.setattr(transfer, "_INTERVAL_SECONDS", 0.2)
    with pytest.raises(TransferError, match=r"only [0-9]+ bytes a second") as caught:
        download(http.serve("/a", drip))
    assert caught.value.again
    part = part_of(folder).read_bytes()
    assert part and part == BODY[: len(part)]


def test_a_slow_server_is_accepted(http, download, monkeypatch):
    monkeypatch.setattr(transfer, "_INTERVAL_SECONDS", 0.05)

    def slow(handler):
        respond(200, {"Content-Length": str(N)}, [])(handler)
        for i in range(0, N, N // 16):
            handler.wfile.write(BODY[i : i + N // 16])
            handler.server_stopping.wait(0.01)

    assert download(http.serve("/a", slow)) == BODY


def test_a_timeout_keeps_the_partial_file(http, download, folder, monkeypatch):
    monkeypatch.setattr(sources, "_TIMEOUTS", (10, 0.1))
    with pytest.raises(TransferError, match="no answer in time") as caught:
        download(http.serve("/a", content(BODY, cut=1000, hang=True)))
    assert caught.value.again
    assert part_of(folder).read_bytes() == BODY[:1000]


def test_a_full_disk_is_reported_as_such(http, download, folder, monkeypatch):
    def full(fd):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/a'"):
        download(http.serve("/a", content(BODY)))
    assert not (folder / "a").exists()

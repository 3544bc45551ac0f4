"""Downloads of one file from several mirrors: order, retries, checks of the bytes."""

import hashlib
import os
import random
from pathlib import Path

import pytest
from helpers.server import content, redirect, respond, status

from fmnist_fast._download import transfer
from fmnist_fast._download.fetch import fetch
from fmnist_fast._registry.spec import PublishedFile
from fmnist_fast.errors import DownloadError

N = 256_000
BODY = random.Random(0).randbytes(N)
SHA256, MD5 = hashlib.sha256(BODY).hexdigest(), hashlib.md5(BODY).hexdigest()
NAME = "a-file.gz"


@pytest.fixture
def waits(monkeypatch):
    """Replace sleeping by a list of the seconds between tries, and return the list."""
    waits = []
    monkeypatch.setattr(transfer.time, "sleep", waits.append)
    monkeypatch.setattr(transfer.random, "uniform", lambda low, high: high)
    monkeypatch.setattr(transfer, "_BAR_SECONDS", 0)
    return waits


@pytest.fixture
def deliver(tmp_path, waits, authority, monkeypatch):
    """Return a function that downloads a file from URLs and returns its bytes."""

    def deliver(*urls, known=("sha256", SHA256), nbytes=N):
        monkeypatch.setenv("SSL_CERT_FILE", str(authority[1]))
        file = PublishedFile(NAME, urls, **dict([known]), nbytes=nbytes)
        fetch([file], tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [NAME]
        return (tmp_path / NAME).read_bytes()

    return deliver


def error_pattern(*reasons):
    """Return a pattern of the error that lists a reason for each URL."""
    lines = [rf"  http\S+: {reason}" for reason in reasons]
    return "\n".join([f"^could not fetch {NAME}:", *lines])


# ---- checks of the bytes ----------------------------------------------------------


@pytest.mark.parametrize("known", [("sha256", SHA256), ("md5", MD5)])
def test_a_file_with_the_right_hash(https, deliver, known, waits):
    assert deliver(https.serve("/a", content(BODY)), known=known) == BODY
    assert not waits


@pytest.mark.parametrize("known", [("sha256", SHA256), ("md5", MD5)])
def test_a_file_with_a_wrong_hash_is_rejected(https, deliver, tmp_path, known):
    wrong = b"x" * N
    digest = hashlib.new(known[0], wrong).hexdigest()
    message = rf"not the published file: .*{known[1]}, got {digest}\n"
    with pytest.raises(DownloadError, match=message):
        deliver(https.serve("/a", content(wrong)), known=known)
    assert len(https.asked) == 1
    assert not list(tmp_path.iterdir())


def test_after_a_wrong_hash_the_next_mirror_is_asked(https, deliver):
    bad = https.serve("/a", content(b"x" * N))
    assert deliver(bad, https.serve("/b", content(BODY))) == BODY


def test_a_web_page_instead_of_the_file_is_rejected(https, deliver):
    page = https.serve("/a", content(b"<html>Please log in</html>"))
    with pytest.raises(DownloadError, match="must have 256000 bytes, got 26"):
        deliver(page)
    with pytest.raises(DownloadError, match="not the published file"):
        deliver(page, nbytes=None)


def test_a_wrong_range_costs_one_more_try(https, deliver, waits):
    """The server sends the first half of the file, and sends it as the second again."""
    wrong_half = respond(
        206, {"Content-Range": f"bytes {N // 2}-{N - 1}/{N}"}, [BODY[: N // 2]]
    )
    url = https.serve("/a", content(BODY, cut=N // 2), wrong_half, content(BODY))
    assert deliver(url) == BODY
    assert https.ranges() == [None, f"bytes={N // 2}-", None]
    assert waits == [1, 2]


def test_a_server_that_always_sends_wrong_ranges_is_given_up(https, deliver):
    def answer(handler):
        code = 206 if handler.headers.get("Range") else 200
        headers = {"Content-Range": f"bytes {N // 2}-{N - 1}/{N}"}
        respond(code, headers, [b"x" * (N // 2)])(handler)

    good = https.serve("/b", content(BODY))
    assert deliver(https.serve("/a", answer), good) == BODY
    half = f"bytes={N // 2}-"
    assert https.ranges() == [None, half, None, half, None]
    assert [path for path, _ in https.asked] == ["/a"] * 3 + ["/b"] * 2


def test_without_correct_ranges_the_whole_file_is_requested(https, deliver):
    def answer(handler):
        whole = respond(206, {"Content-Range": f"bytes 0-{N - 1}/{N}"}, [BODY])
        (whole if handler.headers.get("Range") else content(BODY))(handler)

    broken = https.serve("/a", content(BODY, cut=1000), status(404))
    assert deliver(broken, https.serve("/b", answer)) == BODY
    assert https.ranges() == [None, "bytes=1000-", "bytes=1000-", None]


def test_the_next_mirror_continues_a_partial_file(https, deliver):
    broken = https.serve("/a", content(BODY, cut=1000), status(404))
    assert deliver(broken, https.serve("/b", content(BODY))) == BODY
    assert https.ranges() == [None, "bytes=1000-", "bytes=1000-"]


def test_a_partial_file_with_wrong_bytes_is_thrown_away(https, deliver):
    broken = https.serve("/a", content(b"x" * N, cut=1000), status(404))
    assert deliver(broken, https.serve("/b", content(BODY))) == BODY
    assert https.ranges() == [None, "bytes=1000-", "bytes=1000-", None]


@pytest.mark.skipif(os.name == "nt", reason="folders can't be synced")
def test_the_file_is_synced_before_it_is_renamed_and_its_folder_after(
    https, deliver, monkeypatch
):
    calls, replace = [], os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append("sync"))
    monkeypatch.setattr(
        os,
        "replace",
        lambda old, new, **_: (calls.append(Path(new).name), replace(old, new, **_)),
    )
    deliver(https.serve("/a", content(BODY)))
    assert calls == ["sync", NAME, "sync"]


def test_the_mode_of_the_file_follows_the_umask(https, deliver, tmp_path):
    deliver(https.serve("/a", content(BODY)))
    (tmp_path / "usual").touch()
    assert (tmp_path / NAME).stat().st_mode == (tmp_path / "usual").stat().st_mode


# ---- choice of the URL, and retries -----------------------------------------------


def test_https_comes_first(http, https, deliver):
    plain, safe = (server.serve("/a", content(BODY)) for server in (http, https))
    assert deliver(plain, safe) == BODY
    assert https.asked and not http.asked


def test_http_is_the_last_resort_with_a_known_sha256(http, https, deliver):
    urls = http.serve("/a", content(BODY)), https.serve("/a", status(404))
    assert deliver(*urls) == BODY
    assert len(https.asked) == len(http.asked) == 1


def test_http_is_refused_if_only_the_md5_is_known(http, deliver):
    with pytest.raises(DownloadError, match="not encrypted; http requires a known"):
        deliver(http.serve("/a", content(BODY)), known=("md5", MD5))
    assert not http.asked


def test_a_redirect_to_http_is_refused_too(http, https, deliver):
    url = https.serve("/a", redirect(http.serve("/a", content(BODY))))
    with pytest.raises(DownloadError, match="not encrypted; http requires a known"):
        deliver(url, known=("md5", MD5))
    assert not http.asked and deliver(url) == BODY


@pytest.mark.parametrize("code", [500, 503, 429])
def test_temporary_errors_are_retried(https, deliver, waits, code):
    answers = [status(code), status(code), content(BODY)]
    assert deliver(https.serve("/a", *answers)) == BODY
    assert waits == [1, 2]


def test_after_three_tries_the_next_mirror_is_asked(https, deliver, waits):
    urls = https.serve("/a", status(500)), https.serve("/b", content(BODY))
    assert deliver(*urls) == BODY
    assert [path for path, _ in https.asked] == ["/a", "/a", "/a", "/b"]
    assert waits == [1, 2]


def test_permanent_errors_are_not_retried(https, deliver, waits):
    urls = https.serve("/a", status(404)), https.serve("/b", status(403))
    message = error_pattern("HTTP 404 Not Found", "HTTP 403 Forbidden")
    with pytest.raises(DownloadError, match=message):
        deliver(*urls)
    assert len(https.asked) == 2 and not waits


def test_retry_after_sets_the_wait(https, deliver, waits):
    busy = status(503, **{"Retry-After": "30"})
    assert deliver(https.serve("/a", busy, content(BODY))) == BODY
    assert waits == [30]


def test_a_long_retry_after_ends_the_tries(https, deliver, waits):
    busy = https.serve("/a", status(503, **{"Retry-After": "3600"}))
    with pytest.raises(DownloadError, match=r"503 .*; the server asks to wait 3600 s"):
        deliver(busy)
    assert len(https.asked) == 1 and not waits


def test_tries_that_make_progress_are_not_limited_to_three(https, deliver, monkeypatch):
    monkeypatch.setattr(transfer, "_FURTHER_NBYTES", 20_000)
    assert deliver(https.serve("/a", content(BODY, cut=20_000))) == BODY
    assert len(https.asked) == 13


def test_tries_with_little_progress_are_limited_to_three(https, deliver, monkeypatch):
    monkeypatch.setattr(transfer, "_FURTHER_NBYTES", 20_000)
    with pytest.raises(DownloadError, match="bytes read"):
        deliver(https.serve("/a", content(BODY, cut=5_000)))
    assert len(https.asked) == 3


def test_waits_are_random(https, deliver, monkeypatch):
    bounds = []
    monkeypatch.setattr(
        transfer.random, "uniform", lambda *pair: bounds.append(pair) or 1
    )
    deliver(https.serve("/a", status(500), content(BODY)))
    assert bounds == [(0.5, 1.0)]


# ---- messages ---------------------------------------------------------------------


def test_progress_and_errors_are_shown_on_stderr(https, deliver, capsys):
    bad = https.serve("/a", content(BODY, cut=1000), status(404))
    deliver(bad, https.serve("/b", content(BODY)))
    out, shown = capsys.readouterr()
    assert not out
    assert f"{bad}: request failed: " in shown
    assert "trying again in 1.0 s" in shown
    assert f"{NAME}: giving up on {bad}: HTTP 404 Not Found" in shown
    assert "100%" in shown and "256k/256k" in shown

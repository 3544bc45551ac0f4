"""One file from its mirrors: which comes next, how often, and whose bytes are right."""

import hashlib
import logging
import os
import random
import threading
from pathlib import Path

import pooch
import pytest
from helpers.server import content, redirect, respond, status

from fmnist_fast._download import mirrors
from fmnist_fast._download.connection import TransferError
from fmnist_fast._download.mirrors import Delivery
from fmnist_fast._registry.spec import PublishedFile

N = 256_000
BODY = random.Random(0).randbytes(N)
SHA256, MD5 = hashlib.sha256(BODY).hexdigest(), hashlib.md5(BODY).hexdigest()
NAME = "a-file.gz"


@pytest.fixture
def waits(monkeypatch):
    """The seconds that were to be waited between tries."""
    waits = []
    monkeypatch.setattr(mirrors.time, "sleep", waits.append)
    monkeypatch.setattr(mirrors.random, "uniform", lambda low, high: high)
    return waits


@pytest.fixture
def deliver(tmp_path, waits, authority, monkeypatch):
    """Deliver a file from URLs into a folder; returns what it holds afterwards."""

    def deliver(*urls, known=("sha256", SHA256), nbytes=N, progress=False):
        monkeypatch.setenv("SSL_CERT_FILE", str(authority[1]))
        file = PublishedFile(NAME, urls, **dict([known]), nbytes=nbytes)
        delivery = Delivery(file, tmp_path, known, progress=progress)
        delivery.run()
        assert [path.name for path in tmp_path.iterdir()] == [NAME]
        return (tmp_path / NAME).read_bytes()

    return deliver


def fails(deliver, *reasons):
    """A pattern of the error when the URLs fail for these reasons."""
    lines = [rf"  http\S+ {reason}" for reason in reasons]
    return "\n".join([f"^could not fetch {NAME}:", *lines])


# ---- whose bytes are right --------------------------------------------------------


@pytest.mark.parametrize("known", [("sha256", SHA256), ("md5", MD5)])
def test_a_file_with_the_right_hash(https, deliver, known, waits):
    assert deliver(https.serve("/a", content(BODY)), known=known) == BODY
    assert not waits


@pytest.mark.parametrize("known", [("sha256", SHA256), ("md5", MD5)])
def test_a_wrong_hash_is_no_file(https, deliver, tmp_path, known):
    wrong = b"x" * N
    found = hashlib.new(known[0], wrong).hexdigest()
    message = rf"has another file: .*{known[1]} but got {found}$"
    with pytest.raises(TransferError, match=message):
        deliver(https.serve("/a", content(wrong)), known=known)
    assert len(https.asked) == 1
    assert not list(tmp_path.iterdir())


def test_a_wrong_hash_sends_to_the_next(https, deliver):
    bad = https.serve("/a", content(b"x" * N))
    assert deliver(bad, https.serve("/b", content(BODY))) == BODY


def test_a_page_instead_of_the_file(https, deliver):
    page = https.serve("/a", content(b"<html>Please log in</html>"))
    with pytest.raises(TransferError, match="has a file of 26 bytes, wanted 256000"):
        deliver(page)
    with pytest.raises(TransferError, match="has another file"):
        deliver(page, nbytes=None)


def test_lies_about_ranges_cost_one_more_try(https, deliver, waits):
    """Half of the file, then its beginning again as if it were the second half."""
    lie = respond(
        206, {"Content-Range": f"bytes {N // 2}-{N - 1}/{N}"}, [BODY[: N // 2]]
    )
    url = https.serve("/a", content(BODY, cut=N // 2), lie, content(BODY))
    assert deliver(url) == BODY
    assert https.ranges() == [None, f"bytes={N // 2}-", None]
    assert len(waits) == 1


def test_a_server_that_lies_each_time_is_given_up(https, deliver):
    def lie(handler):
        code = 206 if handler.headers.get("Range") else 200
        headers = {"Content-Range": f"bytes {N // 2}-{N - 1}/{N}"}
        respond(code, headers, [b"x" * (N // 2)])(handler)

    good = https.serve("/b", content(BODY))
    assert deliver(https.serve("/a", lie), good) == BODY
    half = f"bytes={N // 2}-"
    assert https.ranges() == [None, half, None, None, half, None]
    assert [path for path, _ in https.asked] == ["/a"] * 4 + ["/b"] * 2


def test_a_server_without_right_ranges_is_asked_for_all(https, deliver):
    def answer(handler):
        lie = respond(206, {"Content-Range": f"bytes 0-{N - 1}/{N}"}, [BODY])
        (lie if handler.headers.get("Range") else content(BODY))(handler)

    broken = https.serve("/a", content(BODY, cut=1000), status(404))
    assert deliver(broken, https.serve("/b", answer)) == BODY
    assert https.ranges() == [None, "bytes=1000-", "bytes=1000-", None]


def test_the_next_mirror_continues_the_part(https, deliver):
    broken = https.serve("/a", content(BODY, cut=1000), status(404))
    assert deliver(broken, https.serve("/b", content(BODY))) == BODY
    assert https.ranges() == [None, "bytes=1000-", "bytes=1000-"]


def test_a_part_with_wrong_bytes_is_thrown_away(https, deliver):
    broken = https.serve("/a", content(b"x" * N, cut=1000), status(404))
    assert deliver(broken, https.serve("/b", content(BODY))) == BODY
    assert https.ranges() == [None, "bytes=1000-", "bytes=1000-", None]


def test_what_killed_processes_left_is_removed(https, deliver, tmp_path):
    staging = tmp_path / f".{NAME}.fetching"
    staging.mkdir()
    (staging / "tmpabcdef").touch()
    assert deliver(https.serve("/a", content(BODY))) == BODY


def test_a_checked_file_of_a_killed_process_is_used(https, deliver, tmp_path):
    staging = tmp_path / f".{NAME}.fetching"
    staging.mkdir()
    (staging / NAME).write_bytes(BODY)
    assert deliver(https.serve("/a", status(404))) == BODY
    assert not https.asked


@pytest.mark.skipif(os.name == "nt", reason="folders can't be synced")
def test_bytes_are_on_disk_before_the_name_and_the_name_at_the_end(
    https, deliver, monkeypatch
):
    steps, replace = [], os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: steps.append("sync"))
    monkeypatch.setattr(
        os,
        "replace",
        lambda old, new: (steps.append(Path(new).name), replace(old, new)),
    )
    deliver(https.serve("/a", content(BODY)))
    assert [steps[0], *steps[-2:]] == ["sync", NAME, "sync"] and len(steps) == 4


def test_an_old_file_is_replaced(https, deliver, tmp_path):
    (tmp_path / NAME).write_text("old")
    assert deliver(https.serve("/a", content(BODY))) == BODY


def test_the_file_can_be_read_by_whom_the_umask_lets(https, deliver, tmp_path):
    deliver(https.serve("/a", content(BODY)))
    (tmp_path / "usual").touch()
    assert (tmp_path / NAME).stat().st_mode == (tmp_path / "usual").stat().st_mode


# ---- which URL, and how often -----------------------------------------------------


def test_https_comes_first(http, https, deliver):
    plain, safe = (server.serve("/a", content(BODY)) for server in (http, https))
    assert deliver(plain, safe) == BODY
    assert https.asked and not http.asked


def test_http_is_a_last_resort_where_sha256_is_known(http, https, deliver):
    urls = http.serve("/a", content(BODY)), https.serve("/a", status(404))
    assert deliver(*urls) == BODY
    assert len(https.asked) == len(http.asked) == 1


def test_http_is_none_where_only_md5_is_known(http, deliver):
    with pytest.raises(TransferError, match="not encrypted, which is only allowed"):
        deliver(http.serve("/a", content(BODY)), known=("md5", MD5))
    assert not http.asked


def test_a_redirect_to_http_is_none_either(http, https, deliver):
    url = https.serve("/a", redirect(http.serve("/a", content(BODY))))
    with pytest.raises(TransferError, match="not encrypted, which is only allowed"):
        deliver(url, known=("md5", MD5))
    assert not http.asked and deliver(url) == BODY


@pytest.mark.parametrize("code", [500, 503, 429])
def test_what_may_pass_is_asked_for_again(https, deliver, waits, code):
    answers = [status(code), status(code), content(BODY)]
    assert deliver(https.serve("/a", *answers)) == BODY
    assert waits == [1, 2]


def test_three_tries_then_the_next(https, deliver, waits):
    urls = https.serve("/a", status(500)), https.serve("/b", content(BODY))
    assert deliver(*urls) == BODY
    assert [path for path, _ in https.asked] == ["/a", "/a", "/a", "/b"]
    assert waits == [1, 2]


def test_what_stays_is_asked_for_once(https, deliver, waits):
    urls = https.serve("/a", status(404)), https.serve("/b", status(403))
    message = fails(deliver, "answers 404 Not Found", "answers 403 Forbidden")
    with pytest.raises(TransferError, match=message):
        deliver(*urls)
    assert len(https.asked) == 2 and not waits


def test_servers_say_how_long_to_wait(https, deliver, waits):
    busy = status(503, **{"Retry-After": "30"})
    assert deliver(https.serve("/a", busy, content(BODY))) == BODY
    assert waits == [30]


def test_within_reason(https, deliver, waits):
    busy = https.serve("/a", status(503, **{"Retry-After": "3600"}))
    with pytest.raises(TransferError, match="503 Service Unavailable, ask again in 36"):
        deliver(busy)
    assert len(https.asked) == 1 and not waits


def test_a_server_that_gets_further_each_time_is_asked_on(https, deliver, monkeypatch):
    monkeypatch.setattr(mirrors, "_FURTHER_NBYTES", 20_000)
    assert deliver(https.serve("/a", content(BODY, cut=20_000))) == BODY
    assert len(https.asked) == 13


def test_one_that_hardly_does_is_not(https, deliver, monkeypatch):
    monkeypatch.setattr(mirrors, "_FURTHER_NBYTES", 20_000)
    with pytest.raises(TransferError, match="bytes read"):
        deliver(https.serve("/a", content(BODY, cut=5_000)))
    assert len(https.asked) == 3


def test_waits_are_drawn(monkeypatch):
    monkeypatch.setattr(mirrors, "_BACKOFF_SECONDS", 8)
    waits = {mirrors._back_off(2) for _ in range(20)}
    assert len(waits) > 10 and 8 <= min(waits) and max(waits) <= 16


# ---- what is shown ----------------------------------------------------------------


def test_a_bar_and_what_goes_wrong_on_stderr(https, deliver, capsys):
    bad = https.serve("/a", content(BODY, cut=1000), status(404))
    deliver(bad, https.serve("/b", content(BODY)), progress=True)
    out, shown = capsys.readouterr()
    assert not out
    assert f"{NAME}: {bad} fails: " in shown and "trying again in 1.0 s" in shown
    assert f"{NAME}: given up: {bad} answers 404 Not Found" in shown
    assert "100%" in shown and "256k/256k" in shown


def test_a_second_try_from_the_start_is_told(https, deliver, capsys):
    lie = respond(206, {}, [BODY])
    url = https.serve("/a", content(BODY, cut=1000), lie, content(BODY))
    deliver(url, progress=True)
    assert "fetching it from the start" in capsys.readouterr().err


@pytest.fixture
def logged():
    """What pooch logs."""
    logged = []

    class Handler(logging.Handler):
        def emit(self, record):
            logged.append(record.getMessage())

    handler = Handler()
    pooch.get_logger().addHandler(handler)
    yield logged
    pooch.get_logger().removeHandler(handler)


def test_nothing_is_shown_unless_asked_for(https, deliver, capsys, logged):
    deliver(https.serve("/a", status(500), content(BODY)))
    assert capsys.readouterr() == ("", "") and not logged


def test_only_this_thread_is_silent(logged):
    logger = pooch.get_logger()
    with mirrors._silent(logger):
        logger.info("this")
        other = threading.Thread(target=logger.info, args=("other",))
        other.start()
        other.join()
    logger.info("after")
    assert logged == ["other", "after"]

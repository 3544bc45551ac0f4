"""Copies of files at URLs: whole, current, trusted, or fetched again."""

import gc
import gzip
import io
import os
import random
import sys
import time
import zipfile

import numpy as np
import pytest
from helpers.server import content, redirect, respond, status

import fmnist_fast as ff
from fmnist_fast._download import transfer, urls
from fmnist_fast._io import staging, threads
from fmnist_fast._io.lock import locked
from fmnist_fast.errors import DownloadError

BODY = random.Random(0).randbytes(5000)
pytestmark = pytest.mark.usefixtures("downloads")
needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


@pytest.fixture
def url(http):
    """Return the URL of a file."""
    return http.serve("/file", content(BODY, etag='"1"'))


def note_of(copy):
    return copy.with_name(f"{copy.name}.from")


# ---- versions -----------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "3"}])
def test_a_copy_of_an_unknown_version_is_fetched_again(http, headers):
    """Without an ETag or a time, nothing says that the file is the same."""
    answers = [respond(200, headers, [b"old"]), respond(200, headers, [b"new"])]
    url = http.serve("/file", *answers)
    assert urls.fetch(url).read_bytes() == b"old"
    assert urls.fetch(url).read_bytes() == b"new"


@pytest.mark.parametrize(
    "headers, condition",
    [
        ({"ETag": 'W/"1"'}, ("If-None-Match", 'W/"1"')),
        ({"Last-Modified": "yesterday"}, ("If-Modified-Since", "yesterday")),
    ],
)
def test_a_current_copy_costs_one_request(http, headers, condition):
    url = http.serve("/file", content(BODY, **headers))
    urls.fetch(url)
    assert urls.fetch(url).read_bytes() == BODY
    name, value = condition
    assert [asked.get(name) for _, asked in http.asked] == [None, value]


def test_a_member_of_a_zip_file_is_known_by_its_checksum(tmp_path, monkeypatch):
    pytest.importorskip("fsspec")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("b", BODY)
    url = f"zip://b::file://{(tmp_path / 'a.zip').as_posix()}"
    copy = urls.fetch(url)
    monkeypatch.delattr(urls, "transfer")  # nothing is fetched again
    assert urls.fetch(url) == copy and copy.read_bytes() == BODY


def test_a_file_that_changes_during_the_download(http):
    first = content(b"a" * 1000, cut=500, etag='"1"')
    url = http.serve("/file", first, content(b"b" * 1000, etag='"2"'))
    assert urls.fetch(url).read_bytes() == b"b" * 1000
    assert http.ranges() == [None, "bytes=500-"]


def test_a_copy_that_may_have_been_cut_off_is_fetched_again(http):
    """Only the end of the connection shows where such a body ends."""
    tag = {"ETag": '"1"'}
    url = http.serve("/file", respond(200, tag, [BODY[:99]]), respond(200, tag, [BODY]))
    assert urls.fetch(url).read_bytes() == BODY[:99]
    assert urls.fetch(url).read_bytes() == BODY


def test_a_copy_of_chunks_is_kept(http):
    headers = {"ETag": '"1"', "Transfer-Encoding": "chunked"}
    http.serve("/file", respond(200, headers, [b"3\r\nabc\r\n0\r\n\r\n"]), status(304))
    for _ in range(2):
        assert urls.fetch(f"{http.base}/file").read_bytes() == b"abc"
    assert http.asked[1][1]["If-None-Match"] == '"1"'


def test_a_file_that_changes_within_a_second(http):
    """Both versions have the same size and time (RFC 9110, section 8.8.2.2)."""

    time = {"Last-Modified": "now"}
    rest = {"Content-Range": "bytes 500-999/1000", **time}

    def answer(handler):
        handler.date_time_string = lambda: "now"  # the Date
        if handler.headers.get("Range"):
            respond(206, rest, [b"b" * 500])(handler)
        elif len(http.asked) == 1:
            content(b"a" * 1000, cut=500, **time)(handler)
        else:
            content(b"b" * 1000, **time)(handler)

    http.routes["/file"] = answer
    assert urls.fetch(f"{http.base}/file").read_bytes() == b"b" * 1000


class GrowingStore:
    """File system whose file gets other, more bytes when it is first opened."""

    def __init__(self, old, new):
        self.content, self.new = old, new

    def invalidate_cache(self):
        pass

    def info(self, path):
        return {"size": len(self.content), "etag": self.content[:1].decode()}

    def open(self, path, mode, block_size):
        self.content = self.new
        return io.BytesIO(self.content)


def test_a_file_of_a_store_that_grows_is_not_cut(monkeypatch, capsys):
    """It would have the announced size, and bytes of another version."""
    store = GrowingStore(b"a" * 1000, b"b" * (1 << 20))
    monkeypatch.setattr(urls, "_file_system", lambda url: (store, "file"))
    assert urls.fetch("store://file").read_bytes() == store.new
    assert "must have 1000 bytes, got 1001 or more" in capsys.readouterr().err


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_server_without_the_file(http, code):
    url = http.serve("/file", status(code))
    with pytest.raises(FileNotFoundError, match=r"/file: no such file"):
        urls.fetch(url)
    assert urls.fetch_first([url]) is None


def test_a_broken_server_does_not_count_as_one_without_the_file(http):
    url = http.serve("/broken", status(500))
    for call in (urls.fetch, lambda url: urls.fetch_first([url])):
        with pytest.raises(DownloadError, match=r"/broken: could not be fetched.*500"):
            call(url)
    with pytest.raises(
        DownloadError, match=r"http://127\.0\.0\.1:1/x: could not be fetched"
    ):
        urls.fetch("http://127.0.0.1:1/x")


# ---- damage -------------------------------------------------------------------------


def flip(copy):
    body = bytearray(copy.read_bytes())
    body[len(body) // 2] ^= 1
    copy.write_bytes(body)


def cut(copy):
    copy.write_bytes(BODY[:-1])


def flip_note(copy):
    note = note_of(copy)
    note.write_bytes(note.read_bytes().replace(b'"crc32": "', b'"crc32": "1'))


def break_note(copy):
    note_of(copy).write_bytes(b"not JSON")


def list_note(copy):
    note_of(copy).write_bytes(b"[1]")


def no_note(copy):
    note_of(copy).unlink()


def fifo(copy):
    copy.unlink()
    os.mkfifo(copy)


def fifo_note(copy):
    note_of(copy).unlink()
    os.mkfifo(note_of(copy))


def folder(copy):
    copy.unlink()
    copy.mkdir()
    (copy / "file").touch()


def folder_note(copy):
    note_of(copy).unlink()
    note_of(copy).mkdir()


def link(copy):
    copy.rename(copy.with_name("elsewhere"))
    copy.symlink_to("elsewhere")


def dangling(copy):
    copy.unlink()
    copy.symlink_to("nowhere")


def writable(copy):
    copy.chmod(0o666)


@needs_posix
@pytest.mark.parametrize(
    "damage",
    [
        *(flip, cut, flip_note, break_note, list_note, no_note),
        *(fifo, fifo_note, folder, folder_note, link, dangling, writable),
    ],
)
def test_a_damaged_copy_is_fetched_again(http, url, damage, monkeypatch):
    copy = urls.fetch(url)
    damage(copy)
    monkeypatch.setenv("FMNIST_FAST_OFFLINE", "1")
    with pytest.raises(
        DownloadError, match=r"fetched\.\nIts copy /.*/file is missing or damag"
    ):
        urls.fetch(url)
    monkeypatch.delenv("FMNIST_FAST_OFFLINE")
    assert urls.fetch(url).read_bytes() == BODY
    assert not copy.is_symlink() and copy.stat().st_mode & 0o777 == 0o600
    assert len(http.asked) == 2
    assert urls.fetch(url).read_bytes() == BODY


def test_a_damaged_card_is_not_forgotten_offline(http, url, monkeypatch):
    flip(urls.fetch(url))
    monkeypatch.setenv("FMNIST_FAST_OFFLINE", "1")
    with pytest.raises(DownloadError, match="or damaged"):
        urls.fetch_first([url], needed=False)


@needs_posix
def test_a_cache_that_others_can_write_is_not_used(url, downloads):
    urls.fetch(url).parent.chmod(0o777)
    with pytest.raises(PermissionError, match=r"writable by other users .run chmod"):
        urls.fetch(url)


@needs_posix
def test_folders_of_copies_are_private(url, downloads):
    copy = urls.fetch(url)
    for folder in (downloads.parent, downloads, copy.parent):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_leftovers_of_killed_processes_are_removed(http, url, monkeypatch):
    copy = urls.fetch(url)
    leftovers = [copy.with_name(f".file.{digit * 16}.fetching") for digit in "123"]
    for leftover in leftovers:
        leftover.mkdir(mode=0o700)
    (leftovers[0] / "part").write_bytes(b"some")
    (leftovers[1] / "part").write_bytes(b"")
    (leftovers[1] / "note").write_bytes(b"{}")
    monkeypatch.setattr(staging, "_ABANDONED_SECONDS", -1)
    flip(copy)
    assert urls.fetch(url).read_bytes() == BODY
    assert {path.name for path in copy.parent.iterdir()} == {"file", "file.from"}


def test_processes_share_one_copy(http, url, monkeypatch):
    """Another process fetches the file while this one waits for the lock."""
    copy = urls._copy_path(url)
    real = transfer.locked

    def slow(*arguments):
        monkeypatch.setattr(transfer, "locked", real)
        urls.fetch(url)
        return locked(*arguments)

    monkeypatch.setattr(transfer, "locked", slow)
    assert urls.fetch(url) == copy and len(http.asked) == 1


def test_a_flipped_pixel_at_a_url(http, tmp_path):
    for name, array in (
        ("t10k-images-idx3-ubyte", np.full((40, 3, 2), 9, np.uint8)),
        ("t10k-labels-idx1-ubyte", np.zeros(40, np.uint8)),
    ):
        ff.write_idx(tmp_path / name, array)
        http.serve(f"/{name}", content((tmp_path / name).read_bytes(), etag='"1"'))
    for _ in range(2):
        dataset = ff.load_files(f"{http.base}/t10k-images-idx3-ubyte")
        assert (np.asarray(dataset.images) == 9).all()
        [copy] = (tmp_path / "cache" / "remote").glob("*/t10k-images-idx3-ubyte")
        del dataset
        gc.collect()
        flip(copy)


# ---- passwords and encryption -----------------------------------------------------


def test_a_password_is_sent_to_its_server_only(http, url, monkeypatch, tmp_path):
    """The password of a URL comes before that of .netrc."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password wrong\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    other = url.replace("127.0.0.1", "localhost")
    http.serve("/moved", redirect(other))
    urls.fetch(f"{http.base}/moved".replace("://", "://somebody:s3cret@"))
    sent = [headers.get("Authorization") for _, headers in http.asked]
    assert sent == ["Basic c29tZWJvZHk6czNjcmV0", None]


def test_a_password_of_netrc_is_sent(http, url, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password s3cret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    urls.fetch(url)
    assert http.asked[0][1]["Authorization"] == "Basic c29tZWJvZHk6czNjcmV0"


def test_encryption_is_not_lost_by_a_redirect(http, url, https, authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[1]))
    with pytest.raises(DownloadError, match="is not encrypted; http requires"):
        urls.fetch(https.serve("/file", redirect(url)))
    assert not http.asked


@pytest.mark.parametrize("deep", ["copy", "note"])
def test_a_deeply_nested_note_is_no_note(http, url, deep):
    """Python's JSON parser raises RecursionError for it."""
    copy = urls.fetch(url)
    nested = "[" * 200_000
    if deep == "copy":
        note_of(copy).write_text(nested)
    else:
        copy.unlink()
        part = copy.with_name(f".{copy.name}.0123456789abcdef.fetching")
        part.mkdir(mode=0o700)
        (part / "part").write_bytes(BODY[:9])
        (part / "note").write_text(nested)
    assert urls.fetch(url).read_bytes() == BODY


def test_an_answer_that_ends_in_its_header_is_not_an_empty_file(http):
    def cut(handler):
        handler.wfile.write(b'HTTP/1.1 200 OK\r\nETag: "1"\r\n')
        handler.close_connection = True

    url = http.serve("/file", cut, content(BODY, etag='"1"'))
    assert urls.fetch(url).read_bytes() == BODY


def test_a_folder_in_place_of_an_outdated_copy(http, url):
    other = http.serve("/other", content(BODY))
    urls.fetch(other).unlink()
    copy = urls.fetch(url)
    copy.with_name("other").mkdir()
    http.serve("/other", status(404))
    assert urls.fetch_first([other, url]) == copy


# ---- pages that list a folder -------------------------------------------------------


@pytest.mark.parametrize(
    "link", ["part.gz", "./part.gz", "/data/part.gz", "{0}/part.gz", "par&#116;.gz"]
)
def test_links_in_the_page_of_a_folder(http, link):
    folder = f"{http.base}/data"
    page = f"<A HREF = '{link.format(folder)}'>x</a>"
    page += "<a href=/other/part.gz><a href=p%2f.gz?x.gz> <a "
    http.serve("/data/", content(page.encode() + b" " * 10**6))
    assert urls.find(f"{folder}/p*.gz") == [f"{folder}/part.gz"]


def test_a_page_that_is_too_long(http, monkeypatch):
    monkeypatch.setattr(urls, "_MAX_LIST_NBYTES", 1000)
    http.serve("/data/", content(b"x" * 1001))
    with pytest.raises(DownloadError, match=r"could not be listed: the page .* is too"):
        urls.find(f"{http.base}/data/*")


def test_a_page_that_is_compressed(http):
    """Requests ask for no Content-Encoding."""
    page = gzip.compress(b"<a href=part.gz>")
    http.serve("/data/", content(page, Content_Encoding="gzip"))
    with pytest.raises(DownloadError, match=r"the page of the folder is compressed"):
        urls.find(f"{http.base}/data/*")


def test_wildcards_in_a_folder_over_http(http):
    with pytest.raises(ValueError, match="a folder over http must not have wildcards"):
        urls.find(f"{http.base}/*/x")


# ---- messages ------------------------------------------------------------------------


@pytest.mark.parametrize("is_missing", [False, True])
def test_messages_that_cannot_be_written(http, monkeypatch, is_missing):
    url = http.serve("/file", status(500), content(BODY))
    with open(os.devnull) as not_writable:
        monkeypatch.setattr(sys, "stderr", None if is_missing else not_writable)
        assert urls.fetch(url).read_bytes() == BODY


def test_a_server_that_does_not_answer_is_named(http, url, monkeypatch, capsys):
    urls.fetch(url)
    monkeypatch.setattr(threads, "_SILENT_SECONDS", 0.05)

    def late(handler):
        time.sleep(0.3)
        content(BODY, etag='"2"')(handler)

    http.serve("/file", late)
    assert urls.fetch(url).read_bytes() == BODY
    assert capsys.readouterr().err.count(f"waiting for {url}") == 2


def test_a_store_that_lists_slowly_is_named(monkeypatch, capsys):
    class SlowStore(GrowingStore):
        def glob(self, path):
            time.sleep(0.3)
            return []

    monkeypatch.setattr(threads, "_SILENT_SECONDS", 0.05)
    store = SlowStore(b"", b""), "a/*"
    monkeypatch.setattr(urls, "_file_system", lambda url: store)
    assert urls.find("store://a/*") == []
    assert capsys.readouterr().err == "waiting for store://a/*\n"

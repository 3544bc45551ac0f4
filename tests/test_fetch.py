"""fetch: existing files, several processes, killed processes, and no network."""

import errno
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from helpers.server import content, redirect, respond, status

import fmnist_fast as ff
from fmnist_fast._download import sources
from fmnist_fast._download.fetch import fetch
from fmnist_fast._registry.datasets import DATASETS
from fmnist_fast._registry.spec import PublishedFile
from fmnist_fast.errors import DownloadError, FormatError

N = 300_000
BODIES = {name: random.Random(name).randbytes(N) for name in ("a.gz", "b.gz")}
BODY = BODIES["a.gz"]
pytestmark = pytest.mark.usefixtures("trusted")


def published(url, *more, name="a.gz", body=BODY, **known):
    """Return a published file, by default with the hash and the size of `body`."""
    known = known or {"sha256": hashlib.sha256(body).hexdigest(), "nbytes": len(body)}
    return PublishedFile(name, (url, *more), **known)


@pytest.fixture
def two(https):
    """Return two published files that the server has, and their contents."""
    files = [
        published(
            https.serve(f"/{name}", content(body, etag='"1"')), name=name, body=body
        )
        for name, body in BODIES.items()
    ]
    return files, list(BODIES.values())


# ---- existing files ---------------------------------------------------------------


def test_files_are_fetched_in_order_and_nothing_else_is_left(two, tmp_path):
    folder = tmp_path / "made" / "when needed"
    paths = fetch(two[0], folder)
    assert paths == [folder / name for name in BODIES]
    assert [path.read_bytes() for path in paths] == two[1]
    assert sorted(folder.iterdir()) == paths


@pytest.mark.parametrize("folder", ["data", "~/data", "./~data"])
def test_the_folder_may_be_a_string(two, tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    path = tmp_path / folder.replace("~/", "") / "a.gz"
    assert fetch(two[0], folder)[0] == path
    assert path.read_bytes() == BODY


def test_no_files_need_no_folder(tmp_path):
    assert fetch([], tmp_path / "a") == [] and not (tmp_path / "a").exists()


def test_existing_files_are_not_fetched_again(two, https, tmp_path, capsys):
    (tmp_path / "a.gz").write_bytes(BODY)
    fetch(two[0], tmp_path)
    assert [path for path, _ in https.asked] == ["/b.gz"]
    fetch(two[0], tmp_path)
    assert len(https.asked) == 1
    assert "a.gz" not in capsys.readouterr().err


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_hashes_may_be_uppercase(https, tmp_path, algorithm):
    known = {algorithm: hashlib.new(algorithm, BODY).hexdigest().upper()}
    file = published(https.serve("/a", content(BODY)), **known)
    for _ in range(2):
        fetch([file], tmp_path)
    assert len(https.asked) == 1


def test_another_file_of_that_name_is_kept(two, https, tmp_path):
    (tmp_path / "b.gz").write_bytes(b"mine")
    sha256 = two[0][1].sha256
    message = (
        rf"b\.gz: not the published file of that name: its sha256 must be {sha256}, "
        rf"got {hashlib.sha256(b'mine').hexdigest()}$"
    )
    with pytest.raises(ff.FormatError, match=message):
        fetch(two[0], tmp_path)
    assert not https.asked
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"mine"]


def test_a_folder_of_that_name_is_an_error(two, tmp_path):
    (tmp_path / "a.gz").mkdir()
    with pytest.raises(ff.FormatError, match=r"a\.gz: must be a file, got a folder"):
        fetch(two[0], tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX")
@pytest.mark.parametrize("kind", ["FIFO", "link to nothing"])
def test_other_things_of_that_name_are_errors(two, https, tmp_path, kind):
    path = tmp_path / "a.gz"
    os.mkfifo(path) if kind == "FIFO" else path.symlink_to("nowhere")
    with pytest.raises(ff.FormatError, match=rf"a\.gz: must be a file, got a {kind}"):
        fetch(two[0], tmp_path)
    assert list(tmp_path.iterdir()) == [path] and not https.asked


def test_names_of_published_files_are_plain():
    """They become names on disk."""
    for spec in DATASETS.values():
        for file in spec.files:
            assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", file.name)


def test_names_from_the_server_are_ignored(https, tmp_path):
    other = content(BODY, Content_Disposition="attachment; filename=../evil")
    https.serve("/evil", other)
    file = published(https.serve("/a", redirect("/evil")))
    assert fetch([file], tmp_path) == list(tmp_path.iterdir())


# ---- no network -------------------------------------------------------------------


@pytest.mark.parametrize("value", ["1", "true", "YES", "on", "2"])
def test_offline_lists_the_files_and_their_folder(https, tmp_path, monkeypatch, value):
    monkeypatch.setenv("FMNIST_FAST_OFFLINE", value)
    monkeypatch.chdir(tmp_path)
    md5 = hashlib.md5(BODY).hexdigest()
    files = [published("https://x/a", "http://y/a"), published("https://x/b", md5=md5)]
    with pytest.raises(DownloadError) as caught:
        fetch(files, "data")
    assert str(caught.value).splitlines() == [
        "FMNIST_FAST_OFFLINE is set, so nothing is fetched.",
        f"Put these files into {tmp_path / 'data'}, then try again:",
        f"  a.gz ({N} bytes, SHA-256 {files[0].sha256}) from https://x/a or http://y/a",
        f"  a.gz (MD5 {md5}) from https://x/b",
    ]
    assert not https.asked and not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", ["", "0", "false", "NO", " off "])
def test_not_offline(two, tmp_path, monkeypatch, value):
    monkeypatch.setenv("FMNIST_FAST_OFFLINE", value)
    fetch(two[0], tmp_path)


def test_existing_files_need_no_network(tmp_path, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_OFFLINE", "1")
    (tmp_path / "a.gz").write_bytes(BODY)
    assert fetch([published("https://x/a")], tmp_path) == [tmp_path / "a.gz"]


def test_without_a_network_the_files_and_their_folder_are_listed_too(
    two, https, tmp_path
):
    files = [two[0][0], published("https://127.0.0.1:9/b", name="b.gz")]
    with pytest.raises(DownloadError) as caught:
        fetch([*files, published("https://x/c", name="c.gz")], tmp_path)
    lines = str(caught.value).splitlines()
    assert lines[0] == "could not fetch b.gz:"
    assert re.match(r"  https://127\.0\.0\.1:9/b: request failed: .*refused", lines[1])
    assert "Errno" not in lines[1]
    assert lines[2:4] == [
        f"Put these files into {tmp_path}, then try again:",
        f"  b.gz ({N} bytes, SHA-256 {files[1].sha256}) from https://127.0.0.1:9/b",
    ]
    assert lines[4].startswith("  c.gz") and len(lines) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["a.gz"]


# ---- processes --------------------------------------------------------------------

FETCH = """
import json, sys
from fmnist_fast._download.fetch import fetch
from fmnist_fast._registry.datasets import DATASETS
from fmnist_fast._registry.spec import PublishedFile
from fmnist_fast._io import lock

lock._SILENT_SECONDS = 0.2
fetch([PublishedFile(**file) for file in json.loads(sys.argv[1])], sys.argv[2])
"""


def start(files, folder):
    """Start a process that fetches `files`, and return it."""
    arguments = json.dumps([file._asdict() for file in files])
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, arguments, str(folder)],
        stderr=subprocess.PIPE,
        text=True,
    )


def test_several_processes_share_one_download(https, tmp_path):
    """The server answers once three processes have reported that they wait."""
    may_answer = threading.Event()

    def answer_late(handler):
        may_answer.wait(20)
        content(BODY)(handler)

    file = published(https.serve("/a", answer_late))
    processes, waiting = [start([file], tmp_path) for _ in range(4)], []

    def read(process):
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "fetching a.gz: waiting for process" in line:
                waiting.append(line)
                if len(waiting) == 3:
                    may_answer.set()
        process.stderr.close()
        assert not process.wait(20), "".join(lines)

    threads = [threading.Thread(target=read, args=(process,)) for process in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.returncode for process in processes] == [0] * 4
    assert len(waiting) == 3 and len(https.asked) == 1
    assert (tmp_path / "a.gz").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["a.gz"]


def test_several_threads_share_one_download(two, https, tmp_path):
    threads = [
        threading.Thread(target=fetch, args=(*two[:1], tmp_path)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path for path, _ in https.asked) == ["/a.gz", "/b.gz"]
    assert sorted(path.name for path in tmp_path.iterdir()) == list(BODIES)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("killed_by", [signal.SIGINT, signal.SIGKILL])
def test_the_next_call_continues_after_a_killed_process(https, tmp_path, killed_by):
    half = content(BODY, cut=N // 2, hang=True, etag='"1"')
    file = published(https.serve("/a", half, content(BODY, etag='"1"')))
    process = start([file], tmp_path)
    while not (part := list(tmp_path.glob(".a.gz.*.fetching/part"))) or (
        part[0].stat().st_size <= N // 4
    ):
        assert process.poll() is None
        https.stopping.wait(0.01)
    process.send_signal(killed_by)
    process.communicate(timeout=20)
    assert process.returncode == -killed_by
    assert not (tmp_path / "a.gz").exists()
    n_fetched = part[0].stat().st_size
    fetch([file], tmp_path)
    assert https.ranges() == [None, f"bytes={n_fetched}-"]
    assert (tmp_path / "a.gz").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["a.gz"]


# ---- servers and disks ------------------------------------------------------------


def endless(handler):
    """Answer with bytes that never end."""
    respond(200, {}, iter(lambda: b"x" * 10_000, None))(handler)


@pytest.mark.parametrize(
    "answer, message",
    [
        (status(404), "HTTP 404 Not Found"),
        (status(500), "HTTP 500 Internal Server Error"),
        (redirect("/bad"), "Exceeded 10 redirects"),
        (
            redirect("file:///etc/passwd"),
            "No connection adapters were found for 'file:///etc/",
        ),
        (content(b"x" * N), "not the published file: its sha256 must be"),
        (content(b"short"), "must have 300000 bytes, got 5"),
        (content(BODY, cut=0), "failed: .*0 bytes read, 300000 more expected"),
        (content(BODY, cut=0, hang=True), "no answer in time"),
        (endless, "must have 300000 bytes, got 300001 or more"),
    ],
)
def test_a_bad_mirror_is_skipped(https, tmp_path, monkeypatch, answer, message, capsys):
    if "in time" in message:
        monkeypatch.setattr(sources, "_TIMEOUTS", (10, 0.1))
    bad, good = https.serve("/bad", answer), https.serve("/good", content(BODY))
    fetch([published(bad, good)], tmp_path)
    assert (tmp_path / "a.gz").read_bytes() == BODY
    assert re.search(f"giving up on {bad}: .*{message}", capsys.readouterr().err)
    (tmp_path / "a.gz").unlink()
    with pytest.raises(DownloadError, match=f"  {bad}: .*{message}"):
        fetch([published(bad)], tmp_path)
    assert not (tmp_path / "a.gz").exists()


def test_the_limit_for_urls_is_not_that_of_published_files(two, tmp_path, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_MAX_DOWNLOAD_GB", "much")
    fetch(two[0], tmp_path)
    assert (tmp_path / "a.gz").read_bytes() == BODY


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs POSIX users")
def test_a_folder_that_cannot_be_written(two, https):
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "b.gz").write_bytes(BODIES["b.gz"])
        folder.chmod(0o555)
        os.seteuid(65534 if root else os.geteuid())  # root may write everywhere
        try:
            assert fetch(two[0][1:], folder) == [folder / "b.gz"]
            with pytest.raises(PermissionError, match=rf"'{name}/a\.gz'"):
                fetch(two[0], folder)
        finally:
            os.seteuid(0 if root else os.geteuid())
            folder.chmod(0o755)
    assert not https.asked


def test_a_file_in_place_of_the_folder(two, tmp_path):
    (tmp_path / "data").touch()
    with pytest.raises(OSError, match="data"):
        fetch(two[0], tmp_path / "data")


def test_a_full_disk_is_reported_and_the_next_call_succeeds(
    two, https, tmp_path, monkeypatch
):
    def full(fd):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=r"No space left on device: '.*/a\.gz'"):
            fetch(two[0], tmp_path)
    assert not (tmp_path / "a.gz").exists() and len(https.asked) == 1
    fetch(two[0], tmp_path)
    assert (tmp_path / "a.gz").read_bytes() == BODY


def test_existing_files_need_no_import_of_network_modules(tmp_path):
    (tmp_path / "a.gz").write_bytes(BODY)
    code = f"""
import sys
from fmnist_fast._download.fetch import fetch
from fmnist_fast._registry.datasets import DATASETS
from fmnist_fast._registry.spec import PublishedFile

known = {hashlib.sha256(BODY).hexdigest()!r}
fetch([PublishedFile("a.gz", ("https://x",), known)], ".")
print(sorted({{"requests", "ssl", "socket"}} & set(sys.modules)))
"""
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert process.stdout == "[]\n", process.stderr


def test_a_published_file(real_root, https, tmp_path):
    """The published hash accepts a file that was really published."""
    name = "t10k-labels-idx1-ubyte.gz"
    body = (real_root / name).read_bytes()
    sha256, _ = DATASETS["fashion-mnist"].sha256_of(name.removesuffix(".gz"))
    url = https.serve("/a", content(body))
    fetch([PublishedFile(name, (url,), sha256)], tmp_path)
    assert (tmp_path / name).read_bytes() == body


@pytest.mark.parametrize("is_same", [False, True])
def test_a_file_that_appears_during_the_download_stays(https, tmp_path, is_same):
    def answer(handler):
        (tmp_path / "a.gz").write_bytes(BODY if is_same else b"mine")
        content(BODY)(handler)

    file = published(https.serve("/a.gz", answer))
    if is_same:
        fetch([file], tmp_path)
    else:
        with pytest.raises(FormatError, match="not the published file of that name"):
            fetch([file], tmp_path)
    assert (tmp_path / "a.gz").read_bytes() == (BODY if is_same else b"mine")


@pytest.mark.skipif(sys.platform == "win32", reason="needs modes of files")
def test_only_folders_of_the_cache_are_private(two, tmp_path, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    before = os.umask(0o022)
    try:
        for name, mode in (("shared", 0o755), ("cache", 0o700)):
            fetch(two[0], tmp_path / name / "data")
            assert (tmp_path / name).stat().st_mode & 0o777 == mode
            assert (tmp_path / name / "data").stat().st_mode & 0o777 == mode
    finally:
        os.umask(before)

"""Files: reads in parts, files replaced in one step, and paths."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import DownloadError, FormatError, config, idx
from fmnist_fast._cli.main import main
from fmnist_fast._io import files, paths
from fmnist_fast._io.files import read_into, replacing
from fmnist_fast._io.threads import run_together

# ---- read_into ------------------------------------------------------------------


@pytest.fixture(params=["positioned", "sequential", "one call per byte"])
def file(tmp_path, monkeypatch, request):
    """Open a file of 10,007 random bytes, on systems with and without preadv."""
    if request.param == "sequential":
        monkeypatch.delattr(os, "preadv", raising=False)
    elif request.param == "one call per byte":
        monkeypatch.setattr(files, "_CALL_NBYTES", 1)
    monkeypatch.setattr(files, "_PART_NBYTES", 1000)
    monkeypatch.setattr(files, "usable_cores", lambda: 3)
    content = np.random.default_rng(0).bytes(10007)
    (tmp_path / "a").write_bytes(content)
    with open(tmp_path / "a", "rb", buffering=0) as opened:
        opened.read(3)
        yield opened


@pytest.mark.parametrize("offset, n", [(0, 10007), (16, 9991), (5000, 7), (10, 0)])
def test_any_range_is_read(file, offset, n):
    out = np.empty(n, np.uint8)
    assert read_into(file, offset, out) == n
    with open(file.name, "rb") as again:
        assert out.tobytes() == again.read()[offset : offset + n]


@pytest.mark.parametrize("offset, n", [(0, 10008), (9000, 5000), (10007, 1)])
def test_reads_past_the_end_return_the_bytes_that_exist(file, offset, n):
    assert read_into(file, offset, np.empty(n, np.uint8)) == 10007 - offset


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE])
def test_errors_of_reading_name_the_file(tmp_path, monkeypatch, code):
    def fail(*arguments):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "preadv", fail, raising=False)
    path = tmp_path / "a"
    ff.write_idx(path, np.zeros(5, np.uint8))
    for read in (lambda path: idx.read_content(path, "source"), ff.read_idx):
        with pytest.raises(OSError, match=os.strerror(code)) as caught:
            read(path)
        assert (caught.value.filename, caught.value.errno) == (str(path), code)


def test_a_lack_of_memory_names_the_file_once(tmp_path):
    with open(tmp_path / "a", "wb") as file:
        sides = b"".join(n.to_bytes(4, "big") for n in (1 << 20, 1 << 12, 1 << 11))
        file.write(b"\0\0\x08\x03" + sides)
        file.truncate(16 + (1 << 43))
    for read in (lambda path: idx.read_content(path, "source"), ff.read_idx):
        with pytest.raises(MemoryError, match="Unable to allocate 8") as caught:
            read(tmp_path / "a")
        assert str(caught.value).count(str(tmp_path / "a")) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="requires named pipes")
@pytest.mark.parametrize(
    "read", [lambda path: idx.read_content(path, str(path)), idx.map_idx]
)
def test_pipes_and_devices_are_not_read(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(FormatError, match=f"^{path}: must be a file, got a FIFO"):
            read(path)


def test_an_empty_file_is_not_mapped(tmp_path):
    (tmp_path / "empty").touch()
    with open(tmp_path / "empty", "rb") as file:
        with pytest.raises(FormatError, match=r"^name: the file is empty$"):
            files.map_file(file, "name")


# ---- replacing ------------------------------------------------------------------


def full_disk(*arguments):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="requires named pipes")
def test_a_pipe_in_the_place_of_a_folder_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    code = "import sys; from fmnist_fast._io import files; from pathlib import Path\n"
    code += "files.sync_folder(Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path / "pipe")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    assert "NotADirectoryError" in done.stderr


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_errors_of_writing_name_the_target(tmp_path, monkeypatch, function):
    monkeypatch.setattr(os, function, full_disk)
    with pytest.raises(OSError, match="No space left") as caught:
        with replacing(tmp_path / "a") as file:
            file.write(b"new")
    assert caught.value.filename == str(tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_an_error_never_names_the_temporary_file(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError) as caught:
        with replacing(tmp_path / "a"):
            pass
    assert str(caught.value).endswith(f": '{tmp_path / 'a'}'")


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        with replacing(tmp_path / "a"):
            open(tmp_path / "other")
    assert caught.value.filename == str(tmp_path / "other")


@pytest.mark.parametrize(
    "error, text",
    [
        (OSError("3 requested and 1 written"), "a: 3 requested and 1 written"),
        (MemoryError(), "a: Cannot allocate memory"),
        (MemoryError("a: too large"), "a: too large"),
        (FormatError("b: damaged"), "b: damaged"),
        (DownloadError("c: no server"), "c: no server"),
    ],
)
def test_the_name_is_added_to_errors_of_the_system_once(error, text):
    with pytest.raises(type(error)) as caught:
        with files.naming("a"):
            raise error
    assert str(caught.value) == text


LIMITED = """
import resource, signal, sys
import numpy as np
import fmnist_fast as ff
from fmnist_fast._cli.main import main

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
array = np.arange(100_000, dtype=np.int32)
ff.write_idx("source", array)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
for name in ("a", "a.gz"):
    try:
        ff.write_idx(name, np.random.default_rng(0).permutation(array))
    except OSError as error:
        print(error)
main(["convert-idx", "source", "b.npy"])
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="requires POSIX")
def test_a_limit_of_the_system_names_the_file(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    reason = f"[Errno {errno.EFBIG}] {os.strerror(errno.EFBIG)}"
    assert done.stdout.splitlines() == [f"{reason}: 'a'", f"{reason}: 'a.gz'"]
    assert "error: b.npy: " in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("sync", [True, False])
def test_new_content_appears_when_the_block_ends(tmp_path, sync):
    path = tmp_path / "a"
    path.write_text("old")
    with replacing(path, sync=sync) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("exists", [True, False])
def test_failure_changes_nothing(tmp_path, error, exists):
    path = tmp_path / "a"
    if exists:
        path.write_text("old")
    with pytest.raises(error):
        with replacing(path) as file:
            file.write(b"half of the new")
            raise error
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"] * exists


@pytest.mark.parametrize("sync", [True, False])
def test_sync_writes_bytes_to_disk_before_the_name(tmp_path, monkeypatch, sync):
    calls, replace = [], os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append("sync"))
    monkeypatch.setattr(
        os, "replace", lambda *names: (calls.append("name"), replace(*names))
    )
    with replacing(tmp_path / "a", sync=sync):
        pass
    assert calls[:2] == (["sync", "name"] if sync else ["name"])


def test_concurrent_writers_leave_one_whole_file(tmp_path):
    def write(i):
        for _ in range(20):
            with replacing(tmp_path / "a", sync=False) as file:
                file.write(bytes([i]) * 10000)
                file.write(bytes([i]) * 10000)

    run_together([lambda i=i: write(i) for i in range(4)])
    content = (tmp_path / "a").read_bytes()
    assert len(content) == 20000 and len(set(content)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_path_may_be_a_string(tmp_path):
    with replacing(str(tmp_path / "a")) as file:
        file.write(b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


# ---- paths that begin at home ---------------------------------------------------


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Make a temporary folder the home folder, and return it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("FMNIST_FAST_DATA", raising=False)
    return tmp_path


@pytest.mark.parametrize("path", ["~/a", Path("~/a"), b"~/a"])
def test_a_path_may_begin_at_home(home, path):
    assert paths.expanded(path) == str(home / "a")


@pytest.mark.parametrize("path", ["a/~", "~no-such-user/a", "./~/a", ""])
def test_other_paths_are_not_changed(home, path):
    assert paths.expanded(path) == path


def test_numbers_are_no_paths(home):
    with pytest.raises(TypeError, match="not int"):
        paths.expanded(3)


def test_every_function_expands_paths_that_begin_at_home(home, small, monkeypatch):
    images, labels = "~/t10k-images-idx3-ubyte", "~/t10k-labels-idx1-ubyte"
    ff.write_idx(images, small.images)
    ff.write_idx(labels, small.labels)
    assert sorted(path.name for path in home.iterdir()) == [images[2:], labels[2:]]
    card = {"name": "clothes", "classes": small.classes}
    (home / "dataset.json").write_text(json.dumps(card))
    assert np.array_equal(ff.read_idx(images), small.images)
    for dataset in (
        ff.load("test", "~"),
        ff.load("test", name="~"),
        ff.load_files(images),
        ff.load_files([images]),
        ff.load_files("~/*idx3*"),
    ):
        assert dataset.fingerprint == small.fingerprint
    monkeypatch.setenv("FMNIST_FAST_DATA", "~")
    assert config.data_folder() == home
    (home / "folder").mkdir()
    with pytest.raises(FileNotFoundError, match=r"got a folder\. Pass"):
        ff.load_files("~/folder")
    with pytest.raises(FileNotFoundError, match=re.escape(f"{home / 'missing'}")):
        ff.load_files("~/missing")


def test_the_command_line_expands_paths_that_begin_at_home(home, small, capsys):
    ff.write_idx(home / "a.idx", small.labels)
    assert main(["convert-idx", "~/a.idx", "~/a.npy"]) == 0
    assert np.array_equal(np.load(home / "a.npy"), small.labels)
    assert main(["verify", "~/a.idx"]) == 0
    assert main(["info", "--root=~"]) == 1
    assert f"in {home}" in capsys.readouterr().err


def test_is_url():
    for text in ("http://host/x", "s3://bucket/x", "simplecache::s3://b/x", "a+b://x"):
        assert paths.is_url(text)
    for text in ("C:\\data\\x", "data/x", "/data", "", None, b"http://x", 7):
        assert not paths.is_url(text)


@pytest.mark.parametrize(
    "user", ["me:s3cret", "me:s3cret x", "me:s3/cret", "me:s3?cret", "me:s3@cret", "s3"]
)
def test_users_and_passwords_are_not_shown(user):
    text = f"{user}@host:80/a@b/part?-images"
    assert paths.shown(f"x: http://{text}") in (
        "x: http://***@host:80/a@b/part?-images",
        "x: http://***@b/part?-images",  # a slash in a password hides more
    )
    for url in ("http://host:80/a@b", "s3://bucket/a@b", "http://host/a:80@b"):
        assert paths.shown(url) == url


@pytest.mark.skipif(sys.platform == "win32", reason="needs modes of files")
def test_the_mode_of_the_new_file(tmp_path):
    for mode, expected in ((0o666, 0o644), (0o600, 0o600)):
        before = os.umask(0o022)
        try:
            with replacing(tmp_path / "a", mode=mode) as file:
                assert os.fstat(file.fileno()).st_mode & 0o777 == expected
        finally:
            os.umask(before)
        assert (tmp_path / "a").stat().st_mode & 0o777 == expected

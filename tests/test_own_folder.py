"""A folder in which only this user can write: its files, its lock, and traps."""

import os
import signal
import subprocess
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace

import pytest

from fmnist_fast._io import own_folder
from fmnist_fast._io.own_folder import OwnFolder

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


@pytest.fixture(params=["posix", "other"])
def folder(request, tmp_path, monkeypatch):
    """Return an open folder, with a descriptor and without."""
    if request.param == "other":
        monkeypatch.setattr(own_folder, "_IS_POSIX", False)
    elif sys.platform == "win32":
        pytest.skip("needs POSIX")
    with OwnFolder(tmp_path / "folder") as folder:
        folder.make_subfolder("sub")
        yield folder


def write(folder, name, content, temporary="sub/new"):
    with folder.replacing(name, temporary) as file:
        file.write(content)


def test_files(folder):
    for content in (b"first", b"2nd"):
        write(folder, "a", content)
    write(folder, "sub/b", b"")
    assert list(folder.files("sub")) == ["a", "sub/b"]
    assert (folder.nbytes("a"), folder.nbytes("sub/b"), folder.nbytes("c")) == (
        3,
        0,
        -1,
    )
    with folder.open("a") as file:
        assert file.read() == b"2nd"
    with folder.open("a", os.O_RDWR | os.O_CREAT) as file:
        file.write(b"3r")
    assert (folder.path / "a").read_bytes() == b"3rd"
    for name in ("a", "sub/b", "missing"):
        folder.remove(name)
    folder.remove_subfolder("sub")
    assert os.listdir(folder.path) == []


def test_a_move_to_a_missing_or_an_empty_folder(folder, tmp_path):
    assert folder.lock("sub/lock")
    (tmp_path / "second").mkdir()
    for name in ("first", "second"):
        folder.move(tmp_path / name)
        assert not (tmp_path / "folder").exists()
    assert os.listdir(tmp_path) == ["second"]
    assert list(folder.files("sub")) == ["sub/lock"]


def test_a_folder_with_files_is_not_replaced(folder, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    with pytest.raises(OSError, match="full"):
        folder.move(tmp_path / "full")
    assert (tmp_path / "full" / "a").exists() and folder.path.exists()


def test_a_lock_is_held_once(folder):
    assert folder.lock("sub/lock")
    with OwnFolder(folder.path) as other:
        assert not other.lock("sub/lock")
        folder.unlock()
        assert other.lock("sub/lock")


@needs_posix
def test_a_lock_in_a_folder_that_was_moved_is_not_held(tmp_path):
    with OwnFolder(tmp_path / "a") as first, OwnFolder(tmp_path / "a") as second:
        assert first.lock("lock")
        first.move(tmp_path / "b")
        for _ in range(2):  # while the lock is in use, and then
            with pytest.raises(FileNotFoundError, match=r"moved or replaced .*/a'"):
                second.lock("lock")
            first.unlock()
        assert os.listdir(tmp_path / "b") == []
        with pytest.raises(FileNotFoundError, match=r"moved or replaced .*/a'"):
            second.move(tmp_path / "c")


@needs_posix
@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
def test_files_and_the_folder_are_shared_as_the_umask_allows(tmp_path, umask):
    (tmp_path / "stranger").touch(0o600)
    before = os.umask(umask)
    try:
        with OwnFolder(tmp_path / "a") as folder:
            for name in ("shared", "kept"):
                write(folder, name, b"", "new")
            (tmp_path / "a").chmod(0o2755)
            (tmp_path / "a" / "mode").symlink_to(tmp_path / "stranger")
            mode = folder.new_mode("mode")
            folder.share(["shared", "missing"], mode)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.path.iterdir()}
    assert modes == {"shared": 0o666 & ~umask, "kept": 0o644 & ~umask}
    assert folder.path.stat().st_mode & 0o7777 == 0o2777 & ~umask
    assert (tmp_path / "stranger").stat().st_mode & 0o777 == 0o600


@needs_posix
def test_a_link_is_not_shared(tmp_path):
    (tmp_path / "stranger").touch(0o600)
    with OwnFolder(tmp_path / "a") as folder:
        (tmp_path / "a" / "link").symlink_to(tmp_path / "stranger")
        with pytest.raises(OSError, match="a/link"):
            folder.share(["link"], 0o777)
    assert (tmp_path / "stranger").stat().st_mode & 0o777 == 0o600


@needs_posix
@pytest.mark.parametrize("moment", ["while it is locked", "after it is locked"])
def test_a_forked_child_does_not_hold_the_lock(tmp_path, moment):
    code = """
import os, pathlib, sys, time
from fmnist_fast._io import own_folder

def fork():
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(20)
        os._exit(0)

def try_lock_and_fork(file):
    is_locked = try_lock(file)
    fork()  # as another thread may
    return is_locked

folder = own_folder.OwnFolder(pathlib.Path(sys.argv[1]))
try_lock = own_folder.try_lock
if sys.argv[2] == "while it is locked":
    own_folder.try_lock = try_lock_and_fork
    assert folder.lock("lock")
else:
    assert folder.lock("lock")
    fork()
os._exit(0)
"""
    command = [sys.executable, "-c", code, tmp_path / "folder", moment]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        child = int(process.stdout.readline())
        try:
            process.wait(10)
            with OwnFolder(tmp_path / "folder") as folder:
                assert folder.lock("lock")
        finally:
            os.kill(child, signal.SIGKILL)


@needs_posix
def test_a_forked_child_closes_folders_that_two_threads_open_at_once(
    tmp_path, monkeypatch
):
    opened = []

    def slow(folder):
        if not opened:  # now, another thread opens a folder
            opened.append(folder)
            opened.append(OwnFolder(tmp_path / "b"))
        return weakref.ref(folder)

    monkeypatch.setattr(own_folder, "weakref", SimpleNamespace(ref=slow))
    OwnFolder(tmp_path / "a")
    assert len(opened) == 2
    own_folder._close_in_child()
    assert [folder._folder for folder in opened] == [None, None]


@needs_posix
@pytest.mark.parametrize(
    "make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("t")]
)
def test_what_appears_after_the_check_is_not_opened(folder, make):
    (folder.path / "t").touch()
    make(folder.path / "file")
    for flags in (os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_CREAT):
        with pytest.raises(OSError, match="folder/file"):
            folder.open("file", flags)


@needs_posix
def test_a_link_is_replaced_and_not_followed(folder):
    (folder.path / "t").write_text("precious")
    for name in ("file", "sub/new"):
        (folder.path / name).symlink_to(folder.path / "t")
    write(folder, "file", b"new")
    assert (folder.path / "t").read_text() == "precious"
    assert not (folder.path / "file").is_symlink()


@needs_posix
def test_a_file_system_without_modes_lets_a_new_folder_work(tmp_path, monkeypatch):
    monkeypatch.setattr(own_folder, "_FOLDER_MODE", 0o777)
    monkeypatch.setattr(own_folder, "_FILE_MODE", 0o666)
    before = os.umask(0)
    try:
        with OwnFolder(tmp_path / "folder") as folder:
            folder.make_subfolder("sub")
            write(folder, "file", b"new")
            with folder.open("file") as file:
                assert file.read() == b"new"
    finally:
        os.umask(before)
    with pytest.raises(FileExistsError, match="folder is writable by other users"):
        OwnFolder(tmp_path / "folder")


@needs_posix
def test_errors_of_the_system_name_the_file(folder, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"No space .*/folder/sub/file'"):
        write(folder, "sub/file", b"new")


def test_a_missing_folder_can_be_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        OwnFolder(tmp_path / "none", create=False)


def linked(path):
    path.symlink_to("elsewhere")


def linked_twice(path):
    path.touch()
    path.with_name("other").hardlink_to(path)


def writable(path):
    path.touch()
    path.chmod(0o666)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
@pytest.mark.parametrize(
    "make, reason",
    [
        (linked, "is a link"),
        (Path.mkdir, "is not a file"),
        (linked_twice, "has another name too .a hard link"),
        (writable, "is writable by other users"),
    ],
)
def test_reasons_to_refuse_a_file(tmp_path, make, reason):
    make(tmp_path / "file")
    with OwnFolder(tmp_path) as folder:
        with pytest.raises(FileExistsError, match=f"/file {reason}"):
            folder.check_file("file")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
def test_a_folder_of_root_is_not_ours(tmp_path, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("needs root to own the folder")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(FileExistsError, match=f"{tmp_path} belongs to root"):
        OwnFolder(tmp_path)

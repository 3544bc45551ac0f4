"""Folders and files that other users can't change."""

import os
import sys

import pytest

from fmnist_fast._io.private import (
    is_file,
    make_folder,
    open_file,
    trusted_folder,
)
from fmnist_fast.errors import FormatError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


def give_away(path, monkeypatch):
    """Make a file or folder that of another user."""
    uid = os.geteuid()
    if uid == 0:  # files of root are trusted
        os.chown(path, 4711, 4711)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: uid + 1)


def mode(path):
    return path.stat().st_mode & 0o777


def test_missing_folders_are_made_for_this_user(tmp_path):
    tmp_path.chmod(0o755)
    make_folder(tmp_path / "a" / "b")
    assert (mode(tmp_path), mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (
        *(0o755, 0o700, 0o700),
    )
    make_folder(tmp_path / "a" / "b")


def test_a_folder_of_ours_is_trusted(tmp_path):
    folder = trusted_folder(tmp_path / "cache", "decoded")
    assert folder == tmp_path / "cache" / "decoded" and mode(folder) == 0o700
    folder.chmod(0o755)
    assert trusted_folder(tmp_path / "cache", "decoded") == folder


@pytest.mark.parametrize("bits", [0o020, 0o002])
@pytest.mark.parametrize("name", [".", "decoded"])
def test_a_folder_that_others_can_write_is_not(tmp_path, name, bits):
    trusted_folder(tmp_path, "decoded")
    (tmp_path / name).chmod(0o700 | bits)
    command = f"chmod go-w {(tmp_path / name).resolve()}"
    with pytest.raises(PermissionError, match=rf"by other users \(run {command}\)"):
        trusted_folder(tmp_path, "decoded")


def test_nothing_is_written_into_a_folder_that_is_not_trusted(tmp_path):
    tmp_path.chmod(0o777)
    with pytest.raises(PermissionError, match="writable by other users"):
        trusted_folder(tmp_path, "decoded")
    assert not list(tmp_path.iterdir())


def test_a_folder_of_another_user_is_not(tmp_path, monkeypatch):
    give_away(tmp_path, monkeypatch)
    with pytest.raises(PermissionError, match="belongs to another user, number"):
        trusted_folder(tmp_path, "decoded")


def test_the_cache_folder_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir(0o700)
    (tmp_path / "cache").symlink_to(tmp_path / "disk")
    trusted_folder(tmp_path / "cache", "decoded")
    assert (tmp_path / "disk" / "decoded").is_dir()


def test_a_link_in_place_of_a_subfolder_is_refused(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "decoded").symlink_to(tmp_path / "disk")
    with pytest.raises(NotADirectoryError, match=r"not a folder: '.*decoded'"):
        trusted_folder(tmp_path, "decoded")


def test_a_file_of_ours_is_opened(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    with open_file(tmp_path / "file", trusted=True) as file:
        assert file.read() == b"content"


@pytest.mark.parametrize("bits", [0o020, 0o002])
def test_a_file_that_others_can_write_is_not(tmp_path, bits):
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(0o600 | bits)
    with pytest.raises(PermissionError, match="writable by other users"):
        open_file(tmp_path / "file", trusted=True)


def test_a_file_of_another_user_is_not_opened(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    give_away(tmp_path / "file", monkeypatch)
    with pytest.raises(PermissionError, match="belongs to another user"):
        open_file(tmp_path / "file", trusted=True)


def link_to_file(path):
    (path.parent / "target").touch()
    path.symlink_to(path.parent / "target")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, link_to_file])
def test_special_files_are_refused_at_once(tmp_path, make):
    make(tmp_path / "file")
    with pytest.raises((OSError, FormatError), match="/file"):
        open_file(tmp_path / "file", trusted=True)


# ---- files that may belong to anybody ---------------------------------------------


def test_files_and_links_to_files(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    assert not is_file(tmp_path / "missing")
    for name in ("file", "link"):
        assert is_file(tmp_path / name)
        with open_file(tmp_path / name) as file:
            assert file.read() == b"abc"


@pytest.mark.parametrize(
    "kind", ["a folder", "a FIFO, socket or device", "a link to nothing"]
)
def test_other_things_are_refused(tmp_path, kind):
    path = tmp_path / "path"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a link to nothing":
        path.symlink_to("nowhere")
    else:
        os.mkfifo(path)
    with pytest.raises(FormatError, match=rf"path: must be a file, got {kind}$"):
        is_file(path)
    error = FileNotFoundError if "nothing" in kind else FormatError
    with pytest.raises(error, match="path"):
        open_file(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="path"):
        open_file(tmp_path / "path")

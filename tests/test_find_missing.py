"""Errors for missing files: they name the files, the folders, and what to do."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from helpers.dataset_files import NAMES, write_pair

import fmnist_fast as ff


def test_missing_root(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"root must be a folder.*x, which does not"
    ):
        ff.load("test", tmp_path / "x")


def test_root_that_is_a_file(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(
        FileNotFoundError, match=r"must be a folder, got .*x, which is a file"
    ):
        ff.load("test", tmp_path / "x")


@pytest.mark.parametrize("missing", [0, 1])
def test_an_incomplete_pair(tmp_path, missing):
    pair = write_pair(tmp_path)
    pair[missing].unlink()
    present, absent = pair[1 - missing].name, NAMES["test"][missing]
    message = rf"{present}: {absent} or {absent}\.gz must be in the same folder"
    with pytest.raises(FileNotFoundError, match=message):
        ff.load("test", tmp_path)


def test_the_error_names_folders_and_what_to_do(tmp_path, monkeypatch, nowhere):
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path / "named"))
    with pytest.raises(FileNotFoundError) as caught:
        ff.load("train")
    for part in (
        "train-images-idx3-ubyte and train-labels-idx1-ubyte there, plain or .gz",
        str(tmp_path / "named"),
        str(tmp_path / "cache"),
        "root=FOLDER",
        "FMNIST_FAST_DATA=FOLDER",
        "ff.synthetic()",
    ):
        assert part in str(caught.value)


def test_no_folder_to_search(monkeypatch, nowhere):
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    with pytest.raises(
        FileNotFoundError, match="is off and FMNIST_FAST_DATA is not set"
    ):
        ff.load("train")


def test_root_of_another_type():
    with pytest.raises(TypeError, match="root must be a path, got 3"):
        ff.load("test", 3)


# ---- a folder with another dataset -------------------------------------------------


@pytest.fixture
def custom(tmp_path):
    """Return a folder with a card and the splits "train" and "val"."""
    for word in ("train", "val"):
        ff.write_idx(tmp_path / f"{word}-images-idx3-ubyte", np.zeros((4, 3, 3), "u1"))
        ff.write_idx(
            tmp_path / f"{word}-labels-idx1-ubyte", np.arange(4, dtype="u1") % 2
        )
    (tmp_path / "dataset.json").write_text('{"name": "pets", "classes": ["a", "b"]}')
    return tmp_path


def test_a_root_may_have_other_splits(custom, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "train-idx").mkdir()  # a folder, not an IDX file
    assert ff.load("val", root=custom).classes == ("a", "b")
    with pytest.raises(ValueError, match="must be 'train' or 'test', got 'nothing'"):
        ff.load("nothing", root=other)


@pytest.mark.parametrize("download", [False, True])
def test_nothing_is_fetched_into_a_folder_with_another_dataset(custom, download):
    with pytest.raises(
        FileNotFoundError, match=r"the dataset that its .* no split 'test'"
    ):
        ff.load("test", root=custom, download=download)
    assert not (custom / "fashion-mnist").exists()


@pytest.fixture
def as_nobody():
    """Run as a user who may not search every folder, and return a folder of theirs."""
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        if is_root:
            os.chown(name, 65534, -1)
            os.seteuid(65534)
        yield Path(name)
        os.seteuid(0 if is_root else os.geteuid())


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs POSIX users")
@pytest.mark.parametrize("mode", [0o600, 0o000])
def test_a_folder_that_may_not_be_searched_is_named(as_nobody, monkeypatch, mode):
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    folder = as_nobody / "data"
    write_pair(folder, "train")
    monkeypatch.setenv("FMNIST_FAST_DATA", str(folder))
    images = folder / "train-images-idx3-ubyte.gz"
    folder.chmod(mode)
    try:
        for load in (
            lambda: ff.load("train", folder),
            lambda: ff.load("train"),
            lambda: ff.load_files(images),
            lambda: ff.load_files([images]),
            lambda: ff.load_files(folder / "*"),
        ):
            with pytest.raises(PermissionError) as caught:
                load()
            assert caught.value.filename == str(folder)
    finally:
        folder.chmod(0o700)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs POSIX users")
def test_a_link_into_a_folder_that_may_not_be_searched_is_named(as_nobody):
    link, target = as_nobody / "a-images-idx3-ubyte", as_nobody / "data"
    target.mkdir()
    link.symlink_to(target / "a")
    target.chmod(0)
    with pytest.raises(PermissionError) as caught:
        ff.load_files(link)
    assert caught.value.filename == str(link)


def write_a(folder):
    ff.write_idx(folder / "a-images-idx3-ubyte.gz", np.zeros((3, 5, 4), np.uint8))
    ff.write_idx(folder / "a-labels-idx1-ubyte.gz", np.zeros(3, np.uint8))


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs POSIX users")
@pytest.mark.parametrize("name", ["zz-images-idx3-ubyte", "a-images-idx3-ubyte"])
def test_a_link_that_nobody_can_follow_hides_no_other_file(
    as_nobody, monkeypatch, name
):
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    write_a(as_nobody)
    locked = as_nobody / "locked"
    locked.mkdir()
    (as_nobody / name).symlink_to(locked / "file")
    locked.chmod(0)
    assert len(ff.load("a", root=as_nobody)) == 3
    assert len(ff.load_files(as_nobody / "*-images*")) == 3
    for split in ("zz", "b"):
        linked = split == "zz" and name.startswith("zz")
        with pytest.raises(PermissionError if linked else FileNotFoundError):
            ff.load(split, root=as_nobody)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs POSIX users")
def test_a_message_about_missing_files_survives_locked_folders(as_nobody):
    write_a(as_nobody)
    locked = as_nobody / "train-images-idx3-ubyte"
    locked.mkdir(mode=0)
    with pytest.raises(FileNotFoundError, match=f"{locked} is a folder"):
        ff.load("train", name=as_nobody)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs POSIX users")
def test_a_cache_folder_that_may_not_be_written_is_named(as_nobody, monkeypatch):
    monkeypatch.delenv("FMNIST_FAST_DATA", raising=False)
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(as_nobody))
    as_nobody.chmod(0o500)
    with pytest.raises(PermissionError, match=f"{as_nobody}/fashion-mnist'$"):
        ff.load("test", download=True)


def test_a_variable_that_names_a_file(tmp_path, monkeypatch, nowhere):
    path = write_pair(tmp_path / "mine")[0]
    monkeypatch.setenv("FMNIST_FAST_DATA", str(path))
    with pytest.raises(FileNotFoundError, match=f" in {path} .a file., {nowhere} .no"):
        ff.load("test")


def test_the_url_of_a_file_in_place_of_its_folder(tmp_path, nowhere):
    pytest.importorskip("fsspec")
    url = tmp_path.as_uri()
    with pytest.raises(FileNotFoundError) as caught:
        ff.load("test", f"{url}/{NAMES['test'][0]}.gz")
    assert str(caught.value).endswith(f".\nPass the URL of its folder, {url!r}.")


def test_copies_in_the_cache_folder_are_no_hints(tmp_path, nowhere, mnist_root):
    pytest.importorskip("fsspec")
    ff.load("test", mnist_root.as_uri(), name="mnist")
    assert any((nowhere / "remote").rglob("t10k-labels*"))
    with pytest.raises(FileNotFoundError) as caught:
        ff.load("train", name="mnist")
    with pytest.raises(FileNotFoundError) as other:
        ff.load("test", name="mnist")
    assert "remote" not in f"{caught.value}{other.value}"

"""Advice in messages about files works as it is written, in Python and in a shell."""

import gzip
import os
import re

import numpy as np
import pytest
from helpers.advice import WAYS, arguments_in, follow
from helpers.dataset_files import N, write_pair

import fmnist_fast as ff
from fmnist_fast._cli.main import main

IMAGES, LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"


def idx_of(items):
    """Return a gzip file that is valid, and not the published one."""
    header = bytes([0, 0, 8, items.ndim]) + np.array(items.shape, ">u4").tobytes()
    return gzip.compress(header + items.tobytes())


DAMAGES = {
    "truncated": lambda body: body[:-9],
    "empty": lambda body: b"",
    "a web page": lambda body: b"<html></html>",
    "half": lambda body: body[: len(body) // 2],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [IMAGES, LABELS])
def test_a_damaged_download_can_be_replaced(small_fashion, name, damage, way):
    ff.load("test", download=True)
    path = small_fashion / name
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    for download in (False, True):
        with pytest.raises(ff.FormatError, match="\nDelete it, then dow") as caught:
            ff.load("test", download=download)
    assert str(path) in str(caught.value).splitlines()[0]
    assert not re.search(r"(Delete|Replace) the file", str(caught.value))
    path.unlink()
    follow(caught.value, way)
    assert ff.load("test").name == "fashion-mnist"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("named", [{}, {"name": "fashion-mnist"}])
@pytest.mark.parametrize("folder", ["", "fashion-mnist", "FashionMNIST/raw"])
def test_a_damaged_file_in_a_given_folder_can_be_replaced(
    tmp_path, small_fashion, folder, named, way
):
    root = tmp_path / "my data"
    path = write_pair(root / folder, card=None)[0]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ff.FormatError, match="truncated") as caught:
        ff.load("test", root, **named)
    path.unlink()
    # The labels that `write_pair` wrote are not the published ones either.
    if folder == "fashion-mnist":
        (root / folder / LABELS).unlink()
    follow(caught.value, way)
    assert ff.load("test", root, **named).name == "fashion-mnist"


@pytest.mark.parametrize("way", WAYS)
def test_a_whole_file_with_other_content_can_be_replaced(small_fashion, way):
    ff.load("test", download=True)
    path = small_fashion / IMAGES
    path.write_bytes(idx_of(np.zeros((N, 5, 4), np.uint8)))
    with pytest.warns(
        UserWarning, match="not the published Fashion.*\n.*\nDelete"
    ) as w:
        assert ff.load("test").name is None
    path.unlink()
    follow(w[0].message, way)
    assert ff.load("test").name == "fashion-mnist"


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_downloads_do_not_replace_can_be_replaced(
    small_fashion, way, capsys
):
    small_fashion.mkdir(parents=True)
    path = small_fashion / IMAGES
    path.write_bytes(b"mine")
    with pytest.raises(ff.FormatError, match=f"{path}: not the published") as caught:
        ff.load("test", download=True)
    assert path.read_bytes() == b"mine" and main(["download"]) == 1
    assert f"{path}: not the published" in capsys.readouterr().err
    path.unlink()
    follow(caught.value, way)
    assert ff.load("test").name == "fashion-mnist"


def test_the_advice_of_the_download_command_is_a_command(
    small_fashion, tmp_path, capsys
):
    folder = tmp_path / "my data" / "fashion-mnist"
    folder.mkdir(parents=True)
    (folder / IMAGES).write_bytes(b"mine")
    assert main(["download", "--to", str(folder.parent)]) == 1
    message = capsys.readouterr().err
    (folder / IMAGES).unlink()
    for way in reversed(WAYS):
        follow(message, way)
    assert ff.load("test", folder.parent).name == "fashion-mnist"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", ["cache", "root", "variable"])
def test_missing_files_can_be_downloaded(
    small_fashion, tmp_path, monkeypatch, place, way
):
    root = tmp_path / "new"
    if place == "variable":
        monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
        monkeypatch.setenv("FMNIST_FAST_DATA", str(root))
    root.mkdir()
    arguments = {"root": root} if place == "root" else {}
    with pytest.raises(FileNotFoundError) as caught:
        ff.load("test", **arguments)
    follow(caught.value, way)
    assert ff.load("test", **arguments).name == "fashion-mnist"


def test_files_of_another_dataset_are_loaded_as_the_message_says(
    tmp_path, mnist_root, nowhere, monkeypatch, capsys
):
    """The folders are those of torchvision, a subfolder, and that of another name."""
    for folder in ("MNIST/raw", "mnist", "fashion-mnist", "a/b", ""):
        base = tmp_path / f"in {folder.replace('/', ' ')}"
        (base / folder).mkdir(parents=True)
        for name in (IMAGES, LABELS):
            (base / folder / name).symlink_to(mnist_root / name)
        monkeypatch.setenv("FMNIST_FAST_DATA", str(base))
        with pytest.raises(FileNotFoundError, match="is a file of MNIST") as caught:
            ff.load("test")
        assert ff.load("test", **arguments_in(caught.value)).name == "mnist"
        assert main(["verify"]) == main(["verify", "--root", str(base / "none")]) == 1
        assert "MNIST. Pass --" in capsys.readouterr().out


def test_a_warning_about_another_dataset_says_what_to_write(mnist_root, capsys):
    with pytest.warns(UserWarning, match="of MNIST") as warnings:
        ff.load("test", mnist_root)
    assert ff.load("test", **arguments_in(warnings[0].message)).name == "mnist"
    assert main(["info", "--root", str(mnist_root)]) == 0
    assert f"Pass --root {mnist_root} --name mnist.\n" in capsys.readouterr().err


def test_a_download_without_a_folder_says_which_argument_is_missing(
    small_fashion, tmp_path, monkeypatch
):
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    with pytest.raises(FileNotFoundError, match="\nPass root=FOLDER, or --to FOLDER"):
        ff.load("test", download=True)
    assert ff.load("test", root=tmp_path / "a", download=True).name == "fashion-mnist"
    assert main(["download", "--to", str(tmp_path / "b")]) == 0


def test_offline_advice_can_be_followed(small_fashion, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match="after you unset FMNIST_FAST_OFF") as c:
        ff.load("test")
    monkeypatch.delenv("FMNIST_FAST_OFFLINE")
    follow(c.value, "in Python")


def test_a_damaged_decoded_copy_is_made_again(small_fashion):
    images = np.array(ff.load("test", download=True).images)
    (copy,) = (small_fashion.parent / "decoded").glob("*images*.bin")
    copy.write_bytes(copy.read_bytes()[:-1] + b"x")
    assert np.array_equal(ff.load("test").images, images)


def test_a_file_of_ones_own_is_not_said_to_be_a_download(tmp_path):
    path = write_pair(tmp_path)[0]  # with a card
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ff.FormatError) as caught:
        ff.load("test", tmp_path)
    assert "Delete" not in str(caught.value) and os.path.exists(path)

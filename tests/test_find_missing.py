"""Files that are missing: the error says which, where, and what to do."""

import numpy as np
import pytest
from helpers.dataset_files import NAMES, write_pair

import fmnist_fast as ff


def test_missing_root(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"root must be a folder.*x is missing"):
        ff.load("test", tmp_path / "x")


def test_root_that_is_a_file(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(FileNotFoundError, match=r"must be a folder, but .*x is a file"):
        ff.load("test", tmp_path / "x")


@pytest.mark.parametrize("missing", [0, 1])
def test_half_a_pair(tmp_path, missing):
    pair = write_pair(tmp_path)
    pair[missing].unlink()
    there, absent = pair[1 - missing].name, NAMES["test"][missing]
    message = rf"{there} is there, but {absent} or {absent}\.gz is not beside it"
    with pytest.raises(FileNotFoundError, match=message):
        ff.load("test", tmp_path)


def test_nothing_found_says_where_and_what_to_do(tmp_path, monkeypatch, nowhere):
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path / "named"))
    with pytest.raises(FileNotFoundError) as caught:
        ff.load("train")
    for part in (
        r"train-images-idx3-ubyte[.gz] and train-labels-idx1-ubyte[.gz]",
        str(tmp_path / "named"),
        str(tmp_path / "cache"),
        "root=FOLDER",
        "FMNIST_FAST_DATA=FOLDER",
        "fmnist_fast.synthetic()",
    ):
        assert part in str(caught.value)


def test_nowhere_to_look(monkeypatch, nowhere):
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    with pytest.raises(FileNotFoundError, match="nowhere: FMNIST_FAST_DATA is not set"):
        ff.load("train")


def test_root_of_another_type():
    with pytest.raises(TypeError, match="root must be a path, got 3"):
        ff.load("test", 3)


# ---- a folder of one's own ---------------------------------------------------------


@pytest.fixture
def own(tmp_path):
    """Train alone, with a card, and another split of the same kind."""
    for word in ("train", "val"):
        ff.write_idx(tmp_path / f"{word}-images-idx3-ubyte", np.zeros((4, 3, 3), "u1"))
        ff.write_idx(
            tmp_path / f"{word}-labels-idx1-ubyte", np.arange(4, dtype="u1") % 2
        )
    (tmp_path / "dataset.json").write_text('{"name": "mine", "classes": ["a", "b"]}')
    return tmp_path


def test_other_splits_of_a_root(own, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "train-idx").mkdir()  # is no IDX file
    assert ff.load("val", root=own).classes == ("a", "b")
    with pytest.raises(ValueError, match="must be 'train' or 'test', got 'nothing'"):
        ff.load("nothing", root=other)


@pytest.mark.parametrize("download", [False, True])
def test_nothing_is_fetched_into_a_dataset_of_its_own(own, download):
    with pytest.raises(FileNotFoundError, match=r"dataset of its own .* split 'test'"):
        ff.load("test", root=own, download=download)
    assert not (own / "fashion-mnist").exists()

"""The folders that are searched for the files of a dataset, and their order."""

import gzip

import numpy as np
import pytest
from helpers.dataset_files import N, write_pair, write_published

import fmnist_fast as ff
from fmnist_fast._registry import datasets


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_pair_is_loaded(tmp_path, split, suffix):
    write_pair(tmp_path, split, fill=7, suffix=suffix)
    dataset = ff.load(split, tmp_path)
    assert dataset.images.shape == (12, 5, 4) and (dataset.images == 7).all()
    assert dataset.labels.tolist() == [*range(10), 0, 1]
    assert (dataset.split_name, dataset.source) == (split, str(tmp_path))


def test_arrays_are_read_only(tmp_path):
    write_pair(tmp_path, suffix="")
    dataset = ff.load("test", tmp_path)
    assert not dataset.images.flags.writeable and not dataset.labels.flags.writeable


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_root_may_be_a_string_or_a_path(tmp_path, kind):
    write_pair(tmp_path)
    assert len(ff.load("test", kind(tmp_path))) == 12


def test_root_may_start_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write_pair(tmp_path / "data")
    assert len(ff.load("test", "~/data")) == 12


@pytest.mark.parametrize(
    "folder",
    [
        "FashionMNIST/raw",  # torchvision
        "raw",
        "datasets/fashion-mnist",  # Keras
        "fashion-mnist",
        "data/fashion",  # Fashion-MNIST's repository
    ],
)
def test_folders_of_other_libraries(tmp_path, folder):
    write_pair(tmp_path / folder, fill=9)
    assert ff.load("test", tmp_path).images.max() == 9


def test_plain_files_come_before_gzip(tmp_path):
    write_pair(tmp_path, fill=1)
    write_pair(tmp_path, fill=2, suffix="")
    assert ff.load("test", tmp_path).images.max() == 2


def test_one_plain_and_one_gzip(tmp_path):
    images, _ = write_pair(tmp_path)
    (tmp_path / images.stem).write_bytes(gzip.decompress(images.read_bytes()))
    images.unlink()
    assert len(ff.load("test", tmp_path)) == 12


def test_root_comes_before_the_variable_and_the_cache_folder(
    tmp_path, monkeypatch, nowhere
):
    for i, name in enumerate(("given", "named", "cache")):
        write_pair(tmp_path / name, fill=i)
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path / "named"))
    assert ff.load("test", tmp_path / "given").images.max() == 0
    assert ff.load("test").images.max() == 1
    monkeypatch.delenv("FMNIST_FAST_DATA")
    assert ff.load("test").images.max() == 2


def test_the_cache_folder_is_searched_if_the_variables_folder_has_no_files(
    tmp_path, monkeypatch, nowhere
):
    write_pair(tmp_path / "cache", fill=2)
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path / "missing"))
    assert ff.load("test").images.max() == 2


def test_only_a_given_root_is_searched(tmp_path, nowhere):
    write_pair(tmp_path / "cache")
    (tmp_path / "given").mkdir()
    with pytest.raises(FileNotFoundError, match="found no test files") as caught:
        ff.load("test", tmp_path / "given")
    assert str(tmp_path / "cache") not in str(caught.value)


def test_a_missing_folder_is_named(tmp_path, monkeypatch, nowhere):
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path / "x"))
    with pytest.raises(FileNotFoundError, match=r"found no .* in .*x \(no such"):
        ff.load("test")


# ---- datasets besides Fashion-MNIST ------------------------------------------------


@pytest.mark.parametrize(
    "name, folder",
    [
        (name, folder)
        for name, known in datasets.DATASETS.items()
        if name in ("mnist", "kmnist", "emnist/digits", "qmnist")
        for folder in known.folders
    ],
)
def test_folders_of_other_datasets(tmp_path, spec, name, folder):
    part = spec(name).splits["test"]
    labels = np.zeros((N, 8), np.int32) if name == "qmnist" else np.zeros(N, np.uint8)
    write_published(tmp_path / folder, part, labels)
    assert len(ff.load("test", tmp_path, name=name)) == N  # warnings are errors
    assert ff.load("test", tmp_path, name=name).name == name


def test_the_datasets_own_folder_comes_before_shared_file_names(tmp_path, spec):
    part = spec("mnist").splits["test"]
    write_published(tmp_path, part, np.zeros(N, np.uint8))
    write_published(tmp_path / "mnist", part, np.ones(N, np.uint8))
    assert ff.load("test", tmp_path, name="mnist").labels[0] == 1


@pytest.mark.parametrize("default", [True, False])
def test_files_of_another_dataset_are_skipped(
    mnist_root, real_root, nowhere, monkeypatch, default
):
    name, folder, other = (
        ("fashion-mnist", mnist_root, "mnist")
        if default
        else ("mnist", real_root, "fashion-mnist")
    )
    monkeypatch.setenv("FMNIST_FAST_DATA", str(folder))
    with pytest.raises(FileNotFoundError, match=f"Pass name='{other}'.\nDownload the"):
        ff.load("test", name=name)

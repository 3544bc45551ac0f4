"""The synthetic dataset: IDX files that are drawn once and marked as synthetic."""

import gzip
import json
import os
import pickle
import re
import tempfile

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast._synthetic import garments

NAMES = {
    "dataset.json",
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return the cache folder, which does not exist yet."""
    monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def content(dataset):
    """Return the bytes of images and labels."""
    return dataset.images.tobytes() + dataset.labels.tobytes()


def forbid_drawing(monkeypatch):
    """Let the test fail if images are drawn again."""

    def fail(*args, **options):
        raise AssertionError("drawn again")

    monkeypatch.setattr(garments, "draw", fail)


@pytest.mark.parametrize("n_train, n_test", [(1, 1), (37, 12), (300, 301)])
def test_sizes(cache, n_train, n_test):
    train, test = ff.synthetic(n_train, n_test)
    assert train.images.shape == (n_train, 28, 28) and train.labels.shape == (n_train,)
    assert test.images.shape == (n_test, 28, 28) and test.labels.shape == (n_test,)
    assert (train.split_name, test.split_name) == ("train", "test")


def test_sizes_by_default_are_those_of_fashion_mnist(cache, monkeypatch):
    monkeypatch.setattr(
        garments, "draw", lambda labels, **_: np.zeros((len(labels), 28, 28), np.uint8)
    )
    assert [len(split) for split in ff.synthetic()] == [60000, 10000]


@pytest.mark.parametrize("n", [10, 95, 500])
def test_labels_are_balanced_and_shuffled(cache, n):
    for dataset in ff.synthetic(n, n):
        counts = np.bincount(dataset.labels, minlength=10)
        assert counts.max() - counts.min() <= 1
        assert not np.array_equal(dataset.labels, np.arange(n) % 10)


def test_labels_are_those_of_the_images(cache):
    train, test = ff.synthetic(50, 20, seed=3)
    drawn = garments.draw(np.concatenate([train.labels, test.labels]), seed=3)
    assert np.array_equal(np.concatenate([train.images, test.images]), drawn)


def test_images_depend_only_on_the_seed(tmp_path, monkeypatch):
    contents = []
    for i, seed in enumerate([0, 0, 1, 2**64 - 1]):
        monkeypatch.setenv("FMNIST_FAST_CACHE", str(tmp_path / str(i)))
        contents.append(b"".join(map(content, ff.synthetic(40, 10, seed))))
    assert contents[0] == contents[1] and len(set(contents)) == 3


def test_splits_share_no_image(cache):
    train, test = ff.synthetic(200, 200)
    images = np.concatenate([train.images, test.images]).reshape(400, -1)
    assert len(np.unique(images, axis=0)) == 400


def test_files_are_idx(cache):
    train, _ = ff.synthetic(40, 10)
    (folder,) = cache.iterdir()
    assert {path.name for path in folder.iterdir()} == NAMES
    assert train.source == str(folder)
    images = (folder / "train-images-idx3-ubyte").read_bytes()
    assert images[:8] == b"\0\0\x08\x03\0\0\0\x28" and len(images) == 16 + 40 * 784
    assert np.array_equal(ff.read_idx(images), train.images)
    labels = (folder / "train-labels-idx1-ubyte").read_bytes()
    assert labels == b"\0\0\x08\x01\0\0\0\x28" + train.labels.tobytes()


def test_second_call_reads_the_files(cache, monkeypatch):
    first = ff.synthetic(40, 10)
    times = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    forbid_drawing(monkeypatch)
    second = ff.synthetic(40, 10)
    assert [*map(content, first)] == [*map(content, second)]
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == times


def test_each_size_and_seed_has_separate_files(cache):
    for arguments in ((40, 10), (40, 11), (41, 10), (40, 10, 1)):
        ff.synthetic(*arguments)
    assert len(list(cache.iterdir())) == 4


def test_marked_synthetic(cache):
    for dataset in ff.synthetic(40, 10):
        assert dataset.synthetic and dataset.name == "synthetic"
        assert "(SYNTHETIC)" in repr(dataset)
        assert dataset.classes[0] == "T-shirt/top" and len(dataset.classes) == 10


@pytest.mark.parametrize("compress", [False, True])
def test_marked_synthetic_when_loaded_as_a_folder(cache, compress):
    train, _ = ff.synthetic(40, 10)
    (folder,) = cache.iterdir()
    for path in folder.glob("*ubyte") if compress else ():
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    for _ in range(2):  # the second from the decoded copy
        loaded = ff.load("train", folder)
        assert loaded.synthetic and "(SYNTHETIC)" in repr(loaded)
        assert content(loaded) == content(train)


def test_card_has_the_name_and_the_seed(cache):
    ff.synthetic(40, 10, seed=5)
    (path,) = cache.rglob("dataset.json")
    card = json.loads(path.read_text())
    assert (card["name"], card["synthetic"], card["seed"]) == ("synthetic", True, 5)


def test_without_a_cache_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    train, test = ff.synthetic(40, 10)
    assert (len(train), len(test)) == (40, 10)
    assert train.synthetic and train.source is None and "from" not in repr(train)
    assert not list(tmp_path.iterdir())


def test_without_a_cache_the_images_are_the_same(cache, tmp_path, monkeypatch):
    cached = ff.synthetic(40, 10)
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    assert [*map(content, ff.synthetic(40, 10))] == [*map(content, cached)]


def test_without_a_cache_the_dataset_is_pickled_by_value(monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    train, _ = ff.synthetic(40, 10)
    assert content(pickle.loads(pickle.dumps(train))) == content(train)


def test_a_cache_folder_that_cannot_be_written_gives_a_warning(
    cache, tmp_path, monkeypatch
):
    cache.touch()  # a file where the folder should be
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.warns(UserWarning, match=r"(?s)can't save the synthetic .* 'off'"):
        train, _ = ff.synthetic(40, 10)
    assert len(train) == 40 and train.source is None
    assert list(tmp_path.iterdir()) == [cache]


@pytest.mark.parametrize("n_calls", [1, 2])
def test_an_interrupted_call_is_repeated(cache, monkeypatch, n_calls):
    calls = []

    def draw(*args, **options):
        calls.append(args)
        if len(calls) == n_calls:
            raise KeyboardInterrupt
        return garments_draw(*args, **options)

    garments_draw = garments.draw
    with monkeypatch.context() as patch:
        patch.setattr(garments, "draw", draw)
        with pytest.raises(KeyboardInterrupt):
            ff.synthetic(40, 10)
    assert not list(cache.rglob("dataset.json")) and not list(cache.rglob("*.part"))
    train, test = ff.synthetic(40, 10)
    assert (len(train), len(test)) == (40, 10)
    assert {path.name for path in cache.rglob("*") if path.is_file()} == NAMES


def test_an_interrupted_write_leaves_no_card(cache, monkeypatch):
    def replace(source, target):
        if str(target).endswith("dataset.json"):
            raise KeyboardInterrupt
        rename(source, target)

    rename = os.replace
    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        ff.synthetic(40, 10)
    assert not list(cache.rglob("*.json"))


@pytest.mark.parametrize("n", [0, -1, 2**32, 1.0, True, "5", None])
@pytest.mark.parametrize("name", ["n_train", "n_test"])
def test_bad_sizes(cache, name, n):
    with bad_integer(name, n, "1..4294967295"):
        ff.synthetic(**{"n_train": 3, "n_test": 3, name: n})
    assert not cache.exists()


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, True, "5", None])
def test_bad_seeds(cache, seed):
    with bad_integer("seed", seed, "0..18446744073709551615"):
        ff.synthetic(3, 3, seed)
    assert not cache.exists()


def bad_integer(name, value, bounds):
    """Expect the error that says why `value` is not an integer in `bounds`."""
    if type(value) is int:
        message = re.escape(f"{name} must be in {bounds}, got {value}")
        return pytest.raises(ValueError, match=message)
    message = re.escape(f"{name} must be an integer, got {value!r}")
    return pytest.raises(TypeError, match=message)

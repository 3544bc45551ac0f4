"""The synthetic dataset: images that are drawn once and marked as synthetic."""

import gzip
import hashlib
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import pytest
from helpers.dataset_files import write_synthetic

import fmnist_fast as ff
from fmnist_fast._synthetic import garments

GOLDEN = "28ef80935512ed4bc19cf038f53818402bb8face326c075e299188a1d4170e05"


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


def test_the_bytes_are_those_of_every_version(cache):
    digest = hashlib.sha256(b"".join(map(content, ff.synthetic(300, 100, seed=7))))
    assert digest.hexdigest() == GOLDEN


def test_a_copy_of_each_split_is_kept(cache):
    train, _ = ff.synthetic(40, 10)
    names = ["10-from-40-seed-0.bin", "40-from-0-seed-0.bin"]
    assert sorted(os.listdir(cache / "synthetic")) == names
    assert os.listdir(cache) == ["synthetic"]
    assert train.source is None and "from" not in repr(train)


def test_the_second_call_maps_the_copies(cache, monkeypatch):
    first = ff.synthetic(40, 10)
    times = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    forbid_drawing(monkeypatch)
    second = ff.synthetic(40, 10)
    assert [*map(content, first)] == [*map(content, second)]
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == times


def test_arrays_are_read_only(cache, monkeypatch):
    for folder in (str(cache), "off"):
        monkeypatch.setenv("FMNIST_FAST_CACHE", folder)
        for dataset in ff.synthetic(40, 10):
            assert not dataset.images.flags.writeable
            assert not dataset.labels.flags.writeable


def test_each_size_and_seed_has_separate_copies(cache):
    for arguments in ((40, 10), (40, 11), (41, 10), (40, 10, 1)):
        ff.synthetic(*arguments)
    # (40, 10) and (40, 11) share their training images.
    assert len(list((cache / "synthetic").iterdir())) == 7


@pytest.mark.parametrize("at", [0, 100, 5000, -1])
def test_a_flipped_bit_is_healed(cache, at):
    want = [*map(content, ff.synthetic(40, 10))]
    copies = sorted((cache / "synthetic").iterdir())
    good = [copy.read_bytes() for copy in copies]
    for copy in copies:
        damaged = bytearray(copy.read_bytes())
        damaged[at] ^= 1
        copy.write_bytes(damaged)
    assert [*map(content, ff.synthetic(40, 10))] == want
    assert [copy.read_bytes() for copy in copies] == good


def test_a_copy_of_other_arguments_is_not_used(cache):
    train, _ = ff.synthetic(40, 10, seed=1)
    ff.synthetic(40, 10)
    folder = cache / "synthetic"
    os.replace(folder / "40-from-0-seed-0.bin", folder / "40-from-0-seed-1.bin")
    assert content(ff.synthetic(40, 10, seed=1)[0]) == content(train)


def test_marked_synthetic(cache):
    for dataset in ff.synthetic(40, 10):
        assert dataset.synthetic and dataset.name == "synthetic"
        assert "(SYNTHETIC)" in repr(dataset)
        assert dataset.classes[0] == "T-shirt/top" and len(dataset.classes) == 10


@pytest.mark.parametrize("compress", [False, True])
def test_marked_synthetic_when_loaded_as_a_folder(cache, tmp_path, compress):
    train, _ = ff.synthetic(40, 10)
    folder = tmp_path / "files"
    folder.mkdir()
    write_synthetic(folder, 40, 10)
    for path in folder.glob("*ubyte") if compress else ():
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    for _ in range(2):  # the second from the decoded copy
        loaded = ff.load("train", folder)
        assert loaded.synthetic and "(SYNTHETIC)" in repr(loaded)
        assert content(loaded) == content(train)


def test_without_a_cache_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    train, test = ff.synthetic(40, 10)
    assert (len(train), len(test)) == (40, 10)
    assert train.synthetic and train.source is None and "from" not in repr(train)
    assert not list(tmp_path.iterdir())


def test_without_a_cache_the_images_are_the_same(cache, monkeypatch):
    cached = ff.synthetic(40, 10)
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    assert [*map(content, ff.synthetic(40, 10))] == [*map(content, cached)]


# ---- pickle -------------------------------------------------------------------------


def test_without_a_cache_the_dataset_is_pickled_by_value(monkeypatch):
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    train, _ = ff.synthetic(40, 10)
    forbid_drawing(monkeypatch)
    assert content(pickle.loads(pickle.dumps(train))) == content(train)


@pytest.mark.parametrize("number", [0, 1])
def test_a_pickled_dataset_maps_its_copy(cache, monkeypatch, number):
    dataset = ff.synthetic(40, 10, seed=2)[number]
    pickled = pickle.dumps(dataset.with_format("pil"))
    assert len(pickled) < 500
    forbid_drawing(monkeypatch)
    again = pickle.loads(pickled)
    assert content(again) == content(dataset) and again.format == "pil"
    assert (again.name, again.split_name, again.synthetic) == (
        *("synthetic", dataset.split_name, True),
    )


@pytest.mark.parametrize("folder", ["other", "off"])
def test_a_pickled_dataset_is_drawn_again_elsewhere(cache, monkeypatch, folder):
    train, _ = ff.synthetic(40, 10)
    pickled = pickle.dumps(train)
    shutil.rmtree(cache)
    monkeypatch.setenv("FMNIST_FAST_CACHE", folder if folder == "off" else str(cache))
    assert content(pickle.loads(pickled)) == content(train)


# ---- when the copies can't be kept --------------------------------------------------


def test_a_cache_folder_that_cannot_be_written_gives_warnings(cache):
    cache.touch()  # a file where the folder should be
    with pytest.warns(
        UserWarning, match="could not keep a copy of the synthetic t"
    ) as caught:
        train, test = ff.synthetic(40, 10)
    assert len(train) == 40 and len(test) == 10 and cache.read_bytes() == b""
    assert len(caught) == 2  # one for each split


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
    assert len(os.listdir(cache / "synthetic")) == n_calls - 1
    train, test = ff.synthetic(40, 10)
    assert (len(train), len(test)) == (40, 10)
    assert len(os.listdir(cache / "synthetic")) == 2


def test_an_interrupted_write_leaves_nothing(cache, monkeypatch):
    def fail(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        ff.synthetic(40, 10)
    assert not os.listdir(cache / "synthetic")


DRAW = """
import sys
import fmnist_fast as ff
from fmnist_fast._synthetic import garments

def draw(labels, *, draw=garments.draw, **options):
    print(len(labels), flush=True)
    return draw(labels, **options)

garments.draw = draw
print("ready", flush=True)
sys.stdin.readline()
print(ff.synthetic(2000, 10)[0].fingerprint)
"""


def test_one_of_several_processes_draws(cache):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [
        subprocess.Popen([sys.executable, "-c", DRAW], **pipes) for _ in range(3)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    words = " ".join(process.communicate(timeout=30)[0] for process in processes)
    assert [word for word in sorted(words.split()) if len(word) < 5] == ["10", "2000"]
    assert len(os.listdir(cache / "synthetic")) == 2


# ---- arguments ----------------------------------------------------------------------


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

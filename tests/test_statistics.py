"""Statistics by which batches are normalized: whose they are, and their source."""

import copy
import gc
import json
import os
import pickle
import re
import shutil
import warnings
import weakref

import numpy as np
import pytest
from helpers.dataset_files import NAMES, write_published

import fmnist_fast as ff
from fmnist_fast._dataset import statistics

ROWS = {
    "slice": lambda ds: ds.select(slice(3, 40)),
    "list": lambda ds: ds.select([5, 5, -1]),
    "mask": lambda ds: ds.select(ds.labels == 1),
    "filter": lambda ds: ds.filter(lambda row: row["label"] == 2),
    "split": lambda ds: ds.split(0.3)[1],
    "empty": lambda ds: ds.select([]),
    "selection": lambda ds: ds.select(range(50)).split(0.5)[0].select([2]),
    "joined": lambda ds: ds.select([1]).concatenate(*ds.split(0.1)),
}


def write(folder, split, images, card=None):
    """Write images of one class, and a card of the folder."""
    for name, items in zip(NAMES[split], (images, np.zeros(len(images), np.uint8))):
        ff.write_idx(folder / name, items)
    if card is not None:
        (folder / "dataset.json").write_text(json.dumps(card))


def images_of(seed, n=20, side=4):
    """Return random images, brighter with a larger seed."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 60 * (1 + seed), (n, side, side), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Return a folder with the two splits of a dataset named "own"."""
    write(tmp_path, "train", images_of(1), {"name": "own"})
    write(tmp_path, "test", images_of(2))
    return tmp_path


def pair_of(dataset):
    """Return the mean and the standard deviation of a dataset's own pixels."""
    return dataset.mean, dataset.std


@pytest.mark.parametrize("rows", ROWS)
def test_selections_are_normalized_like_the_whole(odd, rows):
    part = ROWS[rows](odd)
    assert ff.Loader(part).normalize == pair_of(odd)
    if len(part):
        unit = np.asarray(part.images) / 255
        assert pair_of(part) == pytest.approx((unit.mean(), unit.std()))
    again = pickle.loads(pickle.dumps(part))
    assert ff.Loader(again).normalize == pair_of(odd)
    assert repr(again) == repr(part)


def test_statistics_stay_with_another_format(pictures):
    part = pictures.select([0, 1]).with_format("numpy")
    assert ff.Loader(part).normalize == ff.Loader(pictures).normalize
    assert pair_of(pictures.with_format("numpy")) == pair_of(pictures)


def test_other_datasets_are_normalized_together(odd):
    other = ff.Dataset.from_arrays(odd.images[:9], odd.labels[:9], classes=odd.classes)
    both = odd.concatenate(other)
    assert ff.Loader(both).normalize == pair_of(both) != pair_of(odd)
    assert " 526 images" in repr(both) and " of arrays" in repr(ff.Loader(both))


def test_a_copy_of_a_selection_drops_the_pixels_of_the_whole(odd):
    images = odd.images.copy()
    whole = ff.Dataset.from_arrays(images, odd.labels, classes=odd.classes)
    part, alive = whole.split(0.5)[0], weakref.ref(images)
    del whole, images
    assert alive() is part.images.parts[0]
    part = copy.deepcopy(part)
    assert ff.Loader(part).normalize == pair_of(odd)
    gc.collect()
    assert alive() is None


def test_known_statistics_do_not_keep_the_pixels_of_the_whole(folder):
    (folder / "dataset.json").write_text(json.dumps({"mean": 0.25, "std": 0.125}))
    whole = ff.load("train", name=folder)
    part, alive = copy.deepcopy(whole.select([1])), weakref.ref(whole.images)
    del whole
    gc.collect()
    assert alive() is None and ff.Loader(part).mean == 0.25


def test_a_pickle_has_no_pixels_of_the_whole(odd):
    assert len(pickle.dumps(odd.select([3]))) < 2000 < odd.images.nbytes


def test_selecting_reads_no_pixels(odd, monkeypatch):
    def refuse(images):
        raise RuntimeError("pixels are read")

    monkeypatch.setattr(statistics, "_moments", refuse)
    dataset = ff.Dataset.from_arrays(odd.images, odd.labels)
    fit, val = dataset.split(0.9)
    assert len(fit.select(slice(5)).concatenate(val)) == 57
    with pytest.raises(RuntimeError, match="pixels are read"):
        ff.Loader(val)


def test_batches_equal_those_of_an_explicit_pair(real_root, real_train, tmp_path):
    for name in NAMES["test"]:
        shutil.copy(real_root / f"{name}.gz", tmp_path)
    test = ff.load("test", tmp_path)  # without the training files
    images, _ = next(iter(ff.Loader(test)))
    pair = pair_of(real_train)
    assert pair == (0.2860405969887955, 0.3530242445149226)
    assert np.array_equal(images, next(iter(ff.Loader(test, normalize=pair)))[0])
    assert ff.Loader(pickle.loads(pickle.dumps(test))).normalize == pair


def test_known_statistics_need_no_pixels(real_root, monkeypatch):
    monkeypatch.setattr(statistics, "_moments", None)
    for split in ("train", "test"):
        assert ff.Loader(ff.load(split, real_root)).mean == 0.2860405969887955


def test_training_files_beside_a_test_set(folder):
    train, test = (ff.load(split, name=folder) for split in ("train", "test"))
    for dataset in (test, pickle.loads(pickle.dumps(test)), test.select([1])):
        loader = ff.Loader(dataset)
        assert loader.normalize == pair_of(train) != pair_of(test)
        assert repr(loader).count(" of own/train, ") == 1
    assert ff.Loader(ff.load("test", folder)).normalize == pair_of(train)


def test_training_files_of_a_published_dataset(spec, tmp_path):
    splits = spec("qmnist").splits
    labels = np.zeros((12, 8), np.int32)
    for seed, split in enumerate(("train", "test")):
        images = images_of(seed, 12)
        write_published(tmp_path, splits[split], labels, images=images)
    train, test = (ff.load(s, tmp_path, name="qmnist") for s in ("train", "test10k"))
    assert ff.Loader(test).normalize == pair_of(train)
    assert "of qmnist/train" in repr(ff.Loader(test))


@pytest.mark.parametrize("damage", ["cut", "text", "unreadable"])
def test_a_damaged_training_file_gives_a_warning(folder, damage, recwarn):
    images = folder / NAMES["train"][0]
    if damage == "cut":
        images.write_bytes(images.read_bytes()[:-1])
    elif damage == "text":
        images.write_bytes(b"<html>")
    else:
        images.chmod(0)
        if os.access(images, os.R_OK):
            pytest.skip("root can read every file")
    test = ff.load("test", name=folder)
    assert not recwarn
    message = rf"(?s){re.escape(str(images))}.* 'test' is normalized by its own mean"
    with pytest.warns(UserWarning, match=message) as caught:
        assert ff.Loader(test).normalize == pair_of(test)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "of own/test" in repr(ff.Loader(test))  # the files are read once


@pytest.mark.parametrize("change", ["size", "missing", "labels"])
def test_training_files_that_do_not_belong_to_a_test_set(folder, change):
    if change == "size":
        write(folder, "train", images_of(1, side=5))
    else:
        (folder / NAMES["train"][change == "labels"]).unlink()
    test = ff.load("test", name=folder)
    assert ff.Loader(test).normalize == pair_of(test)
    assert "of own/test" in repr(ff.Loader(test))


def test_the_card_has_the_training_statistics(folder):
    card = {"name": "own", "mean": 0.25, "std": 0.125}
    (folder / "dataset.json").write_text(json.dumps(card))
    files = ff.load_files(folder / NAMES["test"][0].replace("t10k", "t10[k]"))
    for dataset in (ff.load("test", folder), ff.load("train", name=folder), files):
        assert ff.Loader(dataset).normalize == (0.25, 0.125)
        assert "normalize=(0.25, 0.125) of own/train" in repr(ff.Loader(dataset))
        assert dataset.mean != 0.25


@pytest.mark.parametrize(
    "moments, message",
    [
        ({"mean": 0.25}, "mean and std require each other, got only mean"),
        ({"std": 0.25}, "mean and std require each other, got only std"),
        ({"mean": "0.2", "std": 0.2}, "mean must be a number, got '0.2'"),
        ({"mean": 0.2, "std": True}, "std must be a number, got True"),
        (
            {"mean": 72.9, "std": 90.0},
            "got 72.9 and 90.0.\nDivide those of pixels in 0",
        ),
        ({"mean": 0.3, "std": 0.6}, "std above 0 and at most 0.5, got 0.3 and 0.6$"),
        ({"mean": -0.1, "std": 0.2}, "must be in 0..1, .*, got -0.1 and 0.2"),
        ({"mean": 0.1, "std": 0}, "must be in 0..1, .*, got 0.1 and 0"),
        ({"mean": float("nan"), "std": 0.1}, "must be in 0..1, .*, got nan and 0.1"),
    ],
)
def test_wrong_statistics_in_a_card(folder, moments, message):
    (folder / "dataset.json").write_text(json.dumps(moments))
    with pytest.raises(ff.FormatError, match=rf"dataset\.json: .*{message}"):
        ff.load("test", name=folder)


def test_equal_training_pixels_can_not_normalize(folder):
    write(folder, "train", np.full((3, 4, 4), 9, np.uint8))
    with pytest.raises(ValueError, match="of this dataset are equal: own/train"):
        ff.Loader(ff.load("test", name=folder))


def test_a_synthetic_test_set(monkeypatch):
    train, test = ff.synthetic(300, 40, seed=3)
    for dataset in (test, pickle.loads(pickle.dumps(test))):
        assert ff.Loader(dataset).normalize == pair_of(train) != pair_of(test)
    monkeypatch.setenv("FMNIST_FAST_CACHE", "off")
    _, test = ff.synthetic(300, 40, seed=3)
    assert ff.Loader(pickle.loads(pickle.dumps(test))).normalize == pair_of(train)


@pytest.mark.parametrize("normalize", ["auto", "unit", None, (0.25, 0.5)])
def test_the_numbers_in_use(odd, normalize):
    loader = ff.Loader(odd, 8, normalize=normalize)
    images, _ = next(iter(loader))
    pixels = odd.images[:8, None] / 255
    assert images == pytest.approx((pixels - loader.mean) / loader.std, abs=1e-6)
    assert type(loader.mean) is type(loader.std) is float
    again = ff.Loader(odd, 8, normalize=loader.normalize)
    assert np.array_equal(next(iter(again))[0], images)
    assert (again.mean, again.std) == (loader.mean, loader.std)


def test_numbers_of_other_normalizations(odd, small):
    unit, raw = (ff.Loader(odd, normalize=value) for value in ("unit", None))
    assert (unit.mean, unit.std, raw.mean, raw.std) == (0, 1, 0, 1 / 255)
    part = ff.Loader(odd, normalize=small.select([1]))
    assert part.normalize == pair_of(small)
    assert " of synthetic/train (SYNTHETIC), " in repr(part)
    assert " of synthetic/train (SYNTHETIC), " in repr(part._replace(threads=1))


@pytest.mark.parametrize(
    "pair",
    [
        [0.25, 0.5],
        np.array([0.25, 0.5]),
        (np.float32(0.25), np.float64(0.5)),
        ((0.25,), (0.5,)),
        ([0.25], [0.5]),
        (np.array([0.25]), np.array(0.5)),
        np.array([[0.25], [0.5]]),
    ],
    ids=str,
)
def test_pairs(odd, pair):
    loader = ff.Loader(odd, normalize=pair)
    assert loader.normalize == (0.25, 0.5)
    assert [type(number) for number in loader.normalize] == [float, float]


@pytest.mark.parametrize("package, make", [("pandas", "Series"), ("torch", "tensor")])
def test_pairs_of_other_packages(odd, package, make):
    pair = getattr(pytest.importorskip(package), make)([0.25, 0.5])
    assert ff.Loader(odd, normalize=pair).normalize == (0.25, 0.5)


@pytest.mark.parametrize(
    "pair, right",
    [
        ((72.94, 90.02), "0.286, 0.353"),
        ((72.940352, 90.02118), "0.2860406, 0.35302424"),
        ([33, 79], "0.1294, 0.3098"),
        ((0, 255), "0, 1"),
        ((0, 256), "0, 1.004"),
        ((0.286, 90), "0.286, 0.3529"),
        ((72.94, 0.353), "0.286, 0.353"),
        (((127.5,), (127.5,)), "0.5, 0.5"),
    ],
)
def test_pairs_of_pixels_to_255(odd, pair, right):
    message = rf"at most 1, got .*\nIf .* in 0..255, pass normalize=\({right}\)\.$"
    with pytest.raises(ValueError, match=message):
        ff.Loader(odd, normalize=pair)


@pytest.mark.parametrize(
    "normalize, error, message",
    [
        (([0.5] * 3, [0.2] * 3), ValueError, "because images have one channel, got 3"),
        (np.ones((2, 3)), ValueError, "because images have one channel, got 3"),
        ((0.4, 0.5, 0.6), TypeError, "a Dataset, or a pair of numbers"),
        ((True, 1), TypeError, r"pair of numbers \(mean, std\), got \(True, 1\)"),
        ((0.1, None), TypeError, r"pair of numbers \(mean, std\), got \(0.1, None\)"),
        (((0.1,), 0.2, 0.3), TypeError, "pair of numbers"),
        ([[[0.1]], [0.2]], TypeError, "pair of numbers"),
        (([0.1, [1]], [0.2]), ValueError, "one channel, got 2 and 1"),
        (([], []), TypeError, "pair of numbers"),
    ],
)
def test_what_is_no_pair(odd, normalize, error, message):
    with pytest.raises(error, match=message):
        ff.Loader(odd, normalize=normalize)


def test_a_loader_is_no_normalization(odd):
    with pytest.raises(TypeError, match=r"got Loader\(.*\.\nPass its \.normalize\.$"):
        ff.Loader(odd, normalize=ff.Loader(odd))


def test_bytes_are_not_normalized_by_a_dataset(odd):
    with pytest.raises(ValueError, match=r"requires normalize=.*, got Dataset\("):
        ff.Loader(odd, dtype="uint8", normalize=odd)


def test_repr_of_more_rows_than_the_whole_has(odd):
    assert ": 600 from 517 images of 5x7 uint8" in repr(odd.select([1] * 600))


def test_repr_names_each_part_of_parts(odd):
    part = odd.split(0.5, seed=4, stratify=True)[1].split(0.25)[0]
    assert repr(part).startswith(
        "Dataset(arrays, part 2 of split(0.5, seed=4, stratify=True), "
        "part 1 of split(0.25, seed=0) of 259: 65 of 517 images of 5x7 "
    )
    part, _ = odd.select(range(100)).split(0.5)
    assert "(arrays, part 1 of split(0.5, seed=0) of 100: 50 of 517 images" in repr(
        part
    )

"""Datasets selected from others and joined, their repr, and pickles."""

import copy
import json
import pickle

import numpy as np
import pytest
from helpers.tiny import IMAGES, LABELS

import fmnist_fast as ff
from fmnist_fast import Dataset
from fmnist_fast._registry import datasets

# ---- select ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rows",
    [
        slice(1, 4),
        slice(None),
        slice(-3, None),
        range(1, 4),
        range(6),
        range(5, 6),
    ],
    ids=str,
)
def test_selecting_consecutive_rows_returns_a_view(six, rows):
    selected = six.select(rows)
    expected_rows = list(rows) if isinstance(rows, range) else rows
    assert np.array_equal(selected.images, IMAGES[expected_rows])
    assert np.array_equal(selected.labels, LABELS[expected_rows])
    assert np.shares_memory(selected.images, IMAGES)
    assert np.shares_memory(selected.labels, LABELS)


@pytest.mark.parametrize(
    "rows, expected_rows",
    [
        (slice(None, None, 2), [0, 2, 4]),
        (slice(None, None, -1), [5, 4, 3, 2, 1, 0]),
        (range(5, -1, -2), [5, 3, 1]),
        (range(0, 6, 5), [0, 5]),
        ([3, 3, -1], [3, 3, 5]),
        (LABELS == 0, [1, 4]),
    ],
    ids=str,
)
def test_selecting_scattered_rows_copies_no_images(six, rows, expected_rows):
    selected = six.select(rows)
    assert np.array_equal(selected.images, IMAGES[expected_rows])
    assert np.array_equal(selected.labels, LABELS[expected_rows])
    assert selected.images.parts == (IMAGES,) and selected.labels.flags.c_contiguous
    assert not np.shares_memory(selected.labels, LABELS)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        range(0),
        range(4, 2),
        range(3, -1),
        range(-5, -9),
        range(9, 5),
        slice(9, None),
    ],
    ids=str,
)
def test_selecting_no_rows_returns_an_empty_dataset(six, rows):
    selected = six.select(rows)
    assert len(selected) == 0 and selected.images.shape == (0, 4, 3)


def test_select_keeps_classes_and_name(six):
    selected = six.select([1, 4])
    assert (selected.classes, selected.name) == (("a", "b", "c"), "six")


# ---- concatenate -------------------------------------------------------------------


def test_concatenate(six):
    joined = six.concatenate(six.select([3]), six.select([]))
    assert np.array_equal(joined.images, IMAGES[[0, 1, 2, 3, 4, 5, 3]])
    assert joined.labels.tolist() == [*LABELS, 2]
    assert (joined.classes, joined.name) == (six.classes, "six")
    assert all(part is IMAGES for part in joined.images.parts)
    assert six.concatenate().images is IMAGES


def test_concatenate_keeps_common_metadata(six, small, small_in_files):
    other = Dataset.from_arrays(IMAGES, LABELS.astype(np.int64), classes=six.classes)
    joined = six.concatenate(other)
    assert joined.name is None and joined.labels.dtype == np.int64
    unmarked = Dataset.from_arrays(small.images, small.labels, classes=small.classes)
    both = [unmarked.concatenate(small), small.concatenate(unmarked)]
    assert all(dataset.synthetic and dataset.info.synthetic for dataset in both)
    files = small_in_files
    assert files.concatenate(files).source == files.source is not None
    assert files.concatenate(small).source is None
    assert pickle.loads(pickle.dumps(both[0])).fingerprint == both[0].fingerprint


def test_concatenate_requires_equal_sizes_and_classes(six, odd):
    with pytest.raises(TypeError, match="others must be Datasets, got Row"):
        six.concatenate(six, six[:2])
    with pytest.raises(ValueError, match=r"size \(4, 3\), got \(5, 7\)"):
        six.concatenate(odd)
    renamed = Dataset.from_arrays(IMAGES, LABELS, classes=["a", "x", "c"])
    with pytest.raises(ValueError, match="the same classes, got 'b' and 'x'"):
        six.concatenate(renamed)
    more = Dataset.from_arrays(IMAGES, LABELS, classes=["a", "b", "c", "d"])
    with pytest.raises(ValueError, match="the same classes, got 3 and 4 names"):
        six.concatenate(more)


# ---- repr and pickle ---------------------------------------------------------------


def test_repr(six, small, small_in_files):
    assert repr(six) == "Dataset(six: 6 images of 4x3 uint8, 3 classes)"
    unnamed = Dataset.from_arrays(IMAGES, LABELS)
    assert repr(unnamed) == "Dataset(arrays: 6 images of 4x3 uint8, 3 classes)"
    assert repr(small) == (
        "Dataset(synthetic/train (SYNTHETIC): 1,000 images of 28x28 uint8, 10 classes)"
    )
    assert repr(small_in_files).endswith(f"10 classes, from {small_in_files.source})")
    assert "(SYNTHETIC)" in repr(small.select([1])) + repr(small.split(0.5)[0])


def test_title():
    images, labels = np.zeros((1, 1, 1), np.uint8), np.array([0])
    assert Dataset.from_arrays(images, labels).title == "arrays"
    assert Dataset.from_arrays(images, labels, name="clothes").title == "clothes"


def assert_equal(a, b):
    """Check that two datasets have the same rows and metadata."""
    assert np.array_equal(a.images, b.images) and np.array_equal(a.labels, b.labels)
    for name in ("classes", "name", "split_name", "source", "synthetic", "fingerprint"):
        assert getattr(a, name) == getattr(b, name)


def test_pickle_of_arrays_contains_the_arrays(six):
    assert six.mean and six.fingerprint  # cached values are not pickled
    content = pickle.dumps(six)
    assert b"_moments" not in content
    assert_equal(pickle.loads(content), six)


def test_pickle_of_files_contains_only_their_paths(small):
    content = pickle.dumps(small)
    assert len(content) < 1000
    assert_equal(pickle.loads(content), small)


def test_pickle_of_selected_rows_contains_the_rows(small):
    part = small.select([5, 3])
    assert_equal(pickle.loads(pickle.dumps(part)), part)


def write_pair(folder, brightness):
    """Write 20 training images of one gray level, labels, and a card."""
    images, labels = (folder / name for name in datasets.SPLITS["train"].stems)
    ff.write_idx(images, np.full((20, 3, 3), brightness, np.uint8))
    ff.write_idx(labels, np.zeros(20, np.uint8))
    (folder / "dataset.json").write_text(json.dumps({"classes": ["all"]}))


def test_pickle_of_changed_files(tmp_path):
    write_pair(tmp_path, 1)
    content = pickle.dumps(ff.load("train", tmp_path))
    write_pair(tmp_path, 2)
    with pytest.raises(ValueError, match=r"since .*\n.* was [0-9a-f]{8}, and is .*"):
        pickle.loads(content)


def test_pickle_of_deleted_files(tmp_path):
    write_pair(tmp_path, 1)
    content = pickle.dumps(ff.load("train", tmp_path))
    (tmp_path / datasets.SPLITS["train"].stems[0]).unlink()
    with pytest.raises(FileNotFoundError):
        pickle.loads(content)


def test_pickle_of_files_loads_in_another_folder(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    write_pair(tmp_path / "data", 1)
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps(ff.load("train", "data"))
    monkeypatch.chdir(tmp_path / "data")
    assert pickle.loads(content).images.max() == 1


@pytest.mark.parametrize("name", ["images", "labels", "classes", "anything"])
def test_attributes_of_a_dataset_are_read_only(name):
    images = np.zeros((2, 3, 4), np.uint8)
    dataset = ff.Dataset.from_arrays(images, np.zeros(2, np.uint8))
    with pytest.raises(AttributeError, match=f"{name} of a Dataset can't be set"):
        delattr(dataset, name)
    with pytest.raises(AttributeError, match=f"{name} of a Dataset can't be set"):
        setattr(dataset, name, images)


def test_extra_columns_of_arrays(odd):
    def made(extra):
        return ff.Dataset.from_arrays(odd.images, odd.labels, extra=extra)

    whole = made({"cost": range(517), "name": ["a"] * 517})
    assert list(whole.extra) == ["cost", "name"] and made(None).extra == {}
    part = whole.select([5, 3])
    assert part.extra["cost"].tolist() == [5, 3]
    loader = ff.Loader(whole, 50, columns=["cost"])
    assert next(iter(loader))[2].tolist() == list(range(50))


def test_columns_are_added_to_a_dataset(odd):
    plain = ff.Dataset.from_arrays(odd.images, odd.labels, name="a").with_format("pil")
    mean = plain.mean
    more = plain.with_columns({"w": range(517)}).with_columns({"v": [True] * 517})
    assert plain.extra == {} and list(more.extra) == ["w", "v"]
    assert more.images is plain.images and (more.title, more.mean) == ("a", mean)
    assert more.format == "pil" and repr(more) == repr(plain)
    assert more.with_columns({"w": [0] * 517}).extra["w"].tolist() == [0] * 517
    part = odd.split(0.5)[0].with_columns({"w": [5] * 258})
    assert repr(part) == repr(odd.split(0.5)[0]) and part._whole is odd._whole
    for column in (part.select([3]), pickle.loads(pickle.dumps(part)), copy.copy(part)):
        assert column.extra["w"].tolist() == [5] * len(column)
    index = next(iter(ff.Loader(part, 9, columns=["w"], with_index=True)))[2]
    assert index.tolist() == part.rows[:9].tolist()


def test_extra_is_read_only(odd):
    extra = odd.with_columns({"w": range(517)}).extra
    with pytest.raises(
        TypeError, match=r"^extra of a Dataset can't .*\.\nUse ds = ds\."
    ):
        extra["v"] = np.zeros(517)
    assert list(extra) == ["w"] and repr(extra) == repr(dict(extra))
    for again in (pickle.loads(pickle.dumps(extra)), copy.deepcopy(extra)):
        assert list(again) == ["w"] and np.array_equal(again["w"], extra["w"])


@pytest.mark.parametrize(
    "extra, error, message",
    [
        ([1], TypeError, "extra must be a mapping of names to arrays, got list"),
        ({5: range(517)}, TypeError, "extra must have strings as names, got 5"),
        ({"a": 1}, ValueError, r"extra\['a'\] must have a value .* 517 .*shape \(\)"),
        ({"a": [1, 2]}, ValueError, r"for each of the 517 rows, got shape \(2,\)"),
    ],
)
def test_wrong_extra_columns(odd, extra, error, message):
    with pytest.raises(error, match=message):
        ff.Dataset.from_arrays(odd.images, odd.labels, extra=extra)
    with pytest.raises(error, match=message):
        odd.with_columns(extra)

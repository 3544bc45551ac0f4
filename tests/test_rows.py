"""Formats, filter, concatenate and counts; rows by key are in test_dataset.py."""

import pickle
import sys

import numpy as np
import pytest

from fmnist_fast import Dataset, Loader

IMAGES = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)
LABELS = np.array([2, 0, 1, 2, 0, 2], np.uint8)


@pytest.fixture
def six():
    """Six 4x3 images in three classes."""
    return Dataset.from_arrays(IMAGES, LABELS, classes=["a", "b", "c"], name="six")


@pytest.fixture
def pictures(six):
    pytest.importorskip("PIL.Image")
    return six.with_format("pil")


def is_row(image, row):
    return (
        image.mode == "L"
        and image.size == (3, 4)
        and np.array_equal(np.asarray(image), IMAGES[row])
    )


# ---- formats ----------------------------------------------------------------------


def test_pil_rows(pictures):
    assert is_row(pictures[0]["image"], 0) and is_row(pictures[-1]["image"], 5)
    assert pictures[3]["label"] == 2 and type(pictures[3]["label"]) is int
    found = list(pictures)
    assert all(is_row(row["image"], i) for i, row in enumerate(found))
    assert [row["label"] for row in found] == LABELS.tolist()


@pytest.mark.parametrize(
    "key, wanted", [(slice(1, 4), [1, 2, 3]), ([5, 0], [5, 0]), (LABELS == 0, [1, 4])]
)
def test_pil_pictures_of_several_rows(pictures, key, wanted):
    found = pictures[key]["image"]
    assert len(found) == len(wanted)
    assert all(is_row(image, row) for image, row in zip(found, wanted))
    assert np.array_equal(pictures[key]["label"], LABELS[key])


def test_pil_column(pictures):
    column = pictures["image"]
    assert is_row(column[0], 0) and is_row(column[-1], 5)
    assert is_row(column[2:][0], 2) and len(column[2:]) == 4
    assert repr(column) == "Pictures(6 images of 4x3)"
    with pytest.raises(IndexError):
        column[6]
    assert pictures["label"] is pictures.labels


def test_a_picture_is_a_view_until_it_is_written_to(six, pictures):
    image = pictures[0]["image"]
    image.putpixel((0, 0), 77)
    assert np.asarray(image)[0, 0] == 77
    assert six.images[0, 0, 0] == IMAGES[0, 0, 0] == 0


def test_format_changes_nothing_else(six, pictures):
    assert pictures.images is six.images and pictures.labels is six.labels
    assert pictures.fingerprint == six.fingerprint and pictures.name == "six"
    assert (six.format, pictures.format) == ("numpy", "pil")
    assert pictures.with_format("numpy")["image"] is six.images
    ((x, _),) = Loader(pictures, 6, dtype="uint8", normalize=None, layout="NHW")
    assert np.array_equal(x, IMAGES)


def test_format_goes_with_the_rows(pictures):
    parts = [
        pictures.select([1]),
        pictures.select(slice(2)),
        *pictures.split(0.5),
        pictures.filter(lambda row: row["label"] == 2),
        pictures.concatenate(pictures),
        pickle.loads(pickle.dumps(pictures)),
    ]
    assert [part.format for part in parts] == ["pil"] * 7


def test_format_of_pickled_files(small):
    pytest.importorskip("PIL.Image")
    again = pickle.loads(pickle.dumps(small.with_format("pil")))
    assert again.format == "pil" and again.fingerprint == small.fingerprint
    assert pickle.loads(pickle.dumps(small)).format == "numpy"


@pytest.mark.parametrize("name", ["torch", None, 3, ["pil"]])
def test_unknown_format(six, name):
    with pytest.raises(ValueError, match="format must be 'numpy' or 'pil', got"):
        six.with_format(name)


def test_format_without_pillow(six, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "PIL"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"'pil' needs Pillow .*: pip install pillow"):
        six.with_format("pil")


# ---- filter -----------------------------------------------------------------------


def test_filter_by_row(six):
    found = six.filter(lambda row: row["label"] == 2 and row["image"][0, 0] > 0)
    assert np.array_equal(found.images, IMAGES[[3, 5]])
    assert found.labels.tolist() == [2, 2]
    assert (found.classes, found.name) == (six.classes, "six")


@pytest.mark.parametrize("batch_size", [1, 4, 6, 1000])
def test_filter_by_batches(six, batch_size):
    sizes = []

    def dark(rows):
        sizes.append(len(rows["image"]))
        return rows["image"].mean(axis=(1, 2)) < 40

    found = six.filter(dark, batched=True, batch_size=batch_size)
    assert np.array_equal(found.images, IMAGES[IMAGES.mean(axis=(1, 2)) < 40])
    assert 0 < len(found) < 6
    assert sum(sizes) == 6 and max(sizes) == min(6, batch_size)


def test_filter_takes_lists_of_bools_and_the_format(six, pictures):
    found = six.filter(lambda rows: [True] * len(rows["label"]), batched=True)
    assert len(found) == 6
    assert len(pictures.filter(lambda row: row["image"].size == (3, 4))) == 6
    assert len(six.filter(lambda row: False)) == 0
    assert len(six.select([]).filter(lambda row: 1 / 0)) == 0


@pytest.mark.parametrize("answer", [None, 1, "yes", np.array([True])], ids=repr)
def test_filter_with_another_answer(six, answer):
    message = r"must return True or False, got .* for row 2$"
    if np.ndim(answer):
        message = message[:-1] + r": see \.any\(\)"
    with pytest.raises(TypeError, match=message):
        six.filter(lambda row: True if row["label"] != 1 else answer)


def test_filter_with_a_long_answer(six):
    message = r"got array\(\[\[.{,30}\.\.\. for row 0: see \.any\(\) and \.all\(\)$"
    with pytest.raises(TypeError, match=message):
        six.filter(lambda row: np.zeros((28, 28)))


@pytest.mark.parametrize(
    "answer, found",
    [
        (True, r"bool \(\)"),
        ([1, 0], r"int64 \(2,\)"),
        ([True], r"bool \(1,\)"),
        (None, r"object \(\)"),
    ],
)
def test_batched_filter_with_another_answer(six, answer, found):
    message = f"must return 2 booleans for rows 4 to 5, got {found}"
    with pytest.raises(TypeError, match=message):
        six.filter(
            lambda rows: answer if len(rows["label"]) == 2 else [True] * 4,
            batched=True,
            batch_size=4,
        )


def test_bad_filters(six):
    with pytest.raises(TypeError, match="filter needs a function of a row, got array"):
        six.filter(LABELS == 0)
    with pytest.raises(ValueError, match="batch_size goes with batched=True, got 3"):
        six.filter(lambda row: True, batch_size=3)
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        six.filter(len, batched=True, batch_size=0)


# ---- concatenate and class_counts -------------------------------------------------


def test_concatenate(six):
    found = six.concatenate(six.select([3]), six.select([]))
    assert np.array_equal(found.images, IMAGES[[0, 1, 2, 3, 4, 5, 3]])
    assert found.labels.tolist() == [*LABELS, 2]
    assert (found.classes, found.name) == (six.classes, "six")
    assert not np.shares_memory(six.concatenate().images, IMAGES)


def test_concatenate_keeps_what_is_common(six, small):
    other = Dataset.from_arrays(IMAGES, LABELS.astype(np.int64), classes=six.classes)
    found = six.concatenate(other)
    assert found.name is None and found.labels.dtype == np.int64
    real = Dataset.from_arrays(small.images, small.labels, classes=small.classes)
    both = [real.concatenate(small), small.concatenate(real)]
    assert all(part.synthetic and part.info.synthetic for part in both)
    assert small.concatenate(small).source == small.source and both[0].source is None
    assert pickle.loads(pickle.dumps(both[0])).fingerprint == both[0].fingerprint


def test_concatenate_needs_the_same_kind(six, odd):
    with pytest.raises(TypeError, match="a Dataset is wanted, got dict"):
        six.concatenate(six, six[:2])
    with pytest.raises(ValueError, match=r"size \(4, 3\), got \(5, 7\)"):
        six.concatenate(odd)
    renamed = Dataset.from_arrays(IMAGES, LABELS, classes=["a", "x", "c"])
    with pytest.raises(ValueError, match="the same classes, got 'b' and 'x'"):
        six.concatenate(renamed)
    more = Dataset.from_arrays(IMAGES, LABELS, classes=["a", "b", "c", "d"])
    with pytest.raises(ValueError, match="the same classes, got 3 and 4 of them"):
        six.concatenate(more)


def test_class_counts(six):
    assert six.class_counts.tolist() == [2, 1, 3]
    empty = six.select([]).class_counts
    assert empty.tolist() == [0, 0, 0] and empty.dtype == np.int64


def test_class_counts_of_the_published_files(real_train):
    assert real_train.class_counts.tolist() == [6000] * 10

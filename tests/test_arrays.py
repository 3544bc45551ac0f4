"""Datasets of arrays: the arrays are checked, and not copied."""

import re

import numpy as np
import pytest
from helpers.tiny import IMAGES, LABELS

from fmnist_fast import Dataset


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_arrays_are_not_copied(dtype):
    labels = LABELS.astype(dtype)
    dataset = Dataset.from_arrays(IMAGES, labels)
    assert dataset.images is IMAGES and dataset.labels is labels


def test_memory_map_is_not_copied(tmp_path):
    mapped = np.memmap(tmp_path / "a", np.uint8, "w+", shape=(6, 4, 3))
    mapped[:] = IMAGES
    dataset = Dataset.from_arrays(mapped, LABELS)
    assert np.shares_memory(dataset.images, mapped)
    assert np.shares_memory(dataset[2:4]["image"], mapped)


@pytest.mark.parametrize(
    "dtype, kept",
    [
        ("int8", "int32"),
        ("int16", "int32"),
        ("uint16", "int32"),
        ("uint32", "int64"),
        ("uint64", "int64"),
        (">i4", "int64"),
        (">i8", "int64"),
    ],
)
def test_labels_of_other_integers_are_converted(dtype, kept):
    dataset = Dataset.from_arrays(IMAGES, LABELS.astype(dtype))
    assert dataset.labels.dtype == kept and dataset.labels.dtype.isnative
    assert dataset.labels.tolist() == LABELS.tolist()


def test_labels_may_be_a_list_or_strided():
    assert Dataset.from_arrays(IMAGES, [0, 1, 2, 3, 4, 5]).labels.dtype == np.int64
    labels = np.repeat(LABELS, 2)[::2]
    assert Dataset.from_arrays(IMAGES, labels).labels.flags.c_contiguous


@pytest.mark.parametrize(
    "images, error, message",
    [
        (IMAGES.tolist(), TypeError, "images must be an ndarray, got list"),
        (None, TypeError, "images must be an ndarray, got NoneType"),
        (IMAGES.astype(np.float32), ValueError, r"uint8 .* got float32 \(6, 4, 3\)"),
        (IMAGES.astype(np.int8), ValueError, r"uint8 of .* got int8 \(6, 4, 3\)"),
        (IMAGES.reshape(6, 12), ValueError, r"\(n, height, width\), got .* \(6, 12\)"),
        (IMAGES[..., None], ValueError, r"got uint8 \(6, 4, 3, 1\)"),
        (IMAGES[:, :0], ValueError, r"got uint8 \(6, 0, 3\)"),
        (IMAGES[:, :, :0], ValueError, r"got uint8 \(6, 4, 0\)"),
        (IMAGES[:, ::-1], ValueError, r"strides \(12, -3, 1\)\.\nPass numpy\.asc"),
        (IMAGES.transpose(0, 2, 1), ValueError, "must be C-contiguous"),
    ],
)
def test_bad_images(images, error, message):
    with pytest.raises(error, match=message):
        Dataset.from_arrays(images, LABELS)


@pytest.mark.parametrize(
    "labels, message",
    [
        (LABELS.astype(float), r"integers of shape \(n,\), got float64 \(6,\)"),
        (LABELS.astype(bool), r"integers of shape \(n,\), got bool \(6,\)"),
        (LABELS[:, None], r"integers of shape \(n,\), got uint8 \(6, 1\)"),
        (3, r"integers of shape \(n,\), got int\.\nPass \[labels\]\.$"),
        (None, r"integers of shape \(n,\), got NoneType$"),
        ({0, 1}, r"integers of shape \(n,\), got set$"),
        (["a"] * 6, r"integers of shape \(n,\), got <U1 \(6,\)"),
        ([2**70] * 6, r"integers of shape \(n,\), got object \(6,\)"),
        (np.full(6, 2**63, np.uint64), r"below 2\*\*63, got 9223372036854775808"),
        (LABELS[:5], "have the same length, got 6 images and 5 labels"),
        ([], r"got float64 \(0,\)"),
        ([0, 1, 2, 3, 4, -1], "must not be negative, got -1"),
        ([0, 1, 2, 3, 4, 1 << 20], "below 1048576 unless the classes are named"),
    ],
)
def test_bad_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        Dataset.from_arrays(IMAGES, labels)


@pytest.mark.parametrize("label", [3, 255])
def test_label_without_a_class(label):
    labels = LABELS.copy()
    labels[3] = label
    message = rf"labels must be in 0\.\.2, .* of the 3 classes, got 0 to {label}"
    with pytest.raises(ValueError, match=message):
        Dataset.from_arrays(IMAGES, labels, classes=("a", "b", "c"))


def test_labels_from_1_for_named_classes():
    message = r"in 0\.\.2, .*, got 1 to 3\.\nSubtract 1 from the labels\.$"
    with pytest.raises(ValueError, match=message):
        Dataset.from_arrays(IMAGES, LABELS + 1, classes=("a", "b", "c"))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"name": 3}, "name must be a string, got 3"),
        ({"synthetic": "no"}, "synthetic must be True or False, got 'no'"),
    ],
)
def test_names_and_marks_of_another_type(options, message):
    with pytest.raises(TypeError, match=message):
        Dataset.from_arrays(IMAGES, LABELS, **options)


@pytest.mark.parametrize(
    "name, text",
    [
        ("image", r"\. Did you mean 'images'\?$"),
        ("class_names", r"\. Did you mean 'classes'\?$"),
        ("x", r"\.\nIt takes images, labels, classes, name, synthetic, extra\.$"),
    ],
)
def test_unknown_keywords_of_arrays(name, text):
    with pytest.raises(TypeError, match=rf"from_arrays\(\) got .* '{name}'{text}"):
        Dataset.from_arrays(**{name: IMAGES, "labels": LABELS})


def test_arrays_may_be_marked_synthetic(six):
    dataset = Dataset.from_arrays(IMAGES, LABELS, synthetic=True)
    assert dataset.synthetic and not six.synthetic
    assert "(SYNTHETIC)" in repr(dataset) and dataset.info.synthetic


def test_constructor_says_what_to_call():
    for arguments in ((), (IMAGES, LABELS)):
        with pytest.raises(TypeError, match=r"Use load\(\) or from_arrays\(\)"):
            Dataset(*arguments)


def test_classes_are_numbers_by_default():
    assert Dataset.from_arrays(IMAGES, LABELS).classes == ("0", "1", "2")


def test_classes_without_images_are_kept():
    classes = list("abcdefgh")
    dataset = Dataset.from_arrays(IMAGES, LABELS, classes=classes)
    assert dataset.classes == tuple(classes)


@pytest.mark.parametrize(
    "labels, largest",
    [
        ([1, 2, 1, 2, 1, 2], 2),
        (np.array([3, 2, 1, 1, 1, 1], np.uint8), 3),
        (np.array([1, 2, 3, 4, 5, 6], np.int16), 6),
    ],
)
def test_labels_from_1_are_refused_without_names(labels, largest):
    message = rf"in 0\.\.{largest - 1} for {largest} classes .*, got 1\.\.{largest}\."
    with pytest.raises(ValueError, match=message) as raised:
        Dataset.from_arrays(IMAGES, labels)
    last = str(raised.value).splitlines()[1]
    fewer, keep = re.fullmatch(
        r"Pass (.+)\. To keep .*, pass classes=(.+)\.", last
    ).groups()
    names = {"labels": labels, "numpy": np}
    dataset = Dataset.from_arrays(IMAGES, eval(fewer, names))
    assert dataset.labels.min() == 0 and len(dataset.classes) == largest
    kept = Dataset.from_arrays(IMAGES, labels, classes=eval(keep))
    assert kept.class_counts[0] == 0 and len(kept.classes) == largest + 1


@pytest.mark.parametrize(
    "labels",
    [[1] * 6, [3, 5, 7, 3, 5, 7], [1, 2, 4, 1, 2, 4], [0, 1, 2, 0, 1, 2], [2] * 6],
)
def test_labels_of_subsets_are_allowed(labels):
    assert len(Dataset.from_arrays(IMAGES, labels).classes) == max(labels) + 1


def test_selections_of_a_dataset_may_have_labels_from_1(six):
    some = six.select(six.labels > 0)
    assert sorted(set(some.labels)) == [1, 2] and some.classes == six.classes


def test_images_with_the_number_last_get_a_hint():
    images = np.zeros((4, 3, 6), np.uint8)
    with pytest.raises(ValueError, match=r"Pass .*\(images\.transpose\(2, 0, 1\)\)\.$"):
        Dataset.from_arrays(images, LABELS)


def test_duplicate_class_names_are_refused():
    images = np.zeros((2, 3, 4), np.uint8)
    message = "different names, got 'a' for classes 0 and 2"
    with pytest.raises(ValueError, match=message):
        Dataset.from_arrays(images, np.zeros(2, int), classes=["a", "b", "a"])


def test_string_as_classes_is_refused():
    images = np.zeros((2, 3, 4), np.uint8)
    with pytest.raises(TypeError, match="classes must be a sequence of names"):
        Dataset.from_arrays(images, np.zeros(2, np.uint8), classes="abc")

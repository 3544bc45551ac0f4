"""Rows by key, images as arrays and for Pillow, and statistics of all rows."""

import pickle
import sys

import numpy as np
import pytest
from helpers.tiny import IMAGES, LABELS, is_row

import fmnist_fast as ff
from fmnist_fast import Dataset, Loader
from fmnist_fast._dataset import images
from fmnist_fast._dataset.images import LazyImages

# ---- rows and columns --------------------------------------------------------------


@pytest.mark.parametrize("row", [0, 5, -1, -6, np.int64(2), np.uint8(2), np.array(2)])
def test_a_row(six, row):
    element = six[row]
    assert element.keys() == {"image", "label"}
    assert np.array_equal(element["image"], IMAGES[row])
    assert np.shares_memory(element["image"], IMAGES)
    assert element["label"] == LABELS[row] and type(element["label"]) is int


def test_columns_are_the_arrays(six):
    assert six["image"] is six.images and six["label"] is six.labels


@pytest.mark.parametrize("key", [slice(2, 5), slice(None), slice(4, 1, -2), slice(9)])
def test_slices_are_views(six, key):
    part = six[key]
    assert np.array_equal(part["image"], IMAGES[key])
    assert np.array_equal(part["label"], LABELS[key])
    assert part["image"].base is not None and part["label"].base is not None


@pytest.mark.parametrize(
    "key, rows",
    [
        ([4, 1], [4, 1]),
        ((4, 1), [4, 1]),
        ([-1, 0, 0], [5, 0, 0]),
        (np.array([1, 2], np.uint64), [1, 2]),
        (np.array([1, 2], np.int8), [1, 2]),
        ([True, False, False, True, False, False], [0, 3]),
        (LABELS == 2, [0, 3, 5]),
        (np.zeros(6, bool), []),
        ([], []),
    ],
    ids=str,
)
def test_lists_and_masks(six, key, rows):
    part = six[key]
    assert np.array_equal(part["image"], IMAGES[rows])
    assert np.array_equal(part["label"], LABELS[rows])
    assert not np.shares_memory(part["image"], IMAGES)


@pytest.mark.parametrize("method", ["__getitem__", "select"])
@pytest.mark.parametrize(
    "rows",
    [
        [True, 1],
        [1, 5, False],
        (0, True),
        [np.True_, 3],
        [np.array(True), 3],
        True,
        np.False_,
        np.array(True),
    ],
    ids=repr,
)
def test_booleans_are_not_numbers_of_rows(six, method, rows):
    message = (
        r"a row must be an integer, got (True|False)\.\nA mask must have a boolean"
    )
    with pytest.raises(TypeError, match=message):
        getattr(six, method)(rows)
    if np.ndim(rows):
        with pytest.raises(TypeError, match=message):
            getattr(six, method)(iter(rows))


@pytest.mark.parametrize("method", ["__getitem__", "select"])
@pytest.mark.parametrize("package", ["torch", "jax.numpy", "tensorflow", "pandas"])
def test_tensors_and_series_index_rows(six, method, package):
    make = pytest.importorskip(package)
    make = getattr(make, "Series", getattr(make, "constant", getattr(make, "array", 0)))
    make = make or pytest.importorskip(package).tensor
    labels = {"__getitem__": lambda rows: rows["label"], "select": lambda ds: ds.labels}
    for rows in ([4, 1], [3], [-1, 0, 0], LABELS == 2):
        got = labels[method](getattr(six, method)(make(rows)))
        assert got.tolist() == LABELS[rows].tolist()
    if package == "pandas":
        return
    with pytest.raises(TypeError, match="a row must be an integer, got True"):
        getattr(six, method)(make(True))
    if method == "__getitem__":
        assert six[make(3)] == six[3]
    else:
        with pytest.raises(TypeError, match=r"rows must be a slice.*\nPass \[3\]\.$"):
            six.select(make(3))
    with pytest.raises(TypeError, match=r"must be a(n integer, a)? slice"):
        getattr(six, method)(make(1.0))


@pytest.mark.parametrize("method", ["__getitem__", "select"])
@pytest.mark.parametrize(
    "make",
    [iter, tuple, lambda rows: (row for row in rows), lambda rows: map(int, rows)],
)
def test_iterators_index_rows(six, method, make):
    got = getattr(six, method)(make([4, 1, 1]))
    labels = got["label"] if method == "__getitem__" else got.labels
    assert labels.tolist() == LABELS[[4, 1, 1]].tolist()


@pytest.mark.parametrize("row", [3, np.int8(3), np.array(3)])
def test_select_takes_no_single_row(six, row):
    with pytest.raises(TypeError, match=r"rows must be a slice, .*\.\nPass \[3\]\.$"):
        six.select(row)
    assert six.select([3])[0] == six[row]


@pytest.mark.parametrize("row", [6, -7, 2**40, -(2**70)])
def test_row_out_of_range(six, row):
    with pytest.raises(IndexError, match=rf"row {row} is out of range: .* in -6\.\.5$"):
        six[row]


@pytest.mark.parametrize("method", ["__getitem__", "select"])
@pytest.mark.parametrize(
    "rows, message",
    [
        ([0, 6], r"row 6 is out of range: it must be in -6\.\.5"),
        ([-7, 2], r"row -7 is out of range: it must be in -6\.\.5"),
        (np.array([2**63], np.uint64), "row 9223372036854775808 is out of range"),
        ([True, False], "a mask must have an element for each of the 6 rows, got 2"),
        (np.zeros(0, bool), "an element for each of the 6 rows, got 0"),
    ],
)
def test_rows_out_of_range(six, method, rows, message):
    with pytest.raises(IndexError, match=message):
        getattr(six, method)(rows)


@pytest.mark.parametrize("method", ["__getitem__", "select"])
@pytest.mark.parametrize(
    "rows, got",
    [
        ([0.0, 1.0], r"\[0\.0, 1\.0\]$"),
        (np.array([0.0]), r"float64 \(1,\)$"),
        (["image"], r"\['image'\]\.\nIndex rows and columns one after the other: "),
        (("label", 0), r"\['label', 0\]\.\nIndex rows and columns one after"),
        ((slice(None), 0), r"\[slice\(None, None, None\), 0\]\.\nIndex rows and"),
        ([[0, 1]], r"\[\[0, 1\]\]\.\nPass rows\[0\]\.$"),
        (np.nonzero(LABELS), r"\[array\(.*\)\]\.\nPass rows\[0\]\.$"),
        (np.argwhere(LABELS), r"int64 \(.*\)\.\nPass rows\[:, 0\]\.$"),
        ([[]], r"\[\[\]\]\.\nPass rows\[0\]\.$"),
        ([[1, 2], [3, 4]], r"\[\[1, 2\], .*\.\nPass numpy\.concatenate\(rows\)\.$"),
        ([[1, 2], [3]], r"\[\[1, 2\], .*\.\nPass numpy\.concatenate\(rows\)\.$"),
        ([2**70], r"\[1180591620717411303424\]$"),
        ([None], r"\[None\]$"),
        ([1, [2, 3]], r"\[1, \[2, 3\]\]$"),
    ],
)
def test_rows_of_another_type(six, method, rows, got):
    message = rf"rows must be a slice.* of shape \(n,\), got {got}"
    with pytest.raises(TypeError, match=message):
        getattr(six, method)(rows)


@pytest.mark.parametrize("key", [1.0, None, {1, 2}, b"image"])
def test_key_of_another_type(six, key):
    message = f"an integer, a slice, a range, a list, .* got {type(key).__name__}"
    with pytest.raises(TypeError, match=message):
        six[key]


def test_a_column_of_extra_values(six):
    dataset = six._with(extra={"writer": np.arange(6)})
    with pytest.raises(KeyError, match=r"got 'writer'\.\\nUse extra\['writer'\]\."):
        dataset["writer"]


def test_unknown_column(six):
    with pytest.raises(KeyError, match="must be 'image' or 'label', got 'images'"):
        six["images"]


def test_iteration_gives_the_rows(six):
    rows = list(six)
    assert len(rows) == len(six) == 6
    assert [row["label"] for row in rows] == LABELS.tolist()
    assert np.array_equal([row["image"] for row in rows], IMAGES)


@pytest.mark.parametrize(
    "rows, row",
    [
        (range(7), 6),
        (range(-1, 3), -1),
        (range(6, 0, -1), 6),
        (range(3, -2, -1), -1),
        (range(10**18), 10**18 - 1),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["__getitem__", "select"])
def test_range_out_of_range(six, rows, row, method):
    message = rf"row {row} is out of range: it must be in 0\.\.5"
    with pytest.raises(IndexError, match=message):
        getattr(six, method)(rows)


def test_rows_of_an_empty_dataset(six):
    with pytest.raises(IndexError, match="of range: the dataset is empty"):
        six.select([])[0]


@pytest.mark.parametrize(
    "rows", [range(3), range(1, 4), range(5, -1, -2), range(0)], ids=str
)
def test_a_range_as_key_gives_the_rows_of_select(six, rows):
    part, selected = six[rows], six.select(rows)
    assert np.array_equal(part["image"], selected.images)
    assert np.array_equal(part["label"], selected.labels)
    assert np.shares_memory(part["image"], IMAGES) == (rows.step == 1 and bool(rows))


# ---- formats -----------------------------------------------------------------------


def test_pil_rows(pictures):
    assert is_row(pictures[0]["image"], 0) and is_row(pictures[-1]["image"], 5)
    assert pictures[3]["label"] == 2 and type(pictures[3]["label"]) is int
    rows = list(pictures)
    assert all(is_row(row["image"], i) for i, row in enumerate(rows))
    assert [row["label"] for row in rows] == LABELS.tolist()


@pytest.mark.parametrize(
    "key, rows", [(slice(1, 4), [1, 2, 3]), ([5, 0], [5, 0]), (LABELS == 0, [1, 4])]
)
def test_pil_pictures_of_several_rows(pictures, key, rows):
    images = pictures[key]["image"]
    assert len(images) == len(rows)
    assert all(is_row(image, row) for image, row in zip(images, rows))
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


def test_derived_datasets_keep_the_format(pictures):
    parts = [
        pictures.select([1]),
        pictures.select(slice(2)),
        *pictures.split(0.5),
        pictures.filter(lambda row: row["label"] == 2),
        pictures.concatenate(pictures),
        pickle.loads(pickle.dumps(pictures)),
    ]
    assert [part.format for part in parts] == ["pil"] * 7


def test_format_is_pickled(small):
    pytest.importorskip("PIL.Image")
    again = pickle.loads(pickle.dumps(small.with_format("pil")))
    assert again.format == "pil" and again.fingerprint == small.fingerprint
    assert pickle.loads(pickle.dumps(small)).format == "numpy"


@pytest.mark.parametrize("name", ["torch", None, 3, ["pil"]])
def test_unknown_format(six, name):
    with pytest.raises(ValueError, match="format must be one of numpy, pil, got"):
        six.with_format(name)


def test_format_without_pillow(six, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "PIL"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"'pil' requires Pillow .* install pillow"):
        six.with_format("pil")


# ---- counts, mean and std ----------------------------------------------------------


def test_class_counts(six):
    assert six.class_counts.tolist() == [2, 1, 3]
    empty = six.select([]).class_counts
    assert empty.tolist() == [0, 0, 0] and empty.dtype == np.int64


def test_class_counts_of_the_published_files(real_train):
    assert real_train.class_counts.tolist() == [6000] * 10


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 1, 2), (3, 5, 7), (31, 1, 33), (2, 28, 28), (999, 9, 11)]
)
def test_mean_and_std_equal_numpys(shape):
    images = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    dataset = Dataset.from_arrays(images, np.zeros(len(images), np.uint8))
    unit = images.astype(np.float64) / 255
    assert dataset.mean == pytest.approx(unit.mean(), rel=1e-12)
    assert dataset.std == pytest.approx(unit.std(), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("value", [0, 1, 127, 255])
def test_std_of_equal_pixels_is_exactly_zero(value):
    images = np.full((50, 7, 9), value, np.uint8)
    dataset = Dataset.from_arrays(images, np.zeros(50, np.uint8))
    assert (dataset.mean, dataset.std) == (value / 255, 0)


def test_mean_and_std_of_the_published_images(real_train):
    assert real_train.mean == pytest.approx(0.2860405969887955, abs=1e-15)
    assert real_train.std == pytest.approx(0.3530242445149223, abs=1e-15)


def test_mean_and_std_of_the_published_test_images(real_root):
    test = ff.load("test", real_root)
    assert test.mean == pytest.approx(0.2868492807, abs=1e-9)
    assert test.std == pytest.approx(0.3524441532, abs=1e-9)


@pytest.mark.parametrize("value", ["mean", "std"])
def test_empty_dataset_has_no_mean(six, value):
    with pytest.raises(ValueError, match="mean and std require at least one image"):
        getattr(six.select([]), value)


def test_empty_dataset_is_a_dataset():
    empty = Dataset.from_arrays(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8))
    assert len(empty) == 0 and list(empty) == [] and len(empty.fingerprint) == 8
    assert "0 images of 28x28" in repr(empty)


# ---- fingerprint -------------------------------------------------------------------


def test_fingerprint_of_equal_datasets_is_equal(six):
    again = Dataset.from_arrays(
        IMAGES.copy(), LABELS.astype(np.int64), classes=["a", "b", "c"], name="again"
    )
    assert again.fingerprint == six.fingerprint
    assert len(bytes.fromhex(six.fingerprint)) == 4


def test_fingerprint_sees_shape_pixels_labels_order_and_classes(six):
    images, labels = IMAGES.copy(), LABELS.copy()
    images[2, 0, 0] ^= 1
    labels[5] = 1
    classes = ["a", "b", "c"]
    others = [
        Dataset.from_arrays(images, LABELS, classes=classes),
        Dataset.from_arrays(IMAGES, labels, classes=classes),
        Dataset.from_arrays(IMAGES, LABELS, classes=["a", "c", "b"]),
        Dataset.from_arrays(IMAGES.reshape(6, 3, 4), LABELS, classes=classes),
        six.select(slice(None, None, -1)),
        six.select(range(5)),
    ]
    assert len({six.fingerprint, *(other.fingerprint for other in others)}) == 7


@pytest.mark.parametrize("row", [0, 516])
def test_fingerprint_sees_both_ends(odd, row):
    images = odd.images.copy()
    images[row, 0, 0] ^= 1
    assert Dataset.from_arrays(images, odd.labels).fingerprint != odd.fingerprint


# ---- for scikit-learn ---------------------------------------------------------------


def test_rows_for_sklearn_equal_those_of_a_loader(odd, small, small_in_files):
    for dataset in (odd, small, small_in_files, odd.select([3])):
        X, y = dataset.to_sklearn()
        loader = Loader(dataset, len(dataset), layout="flat", normalize="unit")
        ((images, labels),) = loader
        assert (X.dtype, y.dtype) == (np.float32, np.int64)
        assert X.shape == images.shape and X.tobytes() == images.tobytes()
        assert np.array_equal(y, labels) and not np.shares_memory(y, dataset.labels)
        assert X.flags.c_contiguous and X.flags.writeable and y.flags.writeable


@pytest.mark.parametrize("n_cores", [1, 3, 64])
def test_rows_for_sklearn_on_any_number_of_cores(odd, n_cores, monkeypatch):
    want = odd.to_sklearn()[0]
    monkeypatch.setattr(images, "usable_cores", lambda: n_cores)
    assert odd.to_sklearn()[0].tobytes() == want.tobytes()


def test_every_gray_level_for_sklearn():
    levels = np.arange(256, dtype=np.uint8).reshape(256, 1, 1)
    X, _ = Dataset.from_arrays(levels, np.zeros(256, np.uint8)).to_sklearn()
    want = np.arange(256, dtype=np.float32) * np.float32(1 / 255) + np.float32(0)
    assert X.ravel().tobytes() == want.tobytes()


@pytest.mark.parametrize("in_files", [False, True])
def test_an_empty_dataset_for_sklearn(six, in_files):
    images = LazyImages([IMAGES[:0]]) if in_files else IMAGES[:0]
    X, y = Dataset._make(images, LABELS[:0], six.classes).to_sklearn()
    assert X.shape == (0, 12) and X.dtype == np.float32
    assert y.shape == (0,) and y.dtype == np.int64

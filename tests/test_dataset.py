"""Datasets: what goes in is checked, what comes out is the same rows, uncopied."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fmnist_fast as ff
from fmnist_fast import Dataset, _core
from fmnist_fast._registry import datasets as family

IMAGES = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)
LABELS = np.array([2, 0, 1, 2, 0, 2], np.uint8)


@pytest.fixture
def six():
    """Six 4x3 images in three classes."""
    return Dataset.from_arrays(IMAGES, LABELS, classes=["a", "b", "c"], name="six")


def unlabelled(n, side=2):
    """`n` images that tell their row, with label 0."""
    images = np.zeros((n, side, side), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.arange(n) % 256, np.arange(n) // 256
    return Dataset.from_arrays(images, np.zeros(n, np.uint8))


def rows_of(dataset):
    return dataset.images[:, 0, 0] + 256 * dataset.images[:, 0, 1].astype(int)


# ---- from_arrays ----------------------------------------------------------------


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
        (IMAGES[:, ::-1], ValueError, "must be C-contiguous: pass numpy.ascontig"),
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
        (3, r"integers of shape \(n,\), got int64 \(\)"),
        (["a"] * 6, r"integers of shape \(n,\), got <U1 \(6,\)"),
        ([2**70] * 6, r"integers of shape \(n,\), got object \(6,\)"),
        (np.full(6, 2**63, np.uint64), r"below 2\*\*63, got 9223372036854775808"),
        (LABELS[:5], "must agree in number, got 6 images and 5 labels"),
        ([], r"got float64 \(0,\)"),
        ([0, 1, 2, 3, 4, -1], "must not be negative, got -1"),
        ([0, 1, 2, 3, 4, 1 << 20], "below 1048576 where classes are not given"),
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


def test_arrays_may_be_marked_synthetic(six):
    dataset = Dataset.from_arrays(IMAGES, LABELS, synthetic=True)
    assert dataset.synthetic and not six.synthetic
    assert "(SYNTHETIC)" in repr(dataset) and dataset.info.synthetic


def test_constructor_says_what_to_call():
    with pytest.raises(TypeError, match=r"with load\(\), synthetic\(\) or from_arrays"):
        Dataset()


def test_classes_are_numbers_by_default():
    assert Dataset.from_arrays(IMAGES, LABELS).classes == ("0", "1", "2")


def test_classes_without_images_are_kept():
    classes = list("abcdefgh")
    dataset = Dataset.from_arrays(IMAGES, LABELS, classes=classes)
    assert dataset.classes == tuple(classes)


# ---- rows and columns -----------------------------------------------------------


@pytest.mark.parametrize("row", [0, 3, 5, -1, -6, np.int64(2), np.uint8(2)])
def test_a_row(six, row):
    found = six[row]
    assert found.keys() == {"image", "label"}
    assert np.array_equal(found["image"], IMAGES[row])
    assert np.shares_memory(found["image"], IMAGES)
    assert found["label"] == LABELS[row] and type(found["label"]) is int


def test_columns_are_the_arrays(six):
    assert six["image"] is six.images and six["label"] is six.labels


@pytest.mark.parametrize("key", [slice(2, 5), slice(None), slice(4, 1, -2), slice(9)])
def test_slices_are_views(six, key):
    found = six[key]
    assert np.array_equal(found["image"], IMAGES[key])
    assert np.array_equal(found["label"], LABELS[key])
    assert found["image"].base is not None and found["label"].base is not None


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
    found = six[key]
    assert np.array_equal(found["image"], IMAGES[rows])
    assert np.array_equal(found["label"], LABELS[rows])
    assert not np.shares_memory(found["image"], IMAGES)


@pytest.mark.parametrize("row", [6, -7, 2**40, -(2**70)])
def test_row_out_of_range(six, row):
    with pytest.raises(IndexError, match=rf"row {row} is out of range: -6\.\.5 are"):
        six[row]


@pytest.mark.parametrize("method", ["__getitem__", "select"])
@pytest.mark.parametrize(
    "rows, message",
    [
        ([0, 6], r"row 6 is out of range: -6\.\.5 are in a dataset of 6"),
        ([-7, 2], r"row -7 is out of range: -6\.\.5 are in a dataset of 6"),
        (np.array([2**63], np.uint64), "row 9223372036854775808 is out of range"),
        ([True, False], "a mask of 2 for a dataset of 6"),
        (np.zeros(0, bool), "a mask of 0 for a dataset of 6"),
    ],
)
def test_rows_out_of_range(six, method, rows, message):
    with pytest.raises(IndexError, match=message):
        getattr(six, method)(rows)


@pytest.mark.parametrize("method", ["__getitem__", "select"])
@pytest.mark.parametrize(
    "rows, found",
    [
        ([0.0, 1.0], r"float64 \(2,\)"),
        (["image"], r"<U5 \(1,\)"),
        ([[0, 1]], r"int64 \(1, 2\)"),
        ([[]], r"int64 \(1, 0\)"),
        (np.array(3), r"int64 \(\)"),
        ([2**70], r"object \(1,\)"),
        ([None], r"object \(1,\)"),
    ],
)
def test_rows_of_another_type(six, method, rows, found):
    message = f"rows must be a slice.* of one dimension, got {found}"
    with pytest.raises(TypeError, match=message):
        getattr(six, method)(rows)


@pytest.mark.parametrize("key", [1.0, None, {1, 2}, b"image"])
def test_key_of_another_type(six, key):
    message = f"integers, slices, ranges, lists, .* got {type(key).__name__}"
    with pytest.raises(TypeError, match=message):
        six[key]


def test_unknown_column(six):
    with pytest.raises(KeyError, match="columns 'image' and 'label', not 'images'"):
        six["images"]


def test_iteration_gives_the_rows(six):
    rows = list(six)
    assert len(rows) == len(six) == 6
    assert [row["label"] for row in rows] == LABELS.tolist()
    assert np.array_equal([row["image"] for row in rows], IMAGES)


# ---- select ---------------------------------------------------------------------


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
def test_select_of_neighbours_is_a_view(six, rows):
    found = six.select(rows)
    wanted = list(rows) if isinstance(rows, range) else rows
    assert np.array_equal(found.images, IMAGES[wanted])
    assert np.array_equal(found.labels, LABELS[wanted])
    assert np.shares_memory(found.images, IMAGES)
    assert np.shares_memory(found.labels, LABELS)


@pytest.mark.parametrize(
    "rows, wanted",
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
def test_select_of_others_copies(six, rows, wanted):
    found = six.select(rows)
    assert np.array_equal(found.images, IMAGES[wanted])
    assert np.array_equal(found.labels, LABELS[wanted])
    assert found.images.flags.c_contiguous and found.labels.flags.c_contiguous
    assert not np.shares_memory(found.images, IMAGES)


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
def test_select_of_nothing(six, rows):
    found = six.select(rows)
    assert len(found) == 0 and found.images.shape == (0, 4, 3)


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
    message = rf"row {row} is out of range: 0\.\.5 are in a dataset of 6"
    with pytest.raises(IndexError, match=message):
        getattr(six, method)(rows)


def test_rows_of_an_empty_dataset(six):
    with pytest.raises(IndexError, match="of range: none is in a dataset of 0"):
        six.select([])[0]


@pytest.mark.parametrize(
    "rows", [range(3), range(1, 4), range(5, -1, -2), range(0)], ids=str
)
def test_a_range_as_key_is_what_select_takes(six, rows):
    found, wanted = six[rows], six.select(rows)
    assert np.array_equal(found["image"], wanted.images)
    assert np.array_equal(found["label"], wanted.labels)
    assert np.shares_memory(found["image"], IMAGES) == (rows.step == 1 and bool(rows))


def test_select_keeps_what_is_known(six):
    found = six.select([1, 4])
    assert (found.classes, found.name) == (("a", "b", "c"), "six")


# ---- split ----------------------------------------------------------------------


@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.29, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("n", [0, 1, 2, 100, 517])
def test_split_gives_each_row_to_one_part(n, fraction, stratify):
    dataset = unlabelled(n)
    first, second = dataset.split(fraction, stratify=stratify)
    assert len(first) == round(fraction * n)
    rows = [rows_of(part) for part in (first, second)]
    assert sorted(np.concatenate(rows)) == list(range(n))
    assert all((np.diff(part) > 0).all() for part in rows)  # in the original order


@settings(max_examples=100)
@given(
    labels=st.lists(st.integers(0, 6), min_size=1, max_size=80),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**64 - 1),
)
def test_stratified_split_is_fair_to_within_one_row(labels, fraction, seed):
    images = np.zeros((len(labels), 1, 1), np.uint8)
    dataset = Dataset.from_arrays(images, labels, classes=list("abcdefg"))
    first, second = dataset.split(fraction, seed=seed, stratify=True)
    assert len(first) == round(fraction * len(labels))
    for label in range(7):
        n = labels.count(label)
        found = [np.count_nonzero(part.labels == label) for part in (first, second)]
        assert sum(found) == n
        assert abs(found[0] - fraction * n) < 1


@pytest.mark.parametrize("stratify", [True, False])
def test_split_depends_on_the_seed_alone(odd, stratify):
    def part(seed):
        return odd.split(0.5, seed=seed, stratify=stratify)[0].images

    assert np.array_equal(part(3), part(3))
    parts = [part(seed) for seed in (0, 1, 2, 3, 2**64 - 1)]
    assert len({images.tobytes() for images in parts}) == 5


@pytest.mark.parametrize("stratify", [True, False])
def test_split_takes_rows_from_everywhere(stratify):
    first, _ = unlabelled(1000).split(0.5, stratify=stratify)
    counts = np.histogram(rows_of(first), 10, (0, 1000))[0]
    assert counts.sum() == 500 and counts.min() > 25 and counts.max() < 75


def test_stratified_split_draws_anew_for_each_class():
    images, labels = np.zeros((500, 1, 1), np.uint8), np.arange(500) % 5
    images[:, 0, 0] = np.arange(500) // 5  # the place in the class
    first, _ = Dataset.from_arrays(images, labels).split(0.5, stratify=True)
    places = [first.images[first.labels == label].tobytes() for label in range(5)]
    assert len(set(places)) == 5


def test_split_is_no_part_of_the_first_epoch():
    first, _ = unlabelled(1000).split(0.5)
    assert set(rows_of(first)) != set(_core.order(1000, end=500))


def test_split_keeps_what_is_known(six):
    for part in six.split(0.5):
        assert (part.classes, part.name) == (six.classes, "six")


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan"), float("inf"), 100])
def test_bad_fraction(six, fraction):
    with pytest.raises(ValueError, match=f"between 0 and 1, got {fraction}"):
        six.split(fraction)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seed_out_of_range(six, seed):
    message = rf"seed must be in 0\.\.2\*\*64-1, got {seed}"
    with pytest.raises(ValueError, match=message):
        six.split(0.5, seed=seed)


@pytest.mark.parametrize("seed", [1.5, "1", None, True])
def test_seed_of_another_type(six, seed):
    with pytest.raises(TypeError, match=f"seed must be an integer, got {seed!r}"):
        six.split(0.5, seed=seed)


@pytest.mark.parametrize("stratify", ["label", 1, None])
def test_stratify_of_another_type(six, stratify):
    message = f"stratify must be True or False, got {stratify!r}"
    with pytest.raises(TypeError, match=message):
        six.split(0.5, stratify=stratify)


# ---- mean and std ---------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 1, 2), (3, 5, 7), (31, 1, 33), (2, 28, 28), (999, 9, 11)]
)
def test_mean_and_std_are_those_of_numpy(shape):
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
    with pytest.raises(ValueError, match="empty dataset has no mean and no std"):
        getattr(six.select([]), value)


def test_empty_dataset_is_a_dataset():
    empty = Dataset.from_arrays(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8))
    assert len(empty) == 0 and list(empty) == [] and len(empty.fingerprint) == 8
    assert "0 images of 28x28" in repr(empty)


# ---- fingerprint ----------------------------------------------------------------


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


# ---- repr and pickle ------------------------------------------------------------


def test_repr(six, small):
    assert repr(six) == "Dataset(six: 6 images of 4x3 uint8, 3 classes)"
    unnamed = Dataset.from_arrays(IMAGES, LABELS)
    assert repr(unnamed) == "Dataset(arrays: 6 images of 4x3 uint8, 3 classes)"
    assert repr(small) == (
        "Dataset(synthetic/train (SYNTHETIC): 1,000 images of 28x28 uint8, "
        f"10 classes, from {small.source})"
    )
    assert "(SYNTHETIC)" in repr(small.select([1])) + repr(small.split(0.5)[0])


def assert_equal(a, b):
    assert np.array_equal(a.images, b.images) and np.array_equal(a.labels, b.labels)
    for name in ("classes", "name", "split_name", "source", "synthetic", "fingerprint"):
        assert getattr(a, name) == getattr(b, name)


def test_pickle_of_arrays_holds_them(six):
    assert six.mean and six.fingerprint  # what is remembered is not pickled
    content = pickle.dumps(six)
    assert b"_moments" not in content
    assert_equal(pickle.loads(content), six)


def test_pickle_of_files_names_them(small):
    content = pickle.dumps(small)
    assert len(content) < 1000
    assert_equal(pickle.loads(content), small)


def test_pickle_of_selected_rows_holds_them(small):
    part = small.select([5, 3])
    assert_equal(pickle.loads(pickle.dumps(part)), part)


def write_pair(folder, brightness):
    images, labels = (folder / name for name in family.SPLITS["train"].stems)
    ff.write_idx(images, np.full((20, 3, 3), brightness, np.uint8))
    ff.write_idx(labels, np.zeros(20, np.uint8))
    (folder / "dataset.json").write_text(json.dumps({"classes": ["all"]}))


def test_pickle_of_files_that_changed(tmp_path):
    write_pair(tmp_path, 1)
    content = pickle.dumps(ff.load("train", tmp_path))
    write_pair(tmp_path, 2)
    with pytest.raises(ValueError, match=r"changed since .* [0-9a-f]{8} then, .* now"):
        pickle.loads(content)


def test_pickle_of_files_that_are_gone(tmp_path):
    write_pair(tmp_path, 1)
    content = pickle.dumps(ff.load("train", tmp_path))
    (tmp_path / family.SPLITS["train"].stems[0]).unlink()
    with pytest.raises(FileNotFoundError):
        pickle.loads(content)


def test_pickle_of_files_is_read_in_another_folder(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    write_pair(tmp_path / "data", 1)
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps(ff.load("train", "data"))
    monkeypatch.chdir(tmp_path / "data")
    assert pickle.loads(content).images.max() == 1


@pytest.mark.parametrize("name", ["images", "labels", "classes", "anything"])
def test_a_dataset_is_fixed(name):
    images = np.zeros((2, 3, 4), np.uint8)
    dataset = ff.Dataset.from_arrays(images, np.zeros(2, np.uint8))
    with pytest.raises(AttributeError, match=f"{name} of a Dataset is fixed"):
        setattr(dataset, name, images)


def test_split_of_a_text_says_what_was_wanted():
    images = np.zeros((2, 3, 4), np.uint8)
    dataset = ff.Dataset.from_arrays(images, np.zeros(2, np.uint8))
    with pytest.raises(TypeError, match=r"fraction must be a number, got '0\.5'"):
        dataset.split("0.5")


def test_classes_of_one_name_are_refused():
    images = np.zeros((2, 3, 4), np.uint8)
    message = "different names, got 'a' for classes 0 and 2"
    with pytest.raises(ValueError, match=message):
        ff.Dataset.from_arrays(images, np.zeros(2, int), classes=["a", "b", "a"])


def test_classes_as_one_text_are_refused():
    images = np.zeros((2, 3, 4), np.uint8)
    with pytest.raises(TypeError, match="classes must be a sequence of names"):
        ff.Dataset.from_arrays(images, np.zeros(2, np.uint8), classes="abc")

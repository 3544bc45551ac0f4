"""Datasets of selected rows: their numbers, their memory, classes and joins."""

import copy
import pickle
import time
import tracemalloc

import numpy as np
import pytest
from helpers.tiny import IMAGES, LABELS
from hypothesis import given
from hypothesis import strategies as st

import fmnist_fast as ff
from fmnist_fast import Dataset
from fmnist_fast._dataset.arrays import parts_of, rows_of

# ---- numbers of rows ---------------------------------------------------------------

ROWS = st.one_of(
    st.slices(40),
    st.lists(st.integers(-1, 0)),
    st.builds(range, st.integers(0, 3)),
    st.builds(
        lambda n, step: range(n, -1, -step), st.integers(0, 2), st.integers(1, 3)
    ),
)


@given(chain=st.lists(ROWS, max_size=4))
def test_rows_are_numbers_in_the_dataset_that_was_loaded(chain):
    images = np.arange(40 * 12, dtype=np.uint16).astype(np.uint8).reshape(40, 4, 3)
    whole = Dataset.from_arrays(images, np.arange(40) % 3)
    part, numbers = whole, np.arange(40)
    assert whole._rows == range(40) and whole.rows.tolist() == [*range(40)]
    for rows in chain:
        if not isinstance(rows, slice) and len(part) < 3:
            break
        part = part.select(rows)
        numbers = numbers[rows if isinstance(rows, slice) else list(rows) or slice(0)]
        table = rows_of(part.images)
        assert np.array_equal(part._rows, numbers)
        assert np.array_equal(part.rows, numbers) and part.rows.dtype == np.int64
        assert not part.rows.flags.writeable
        assert np.array_equal(part.images, images[numbers])
        assert np.array_equal(part.labels, whole.labels[numbers])
        assert len(parts_of(part.images)) == 1
        assert table is None or table.dtype == np.int64


def test_row_numbers_lead_from_a_loader_to_its_selection(odd):
    part = odd.select(range(500, 100, -3)).filter(lambda row: row.label != 2)
    losses = np.random.default_rng(0).random(len(odd))
    seen = np.zeros(len(odd), bool)
    for _, _, index in ff.Loader(part, 10, with_index=True):
        seen[index] = True
    assert np.array_equal(np.flatnonzero(seen), np.sort(part.rows))
    hardest = np.argsort(-losses[part.rows])[:10]
    batch = next(iter(ff.Loader(part, 10, order=hardest, with_index=True)))
    assert batch[2].tolist() == part.rows[hardest].tolist()
    weights = losses[part.rows] * (part.rows == part.rows[7])
    batch = next(iter(ff.Loader(part, 10, weights=weights, with_index=True)))
    assert batch[2].tolist() == [part.rows[7]] * 10
    other = Dataset.from_arrays(odd.images, odd.labels, classes=odd.classes)
    joined = part.concatenate(other)
    assert joined.rows.tolist() == [*range(len(joined))]


def test_headings_tell_halves_apart(small, monkeypatch):
    pytest.importorskip("PIL")
    from fmnist_fast._show import batch, contact_sheet

    titles = []
    for module in (contact_sheet, batch):
        monkeypatch.setattr(
            module, "contact_sheet", lambda *_, title, **__: titles.append(title)
        )
    halves = small.split(0.5)
    for i, half in enumerate(halves, 1):
        half.show()
        want = f"synthetic/train (SYNTHETIC), part {i} of split(0.5, seed=0)"
        assert titles.pop() == f"{want}: 32 of 500 images"
        loader = ff.Loader(half, 20)
        loader.show(next(iter(loader)))
        assert titles.pop() == f"{want}: 20 of a batch of 20"
        assert f">{want}</b> 500 images of" in half._repr_html_()
    small.split([1] * 1000)[0].show()  # the repr has a thousand numbers
    (title,) = titles
    assert title.endswith("...: 1 of 1 images") and len(title) < 130


def test_every_way_to_select_keeps_the_numbers(odd):
    part = odd.select(range(100, 500))
    first, second = part.split(0.5)
    assert sorted([*first._rows, *second._rows]) == list(range(100, 500))
    kept = first.filter(lambda row, i: i % 2 == 1, with_indices=True)
    assert kept._rows.tolist() == first._rows[1::2].tolist()
    assert kept.with_format("numpy")._rows is kept._rows
    again = pickle.loads(pickle.dumps(kept))
    assert np.array_equal(again._rows, kept._rows)
    assert pickle.loads(pickle.dumps(part))._rows == range(100, 500)
    joined = second.concatenate(kept, odd)
    assert joined._rows.tolist() == [*second._rows, *kept._rows, *range(517)]
    assert part.concatenate()._rows.tolist() == list(range(100, 500))
    other = Dataset.from_arrays(odd.images, odd.labels, classes=odd.classes)
    assert kept.concatenate(other)._rows == range(len(kept) + 517)


def test_numbers_given_as_an_array_are_copied(odd):
    rows = np.array([3, 1, 4])
    part = odd.select(rows)
    rows[:] = 0
    assert part._rows.tolist() == [3, 1, 4]
    assert np.array_equal(part.images, odd.images[[3, 1, 4]])


@pytest.mark.parametrize("package", ["pandas", "torch", "jax.numpy"])
def test_show_takes_series_and_tensors(sheets, six, package):
    module = pytest.importorskip(package)
    make = {"pandas": "Series", "torch": "tensor", "jax.numpy": "array"}[package]
    make = getattr(module, make)
    for rows in ([4, 1], [-1, 0, 0], LABELS == 2):
        six.show(make(rows))
        assert np.array_equal(sheets[-1][0], IMAGES[rows])


# ---- memory and time ---------------------------------------------------------------


def test_selections_take_the_memory_of_their_tables():
    images = np.zeros((1000, 28, 28), np.uint8)
    whole = Dataset.from_arrays(images, np.zeros(1000, np.uint8))
    rows = [np.arange(i, 1000, 10) for i in range(10)]
    whole.select(rows[0])
    tracemalloc.start()
    parts = [whole.select(rows[i % 10]) for i in range(1000)]
    n_selections = tracemalloc.get_traced_memory()[0] / len(parts)
    parts = [part.select(slice(50)) for part in parts]
    n_slices = tracemalloc.get_traced_memory()[0] / len(parts)
    joined = parts[0].concatenate(*parts[1:])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_selections < 100 * (8 + 1) + 2000 > n_slices - 50
    assert len(joined) == 50_000 and peak < 5e6 < joined.images.nbytes
    assert joined.images.parts == (images,)


def test_selections_take_microseconds(small):
    rows = [np.array([i, 5, 999 - i, 7, 3]) for i in range(100)]
    seconds = []
    for _ in range(20):
        begin = time.perf_counter()
        for some in rows:
            small.select(some)
        seconds.append((time.perf_counter() - begin) / len(rows))
    assert min(seconds) < 60e-6


def test_small_images_are_copied():
    small = Dataset.from_arrays(IMAGES[:, :2, :3].copy(), LABELS)
    assert isinstance(small.select([3, 1]).images, np.ndarray)
    assert isinstance(small.concatenate(small).images.parts, tuple)


def test_a_deep_copy_has_only_its_own_pixels(odd):
    part = odd.select([5, 3, 5])
    own = copy.deepcopy(part)
    assert isinstance(own.images, np.ndarray) and own.images.base is None
    assert np.array_equal(own.images, part.images) and repr(own) == repr(part)
    assert own._rows.tolist() == [5, 3, 5] and own.fingerprint == part.fingerprint


@pytest.mark.parametrize("source", ["odd", "small_in_files"])
def test_a_pickle_has_only_the_selected_pixels(request, source):
    dataset = request.getfixturevalue(source)
    _, height, width = dataset.images.shape
    part = dataset.select([5, 3]).select([1]).concatenate(dataset.select([7]))
    assert len(pickle.dumps(part)) < 2 * height * width + 2000
    again = pickle.loads(pickle.dumps(part))
    assert np.array_equal(again.images, dataset.images[[3, 7]])
    assert again._rows.tolist() == [3, 7]


def test_arrays_of_a_selection_make_a_dataset(odd):
    part = odd.select([5, 3, 5])
    other = Dataset.from_arrays(part.images, part.labels, classes=odd.classes)
    assert other.images is part.images and other._rows == range(3)
    assert (other.mean, other.std) == (part.mean, part.std)
    assert ff.Loader(other).mean == other.mean != ff.Loader(part).mean


# ---- classes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "classes", ["Bag", 8, ["Bag"], ("Coat", "Bag"), [4, 8], [8, 8]]
)
def test_classes_by_name_and_number(small, classes):
    part = small.select(classes=classes)
    labels = [4, 8] if np.size(classes) == 2 and classes[0] != 8 else [8]
    assert part._rows.tolist() == np.flatnonzero(np.isin(small.labels, labels)).tolist()
    assert part.classes == small.classes and set(part.labels) == set(labels)
    rows = small.select(range(500, 400, -1), classes=classes)._rows
    want = [row for row in range(500, 400, -1) if small.labels[row] in labels]
    assert rows.tolist() == want


def test_classes_are_numbered_in_the_given_order(small):
    part = small.select(slice(300), classes=["Bag", 4, "Trouser"], relabel=True)
    assert part.classes == ("Bag", "Coat", "Trouser")
    assert part.labels.dtype == np.uint8
    assert part.int2str(part.labels) == small.int2str(small.labels[part._rows])
    assert ff.Loader(part).normalize == ff.Loader(small).normalize
    _, labels = next(iter(ff.Loader(part, 64, label_dtype="onehot")))
    assert labels.shape == (64, 3)
    again = pickle.loads(pickle.dumps(part))
    assert again.classes == part.classes and np.array_equal(again.labels, part.labels)
    assert part.info.features["label"] == "uint8, 0..2"
    single = small.select(classes="Bag", relabel=True)
    assert single.classes == ("Bag",) and not single.labels.any()


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_labels_of_many_classes_keep_their_type_where_it_fits(dtype):
    classes = [str(i) for i in range(300)]
    dataset = Dataset.from_arrays(IMAGES, LABELS.astype(dtype), classes=classes)
    part = dataset.select(classes=classes[::-1], relabel=True)
    assert part.labels.tolist() == [299 - label for label in LABELS.tolist()]
    assert part.labels.dtype == (np.int32 if dtype is np.uint8 else dtype)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({}, TypeError, "select requires rows or classes, got neither"),
        ({"rows": [0], "relabel": True}, ValueError, "relabel requires classes, got"),
        (
            {"rows": [0], "relabel": 1},
            TypeError,
            "relabel must be True or False, got 1",
        ),
        (
            {"classes": 0, "relabel": 0},
            TypeError,
            "relabel must be True or False, got 0",
        ),
        ({"classes": []}, ValueError, "classes must have at least one class, got none"),
        ({"classes": "d"}, ValueError, r"no class is named 'd'\.\nThe classes are 'a'"),
        ({"classes": 3}, ValueError, r"classes must be in 0\.\.2, got 3"),
        ({"classes": [1.5]}, TypeError, "classes must be an integer, got 1.5"),
        ({"classes": True}, TypeError, "classes must be an integer, got True"),
        (
            {"classes": ["a", 0], "relabel": True},
            ValueError,
            r"relabel requires different classes, got \['a', 'a'\]",
        ),
        ({"rows": [6], "classes": "a"}, IndexError, "row 6 is out of range"),
        ({"rows": True}, TypeError, "the number of a row must be an integer, got True"),
        ({"rows": "a"}, TypeError, "rows must be a slice, a range, or integers or"),
    ],
    ids=str,
)
def test_wrong_selections_are_refused(six, arguments, error, message):
    with pytest.raises(error, match=message):
        six.select(**arguments)


# ---- concatenate -------------------------------------------------------------------


def test_joined_datasets_share_the_pixels(odd, small_in_files):
    first, second = odd.split(0.5)
    joined = second.concatenate(first)
    assert joined.images.parts == (odd.images,) and joined._whole is odd._whole
    assert np.array_equal(joined.images, odd.images[joined._rows])
    assert joined.labels.tolist() == odd.labels[joined._rows].tolist()
    halves = odd.select(range(300, 517)).concatenate(odd.select(slice(300)))
    assert halves.images.rows is None and halves._rows.tolist()[:2] == [300, 301]
    files = small_in_files
    joined = files.select([7, 900]).concatenate(files.select(slice(99, 101)), files)
    assert np.array_equal(joined.images[:4], files.images[[7, 900, 99, 100]])
    assert np.array_equal(joined.images[4:], files.images)
    for part, image in zip(joined.images.parts, files.images.parts):
        assert np.shares_memory(part, image)


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_of_joined_selections(odd, shuffle):
    other = Dataset.from_arrays(255 - odd.images, odd.labels, classes=odd.classes)
    joined = odd.select([5, 3]).concatenate(other, odd.split(0.1)[1])
    copied = Dataset.from_arrays(
        np.asarray(joined.images), joined.labels, classes=odd.classes
    )
    loaders = (ff.Loader(ds, 64, shuffle=shuffle, seed=3) for ds in (joined, copied))
    for got, want in zip(*loaders, strict=True):
        assert got[0].tobytes() == want[0].tobytes()
        assert np.array_equal(got[1], want[1])

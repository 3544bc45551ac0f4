"""MultiFileImages: images in several arrays behave like one array."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fmnist_fast as ff
from fmnist_fast._dataset.arrays import parts_of
from fmnist_fast._dataset.images import MultiFileImages

SIZES = (5, 1, 12, 3)
N = sum(SIZES)


@pytest.fixture(scope="module")
def whole():
    """Return all images as one array."""
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (N, 4, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def images(whole):
    """Return the images in four parts."""
    return MultiFileImages(np.split(whole, np.cumsum(SIZES)[:-1]))


@pytest.fixture(scope="module")
def labels():
    """Return a label for each image."""
    return np.arange(N, dtype=np.uint8) % 3


@pytest.fixture(scope="module")
def dataset(images, labels):
    """Return the dataset of images in parts."""
    return ff.Dataset._make(images, labels, None)


@pytest.fixture(scope="module")
def in_memory(whole, labels):
    """Return the same dataset with images in one array."""
    return ff.Dataset.from_arrays(whole, labels)


def test_attributes_equal_an_arrays(images, whole):
    for name in ("shape", "dtype", "ndim", "size", "nbytes"):
        assert getattr(images, name) == getattr(whole, name)
    assert len(images) == N
    assert repr(images) == "MultiFileImages(21 images of 4x3 uint8 in 4 parts)"
    assert np.array_equal(list(images), whole)


@given(key=st.slices(N) | st.integers(-N, N - 1))
def test_integers_and_slices(images, whole, key):
    assert np.array_equal(images[key], whole[key])


@given(rows=st.lists(st.integers(-N, N - 1)))
def test_lists_and_index_arrays(images, whole, rows):
    want = whole[np.array(rows, int)]
    assert np.array_equal(images[rows], want)
    assert np.array_equal(images[np.array(rows, np.int32)], want)


@given(mask=st.lists(st.booleans(), min_size=N, max_size=N))
def test_masks(images, whole, mask):
    assert np.array_equal(images[mask], whole[mask])


def test_images_of_one_part_are_a_view(images, whole):
    assert np.shares_memory(images[7], whole)
    assert np.shares_memory(images[6:18], whole)
    assert not np.shares_memory(images[4:7], whole)
    assert np.shares_memory(images.between(2, 19).parts[1], whole)


def test_between_keeps_at_most_one_empty_part(images):
    assert [len(part) for part in images.between(4, 7).parts] == [1, 1, 1]
    assert [len(part) for part in images.between(7, 7).parts] == [0]
    assert images.between(9, 3).shape == (0, 4, 3)
    assert images.between(20, 99).shape == (1, 4, 3)


def test_conversion_to_an_array_copies(images, whole):
    for array in (np.asarray(images), np.array(images), np.array(images, copy=True)):
        assert np.array_equal(array, whole) and not np.shares_memory(array, whole)
    assert np.asarray(images, dtype=float).dtype == float
    with pytest.raises(ValueError, match=r"a copy, got copy=False\. Use \.parts"):
        np.asarray(images, copy=False)


@pytest.mark.parametrize("key", [(0, 1), "image", 1.5, None])
def test_invalid_keys(images, key):
    with pytest.raises(TypeError, match=r"indexed by an integer, a slice, a list or"):
        images[key]


@pytest.mark.parametrize("key", [N, -N - 1, [0, N]])
def test_rows_out_of_range(images, key):
    with pytest.raises(IndexError, match=r"row -?2\d is out of range"):
        images[key]


def test_an_array_is_its_only_part(images, whole):
    assert parts_of(whole) == (whole,) and parts_of(images) is images.parts


# ---- in a dataset and a loader --------------------------------------------------


def assert_same(first, second):
    """Check that two datasets have the same images, labels and classes."""
    assert np.array_equal(np.asarray(first.images), np.asarray(second.images))
    assert np.array_equal(first.labels, second.labels)
    assert first.classes == second.classes


@pytest.mark.parametrize("rows", [3, -1, slice(3, 9), [7, 1], range(2, 8), range(9, 2)])
def test_rows_equal_the_arrays(dataset, in_memory, rows):
    row, expected = dataset[rows], in_memory[rows]
    assert np.array_equal(row["image"], expected["image"])
    assert np.array_equal(row["label"], expected["label"])


def test_columns_and_iteration(dataset, in_memory, whole):
    assert np.array_equal(dataset["image"][17], whole[17])
    for got, expected in zip(dataset, in_memory, strict=True):
        assert np.array_equal(got["image"], expected["image"])


def test_moments_and_fingerprint_equal_the_arrays(dataset, in_memory):
    assert (dataset.mean, dataset.std) == (in_memory.mean, in_memory.std)
    assert dataset.fingerprint == in_memory.fingerprint


def test_selections_equal_the_arrays(dataset, in_memory):
    odd = np.arange(N) % 2 == 1
    for rows in (odd, [3, 0, 20], slice(3, 15), slice(None, None, 2), range(1, 20)):
        assert_same(dataset.select(rows), in_memory.select(rows))
    for part, expected in zip(dataset.split(0.5), in_memory.split(0.5)):
        assert_same(part, expected)
    assert_same(
        *(d.filter(lambda row: row["label"] == 2) for d in (dataset, in_memory))
    )
    assert_same(dataset.concatenate(in_memory), in_memory.concatenate(dataset))


def test_a_selected_range_is_a_view(dataset, whole):
    selected = dataset.select(slice(3, 15))
    assert isinstance(selected.images, MultiFileImages)
    assert all(np.shares_memory(part, whole) for part in selected.images.parts)
    assert_same(pickle.loads(pickle.dumps(selected)), selected)


def test_to_sklearn_and_repr(dataset, in_memory):
    for got, expected in zip(dataset.to_sklearn(), in_memory.to_sklearn()):
        assert np.array_equal(got, expected)
    assert repr(dataset) == repr(in_memory)
    assert str(dataset.info) == str(in_memory.info)


def test_pictures(dataset, in_memory):
    pytest.importorskip("PIL")
    assert dataset.show([0, 9, 20]).tobytes() == in_memory.show([0, 9, 20]).tobytes()
    assert dataset._repr_html_() == in_memory._repr_html_()
    pictures = dataset.with_format("pil")
    assert np.array_equal(np.asarray(pictures[8]["image"]), dataset.images[8])
    assert np.array_equal(np.asarray(pictures["image"][8]), dataset.images[8])
    assert len(pictures[3:9]["image"]) == 6


def test_plots(dataset, in_memory):
    pytest.importorskip("matplotlib")
    from fmnist_fast import plot

    for count in (plot.mean_images, plot.pixel_counts):
        assert np.array_equal(count(dataset), count(in_memory))


LOADERS = {
    "plain": {},
    "shuffled": {"shuffle": True},
    "blocks": {"shuffle": True, "shuffle_block": 2},
    "augmented": {"shuffle": True, "augment": "strong"},
    "mixed": {
        "shuffle": True,
        "label_dtype": "onehot",
        "augment": [ff.RandomCrop((4, 3), padding=1), ff.MixUp()],
    },
    "function": {"augment": [lambda x, y, rng: (x + rng.random(), y)]},
    "shard": {"shuffle": True, "shard": (1, 2)},
    "wrap": {"shuffle": True, "shuffle_block": 2, "drop_last": "wrap"},
}


@pytest.mark.parametrize("options", LOADERS.values(), ids=LOADERS)
def test_batches_equal_the_arrays(dataset, in_memory, options, cpu_level):
    loaders = [ff.Loader(d, 4, **options) for d in (dataset, in_memory)]
    for _ in range(3):
        for got, expected in zip(*loaders, strict=True):
            assert got[0].tobytes() == expected[0].tobytes()
            assert got[1].tobytes() == expected[1].tobytes()


def test_preview_equals_the_arrays(dataset, in_memory):
    previews = [
        ff.Loader(d, augment="standard").augment_preview(-2, 3)
        for d in (dataset, in_memory)
    ]
    assert np.array_equal(*previews)


def test_a_state_resumes_with_the_same_images_in_one_array(dataset, in_memory):
    loader = ff.Loader(dataset, 4, shuffle=True)
    batches = iter(loader)
    next(batches)
    other = ff.Loader(in_memory, 4, shuffle=True)
    other.load_state_dict(loader.state_dict())
    for (expected, _), (got, _) in zip(batches, other, strict=True):
        assert np.array_equal(expected, got)

"""LazyImages: images in several arrays, or some of them, behave like one array."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as indices

import fmnist_fast as ff
from fmnist_fast._dataset.arrays import parts_of, rows_of
from fmnist_fast._dataset.images import LazyImages, joined_images, selected_images

SIZES = (5, 1, 12, 3)
N = sum(SIZES)
TABLE = np.random.default_rng(2).integers(0, N, 2 * N)
RNG = np.random.default_rng(1)
WHOLE = RNG.integers(0, 256, (N, 4, 3), dtype=np.uint8)
PARTS = np.split(WHOLE, np.cumsum(SIZES)[:-1])
# Images of each kind, and the array that they equal.
KINDS = {
    "parts": (LazyImages(PARTS), WHOLE),
    "table": (LazyImages([WHOLE], TABLE[:N]), WHOLE[TABLE[:N]]),
    "table of parts": (LazyImages(PARTS, TABLE[N:]), WHOLE[TABLE[N:]]),
}
every_kind = pytest.mark.parametrize("images, whole", [*KINDS.values()], ids=[*KINDS])


@pytest.fixture(scope="module")
def labels():
    """Return a label for each image."""
    return np.arange(N, dtype=np.uint8) % 3


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    """Return images of a kind, and the array that they equal."""
    return KINDS[request.param]


@pytest.fixture(scope="module")
def dataset(kind, labels):
    """Return the dataset of images of each kind."""
    return ff.Dataset._make(kind[0], labels, None)


@pytest.fixture(scope="module")
def in_memory(kind, labels):
    """Return the same dataset with images in one array."""
    return ff.Dataset.from_arrays(kind[1], labels)


@every_kind
def test_attributes_equal_an_arrays(images, whole):
    for name in ("shape", "dtype", "ndim", "size", "nbytes"):
        assert getattr(images, name) == getattr(whole, name)
    assert len(images) == N
    assert np.array_equal(list(images), whole)


def test_the_repr_says_where_the_images_lie():
    texts = (
        "21 images of 4x3 uint8 in 4 parts",
        "21 of 21 images of 4x3 uint8 in 1 part",
        "21 of 21 images of 4x3 uint8 in 4 parts",
    )
    for text, (images, _) in zip(texts, KINDS.values(), strict=True):
        assert repr(images) == f"LazyImages({text})"


@every_kind
@given(key=st.slices(N) | st.integers(-N, N - 1))
def test_integers_and_slices(images, whole, key):
    assert np.array_equal(images[key], whole[key])


@every_kind
@given(rows=st.lists(st.integers(-N, N - 1)))
def test_lists_and_index_arrays(images, whole, rows):
    want = whole[np.array(rows, int)]
    assert np.array_equal(images[rows], want)
    assert np.array_equal(images[np.array(rows, np.int32)], want)


@every_kind
@given(mask=st.lists(st.booleans(), min_size=N, max_size=N))
def test_masks(images, whole, mask):
    assert np.array_equal(images[mask], whole[mask])


@every_kind
@given(key=indices.basic_indices((N, 4, 3), allow_newaxis=True, allow_ellipsis=True))
def test_basic_indices_of_all_dimensions(images, whole, key):
    assert np.array_equal(images[key], whole[key])


@every_kind
@given(key=indices.integer_array_indices((N, 4, 3)))
def test_index_arrays_of_all_dimensions(images, whole, key):
    assert np.array_equal(images[key], whole[key])


@every_kind
def test_mixed_indices_of_all_dimensions(images, whole):
    for key in (
        (3, slice(None), [0, 2]),
        (-1, [0, 2], slice(None)),
        (np.int64(5), ..., None),
        (slice(2, 9), [1, 0], [2, 2]),
        ([4, 4, 0], 1),
        (whole[:, 0, 0] > 99, slice(2)),
        whole > 99,
        np.array([[3, 4], [0, -1]]),
        np.array(7),
        None,
        ...,
        (),
    ):
        assert np.array_equal(images[key], whole[key])


def test_other_kinds_of_rows_are_indices(kind):
    images, whole = kind
    for rows in (range(3, 9, 2), iter([1, 4]), (row for row in [1, 4])):
        want = whole[3:9:2] if isinstance(rows, range) else whole[[1, 4]]
        assert np.array_equal(images[rows], want)
    for package, make in (("pandas", "Series"), ("torch", "tensor")):
        make = getattr(pytest.importorskip(package), make)
        assert np.array_equal(images[make([7, 1])], whole[[7, 1]])
        assert np.array_equal(
            images[make(TABLE[:N] % 2 == 0)], whole[TABLE[:N] % 2 == 0]
        )


def test_images_that_lie_together_are_a_view():
    images, _ = KINDS["parts"]
    assert np.shares_memory(images[7], WHOLE)
    assert np.shares_memory(images[6:18], WHOLE)
    assert not np.shares_memory(images[4:7], WHOLE)
    assert np.shares_memory(images.between(2, 19).parts[1], WHOLE)


@pytest.mark.parametrize("name", ["table", "table of parts"])
def test_an_image_of_a_table_is_a_view(name):
    images, _ = KINDS[name]
    assert np.shares_memory(images[7], WHOLE) and np.shares_memory(images[-7], WHOLE)
    assert all(np.shares_memory(image, WHOLE) for image in images)
    assert not np.shares_memory(images[7:9], WHOLE)


def test_between_keeps_at_most_one_empty_part():
    images, _ = KINDS["parts"]
    assert [len(part) for part in images.between(4, 7).parts] == [1, 1, 1]
    assert [len(part) for part in images.between(7, 7).parts] == [0]
    assert images.between(9, 3).shape == (0, 4, 3)
    assert images.between(20, 99).shape == (1, 4, 3)


@every_kind
def test_conversion_to_an_array_copies(images, whole):
    arrays = np.asarray(images), np.array(images, copy=True), np.from_dlpack(images)
    for array in arrays:
        assert np.array_equal(array, whole) and not np.shares_memory(array, WHOLE)
    assert np.asarray(images, dtype=float).dtype == float
    with pytest.raises(ValueError, match=r"a copy, got copy=False\. Use \.parts"):
        np.asarray(images, copy=False)


@every_kind
def test_operators_and_functions_of_numpy(images, whole):
    for function in (
        lambda x: x / 255,
        lambda x: np.float32(2) * x - x,
        lambda x: x > 99,
        lambda x: x == images,
        lambda x: 255 - x,
        lambda x: -x,
        lambda x: np.sqrt(x),
        lambda x: np.add.reduce(x),
        lambda x: np.mean(x),
        lambda x: np.mean(x, axis=(1, 2)),
        lambda x: np.max(x),
        lambda x: np.reshape(x, (len(x), -1)),
        lambda x: np.concatenate([x, x]),
        lambda x: np.pad(x, ((0, 0), (1, 1), (1, 1))),
        lambda x: np.stack([x, x]),
        lambda x: np.expand_dims(x, 1),
        lambda x: np.where(x > 9, x, 0),
        lambda x: np.bincount(np.ravel(x), minlength=256),
    ):
        got, want = function(images), function(whole)
        assert type(got) is type(want) and got.dtype == want.dtype
        assert np.array_equal(got, want)


def test_images_are_not_changed_in_place(kind):
    images, whole = kind
    before = whole.copy()
    with pytest.raises(TypeError, match="LazyImages"):
        images += 1
    with pytest.raises(TypeError, match="LazyImages"):
        np.add(whole, 1, out=images)
    with pytest.raises(TypeError, match="does not support item assignment"):
        images[0] = 0
    assert np.array_equal(images, before)


@pytest.mark.parametrize("name", ["reshape", "astype", "mean", "T", "copy", "tobytes"])
def test_attributes_that_only_arrays_have(kind, name):
    with pytest.raises(AttributeError, match=f"\nUse numpy.asarray.images..{name}.$"):
        getattr(kind[0], name)
    assert not hasattr(kind[0], name) and getattr(kind[0], name, None) is None


def test_attributes_that_nothing_has(kind):
    with pytest.raises(AttributeError, match=r"LazyImages has no attribute 'xyzzy'$"):
        _ = kind[0].xyzzy


@pytest.mark.parametrize("key", ["image", 1.5, {1}, [0.5], [[1], [2, 3]], ["a"]])
def test_invalid_keys(kind, key):
    with pytest.raises(TypeError, match=r"indexed by integers, slices, lists and mas"):
        kind[0][key]


@pytest.mark.parametrize("key", [True, np.False_, [True, 1]])
def test_booleans_are_not_numbers_of_images(kind, key):
    with pytest.raises(TypeError, match="integer"):
        kind[0][key]


@pytest.mark.parametrize("key", [N, -N - 1, [0, N], (N, 0), np.int64(N)])
def test_rows_out_of_range(kind, key):
    with pytest.raises(IndexError, match=r"row -?2\d is out of range"):
        kind[0][key]


@every_kind
def test_a_pickle_has_only_these_images(images, whole):
    few = images.between(3, 5)
    for again in (pickle.loads(pickle.dumps(few)), copy.deepcopy(few)):
        assert np.array_equal(again, whole[3:5])
        assert sum(part.nbytes for part in parts_of(again)) == few.nbytes
    assert copy.copy(few).shape == few.shape


def test_an_array_is_its_only_part(kind):
    images, whole = kind
    assert parts_of(whole) == (whole,) and parts_of(images) is images.parts
    assert rows_of(whole) is None and rows_of(images) is images.rows


def test_joined_images_are_not_copied():
    (parts, a), (table, b), (both, c) = KINDS.values()
    joined = joined_images([WHOLE, parts])
    assert joined.rows is None and len(joined.parts) == 5
    assert np.array_equal(joined, np.concatenate([WHOLE, a]))
    for several, arrays, n_parts in (
        ([table, table], [b, b], 1),
        ([both, parts, both], [c, a, c], 4),
        ([parts, table, WHOLE, both], [a, b, WHOLE, c], 5),
        ([both.between(9, 9), table.between(0, 0)], [c[:0]], 5),
    ):
        joined = joined_images(several)
        assert np.array_equal(joined, np.concatenate(arrays))
        assert len(joined.parts) == n_parts and joined.rows.dtype == np.int64
        assert all(np.shares_memory(part, WHOLE) for part in joined.parts)
    assert joined_images([WHOLE]) is WHOLE
    assert joined_images([WHOLE[:0], WHOLE[:0]]).shape == (0, 4, 3)
    assert joined_images([WHOLE[:0], WHOLE[2:4]]).base is not None


def test_small_images_are_copied():
    for shape, is_copied in (((N, 2, 4), True), ((N, 3, 3), False)):
        images = np.zeros(shape, np.uint8)
        selected = selected_images(images, TABLE[:5])
        assert isinstance(selected, np.ndarray) == is_copied
        assert selected.shape == (5, *shape[1:])


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


def test_columns_and_iteration(dataset, in_memory):
    assert np.array_equal(dataset["image"][17], in_memory.images[17])
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


def test_a_selected_range_is_a_view(dataset):
    selected = dataset.select(slice(3, 15))
    assert isinstance(selected.images, LazyImages)
    assert all(np.shares_memory(part, WHOLE) for part in selected.images.parts)
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

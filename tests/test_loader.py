"""Loader: with every option, the bytes of batches equal the reference."""

import hashlib
import itertools

import numpy as np
import pytest
import reference_sampler
from helpers.batches import same, wanted

import fmnist_fast as ff
from fmnist_fast._core import DTYPES, LABEL_DTYPES
from fmnist_fast._loader.options import LAYOUTS

LASTS = [False, True, "wrap"]


# ---- the same bytes as the reference -----------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_and_layouts_equal_reference(odd, dtype, layout, cpu_level):
    options = {"batch_size": 32, "shuffle": True, "seed": 7}
    options |= {"dtype": dtype, "layout": layout}
    assert same(list(ff.Loader(odd, **options)), wanted(odd, **options))


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("batch_size", [1, 32, 100, 517, 1000])
def test_batch_sizes_and_threads_equal_reference(odd, batch_size, threads, cpu_level):
    options = {"batch_size": batch_size, "shuffle": True, "seed": 2**64 - 1}
    loader = ff.Loader(odd, threads=threads, **options)
    for epoch in range(3):
        assert same(list(loader), wanted(odd, epoch=epoch, **options))


@pytest.mark.parametrize("label_dtype", LABEL_DTYPES)
@pytest.mark.parametrize("stored", ["uint8", "int16", "int32", "int64", ">i4"])
def test_label_dtypes_equal_reference(odd, stored, label_dtype):
    dataset = ff.Dataset.from_arrays(odd.images, odd.labels.astype(stored))
    options = {"batch_size": 50, "shuffle": True, "label_dtype": label_dtype}
    assert same(list(ff.Loader(dataset, **options)), wanted(dataset, **options))


@pytest.mark.parametrize("normalize", ["dataset", "unit", None, (0.25, 0.5)])
def test_normalizations_equal_reference(odd, normalize):
    options = {"batch_size": 64, "normalize": normalize}
    assert same(list(ff.Loader(odd, **options)), wanted(odd, **options))


@pytest.mark.parametrize("prefetch", [1, 2, 50])
@pytest.mark.parametrize("drop_last", LASTS)
def test_drop_last_and_prefetch_equal_reference(odd, drop_last, prefetch):
    options = {"batch_size": 60, "shuffle": True, "drop_last": drop_last}
    loader = ff.Loader(odd, prefetch=prefetch, **options)
    assert same(list(loader), wanted(odd, **options))
    assert len(loader) == len(wanted(odd, **options))


@pytest.mark.parametrize("drop_last", LASTS)
@pytest.mark.parametrize("batch_size", [1, 16, 100, 600])
@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_shards_equal_reference_and_make_up_the_whole(
    odd, world, batch_size, drop_last
):
    options = {"shuffle": True, "seed": 3, "drop_last": drop_last}
    ranks = []
    for rank in range(world):
        sharded = options | {"batch_size": batch_size, "shard": (rank, world)}
        loader = ff.Loader(odd, **sharded)
        ranks.append(list(loader))
        assert same(ranks[-1], wanted(odd, **sharded))
        assert len(loader) == len(ranks[-1])
    whole = list(ff.Loader(odd, batch_size=batch_size * world, **options))
    for k, (x, y) in enumerate(whole):
        parts = [batches[k] for batches in ranks if k < len(batches)]
        assert np.array_equal(np.concatenate([part[0] for part in parts]), x)
        assert np.array_equal(np.concatenate([part[1] for part in parts]), y)
    if drop_last:
        assert len({len(batches) for batches in ranks}) == 1
        assert {len(x) for batches in ranks for x, _ in batches} <= {batch_size}


@pytest.mark.parametrize("drop_last", LASTS)
@pytest.mark.parametrize("world", [1, 4])
@pytest.mark.parametrize("n", [0, 1, 7, 512])
def test_datasets_of_any_length_equal_reference(odd, n, world, drop_last):
    """The lengths are less than a batch, whole batches, one image, and none."""
    dataset = odd.select(range(n))
    options = {"batch_size": 8, "shuffle": True, "normalize": None, "seed": 2}
    options |= {"drop_last": drop_last}
    for rank in range(world):
        loader = ff.Loader(dataset, shard=(rank, world), **options)
        got = list(loader)
        want = wanted(dataset, shard=(rank, world), **options)
        assert same(got, want) and len(loader) == len(want)
        assert (loader.epoch, loader.state_dict()["position"]) == (1, 0)


def test_wrapping_repeats_the_first_samples_of_the_epoch(odd):
    dataset = ff.Dataset.from_arrays(odd.images, np.arange(517))
    options = {"shuffle": True, "seed": 1}
    for epoch in range(2):
        loader = ff.Loader(dataset, 100, drop_last="wrap", **options)
        loader.set_epoch(epoch)
        labels = [y.tolist() for _, y in loader]
        assert [len(y) for y in labels] == [100] * 6
        assert labels[5][17:] == labels[0][:83]
        assert sorted(itertools.chain(*labels[:5], labels[5][:17])) == list(range(517))


def test_wrapping_repeats_the_epoch_as_often_as_needed(odd):
    dataset = ff.Dataset.from_arrays(odd.images[:3], np.arange(3))
    ((_, labels),) = ff.Loader(dataset, 8, drop_last="wrap")
    assert labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


@pytest.mark.parametrize("world", [1, 3])
@pytest.mark.parametrize("block", [1, 3, 20, 1000])
def test_blocks_equal_reference(odd, block, world, cpu_level):
    options = {"batch_size": 40, "shuffle": True, "shuffle_block": block, "seed": 5}
    for rank in range(world):
        loader = ff.Loader(odd, shard=(rank, world), **options)
        for epoch in range(2):
            want = wanted(odd, epoch=epoch, shard=(rank, world), **options)
            assert same(list(loader), want)


@pytest.mark.parametrize("height, width", [(28, 28), (30, 30), (7, 9)])
def test_large_batches_equal_reference(height, width, cpu_level):
    """Batches of 4 MiB or more bypass the caches if their rows are aligned."""
    rng = np.random.default_rng(8)
    n = 5 * 2**20 // (4 * height * width)
    images = rng.integers(0, 256, (n, height, width), dtype=np.uint8)
    dataset = ff.Dataset.from_arrays(images, np.arange(n) % 10)
    options = {"batch_size": n - 3, "shuffle": True}
    for threads in (1, 2):
        got = list(ff.Loader(dataset, threads=threads, **options))
        assert same(got, wanted(dataset, **options))


def test_large_batches_are_divided_into_ranges_of_rows():
    """Several threads fill each batch of 9 MB together."""
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (70, 180, 200), dtype=np.uint8)
    dataset = ff.Dataset.from_arrays(images, np.arange(70) % 10)
    options = {"batch_size": 64, "shuffle": True}
    for threads in (1, 2, 3):
        got = list(ff.Loader(dataset, threads=threads, **options))
        assert same(got, wanted(dataset, **options))


def test_one_huge_image():
    """A row may be larger than the unit of work of a thread."""
    images = np.arange(2 * 1200 * 1100, dtype=np.uint32).astype(np.uint8)
    images = images.reshape(2, 1200, 1100)
    dataset = ff.Dataset.from_arrays(images, np.array([1, 0]))
    got = list(ff.Loader(dataset, 2, normalize="unit", shuffle=True))
    assert same(got, wanted(dataset, batch_size=2, normalize="unit", shuffle=True))


def test_real_epoch_equals_reference(real_train):
    options = {"batch_size": 128, "shuffle": True, "seed": 0}
    got = list(ff.Loader(real_train, **options))
    assert same(got, wanted(real_train, epoch=0, **options))
    whole = list(ff.Loader(real_train, **options | {"batch_size": 60_000}))
    assert np.array_equal(np.concatenate([x for x, _ in got]), whole[0][0])


def test_real_epoch_has_the_golden_hash(real_train):
    """If the hash changes, so do the results of every user."""
    loader = ff.Loader(real_train, 128, shuffle=True, seed=42)
    loader.set_epoch(1)
    digest = hashlib.sha256()
    for images, labels in loader:
        digest.update(images)
        digest.update(labels)
    assert digest.hexdigest() == (
        "bc484dacea25a44bb2bd5f8056a4d44774c3685d2f5a259801b18416e75e97aa"
    )


def test_pixels_beyond_4_gigabytes(tmp_path):
    """A sparse file, which takes no disk space, has offsets beyond 2**32."""
    n = 2**32 // 784 + 2000
    images = np.memmap(tmp_path / "images", np.uint8, "w+", shape=(n, 28, 28))
    labels = np.zeros(n, dtype=np.uint8)
    images[-1000:, 3, 4] = np.arange(1000) % 251
    images[-1000:, 0, 0] = 1
    labels[-1000:] = 1
    dataset = ff.Dataset.from_arrays(images, labels)
    loader = ff.Loader(dataset, 100, dtype="uint8", label_dtype="uint8")
    loader.load_state_dict(loader.state_dict() | {"position": n - 1000})
    x, y = (np.concatenate(columns) for columns in zip(*loader))
    assert np.array_equal(x[:, 0], images[-1000:]) and y.all()

    shuffled = ff.Loader(dataset, 500, dtype="uint8", shuffle=True, seed=1)
    x, y = next(iter(shuffled))
    order = reference_sampler.permuted(n, 1, 0, 0, 500).astype(np.int64)
    assert np.array_equal(y, labels[order])
    assert np.array_equal(x[:, 0], images[order])


# ---- small and empty datasets, many classes -----------------------------------------


def test_empty_dataset_has_no_batches():
    empty = ff.Dataset.from_arrays(
        np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8)
    )
    loader = ff.Loader(empty, 10, shuffle=True)
    assert len(loader) == 0 and list(loader) == [] and list(loader) == []


def test_one_image(small):
    one = small.select([3])
    assert [labels.tolist() for _, labels in ff.Loader(one, 10, shuffle=True)] == [
        [int(small.labels[3])]
    ]


def test_drop_last_of_less_than_a_batch_leaves_no_batch(odd):
    loader = ff.Loader(odd, 1000, drop_last=True)
    assert len(loader) == 0 and list(loader) == []
    assert loader.epoch == 1


@pytest.mark.parametrize("rows", [slice(516, None, 517), slice(9, 8, -1), [3]])
def test_one_image_of_any_stride(odd, rows):
    """numpy calls an array of one row C-contiguous, whatever its stride."""
    one = odd.select(rows)
    assert len(one) == 1
    ((x, y),) = ff.Loader(one, 10, dtype="uint8", layout="NHW")
    assert np.array_equal(x, odd.images[rows]) and np.array_equal(y, odd.labels[rows])
    strided = ff.Dataset.from_arrays(odd.images[rows], odd.labels[rows])
    assert np.array_equal(
        next(iter(ff.Loader(strided, 1, dtype="uint8")))[0], x[:, None]
    )


def test_labels_overwritten_after_the_check_are_harmless(odd):
    labels = odd.labels.astype(np.int64)
    dataset = ff.Dataset.from_arrays(odd.images, labels)
    labels[:2] = -1, 10**9
    _, got = next(iter(ff.Loader(dataset, 3, label_dtype="onehot")))
    assert not got[:2].any() and got[2].sum() == 1


def test_onehot_has_a_column_for_every_class(odd):
    classes = [str(i) for i in range(2000)]
    dataset = ff.Dataset.from_arrays(odd.images, odd.labels, classes=classes)
    _, labels = next(iter(ff.Loader(dataset, 517, label_dtype="onehot")))
    assert labels.shape == (517, 2000) and labels.dtype == np.float32
    assert np.array_equal(labels.argmax(axis=1), odd.labels)
    assert labels.sum() == 517

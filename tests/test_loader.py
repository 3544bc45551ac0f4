"""Loader: every option against the reference, state, shards, arguments."""

import hashlib
import itertools
import json
import pickle

import numpy as np
import pytest
import reference

import fmnist_fast as ff
from fmnist_fast._loader.options import DTYPES, LABEL_DTYPES, LAYOUTS


def same(got, want):
    """Whether two lists of batches are equal bit for bit, and of the same dtypes."""
    assert len(got) == len(want)
    for (x, y), (wanted_x, wanted_y) in zip(got, want):
        assert x.shape == wanted_x.shape and y.shape == wanted_y.shape
        assert x.tobytes() == wanted_x.tobytes()
        assert y.dtype == wanted_y.dtype and y.tobytes() == wanted_y.tobytes()
    return True


def wanted(dataset, **options):
    return reference.epoch(
        dataset.images, dataset.labels, n_classes=len(dataset.classes), **options
    )


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
def test_normalisations_equal_reference(odd, normalize):
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
    """Of less than a batch, of a whole number of them, of one image and of none."""
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


def test_wrapping_goes_round_as_often_as_it_takes(odd):
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
    """From 4 MB on batches are written past the caches, where rows allow it."""
    rng = np.random.default_rng(8)
    n = 5 * 2**20 // (4 * height * width)
    images = rng.integers(0, 256, (n, height, width), dtype=np.uint8)
    dataset = ff.Dataset.from_arrays(images, np.arange(n) % 10)
    options = {"batch_size": n - 3, "shuffle": True}
    for threads in (1, 2):
        got = list(ff.Loader(dataset, threads=threads, **options))
        assert same(got, wanted(dataset, **options))


def test_large_images_are_cut_into_ranges_of_rows():
    """Batches of 9 MB, which several threads fill together."""
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (70, 180, 200), dtype=np.uint8)
    dataset = ff.Dataset.from_arrays(images, np.arange(70) % 10)
    options = {"batch_size": 64, "shuffle": True}
    for threads in (1, 2, 3):
        got = list(ff.Loader(dataset, threads=threads, **options))
        assert same(got, wanted(dataset, **options))


def test_one_huge_image():
    """A row that is larger than a piece of work."""
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
    """Epoch 1 of seed 42: if this changes, every user's results do."""
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
    """Offsets past 2**32, in a sparse file that takes no room."""
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
    order = reference.order(n, 1, 0, 0, 500).astype(np.int64)
    assert np.array_equal(y, labels[order])
    assert np.array_equal(x[:, 0], images[order])


# ---- epochs and state ---------------------------------------------------------------


def test_every_epoch_has_every_sample_once_in_an_order_of_its_own(small):
    images = np.zeros_like(small.images)
    images.reshape(len(small), -1)[:, :2] = (
        np.arange(1000, dtype="<u2").view(np.uint8).reshape(-1, 2)
    )
    dataset = ff.Dataset.from_arrays(images, small.labels)
    loader = ff.Loader(dataset, 64, shuffle=True, dtype="uint8", layout="flat")
    orders = []
    for _ in range(3):
        x = np.concatenate([batch for batch, _ in loader])
        orders.append(np.ascontiguousarray(x[:, :2]).view("<u2").ravel())
        assert np.array_equal(np.sort(orders[-1]), np.arange(1000))
    assert not any(np.array_equal(a, b) for a, b in itertools.combinations(orders, 2))


def test_without_shuffle_the_order_is_the_datasets(odd):
    x = np.concatenate([x for x, _ in ff.Loader(odd, 100, dtype="uint8", layout="NHW")])
    assert np.array_equal(x, odd.images)


def test_set_epoch_gives_that_epoch(odd):
    options = {"batch_size": 100, "shuffle": True}
    loader = ff.Loader(odd, **options)
    for epoch in (5, 2, 2**32 - 1):
        loader.set_epoch(epoch)
        assert loader.epoch == epoch
        assert same(list(loader), wanted(odd, epoch=epoch, **options))


@pytest.mark.parametrize("drop_last", LASTS)
def test_resuming_at_every_batch_of_two_epochs(odd, drop_last):
    options = {"batch_size": 50, "shuffle": True, "seed": 6, "drop_last": drop_last}
    run = ff.Loader(odd, **options)
    batches, states = [], [run.state_dict()]
    for _ in range(2):
        for batch in run:
            batches.append(batch)
            states.append(json.loads(json.dumps(run.state_dict())))
    for k, state in enumerate(states):
        resumed = ff.Loader(odd, **options | {"seed": 0}, threads=1 + k % 3)
        resumed.load_state_dict(state)
        rest = []
        while resumed.epoch < 2:
            rest += list(resumed)
        assert same(rest, batches[k:])


def test_resuming_at_every_batch_of_blocks(odd):
    options = {"batch_size": 20, "shuffle": True, "shuffle_block": 2}
    whole = list(ff.Loader(odd, **options))
    loader = ff.Loader(odd, **options)
    batches = iter(loader)
    for k in range(len(whole)):
        resumed = ff.Loader(odd, threads=1, **options)
        resumed.load_state_dict(loader.state_dict())
        assert same([next(iter(resumed))], whole[k : k + 1])
        next(batches)
    loader.set_epoch(0)
    assert same(list(loader), whole)


def test_state_is_small_and_plain(odd):
    loader = ff.Loader(odd, 50, shuffle=True, seed=2**64 - 1)
    loader.set_epoch(2**32 - 1)
    next(iter(loader))
    text = json.dumps(loader.state_dict())
    assert len(text) < 200
    assert json.loads(text) == loader.state_dict()


def test_state_after_the_last_batch_is_the_next_epoch(odd):
    loader = ff.Loader(odd, 517)
    next(iter(loader))
    assert (loader.state_dict()["epoch"], loader.state_dict()["position"]) == (1, 0)


def test_ranks_of_uneven_length_end_their_epoch_together(odd):
    nine = odd.select(range(9))
    for rank in range(2):
        loader = ff.Loader(nine, 4, shard=(rank, 2))
        list(loader)
        state = loader.state_dict()
        assert (state["epoch"], state["position"]) == (1, 0)


def test_a_wrapping_epoch_resumed_with_another_world_repeats_its_beginning(odd):
    """What fills up is the first of the epoch, not what came first after the state."""
    dataset = ff.Dataset.from_arrays(odd.images, np.arange(517))
    options = {"shuffle": True, "drop_last": "wrap"}
    before = ff.Loader(dataset, 30, shard=(0, 4), **options)
    batches = iter(before)
    first = next(batches)[1].tolist()
    next(batches)
    rest = []
    for rank in range(3):
        after = ff.Loader(dataset, 25, shard=(rank, 3), **options)
        after.load_state_dict(before.state_dict())
        rest.append([y.tolist() for _, y in after])
        assert [len(y) for y in rest[-1]] == [25] * 4
        assert after.epoch == 1
    together = [y for parts in zip(*rest) for part in parts for y in part]
    order = reference.order(517, 0, 0).tolist()
    assert together == order[240:] + order[:23] and first == order[:30]


def test_an_epoch_resumed_with_another_batch_size_ends(odd):
    before = ff.Loader(odd, 25, drop_last=True)
    next(iter(before))
    after = ff.Loader(odd, 30, drop_last=True)
    after.load_state_dict(before.state_dict())
    assert len(list(after)) == (517 - 25) // 30
    assert (after.state_dict()["epoch"], after.state_dict()["position"]) == (1, 0)


def test_set_epoch_keeps_the_position_of_a_state_of_that_epoch(odd):
    """Loops that always set the epoch resume as well."""
    before = ff.Loader(odd, 50, shuffle=True)
    before.set_epoch(3)
    next(iter(before))
    after = ff.Loader(odd, 50, shuffle=True)
    after.load_state_dict(before.state_dict())
    after.set_epoch(3)
    assert same(list(after), wanted(odd, batch_size=50, shuffle=True, epoch=3)[1:])
    after.set_epoch(3)
    assert len(list(after)) == 11


def test_epochs_end_at_2_to_the_32(odd):
    loader = ff.Loader(odd, 517)
    loader.set_epoch(2**32 - 1)
    list(loader)
    with pytest.raises(
        ValueError, match=r"epoch must be in 0\.\.4294967295, got 4294967296"
    ):
        iter(loader)
    copy = ff.Loader(odd, 517)
    copy.load_state_dict(loader.state_dict())
    assert copy.epoch == 2**32


def test_state_survives_breaking_off_and_closing(odd):
    loader = ff.Loader(odd, 10, shuffle=True)
    for k, _ in enumerate(loader):
        if k == 4:
            break
    state = loader.state_dict()
    assert (state["epoch"], state["position"]) == (0, 50)
    loader.close()
    assert loader.state_dict() == state
    assert same(list(loader), wanted(odd, batch_size=10, shuffle=True, epoch=1))


def test_resuming_with_another_number_of_ranks_and_rows(odd):
    """The position is global, so it means the same to any world."""
    before = ff.Loader(odd, 20, shuffle=True, shard=(1, 4))
    iterator = iter(before)
    next(iterator), next(iterator)
    rest = []
    for rank in range(2):
        after = ff.Loader(odd, 33, shuffle=True, shard=(rank, 2))
        after.load_state_dict(before.state_dict())
        rest += [labels for _, labels in after]
    want = wanted(odd, batch_size=1000, shuffle=True, position=160)[0][1]
    assert sorted(np.concatenate(rest)) == sorted(want)
    assert len(np.concatenate(rest)) == 517 - 160


@pytest.mark.parametrize(
    "change, message",
    [
        ({"version": 2}, "state was taken with version=2, this loader has 1"),
        ({"samples": 5}, "state was taken with samples=5, this loader has 517"),
        ({"dataset": "00000000"}, "state was taken with dataset='00000000'"),
        ({"shuffle": True}, "state was taken with shuffle=True"),
        ({"shuffle_block": 64}, "with shuffle_block=64, this loader has None"),
        ({"epoch": -1}, r"state\['epoch'\] must be in 0..4294967296, got -1"),
        ({"position": 517}, r"state\['position'\] must be in 0..516, got 517"),
        ({"seed": 2**64}, r"state\['seed'\] must be in"),
    ],
)
def test_state_that_does_not_fit_names_the_difference(odd, change, message):
    loader = ff.Loader(odd)
    with pytest.raises(ValueError, match=message):
        loader.load_state_dict(loader.state_dict() | change)


def test_state_of_the_wrong_kind(odd):
    loader = ff.Loader(odd)
    with pytest.raises(TypeError, match="state must be a dict, got list"):
        loader.load_state_dict([])
    with pytest.raises(ValueError, match="state has no 'version'"):
        loader.load_state_dict({})
    with pytest.raises(
        TypeError, match=r"state\['epoch'\] must be an integer, got '1'"
    ):
        loader.load_state_dict(loader.state_dict() | {"epoch": "1"})


def test_seed_none_is_random_but_kept_in_the_state(odd):
    first, second = (ff.Loader(odd, 517, shuffle=True, seed=None) for _ in range(2))
    assert first.seed != second.seed
    second.load_state_dict(first.state_dict())
    assert same(list(second), list(first))


def test_pickled_loader_goes_on_where_it_was(odd):
    loader = ff.Loader(odd, 50, shuffle=True, seed=9)
    iterator = iter(loader)
    first = [next(iterator) for _ in range(3)]
    copy = pickle.loads(pickle.dumps(loader))
    assert same(first + list(copy), wanted(odd, batch_size=50, shuffle=True, seed=9))


def test_repr_says_what_it_is(odd):
    text = repr(ff.Loader(odd, 50, shard=(1, 2)))
    assert "batch_size=50" in text and "shard=(1, 2)" in text
    assert "6 batches an epoch" in text and "shuffle_block" not in text
    loader = ff.Loader(odd, shuffle=True, shuffle_block=64)
    assert "shuffle=True, shuffle_block=64" in repr(loader)


@pytest.mark.parametrize(
    "options, wanted",
    [
        ({}, "dtype='float32', normalize='dataset', layout='NCHW': 3 batches an epoch"),
        ({"dtype": "uint8"}, "dtype='uint8', normalize=None, layout='NCHW': 3"),
        ({"normalize": "unit", "layout": "flat"}, "normalize='unit', layout='flat': 3"),
        ({"normalize": [np.float64(0.5), 1 / 3]}, "normalize=(0.5, 0.3333), layout="),
        ({"label_dtype": "onehot"}, "layout='NCHW', label_dtype='onehot': 3 batches"),
        ({"drop_last": "wrap", "prefetch": 2}, ", drop_last='wrap', prefetch=2: 3 "),
        ({"threads": 77}, "layout='NCHW', threads=77: 3 batches"),
    ],
)
def test_repr_says_what_is_unusual(odd, options, wanted):
    assert wanted in repr(ff.Loader(odd, **options))


def test_repr_mentions_slots(odd):
    slots = [np.empty(1 << 21, np.uint8) for _ in range(3)]
    slots = [slot[-slot.ctypes.data % 64 :] for slot in slots]
    loader = ff.Loader(odd, 50, prefetch=2, slots=slots)
    assert "prefetch=2, 3 slots: 11 batches an epoch)" in repr(loader)


def test_a_rank_that_has_a_batch_less_says_where_all_ranks_are(odd):
    """Its state must not take the last rows away from those that have them."""
    options = {"batch_size": 43, "shuffle": True}  # 3 batches for each, 4 for rank 0
    ranks = [ff.Loader(odd, shard=(rank, 4), **options) for rank in range(4)]
    assert [len(loader) for loader in ranks] == [4, 3, 3, 3]
    for loader in ranks:
        for _ in zip(range(3), loader):
            pass
    states = [loader.state_dict() for loader in ranks]
    assert states == [states[0]] * 4
    assert (states[0]["epoch"], states[0]["position"]) == (0, 516)
    for loader in ranks:
        loader.load_state_dict(states[3])
    assert [len(list(loader)) for loader in ranks] == [1, 0, 0, 0]
    assert [loader.epoch for loader in ranks] == [1] * 4


# ---- small and empty datasets -------------------------------------------------------


def test_empty_dataset_has_no_batches():
    nothing = ff.Dataset.from_arrays(
        np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8)
    )
    loader = ff.Loader(nothing, 10, shuffle=True)
    assert len(loader) == 0 and list(loader) == [] and list(loader) == []


def test_one_image(small):
    one = small.select([3])
    assert [labels.tolist() for _, labels in ff.Loader(one, 10, shuffle=True)] == [
        [int(small.labels[3])]
    ]


def test_drop_last_of_less_than_a_batch_is_nothing(odd):
    loader = ff.Loader(odd, 1000, drop_last=True)
    assert len(loader) == 0 and list(loader) == []
    assert loader.epoch == 1


@pytest.mark.parametrize("rows", [slice(516, None, 517), slice(9, 8, -1), [3]])
def test_one_image_of_any_stride(odd, rows):
    """numpy calls an array of one row C-contiguous whatever its stride is."""
    one = odd.select(rows)
    assert len(one) == 1
    ((x, y),) = ff.Loader(one, 10, dtype="uint8", layout="NHW")
    assert np.array_equal(x, odd.images[rows]) and np.array_equal(y, odd.labels[rows])
    strided = ff.Dataset.from_arrays(odd.images[rows], odd.labels[rows])
    assert np.array_equal(
        next(iter(ff.Loader(strided, 1, dtype="uint8")))[0], x[:, None]
    )


def test_labels_overwritten_after_the_check_harm_nothing(odd):
    labels = odd.labels.astype(np.int64)
    dataset = ff.Dataset.from_arrays(odd.images, labels)
    labels[:2] = -1, 10**9
    _, got = next(iter(ff.Loader(dataset, 3, label_dtype="onehot")))
    assert not got[:2].any() and got[2].sum() == 1


# ---- arguments ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, error, message",
    [
        (
            {"batch_size": 0},
            ValueError,
            "batch_size must be in 1..1099511627776, got 0",
        ),
        ({"batch_size": 1.5}, TypeError, "batch_size must be an integer, got 1.5"),
        ({"batch_size": True}, TypeError, "batch_size must be an integer, got True"),
        ({"shuffle": 1}, TypeError, "shuffle must be True or False, got 1"),
        ({"shuffle_block": 8}, ValueError, "goes with shuffle=True, got 8"),
        (
            {"shuffle": True, "shuffle_block": 0},
            ValueError,
            "shuffle_block must be in 1..1099511627776, got 0",
        ),
        (
            {"shuffle": True, "shuffle_block": "8"},
            TypeError,
            "shuffle_block must be an integer, got '8'",
        ),
        (
            {"drop_last": "no"},
            TypeError,
            "drop_last must be True, False or 'wrap', got 'no'",
        ),
        ({"seed": -1}, ValueError, "seed must be in 0..18446744073709551615, got -1"),
        ({"seed": 2**64}, ValueError, "seed must be in"),
        ({"seed": "x"}, TypeError, "seed must be an integer, got 'x'"),
        ({"dtype": "float64"}, ValueError, "dtype must be one of float32, float16"),
        ({"normalize": "mean"}, ValueError, "normalize must be 'auto', 'dataset'"),
        ({"normalize": 0.5}, TypeError, r"must be a pair of numbers \(mean, std\)"),
        ({"normalize": (1, 2, 3)}, TypeError, r"must be a pair of numbers"),
        ({"normalize": ("a", 1)}, TypeError, r"must be a pair of numbers"),
        ({"normalize": ("0.1", "1")}, TypeError, r"must be a pair of numbers"),
        ({"normalize": {0.1: 1, 0.3: 2}}, TypeError, r"must be a pair of numbers"),
        ({"normalize": (0.5, 0)}, ValueError, "needs finite numbers and std > 0"),
        ({"normalize": (0.5, -1)}, ValueError, "needs finite numbers and std > 0"),
        ({"normalize": (float("nan"), 1)}, ValueError, "needs finite numbers"),
        ({"normalize": (0, float("inf"))}, ValueError, "needs finite numbers"),
        ({"normalize": (0.5, 1e-300)}, ValueError, "too large for float32"),
        ({"normalize": "unit", "dtype": "uint8"}, ValueError, "can't be normalised"),
        ({"layout": "NCWH"}, ValueError, "layout must be one of NCHW, NHWC, NHW, flat"),
        ({"layout": None}, ValueError, "layout must be one of"),
        ({"label_dtype": "float32"}, ValueError, "label_dtype must be one of int64"),
        ({"threads": 0}, ValueError, "threads must be in 1..256, got 0"),
        ({"threads": 257}, ValueError, "threads must be in 1..256, got 257"),
        ({"prefetch": 0}, ValueError, "prefetch must be in 1..65536, got 0"),
        (
            {"shard": (1, 4), "seed": None},
            ValueError,
            "seed=None draws another seed in each of 4 processes",
        ),
        ({"shard": (2, 2)}, ValueError, "shard's rank must be in 0..1, got 2"),
        ({"shard": (-1, 2)}, ValueError, "shard's rank must be in 0..1, got -1"),
        ({"shard": (0, 0)}, ValueError, "shard's world must be in 1..1048576, got 0"),
        ({"shard": (0, 1.0)}, TypeError, "shard's world must be an integer, got 1.0"),
        (
            {"shard": 3},
            TypeError,
            r"shard must be \(rank, world\), 'env' or None, got 3",
        ),
        (
            {"shard": "torch"},
            ValueError,
            r"shard must be \(rank, world\), 'env' or None",
        ),
    ],
    ids=str,
)
def test_bad_arguments_say_what_was_wanted(odd, options, error, message):
    with pytest.raises(error, match=message):
        ff.Loader(odd, **options)


@pytest.mark.parametrize("name", ["batch_size", "dtype", "seed", "world", "dataset"])
def test_options_are_fixed(odd, name):
    loader = ff.Loader(odd)
    with pytest.raises(AttributeError, match=f"{name}"):
        setattr(loader, name, 5)


def test_numpy_dtypes_are_taken_by_name(odd):
    x, y = next(iter(ff.Loader(odd, 4, dtype=np.float16, label_dtype=np.int32)))
    assert x.dtype == np.float16 and y.dtype == np.int32
    with pytest.raises(ValueError, match=r"dtype must be one of .*, got 'float64'"):
        ff.Loader(odd, dtype=np.float64)


def test_arrays_instead_of_a_dataset(odd):
    with pytest.raises(TypeError, match="dataset must be a Dataset, got ndarray"):
        ff.Loader(odd.images)


@pytest.mark.parametrize("epoch", [-1, 2**32, 1.0])
def test_bad_epoch(odd, epoch):
    with pytest.raises((ValueError, TypeError), match="epoch must be"):
        ff.Loader(odd).set_epoch(epoch)


def test_equal_pixels_can_not_be_normalised():
    grey = ff.Dataset.from_arrays(
        np.full((5, 2, 2), 9, np.uint8), np.zeros(5, np.uint8)
    )
    with pytest.raises(ValueError, match="all pixels of this dataset are equal"):
        ff.Loader(grey)
    assert next(iter(ff.Loader(grey, normalize=None)))[0].max() == 9


def test_more_classes_than_uint8_holds(odd):
    labels = np.arange(517)
    dataset = ff.Dataset.from_arrays(odd.images, labels)
    with pytest.raises(ValueError, match=r"'uint8' holds 256 classes, .* has 517"):
        ff.Loader(dataset, label_dtype="uint8")
    got = np.concatenate([y for _, y in ff.Loader(dataset, label_dtype="int32")])
    assert np.array_equal(got, labels)


def test_onehot_has_a_column_for_every_class(odd):
    classes = [str(i) for i in range(2000)]
    dataset = ff.Dataset.from_arrays(odd.images, odd.labels, classes=classes)
    _, labels = next(iter(ff.Loader(dataset, 517, label_dtype="onehot")))
    assert labels.shape == (517, 2000) and labels.dtype == np.float32
    assert np.array_equal(labels.argmax(axis=1), odd.labels)
    assert labels.sum() == 517


def test_an_iterator_that_is_dropped_unused_takes_no_epoch(small):
    options = {"batch_size": 64, "shuffle": True, "augment": "standard"}
    loader, want = ff.Loader(small, **options), ff.Loader(small, **options)
    for _ in range(3):
        for _ in range(2):
            iter(loader)
        assert loader.epoch == want.epoch
        for ours, theirs in zip(loader, want, strict=True):
            assert ours[0].tobytes() == theirs[0].tobytes()
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    del batches  # which was used
    iter(loader)
    assert loader.epoch == 4
    for _ in range(2):
        loader.load_state_dict(state)
        iter(loader)
        assert loader.state_dict() == state
        loader.set_epoch(state["epoch"])  # nor a state's position
        assert len(list(loader)) == 15
        iter(loader)
        loader.set_epoch(state["epoch"])
        assert len(list(loader)) == 16
    kept = iter(loader)
    assert next(iter(loader))[0].tobytes() != next(kept)[0].tobytes()


def test_an_iterator_that_fails_to_start_takes_nothing(small, monkeypatch):
    class WithoutMemory:
        def start(self, **_):
            assert loader.state_dict() == state  # as a signal handler would find it
            raise MemoryError

    loader = ff.Loader(small, 64)
    next(iter(loader))
    state = loader.state_dict()
    loader.load_state_dict(state)
    iter(loader)
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(loader._pipelines, "idle", lambda make: WithoutMemory())
        iter(loader)
    assert loader.state_dict() == state
    assert len(list(loader)) == 15

"""Weights, orders and repeats, and the rows and columns of samples in batches.

Each batch has the bytes of the reference. Random combinations are in test_any_order.py.
"""

import hashlib
import itertools
import math

import numpy as np
import pytest
import reference_sampler
from helpers.against_reference import same, wanted
from helpers.loader_cases import COLUMNS, columns_of
from helpers.samplings import NAMES, samplings

import fmnist_fast as ff
from fmnist_fast._core import alias_table
from fmnist_fast._loader.sampling import _integers
from fmnist_fast.frameworks._resident import ResidentLoader

AUGMENT = [
    ff.RandomHorizontalFlip(mode="alternating"),
    ff.RandomCrop(5, padding=1),
    ff.ColorJitter(0.5),
]
MIXED = {"augment": [*AUGMENT, ff.MixUp()], "label_dtype": "onehot"}
BITS = {"dtype": "uint8", "normalize": None, "layout": "NHW"}
ALL = {"with_index": True, "columns": [*COLUMNS]}
by_name = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def table(odd):
    """Return 151 images with columns."""
    return odd._with(extra=columns_of(len(odd))).select(range(516, 365, -1))


def check(dataset, *, epoch=0, threads=2, **options):
    """Compare an epoch with the reference, and return its batches."""
    loader = ff.Loader(dataset, threads=threads, **options)
    loader.set_epoch(epoch)
    got = list(loader)
    assert len(got) == len(loader)
    assert same(got, wanted(dataset, epoch=epoch, **options))
    return got


def rows_of(dataset, n_epochs=1, **options):
    """Return the rows that the batches of some epochs have, int64."""
    loader = ff.Loader(dataset, 512, with_index=True, **options)
    batches = itertools.chain(*itertools.repeat(loader, n_epochs))
    return np.concatenate([rows for _, _, rows in batches])


# ---- bit for bit --------------------------------------------------------------------


@by_name
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_equals_reference(table, name, threads):
    options = samplings(len(table))[name] | ALL | {"seed": 2**64 - 5}
    for epoch, more in [(0, {}), (7, {"augment": AUGMENT}), (2**32 - 1, MIXED)]:
        check(table, epoch=epoch, threads=threads, batch_size=32, **options, **more)


@by_name
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "uint8"])
def test_data_types(odd, name, dtype):
    options = samplings(len(odd))[name] | {"dtype": dtype}
    if dtype == "bfloat16":
        loader = ff.Loader(odd, 100, **options)
        got = [(x.view(np.uint16), y) for x, y in loader]
        assert same(got, wanted(odd, batch_size=100, **options))
    else:
        check(odd, batch_size=100, **options)


@by_name
@pytest.mark.parametrize("label_dtype", ["uint8", "int32", "int64", "onehot"])
def test_data_types_of_labels(odd, name, label_dtype):
    check(odd, batch_size=99, label_dtype=label_dtype, **samplings(len(odd))[name])


@by_name
def test_instruction_sets(table, name, cpu_level):
    options = samplings(len(table))[name] | ALL | MIXED | {"seed": 8}
    check(table, batch_size=33, **options)


@by_name
@pytest.mark.parametrize("drop_last", [True, "wrap"])
def test_last_batches(odd, name, drop_last):
    options = samplings(len(odd))[name] | {"drop_last": drop_last, "with_index": True}
    check(odd, batch_size=100, augment=AUGMENT, **options)


@by_name
@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_batches_of_all_ranks_are_those_of_one_process(table, name, world):
    options = samplings(len(table))[name] | ALL | MIXED | {"seed": 3}
    whole = check(table, batch_size=6 * world, **options)
    shards = [
        check(table, batch_size=6, shard=(rank, world), **options)
        for rank in range(world)
    ]
    for k, batch in enumerate(whole):
        parts = [shard[k] for shard in shards if k < len(shard)]
        assert same([tuple(map(np.concatenate, zip(*parts)))], [batch])


@by_name
def test_resuming_at_every_batch(table, name):
    options = samplings(len(table))[name] | ALL | MIXED | {"seed": 4}
    run = ff.Loader(table, 24, **options)
    batches, states = [], [run.state_dict()]
    for batch in itertools.chain(run, run):
        batches.append(batch)
        states.append(run.state_dict())
    for k, state in enumerate(states):
        resumed = ff.Loader(table, 24, threads=1 + k % 3, **options | {"seed": 0})
        resumed.load_state_dict(state)
        rest = []
        while resumed.epoch < 2:
            rest += list(resumed)
        assert same(rest, batches[k:])


@by_name
@pytest.mark.parametrize("world", [2, 3, 7])
def test_resuming_in_another_world(table, name, world):
    options = samplings(len(table))[name] | ALL | MIXED | {"seed": 4}
    before = ff.Loader(table, 8, shard=(1, 2), **options)
    before.set_epoch(3)
    batches = iter(before)
    for _ in range(4):
        next(batches)
        state = before.state_dict()
        for rank in (0, world - 1):
            share = {"batch_size": 9, "shard": (rank, world)}
            after = ff.Loader(table, **options | share)
            after.load_state_dict(state)
            position = state["position"]
            want = wanted(table, epoch=3, position=position, **options | share)
            assert same(list(after), want)


@pytest.mark.parametrize("augment", [AUGMENT, MIXED["augment"]])
def test_augment_seed_is_that_of_transforms(odd, augment):
    options = {"shuffle": True, "label_dtype": "onehot", "augment": augment, "seed": 5}
    options |= {"batch_size": 100, "with_index": True}
    first, other, same_seed = (
        check(odd, augment_seed=number, **options) for number in (None, 9, 5)
    )
    assert same(first, same_seed)
    for (x, _, rows), (other_x, _, other_rows) in zip(first, other):
        assert np.array_equal(rows, other_rows) and not np.array_equal(x, other_x)
    back = check(odd, augment_seed=5, **options | {"seed": 9})
    assert not np.array_equal(first[0][2], back[0][2])


# ---- rows and columns ---------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 70, 1000])
def test_tables_of_weights_are_those_of_the_reference(n):
    rng = np.random.default_rng(n)
    for power in (0, 1, 30, 300):
        weights = rng.random(n) ** power * rng.integers(0, 2, n)
        weights[rng.integers(n)] = 1.0
        numbers = _integers(weights)
        assert numbers.tolist() == reference_sampler.quantized(weights)
        table, capacity = alias_table(numbers)
        own, other, total = reference_sampler.alias_table(numbers.tolist())
        assert capacity == total and table.T.tolist() == [own, other]


@pytest.mark.parametrize("kind", [ff.Loader, ResidentLoader])
def test_rows_of_slices_count_from_their_begin(small, small_in_files, kind):
    parts = [small.select(slice(100, 300)), small.select(range(7, 50))]
    parts.append(small.select(slice(10, None)).select(slice(5, 90)))
    parts.append(small_in_files.select(slice(50, 700)))
    for part, begin in zip(parts, (100, 7, 15, 50)):
        batches = list(kind(part, 64, with_index=True, shuffle=True, **BITS))
        rows = np.concatenate([numbers for _, _, numbers in batches])
        assert sorted(rows) == list(range(begin, begin + len(part)))
        for x, _, numbers in batches:
            assert np.array_equal(x, small.images[numbers])


@by_name
def test_rows_are_those_of_the_loaded_dataset(small, name):
    rows = np.random.default_rng(5).integers(0, 1000, 400)
    part = small.select(rows).select(range(399, 0, -2))
    options = samplings(len(part))[name] | BITS
    for x, y, numbers in ff.Loader(part, 64, with_index=True, **options):
        assert numbers.dtype == np.int64
        assert np.array_equal(x, small.images[numbers])
        assert np.array_equal(y, small.labels[numbers])
        assert np.isin(numbers, rows[1::2]).all()


def test_rows_of_several_files(small, small_in_files):
    for dataset in (small_in_files, small_in_files.select(range(900, 90, -7))):
        for x, _, numbers in ff.Loader(
            dataset, 50, shuffle=True, with_index=True, **BITS
        ):
            assert np.array_equal(x, small.images[numbers])


def test_rows_of_concatenations(small, small_in_files):
    """They are those of the dataset that all parts are of, or of the result."""
    parts = [small.select(range(900, 0, -9)), small.select(slice(5, 50))]
    options = {"shuffle": True, "with_index": True}
    for x, _, numbers in ff.Loader(
        parts[0].concatenate(parts[1]), 50, **options, **BITS
    ):
        assert np.array_equal(x, small.images[numbers])
    both = parts[0].concatenate(small_in_files, parts[1])
    assert len(both) == 1145
    images = np.asarray(both.images)
    for dataset in (both, both.select(range(1100, 10, -3))):
        for x, _, numbers in ff.Loader(dataset, 50, **options, **BITS):
            assert np.array_equal(x, images[numbers])


def test_rows_of_divisions(small):
    for part in small.split(0.3, seed=5):
        rows = np.concatenate([rows for _, _, rows in ff.Loader(part, with_index=True)])
        assert np.array_equal(small.images[rows], np.asarray(part.images))


def test_rows_of_mixed_samples_are_their_own(small):
    options = {"shuffle": True, "label_dtype": "onehot", "with_index": True}
    plain, mixed = (
        ff.Loader(small, 100, augment=augment, **options)
        for augment in (None, [ff.MixUp()])
    )
    for (_, _, rows), (_, _, others) in zip(plain, mixed, strict=True):
        assert np.array_equal(rows, others)


def test_columns_keep_their_data_types(six):
    types = ["int8", "uint16", "int64", "float16", "float32", "float64", "bool"]
    columns = {name: np.arange(6).astype(name) for name in types}
    columns["of pairs"] = np.arange(12.0).reshape(6, 2)[:, 1]
    columns["backward"] = np.arange(6, dtype="i4")[::-1]
    dataset, order = six._with(extra=columns), [3, 0, 5, 5]
    ((_, _, *got),) = ff.Loader(dataset, 4, order=order, columns=[*columns])
    for array, column in zip(got, columns.values(), strict=True):
        assert array.dtype == column.dtype
        assert np.array_equal(array, column[order])


def test_columns_come_in_the_given_order_after_the_rows(table):
    forward, backward = (
        next(iter(ff.Loader(table, 9, with_index=True, columns=names)))
        for names in ([*COLUMNS], [*reversed(COLUMNS)])
    )
    assert len(forward) == len(backward) == 3 + len(COLUMNS)
    assert same([forward[3:]], [backward[:2:-1]])


def test_fields_are_writable_and_stay(table):
    batches = list(ff.Loader(table, 50, shuffle=True, **ALL))
    assert same(batches, wanted(table, batch_size=50, shuffle=True, **ALL))
    for batch in batches:
        for array in batch:
            array[:] = 1


# ---- weights ------------------------------------------------------------------------


def chi_square_z(counts, expected):
    """Return how many standard deviations chi-square is above its mean."""
    df = counts.size - 1
    return (((counts - expected) ** 2 / expected).sum() - df) / math.sqrt(2 * df)


@pytest.mark.parametrize("seed", [0, 12])
def test_a_million_draws_have_their_weights(seed):
    rng = np.random.default_rng(3)
    weights = rng.random(2000) ** 3
    weights[::5] = 0
    weights[1::5] = 1e-13  # of 2000 x 500 draws, less than 0.001 are expected
    weights[2] = weights.sum() / 4
    dataset = ff.Dataset.from_arrays(
        np.zeros((2000, 1, 1), np.uint8), np.zeros(2000, int)
    )
    rows = rows_of(dataset, 500, weights=weights, seed=seed, **BITS)
    counts = np.bincount(rows, minlength=2000)
    assert counts.sum() == 1_000_000
    likely = weights > 1e-12
    assert not counts[weights == 0].any() and counts[~likely].sum() <= 1
    expected = 1e6 * weights / weights.sum()
    is_often = expected > 5
    pooled = [[*x[is_often].tolist(), x[~is_often].sum()] for x in (counts, expected)]
    assert abs(chi_square_z(*map(np.array, pooled))) < 5


def test_a_million_balanced_draws_have_equal_classes():
    labels = np.repeat(np.arange(10), 2 ** np.arange(10))
    images = np.zeros((len(labels), 1, 1), np.uint8)
    classes = [*map(str, range(11))]  # the last one has no rows
    dataset = ff.Dataset.from_arrays(images, labels, classes=classes)
    rows = rows_of(dataset, 978, weights="balanced", **BITS)
    counts = np.bincount(labels[rows], minlength=10)
    assert counts.sum() > 1_000_000
    assert abs(chi_square_z(counts, np.full(10, counts.sum() / 10))) < 5
    in_last = np.bincount(rows)[511:]
    assert abs(chi_square_z(in_last, np.full(512, in_last.sum() / 512))) < 5


def test_tiny_weights_stay_possible_and_zeros_do_not():
    """Weights that are too small to be a share of the largest count as the least."""
    weights = [1.7e308, 5e-324, 0.0, 1e-300]
    assert reference_sampler.quantized(weights) == [2**52, 1, 0, 1]
    dataset = ff.Dataset.from_arrays(np.zeros((3, 1, 1), np.uint8), [0, 0, 0])
    rows = rows_of(dataset, 100, weights=[0, 5e-324, 0], **BITS)
    assert set(rows.tolist()) == {1}


def test_weights_are_relative(odd):
    weights = np.random.default_rng(1).random(517)
    first = rows_of(odd, weights=weights)
    for same_weights in (weights * 2**40, weights / 2**9, weights.tolist()):
        assert np.array_equal(rows_of(odd, weights=same_weights), first)
    floats = weights.astype(np.float32)
    halves = np.float64(floats)
    assert np.array_equal(rows_of(odd, weights=floats), rows_of(odd, weights=halves))
    numbers = np.arange(517)
    assert np.array_equal(
        rows_of(odd, weights=numbers), rows_of(odd, weights=numbers.astype(float))
    )


@pytest.mark.parametrize("n", [1, 2, 255, 256, 1023, 1024, 1025, 5000])
def test_weights_of_many_rows_equal_reference(n):
    weights = np.random.default_rng(n).random(n) ** 5
    dataset = ff.Dataset.from_arrays(np.zeros((n, 1, 1), np.uint8), np.zeros(n, int))
    for seed in (0, 2**64 - 1):
        rows = rows_of(dataset, weights=weights, seed=seed, **BITS)
        assert np.array_equal(rows, reference_sampler.drawn(weights, seed, 0))


# ---- orders -------------------------------------------------------------------------


@pytest.mark.parametrize("make", [list, tuple, np.array, np.int32, np.uint8])
def test_kinds_of_orders(odd, make):
    rows = [*range(1, 60, 3)]
    assert rows_of(odd, order=make(rows)).tolist() == rows


def test_slices_and_ranges_are_orders(odd):
    for key in (slice(500, None), slice(None, None, -50), range(7, 90, 4)):
        want = np.arange(517)[key] if isinstance(key, slice) else [*key]
        assert np.array_equal(rows_of(odd, order=key), want)


def test_a_function_is_called_once_an_epoch(odd):
    calls = []

    def order(epoch):
        calls.append(epoch)
        return [epoch, 5, epoch]

    loader = ff.Loader(odd, 2, order=order, with_index=True)
    assert calls == [0]
    for epoch in range(3):
        rows = np.concatenate([rows for _, _, rows in loader])
        assert rows.tolist() == [epoch, 5, epoch]
    assert calls == [0, 1, 2]
    loader.set_epoch(9)
    assert [rows.tolist() for _, _, rows in loader] == [[9, 5], [9]]
    assert calls == [0, 1, 2, 9]


def test_an_order_is_not_changed_with_its_array(odd):
    order = np.arange(100)
    loader = ff.Loader(odd, 100, order=order, with_index=True)
    order[:] = 0
    assert next(iter(loader))[2].tolist() == [*range(100)]


def test_the_length_of_an_epoch_is_that_of_its_order(odd):
    for options, n in [
        ({"order": [1, 2, 3]}, 1),
        ({"order": range(517), "repeats": 3}, 16),
        ({"weights": "balanced"}, 6),
        ({"weights": "balanced", "repeats": 2}, 11),
    ]:
        loader = ff.Loader(odd, 100, **options)
        assert len(loader) == len(list(loader)) == n


# ---- golden values ------------------------------------------------------------------

GOLDEN = {  # the first 16 digits of SHA-256 of rows as little-endian int64
    "weights": "626a47f9d8b72220",
    "balanced": "3377215a8f63ec97",
    "repeats": "ce2a0c17c49f71e5",
}


def digest(rows):
    return hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("name", GOLDEN)
def test_rows_never_change(name):
    """Later versions resume the runs of this version, so they need the same rows."""
    n = 5000
    numbers = (np.arange(n, dtype=np.uint64) * np.uint64(2654435761)) % np.uint64(2**32)
    dataset = ff.Dataset.from_arrays(
        np.zeros((n, 1, 1), np.uint8), (numbers % np.uint64(7)).astype(int)
    )
    options = {
        "weights": {"weights": (numbers.astype(float) / 2**32) ** 2},
        "balanced": {"weights": "balanced"},
        "repeats": {"shuffle": True, "repeats": 3},
    }[name]
    assert digest(rows_of(dataset, 3, seed=42, **options, **BITS)) == GOLDEN[name]

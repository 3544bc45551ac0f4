"""Loaders with `steps`: iterations of whole batches, over the ends of passes."""

import copy
import itertools
import json
import pickle

import numpy as np
import pytest
from helpers.against_reference import same, wanted
from helpers.loader_cases import COLUMNS, columns_of, n_positions
from helpers.samplings import NAMES, samplings

import fmnist_fast as ff
from fmnist_fast.frameworks._resident import FixedBuffersLoader, ResidentLoader

AUGMENT = [ff.RandomHorizontalFlip(mode="alternating"), ff.RandomCrop(5, padding=1)]
MIXED = {"augment": [*AUGMENT, ff.CutMix()], "label_dtype": "onehot"}
ALL = {"with_index": True, "columns": [*COLUMNS]}
by_name = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def few(odd):
    """Return 45 images with columns."""
    dataset = odd.select(range(45))
    return dataset._with(extra=columns_of(45))


def check(dataset, *, epochs=3, threads=2, **options):
    """Compare some iterations with the reference, and return their batches."""
    loader = ff.Loader(dataset, threads=threads, **options)
    batches = []
    for epoch in range(epochs):
        assert loader.epoch == epoch
        batches.append(list(loader))
        assert len(loader) == len(batches[-1]) == options["steps"]
        assert same(batches[-1], wanted(dataset, epoch=epoch, **options))
    return list(itertools.chain(*batches))


# ---- bit for bit --------------------------------------------------------------------


@by_name
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_equals_reference(few, name, threads):
    options = samplings(45)[name] | ALL | MIXED | {"seed": 2**64 - 5}
    for batch_size, steps in [(7, 5), (100, 2), (1, 50), (45, 3)]:
        share = {"batch_size": batch_size, "steps": steps}
        check(few, threads=threads, **options, **share)


@by_name
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_data_types(few, name, dtype):
    options = samplings(45)[name] | {"batch_size": 8, "steps": 12}
    check(few, dtype=dtype, **options, **MIXED)
    check(few, dtype=dtype, label_dtype="int32", augment_seed=7, **options)


@by_name
def test_instruction_sets(few, name, cpu_level):
    options = samplings(45)[name] | ALL | MIXED | {"batch_size": 13, "steps": 9}
    check(few, **options)


@by_name
@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_batches_of_all_ranks_are_those_of_one_process(few, name, world):
    options = samplings(45)[name] | ALL | MIXED | {"steps": 6, "seed": 3}
    whole = check(few, batch_size=5 * world, **options)
    shards = [
        check(few, batch_size=5, shard=(rank, world), **options)
        for rank in range(world)
    ]
    for batch, *parts in zip(whole, *shards, strict=True):
        assert same([tuple(map(np.concatenate, zip(*parts)))], [batch])


@by_name
def test_a_pass_has_the_samples_of_an_epoch_without_steps(few, name):
    """The random numbers are those of the pass, too."""
    options = samplings(45)[name] | {"with_index": True, "augment": AUGMENT}
    n = n_positions(45, {"repeats": 1} | options)
    rows = next(rows for rows in range(5, n + 1) if n % rows == 0)
    plain = ff.Loader(few, rows, **options)
    stream = ff.Loader(few, rows, steps=2, **options)
    want = list(itertools.chain(*itertools.repeat(plain, 4)))
    got = list(itertools.chain(*itertools.repeat(stream, len(want) // 2)))
    assert same(got, want)


def test_functions_draw_by_pass_and_position(few):
    """Images and labels go through them, and other fields pass by."""

    def noise(images, labels, rng):
        return images + rng.random(images.shape, np.float32), labels + 10

    options = ALL | {"shuffle": True, "augment": noise, "seed": 5, "augment_seed": 6}
    plain = ff.Loader(few, 9, **options)
    stream = ff.Loader(few, 9, steps=6, **options)
    want = list(itertools.chain(*itertools.repeat(plain, 6)))
    got = list(itertools.chain(*itertools.repeat(stream, 5)))
    assert same(got, want)
    raw = wanted(few, batch_size=9, **options | {"augment": None})
    for (x, y, *others), (raw_x, raw_y, *raw_others) in zip(want, raw):
        assert np.array_equal(y, raw_y + 10) and np.all(x >= raw_x)
        assert same([others], [raw_others])


# ---- resuming -----------------------------------------------------------------------


@by_name
def test_resuming_at_every_batch(few, name):
    options = samplings(45)[name] | ALL | MIXED | {"batch_size": 8, "steps": 7}
    run = ff.Loader(few, **options)
    batches, states = [], [run.state_dict()]
    for batch in itertools.chain(run, run, run):
        batches.append(batch)
        states.append(json.loads(json.dumps(run.state_dict())))
    for k, state in enumerate(states[:-1]):
        # While the last batch of an iteration is used, the place is its end.
        assert state["position"] == 8 * k
        epoch, step = divmod(k, 7)
        assert (state["epoch"], state["step"]) in {(epoch, step), (epoch - 1, 7)}
        resumed = ff.Loader(few, threads=1 + k % 3, **options | {"seed": 1})
        resumed.load_state_dict(state)
        assert resumed.state_dict() == state
        rest = []
        while resumed.epoch < 3:
            rest += list(resumed)
        assert same(rest, batches[k:])


@by_name
@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_resuming_in_another_world(few, name, world):
    """The rest of the iteration, and the next one, follow on from the position."""
    options = samplings(45)[name] | ALL | MIXED | {"steps": 6}
    before = ff.Loader(few, 5, shard=(1, 2), **options)
    before.set_epoch(3)
    batches = iter(before)
    for k in range(1, 6):
        next(batches)
        state = before.state_dict()
        assert (state["epoch"], state["step"]) == (3, k)
        assert state["position"] == (3 * 6 + k) * 10
        for rank in {0, world - 1}:
            share = {"batch_size": 4, "shard": (rank, world)}
            after = ff.Loader(few, **options | share)
            after.load_state_dict(state)
            position = state["position"]
            for n_steps in (6 - k, 6):
                changed = options | share | {"steps": n_steps}
                want = wanted(few, position=position, **changed)
                assert same(list(after), want)
                position += n_steps * 4 * world
            assert after.epoch == 5 and after.state_dict()["position"] == position


@pytest.mark.parametrize("kind", [ff.Loader, ResidentLoader])
@pytest.mark.parametrize("name", ["weights repeated", "balanced", "rows", "shuffled"])
def test_random_places_of_a_long_run_in_other_worlds(small, name, kind):
    rng = np.random.default_rng(6)
    options = samplings(1000)[name] | MIXED | {"steps": 300, "with_index": True}
    before = ff.Loader(small, 17, shard=(0, 3), threads=1, **options)
    for _ in range(6):
        drawn = rng.integers(1, [10_000, 300, 40, 8])
        epoch, n_taken, batch_size, world = drawn.tolist()
        position = (epoch * 300 + n_taken) * 51
        state = before.state_dict()
        state |= {"epoch": epoch, "position": position, "step": n_taken}
        share = {"batch_size": batch_size, "shard": (world - 1, world)}
        after = kind(small, **options | share)
        after.load_state_dict(state)
        n_left = min(300 - n_taken, 3)
        got = list(itertools.islice(after, n_left))
        want = options | share | {"steps": n_left}
        assert same(got, wanted(small, position=position, **want))


def test_copies_begin_where_the_next_iteration_begins(few):
    loader = ff.Loader(few, 8, shuffle=True, steps=7, shard=(0, 2))
    list(loader)
    state = loader.state_dict()
    for other in (copy.copy(loader), pickle.loads(pickle.dumps(loader))):
        assert other.state_dict() == state
        assert same(list(other), list(loader))
        loader.load_state_dict(state)
    smaller = ff.Loader(few, 3, shuffle=True, steps=7)
    smaller.load_state_dict(state)
    list(smaller)
    for other in (copy.deepcopy(smaller), pickle.loads(pickle.dumps(smaller))):
        assert other.state_dict()["position"] == 7 * 16 + 7 * 3


@by_name
def test_fixed_buffers_go_on_over_iterations(few, name):
    """The kernels begin passes and iterations by themselves."""
    options = samplings(45)[name] | ALL | MIXED | {"steps": 4, "seed": 2}
    if "block" in name or "function" in name:
        with pytest.raises(ValueError, match=r"shuffle_block|function as order"):
            FixedBuffersLoader(few, 8, **options)
        return
    plain = ff.Loader(few, 8, **options)
    fixed = FixedBuffersLoader(few, 8, **options)
    for number in range(5):
        for k, batch in enumerate(plain):
            state = fixed.state_dict()
            assert (state["epoch"], state["step"]) == (number, k)
            assert same([fixed.fill()], [batch])
            resumed = FixedBuffersLoader(few, 8, **options | {"seed": 5})
            resumed.load_state_dict(state)
            assert resumed.state_dict() == state
            assert same([resumed.fill()], [batch])
    assert fixed.epoch == 5
    fixed.set_epoch(2)
    plain.set_epoch(2)
    for batch, got in zip(plain, fixed, strict=True):
        assert same([got], [batch])


# ---- epochs are iterations ----------------------------------------------------------


def place(loader):
    state = loader.state_dict()
    return state["epoch"], state["position"], state["step"]


def test_epochs_count_iterations(few):
    loader = ff.Loader(few, 10, steps=3)
    assert len(loader) == 3
    places = [place(loader)]
    for _ in range(2):
        for _ in loader:
            places.append(place(loader))
    assert places == [
        (0, 0, 0), (0, 10, 1), (0, 20, 2), (0, 30, 3), (1, 40, 1), (1, 50, 2),
        (1, 60, 3),
    ]  # fmt: skip
    assert loader.epoch == 2 and place(loader) == (2, 60, 0)


def test_a_loop_that_breaks_ends_its_iteration(few):
    loader = ff.Loader(few, 10, steps=4, with_index=True)
    for _ in loader:
        break
    assert next(iter(loader))[2].tolist() == [*range(40, 45), *range(5)]


def test_set_epoch_begins_an_iteration(few):
    loader = ff.Loader(few, 8, shuffle=True, steps=4, augment=AUGMENT)
    options = {"batch_size": 8, "shuffle": True, "steps": 4, "augment": AUGMENT}
    for epoch in (5, 0, 0, 1000):
        loader.set_epoch(epoch)
        assert place(loader) == (epoch, epoch * 32, 0)
        assert same(list(loader), wanted(few, epoch=epoch, **options))


def test_states_without_steps_have_no_step(few):
    assert ff.Loader(few, 8).state_dict()["step"] is None


def test_loops_over_iterations_end_at_the_last_pass(few):
    """The number of a pass is a word of the counter of random numbers."""
    loader = ff.Loader(few, 45, steps=2)
    loader.set_epoch(2**31 - 1)
    assert same(list(loader), wanted(few, batch_size=45, steps=2, epoch=2**31 - 1))
    with pytest.raises(ValueError, match=r"2.* passes .* got pass 4294967296 and"):
        list(loader)
    crossing = ff.Loader(few, 45, steps=3)
    crossing.set_epoch(2**32 // 3)
    with pytest.raises(ValueError, match=r"2.* passes .* got pass 4294967297 and"):
        list(crossing)


def test_an_iteration_ends_at_2_to_the_62_at_most():
    """Numbers of the core must not overflow, and states must load again."""
    n = 2**20
    images, labels = np.zeros((n, 1, 1), np.uint8), np.zeros(n, np.uint8)
    dataset = ff.Dataset.from_arrays(images, labels)
    options = {"repeats": 2**20, "shard": (0, 2**20), "dtype": "uint8"}
    loader = ff.Loader(dataset, 2**11, steps=2**40, **options)
    with pytest.raises(ValueError, match=r"before sample 2\*\*62, got pass"):
        iter(loader)
    loader = ff.Loader(dataset, 2**11, steps=2**30, **options)
    loader.set_epoch(1)
    next(iter(loader))
    state = loader.state_dict()
    loader.load_state_dict(state)
    assert loader.state_dict() == state and state["position"] > 2**61
    loader.set_epoch(2)
    with pytest.raises(ValueError, match=r"before sample 2\*\*62, got pass"):
        iter(loader)

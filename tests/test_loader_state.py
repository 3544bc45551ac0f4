"""Loader: epochs, states, and resuming from states."""

import itertools
import json

import numpy as np
import pytest
import reference_sampler
from helpers.batches import same, wanted

import fmnist_fast as ff

LASTS = [False, True, "wrap"]


def test_every_epoch_has_every_sample_once_in_a_different_order(small):
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


def test_without_shuffle_the_order_is_that_of_the_dataset(odd):
    x = np.concatenate([x for x, _ in ff.Loader(odd, 100, dtype="uint8", layout="NHW")])
    assert np.array_equal(x, odd.images)


def test_set_epoch_selects_the_epoch(odd):
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
    assert len(text) < 250
    assert json.loads(text) == loader.state_dict()


def place(loader):
    state = loader.state_dict()
    return state["epoch"], state["position"]


@pytest.mark.parametrize("drop_last", LASTS)
def test_the_end_of_an_epoch_lasts_as_long_as_its_last_batch_is_used(odd, drop_last):
    loader = ff.Loader(odd, 100, drop_last=drop_last)
    batches = iter(loader)
    for _ in range(len(loader)):
        next(batches)
    assert place(loader) == (0, 517) and loader.epoch == 0
    other = ff.Loader(odd, 30, shard=(1, 2))  # all sizes have the same end
    other.load_state_dict(json.loads(json.dumps(loader.state_dict())))
    assert other.epoch == 0 and list(other) == [] and place(other) == (1, 0)
    assert next(batches, None) is None
    assert place(loader) == (1, 0)
    for _ in zip(range(len(loader)), loader):
        pass  # zip takes all batches, and drops the iterator before its end
    assert place(loader) == (2, 0)
    for _ in zip(range(2), loader):
        pass
    assert place(loader) == (2, 200)
    loader.load_state_dict(loader.state_dict() | {"position": 517})
    iter(loader)  # dropped before it is asked for a batch
    assert place(loader) == (2, 517) and list(loader) == []


def test_ranks_of_uneven_length_end_their_epoch_together(odd):
    nine = odd.select(range(9))
    for rank in range(2):
        loader = ff.Loader(nine, 4, shard=(rank, 2))
        list(loader)
        state = loader.state_dict()
        assert (state["epoch"], state["position"]) == (1, 0)


def test_a_wrapping_epoch_resumed_with_another_world_repeats_its_beginning(odd):
    """Wrapping repeats the start of the epoch, not the samples after the state."""
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
    order = reference_sampler.permuted(517, 0, 0).tolist()
    assert together == order[240:] + order[:23] and first == order[:30]


def test_an_epoch_resumed_with_another_batch_size_ends(odd):
    before = ff.Loader(odd, 25, drop_last=True)
    next(iter(before))
    after = ff.Loader(odd, 30, drop_last=True)
    after.load_state_dict(before.state_dict())
    assert len(list(after)) == (517 - 25) // 30
    assert (after.state_dict()["epoch"], after.state_dict()["position"]) == (1, 0)


def test_set_epoch_keeps_the_position_of_a_state_of_that_epoch(odd):
    """Loops that set the epoch before every pass can also resume."""
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


def test_state_survives_a_break_and_close(odd):
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
    """The position counts samples of the whole epoch, so any world can use it."""
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
        ({"version": 1}, r"state\['version'\] must be 2, got 1: the state is"),
        ({"samples": 5}, r"state\['samples'\] must be 517, as in .*, got 5"),
        ({"dataset": "00000000"}, r"state\['dataset'\] must be .*, got '00000000'"),
        ({"shuffle": True}, r"state\['shuffle'\] must be False, .*, got True"),
        ({"shuffle_block": 64}, r"'shuffle_block'\] must be None, .*, got 64"),
        ({"epoch": -1}, r"state\['epoch'\] must be in 0..4294967296, got -1"),
        ({"position": 518}, r"state\['position'\] must be in 0..517, got 518"),
        ({"seed": 2**64}, r"state\['seed'\] must be in"),
    ],
)
def test_a_state_of_another_loader_names_the_difference(odd, change, message):
    loader = ff.Loader(odd)
    with pytest.raises(ValueError, match=message):
        loader.load_state_dict(loader.state_dict() | change)


def test_invalid_states(odd):
    loader = ff.Loader(odd)
    with pytest.raises(TypeError, match="state must be a dict, got list"):
        loader.load_state_dict([])
    with pytest.raises(ValueError, match="state must have an entry 'version'"):
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


def test_a_rank_with_one_batch_less_has_the_state_of_all_ranks(odd):
    """Its state must not skip the last rows, which other ranks still have."""
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


def test_an_unused_iterator_takes_no_epoch(small):
    options = {"batch_size": 64, "shuffle": True, "augment": "standard"}
    loader, want = ff.Loader(small, **options), ff.Loader(small, **options)
    for _ in range(3):
        for _ in range(2):
            iter(loader)
        assert loader.epoch == want.epoch
        for got, expected in zip(loader, want, strict=True):
            assert got[0].tobytes() == expected[0].tobytes()
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    del batches  # a used iterator has taken its epoch
    iter(loader)
    assert loader.epoch == 4
    for _ in range(2):
        loader.load_state_dict(state)
        iter(loader)
        assert loader.state_dict() == state
        loader.set_epoch(state["epoch"])  # keeps the position of the state
        assert len(list(loader)) == 15
        iter(loader)
        loader.set_epoch(state["epoch"])
        assert len(list(loader)) == 16
    kept = iter(loader)
    assert next(iter(loader))[0].tobytes() != next(kept)[0].tobytes()


def test_an_iterator_that_fails_to_start_takes_no_epoch(small, monkeypatch):
    class WithoutMemory:
        def start(self, **_):
            # A signal handler may read the state here.
            assert loader.state_dict() == state
            raise MemoryError

    loader = ff.Loader(small, 64)
    next(iter(loader))
    state = loader.state_dict()
    loader.load_state_dict(state)
    iter(loader)
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(loader._pipelines, "idle", lambda *_: WithoutMemory())
        iter(loader)
    assert loader.state_dict() == state
    assert len(list(loader)) == 15


def test_an_iterator_that_is_over_does_not_end_the_next_epoch(odd):
    loader = ff.Loader(odd, 50)
    first = iter(loader)
    list(first)
    second = iter(loader)
    next(second)
    assert next(first, None) is None
    state = loader.state_dict()
    assert (state["epoch"], state["position"]) == (1, 50)


# ---- loops that resume --------------------------------------------------------------


def while_epochs_are_left(loader, first_epoch):
    while loader.epoch < 3:
        yield from loader
        yield None


def from_the_epoch_of_the_loader(loader, first_epoch):
    for epoch in range(loader.epoch, 3):
        loader.set_epoch(epoch)
        yield from loader
        yield None


def without_setting_the_epoch(loader, first_epoch):
    for _ in range(loader.epoch, 3):
        yield from loader
        yield None


def from_an_epoch_that_the_program_saved(loader, first_epoch):
    for epoch in range(first_epoch, 3):
        loader.set_epoch(epoch)
        yield from loader
        yield None


def counting_epochs_without_setting_them(loader, first_epoch):
    for _ in range(first_epoch, 3):
        yield from loader
        yield None


def over_all_epochs(loader, first_epoch):
    for epoch in range(3):
        loader.set_epoch(epoch)
        yield from loader
        yield None


@pytest.mark.parametrize(
    "loop",
    [
        while_epochs_are_left,
        from_the_epoch_of_the_loader,
        without_setting_the_epoch,
        from_an_epoch_that_the_program_saved,
        counting_epochs_without_setting_them,
        over_all_epochs,
    ],
)
@pytest.mark.parametrize("drop_last", LASTS)
@pytest.mark.parametrize("shard", [None, (2, 3)])
@pytest.mark.parametrize("adapter", [None, "TorchLoader"])
def test_a_loop_resumes_after_each_batch_and_each_epoch(
    odd, loop, drop_last, shard, adapter
):
    def new():
        return make(odd.select(range(13)), 2, **options)

    make = ff.Loader
    if adapter:
        make = pytest.importorskip("fmnist_fast.frameworks.torch").TorchLoader
    options = {"shuffle": True, "drop_last": drop_last, "shard": shard, "threads": 1}
    run, saved, batches = new(), [], []
    for batch in loop(run, 0):
        ended = batch is None
        epoch = saved[-1][0] + saved[-1][2] if saved else 0  # as a program counts
        batches += [] if ended else [batch]
        saved.append((epoch, run.state_dict(), ended, len(batches)))
    assert len(saved) == len(batches) + 3
    for epoch, state, ended, n in saved:
        resumed = new()
        resumed.load_state_dict(json.loads(json.dumps(state)))
        rest = [batch for batch in loop(resumed, epoch + ended) if batch is not None]
        assert len(rest) == len(batches) - n, (epoch, n)
        for (x, y), (want_x, want_y) in zip(rest, batches[n:]):
            assert np.array_equal(x, want_x) and np.array_equal(y, want_y)


def test_epochs_before_a_loaded_state_are_over(odd):
    loader = ff.Loader(odd, 50, shuffle=True)
    state = loader.state_dict() | {"epoch": 2, "position": 100}
    loader.load_state_dict(state)
    loader.set_epoch(1)
    batches = iter(loader)
    assert list(batches) == [] and batches.closed
    assert loader.state_dict() == state and loader.epoch == 2
    want = wanted(odd, batch_size=50, shuffle=True, epoch=2)[2:]
    assert same(list(loader), want)  # an iterator is empty only once
    loader.set_epoch(1)  # batches were taken, so this is no part of resuming
    assert len(list(loader)) == 11 and loader.epoch == 2


def test_a_loop_that_does_not_ask_for_the_epoch_goes_on(odd):
    loader = ff.Loader(odd, 300, shuffle=True)
    loader.load_state_dict(loader.state_dict() | {"epoch": 2, "position": 0})
    assert sum(len(list(loader)) for _ in range(3)) == 6 and loader.epoch == 5

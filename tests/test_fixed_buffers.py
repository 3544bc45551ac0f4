"""Resident loaders with fixed buffers, whose position is in the device's memory."""

import copy
import os
import pickle
import signal
import threading

import numpy as np
import pytest
from helpers.against_reference import same

import fmnist_fast as ff
from fmnist_fast.frameworks._resident import FixedBuffersLoader

OPTIONS = {"batch_size": 50, "shuffle": True, "seed": 6, "drop_last": True}


def filled(loader, n):
    """Return copies of the next n batches."""
    return [tuple(array.copy() for array in loader.fill()) for _ in range(n)]


def iterated(loader):
    """Return copies of the batches of an epoch."""
    return [tuple(array.copy() for array in batch) for batch in loader]


@pytest.mark.parametrize("drop_last", [True, "wrap", False])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_fill_goes_on_into_the_next_epoch(odd, drop_last, world):
    dataset = odd.select(range(300)) if drop_last is False else odd
    options = OPTIONS | {"drop_last": drop_last, "augment": "standard+erasing"}
    for rank in range(world):
        options["shard"] = (rank, world)
        fixed, plain = (
            kind(dataset, **options) for kind in (FixedBuffersLoader, ff.Loader)
        )
        for _ in range(3):
            want = list(plain)
            assert same(filled(fixed, len(want)), want)
            assert fixed.epoch == plain.epoch


def test_every_batch_is_in_the_same_arrays(odd):
    loader = FixedBuffersLoader(odd, **OPTIONS)
    first = loader.buffers
    for batch in loader:
        assert all(a is b for a, b in zip(batch, first, strict=True))
    assert loader.fill() is first


def test_iterators_yield_an_epoch_each(odd):
    fixed, plain = (kind(odd, **OPTIONS) for kind in (FixedBuffersLoader, ff.Loader))
    for _ in range(2):
        assert same(iterated(fixed), list(plain))
    next(iter(fixed)), next(iter(plain))  # a loop that breaks ends its epoch
    assert same(iterated(fixed), list(plain))
    assert fixed.epoch == plain.epoch == 4
    filled(fixed, 3)
    assert fixed.epoch == 4
    assert same(iterated(fixed), [*plain, *plain][len(plain) :])


def test_a_newer_iterator_ends_the_older_one(odd):
    loader = FixedBuffersLoader(odd, **OPTIONS)
    older = iter(loader)
    next(older), next(iter(loader))
    with pytest.raises(RuntimeError, match=r"ended by a newer one, or by close\(\)"):
        next(older)
    newest = iter(loader)
    next(newest)
    loader.close()
    with pytest.raises(RuntimeError, match="one iterator at a time"):
        next(newest)
    loader.fill()


def test_states_at_every_batch(odd):
    """A state is that of a Loader, which both resume at the same batch."""
    want = [*ff.Loader(odd, **OPTIONS)]
    loader = FixedBuffersLoader(odd, **OPTIONS)
    for k in range(len(want)):
        state = loader.state_dict()
        assert (state["epoch"], state["position"]) == (0, 50 * k)
        for kind in (FixedBuffersLoader, ff.Loader):
            resumed = kind(odd, **OPTIONS | {"seed": 0})
            resumed.load_state_dict(state)
            assert resumed.state_dict() == state
            assert same(iterated(resumed), want[k:])
        loader.fill()
    assert loader.state_dict() | {"epoch": 1, "position": 0} == loader.state_dict()


def test_a_state_at_the_end_of_an_epoch(odd):
    plain, fixed = ff.Loader(odd, **OPTIONS), FixedBuffersLoader(odd, **OPTIONS)
    batches = iter(plain)
    for _ in range(len(plain)):
        next(batches)
    state = plain.state_dict()
    assert state["position"] == 517
    fixed.load_state_dict(state)
    assert fixed.state_dict() == state and fixed.epoch == 0
    assert iterated(fixed) == [] and fixed.epoch == 1
    want = list(plain)
    assert same(iterated(fixed), want)
    fixed.load_state_dict(state)
    assert same(filled(fixed, len(want)), want)  # fill has no end of an epoch


def test_set_epoch(odd):
    fixed, plain = (kind(odd, **OPTIONS) for kind in (FixedBuffersLoader, ff.Loader))
    for epoch in (3, 0, 0, 2**32 - 1):
        for loader in (fixed, plain):
            loader.set_epoch(epoch)
        want = list(plain)
        assert fixed.epoch == epoch
        assert same(filled(fixed, 2), want[:2])
        fixed.set_epoch(epoch)
        assert same(iterated(fixed), want)
    fixed.load_state_dict(fixed.state_dict() | {"epoch": 4, "position": 100})
    fixed.set_epoch(3)
    assert iterated(fixed) == []  # epochs before that of a state are over
    fixed.set_epoch(4)
    assert fixed.state_dict()["position"] == 100
    with pytest.raises(ValueError, match="epoch must be in"):
        fixed.set_epoch(2**32)


def test_the_last_epoch_is_followed_by_itself(odd):
    loader = FixedBuffersLoader(odd, **OPTIONS)
    loader.set_epoch(2**32 - 1)
    first = filled(loader, 10)
    assert same(filled(loader, 10), first)
    assert loader.epoch == 2**32 - 1


@pytest.mark.parametrize("copied", [copy.copy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("n", [0, 3, 10])
def test_copies_have_buffers_of_their_own(odd, copied, n):
    loaders = [kind(odd, **OPTIONS) for kind in (FixedBuffersLoader, ff.Loader)]
    fixed, plain = loaders
    filled(fixed, n)
    _ = [next(batches) for batches in [iter(plain)] for _ in range(n)]
    twin = copied(fixed)
    assert not np.shares_memory(twin.buffers[0], fixed.buffers[0])
    assert same(iterated(twin), list(copied(plain)))


def test_batches_of_one_size_are_required(odd):
    message = (
        r"^fixed_buffers=True requires batches of one size, but 517 images are not a "
        r"multiple of 50\.\nPass drop_last=True or drop_last='wrap'\.$"
    )
    with pytest.raises(ValueError, match=message):
        FixedBuffersLoader(odd, batch_size=50)
    with pytest.raises(ValueError, match="a dataset that has a batch, got 517 images"):
        FixedBuffersLoader(odd, batch_size=600, drop_last=True)
    loader = FixedBuffersLoader(odd.select(range(500)), batch_size=50)
    state = loader.state_dict()
    with pytest.raises(ValueError, match="one size, but 499 images are not a"):
        loader.load_state_dict(state | {"position": 1})
    assert loader.state_dict() == state


def test_a_state_that_can_not_be_loaded_changes_nothing(odd):
    loader = FixedBuffersLoader(odd, **OPTIONS)
    state = loader.state_dict()
    over = {"epoch": 2**32 - 1, "position": 517, "seed": 7}  # no epoch follows
    with pytest.raises(ValueError, match="epoch must be in"):
        loader.load_state_dict(state | over)
    assert loader.state_dict() == state


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_may_fill_while_a_thread_of_the_parent_does(odd, monkeypatch):
    """The locks that the thread has taken are not taken in the child."""
    loader, want = FixedBuffersLoader(odd, **OPTIONS), list(ff.Loader(odd, **OPTIONS))
    has_begun, may_end = threading.Event(), threading.Event()
    launch, parent = loader._machine.launch, os.getpid()

    def wait_and_launch(*arguments):
        if os.getpid() == parent:
            has_begun.set()
            may_end.wait()
        launch(*arguments)

    monkeypatch.setattr(loader._machine, "launch", wait_and_launch)
    thread = threading.Thread(target=loader.fill)
    thread.start()
    has_begun.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        os._exit(0 if same([loader.fill()], want[:1]) else 1)
    may_end.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0


def test_large_batches_are_planned_in_parts(odd, monkeypatch):
    from fmnist_fast._device import batches

    options = OPTIONS | {"augment": [ff.RandomInvert(), ff.MixUp()]}
    options |= {"label_dtype": "onehot", "batch_size": 200}
    want = [*ff.Loader(odd, **options), *ff.Loader(odd, **options)][:2]
    monkeypatch.setattr(batches, "_MAX_NBYTES", 20_000)
    loader = FixedBuffersLoader(odd, **options)
    assert 1 < loader._filler._most_planned < 200
    assert same(filled(loader, 2), want)

"""Copies of a Loader begin where the next loop over the original would begin."""

import copy
import pickle

import pytest
from helpers.batches import same

import fmnist_fast as ff


def take(loader, n):
    batches = iter(loader)
    return batches, [next(batches) for _ in range(n)]


def load(loader, *then):
    loader.load_state_dict(loader.state_dict() | {"epoch": 3, "position": 30})
    return [loader.set_epoch(epoch) for epoch in then]


USES = {
    "none": lambda loader: None,
    "an unused iterator": lambda loader: take(loader, 0),
    "an iterator in use": lambda loader: take(loader, 2),
    "an iterator at its end": lambda loader: take(loader, 10),
    "a dropped unused iterator": lambda loader: take(loader, 0) and None,
    "a dropped iterator": lambda loader: take(loader, 2) and None,
    "a dropped iterator at its end": lambda loader: take(loader, 10) and None,
    "an epoch": lambda loader: list(loader) and None,
    "the same epoch set": lambda loader: (take(loader, 2), loader.set_epoch(0)),
    "another epoch set": lambda loader: loader.set_epoch(5),
    "a state": lambda loader: load(loader),
    "a state and a dropped unused iterator": lambda loader: (
        load(loader),
        take(loader, 0) and None,
    ),
    "a state and an iterator in use": lambda loader: (load(loader), take(loader, 1)),
    "a state and its epoch set": lambda loader: load(loader, 3),
    "a state and an earlier epoch set": lambda loader: load(loader, 1),
}


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))]
)
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_copy_begins_where_the_next_loop_would(small, copied, use):
    loader = ff.Loader(small.select(range(100)), 10, shuffle=True, seed=9)
    kept = use(loader)
    twin = copied(loader)
    ours, theirs = ([list(each) for _ in range(3)] for each in (loader, twin))
    for epoch, batches in zip(ours, theirs, strict=True):
        assert same(epoch, batches)
    assert any(len(epoch) == 10 for epoch in ours)
    del kept

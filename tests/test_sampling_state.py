"""States of loaders with weights, orders, repeats and steps: what they refuse."""

import json

import numpy as np
import pytest
from helpers.against_reference import same
from helpers.loader_cases import Turning
from helpers.samplings import NAMES, samplings

import fmnist_fast as ff
from fmnist_fast.frameworks._resident import FixedBuffersLoader, ResidentLoader

KINDS = (ff.Loader, ResidentLoader)


def state_of(dataset, *, n_taken=0, **options):
    """Return the state of a loader after some batches, through JSON."""
    loader = ff.Loader(dataset, 60, **options)
    batches = iter(loader)
    for _ in range(n_taken):
        next(batches)
    return json.loads(json.dumps(loader.state_dict()))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [None, 3])
def test_states_are_small_and_plain(odd, name, steps):
    state = state_of(odd, n_taken=2, steps=steps, **samplings(517)[name])
    assert list(state) == [
        *["version", "epoch", "position", "step", "seed", "augment_seed", "shuffle"],
        *["shuffle_block", "weights", "order", "repeats", "samples", "dataset"],
    ]
    assert state["version"] == 2 and state["position"] == 120
    assert state["step"] == (None if steps is None else 2)
    assert len(json.dumps(state)) < 300


def test_states_of_the_same_rows_are_equal(odd):
    weights = np.arange(517)
    states = [
        state_of(odd, weights=given)
        for given in (weights, weights.tolist(), weights * 8.0, weights.astype("f4"))
    ]
    assert states == [states[0]] * 4
    rows = [5, 510, 2]
    states = [
        state_of(odd, order=given) for given in (rows, np.array(rows), [5, -7, 2])
    ]
    assert states == [states[0]] * 3
    balanced = state_of(odd, weights="balanced")
    weights = 1 / odd.class_counts[odd.labels]
    assert state_of(odd, weights=weights) == balanced


# ---- other versions -----------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 1, 3, "2", None])
def test_states_of_other_versions_are_refused(odd, version):
    state = {"epoch": 0, "position": 0, "seed": 0, "shuffle": False}
    state |= {"version": version, "shuffle_block": None, "samples": 517}
    for kind in (*KINDS, FixedBuffersLoader):
        loader = kind(odd, 517)
        with pytest.raises(
            ValueError,
            match=rf"state\['version'\] must be 2, got {version!r}: .*another version",
        ):
            loader.load_state_dict(state | {"dataset": loader.state_dict()["dataset"]})


@pytest.mark.parametrize("name", ["version", "step", "order", "weights", "repeats"])
def test_entries_are_required(odd, name):
    state = state_of(odd)
    del state[name]
    with pytest.raises(ValueError, match=f"state must have an entry '{name}', got"):
        ff.Loader(odd).load_state_dict(state)


# ---- states of other loaders --------------------------------------------------------

OTHERS = {
    "plain": {},
    "shuffled": {"shuffle": True},
    "weights": {"weights": np.arange(517)},
    "other weights": {"weights": np.arange(1, 518)},
    "balanced": {"weights": "balanced"},
    "order": {"order": [1, 2, 3]},
    "other order": {"order": [3, 2, 1]},
    "function": {"order": Turning((1, 2, 3))},
    "repeated": {"repeats": 2},
    "repeated more": {"repeats": 3},
}
ENTRIES = {
    **{"shuffled": "shuffle", "order": "order", "other order": "order"},
    **{"weights": "weights", "other weights": "weights", "balanced": "weights"},
    **{"function": "order", "repeated": "repeats", "repeated more": "repeats"},
}


@pytest.mark.parametrize("own", OTHERS)
@pytest.mark.parametrize("kind", KINDS)
def test_states_of_other_orders_name_an_entry_that_differs(odd, own, kind):
    loader = kind(odd, **OTHERS[own])
    before = loader.state_dict()
    for saved in OTHERS:
        state = state_of(odd, **OTHERS[saved])
        if saved == own:
            loader.load_state_dict(state)
            continue
        names = {ENTRIES.get(own), ENTRIES.get(saved)} - {None}
        with pytest.raises(ValueError, match="as in this loader, got") as error:
            loader.load_state_dict(state)
        assert any(f"state['{name}']" in str(error.value) for name in names)
        assert loader.state_dict() == before


@pytest.mark.parametrize(
    "own, saved, says",
    [
        (
            "weights",
            "other weights",
            "with other weights.\nPass the weights of that loa",
        ),
        ("plain", "weights", "with weights.\nPass the weights of that loader"),
        ("weights", "plain", "without weights.\nLeave weights out"),
        ("order", "other order", "with another order.\nPass the order of that loader"),
        ("plain", "function", "with an order.\nPass the order of that loader"),
        ("function", "plain", "without an order.\nLeave order out"),
        ("repeated", "repeated more", "with repeats=3.\nPass repeats=3"),
        ("plain", "shuffled", "with shuffle=True.\nPass shuffle=True"),
        ("shuffled", "plain", "with shuffle=False.\nPass shuffle=False"),
    ],
)
def test_states_of_other_orders_say_what_the_loader_was(odd, own, saved, says):
    loader = ff.Loader(odd, **OTHERS[own])
    with pytest.raises(ValueError, match="as in this loader, got ") as error:
        loader.load_state_dict(state_of(odd, **OTHERS[saved]))
    text = str(error.value)
    assert f": the state is of a loader {says}" in text
    assert text.endswith(", or start a new run.")


@pytest.mark.parametrize("kind", [*KINDS, FixedBuffersLoader])
def test_states_with_and_without_steps(odd, kind):
    plain, stepping = kind(odd, 47), kind(odd, 47, steps=4)
    with pytest.raises(
        ValueError,
        match=r"state\['step'\] is 0, which is of a loader with steps, got steps=None\."
        "\nPass steps to this loader",
    ):
        plain.load_state_dict(stepping.state_dict())
    with pytest.raises(
        ValueError,
        match=r"state\['step'\] is None, .* without steps, got steps=4\.\nLeave steps",
    ):
        stepping.load_state_dict(plain.state_dict())


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"step": -1}, ValueError, r"state\['step'\] must be in 0\.\..*, got -1"),
        ({"step": 1.5}, TypeError, r"state\['step'\] must be an integer, got 1.5"),
        ({"position": -1}, ValueError, r"state\['position'\] must be in 0\.\."),
        ({"position": 2**62 + 1}, ValueError, r"state\['position'\] must be in 0\.\."),
        (
            {"position": 2**62, "seed": 7},
            ValueError,
            r"an epoch must end in the first",
        ),
        ({"augment_seed": -1}, ValueError, r"state\['augment_seed'\] must be in 0\.\."),
        ({"augment_seed": "1"}, TypeError, r"state\['augment_seed'\] must be an int"),
        ({"epoch": 2**32 + 1}, ValueError, r"state\['epoch'\] must be in 0\.\."),
    ],
    ids=str,
)
def test_wrong_entries(odd, change, error, message):
    for kind in KINDS:
        loader = kind(odd, 50, steps=4)
        state = loader.state_dict()
        with pytest.raises(error, match=message):
            loader.load_state_dict(state | change)
        assert loader.state_dict() == state


def test_positions_are_those_of_the_order(odd):
    """They are at most `repeats` times the rows of the order."""
    for options, n in [({"order": [1, 2], "repeats": 3}, 6), ({"repeats": 2}, 1034)]:
        loader = ff.Loader(odd, 50, **options)
        loader.load_state_dict(loader.state_dict() | {"position": n})
        assert list(loader) == [] and loader.epoch == 1
        with pytest.raises(ValueError, match=rf"must be in 0\.\.{n}, got {n + 1}"):
            loader.load_state_dict(loader.state_dict() | {"position": n + 1})


# ---- seeds --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS, FixedBuffersLoader])
def test_states_have_both_seeds(odd, kind):
    augment = [ff.RandomCrop(5, padding=2), ff.ColorJitter(0.5)]
    options = {
        "batch_size": 47,
        "shuffle": True,
        "augment": augment,
        "with_index": True,
    }
    for seeds in [{"seed": 3}, {"seed": 3, "augment_seed": 4}]:
        before = kind(odd, **options, **seeds)
        state = before.state_dict()
        assert state["augment_seed"] == seeds.get("augment_seed")
        after = kind(odd, **options, seed=8, augment_seed=9)
        after.load_state_dict(state)
        assert (after.seed, after.augment_seed) == (3, seeds.get("augment_seed", 3))
        for got, want in zip(after, before, strict=True):
            assert same([got], [want])


def test_seed_none_is_that_of_both(odd):
    options = {"shuffle": True, "augment": "standard"}
    first = ff.Loader(odd, 517, seed=None, **options)
    second = ff.Loader(odd, 517, seed=5, augment_seed=6, **options)
    second.load_state_dict(first.state_dict())
    assert first.seed == first.augment_seed == second.augment_seed
    assert same(list(first), list(second))


# ---- functions as orders ------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [None, 8])
def test_a_function_returns_the_rows_of_the_saved_epoch(odd, kind, steps):
    """In the middle of an epoch, other rows would repeat some samples."""
    rows = tuple(range(250))
    saved = kind(odd, 40, order=Turning(rows), steps=steps)
    next(iter(saved))
    state = saved.state_dict()
    assert state["order"].startswith("function ")
    other = kind(odd, 40, order=Turning(rows[::-1]), steps=steps)
    other.load_state_dict(state)
    for again in (other, other, other._replace(threads=2)):  # as in a worker of PyTorch
        with pytest.raises(
            ValueError, match="order returned other rows for epoch 0 than"
        ):
            iter(again)
    other.set_epoch(1)  # a beginning
    if steps is None:
        assert len(list(other)) == 7
    right = kind(odd, 40, order=Turning(rows), steps=steps)
    right.load_state_dict(state)
    assert right.state_dict() == state
    assert len(list(right)) == (6 if steps is None else 7)


@pytest.mark.parametrize("kind", KINDS)
def test_the_rows_of_all_passes_of_an_iteration_are_known(odd, kind):
    """A state in any pass is checked, and another iteration of it isn't."""
    options = {"order": Turning((*range(30),)), "steps": 9, "with_index": True}
    loader = kind(odd, 20, **options)
    batches = iter(loader)
    for n_taken in range(1, 9):
        next(batches)
        state = loader.state_dict()
        is_start = n_taken * 20 % 30 == 0
        assert (state["order"] == "function") == is_start
        resumed = kind(odd, 20, **options)
        resumed.load_state_dict(state)
        assert len(list(resumed)) == 9 - n_taken
        resumed.set_epoch(0)
        assert len(list(resumed)) == 9


def test_an_epoch_from_its_start_needs_no_earlier_rows(odd):
    saved = ff.Loader(odd, 40, order=Turning((*range(200),)))
    assert saved.state_dict()["order"] == "function"
    list(saved)
    state = saved.state_dict()
    assert (state["epoch"], state["position"], state["order"]) == (1, 0, "function")
    other = ff.Loader(odd, 40, order=Turning((*range(200, 0, -1),)))
    other.load_state_dict(state)
    assert len(list(other)) == 5

"""Progress of a loader, tested with pipelines that only have a position."""

from types import SimpleNamespace

import pytest

from fmnist_fast._loader.progress import Progress, checked_state


class Batches:
    """An iterator, which is in use while a reference to it exists."""


def pipeline(position=0, finished=False):
    return SimpleNamespace(position=position, finished=finished)


@pytest.fixture
def progress():
    """Return the progress of 100 samples, with a short last batch, from epoch 2 on."""
    return Progress(100, 1, (2, 0))


def test_before_the_first_iterator(progress):
    assert progress.where() == progress.next_begin() == (2, 0)


def test_an_iterator_in_use(progress):
    running, batches = pipeline(), Batches()
    progress.begun((2, 0), running, batches)
    assert progress.where() == (2, 0) and progress.next_begin() == (3, 0)
    running.position = 30
    assert progress.where() == (2, 30) and progress.next_begin() == (3, 0)
    del batches
    assert progress.where() == (2, 30) and progress.next_begin() == (3, 0)


def test_an_unused_iterator_changes_nothing(progress):
    progress.begun((2, 20), pipeline(20), Batches())
    assert progress.where() == progress.next_begin() == (2, 20)


@pytest.mark.parametrize(
    "n_needed, running, expected",
    [
        (1, pipeline(99), (2, 99)),
        (1, pipeline(100), (3, 0)),
        (32, pipeline(68), (2, 68)),
        (32, pipeline(69), (3, 0)),
        (1, pipeline(30, finished=True), (3, 0)),
    ],
)
def test_an_epoch_ends_if_no_batch_follows(n_needed, running, expected):
    progress = Progress(100, n_needed, (0, 0))
    progress.begun((2, 0), running, Batches())
    assert progress.where() == expected


def test_go_to_ignores_the_older_iterator(progress):
    running, batches = pipeline(30), Batches()
    progress.begun((2, 0), running, batches)
    progress.go_to((7, 10))
    assert progress.where() == progress.next_begin() == (7, 10)
    running.position = 60  # the iterator continues, but is not counted
    assert progress.where() == (7, 10)


def test_setting_the_epoch_of_a_state_keeps_its_position(progress):
    progress.go_to((7, 10))
    progress.set_epoch(7)
    assert progress.where() == (7, 10)
    progress.begun((7, 10), pipeline(10), Batches())  # and gives no batch
    progress.set_epoch(7)
    assert progress.where() == (7, 10)
    progress.set_epoch(6)
    assert progress.where() == (6, 0)


def test_setting_the_current_epoch_starts_it_again(progress):
    for batches in (Batches(), None):
        progress.begun((2, 10), pipeline(20), batches or Batches())
        progress.set_epoch(2)
        assert progress.where() == progress.next_begin() == (2, 0)


# ---- states -------------------------------------------------------------------------

OWN_STATE = {
    "version": 1,
    "epoch": 0,
    "position": 0,
    "seed": 5,
    "shuffle": True,
    "shuffle_block": None,
    "samples": 100,
    "dataset": "0123abcd",
}


def test_a_state_has_the_seed_and_the_place():
    state = OWN_STATE | {"seed": 2**64 - 1, "epoch": 2**32, "position": 99}
    assert checked_state(state, OWN_STATE) == (2**64 - 1, (2**32, 99))
    empty = OWN_STATE | {"samples": 0}
    assert checked_state(empty, empty) == (5, (0, 0))


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"version": 2}, ValueError, r"'version'\] must be 1, .*, got 2"),
        ({"samples": 7}, ValueError, r"'samples'\] must be 100, .*, got 7"),
        ({"shuffle_block": 8}, ValueError, r"block'\] must be None, .*, got 8"),
        ({"epoch": -1}, ValueError, r"state\['epoch'\] must be in 0\.\.4294967296"),
        ({"position": 100}, ValueError, r"state\['position'\] must be in 0\.\.99"),
        ({"seed": "5"}, TypeError, r"state\['seed'\] must be an integer, got '5'"),
    ],
)
def test_a_state_of_another_loader_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        checked_state(OWN_STATE | change, OWN_STATE)


@pytest.mark.parametrize("name", OWN_STATE)
def test_an_incomplete_state_is_refused(name):
    state = {key: value for key, value in OWN_STATE.items() if key != name}
    with pytest.raises(ValueError, match=f"state must have an entry {name!r}"):
        checked_state(state, OWN_STATE)
    with pytest.raises(TypeError, match="state must be a dict, got list"):
        checked_state([name], OWN_STATE)

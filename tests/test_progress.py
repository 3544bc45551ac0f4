"""Where a loader stands, without a loader: pipelines are what says how far they are."""

from types import SimpleNamespace

import pytest

from fmnist_fast._loader.progress import Progress, checked_state


class Batches:
    """An iterator that is in use for as long as it is kept."""


def pipeline(position=0, finished=False):
    return SimpleNamespace(position=position, finished=finished)


@pytest.fixture
def progress():
    """Of 100 samples, in batches that may be short, from the beginning of epoch 2."""
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


def test_an_iterator_that_was_not_used_takes_nothing(progress):
    progress.begun((2, 20), pipeline(20), Batches())
    assert progress.where() == progress.next_begin() == (2, 20)


@pytest.mark.parametrize(
    "n_needed, running, wanted",
    [
        (1, pipeline(99), (2, 99)),
        (1, pipeline(100), (3, 0)),
        (32, pipeline(68), (2, 68)),
        (32, pipeline(69), (3, 0)),
        (1, pipeline(30, finished=True), (3, 0)),
    ],
)
def test_an_epoch_is_over_where_no_batch_follows(n_needed, running, wanted):
    progress = Progress(100, n_needed, (0, 0))
    progress.begun((2, 0), running, Batches())
    assert progress.where() == wanted


def test_a_place_that_is_gone_to(progress):
    running, batches = pipeline(30), Batches()
    progress.begun((2, 0), running, batches)
    progress.go_to((7, 10))
    assert progress.where() == progress.next_begin() == (7, 10)
    running.position = 60  # the iterator goes on, but counts no more
    assert progress.where() == (7, 10)


def test_setting_the_epoch_of_a_state_keeps_its_position(progress):
    progress.go_to((7, 10))
    progress.set_epoch(7)
    assert progress.where() == (7, 10)
    progress.begun((7, 10), pipeline(10), Batches())  # and is not used
    progress.set_epoch(7)
    assert progress.where() == (7, 10)
    progress.set_epoch(6)
    assert progress.where() == (6, 0)


def test_setting_the_epoch_that_is_under_way_begins_it_anew(progress):
    for batches in (Batches(), None):
        progress.begun((2, 10), pipeline(20), batches or Batches())
        progress.set_epoch(2)
        assert progress.where() == progress.next_begin() == (2, 0)


# ---- states -------------------------------------------------------------------------

MINE = {
    "version": 1,
    "epoch": 0,
    "position": 0,
    "seed": 5,
    "shuffle": True,
    "shuffle_block": None,
    "samples": 100,
    "dataset": "0123abcd",
}


def test_a_state_gives_the_seed_and_the_place():
    state = MINE | {"seed": 2**64 - 1, "epoch": 2**32, "position": 99}
    assert checked_state(state, MINE) == (2**64 - 1, (2**32, 99))
    empty = MINE | {"samples": 0}
    assert checked_state(empty, empty) == (5, (0, 0))


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"version": 2}, ValueError, "with version=2, this loader has 1"),
        ({"samples": 7}, ValueError, "with samples=7, this loader has 100"),
        ({"shuffle_block": 8}, ValueError, "shuffle_block=8, this loader has None"),
        ({"epoch": -1}, ValueError, r"state\['epoch'\] must be in 0\.\.4294967296"),
        ({"position": 100}, ValueError, r"state\['position'\] must be in 0\.\.99"),
        ({"seed": "5"}, TypeError, r"state\['seed'\] must be an integer, got '5'"),
    ],
)
def test_a_state_that_does_not_go_with_the_loader(change, error, message):
    with pytest.raises(error, match=message):
        checked_state(MINE | change, MINE)


@pytest.mark.parametrize("name", MINE)
def test_a_state_that_misses_something(name):
    state = {key: value for key, value in MINE.items() if key != name}
    with pytest.raises(ValueError, match=f"state has no {name!r}"):
        checked_state(state, MINE)
    with pytest.raises(TypeError, match="state must be a dict, got list"):
        checked_state([name], MINE)

"""Progress of a loader, tested with pipelines that only count batches of 10 samples."""

import pytest

from fmnist_fast._loader.pipelines import Placeholder
from fmnist_fast._loader.progress import Progress, checked_state


class Pipeline:
    """A pipeline that was started once for each ticket."""

    def __init__(self, n_taken=0, is_over=False):
        self.n_taken, self.is_over, self.newest = n_taken, is_over, 0

    def progress(self, ticket):
        return (self.n_taken, self.is_over) if ticket == self.newest else None


class Batches:
    """An iterator, which is in use while a reference to it exists."""

    def __init__(self, pipeline=None):
        self.pipeline, self.ticket = pipeline or Pipeline(), 0


def begin(progress, batches):
    """Begin an iterator, as `Loader.__iter__` does, and return its place."""
    starting = progress.begin(Placeholder())
    progress.begun(starting, batches)
    return starting.begin


@pytest.fixture
def progress():
    """Return the progress of 100 samples, with a short last batch, from epoch 2 on."""
    return Progress(100, 10, 1, (2, 0))


def test_before_the_first_iterator(progress):
    assert progress.where() == progress.next_begin() == (2, 0)


def test_an_iterator_in_use(progress):
    batches = Batches()
    progress.go_to((2, 0))
    begin(progress, batches)
    assert progress.where() == (2, 0) and progress.next_begin() == (3, 0)
    batches.pipeline.n_taken = 3
    assert progress.where() == (2, 30) and progress.next_begin() == (3, 0)
    del batches
    assert progress.where() == (2, 30) and progress.next_begin() == (3, 0)


def test_an_unused_iterator_changes_nothing(progress):
    progress.go_to((2, 20))
    begin(progress, Batches())
    assert progress.where() == progress.next_begin() == (2, 20)


@pytest.mark.parametrize(
    "n_global, n_needed, pipeline, expected",
    [
        (33, 1, Pipeline(3), (2, 99)),
        (10, 1, Pipeline(10), (3, 0)),
        (34, 1, Pipeline(3), (3, 0)),
        (34, 32, Pipeline(2), (2, 68)),
        (34, 33, Pipeline(2), (3, 0)),
        (10, 1, Pipeline(3, is_over=True), (3, 0)),
    ],
)
def test_an_epoch_ends_if_no_batch_follows(n_global, n_needed, pipeline, expected):
    progress = Progress(100, n_global, n_needed, (0, 0))
    progress.go_to((2, 0))
    begin(progress, Batches(pipeline))
    assert progress.where() == expected


def test_a_pipeline_that_is_started_again_is_not_asked(progress):
    """Another thread may read the place while an iterator starts."""
    pipeline = Pipeline(3)
    batches = Batches(pipeline)
    progress.go_to((2, 0))
    begin(progress, batches)
    pipeline.newest, pipeline.n_taken = 1, 0
    assert progress.where() == (3, 0)
    newer = Batches(pipeline)
    newer.ticket = 1

    def start(ticket):
        progress.go_to((3, 0))
        begin(progress, newer)
        del pipeline.progress
        return None

    pipeline.progress = start
    assert progress.where() == (3, 0) and progress.next_begin() == (4, 0)


def test_go_to_ignores_the_older_iterator(progress):
    batches = Batches(Pipeline(3))
    progress.go_to((2, 0))
    begin(progress, batches)
    progress.go_to((7, 10))
    assert progress.where() == progress.next_begin() == (7, 10)
    batches.pipeline.n_taken = 6  # the iterator continues, but is not counted
    assert progress.where() == (7, 10)


def test_setting_the_epoch_of_a_state_keeps_its_position(progress):
    progress.go_to((7, 10))
    progress.set_epoch(7)
    assert progress.where() == (7, 10)
    progress.go_to((7, 10))
    begin(progress, Batches())  # and gives no batch
    progress.set_epoch(7)
    assert progress.where() == (7, 10)
    progress.set_epoch(6)
    assert progress.where() == (6, 0)


def test_setting_the_current_epoch_starts_it_again(progress):
    for batches in (Batches(Pipeline(1)), None):
        progress.go_to((2, 10))
        begin(progress, batches or Batches(Pipeline(1)))
        progress.set_epoch(2)
        assert progress.where() == progress.next_begin() == (2, 0)


def test_epochs_before_that_of_a_state_are_over(progress):
    progress.load((7, 10))
    for epoch in (0, 6):
        progress.set_epoch(epoch)
        assert progress.where() == progress.next_begin() == (7, 10)
    assert progress.pop_is_empty() and not progress.pop_is_empty()
    progress.set_epoch(6)
    progress.set_epoch(7)
    assert not progress.pop_is_empty() and progress.next_begin() == (7, 10)
    progress.load((7, 10))
    progress.go_to((7, 10))
    begin(progress, Batches(Pipeline(1)))  # and gave a batch
    progress.set_epoch(6)
    assert not progress.pop_is_empty() and progress.next_begin() == (6, 0)


def test_a_state_cancels_an_epoch_that_is_over(progress):
    progress.load((7, 10))
    progress.set_epoch(6)
    progress.load((5, 0))
    assert not progress.pop_is_empty() and progress.next_begin() == (5, 0)


def test_a_copy_begins_where_the_next_iterator_would(progress):
    progress.go_to((2, 0))
    begin(progress, Batches(Pipeline(3)))
    assert progress.copy().where() == progress.copy().next_begin() == (3, 0)
    progress.load((7, 10))
    progress.set_epoch(6)
    copy = progress.copy()
    assert copy.pop_is_empty() and copy.where() == (7, 10)
    assert progress.pop_is_empty()
    copy.set_epoch(6)
    assert copy.pop_is_empty()


def test_an_iterator_that_is_being_started_is_in_use(progress):
    placeholder = Placeholder()
    starting = progress.begin(placeholder)
    assert starting.begin == progress.where() == (2, 0)
    assert progress.next_begin() == (3, 0)
    progress.give_up(starting)
    assert progress.where() == progress.next_begin() == (2, 0)


def test_a_signal_handler_may_begin_an_iterator_while_another_one_is_started(progress):
    placeholder = Placeholder()
    starting = progress.begin(placeholder)
    batches, newer = Batches(Pipeline(3)), Batches(Pipeline(1))
    assert begin(progress, newer) == (3, 0)
    progress.begun(starting, batches)
    progress.give_up(starting)
    assert progress.where() == (3, 10) and progress.next_begin() == (4, 0)


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

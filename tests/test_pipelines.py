"""Which pipeline an iterator gets; fork, exit and real threads are in test_signals.py,
test_slots.py and test_pipeline.py."""

import gc
import subprocess
import sys
import weakref

import pytest

from fmnist_fast._loader import pipelines
from fmnist_fast._loader.pipelines import Pipelines


class Pipeline:
    closed = forked = False
    n_lent = 0

    def close(self):
        self.closed = True


class Batches:
    closed = False


def lend(own, make=Pipeline):
    """An iterator in use, and its pipeline."""
    pipeline, batches = own.idle(make), Batches()
    own.lend(batches)
    return pipeline, batches


def test_a_pipeline_is_used_again_when_its_iterator_is_gone_or_at_its_end():
    own = Pipelines(have_slots=False)
    first, batches = lend(own)
    assert own.newest is first
    del batches
    again, batches = lend(own)
    batches.closed = True
    assert again is first and own.idle(Pipeline) is first


@pytest.mark.parametrize("state", ["closed", "forked"])
def test_one_that_is_of_no_use_is_replaced(state):
    own = Pipelines(have_slots=False)
    first = own.idle(Pipeline)
    setattr(first, state, True)
    second = own.idle(Pipeline)
    assert second is not first and own.newest is second


def test_an_iterator_that_is_in_use_keeps_its_pipeline():
    own = Pipelines(have_slots=False)
    first, batches = lend(own)
    second, more = lend(own)
    third = own.idle(Pipeline)
    assert len({id(each) for each in (first, second, third)}) == 3
    own.close()
    assert first.closed and second.closed and third.closed
    assert not batches.closed and not more.closed


def test_a_pipeline_goes_with_its_iterator():
    own = Pipelines(have_slots=False)
    first, batches = lend(own)
    gone = weakref.ref(first)
    own.idle(Pipeline)
    del first, batches
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    "found, message",
    [
        ({}, "slots are in use by another iterator of this loader"),
        ({"forked": True}, "slots belong to the process that this one was forked from"),
        ({"closed": True, "n_lent": 2}, r"2 batches from before close\(\) are still"),
    ],
)
def test_slots_go_to_one_pipeline_at_a_time(found, message):
    own = Pipelines(have_slots=True)
    pipeline, batches = lend(own)
    vars(pipeline).update(found)
    with pytest.raises(RuntimeError, match=message):
        own.idle(Pipeline)
    assert own.newest is pipeline and not batches.closed
    vars(pipeline).update(closed=True, forked=False, n_lent=0)
    assert own.idle(Pipeline) is not pipeline


def test_one_that_can_not_be_made_leaves_what_there_is():
    own = Pipelines(have_slots=False)
    first, batches = lend(own)

    def fail():
        raise MemoryError

    with pytest.raises(MemoryError):
        own.idle(fail)
    assert own.newest is first
    batches.closed = True
    assert own.idle(fail) is first


def test_a_child_has_locks_of_its_own():
    own = Pipelines(have_slots=False)
    before = own.lock
    pipelines._renew_locks()
    assert own.lock is not before


def test_all_are_closed_at_exit():
    program = (
        "from fmnist_fast._loader.pipelines import Pipelines\n"
        "class Pipeline:\n"
        "    def close(self): print('closed')\n"
        "own = Pipelines(have_slots=False)\n"
        "own.idle(Pipeline)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True
    )
    assert done.stdout.split() == [b"closed"]

"""Choice of a pipeline for each iterator, without threads.

Forks, exits and real threads are in test_signals.py, test_slots.py and
test_pipeline.py.
"""

import gc
import subprocess
import sys
import weakref

import pytest

from fmnist_fast._loader import pipelines
from fmnist_fast._loader.pipelines import Pipelines, Placeholder


class Pipeline:
    closed = forked = False
    n_lent = 0

    def close(self):
        self.closed = True


class Batches:
    closed = False


def lend(pool, make=Pipeline):
    """Lend a pipeline to a new iterator, and return both."""
    pipeline, batches = pool.idle(make), Batches()
    batches.pipeline = pipeline
    pool.lend(batches)
    return pipeline, batches


def test_a_pipeline_is_used_again_when_its_iterator_is_gone_or_at_its_end():
    pool = Pipelines(have_slots=False)
    first, batches = lend(pool)
    assert pool.newest is first
    del batches
    again, batches = lend(pool)
    batches.closed = True
    assert again is first and pool.idle(Pipeline) is first


@pytest.mark.parametrize("state", ["closed", "forked"])
def test_an_unusable_pipeline_is_replaced(state):
    pool = Pipelines(have_slots=False)
    first = pool.idle(Pipeline)
    setattr(first, state, True)
    second = pool.idle(Pipeline)
    assert second is not first and pool.newest is second


def test_an_iterator_that_is_in_use_keeps_its_pipeline():
    pool = Pipelines(have_slots=False)
    first, batches = lend(pool)
    second, more_batches = lend(pool)
    third = pool.idle(Pipeline)
    assert len({id(pipeline) for pipeline in (first, second, third)}) == 3
    pool.close()
    assert first.closed and second.closed and third.closed
    assert not batches.closed and not more_batches.closed


def test_a_signal_handler_that_begins_an_iterator_gets_a_pipeline_of_its_own():
    pool, placeholder = Pipelines(have_slots=False), Placeholder()
    outer = pool.idle(Pipeline, placeholder)
    inner, _batches = lend(pool)  # before `outer` is lent
    batches = Batches()
    batches.pipeline = outer
    pool.lend(batches)
    assert inner is not outer and pool.idle(Pipeline) not in (inner, outer)
    pool.close()
    assert inner.closed and outer.closed


def test_a_pipeline_that_a_signal_handler_took_is_not_taken_again():
    pool, placeholders, made = (
        Pipelines(have_slots=False),
        [Placeholder(), Placeholder()],
        [],
    )

    def make():
        if not made:
            made.append(None)  # the handler runs now
            made.append(pool.idle(make, placeholders[0]))
        return Pipeline()

    outer = pool.idle(make, placeholders[1])
    assert outer is not made[1] and pool.newest is outer
    pool.close()
    assert outer.closed and made[1].closed


def test_a_placeholder_that_is_closed_leaves_the_pipeline_idle():
    pool, placeholder = Pipelines(have_slots=False), Placeholder()
    pipeline = pool.idle(Pipeline, placeholder)
    placeholder.closed = True
    assert pool.idle(Pipeline) is pipeline


def test_a_pipeline_is_freed_with_its_iterator():
    pool = Pipelines(have_slots=False)
    first, batches = lend(pool)
    reference = weakref.ref(first)
    pool.idle(Pipeline)
    del first, batches
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize(
    "state, message",
    [
        ({}, "slots are in use by another iterator of this loader"),
        ({"forked": True}, "slots belong to the process that this one was forked from"),
        ({"closed": True, "n_lent": 2}, r"2 batches from before close\(\) are still"),
    ],
)
def test_slots_belong_to_one_pipeline_at_a_time(state, message):
    pool = Pipelines(have_slots=True)
    pipeline, batches = lend(pool)
    vars(pipeline).update(state)
    with pytest.raises(RuntimeError, match=message):
        pool.idle(Pipeline)
    assert pool.newest is pipeline and not batches.closed
    vars(pipeline).update(closed=True, forked=False, n_lent=0)
    assert pool.idle(Pipeline) is not pipeline


def test_a_pipeline_that_can_not_be_made_changes_nothing():
    pool = Pipelines(have_slots=False)
    first, batches = lend(pool)

    def fail():
        raise MemoryError

    with pytest.raises(MemoryError):
        pool.idle(fail)
    assert pool.newest is first
    batches.closed = True
    assert pool.idle(fail) is first


def test_a_forked_child_gets_new_locks():
    pool = Pipelines(have_slots=False)
    before = pool.lock
    pipelines._renew_locks()
    assert pool.lock is not before


def test_all_pipelines_are_closed_at_exit():
    program = (
        "from fmnist_fast._loader.pipelines import Pipelines\n"
        "class Pipeline:\n"
        "    def close(self): print('closed')\n"
        "pool = Pipelines(have_slots=False)\n"
        "pool.idle(Pipeline)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True
    )
    assert done.stdout.split() == [b"closed"]

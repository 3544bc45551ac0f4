"""Leases of batches: nothing leaks through them, and no slot is lost."""

import gc
import weakref

import numpy as np
import pytest
from helpers.native import USER_FUNCTION, n_threads, needs_linux

import fmnist_fast as ff
from fmnist_fast import _core


class Trainer:
    """A trainer that keeps its newest batch, and augments by a method of its own."""

    def __init__(self, dataset, as_c_function, **options):
        self.callback = USER_FUNCTION(self.touch)
        c_function = ff.CFunction(self.callback)
        functions = [c_function] if as_c_function else [self.change]
        augment = [ff.RandomCrop(28, padding=2), *functions]
        self.loader = ff.Loader(dataset, 4, augment=augment, threads=2, **options)

    def touch(self, *arguments):
        """Leave an image as it is."""

    def change(self, images, labels, rng):
        return images, labels

    def train(self):
        for batch in self.loader:
            self.batch = batch
            break


@needs_linux
@pytest.mark.parametrize("as_c_function", [False, True], ids=["python", "c"])
@pytest.mark.parametrize("has_slots", [False, True], ids=["own", "slots"])
def test_trainers_that_keep_a_batch_are_freed(small, as_c_function, has_slots):
    before, trainers = n_threads(), weakref.WeakSet()
    options = {}
    for _ in range(20):
        if has_slots:
            memory = np.zeros((20, 1 << 16), np.uint8)
            skip = -memory.ctypes.data % 64
            options["slots"] = [row[skip : skip + (1 << 15)] for row in memory]
        trainer = Trainer(small.select(range(8)), as_c_function, **options)
        trainers.add(trainer)
        trainer.train()
        del trainer
        gc.collect()
    assert len(trainers) == 0
    # Each trainer would leave two. Frameworks may start a few of their own meanwhile.
    assert n_threads() < before + 20


def test_a_batch_outlives_its_pipeline(small):
    loader = ff.Loader(small, 50, dtype="uint8")
    batches = list(loader)
    pipeline = weakref.ref(loader._pipeline)
    del loader
    gc.collect()
    assert pipeline() is None
    for i, (images, _) in enumerate(batches):
        np.testing.assert_array_equal(
            images[:, 0], small.images[i * 50 : (i + 1) * 50], strict=True
        )
    while batches:
        del batches[0]  # the last one frees what is left of the pipeline


def test_a_memory_error_does_not_lose_a_slot(small):
    """A slot belongs to a lease from the moment at which it is lent."""
    testcapi = pytest.importorskip("_testcapi")
    loader = ff.Loader(small, 10, dtype="uint8", threads=1)
    n_errors, held = 0, []
    for n_allocations in range(40):
        iterator = iter(loader)
        held = [next(iterator) for _ in range(20)]  # uses up the leases that are kept
        try:
            testcapi.set_nomemory(n_allocations, n_allocations + 1)
            try:
                held.append(next(iterator))
            finally:
                testcapi.remove_mem_hooks()
        except MemoryError:
            n_errors += 1
        held.clear()
        iterator.close()
        assert loader._pipeline.n_lent == 0
    assert 0 < n_errors < 40


# ---- functions ----------------------------------------------------------------------


def test_a_function_holds_no_batch_of_its_own(small):
    """One slot more than `prefetch` is enough for a loop that holds one batch."""
    rows = ff.Loader(small, 10, dtype="uint8")
    memory = np.zeros((5, rows.slot_nbytes + 64), np.uint8)
    slots = [row[-row.ctypes.data % 64 :][: rows.slot_nbytes] for row in memory]
    augment = [lambda images, labels, rng: (images, labels)]
    loader = ff.Loader(small, 10, dtype="uint8", augment=augment, slots=slots)
    n_rows = 0
    iterator = iter(loader)
    while (batch := next(iterator, None)) is not None:
        n_rows += len(batch[1])
        del batch
    assert n_rows == len(small)


def test_batches_are_numbered_from_the_start_of_the_iterator(small):
    loader = ff.Loader(small, 300)
    iterator = iter(loader)
    numbers = [iterator.take()[0] for _ in range(3)]
    loader.load_state_dict(loader.state_dict())
    assert numbers == [0, 1, 2] and iter(loader).take()[0] == 0
    assert isinstance(iterator, _core.Batches)


def test_batches_of_no_pipeline_are_empty():
    batches = _core.Batches()
    assert batches.closed and list(batches) == []
    batches.close()
    with pytest.raises(StopIteration):
        batches.take()

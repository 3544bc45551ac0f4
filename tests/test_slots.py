"""Slots that the user supplies have the same batches, and wrong slots are refused."""

import mmap
import os
import pickle

import numpy as np
import pytest

import fmnist_fast as ff

OPTIONS = {"batch_size": 16, "shuffle": True, "seed": 3, "prefetch": 2}


def buffers(dataset, n, **options):
    """Return n buffers that each hold a batch of a Loader with these options."""
    nbytes = ff.Loader(dataset, **OPTIONS | options).slot_nbytes
    return [mmap.mmap(-1, nbytes) for _ in range(n)]


def test_bytes_are_the_same_and_in_the_slots(small):
    slots = buffers(small, 5)
    addresses = sorted(np.frombuffer(slot, np.uint8).ctypes.data for slot in slots)
    supplied = ff.Loader(small, slots=slots, **OPTIONS)
    allocated = ff.Loader(small, **OPTIONS)
    used = set()
    for _ in range(3):
        for (x, y), (want_x, want_y) in zip(supplied, allocated, strict=True):
            assert x.tobytes() == want_x.tobytes() and np.array_equal(y, want_y)
            used.add(x.ctypes.data)
            assert y.ctypes.data - x.ctypes.data < supplied.slot_nbytes
            del x, y
    assert used <= set(addresses)


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("batch_size", [1, 16, 999])
def test_any_batch_size_and_threads(small, batch_size, threads):
    options = {"batch_size": batch_size, "threads": threads}
    slots = buffers(small, 4, **options)
    loader = ff.Loader(small, slots=slots, **OPTIONS | options)
    labels = [y.tolist() for _, y in loader]
    assert labels == [y.tolist() for _, y in ff.Loader(small, **OPTIONS | options)]


def test_no_batch_is_lost_when_all_slots_are_in_use(small):
    loader = ff.Loader(small, slots=buffers(small, 5), **OPTIONS)
    batches = iter(loader)
    held = [next(batches) for _ in range(3)]
    with pytest.raises(RuntimeError, match=r"supplied slots .* still in use"):
        next(batches)
    copies = [x.copy() for x, _ in held]
    del held[0]
    held.append(next(batches))
    want = [x for x, _ in ff.Loader(small, **OPTIONS)]
    assert np.array_equal(held[2][0], want[3])
    assert all(np.array_equal(x, y) for x, y in zip(copies, want))


def test_one_iterator_at_a_time(small):
    loader = ff.Loader(small, slots=buffers(small, 5), **OPTIONS)
    first = iter(loader)
    next(first)
    with pytest.raises(RuntimeError, match="in use by another iterator"):
        iter(loader)
    del first
    assert len(list(map(len, loader))) == len(loader)


def test_slots_are_used_again_after_close_when_no_batch_is_held(small):
    loader = ff.Loader(small, slots=buffers(small, 5), **OPTIONS)
    x, y = next(iter(loader))
    loader.close()
    with pytest.raises(RuntimeError, match=r"1 batches from before close\(\)"):
        iter(loader)
    before = x.copy()
    del x, y
    loader.set_epoch(0)
    assert np.array_equal(next(iter(loader))[0], before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_does_not_write_into_the_slots(small):
    loader = ff.Loader(small, slots=buffers(small, 5), **OPTIONS)
    next(iter(loader))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            iter(loader)
        except RuntimeError as error:
            code = 0 if "belong to the process" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_slots_cannot_be_pickled(small):
    with pytest.raises(TypeError, match=r"a Loader with slots can't be pickled"):
        pickle.dumps(ff.Loader(small, slots=buffers(small, 3), **OPTIONS))


def aligned(nbytes, offset=0):
    """Return a slot that starts `offset` bytes after a multiple of 64."""
    memory = np.zeros(nbytes + 128, np.uint8)
    begin = -memory.ctypes.data % 64 + offset
    return memory[begin : begin + nbytes]


def read_only(nbytes):
    """Return a slot that cannot be written."""
    slot = aligned(nbytes)
    slot.flags.writeable = False
    return slot


@pytest.mark.parametrize(
    "slot, error, text",
    [
        (lambda n: aligned(n - 1), ValueError, r"\[0\] must .* {n} bytes, got {less}"),
        (lambda n: aligned(n, 8), ValueError, r"slots\[0\] must start at a multiple"),
        (lambda n: aligned(2 * n)[::2], ValueError, r"slots\[0\] must be C-contiguous"),
        (read_only, ValueError, r"slots\[0\] must be writable"),
        (lambda n: 3, TypeError, r"slots\[0\] must be an array or a buffer, got int"),
    ],
)
def test_slots_that_do_not_fit(small, slot, error, text):
    nbytes = ff.Loader(small, **OPTIONS).slot_nbytes
    slots = [slot(nbytes), *buffers(small, 3)]
    with pytest.raises(error, match=text.format(n=nbytes, less=nbytes - 1)):
        ff.Loader(small, slots=slots, **OPTIONS)


def test_slots_must_be_a_sequence_of_enough_disjoint_buffers(small):
    with pytest.raises(ValueError, match=r"more than prefetch=2 elements, got 2"):
        ff.Loader(small, slots=buffers(small, 2), **OPTIONS)
    with pytest.raises(TypeError, match="sequence of arrays or buffers, got ndarray"):
        ff.Loader(small, slots=np.zeros((4, 99999), np.uint8), **OPTIONS)
    with pytest.raises(ValueError, match=r"not overlap, got slots\[0\] and slots\[1\]"):
        ff.Loader(small, slots=buffers(small, 1) * 3, **OPTIONS)

"""Slots that a device still reads from, with numpy arrays in place of the device."""

import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast.frameworks._in_flight import IN_FLIGHT, InFlight

OPTIONS = {"batch_size": 64, "shuffle": True, "seed": 5, "dtype": "uint8"}
PREFETCH = 2


class Copy:
    """The event of a late copy, which detects a slot that changes before it is done."""

    def __init__(self, slot, delay):
        self.slot, self.sent, self.delay = slot, slot.copy(), delay
        self.is_done = self.is_spoiled = False

    def synchronize(self):
        if not self.is_done:
            self.is_spoiled = not np.array_equal(self.slot, self.sent)
            self.is_done = True


class Feed(InFlight):
    """A feed into host memory; each copy is done `delay` copies later."""

    def __init__(self, dataset, delay=3, **options):
        options = OPTIONS | {"threads": 2, "prefetch": PREFETCH} | options
        super().__init__(ff.Loader(dataset, **options))
        self.delay, self.copies, self.n_finished = delay, [], 0

    def _new_slots(self, n, nbytes):
        return [memory(nbytes) for _ in range(n)]

    @contextmanager
    def _sending(self, slot):
        self.copies.append(Copy(slot, self.delay))
        yield self.copies[-1].sent.copy(), self.copies[-1]
        self.n_finished += 1

    def _is_copied(self, event):
        if len(self.copies) > self.copies.index(event) + event.delay:
            event.synchronize()
        return event.is_done

    def _finished(self, pixels, labels):
        return pixels.copy(), labels.copy()

    @property
    def n_spoiled(self):
        for copy in self.copies:
            copy.synchronize()
        return sum(copy.is_spoiled for copy in self.copies)


def memory(nbytes):
    """Return an array of bytes that is aligned to 64 bytes."""
    whole = np.empty(nbytes + 64, np.uint8)
    begin = -whole.ctypes.data % 64
    return whole[begin : begin + nbytes]


def assert_same(batches, expected):
    """Check that batches have the expected types and values."""
    for (x, y), (want_x, want_y) in zip(batches, expected, strict=True):
        assert x.dtype == want_x.dtype and y.dtype == want_y.dtype
        assert np.array_equal(x, want_x) and np.array_equal(y, want_y)


@pytest.mark.parametrize("delay", [0, 3, 1000])
@pytest.mark.parametrize("label_dtype", ["int64", "uint8", "onehot"])
def test_batches_equal_the_loaders(small, delay, label_dtype):
    feed = Feed(small, delay, label_dtype=label_dtype)
    want = ff.Loader(small, label_dtype=label_dtype, **OPTIONS)
    for _ in range(2):
        assert_same(feed, want)
    assert len(feed.copies) == feed.n_finished == 2 * len(want)
    assert feed.n_spoiled == 0


def test_slots_that_are_returned_too_early_are_detected(small):
    """This is the control. Without events, the same check must fail."""

    class Hasty(Feed):
        def _give_back(self, n_kept):
            self._copies.clear()

    feed = Hasty(small)
    for _ in range(3):
        for _ in feed:
            pass
    assert feed.n_spoiled > 0


def test_the_number_of_copies_in_flight_is_limited(small):
    feed = Feed(small, delay=1000)
    for i, _ in enumerate(feed):
        done = [copy.is_done for copy in feed.copies]
        n_waited_for = max(0, i + 1 - IN_FLIGHT)
        assert done == [True] * n_waited_for + [False] * (i + 1 - n_waited_for)


def test_slots_are_returned_as_soon_as_they_are_copied(small):
    feed = Feed(small, delay=0)
    for i, _ in enumerate(feed):
        assert [copy.is_done for copy in feed.copies] == [True] * i + [False]


def test_a_newer_iterator_ends_the_one_before(small):
    feed, want = Feed(small, delay=1000), ff.Loader(small, **OPTIONS)
    before = iter(feed)
    for _ in range(3):
        next(before)
    want.set_epoch(1)
    assert_same(feed, want)
    with pytest.raises(RuntimeError, match=r"(?s)a newer iterator .* at a time"):
        next(before)
    assert feed.n_spoiled == 0


def test_the_epoch_is_fixed_when_the_iterator_is_created(small):
    feed, want = Feed(small), ff.Loader(small, **OPTIONS)
    batches = iter(feed)
    feed.loader.set_epoch(5)
    assert_same(batches, want)
    want.set_epoch(5)
    assert_same(feed, want)


def test_an_epoch_after_close(small):
    feed, want = Feed(small, delay=1000), ff.Loader(small, **OPTIONS)
    batches = iter(feed)
    for _ in range(5):
        next(batches)
    feed.loader.close()
    with pytest.raises(RuntimeError, match="closed"):
        next(batches)
    want.set_epoch(1)
    assert_same(feed, want)
    assert feed.n_spoiled == 0


@pytest.mark.parametrize("method", ["_sending", "_finished", "_device_dtype"])
def test_failures_keep_no_slot(small, monkeypatch, method):
    """The test keeps more tracebacks than there are slots."""
    feed, held = Feed(small, delay=1000), []

    def fail(*arguments):
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(feed, method, fail)
        for _ in range(2 * len(feed._slots)):
            with pytest.raises(RuntimeError, match="out of memory") as caught:
                next(iter(feed))
            held.append(caught.value)
    want = ff.Loader(small, **OPTIONS)
    want.set_epoch(len(held))
    assert_same(feed, want)
    assert feed.n_spoiled == 0


def test_the_traceback_of_a_failed_loop_keeps_no_slot(small):
    feed, held = Feed(small, delay=1000), []
    for _ in range(4):
        try:
            for _ in feed:
                raise KeyError("in the training step")
        except KeyError as error:
            held.append(error)
    assert len(list(feed)) == len(feed.loader)


def test_methods_that_a_derived_class_must_define(small):
    feed = Feed(small)
    for missing in (
        lambda: InFlight(ff.Loader(small)),
        lambda: InFlight._sending(feed, None),
        lambda: InFlight._is_copied(feed, None),
        lambda: InFlight._finished(feed, None, None),
    ):
        with pytest.raises(NotImplementedError):
            missing()


def test_options_that_a_device_does_not_support(small):
    with pytest.raises(
        ValueError, match=r"functions for a CUDA device, .* on the CPU\.\nCall"
    ):
        Feed(small, augment=[lambda images, labels, rng: (images, labels)])
    nbytes = ff.Loader(small, **OPTIONS).slot_nbytes
    slots = [memory(nbytes) for _ in range(PREFETCH + 1)]
    with pytest.raises(ValueError, match="slots must be None for a CUDA device"):
        Feed(small, slots=slots)


def test_the_module_needs_no_framework():
    program = (
        "import sys; sys.modules['torch'] = sys.modules['cupy'] = None\n"
        "import fmnist_fast.frameworks._in_flight"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

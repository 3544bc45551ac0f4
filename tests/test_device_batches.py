"""Chunks of batches: their streams, memory, errors, threads and processes.

Machines here are this process, with the streams and the errors of a device.
"""

import contextlib
import copy
import gc
import itertools
import os
import signal
import threading
import weakref

import numpy as np
import pytest
from helpers.against_reference import dataset_of, same

import fmnist_fast as ff
from fmnist_fast._core import LAUNCH_NBYTES, launch_place
from fmnist_fast._device import batches, pixels
from fmnist_fast._device.machine import Machine
from fmnist_fast.frameworks._resident import FixedBuffersLoader, ResidentLoader

OPTIONS = {"batch_size": 50, "shuffle": True, "seed": 6, "augment": "standard"}


class Device(Machine):
    """A machine that has streams, and checks that each follows the one before."""

    def __init__(self):
        self.current, self.captures = "a", False
        self.followed, self.streams, self.fails = [], [], []
        self.free = (10**9, 10**10)

    def stream(self):
        return self.current

    def is_capturing(self):
        return self.captures

    def follow(self, stream, earlier, arrays):
        assert not self.captures, "a stream can't wait for work outside of its graph"
        self.followed.append((earlier, stream))
        self.arrays = arrays

    def empty(self, shape, dtype):
        if self.fails and self.fails.pop(0):
            raise MemoryError("no memory")
        return super().empty(shape, dtype)

    def free_nbytes(self):
        return self.free

    def launch(self, name, stream, *arguments):
        last = self.followed[-1][1] if self.followed else "a"
        assert stream == last or self.captures
        self.streams.append(stream)
        super().launch(name, stream, *arguments)


@pytest.fixture
def device():
    return Device()


@pytest.fixture
def chunks(monkeypatch):
    """Let a chunk have 150 rows."""
    monkeypatch.setattr(batches, "CHUNK_ROWS", 150)


def test_chunks_have_whole_batches(odd, chunks, device):
    loader = ResidentLoader(odd, machine=device, **OPTIONS)
    got = list(loader)
    assert same(got, list(ff.Loader(odd, **OPTIONS)))
    bases = [np.shares_memory(x, y) for (x, _), (y, _) in itertools.pairwise(got)]
    begins = [x.__array_interface__["data"][0] for x, _ in got]
    n = got[0][0].nbytes
    together = [b - a == n for a, b in itertools.pairwise(begins)]
    assert not any(bases) and len(got) == 11
    for first in (0, 3, 6):
        assert together[first : first + 2] == [True, True]
    assert device.streams == ["a"] * 3 * 4  # start, plan, fill


@pytest.mark.parametrize("rank", [0, 1, 2])
@pytest.mark.parametrize("drop_last", [False, True, "wrap"])
@pytest.mark.parametrize("batch_size", [1, 7, 50, 149, 400])
def test_chunks_of_ranks(odd, chunks, rank, drop_last, batch_size):
    options = OPTIONS | {"shard": (rank, 3), "drop_last": drop_last}
    options["batch_size"] = batch_size
    for position in (0, 3 * batch_size, 511):
        loaders = [kind(odd, **options) for kind in (ResidentLoader, ff.Loader)]
        for loader in loaders:
            loader.load_state_dict(loader.state_dict() | {"position": position % 517})
        assert same(*map(list, loaders))


def test_a_kept_batch_keeps_its_chunk_alone(odd, chunks):
    loader = ResidentLoader(odd, **OPTIONS)
    want, kept = list(ff.Loader(odd, **OPTIONS)), []
    chunk_of = {}
    for k, (x, y) in enumerate(loader):
        chunk_of[k] = weakref.ref(x.base)
        if k == 4:
            kept = [(x, y)]
    del x, y, loader
    gc.collect()
    assert [k for k in chunk_of if chunk_of[k]() is not None] == [3, 4, 5]
    assert same(kept, want[4:5])


def test_chunks_of_labels_for_many_classes(odd, monkeypatch):
    """Such labels take more memory than images."""
    options = OPTIONS | {"batch_size": 4, "label_dtype": "onehot"}
    monkeypatch.setattr(batches, "_MAX_NBYTES", 4 * 4 * (28 * 28 + 1000))
    labels = np.arange(len(odd)) + 483
    dataset = ff.Dataset.from_arrays(odd.images, labels)
    loader = ResidentLoader(dataset, **options)
    assert loader._pipeline.chunk_batches == 1
    assert same(list(loader), list(ff.Loader(dataset, **options)))


def test_large_batches_of_a_chunk_are_planned_in_parts(odd, monkeypatch, device):
    """Each part begins where the one before has ended."""
    monkeypatch.setattr(batches, "_MAX_NBYTES", 8_000)
    options = OPTIONS | {"batch_size": 200, "augment": [ff.MixUp()]}
    options["label_dtype"] = "onehot"
    loader = ResidentLoader(odd, machine=device, **options)
    assert 1 < loader._pipeline.filler._most_planned < 200
    assert same(list(loader), list(ff.Loader(odd, **options)))
    assert len(device.streams) > 3 * 3  # more than start, plan and fill of each batch


# ---- streams ------------------------------------------------------------------------


def test_another_stream_waits_for_the_one_before(odd, chunks, device):
    loader, got = ResidentLoader(odd, machine=device, **OPTIONS), []
    for k, batch in enumerate(loader):
        got.append(batch)
        device.current = "aabbbabaaaa"[k]  # of the next batch
    assert same(got, list(ff.Loader(odd, **OPTIONS)))
    assert device.followed == [("a", "b"), ("b", "a"), ("a", "b"), ("b", "a")]
    assert device.streams == [*"aaa", *"bbb", *"aaa", *"aaa"]


def test_a_stream_that_gets_the_rest_of_a_chunk_uses_its_memory(odd, device):
    batches = iter(ResidentLoader(odd, machine=device, **OPTIONS))
    x, y = next(batches)
    device.current = "b"
    next(batches)
    assert any(array is x.base for array in device.arrays)
    assert any(array is y.base for array in device.arrays)


def test_pixels_of_another_stream(odd, device):
    """They are used by the stream of the second loader, too."""
    first = ResidentLoader(odd, machine=device, **OPTIONS)
    device.current = "b"
    second = ResidentLoader(odd, machine=device, **OPTIONS)
    next(iter(second))
    assert device.followed == [("a", "b")]
    shared = first._pipeline.filler._pixels
    assert shared is second._pipeline.filler._pixels
    assert all(any(a is b for b in device.arrays) for a in shared.arrays)


def test_a_capture_of_a_batch_is_refused(odd, chunks, device):
    loader = ResidentLoader(odd, machine=device, **OPTIONS)
    iterator, want = iter(loader), list(ff.Loader(odd, **OPTIONS))
    got = [next(iterator)]
    device.captures = True
    got += [next(iterator), next(iterator)]  # these are made already
    with pytest.raises(
        RuntimeError,
        match=r"^a batch can't be requested while the stream captures a CUDA graph\.\n"
        r"Pass fixed_buffers=True, and call fill\(\) in the captured step\.$",
    ):
        next(iterator)
    device.captures = False
    assert same([*got, *iterator], want)


def test_a_capture_of_fill_follows_nothing(odd, device):
    loader = FixedBuffersLoader(odd, machine=device, drop_last=True, **OPTIONS)
    want, device.captures = list(ff.Loader(odd, **OPTIONS)), True
    device.current, n = "graph", len(device.followed)
    assert same([loader.fill()], want[:1])
    assert device.streams[-3:] == ["graph"] * 3 and len(device.followed) == n
    calls = loader.state_dict, lambda: loader.epoch, lambda: iter(loader)
    for call in (*calls, lambda: loader.set_epoch(1), lambda: copy.copy(loader)):
        with pytest.raises(RuntimeError, match="can't be read while the stream capt"):
            call()
    device.captures, device.current = False, "a"
    assert loader.state_dict()["position"] == 50
    assert same([loader.fill()], want[1:2])


# ---- memory -------------------------------------------------------------------------


@pytest.mark.parametrize("fails", [[True], [False, True]])
def test_a_loader_without_memory_stays_usable(odd, chunks, device, fails):
    loader = ResidentLoader(odd, machine=device, **OPTIONS)
    iterator, want = iter(loader), list(ff.Loader(odd, **OPTIONS))
    got = [next(iterator) for _ in range(3)]
    state, device.fails = loader.state_dict(), fails
    with pytest.raises(MemoryError, match="no memory"):
        next(iterator)
    assert loader.state_dict() == state
    assert same([*got, *iterator], want)


def test_a_launch_that_fails_is_repeated(odd, chunks, device, monkeypatch):
    loader = ResidentLoader(odd, machine=device, **OPTIONS)
    iterator, launch = iter(loader), device.launch
    got = [next(iterator) for _ in range(3)]
    for failing in ("start", "plan", "cut"):

        def fail(name, *arguments, failing=failing):
            if name == failing:
                raise RuntimeError("launch failed")
            launch(name, *arguments)

        monkeypatch.setattr(device, "launch", fail)
        with pytest.raises(RuntimeError, match="launch failed"):
            next(iterator)
    monkeypatch.setattr(device, "launch", launch)
    assert same([*got, *iterator], list(ff.Loader(odd, **OPTIONS)))


def test_pixels_are_shared_and_freed_with_the_last_loader(device):
    dataset = dataset_of(28, 28, 30)
    loaders = [ResidentLoader(dataset, machine=device) for _ in range(3)]
    loaders.append(FixedBuffersLoader(dataset, 10, machine=device))
    part = ResidentLoader(dataset.select(slice(10)), machine=device)
    other = ResidentLoader(dataset, machine=Machine())
    found = {loader._pipeline.filler._pixels for loader in loaders[:3]}
    found.add(loaders[3]._filler._pixels)
    assert len(found) == 1
    shared = weakref.ref(*found)
    assert shared() is not part._pipeline.filler._pixels
    assert shared() is not other._pipeline.filler._pixels
    found.clear()
    while loaders:
        assert shared() is not None
        batches = list(loaders.pop())
        gc.collect()
    assert shared() is None and len(batches) == 1


def test_large_datasets_are_copied_in_pieces(odd, monkeypatch):
    monkeypatch.setattr(pixels, "_PIECE_NBYTES", 1000)
    dataset = ff.Dataset.from_arrays(odd.images.copy(), odd.labels)
    want = list(ff.Loader(dataset, **OPTIONS))
    assert same(list(ResidentLoader(dataset, **OPTIONS)), want)


def test_a_dataset_that_does_not_fit(odd, device):
    dataset = ff.Dataset.from_arrays(odd.images.copy(), odd.labels)
    device.fails, device.free = [True], (17_000, 10**6)
    nbytes = f"{dataset.images.nbytes + dataset.labels.nbytes:,}"
    with pytest.raises(
        MemoryError,
        match=rf"^the dataset has {nbytes} bytes, but device cpu has only 17,000 of "
        r"1,000,000 bytes free\.\nFree memory there, or pass resident=False\.$",
    ):
        ResidentLoader(dataset, machine=device)
    device.fails, device.free = [True], (10**6, 10**6)
    with pytest.raises(MemoryError, match=r"^no memory$"):
        ResidentLoader(dataset, machine=device)
    assert len(list(ResidentLoader(dataset, machine=device))) == 3


# ---- signal handlers ----------------------------------------------------------------


def handled(method, at, handle, *words):
    """Return a method after whose call number `at` a signal is handled."""
    calls = itertools.count()

    def call(*arguments):
        result = method(*arguments)
        if next(calls) == at:
            handle(*words)
        return result

    return call


def take(n, iterator, got):
    got.extend(itertools.islice(iterator, n))


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize("n_taken", [1, 4, 20])
def test_a_signal_handler_may_take_batches(odd, chunks, device, n_taken):
    """Each of them is yielded once, wherever the handler runs."""
    want = sorted(x.tobytes() for x, _ in ff.Loader(odd, **OPTIONS))
    for name in ("stream", "empty", "launch", "split"):
        for at in range(12):
            iterator, got = iter(ResidentLoader(odd, machine=device, **OPTIONS)), []
            method = handled(getattr(device, name), at, take, n_taken, iterator, got)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(device, name, method)
                got.extend(iterator)
            assert sorted(x.tobytes() for x, _ in got) == want, (name, at)


@pytest.mark.parametrize("name", ["stream", "is_capturing", "empty", "launch", "split"])
def test_an_iterator_goes_on_after_ctrl_c(odd, chunks, device, name):
    want = list(ff.Loader(odd, **OPTIONS))
    for at in range(8):
        loader = ResidentLoader(odd, machine=device, **OPTIONS)
        iterator, got = iter(loader), []
        method = handled(getattr(device, name), at, interrupt)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(device, name, method)
            with contextlib.suppress(KeyboardInterrupt):
                got.extend(iterator)
        assert loader.state_dict()["position"] == 50 * len(got) % 550
        assert same([*got, *iterator], want)


# ---- iterators, threads, processes --------------------------------------------------


def test_threads_share_an_iterator(odd):
    want = list(ff.Loader(odd, **OPTIONS | {"batch_size": 3}))
    iterator, got = iter(ResidentLoader(odd, **OPTIONS | {"batch_size": 3})), []
    threads = [threading.Thread(target=lambda: got.extend(iterator)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    key = [x.tobytes() for x, _ in want]
    assert sorted(x.tobytes() for x, _ in got) == sorted(key)


def test_iterators_that_are_closed_or_over(odd):
    loader = ResidentLoader(odd, **OPTIONS)
    iterator = iter(loader)
    next(iterator)
    assert iterator.__length_hint__() == 10 and not iterator.closed
    iterator.close()
    assert list(iterator) == [] and iterator.closed and loader.epoch == 0
    assert loader.state_dict()["position"] == 50
    assert len(list(loader)) == 11 and loader.epoch == 2
    with pytest.raises(TypeError, match="an iterator can't be copied or pickled"):
        iterator.__reduce__()


def test_a_closed_loader(odd):
    loader = ResidentLoader(odd, **OPTIONS)
    iterator = iter(loader)
    next(iterator)
    loader.close()
    with pytest.raises(
        RuntimeError,
        match=r"^the loader was closed while this iterator was in use\.\n"
        r"Start a new one with iter\(loader\)\.$",
    ):
        next(iterator)
    assert len(list(loader)) == 11


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child(odd):
    loader = ResidentLoader(odd, **OPTIONS)
    iterator, plain = iter(loader), ff.Loader(odd, **OPTIONS)
    next(iterator), next(iter(plain))
    want = list(plain)
    begun, may_end = threading.Event(), threading.Event()

    def take():  # another thread is taking a batch, and does not end in the child
        with loader._pipeline.lock:
            begun.set()
            may_end.wait()

    thread = threading.Thread(target=take)
    thread.start()
    begun.wait()
    child = os.fork()
    may_end.set()
    if child == 0:
        signal.alarm(30)
        with contextlib.suppress(BaseException):
            with pytest.raises(RuntimeError, match=r"before a fork, and can't be used"):
                next(iterator)
            os._exit(0 if same(list(loader), want) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(list(iterator)) == 10


def test_a_launch_of_another_size_is_refused():
    with pytest.raises(ValueError, match=rf"launch must have {LAUNCH_NBYTES} bytes, g"):
        launch_place(np.zeros(LAUNCH_NBYTES - 1, np.uint8))


@pytest.mark.parametrize("n", [0, 5, 25])
def test_selections_share_their_images_or_have_their_own(device, monkeypatch, n):
    whole = dataset_of(28, 28, 30)
    options = {"batch_size": 4, "with_index": True, "shuffle": True}
    for most, is_own in ((1 << 28, False), (1000, n < 15)):
        part = whole.select(np.arange(30)[::-1][:n])
        monkeypatch.setattr(pixels, "_MAX_WHOLE_NBYTES", most)
        monkeypatch.setattr(pixels, "_PIECE_NBYTES", 2000)  # two images and a half
        first = ResidentLoader(whole, machine=device)
        loader = ResidentLoader(part, machine=device, **options)
        images = [x._pipeline.filler._pixels._images for x in (first, loader)]
        assert (images[0] is not images[1]) == is_own
        assert images[1].n == (n if is_own else 30)
        assert same(list(loader), list(ff.Loader(part, **options)))

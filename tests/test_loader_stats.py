"""Loader.stats: who waited for whom in the newest iteration, and its summary."""

import copy
import importlib
import itertools
import pickle
import signal
import threading
import time

import pytest
from helpers.late_device import Device, torch_loader
from helpers.native import USER_FUNCTION
from helpers.scripts import run_script

import fmnist_fast as ff
from fmnist_fast import _core
from fmnist_fast._loader.stats import Stats
from fmnist_fast.frameworks._resident import FixedBuffersLoader, ResidentLoader

ADAPTERS = {
    "torch": "TorchLoader",
    "jax": "JaxLoader",
    "tensorflow": "TensorFlowLoader",
    "keras": "KerasLoader",
}
WAITED = "The loop waited "


class Sleep:
    """A C function that takes `seconds` for each image, without the GIL."""

    def __init__(self, seconds=0.0):
        self.callback = USER_FUNCTION(self.call)
        self.transform = ff.CFunction(self.callback)
        self.seconds, self.n_images = seconds, 0

    def call(self, *_):
        time.sleep(self.seconds)
        self.n_images += 1

    def wait_until_filled(self, loader):
        """Return when the threads have filled all batches of an epoch."""
        end = time.monotonic() + 60
        while self.n_images < len(loader.dataset) and time.monotonic() < end:
            time.sleep(0.001)
        filled = -1.0
        while filled != (filled := loader.stats().fill_seconds):
            time.sleep(0.1)


def check(stats, n_batches, n_consumers=1):
    """Check that the numbers fit together."""
    assert stats.batches == n_batches and 0 <= stats.ready <= n_batches
    assert 0 <= stats.late_seconds <= stats.wait_seconds
    assert stats.wait_seconds <= n_consumers * stats.seconds


# ---- the core -----------------------------------------------------------------------


def test_zeros_before_the_first_iterator(small):
    loader = ff.Loader(small, 100)
    assert loader.stats() == Stats() == (0.0, 0.0, 0.0, 0.0, 0, 0)
    assert loader.slot_nbytes and loader.stats() == Stats()
    assert repr(loader.stats()).startswith("Stats(seconds=0.0, wait_seconds=0.0, late")


def test_a_slow_loop_finds_batches_ready(small):
    sleep = Sleep()
    augment = [sleep.transform]
    loader = ff.Loader(small, 200, prefetch=8, threads=1, augment=augment)
    batches = iter(loader)
    sleep.wait_until_filled(loader)
    assert len(list(batches)) == 5
    stats = loader.stats()
    check(stats, 5)
    assert stats.ready == 5 and stats.late_seconds == 0
    assert stats.fill_seconds > 0
    assert stats.wait_seconds < stats.seconds / 2


@pytest.mark.parametrize("threads", [1, 2])
def test_a_fast_loop_waits_for_slow_transforms(small, threads):
    sleep = Sleep(0.0002)
    loader = ff.Loader(small, 100, threads=threads, augment=[sleep.transform])
    assert len(list(loader)) == 10
    stats = loader.stats()
    check(stats, 10)
    assert stats.ready <= 5  # two threads may complete batches at the same time
    assert stats.fill_seconds >= 1000 * 0.0002
    assert stats.late_seconds > stats.seconds / 2
    assert "More threads would help if cores are free" in stats.summary()


def test_what_the_consumer_fills_counts_as_waited_and_as_filled(small):
    """With one thread, a loop that only takes batches fills nearly all of them."""
    sleep = Sleep(0.002)
    dataset = small.select(range(40))
    loader = ff.Loader(dataset, 10, threads=1, augment=[sleep.transform])
    list(loader), list(loader)
    stats = loader.stats()
    assert stats.wait_seconds == pytest.approx(stats.fill_seconds, rel=0.5)


def test_a_batch_is_late_however_often_it_is_asked_for(small):
    """A request returns to Python every 50 ms, and then asks again."""
    sleep = Sleep(0.3)
    loader = ff.Loader(small.select(range(2)), 1, threads=2, augment=[sleep.transform])
    assert len(list(loader)) == 2
    stats = loader.stats()
    check(stats, 2)
    assert stats.ready <= 1 and stats.late_seconds > 0.25


def test_python_functions_count_as_waited(small):
    def change(images, labels, rng):
        time.sleep(0.02)
        return images, labels

    sleep = Sleep()
    augment = [sleep.transform, change]
    loader = ff.Loader(small, 200, prefetch=8, threads=1, augment=augment)
    batches = iter(loader)
    sleep.wait_until_filled(loader)
    next(batches)
    check(loader.stats(), 1)
    assert len(list(batches)) == 4
    stats = loader.stats()
    check(stats, 5)
    assert stats.wait_seconds >= 5 * 0.02 and stats.late_seconds == 0
    begun = iter(loader)
    next(begun)
    _core.Batches().count_wait(5)  # of no epoch
    check(loader.stats(), 1)


def test_each_iteration_begins_at_zero(small):
    loader = ff.Loader(small, 100, shuffle=True, augment="strong")
    list(loader)
    check(loader.stats(), 10)
    batches = iter(loader)
    assert loader.stats()[:3] == (0, 0, 0) and loader.stats().batches == 0
    next(batches)
    check(loader.stats(), 1)


def test_an_iteration_that_is_over_changes_no_more(small):
    loader = ff.Loader(small, 100)
    batches = iter(loader)
    list(batches)
    over = loader.stats()
    check(over, 10)
    time.sleep(0.01)
    assert next(batches, None) is None and loader.stats() == over
    loader.close()
    assert loader.stats() == over and over.seconds > 0
    for _ in ff.Loader(small, 100):  # another loader
        pass
    assert loader.stats() == over


def test_a_loop_that_ends_early_keeps_its_numbers(small):
    loader = ff.Loader(small, 100)
    for number, _ in enumerate(loader):
        if number == 2:
            break
    check(loader.stats(), 3)


def test_the_newest_of_several_iterators(small):
    loader = ff.Loader(small, 100)
    older = iter(loader)
    next(older), next(older)
    newer = iter(loader)
    next(newer)
    check(loader.stats(), 1)
    stats = loader.stats()
    assert len(list(older)) == 8 and loader.stats()[:3] == stats[:3]
    assert len(list(newer)) == 9
    check(loader.stats(), 10)


def test_without_batches(small):
    loader = ff.Loader(small.select([]), 10)
    assert list(loader) == []
    check(loader.stats(), 0)
    assert loader.stats().summary() == "No batch was taken."


def test_copies_begin_at_zero(small):
    loader = ff.Loader(small, 100)
    list(loader)
    for other in (copy.copy(loader), pickle.loads(pickle.dumps(loader))):
        assert other.stats() == Stats()
    stats = loader.stats()
    assert pickle.loads(pickle.dumps(stats)) == stats


def test_threads_share_an_iterator_and_others_read(small):
    loader = ff.Loader(small, 1, augment="strong", threads=2)
    batches, stop = iter(loader), threading.Event()
    seen = []

    def read():
        while not stop.is_set():
            seen.append(loader.stats())

    reader = threading.Thread(target=read)
    reader.start()
    consumers = [threading.Thread(target=list, args=(batches,)) for _ in range(3)]
    for consumer in consumers:
        consumer.start()
    for consumer in consumers:
        consumer.join()
    stop.set()
    reader.join()
    check(loader.stats(), 1000, n_consumers=3)
    for before, after in itertools.pairwise(seen):
        check(after, after.batches, n_consumers=3)
        assert all(a <= b for a, b in zip(before, after))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs setitimer")
def test_a_signal_handler_reads_them(small):
    seen = []
    loader = ff.Loader(small, 1, augment="strong", threads=2)
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(loader.stats()))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        end = time.monotonic() + 30
        while len(seen) < 50 and time.monotonic() < end:
            for _ in loader:
                pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(seen) >= 50
    for stats in seen:
        check(stats, stats.batches)


def test_a_worker_reads_them(small):
    """A C function may call Python code in a worker, which holds no lock then."""
    seen = []
    callback = USER_FUNCTION(lambda *_: seen.append(loader.stats()))
    augment = [ff.CFunction(callback)]
    loader = ff.Loader(small.select(range(50)), 5, augment=augment)
    assert len(list(loader)) == 10 and len(seen) == 50


def test_a_forked_child_has_the_numbers_of_the_fork():
    code = """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork
        if not hasattr(os, "fork"):
            sys.exit(0)
        loader = ff.Loader(dataset, 7, shuffle=True, threads=3)
        iterator = iter(loader)
        held = [next(iterator) for _ in range(5)]
        before = loader.stats()
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            stats = loader.stats()
            ok = stats.batches == 5 and stats.seconds == before.seconds
            next(iter(loader))
            ok = ok and loader.stats().batches == 1
            os._exit(0 if ok else 3)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert loader.stats().batches == 5
        """
    done = run_script(code)
    assert done.returncode == 0, done.stderr


# ---- adapters and devices -----------------------------------------------------------


@pytest.mark.parametrize("name", ADAPTERS)
def test_adapters_have_the_numbers_of_their_loader(small, name):
    pytest.importorskip(name)
    module = importlib.import_module(f"fmnist_fast.frameworks.{name}")
    adapter = getattr(module, ADAPTERS[name])(small, 100)
    assert adapter.stats() == Stats()
    batches = map(adapter.__getitem__, range(10)) if name == "keras" else iter(adapter)
    for _ in zip(range(3), batches):
        pass
    check(adapter.stats(), adapter.stats().batches)
    assert adapter.stats()[:3] == adapter.loader.stats()[:3] != Stats()[:3]
    assert adapter.stats().batches >= 3
    adapter.close()
    assert adapter.stats().batches >= 3


def test_a_cuda_loader_has_the_numbers_of_its_cpu_loader(small):
    pytest.importorskip("torch")
    loader = torch_loader(Device())(small, 100)
    assert len(list(loader)) == 10
    check(loader.stats(), 10)
    assert loader.stats().summary().startswith(WAITED)


@pytest.mark.parametrize("rows", [100, 8192])
def test_launches_of_a_resident_loader_count_as_waited(small, rows, monkeypatch):
    monkeypatch.setattr("fmnist_fast._device.batches.CHUNK_ROWS", rows)
    loader = ResidentLoader(small, 100, shuffle=True)
    assert loader.stats() == Stats()
    batches = iter(loader)
    next(batches)
    time.sleep(0.01)
    next(batches)
    check(loader.stats(), 2)
    assert loader.stats().seconds > 0.01
    assert len(list(batches)) == 8
    stats = loader.stats()
    check(stats, 10)
    assert stats.ready == (0 if rows == 100 else 9)
    assert stats.wait_seconds > stats.late_seconds == stats.fill_seconds == 0
    assert next(batches, None) is None and loader.stats() == stats
    iter(loader)
    check(loader.stats(), 0)


def test_launches_into_fixed_buffers_count_as_waited(small):
    loader = FixedBuffersLoader(small, 100)
    loader.fill()
    assert loader.stats() == Stats()
    loader.set_epoch(1)
    assert len(list(loader)) == 10
    stats = loader.stats()
    check(stats, 10)
    assert stats.wait_seconds > 0 == stats.fill_seconds == stats.ready
    loader.fill()
    assert loader.stats() == stats
    assert pickle.loads(pickle.dumps(loader)).stats() == Stats()


# ---- summaries ----------------------------------------------------------------------

BUSY, IDLE = {"batches": 469, "ready": 3}, {"batches": 469, "ready": 465}
SUMMARIES = {
    Stats(): "No batch was taken.",
    Stats(1.5, 0.0201, 0.01, 0.9, **IDLE): "The loop waited 20.10 ms of 1.50 s (1%) "
    "for batches, and 465 of 469 were ready. A faster loader would not help.",
    Stats(1.5, 1.2, 1.1, 2.4, **BUSY): "The loop waited 1.20 s of 1.50 s (80%) for "
    "batches, and 3 of 469 were ready. Threads filled for 2.40 s. More threads would "
    "help if cores are free, and so would cheaper transforms.",
    Stats(1.5, 1.2, 0.5, 0.6, **IDLE): "The loop waited 1.20 s of 1.50 s (80%) for "
    "batches, and 465 of 469 were ready. More threads would not help. Larger batches "
    "may help, or fewer Python functions in augment.",
    Stats(1234.5, 99.9, 99.9, 99.9, 60000, 0): "The loop waited 99.90 s of 1,234.50 s "
    "(8%) for batches, and 0 of 60,000 were ready. A faster loader would not help.",
    Stats(1.0, 7.5, 7.5, 1.0, 9, 0): "Threads of the loop together waited 7.50 s in "
    "1.00 s for batches, and 0 of 9 were ready. Threads filled for 1.00 s. More "
    "threads would help if cores are free, and so would cheaper transforms.",
    Stats(0.0, 0.0, 0.0, 0.0, 1, 1): "The loop waited 0.00 ms of 0.00 ms (0%) for "
    "batches, and 1 of 1 were ready. A faster loader would not help.",
}


@pytest.mark.parametrize("stats", SUMMARIES)
def test_summaries(stats):
    assert stats.summary() == SUMMARIES[stats]


def test_summaries_at_the_limits():
    assert "would not help" in Stats(1.0, 0.0999, 0.0999, 1.0, 9, 0).summary()
    assert "cores are free" in Stats(1.0, 0.1, 0.05, 1.0, 9, 0).summary()
    assert "Larger batches" in Stats(1.0, 0.1, 0.0499, 1.0, 9, 9).summary()

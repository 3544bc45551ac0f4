"""FFCV and DALI as sources of benchmarks/gpu_feed.py, on the CPU.

Streams that only record calls stand in for CUDA: they check when memory is reused.
"""

import importlib
import os
import threading
import time
import types

import pytest

import fmnist_fast as ff

torch = pytest.importorskip("torch")
pytest.importorskip("resource", reason="CPU seconds of workers need a Unix")
from benchmarks import gpu_feed, gpu_sources  # noqa: E402
from benchmarks.comparison import checks  # noqa: E402
from benchmarks.data import Data  # noqa: E402
from benchmarks.work import WORKS  # noqa: E402

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def source_of(name):
    """Return the class of a source, or skip the test without its package."""
    pytest.importorskip(gpu_sources.PACKAGES[name])
    return gpu_sources.source_named(name)


@pytest.fixture(params=["ffcv", "dali"])
def source(request, monkeypatch):
    """Return the class of FFCV's or DALI's source, with one thread."""
    source_class = source_of(request.param)
    monkeypatch.setattr(source_class, "workers", 1)
    return source_class


def n_threads():
    """Return the number of threads of this process, including those of libraries."""
    return len(os.listdir("/proc/self/task"))


@pytest.fixture
def two_threads():
    """Let PyTorch use two threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("work", ["plain", "crop_flip"])
def test_sources_do_the_work_of_the_comparison(source, work, tmp_path):
    """The sources pass the checks of the contenders in the comparison."""
    whole = Data(*(ff.synthetic(2000, 10)[0][key] for key in ("image", "label")), None)
    (check,) = checks.checks_of(WORKS[work])
    data = check.data(whole, 0.2, tmp_path)
    dataset = ff.Dataset.from_arrays(data.images, data.labels)
    data.mean, data.std = dataset.mean, dataset.std
    feed = source(dataset, CPU, 128, torch.float32, work == "crop_flip")
    check.verify(data, WORKS[work], [feed, feed])
    feed.close()


@pytest.mark.parametrize("augment", [False, True])
def test_sources_return_every_sample_unchanged(source, small, augment):
    feed = source(small, CPU, 64, torch.uint8, augment)
    assert gpu_feed.is_whole(feed, small, CPU, augment)
    for images, labels in feed:
        n = len(labels)
        assert images.shape == (n, 1, 28, 28) and images.dtype == torch.uint8
        assert labels.shape == (n,) and labels.dtype == torch.int64
    assert n == 1000 % 64
    feed.close()


def test_each_source_can_be_measured(source, small):
    case = {"work": "mlp", "batch_size": 256, "augment": False}
    row = gpu_feed.measure(small, CPU, 1, source=source.name, **case)
    assert row["void"] is None and row["images_a_second"] > 0


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="Linux has it")
def test_closing_ends_threads_and_deletes_files(
    source, small, tmp_path, monkeypatch, two_threads
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = None
    for _ in range(2):  # Numba keeps its threads, so only the second round counts
        before = n_threads()
        feed = source(small, CPU, 64, torch.uint8, False)
        assert sum(len(labels) for _, labels in feed) == 1000
        assert len(next(iter(feed))[1]) == 64  # leaves the epoch early
        feed.close()
        assert not list(tmp_path.iterdir()) and torch.get_num_threads() == 2
    end = time.monotonic() + 5
    while n_threads() > before and time.monotonic() < end:
        time.sleep(0.01)  # a joined thread may take a moment to disappear
    assert n_threads() <= before


def test_importing_a_source_keeps_the_number_of_pytorchs_threads(
    monkeypatch, two_threads
):
    def import_ffcv(name, package):
        assert (name, package) == (".gpu_ffcv", "benchmarks")
        torch.set_num_threads(1)
        return types.SimpleNamespace(Source="its source")

    monkeypatch.setattr(importlib, "import_module", import_ffcv)
    monkeypatch.setattr(gpu_sources, "SOURCES", {})
    assert gpu_sources.source_named("ffcv") == "its source"
    assert torch.get_num_threads() == 2


def test_the_number_of_workers_is_chosen(source, small, monkeypatch):
    monkeypatch.setattr(gpu_sources, "usable_cores", lambda: 2)
    n = gpu_sources.choose_workers(source, small.select(range(300)), CPU)
    assert n in (1, 2) and source.workers == n


def test_an_error_in_ffcvs_thread_ends_the_loop(small, monkeypatch):
    source = source_of("ffcv")
    from benchmarks import gpu_ffcv

    pipeline = gpu_ffcv.Epoch.run_pipeline

    def fail(epoch, batch, *rest):
        if batch == 2:
            raise ValueError("the third batch")
        return pipeline(epoch, batch, *rest)

    monkeypatch.setattr(gpu_ffcv.Epoch, "run_pipeline", fail)
    feed = source(small, CPU, 64, torch.uint8, False)
    seen = []
    with pytest.raises(ValueError, match="the third batch"):
        for _, labels in feed:
            seen.append(len(labels))
    assert seen == [64, 64]
    feed.close()
    assert not [t for t in threading.enumerate() if isinstance(t, gpu_ffcv.Epoch)]


# ---- streams ------------------------------------------------------------------------


class Notes:
    """A stand-in for a stream that records its calls and those of its events."""

    def __init__(self):
        self.lines, self.n_events, self.n_over = [], 0, 0

    def record_event(self):
        self.n_events += 1
        self.lines.append(f"record {self.n_events}")
        return Event(self, self.n_events)

    def wait_event(self, event):
        self.lines.append(f"wait for {event.number}")


class Event:
    """An event of a stream; the first `n_over` events of the stream are over."""

    def __init__(self, notes, number):
        self.notes, self.number = notes, number

    def query(self):
        return self.number <= self.notes.n_over

    def synchronize(self):
        self.notes.lines.append(f"host waits for {self.number}")


@pytest.fixture
def notes(monkeypatch):
    notes = Notes()
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: notes)
    return notes


def test_ffcvs_copies_and_the_loop_wait_for_each_other(notes, monkeypatch):
    source_of("ffcv")
    from benchmarks.gpu_ffcv import Copies

    copies = Copies(CUDA)
    copies.begin()
    for part in ("images", "labels", "next images"):
        with copies.made():
            notes.lines.append(part)
    copies.wait(2)
    first_batch = [
        "record 1",
        "wait for 1",
        "images",
        "record 2",
        "wait for 1",
        "labels",
    ]
    second_batch = ["record 3", "wait for 1", "next images", "record 4"]
    waits = ["host waits for 2", "host waits for 3"]
    assert notes.lines == first_batch + second_batch + waits
    synchronized = []
    monkeypatch.setattr(torch.cuda, "synchronize", synchronized.append)
    copies.end()  # the loop left the epoch: one batch was sent but not taken
    assert synchronized == [CUDA]
    copies.wait(2)
    copies.end()
    assert synchronized == [CUDA] and len(notes.lines) == 12


def test_dalis_batches_are_kept_until_the_device_has_read_them(notes, small):
    feed = source_of("dali")(small, CPU, 256, torch.uint8, False)
    feed._device = CUDA
    kept = []
    for _ in feed:
        kept.append(len(feed._lent))
        notes.n_over = 1 if len(kept) > 2 else 0
    assert kept == [0, 1, 2, 2]  # the device had read the first one after the third
    assert len(feed._lent) == 3
    feed.close()
    assert notes.lines[-3:] == [f"host waits for {k}" for k in (2, 3, 4)]
    assert not feed._lent

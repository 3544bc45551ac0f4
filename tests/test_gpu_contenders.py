"""Other ways to get batches on a device, on the CPU, and the checks of their batches.

Streams that only record calls stand in for CUDA: they check when memory is reused.
"""

import importlib
import importlib.util
import threading
import types

import pytest

import fmnist_fast as ff

torch = pytest.importorskip("torch")
from benchmarks.comparison import checks  # noqa: E402
from benchmarks.data import Data  # noqa: E402
from benchmarks.gpu import beside, contenders  # noqa: E402
from benchmarks.gpu.bench import Bench  # noqa: E402
from benchmarks.work import WORKS  # noqa: E402

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
ALL = [*contenders.CONTENDERS, *contenders.PACKAGES]


@pytest.fixture(autouse=True)
def one_thread():
    """Restrict PyTorch to one thread; with more, threads mostly wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def bench(small):
    bench = Bench(is_dry=True, n_images=10)
    bench.train = small
    return bench


def contender_of(name):
    """Return the class of a contender, or skip the test without its package."""
    if name in contenders.PACKAGES:
        pytest.importorskip(contenders.PACKAGES[name])
    return contenders.contender_named(name)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("augment", [False, True])
def test_contenders_return_every_sample(small, name, augment):
    batches = contender_of(name)(small, CPU, 64, augment)
    for _ in range(2):
        assert beside.is_whole(batches, small, CPU, augment)
    sizes = set()
    for images, labels in batches:
        assert images.shape[1:] == (1, 28, 28) and images.dtype == torch.float32
        assert labels.dtype == torch.int64
        sizes.add(len(labels))
    assert sizes == {64, 1000 % 64}
    batches.close()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("work", ["plain", "crop_flip"])
def test_contenders_do_the_work_of_the_comparison(name, work, tmp_path):
    """They pass the checks of the contenders in the comparison."""
    whole = Data(*(ff.synthetic(2000, 10)[0][key] for key in ("image", "label")), None)
    (check,) = checks.checks_of(WORKS[work])
    data = check.data(whole, 0.2, tmp_path)
    dataset = ff.Dataset.from_arrays(data.images, data.labels)
    data.mean, data.std = dataset.mean, dataset.std
    batches = contender_of(name)(dataset, CPU, 128, work == "crop_flip")
    check.verify(data, WORKS[work], [batches, batches])
    batches.close()


def test_a_whole_epoch_flips_what_the_one_before_did_not(small):
    batches = contenders.WholeEpoch(small, CPU, 64, True)
    first, second, third = (batches._flips(batches._all) for _ in range(3))
    assert torch.equal(first, third) and torch.equal(first, ~second)
    assert 300 < first.sum() < 700


def test_spoiled_batches_are_not_timed(bench, monkeypatch):
    class Spoiled(contenders.Ours):
        def __iter__(self):
            for images, labels in super().__iter__():
                images[1] = images[0]
                yield images, labels

    assert beside.measure(bench, "resident", False)["ms"] > 0
    monkeypatch.setitem(contenders.CONTENDERS, "resident", Spoiled)
    with pytest.raises(ValueError, match="resident: an epoch must have every sample"):
        beside.measure(bench, "resident", False)


def test_contenders_that_are_not_installed_are_skipped(bench, monkeypatch):
    """Not even the parent package of DALI is installed here."""

    def find_spec(name):
        if "." in name:
            raise ModuleNotFoundError(f"No module named {name.split('.')[0]!r}")
        return None

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    figures = beside.measure(bench, "dali", True)
    install = "to install dali: pip install nvidia-dali-cuda120 numpy"
    assert figures == {"skipped": install}
    words = beside.measure(bench, "ffcv", True)["skipped"]
    assert words.startswith("to install ffcv: apt-get install libopencv-dev")
    assert " && pip install torch numpy" in words


def test_importing_a_contender_keeps_the_number_of_pytorchs_threads(monkeypatch):
    def import_ffcv(name, package):
        assert (name, package) == (".ffcv", "benchmarks.gpu")
        torch.set_num_threads(2)
        return types.SimpleNamespace(Contender="its class")

    monkeypatch.setattr(contenders, "_is_installed", lambda package: True)
    monkeypatch.setattr(importlib, "import_module", import_ffcv)
    assert contenders.contender_named("ffcv") == "its class"
    assert torch.get_num_threads() == 1


def test_an_error_in_ffcvs_thread_ends_the_loop(small, monkeypatch, tmp_path):
    contender_class = contender_of("ffcv")
    from benchmarks.gpu import ffcv

    pipeline = ffcv.Epoch.run_pipeline

    def fail(epoch, batch, *rest):
        if batch == 2:
            raise ValueError("the third batch")
        return pipeline(epoch, batch, *rest)

    monkeypatch.setattr(ffcv.Epoch, "run_pipeline", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    batches, seen = contender_class(small, CPU, 64, False), []
    with pytest.raises(ValueError, match="the third batch"):
        for _, labels in batches:
            seen.append(len(labels))
    assert seen == [64, 64] and list(tmp_path.iterdir())
    batches.close()
    assert not list(tmp_path.iterdir())
    assert not [t for t in threading.enumerate() if isinstance(t, ffcv.Epoch)]


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
    contender_of("ffcv")
    from benchmarks.gpu.ffcv import Copies

    copies = Copies(CUDA)
    copies.begin()
    for part in ("images", "labels", "next images"):
        with copies.made():
            notes.lines.append(part)
    copies.wait(2)
    parts = enumerate(("images", "labels", "next images"), 2)
    each = [line for k, part in parts for line in ("wait for 1", part, f"record {k}")]
    assert notes.lines == ["record 1", *each, "host waits for 2", "host waits for 3"]
    synchronized = []
    monkeypatch.setattr(torch.cuda, "synchronize", synchronized.append)
    copies.end()  # the loop left the epoch: one batch was sent but not taken
    copies.end()
    assert synchronized == [CUDA] and len(notes.lines) == 12


def test_dalis_batches_are_kept_until_the_device_has_read_them(notes, small):
    batches = contender_of("dali")(small, CPU, 256, False)
    batches._device = CUDA
    kept = []
    for _ in batches:
        kept.append(len(batches._lent))
        notes.n_over = 1 if len(kept) > 2 else 0
    assert kept == [0, 1, 2, 2]  # the device had read the first one after the third
    assert len(batches._lent) == 3
    batches.close()
    assert notes.lines[-3:] == [f"host waits for {k}" for k in (2, 3, 4)]
    assert not batches._lent

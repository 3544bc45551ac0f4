"""Batches for CuPy, through pinned slots, with a stand-in for CuPy and its streams.

Events of the stand-in come late, and notice slots that change before.
"""

import importlib
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import fmnist_fast as ff

OPTIONS = {"batch_size": 64, "shuffle": True, "seed": 5}


class OnDevice(np.ndarray):
    """An array in the memory of the device."""

    def set(self, source, stream):
        self[...] = source
        stream.device.n_sent += 1
        stream.device.log.append(("set", id(self)))
        stream.copies.append((source, source.copy()))


class Event:
    def __init__(self, device):
        self.device, self.copies, self.is_done = device, [], False
        device.events.append(self)

    def record(self, stream):
        self.copies, stream.copies = stream.copies, []
        self.number = self.device.n_sent
        self.device.log.append(("record", id(self), stream.name))

    @property
    def done(self):
        if self.device.n_sent >= self.number + self.device.delay:
            self.synchronize()
        return self.is_done

    def synchronize(self):
        if not self.is_done:
            self.device.n_spoiled += sum(
                not np.array_equal(slot, sent) for slot, sent in self.copies
            )
        self.is_done = True


class Stream:
    def __init__(self, device, name):
        self.device, self.name, self.copies = device, name, []

    def wait_event(self, event):
        self.device.log.append(("wait", id(event), self.name))


class Context:
    """The context manager of a device."""

    def __init__(self, number):
        assert number == 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return None


class Device:
    """The parts of the module cupy that CupyLoader uses, in the host's memory."""

    def __init__(self, delay=3):
        self.delay, self.n_sent, self.n_spoiled = delay, 0, 0
        self.events, self.log = [], []
        consumer = Stream(self, "consumer")
        self.asnumpy = np.asarray
        self.cuda = SimpleNamespace(
            Device=Context,
            Event=lambda disable_timing: Event(self),
            Stream=lambda non_blocking: Stream(self, "loader"),
            alloc_pinned_memory=self.pinned,
            get_current_stream=lambda: consumer,
            runtime=SimpleNamespace(
                getDeviceCount=lambda: 2, CUDARuntimeError=ZeroDivisionError
            ),
        )

    @staticmethod
    def pinned(nbytes):
        memory = np.empty(nbytes + 64, np.uint8)
        begin = -memory.ctypes.data % 64
        return memory[begin : begin + nbytes]

    @staticmethod
    def empty(shape, dtype):
        return np.empty(shape, dtype).view(OnDevice)


@pytest.fixture
def device(monkeypatch):
    return stand_in(monkeypatch, Device())


def stand_in(monkeypatch, device):
    monkeypatch.setitem(sys.modules, "cupy", device)
    monkeypatch.delitem(sys.modules, "fmnist_fast.frameworks.cupy", raising=False)
    device.adapter = importlib.import_module("fmnist_fast.frameworks.cupy")
    monkeypatch.delitem(sys.modules, "fmnist_fast.frameworks.cupy")
    return device


@pytest.mark.parametrize("delay", [1, 3, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("label_dtype", ["int64", "onehot"])
def test_a_device_gets_the_same_bytes_as_numpy(
    small, monkeypatch, dtype, label_dtype, delay
):
    device = stand_in(monkeypatch, Device(delay))
    options = OPTIONS | {"dtype": dtype, "label_dtype": label_dtype}
    loader = device.adapter.CupyLoader(small, threads=2, prefetch=2, **options)
    want, held = ff.Loader(small, **options), []
    for _ in range(2):
        for batch, arrays in zip(loader, want, strict=True):
            held.append((batch, arrays))
    for (x, y), (want_x, want_y) in held:
        assert x.dtype == want_x.dtype and y.dtype == want_y.dtype
        assert x.tobytes() == want_x.tobytes() and y.tobytes() == want_y.tobytes()
    assert device.n_sent == 2 * len(want) and device.n_spoiled == 0


def test_slots_that_are_returned_too_early_are_noticed(small, device):
    """Without events, the same check must fail."""

    class Hasty(device.adapter.CupyLoader):
        def _give_back(self, n_kept):
            self._copies.clear()

    loader = Hasty(small, threads=2, prefetch=2, **OPTIONS)
    for _ in range(3):
        for _ in loader:
            pass
    for event in device.events:
        event.synchronize()
    assert device.n_spoiled > 0


def test_memory_on_the_device_is_overwritten_only_after_it_was_read(small, device):
    loader = device.adapter.CupyLoader(small, **OPTIONS)
    for _ in loader:
        pass
    log, read = device.log, {}
    for i, (operation, memory, *_) in enumerate(log):
        if operation != "set":
            continue
        # The loader waits until the memory was read, copies and records an event. The
        # consumer waits for this event, reads, and records the next one.
        operations = [(name, *stream) for name, _, *stream in log[i - 1 : i + 4]]
        assert operations == [
            ("wait", "loader"),
            ("set",),
            ("record", "loader"),
            ("wait", "consumer"),
            ("record", "consumer"),
        ]
        assert log[i + 1][1] == log[i + 2][1]
        assert read.setdefault(memory, log[i + 3][1]) == log[i - 1][1] == log[i + 3][1]
    assert len(read) == 4


def test_state_resumes(small, device):
    run = device.adapter.CupyLoader(small, **OPTIONS)
    batches = iter(run)
    for _ in range(3):
        next(batches)
    want = ff.Loader(small, **OPTIONS)
    want.load_state_dict(run.state_dict())
    for (x, y), (want_x, want_y) in zip(batches, want, strict=True):
        assert np.array_equal(x, want_x) and np.array_equal(y, want_y)


def test_after_a_break_and_after_close_an_epoch_starts_again(small, device):
    loader, want = (
        device.adapter.CupyLoader(small, **OPTIONS),
        ff.Loader(small, **OPTIONS),
    )
    for _ in range(4):
        for (x, _), (want_x, _) in zip(loader, want):
            assert np.array_equal(x, want_x)
            break
    loader.close()
    for (x, _), (want_x, _) in zip(loader, want, strict=True):
        assert np.array_equal(x, want_x)


def test_a_newer_iterator_ends_the_one_before(small, device):
    """A traceback may hold the older iterator, and with it the slots."""
    loader, want = (
        device.adapter.CupyLoader(small, **OPTIONS),
        ff.Loader(small, **OPTIONS),
    )
    before = iter(loader)
    next(before)
    want.set_epoch(1)
    for (x, y), (want_x, want_y) in zip(loader, want, strict=True):
        assert np.array_equal(x, want_x) and np.array_equal(y, want_y)
    with pytest.raises(RuntimeError, match="ended by a newer iterator"):
        next(before)


def test_a_copy_that_fails_keeps_no_slot(small, device, monkeypatch):
    loader, held = device.adapter.CupyLoader(small, **OPTIONS), []

    def fail(memory, source, stream):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(OnDevice, "set", fail)
    for _ in range(2 * len(loader._slots)):
        with pytest.raises(RuntimeError, match="out of memory") as caught:
            list(loader)
        held.append(caught.value)


def test_a_batch_can_be_shown(small, device):
    loader = device.adapter.CupyLoader(small, layout="flat", **OPTIONS)
    plain = ff.Loader(small, layout="flat", **OPTIONS)
    want = plain.show(next(iter(plain)), count=3)
    assert loader.show(next(iter(loader)), count=3) == want


def test_bad_arguments(small, device):
    make = device.adapter.CupyLoader
    with pytest.raises(ValueError, match=r"device 2 is not available: .* only 2 CUDA"):
        make(small, device=2)
    with pytest.raises(TypeError, match="device must be an integer, got 'cuda'"):
        make(small, device="cuda")
    with pytest.raises(
        ValueError, match="dtype must be one of float32, float16, uint8"
    ):
        make(small, dtype="bfloat16")
    with pytest.raises(ValueError, match="batch_size must be in"):
        make(small, 0)
    with pytest.raises(TypeError, match=r"^CupyLoader\(\) got .* mean 'batch_size'"):
        make(small, batchsize=64)
    with pytest.raises(ValueError, match=r"(?s)have Python functions .* training"):
        make(small, augment=[lambda images, labels, rng: (images + 1, labels)])

    def fail():
        raise ZeroDivisionError("cudaErrorInsufficientDriver")

    device.cuda.runtime.getDeviceCount = fail
    with pytest.raises(ValueError, match=r"finds no CUDA device \(cudaErrorInsuff"):
        make(small)


def test_cupy_itself_without_a_device():
    """CuPy has all names of the stand-in."""
    cupy = pytest.importorskip("cupy")
    substitute = Device()
    for name in substitute.cuda.__dict__:
        assert hasattr(cupy.cuda, name)
    for name in ("synchronize", "done", "record"):
        assert hasattr(cupy.cuda.Event, name)
    assert hasattr(cupy.cuda.Stream, "wait_event") and hasattr(cupy.ndarray, "set")
    program = (
        "import fmnist_fast as ff; from fmnist_fast.frameworks.cupy import CupyLoader\n"
        "CupyLoader(ff.synthetic(100, 10)[0])"
    )
    try:
        n_devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        n_devices = 0
    if n_devices:
        pytest.skip("there is a CUDA device")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert b"device 0 is not available: CuPy finds no CUDA device" in done.stderr

"""Memory that a device still uses, for both adapters, on a device that works late."""

import contextlib
import gc
import random
import subprocess
import sys
import threading
import time
import types
import weakref
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from helpers import late_device
from helpers.late_device import Device

import fmnist_fast as ff
from fmnist_fast.frameworks import _in_flight
from fmnist_fast.frameworks._in_flight import IN_FLIGHT, InFlight

OPTIONS = {"batch_size": 8, "shuffle": True, "seed": 5, "threads": 2, "prefetch": 2}
N_BATCHES = 13
DATASET = ff.synthetic(100, 10)[0]


@pytest.fixture(params=["cupy", "torch"])
def loader_for(request):
    """Return a function that gives a class of loaders for a device."""
    if request.param == "torch":
        torch = pytest.importorskip("torch")
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        request.addfinalizer(lambda: torch.set_num_threads(before))
    return getattr(late_device, f"{request.param}_loader")


@lru_cache
def wanted(epoch):
    """Return the batches that a Loader gives."""
    loader = ff.Loader(DATASET, **OPTIONS)
    loader.set_epoch(epoch)
    return list(loader)


def assert_same(batches, expected):
    """Check that batches have the expected bytes."""
    for batch, wanted in zip(batches, expected, strict=True):
        for array, want in zip(map(np.asarray, batch), wanted, strict=True):
            assert array.dtype == want.dtype and array.shape == want.shape
            assert array.tobytes() == want.tobytes()


def an_epoch(loader, device, choice):
    """Take some batches on random streams, and close the loader, or be interrupted."""
    device.n_calls = choice.choice([-1, choice.randint(1, 40)])
    batches, expected = iter(loader), []
    for i in range(choice.choice([0, 3, N_BATCHES])):
        device.current[0] = choice.choice(device.consumers)
        batch = next(batches)
        expected = expected or wanted(loader.epoch)
        assert_same([batch], [expected[i]])
    device.n_calls, end = -1, choice.randrange(4)
    if end == 0:
        loader.loader.close()
    elif end == 1:
        loader.close()
        if device.n_pending:
            device.faults.append("close() did not wait")


def a_life(loader_for, seed, allocates_for_the_consumer=False):
    """Use and delete a loader in a random way. Return the faults of the device."""
    device, choice, held = Device(seed), random.Random(seed), []
    if allocates_for_the_consumer:
        device.pool = device.consumers[0]
    loader = loader_for(device)(DATASET, **OPTIONS)
    for _ in range(choice.randint(1, 4)):
        try:
            an_epoch(loader, device, choice)
        except KeyboardInterrupt as error:
            device.n_calls = -1
            held.append(error)
    batches = iter(loader) if choice.random() < 0.3 else iter(())
    loader.cycle = loader if choice.random() < 0.5 else None
    del loader
    next(batches, None)
    del batches
    held.clear()
    gc.collect()
    if device.n_pending:
        device.faults.append("the deletion did not wait")
    while device.step():
        pass
    if device.most_unread > IN_FLIGHT:
        device.faults.append("the host was too far ahead")
    return device.faults


def test_no_order_of_the_devices_work_spoils_a_batch(loader_for):
    for seed in range(150):
        assert a_life(loader_for, seed) == []


# Each guard of the module, what replaces it, and the fault that then appears.
GUARDS = {
    "the host waits for the reads": (
        "        self.read.synchronize()\n",
        "",
        "the host was too far ahead",
    ),
    "the host waits for copies": (
        "        self.copied.synchronize()\n        self.read",
        "        self.read",
        "the deletion did not wait",
    ),
    "the memory is free": (
        "        buffer.wait()\n        return",
        "        return",
        "memory was written while in use",
    ),
    "a stream takes the place of an event": (
        "buffer.copied, buffer.read = self._stream, consumer",
        "pass",
        "the deletion did not wait",
    ),
    "the consumer waits for the copy": (
        "consumer.wait_event(buffer.copied)",
        "pass",
        "memory was read with another content",
    ),
    "the consumer records its read": (
        "buffer.read = self._recorded(consumer)",
        "buffer.read = self._recorded(self._stream)",
        "memory was written while in use",
    ),
    "slots are kept": (
        "self._lent.append(arrays)",
        "pass",
        "slot was filled before its copy",
    ),
    "a new iterator waits for copies": (
        "                buffer.copied.synchronize()\n",
        "                pass\n",
        "slot was filled before its copy",
    ),
    "close() waits": (
        "                buffer.wait()\n",
        "                pass\n",
        "close() did not wait",
    ),
    "the deletion waits": (
        "guard.ring = self._ring",
        "guard.ring = ()",
        "slot was freed before its copy",
    ),
    "the device is the current one": (
        "        with self._on_device():\n            self._stream",
        "        if True:\n            self._stream",
        "pinned memory was allocated on another device",
    ),
}


@pytest.mark.parametrize("name", GUARDS)
def test_a_missing_guard_is_detected(loader_for, monkeypatch, name):
    """This is the control. Without a guard, the same check must fail."""
    guard, other, fault = GUARDS[name]
    source = Path(_in_flight.__file__).read_text("utf-8")
    assert source.count(guard) == 1
    module = types.ModuleType(_in_flight.__name__)
    module.__package__ = _in_flight.__package__
    exec(source.replace(guard, other), module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert any(fault in a_life(loader_for, seed) for seed in range(300))


def test_memory_that_another_stream_still_uses_is_detected(loader_for):
    """This is a control too. The loader must allocate for its own stream."""
    fault = "memory was written while in use"
    assert any(fault in a_life(loader_for, seed, True) for seed in range(300))


@pytest.fixture
def device():
    """Return a device that works only when the host waits for it."""
    device = Device()
    device.haste = 0
    return device


@pytest.fixture
def loader(loader_for, device):
    return loader_for(device)(DATASET, **OPTIONS)


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("label_dtype", ["int64", "uint8", "onehot"])
def test_batches_equal_the_loaders(loader_for, device, dtype, label_dtype):
    options = OPTIONS | {"dtype": dtype, "label_dtype": label_dtype}
    loader, want = loader_for(device)(DATASET, **options), ff.Loader(DATASET, **options)
    held = [batch for _ in range(2) for batch in loader]
    assert_same(held, [batch for _ in range(2) for batch in want])
    assert device.n_copies == 2 * N_BATCHES and not device.faults


def test_the_host_is_a_few_batches_ahead_of_the_device(loader, device):
    for i, _ in enumerate(loader, 1):
        assert device.n_unread == min(i, IN_FLIGHT)


def test_a_newer_iterator_ends_the_one_before(loader, device):
    before = iter(loader)
    for _ in range(3):
        next(before)
    assert_same(loader, wanted(1))
    with pytest.raises(RuntimeError, match=r"(?s)a newer iterator .* at a time"):
        next(before)
    assert not device.faults


def test_an_epoch_begins_with_the_first_batch(loader):
    batches = iter(loader)
    loader.set_epoch(5)
    first = next(batches)
    loader.set_epoch(7)
    assert_same([first, *batches], wanted(5))
    assert_same(loader, wanted(7))


def test_state_resumes(loader):
    batches = iter(loader)
    for _ in range(3):
        next(batches)
    want = ff.Loader(DATASET, **OPTIONS)
    want.load_state_dict(loader.state_dict())
    assert_same(batches, want)


@pytest.mark.parametrize("inner", [False, True])
def test_an_epoch_after_close(loader, device, inner):
    batches = iter(loader)
    for _ in range(5):
        next(batches)
    assert device.n_pending
    if inner:
        loader.loader.close()
    else:
        loader.close()
        assert not device.n_pending
    with pytest.raises(RuntimeError, match="closed"):
        next(batches)
    assert_same(loader, wanted(1))
    assert not device.faults


def test_the_end_of_a_with_block_waits(loader, device):
    with loader:
        for _ in zip(range(3), loader):
            pass
    assert not device.n_pending


def test_an_iterator_may_outlive_its_loader(loader_for, device):
    batches = iter(loader_for(device)(DATASET, **OPTIONS))
    next(batches)
    gc.collect()
    assert_same(batches, wanted(0)[1:])
    del batches
    assert not device.n_pending and not device.faults


def test_a_loader_is_freed_while_its_batches_are_held(loader_for, device):
    loader = loader_for(device)(DATASET, **OPTIONS)
    feed, held = weakref.ref(loader._feed), [batch for batch in loader]
    del loader
    assert feed() is None and not device.n_pending and not device.faults
    assert_same(held, wanted(0))


def test_a_failing_device_does_not_stop_the_deletion(loader_for, device, monkeypatch):
    loader, unraisable = loader_for(device)(DATASET, **OPTIONS), []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    monkeypatch.setattr(sys, "excepthook", unraisable.append)
    next(iter(loader))

    def fail():
        raise RuntimeError("an illegal memory access was encountered")

    device.called = fail
    with pytest.raises(RuntimeError, match="illegal memory access"):
        loader.close()
    del loader
    assert unraisable == []


@pytest.mark.parametrize("n", range(1, 2 * IN_FLIGHT + 1))
def test_an_interrupt_during_the_deletion_arrives_after_it(loader_for, device, n):
    loader = loader_for(device)(DATASET, **OPTIONS)
    next(iter(loader))
    device.n_calls = n
    with pytest.raises(KeyboardInterrupt):
        del loader
        sum(range(1000))  # Python code, in which the interrupt arrives
    assert not device.n_pending and not device.faults


def test_the_exit_of_the_interpreter_waits():
    program = f"""
import atexit, sys
atexit.register(lambda: print(device.n_pending, device.faults))
sys.path.insert(0, {str(Path(__file__).parent)!r})
import fmnist_fast as ff
from helpers.late_device import Device, cupy_loader
device = Device()
device.haste = 0
loader = cupy_loader(device)(ff.synthetic(100, 10)[0], 8)
batches = iter(loader)
next(batches)
print(device.n_pending)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.split("\n") == ["2", "0 []", ""]
    assert "_in_flight" not in done.stderr


def test_interruptions_keep_no_slot(loader, device):
    """The test keeps more tracebacks than there are slots."""
    held = []
    for n in range(1, 40):
        device.n_calls = n
        with pytest.raises(KeyboardInterrupt) as caught:
            list(loader)
        held.append(caught.value)
    assert len(held) > len(loader._feed._slots)
    loader.set_epoch(7)
    assert_same(loader, wanted(7))
    assert not device.faults


def test_the_traceback_of_a_failed_loop_keeps_no_slot(loader):
    held = []
    for _ in range(4):
        try:
            for _ in loader:
                raise KeyError("in the training step")
        except KeyError as error:
            held.append(error)
    assert len(list(loader)) == N_BATCHES


def in_time(function):
    """Call a function in a thread, and check that it ends."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.parametrize("n", range(1, 14))
def test_a_signal_handler_may_close_the_loader(loader, device, n):
    """The handler runs in the midst of a batch, at the n-th call of the host."""
    calls = iter(range(n))

    def close():
        if next(calls, None) == n - 1:
            loader.close()
            next(calls, None)

    def epochs():
        device.called = close
        with contextlib.suppress(RuntimeError):
            list(loader)
        batches = list(loader)
        assert_same(batches, wanted(loader.epoch - 1))
        checked.append(True)

    checked = []
    in_time(epochs)
    assert checked and not device.faults


def test_another_thread_may_close_the_loader(loader, device):
    """close() waits for the batch that is being sent."""
    inside, copy = threading.Event(), device.copy

    def slow_copy(*arguments):
        inside.set()
        time.sleep(0.05)
        copy(*arguments)

    def iterate():
        with contextlib.suppress(RuntimeError):
            list(loader)

    device.copy = slow_copy
    thread = threading.Thread(target=iterate, daemon=True)
    thread.start()
    assert inside.wait(30)
    in_time(loader.close)
    thread.join(30)
    assert device.n_copies and not device.n_pending and not device.faults


METHODS = {
    "_on_device": 0,
    "_new_stream": 0,
    "_current_stream": 0,
    "_recorded": 1,
    "_new_slot": 1,
    "_new_memory": 1,
    "_copy": 2,
    "_device_dtype": 1,
    "_finished": 2,
}


def test_methods_that_a_derived_class_must_define():
    feed = object.__new__(InFlight)
    for name, n_arguments in METHODS.items():
        with pytest.raises(NotImplementedError):
            getattr(feed, name)(*[None] * n_arguments)
    with pytest.raises(NotImplementedError):
        InFlight(ff.Loader(DATASET), None)


def test_options_that_a_device_does_not_support(loader_for, device):
    function = [lambda images, labels, rng: (images, labels)]
    with pytest.raises(
        ValueError, match=r"functions for a CUDA device, .* on the CPU\.\nCall"
    ):
        loader_for(device)(DATASET, augment=function)
    nbytes = ff.Loader(DATASET, **OPTIONS).slot_nbytes
    memories = [np.empty(nbytes + 64, np.uint8) for _ in range(3)]
    slots = [memory[-memory.ctypes.data % 64 :][:nbytes] for memory in memories]
    with pytest.raises(ValueError, match="slots must be None for a CUDA device"):
        loader_for(device)(DATASET, slots=slots, **OPTIONS)


def test_the_module_needs_no_framework():
    program = (
        "import sys; sys.modules['torch'] = sys.modules['cupy'] = None\n"
        "import fmnist_fast.frameworks._in_flight"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

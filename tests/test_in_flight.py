"""Memory that a device still uses, for both adapters, on a device that works late."""

import gc
import random
import subprocess
import sys
import threading
import types
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from helpers import late_device
from helpers.late_device import Device, Stream

import fmnist_fast as ff
from fmnist_fast.frameworks import _in_flight
from fmnist_fast.frameworks._in_flight import IN_FLIGHT, InFlight

try:
    import torch
except ImportError:
    torch = None

OPTIONS = {"batch_size": 8, "shuffle": True, "seed": 5, "threads": 2, "prefetch": 2}
N_BATCHES = 13
DATASET = ff.synthetic(100, 10)[0]


@pytest.fixture(params=["cupy", "torch"])
def loader_for(request):
    """Return a function that gives a class of loaders for a device."""
    if request.param == "torch":
        if torch is None:
            pytest.skip("PyTorch is not installed")
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
    """Check that batches have the expected values."""
    for (x, y), (want_x, want_y) in zip(batches, expected, strict=True):
        assert np.array_equal(np.asarray(x), want_x)
        assert np.array_equal(np.asarray(y), want_y)


def a_life(loader_class, seed):
    """Use and delete a loader in a random way. Return the faults of the device."""
    device, choice = Device(seed), random.Random(seed)
    streams, held, batches = [*device.current, Stream(device)], [], None
    loader = loader_class(device)(DATASET, **OPTIONS)
    for _ in range(choice.randint(1, 4)):
        device.n_calls = choice.choice([-1, choice.randint(1, 150)])
        try:
            batches = iter(loader)
            expected = wanted(loader.epoch)
            for k in range(choice.choice([0, 3, N_BATCHES])):
                device.current[0] = choice.choice(streams)
                assert_same([next(batches)], [expected[k]])
        except KeyboardInterrupt as error:
            held.append(error)
        device.n_calls, ends = -1, choice.randrange(4)
        if ends == 0:
            loader.close()
            if device.n_pending:
                device.faults.append("close() did not wait")
        elif ends == 1:
            loader.loader.close()
    device.n_calls = -1
    if choice.random() < 0.5 and ends > 1:
        batches = iter(loader)
        del loader
        next(batches)
    else:
        loader.cycle = loader
        del loader
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
        "        staging.wait()\n        return",
        "        return",
        "memory was written while in use",
    ),
    "a stream takes the place of an event": (
        "staging.copied, staging.read = self._stream, consumer",
        "pass",
        "memory was written while in use",
    ),
    "the consumer waits for the copy": (
        "consumer.wait_event(staging.copied)",
        "pass",
        "memory was read with another content",
    ),
    "the consumer records its read": (
        "staging.read = self._recorded(consumer)",
        "staging.read = self._recorded(self._stream)",
        "memory was written while in use",
    ),
    "slots are kept": (
        "self._lent.append((images, labels))",
        "pass",
        "slot was filled before its copy",
    ),
    "a new iterator waits for copies": (
        "                staging.copied.synchronize()\n",
        "                pass\n",
        "slot was filled before its copy",
    ),
    "close() waits": (
        "                staging.wait()\n",
        "                pass\n",
        "close() did not wait",
    ),
    "the deletion waits": (
        "weakref.finalize(self, _wait_for, self._ring)",
        "pass",
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

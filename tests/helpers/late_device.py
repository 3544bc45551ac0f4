"""A device that works late, with stand-ins for CuPy and for PyTorch's CUDA.

Values are computed at once, but each copy and each read runs later, in an order that
respects only streams and events. When one runs, it checks that its memory still has
the content that it is meant for. `Device.faults` lists what went wrong.
"""

import contextlib
import importlib
import random
import sys
import threading
import weakref
from collections import deque
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np


class Device:
    """Streams and memory. `seed` chooses an order of the work, and how late it runs.

    The device may work whenever the host gives it work. With `haste` 0 it works only
    when the host waits.
    """

    def __init__(self, seed=0):
        self.faults, self.lock, self.depth = [], threading.RLock(), 0
        self.memories, self.pinned = {}, {}  # by their addresses
        # n_unread counts reads that were not run, and n_pending reads and copies.
        self.n_copies = self.n_pending = self.n_unread = self.most_unread = 0
        self.random = random.Random(seed)
        self.haste = self.random.choice([0, 0.3, 0.8])
        self.n_calls = -1  # calls of the host until one is interrupted
        self.streams = []
        self.consumers = [Stream(self), Stream(self)]
        self.current = self.consumers[:1]  # the last one is the current stream
        self.pool = None  # stream that memory is allocated for, or the current one

    def step(self):
        """Run the first work of a stream. Return whether there was any."""
        with self.lock:
            ready = [stream for stream in self.streams if stream.is_ready]
            if ready:
                weights = [stream.speed for stream in ready]
                run, _ = self.random.choices(ready, weights)[0].work.popleft()
                run()
            return bool(ready)

    def run_until(self, is_done):
        """Let the host wait."""
        while not is_done():
            assert self.step() or is_done(), "the host waits forever"

    def called(self):
        """Count a call that the host makes. It may be interrupted."""
        self.n_calls -= 1
        if self.n_calls == 0:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def entered(self, *_):
        """Make the device, which takes the number of the device, the current one."""
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    def new_pinned(self, nbytes):
        """Return pinned memory, aligned to 64 bytes."""
        if not self.depth:
            self.faults.append("pinned memory was allocated on another device")
        whole = np.empty(nbytes + 64, np.uint8)
        begin = -whole.ctypes.data % 64
        memory = whole[begin : begin + nbytes]
        self.pinned[memory.ctypes.data] = weakref.ref(whole), begin
        return memory

    def new_memory(self, nbytes):
        """Return memory that the current stream used before, and used last."""
        whole = np.empty(nbytes, np.uint8)
        memory = self.memories[whole.ctypes.data] = Memory()
        weakref.finalize(whole, self._freed, memory).atexit = False
        (self.pool or self.current[-1]).add(lambda: memory.uses.remove(0))
        return whole.view(OnDevice)

    def _freed(self, memory):
        if memory.uses or memory.is_copied_to:
            self.faults.append("memory was freed while in use")

    def copy(self, slot, address, stream):
        """Copy a slot of pinned memory on a stream."""
        self.called()
        memory, (owner, begin) = self.memories[address], self.pinned[slot.ctypes.data]
        sent, before = slot.copy(), memory.uses.copy()
        self.n_copies += 1
        number = memory.intended = self.n_copies
        self.n_pending, memory.is_copied_to = self.n_pending + 1, True

        def copy():
            whole = owner()
            if whole is None:
                self.faults.append("slot was freed before its copy")
            elif not np.array_equal(whole[begin : begin + len(sent)], sent):
                self.faults.append("slot was filled before its copy")
            if before & memory.uses:
                self.faults.append("memory was written while in use")
            memory.content, memory.is_copied_to = number, False
            self.n_pending -= 1

        stream.add(copy)
        self.called()

    def read(self, address):
        """Read memory on the current stream, to make a batch."""
        self.called()
        memory = self.memories[address]
        number = memory.intended
        memory.uses.add(number)
        self.n_pending, self.n_unread = self.n_pending + 1, self.n_unread + 1
        self.most_unread = max(self.most_unread, self.n_unread)

        def read():
            if memory.content != number:
                self.faults.append("memory was read with another content")
            memory.uses.remove(number)
            self.n_pending, self.n_unread = self.n_pending - 1, self.n_unread - 1

        self.current[-1].add(read)
        self.called()

    def reading(self, feed_class):
        """Let the class report its reads. It has a method `_finished`."""
        finished = feed_class._finished

        def reading(feed, pixels, *others):
            self.read(np.asarray(pixels).ctypes.data)
            return finished(feed, pixels, *others)

        feed_class._finished = reading


class Memory:
    """Facts about memory of the device. Copies have numbers from 1."""

    def __init__(self):
        self.content = self.intended = None  # the last copy that ran, the last sent
        self.is_copied_to = False
        self.uses = {0}  # copies that are not read yet; 0 is an earlier use


class Stream:
    """A queue of work, with the methods of CuPy's and of PyTorch's streams."""

    def __init__(self, device):
        self.device, self.work = device, deque()
        self.speed = device.random.choice([1, 10, 100])
        device.streams.append(self)

    @property
    def is_ready(self):
        return bool(self.work) and (self.work[0][1] is None or self.work[0][1].is_set())

    def add(self, run, after=None):
        with self.device.lock:
            self.work.append((run, after))
            while self.device.random.random() < self.device.haste:
                if not self.device.step():
                    break

    def record(self, event):
        self.device.called()
        event.mark = threading.Event()
        self.add(event.mark.set)
        self.device.called()
        return event

    def record_event(self, event=None):
        return self.record(event or Event(self.device))

    def wait_event(self, event):
        self.device.called()
        if event.mark is not None:  # an event that was never recorded orders nothing
            self.add(lambda: None, after=event.mark)

    def synchronize(self):
        self.device.called()
        mark = threading.Event()
        self.add(mark.set)
        self.device.run_until(mark.is_set)

    def __enter__(self):
        self.device.current.append(self)
        return self

    def __exit__(self, *exception):
        self.device.current.pop()


class Event:
    def __init__(self, device):
        self.device, self.mark = device, None

    def record(self, stream):
        stream.record(self)

    def synchronize(self):
        self.device.called()
        if self.mark is not None:
            self.device.run_until(self.mark.is_set)

    def query(self):
        return self.mark is None or self.mark.is_set()

    done = property(query)


class OnDevice(np.ndarray):
    """A CuPy array."""

    def set(self, source, stream):
        self[...] = source
        stream.device.copy(source, self.ctypes.data, stream)


def imported(name, modules):
    """Import a module of fmnist_fast.frameworks as if `modules` were installed."""
    name = f"fmnist_fast.frameworks.{name}"
    with patch.dict(sys.modules, modules):
        sys.modules.pop(name, None)
        return importlib.import_module(name)


def cupy_stand_in(device):
    """Return the parts of CuPy that CupyLoader uses."""
    cuda = SimpleNamespace(
        Device=device.entered,
        Event=lambda **options: Event(device),
        Stream=lambda non_blocking: Stream(device),
        alloc_pinned_memory=device.new_pinned,
        get_current_stream=lambda: device.current[-1],
        runtime=SimpleNamespace(
            getDeviceCount=lambda: 2, CUDARuntimeError=ZeroDivisionError
        ),
    )

    def empty(nbytes, dtype):
        return device.new_memory(nbytes)

    return SimpleNamespace(cuda=cuda, empty=empty, asnumpy=np.asarray)


def cupy_loader(device):
    """Return the class CupyLoader for the device."""
    device.cupy = cupy_stand_in(device)
    module = imported("cupy", {"cupy": device.cupy})
    device.reading(module._Feed)
    return module.CupyLoader


class TorchStandIn:
    """PyTorch with another `cuda` and another `empty`."""

    def __init__(self, device):
        import torch

        class TensorOnDevice(torch.Tensor):
            def copy_(self, source, non_blocking=False):
                super().copy_(source)
                if non_blocking:
                    device.copy(source.numpy(), self.data_ptr(), device.current[-1])
                return self

        def empty(nbytes, *, dtype, device, pin_memory=False):
            if pin_memory:
                return torch.from_numpy(late.new_pinned(nbytes))
            memory = np.asarray(late.new_memory(nbytes))
            return torch.from_numpy(memory).as_subclass(TensorOnDevice)

        late, self._torch, self.empty = device, torch, empty
        self.cuda = SimpleNamespace(
            Event=lambda **options: Event(device),
            Stream=lambda _: Stream(device),
            current_device=lambda: 0,
            current_stream=lambda _: device.current[-1],
            device=device.entered,
            device_count=lambda: 2,
            is_available=lambda: True,
            stream=lambda stream: stream,
        )

    def __getattr__(self, name):
        return getattr(self._torch, name)


def torch_loader(device):
    """Return a function that makes a TorchLoader for the device."""
    modules = {"torch": TorchStandIn(device)}
    cuda, adapter = imported("cuda", modules), imported("torch", modules)
    device.reading(cuda.CudaFeed)

    def loader(*arguments, **options):
        with patch.dict(sys.modules, {cuda.__name__: cuda}):
            return adapter.TorchLoader(*arguments, device="cuda", **options)

    return loader

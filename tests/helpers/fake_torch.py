"""PyTorch's CUDA on `helpers.fake_device`. Tensors of a device are tensors of the CPU.

`install` replaces functions of the real PyTorch, in a process of its own.
"""

import contextlib
import os

import numpy as np
import torch

from helpers.fake_device import FakeDevices


class Stream:
    """A stream as PyTorch shows it: each call makes another object."""

    def __init__(self, own):
        self.own, self.cuda_stream = own, own.handle
        self.device = torch.device("cuda", own.device)

    def __eq__(self, other):
        return self.own is other.own

    def __hash__(self):
        return hash(self.own)

    def wait_stream(self, stream):
        self.own.wait(stream.own.now())

    def wait_event(self, event):
        self.own.wait(event.seen)

    def record_event(self, event=None):
        event = event or Event(self.own.devices)
        event.seen = self.own.now()
        return event

    def synchronize(self):
        self.own.devices.synchronize([self.own])


class Event:
    def __init__(self, devices):
        self.devices, self.seen = devices, {}

    def synchronize(self):
        for stream, n in self.seen.items():
            self.devices.host[stream] = max(self.devices.host.get(stream, 0), n)

    def query(self):
        return True


def index_of(device):
    """Return the number of a device, which may be given in any form."""
    return device if isinstance(device, int) else torch.device(device).index


class FakeTorch:
    """The functions of PyTorch that are replaced."""

    def __init__(self, devices):
        self._devices, self._empty = devices, torch.empty
        self._copy, self._cpu = torch.Tensor.copy_, torch.Tensor.cpu

    def install(self):
        devices, cuda = self._devices, torch.cuda
        cuda.is_available = lambda: devices.process == os.getpid()
        cuda.device_count = lambda: devices.n_devices
        cuda.current_device = lambda: devices.device
        cuda.device = lambda device: devices.entered(index_of(device))
        cuda.current_stream = self._current_stream
        cuda.Stream = lambda device=0: Stream(devices.new_stream(index_of(device)))
        cuda.stream = self._stream
        cuda.Event = lambda **_: Event(devices)
        cuda.synchronize = self._synchronize
        cuda.mem_get_info = self._mem_get_info
        cuda.is_current_stream_capturing = lambda: devices.current().is_capturing
        torch.empty = self._new
        torch.Tensor.record_stream = self._recorded()
        torch.Tensor.copy_ = self._copied()
        torch.Tensor.cpu = self._sent()

    def _current_stream(self, device=None):
        device = None if device is None else index_of(device)
        return Stream(self._devices.current(device))

    @contextlib.contextmanager
    def _stream(self, stream):
        with self._devices.entered(stream.own.device):
            with self._devices.using(stream.own):
                yield

    def _synchronize(self, device=None):
        device = self._devices.device if device is None else index_of(device)
        with self._devices.entered(device):
            self._devices.driver.make_current(device)
            self._devices.synchronize(self._devices.streams_of(device))

    def _mem_get_info(self, device=None):
        device = self._devices.device if device is None else index_of(device)
        total = self._devices.nbytes
        return total - self._devices.used[device], total

    def _new(self, *args, device=None, pin_memory=False, **options):
        if device is None or torch.device(device).type != "cuda":
            return self._empty(*args, device=device, **options)
        like = self._empty(*args, device="meta", **options)
        memory = self._devices.allocate(like.nbytes, index_of(device))
        return torch.from_numpy(memory).view(like.dtype).view(like.shape)

    def _recorded(self):
        def record_stream(tensor, stream):
            self._devices.block(tensor.data_ptr()).recorded.add(stream.own)

        return record_stream

    def _use(self, tensor, writes):
        """Use a tensor on the current stream, if it is on a device."""
        devices, block = self._devices, self._devices.block(tensor.data_ptr())
        if block is None:
            return None
        stream = devices.current(block.stream.device)
        with devices.lock:
            devices.use(tensor.data_ptr(), stream, writes)
        return stream

    def _copied(self):
        def copy_(tensor, source, non_blocking=False):
            streams = self._use(tensor, True), self._use(source, False)
            if any(streams) and not all(streams) and not non_blocking:
                self._devices.synchronize([s for s in streams if s])
            return self._copy(tensor, source)

        return copy_

    def _sent(self):
        def cpu(tensor):
            stream = self._use(tensor, False)
            if stream is not None:
                self._devices.synchronize([stream])
            return self._cpu(tensor).clone()

        return cpu


def install(n_devices=1, nbytes=1 << 28):
    """Give the real PyTorch devices, and return them. `use` works on a tensor."""
    devices = FakeDevices(n_devices, nbytes, torch.OutOfMemoryError)
    fake = FakeTorch(devices)
    fake.install()
    devices.use_tensor = fake._use
    return devices


def arrays_of(batches):
    """Return batches as numpy arrays, with bfloat16 as uint16."""

    def array(tensor):
        if tensor.dtype is torch.bfloat16:
            tensor = tensor.contiguous().view(torch.uint16)
        return np.array(tensor.numpy())

    return [tuple(map(array, batch)) for batch in batches]

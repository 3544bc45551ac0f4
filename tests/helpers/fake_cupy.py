"""CuPy on `helpers.fake_device`. Arrays of a device are numpy arrays.

`install` puts a module `cupy` where the adapter finds it, in a process of its own.
"""

import os
import sys
from types import SimpleNamespace

import numpy as np

from helpers.fake_device import FakeDevices, Fault


class Array(np.ndarray):
    """An array in a device's memory, with the parts of cupy.ndarray in use."""

    devices: FakeDevices

    @property
    def data(self):
        return SimpleNamespace(ptr=self.ctypes.data)

    def set(self, source, stream=None):
        block = self.devices.block(self.ctypes.data)
        if block.stream.device != self.devices.device:
            raise Fault("an array of another device was set")
        stream = (stream or CurrentStream(self.devices)).own
        with self.devices.lock:
            self.devices.outside_of_captures("the host wrote to a device")
            self.devices.use(self.ctypes.data, stream, True)
        self[...] = source


class Event:
    """An event. It belongs to the device that is current when it is made."""

    def __init__(self, devices):
        self.devices, self.device, self.seen = devices, devices.device, {}
        self.done = True

    def synchronize(self):
        for stream, n in self.seen.items():
            self.devices.host[stream] = max(self.devices.host.get(stream, 0), n)


class Stream:
    """A stream with the methods of CuPy's."""

    def __init__(self, own):
        self.own, self.ptr = own, own.handle
        self._entered = []

    def __eq__(self, other):
        return self.ptr == other.ptr

    def __hash__(self):
        return self.ptr

    def _check_device(self):
        if self.own.device != self.own.devices.device:
            raise Fault("cudaErrorInvalidResourceHandle")

    def __enter__(self):
        self._check_device()
        self._entered.append(self.own.devices.using(self.own))
        self._entered[-1].__enter__()
        return self

    def __exit__(self, *exception):
        self._entered.pop().__exit__(*exception)

    def is_capturing(self):
        self._check_device()
        return self.own.is_capturing

    def record(self, event=None):
        event = event or Event(self.own.devices)
        if event.device != self.own.device:
            raise Fault("cudaErrorInvalidResourceHandle")
        event.seen = self.own.now()
        return event

    def wait_event(self, event):
        self._check_device()
        self.own.wait(event.seen)

    def synchronize(self):
        self.own.devices.synchronize([self.own])


def CurrentStream(devices, device=-1):
    """Return the current stream of a device, -1 for the current one."""
    return Stream(devices.current(None if device == -1 else device))


class Device:
    def __init__(self, devices, number):
        self._devices, self.id = devices, number

    def __enter__(self):
        self._entered = self._devices.entered(self.id)
        self._entered.__enter__()
        return self

    def __exit__(self, *exception):
        self._entered.__exit__(*exception)

    def synchronize(self):
        with self:
            self._devices.synchronize(self._devices.streams_of(self.id))


class OutOfMemoryError(MemoryError):
    """As cupy.cuda.memory.OutOfMemoryError."""


class CUDARuntimeError(RuntimeError):
    """As cupy.cuda.runtime.CUDARuntimeError."""


def install(n_devices=1, nbytes=1 << 28):
    """Make the module `cupy`, and return its devices."""
    devices = FakeDevices(n_devices, nbytes, OutOfMemoryError)
    devices.tracks_streams = False  # CuPy's pool does not know who uses an array
    kind = type("ndarray", (Array,), {"devices": devices})

    def empty(shape, dtype):
        dtype = np.dtype(dtype)
        shape = (shape,) if isinstance(shape, int) else shape
        memory = devices.allocate(int(np.prod(shape)) * dtype.itemsize, devices.device)
        return memory.view(dtype).reshape(shape).view(kind)

    def count():
        if devices.process != os.getpid():
            raise CUDARuntimeError("cudaErrorInitializationError")
        return devices.n_devices

    def asnumpy(array):
        devices.synchronize([devices.current()])
        return np.array(array)

    def free_nbytes():
        return devices.nbytes - devices.used[devices.device], devices.nbytes

    def new_pinned(nbytes):
        whole = np.empty(nbytes + 64, np.uint8)
        return whole[-whole.ctypes.data % 64 :][:nbytes]

    runtime = SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        getDeviceCount=count,
        memGetInfo=free_nbytes,
    )
    cuda = SimpleNamespace(
        Device=lambda number: Device(devices, number),
        Event=lambda **_: Event(devices),
        Stream=lambda non_blocking=False: Stream(devices.new_stream(devices.device)),
        alloc_pinned_memory=new_pinned,
        get_current_stream=lambda device=-1: CurrentStream(devices, device),
        runtime=runtime,
    )
    sys.modules["cupy"] = SimpleNamespace(
        cuda=cuda, empty=empty, asnumpy=asnumpy, ndarray=kind
    )
    return devices


def arrays_of(batches):
    """Return batches as numpy arrays."""
    return [tuple(np.array(x) for x in batch) for batch in batches]

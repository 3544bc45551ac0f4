"""Devices on the stand-in for the driver, with memory and streams.

`helpers.fake_torch` and `helpers.fake_cupy` give them the functions of PyTorch and of
CuPy. Work is done at once. A fault that a device would punish raises `Fault`, and is
kept in `faults`: memory of another device, freed memory, a launch without its context,
and use on a stream that did not wait for the stream before, or was not recorded.
"""

import bisect
import contextlib
import ctypes
import os
import threading
import weakref

import numpy as np

from helpers.fake_driver import FakeDriver

LEGACY = 1  # handle of the legacy default stream at the driver
CAPTURED, ILLEGAL_ADDRESS = -1, 700
_SOURCE_WORDS = 32
# Arguments that are addresses, and whether a kernel writes to them.
_ADDRESSES = {
    "start": {0: True, 1: False},
    "plan": {0: False, 1: False, 5: True},
    "fill": {0: False, 1: False, 2: False, 3: True, 4: True},
    "cut": {0: False, 1: False, 2: False, 3: True, 4: True},
    "advance": {0: True},
    "gather": {0: False, 1: False, 6: True},
}
# The words of the struct at argument 1, and how many of them may be addresses
_INNER = {"fill": (_SOURCE_WORDS, (2, 3)), "cut": (_SOURCE_WORDS, (2, 3))}
_INNER["start"] = 8, (0, 1)


class Fault(RuntimeError):
    """An error that a device would punish."""


class Block:
    """Memory of a device. `reads` and `writes` have the last work of each stream."""

    def __init__(self, stream, address, nbytes):
        self.stream, self.address, self.nbytes = stream, address, nbytes
        self.reads, self.writes = {}, {stream: stream.next()}
        self.recorded = {stream}  # streams that the allocator knows


class Stream:
    """A stream. `seen` has the work of other streams that it has waited for."""

    def __init__(self, devices, device, handle):
        self.devices, self.device, self.handle = devices, device, handle
        self.n, self.seen, self.is_capturing = 0, {}, False

    def next(self):
        self.n += 1
        return self.n

    def now(self):
        return self.seen | {self: self.n}

    def has_seen(self, stream, n):
        known = self.seen, self.devices.host
        return stream is self or any(seen.get(stream, 0) >= n for seen in known)

    def wait(self, seen):
        assert not self.is_capturing, "a capture can't wait for work outside of it"
        merge(self.seen, seen)


def merge(seen, more):
    for stream, n in more.items():
        seen[stream] = max(seen.get(stream, 0), n)


class FakeDevices:
    """Devices of `nbytes` each. `no_memory` is the class of errors without memory."""

    def __init__(self, n_devices=1, nbytes=1 << 28, no_memory=MemoryError):
        self.driver, self.lock = FakeDriver(), threading.RLock()
        self.n_devices, self.nbytes, self.no_memory = n_devices, nbytes, no_memory
        self.used, self.host, self.faults = [0] * n_devices, {}, []
        self.blocks, self.addresses = {}, []  # by address; sorted addresses
        self.defaults = [Stream(self, k, 0) for k in range(n_devices)]
        self.process = os.getpid()
        self.streams, self.local = {}, threading.local()
        self.captured, self.capturer = [], None
        self.fails_after = None  # allocations until one fails
        self.tracks_streams = True  # whether memory may be freed while a stream uses it
        self.driver.observe(self._observe)

    # ---- what is current in a thread

    @property
    def device(self):
        return getattr(self.local, "device", 0)

    @contextlib.contextmanager
    def entered(self, device):
        """Make a device the current one, as the runtime of CUDA does.

        A device that is the current one already, such as device 0 in a new thread,
        doesn't get its context.
        """
        if self.process != os.getpid():
            raise RuntimeError("CUDA can't be initialized in a forked child")
        before = self.device
        self._enter(int(device))
        try:
            yield
        finally:
            self._enter(before)

    def _enter(self, device):
        if device != self.device:
            self.local.device = device
            self.driver.make_current(device)

    def current(self, device=None):
        device = self.device if device is None else device
        return self._currents().get(device, self.defaults[device])

    def _currents(self):
        return self.local.__dict__.setdefault("streams", {})

    @contextlib.contextmanager
    def using(self, stream):
        before = self.current(stream.device)
        self._currents()[stream.device] = stream
        try:
            yield stream
        finally:
            self._currents()[stream.device] = before

    def new_stream(self, device):
        handle = 4096 + len(self.streams)
        stream = self.streams[handle] = Stream(self, device, handle)
        return stream

    # ---- memory

    def allocate(self, nbytes, device):
        """Return uint8 memory for the current stream of a device."""
        with self.lock:
            stream = self.current(device)
            self.outside_of_captures("memory was allocated")
            if self.fails_after is not None:
                self.fails_after -= 1
            if self.used[device] + nbytes > self.nbytes or self.fails_after == -1:
                raise self.no_memory("out of memory")
            whole = np.full(max(nbytes, 1), 0xA5, np.uint8)
            block = Block(stream, whole.ctypes.data, nbytes)
            self.used[device] += nbytes
            bisect.insort(self.addresses, block.address)
            self.blocks[block.address] = block
            weakref.finalize(whole, self._free, block).atexit = False
            return whole[:nbytes]

    def _free(self, block):
        with self.lock:
            self.used[block.stream.device] -= block.nbytes
            self.addresses.remove(block.address)
            del self.blocks[block.address]
            for stream, n in [*block.reads.items(), *block.writes.items()]:
                is_over = block.stream.has_seen(stream, n)
                if self.tracks_streams and not is_over and stream not in block.recorded:
                    self.faults.append("memory was freed while a stream uses it")

    def block(self, address):
        """Return the block that has an address, or None."""
        k = bisect.bisect_right(self.addresses, address) - 1
        if k >= 0:
            block = self.blocks[self.addresses[k]]
            if address - block.address < block.nbytes:
                return block
        return None

    def use(self, address, stream, writes):
        """Check that a stream may use memory now, and remember that it does."""
        block = self.block(address)
        if block is None:
            raise Fault("memory was used that is not allocated")
        if block.stream.device != stream.device:
            raise Fault("memory of another device was used")
        before = [*block.writes.items(), *(block.reads.items() if writes else ())]
        if not all(stream.has_seen(*work) for work in before):
            raise Fault("a stream did not wait for the work before")
        (block.writes if writes else block.reads)[stream] = stream.next()

    # ---- launches

    def _observe(self, number):
        with self.lock:
            launch = self.driver.launch(number)
            legacy = launch.stream == LEGACY
            stream = (
                self.defaults[launch.device] if legacy else self.streams[launch.stream]
            )
            if stream.is_capturing:
                self.captured.append(number)
                return CAPTURED
            try:
                self._run(launch, stream)
            except Fault as fault:
                self.faults.append(str(fault))
                return ILLEGAL_ADDRESS
            return 0

    def _run(self, launch, stream):
        if launch.device != stream.device:
            raise Fault("the context of another device was current")
        name = launch.name.removeprefix("fm_kernels_")
        for k, writes in _ADDRESSES[name].items():
            self.use(launch.arguments[k], stream, writes)
        if name == "gather" and launch.arguments[3]:
            self.use(launch.arguments[3], stream, False)  # the values of a column
        # The source has the addresses of the pixels, the labels and the rows, and the
        # sampling that of its table.
        if name in ("fill", "cut", "start"):
            n_words, n_inner = _INNER[name]
            words = (ctypes.c_uint64 * n_words).from_address(launch.arguments[1])
            inner = [w for w in words if (b := self.block(w)) and b.address == w]
            assert len(inner) in n_inner
            for address in inner:
                self.use(address, stream, False)

    # ---- waits and captures

    def outside_of_captures(self, what):
        """Raise an error, as in the mode "global", if any thread captures."""
        if self.capturer is not None:
            self.faults.append(f"{what} in a capture")
            raise Fault("operation not permitted when stream is capturing")

    def synchronize(self, streams):
        """Let the host wait for streams, or for all of a device."""
        with self.lock:
            self.outside_of_captures("the host waited")
            for stream in streams:
                merge(self.host, stream.now())

    def streams_of(self, device):
        return [
            stream
            for stream in (*self.defaults, *self.streams.values())
            if stream.device == device
        ]

    @contextlib.contextmanager
    def capture(self, stream):
        """Capture the launches on a stream. Yield the list of their numbers."""
        self.synchronize(self.streams_of(stream.device))
        with self.lock:
            self.captured, self.capturer = [], threading.get_ident()
            stream.is_capturing = True
        try:
            with self.using(stream):
                yield self.captured
        finally:
            stream.is_capturing, self.capturer = False, None

    def replay(self, numbers):
        """Run captured launches on the current stream."""
        for number in numbers:
            launch = self.driver.launch(number)
            with self.lock:
                self._run(launch, self.current(launch.device))
            self.driver.replay([number])

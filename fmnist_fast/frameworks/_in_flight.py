"""Batches on their way to a device, and the memory that the device still uses.

One copy sends a whole batch as it lies in its slot: pixels as bytes, labels and further
fields. Copies run on a stream of their own, into a ring of `IN_FLIGHT` memories on the
device. The consumer's stream makes the arrays of the batch from there. For each batch:

1. The host waits until the batch that had this memory before was copied and read.
   So its slot and its memory are free, and the host is never more than `IN_FLIGHT`
   batches ahead of the device.
2. The copy stream copies the slot, and records the event `copied`.
3. The consumer's stream waits for `copied`, makes the arrays, and records `read`.

cuda.py and cupy.py share this module, which depends on neither PyTorch nor CuPy.
"""

from __future__ import annotations

import atexit
import math
import threading
import weakref
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import Any

import numpy as np

from .._core import default_floats, uninterrupted
from ..loader import Loader
from ._adapter import AdapterIterator

IN_FLIGHT = 4  # largest number of batches that are sent but not read


class _Buffer:
    """Memory on the device for one batch, and two events of the last batch in it.

    Until an event is recorded, its stream takes its place. So an interruption at any
    point leaves something to wait for.
    """

    def __init__(self, memory: Any, event: Any) -> None:
        self.memory = memory
        self.copied = self.read = event

    def wait(self) -> None:
        self.copied.synchronize()
        self.read.synchronize()


class _Guard(weakref.ref[Any]):
    """Reference to a feed whose memory is freed when the device is done with it."""

    ring: tuple[_Buffer, ...]


_guards: set[_Guard] = set()


@uninterrupted
def _wait(guard: _Guard) -> None:
    """Wait before the memory of a feed is freed. After an error, nothing uses it."""
    for buffer in guard.ring:
        with suppress(Exception):
            buffer.wait()
    _guards.discard(guard)


@atexit.register
@uninterrupted
def _wait_for_all() -> None:
    for guard in _guards.copy():
        _wait(guard)


def _channels_of(loader: Loader) -> list[tuple[Any, np.float32, np.float32]]:
    """Return the part of the images that each scale and bias of a loader are for.

    It is an index of images, whose axes before those of a single image stay whole.
    """
    if not isinstance(loader.scale, tuple):
        return [(..., np.float32(loader.scale), np.float32(loader.bias))]
    n, channels = math.prod(loader.image_sides), range(loader.channels)
    parts: dict[str, list[Any]] = {
        "NCHW": [(..., channel, slice(None), slice(None)) for channel in channels],
        "NHWC": [(..., channel) for channel in channels],
        "flat": [(..., slice(begin * n, (begin + 1) * n)) for begin in channels],
    }
    numbers = map(np.float32, loader.scale), map(np.float32, loader.bias)
    return list(zip(parts[loader.layout], *numbers))


class InFlight:
    """Base class that sends the batches of a CPU loader to a device.

    Pixels are copied as bytes from pinned slots and are normalized on the device. A
    derived class defines only how memory is allocated, how streams are used, and how a
    batch is finished. Its device arrays can be sliced, viewed and reshaped like
    numpy's. Its events and streams have `synchronize()`, and streams `wait_event()`.

    Parameters
    ----------
    plain : Loader
        CPU loader that returns the same batches.
    device : object
        Device that receives the batches.
    """

    @default_floats  # the core rounds the scale and the bias like this too
    def __init__(self, plain: Loader, device: Any) -> None:
        if plain.has_functions:
            raise ValueError(
                "augment must not have Python functions for a CUDA device, because "
                "they change finished batches on the CPU.\nCall the functions in the "
                "training loop, or move the batches of a CPU loader to the device "
                "yourself."
            )
        if plain._slots:
            raise ValueError(
                "slots must be None for a CUDA device, got "
                f"{len(plain._slots)} slots.\nThe loader allocates pinned slots itself."
            )
        self._device = device
        raw: dict[str, Any] = {"dtype": "uint8", "normalize": None}
        nbytes = plain._replace(**raw).slot_nbytes
        # There is a slot for each batch ahead, for each batch in flight, and for the
        # batch that is taken next.
        n_slots = plain.prefetch + IN_FLIGHT + 1
        with self._on_device():
            self._stream = self._new_stream()
            slots = [self._new_slot(nbytes) for _ in range(n_slots)]
            memories = [self._new_memory(nbytes) for _ in range(IN_FLIGHT)]
            event = self._recorded(self._stream)
        self._ring = tuple(_Buffer(memory, event) for memory in memories)
        arrays = [np.asarray(slot) for slot in slots]
        self.loader: Loader = plain._replace(**raw, slots=arrays)
        self._slots = {array.ctypes.data: s for array, s in zip(arrays, slots)}
        self._channels = _channels_of(plain)
        self._n_sent = 0
        # Arrays of the newest batches. They keep the slots from being filled again.
        self._lent: deque[tuple[np.ndarray, ...]] = deque(maxlen=IN_FLIGHT)
        self._newest: Any = lambda: None  # weak reference to the loader's iterator
        # It is reentrant because a signal handler may close the loader.
        self._lock = threading.RLock()
        # `_wait` runs before the slots are freed, and at exit. The ring does not keep
        # this object alive.
        guard = _Guard(self, _wait)
        guard.ring = self._ring
        _guards.add(guard)

    def _on_device(self) -> AbstractContextManager[Any]:
        """Return a context manager that makes the device the current one."""
        raise NotImplementedError

    def _new_stream(self) -> Any:
        raise NotImplementedError

    def _current_stream(self) -> Any:
        raise NotImplementedError

    def _recorded(self, stream: Any) -> Any:
        """Return a new event, recorded on `stream`."""
        raise NotImplementedError

    def _new_slot(self, nbytes: int) -> Any:
        """Return pinned memory that numpy can read as uint8 (nbytes,)."""
        raise NotImplementedError

    def _new_memory(self, nbytes: int) -> Any:
        """Return memory of the device, uint8 (nbytes,), for use by the copy stream.

        It must be allocated for that stream. Otherwise a copy could overtake what
        another stream still does with the same memory.
        """
        raise NotImplementedError

    def _copy(self, slot: Any, memory: Any) -> None:
        """Copy `slot` to `memory` on the copy stream. The host does not wait."""
        raise NotImplementedError

    def _device_dtype(self, dtype: np.dtype) -> Any:
        raise NotImplementedError

    def _finished(self, pixels: Any, *others: Any) -> tuple[Any, ...]:
        """Return the consumer's images and other fields, in memory of their own."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Return an iterator over the next epoch.

        It ends the previous iterator when its first batch is requested.
        """
        return AdapterIterator(self.loader, self.sent)

    def sent(self, loader: Iterable[Any]) -> Generator[tuple[Any, ...]]:
        """Yield the batches of the next epoch of `loader` on the device."""
        batches = self._begin(loader)
        while (batch := self._next_batch(batches)) is not None:
            yield batch
        if batches is not self._newest():
            raise RuntimeError(
                "this iterator was ended by a newer iterator of the same loader.\n"
                "A loader for a CUDA device has one iterator at a time."
            )

    def _begin(self, loader: Iterable[Any]) -> Iterator[Any]:
        """End the previous iterator, and start the next epoch."""
        with self._lock:
            # The previous iterator holds slots that the new one needs. Sometimes only
            # the traceback of a failed loop keeps it alive. It raises RuntimeError if
            # it is used again.
            previous = self._newest()
            if previous is not None:
                previous.close()
            for buffer in self._ring:
                buffer.copied.synchronize()
            self._lent.clear()  # the loader's close() does not release these slots
            batches = iter(loader)
            self._newest = weakref.ref(batches)
            return batches

    def _next_batch(self, batches: Any) -> tuple[Any, ...] | None:
        """Send the next batch, and return it, or None at the end of the epoch."""
        with self._lock, self._on_device():
            buffer = self._free_buffer()
            arrays: Any = next(batches, None)
            if arrays is None:
                return None
            self._n_sent += 1
            try:
                images, consumer = arrays[0], self._current_stream()
                buffer.copied, buffer.read = self._stream, consumer
                address = images.__array_interface__["data"][0]
                self._copy(self._slots[address], buffer.memory)
                buffer.copied = self._recorded(self._stream)
                consumer.wait_event(buffer.copied)
                fields = [buffer.memory[: images.nbytes].reshape(images.shape)]
                for array in arrays[1:]:
                    begin = array.__array_interface__["data"][0] - address
                    values = buffer.memory[begin : begin + array.nbytes]
                    values = values.view(self._device_dtype(array.dtype))
                    fields.append(values.reshape(array.shape))
                batch = self._finished(*fields)
                buffer.read = self._recorded(consumer)
                return batch
            finally:
                self._lent.append(arrays)  # drops the oldest, which are copied
                arrays = images = array = None  # a traceback must not keep the slot

    def _free_buffer(self) -> _Buffer:
        """Return the memory for the next batch, after the device has read it."""
        buffer = self._ring[self._n_sent % IN_FLIGHT]
        buffer.wait()
        return buffer

    def close(self) -> None:
        """Stop the workers, and wait until the device has read all batches."""
        self.loader.close()
        with self._lock:
            for buffer in self._ring:
                buffer.wait()
            self._lent.clear()

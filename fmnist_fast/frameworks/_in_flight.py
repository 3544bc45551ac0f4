"""Batches that a device copies out of slots: which slots it still reads, and for whom.

A batch crosses the bus as it lies in its slot, bytes of pixels and labels in one copy,
on a stream of its own. Streams wait for each other by events, and the host waits for a
copy only before it gives the slot back to be filled again. This is what cuda.py and
cupy.py have in common; it knows neither PyTorch nor CuPy.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from ..loader import Loader

IN_FLIGHT = 4  # batches whose copies may be under way


class InFlight:
    """Base of what sends batches to a device: those of `plain`, a loader for the CPU.

    Pixels are sent as bytes out of pinned slots, and normalized there. A derived class
    says how slots are made and sent, and what becomes of them there. Arrays of the
    device are sliced, viewed and reshaped as numpy's are.
    """

    def __init__(self, plain: Loader) -> None:
        if plain.has_functions:
            raise ValueError(
                "augment has Python functions, which change finished batches on the "
                "CPU: for a CUDA device call them in the training loop, or move the "
                "batches of a loader for the CPU yourself"
            )
        if plain._slots:
            raise ValueError(
                "slots are for the CPU: a CUDA device has slots of its own"
            )
        raw: dict[str, Any] = {"dtype": "uint8", "normalize": None}
        # Slots for batches ahead, for those under way, and for the one taken next.
        n_slots = plain.prefetch + IN_FLIGHT + 1
        slots = self._new_slots(n_slots, plain._replace(**raw).slot_nbytes)
        arrays = [np.asarray(slot) for slot in slots]
        self.loader: Loader = plain._replace(**raw, slots=arrays)
        self._slots = {array.ctypes.data: s for array, s in zip(arrays, slots)}
        # As the loader rounds them.
        self._scale, self._bias = np.float32(plain.scale), np.float32(plain.bias)
        self._copies: deque[tuple[Any, Any]] = deque()  # under way, and what they read
        self._newest: Any = lambda: None  # weak reference to what the loader iterates

    def _new_slots(self, n: int, nbytes: int) -> list[Any]:
        """Return `n` slots of pinned memory, each of which numpy can show as uint8."""
        raise NotImplementedError

    def _sending(self, slot: Any) -> AbstractContextManager[tuple[Any, Any]]:
        """A context that gives a copy of `slot`, uint8 (nbytes,), and its event.

        The event comes when the copy is made; until then `slot` must not change. The
        copy is the consumer's until the context ends.
        """
        raise NotImplementedError

    def _is_copied(self, event: Any) -> bool:
        """Whether the event has come; its `synchronize()` waits for it."""
        raise NotImplementedError

    def _finished(self, pixels: Any, labels: Any) -> tuple[Any, Any]:
        """What the consumer gets, in memory of its own: images and labels."""
        raise NotImplementedError

    def _device_dtype(self, dtype: np.dtype) -> Any:
        return dtype

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        # Takes the next epoch now. Ends the iterator before, which has the slots and
        # may be kept by no more than the traceback of a loop that failed: asked again,
        # it raises RuntimeError.
        before = self._newest()
        if before is not None:
            before.close()
        self._give_back(0)  # close() of the loader leaves these
        batches = iter(self.loader)
        self._newest = weakref.ref(batches)
        return self._sent(batches)

    def _sent(self, batches: Any) -> Iterator[Any]:
        for images, labels in batches:
            try:
                self._give_back(IN_FLIGHT - 1)
                address = images.__array_interface__["data"][0]
                begin = labels.__array_interface__["data"][0] - address
                with self._sending(self._slots[address]) as (copy, copied):
                    self._copies.append((copied, (images, labels)))
                    pixels = copy[: images.nbytes].reshape(images.shape)
                    numbers = copy[begin : begin + labels.nbytes]
                    numbers = numbers.view(self._device_dtype(labels.dtype))
                    batch = self._finished(pixels, numbers.reshape(labels.shape))
            finally:
                del images, labels  # or a traceback would keep the slot
            yield batch
        if batches is not self._newest():
            raise RuntimeError(
                "this iterator was ended by a newer one of the same loader: for a CUDA "
                "device there is one at a time"
            )

    def _give_back(self, n_kept: int) -> None:
        """Let go of slots that were copied; of all but `n_kept`, after waiting."""
        while self._copies:
            copied, _ = self._copies[0]
            if len(self._copies) <= n_kept and not self._is_copied(copied):
                return
            copied.synchronize()
            self._copies.popleft()

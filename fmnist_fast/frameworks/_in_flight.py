"""Batches that a device copies out of slots, and the slots that it still reads.

One copy sends a whole batch as it lies in its slot: pixels as bytes, and labels. The
copies run on a separate stream. Streams wait for each other by events. The host waits
for a copy only before it gives the slot back to be filled again. cuda.py and cupy.py
share this module, which depends on neither PyTorch nor CuPy.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from ..loader import Loader

IN_FLIGHT = 4  # largest number of batches whose copies are under way


class InFlight:
    """Base class that sends the batches of a CPU loader to a device.

    Pixels are copied as bytes from pinned slots and are normalized on the device. A
    derived class defines how slots are allocated and sent, and how a batch is finished
    on the device. Its device arrays can be sliced, viewed and reshaped like numpy's.

    Parameters
    ----------
    plain : Loader
        CPU loader that returns the same batches.
    """

    def __init__(self, plain: Loader) -> None:
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
        raw: dict[str, Any] = {"dtype": "uint8", "normalize": None}
        # There is a slot for each batch ahead, for each copy under way, and for the
        # batch that is taken next.
        n_slots = plain.prefetch + IN_FLIGHT + 1
        slots = self._new_slots(n_slots, plain._replace(**raw).slot_nbytes)
        arrays = [np.asarray(slot) for slot in slots]
        self.loader: Loader = plain._replace(**raw, slots=arrays)
        self._slots = {array.ctypes.data: s for array, s in zip(arrays, slots)}
        # The core rounds both to float32 too.
        self._scale, self._bias = np.float32(plain.scale), np.float32(plain.bias)
        # Events of the copies under way, each with the arrays that the copy reads.
        self._copies: deque[tuple[Any, Any]] = deque()
        self._newest: Any = lambda: None  # weak reference to the loader's iterator

    def _new_slots(self, n: int, nbytes: int) -> list[Any]:
        """Return `n` slots of pinned memory that numpy can read as uint8 (nbytes,)."""
        raise NotImplementedError

    def _sending(self, slot: Any) -> AbstractContextManager[tuple[Any, Any]]:
        """Return a context manager that gives a copy of `slot` and its event.

        The copy is uint8 (nbytes,). `slot` must not change before the event, which
        occurs when the copy is complete. The copy may be used until the context ends.
        """
        raise NotImplementedError

    def _is_copied(self, event: Any) -> bool:
        """Return whether the event has occurred. Its `synchronize()` waits for it."""
        raise NotImplementedError

    def _finished(self, pixels: Any, labels: Any) -> tuple[Any, Any]:
        """Return the consumer's images and labels, outside the memory of the copy."""
        raise NotImplementedError

    def _device_dtype(self, dtype: np.dtype) -> Any:
        return dtype

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Start the next epoch, end the previous iterator, and return a new one."""
        # The previous iterator holds slots that the new one needs. Sometimes only the
        # traceback of a failed loop keeps it alive. It raises RuntimeError if it is
        # used again.
        previous = self._newest()
        if previous is not None:
            previous.close()
        self._give_back(0)  # the loader's close() does not release these slots
        batches = iter(self.loader)
        self._newest = weakref.ref(batches)
        return self._device_batches(batches)

    def _device_batches(self, batches: Any) -> Iterator[Any]:
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
                del images, labels  # otherwise a traceback would keep the slot
            yield batch
        if batches is not self._newest():
            raise RuntimeError(
                "this iterator was ended by a newer iterator of the same loader.\n"
                "A loader for a CUDA device has one iterator at a time."
            )

    def _give_back(self, n_kept: int) -> None:
        """Release copied slots, and wait until at most `n_kept` are being copied."""
        while self._copies:
            copied, _ = self._copies[0]
            if len(self._copies) <= n_kept and not self._is_copied(copied):
                return
            copied.synchronize()
            self._copies.popleft()

"""Batches as CuPy arrays on a CUDA device.

from fmnist_fast.frameworks.cupy import CupyLoader
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._checks import checked_dtype, checked_integer, hinting
from ..dataset import Dataset
from ..loader import Loader
from ._adapter import Adapter, importing
from ._in_flight import IN_FLIGHT, InFlight

_GET = "pip install cupy-cuda12x, or the package for your version of CUDA"
with importing("cupy", f"CuPy: {_GET}"):
    import cupy

_DTYPES = ("float32", "float16", "uint8")


class CupyLoader(InFlight, Adapter):
    """A :class:`fmnist_fast.Loader` whose batches are CuPy arrays.

    Iterating gives ``(images, labels)`` for one epoch; iterating again gives the next.

    Parameters
    ----------
    dataset : Dataset
    batch_size : int
        Of one rank.
    device : int
        Number of the CUDA device.
    dtype : "float32", "float16" or "uint8"
        Of the images. Pixels cross the bus as bytes, out of pinned memory, and are
        normalised and cast on the device.
    **options
        As for Loader: shuffle, seed, normalize, layout, label_dtype, augment,
        drop_last, shard, threads, prefetch.

    Raises
    ------
    TypeError, ValueError
        As Loader; a device that there isn't; Python functions in `augment`.

    Notes
    -----
    Determinism: as Loader; pixels on the device are the same, as float32 to the bit.

    Buffers: arrays are new ones for each batch. They belong to the stream that is
    current when the batch is asked for. A new iterator ends the one before, which
    raises RuntimeError when it is asked again.

    It is tested with a stand-in for CuPy, and has not been run on a device.
    """

    _shown = ("device",)

    @hinting(Loader.__init__)
    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 256,
        *,
        device: int = 0,
        dtype: str = "float32",
        **options: Any,
    ) -> None:
        self.device = _checked_device(device)
        dtype = checked_dtype("dtype", dtype, _DTYPES)
        Adapter.__init__(self, dataset, batch_size=batch_size, dtype=dtype, **options)
        InFlight.__init__(self, self.loader)
        self._dtype = np.dtype(dtype)

    def _new_slots(self, n: int, nbytes: int) -> list[np.ndarray]:
        with cupy.cuda.Device(self.device):
            self._stream = cupy.cuda.Stream(non_blocking=True)
            # Copies go by turns into several pieces of memory on the device. Each is
            # written again when the consumer's stream has read it.
            self._staged = deque(
                (cupy.empty(nbytes, np.uint8), cupy.cuda.Event(disable_timing=True))
                for _ in range(IN_FLIGHT)
            )
        pinned = (cupy.cuda.alloc_pinned_memory(nbytes) for _ in range(n))
        return [np.frombuffer(memory, np.uint8, nbytes) for memory in pinned]

    @contextmanager
    def _sending(self, slot: np.ndarray) -> Iterator[tuple[Any, Any]]:
        self._staged.rotate(-1)
        staged, read = self._staged[0]
        with cupy.cuda.Device(self.device):
            self._stream.wait_event(read)
            staged.set(slot, stream=self._stream)
            copied = cupy.cuda.Event(disable_timing=True)
            copied.record(self._stream)
            consumer = cupy.cuda.get_current_stream()
            consumer.wait_event(copied)
            try:
                yield staged, copied
            finally:
                read.record(consumer)

    def _is_copied(self, event: Any) -> bool:
        return bool(event.done)

    def _finished(self, pixels: Any, labels: Any) -> tuple[Any, Any]:
        """On the current stream: normalised and cast, in memory of their own."""
        if self._dtype == np.uint8:
            return pixels.copy(), labels.copy()
        images = pixels.astype(np.float32)
        images *= self._scale
        images += self._bias
        return images.astype(self._dtype, copy=False), labels.copy()

    def _array(self, array: Any) -> np.ndarray:
        return cupy.asnumpy(array)


def _checked_device(device: int) -> int:
    device = checked_integer("device", device, 0, 2**31 - 1)
    n_devices, why = 0, ""
    try:
        n_devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        why = f": {error}"
    if device >= n_devices:
        there_are = f"only {n_devices} CUDA devices" if n_devices else "no CUDA device"
        raise ValueError(
            f"device {device} was asked for, but CuPy finds {there_are}{why}"
        )
    return device

"""CuPy arrays on a CUDA device, copied from pinned slots.

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

_INSTALL = "pip install cupy-cuda12x, or install the package for your CUDA version"
with importing("cupy", f"CuPy. Run: {_INSTALL}"):
    import cupy

_DTYPES = ("float32", "float16", "uint8")


class CupyLoader(InFlight, Adapter):
    """Batches of a dataset as CuPy arrays on a CUDA device.

    It works like :class:`fmnist_fast.Loader`: each iteration yields ``(images,
    labels)`` for one epoch, and the next iteration yields the next epoch.

    Parameters
    ----------
    dataset : Dataset
        Dataset to take the samples from.
    batch_size : int in 1..2**40, default 256
        Rows of a batch, for one rank.
    device : int in 0..2**31-1, default 0
        Number of the CUDA device.
    dtype : {"float32", "float16", "uint8"}, default "float32"
        Data type of the images. Pixels are copied as bytes from pinned memory, and are
        normalized and cast on the device. Transforms still run on the CPU.
    **options
        Keyword arguments of `Loader`: shuffle, shuffle_block, seed, normalize, layout,
        label_dtype, augment, drop_last, shard, threads, prefetch.

    Attributes
    ----------
    loader : Loader
        Loader that fills the pinned slots with uint8 pixels.
    device : int
        Number of the CUDA device.

    Raises
    ------
    TypeError
        An argument has a wrong type, as for `Loader`.
    ValueError
        An argument has a wrong value, as for `Loader`; CuPy finds no such device; or
        `augment` has Python functions.

    Notes
    -----
    Determinism: The batches of `Loader` with the same options have the same values.
    On the device, float32 pixels are the same to the bit.

    Thread safety: Use an iterator in one thread at a time. A new iterator ends the
    previous one, which raises RuntimeError when it is used again.

    Buffers: Each batch gets new arrays. They belong to the stream that is current when
    the batch is requested.

    This adapter is tested with a stand-in for CuPy. It has not been run on a CUDA
    device yet.
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
            # Copies alternate between several buffers on the device. A buffer is
            # written again only after the consumer's stream has read it.
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
        """Normalize and cast on the current stream, into new arrays."""
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
    n_devices, reason = 0, ""
    try:
        n_devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        reason = f" ({error})"
    if device >= n_devices:
        devices = f"only {n_devices} CUDA devices" if n_devices else "no CUDA device"
        raise ValueError(
            f"device {device} is not available: CuPy finds {devices}{reason}.\n"
            "Choose another device, or check the CUDA driver with nvidia-smi."
        )
    return device

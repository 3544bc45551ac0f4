"""CuPy arrays on a CUDA device, copied from pinned slots.

from fmnist_fast.frameworks.cupy import CupyLoader
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from .._checks import checked_dtype, checked_integer, hinting
from ..dataset import Dataset
from ..loader import Loader
from ._adapter import Adapter, importing
from ._in_flight import InFlight

_INSTALL = "pip install cupy-cuda12x, or install the package for your CUDA version"
with importing("cupy", f"CuPy. Run: {_INSTALL}"):
    import cupy

_DTYPES = ("float32", "float16", "uint8")


class CupyLoader(Adapter):
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
    the batch is requested. A request waits until the device has read the batch that
    came four batches earlier. `close`, and the deletion of the loader, wait until the
    device has read all batches.

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
        super().__init__(dataset, batch_size=batch_size, dtype=dtype, **options)
        self._feed = _Feed(self.loader, self.device)
        self.loader = self._feed.loader

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Return an iterator over the images and labels of the next epoch."""
        return iter(self._feed)

    def _array(self, array: Any) -> np.ndarray:
        return cupy.asnumpy(array)


class _Feed(InFlight):
    """Batches of a loader as CuPy arrays on the device with number `device`."""

    def __init__(self, plain: Loader, device: int) -> None:
        super().__init__(plain, device)
        self._dtype = np.dtype(plain.dtype)

    def _on_device(self) -> AbstractContextManager[Any]:
        return cupy.cuda.Device(self._device)

    def _new_stream(self) -> Any:
        return cupy.cuda.Stream(non_blocking=True)

    def _current_stream(self) -> Any:
        return cupy.cuda.get_current_stream()

    def _recorded(self, stream: Any) -> Any:
        # The host sleeps while it waits. Otherwise it would take a core from workers.
        return stream.record(cupy.cuda.Event(block=True, disable_timing=True))

    def _new_slot(self, nbytes: int) -> np.ndarray:
        memory = cupy.cuda.alloc_pinned_memory(nbytes)
        return np.frombuffer(memory, np.uint8, nbytes)

    def _new_memory(self, nbytes: int) -> Any:
        with self._stream:
            return cupy.empty(nbytes, np.uint8)

    def _copy(self, slot: np.ndarray, memory: Any) -> None:
        memory.set(slot, stream=self._stream)

    def _device_dtype(self, dtype: np.dtype) -> np.dtype:
        return dtype

    def _finished(self, pixels: Any, labels: Any) -> tuple[Any, Any]:
        """Normalize and cast on the current stream, into new arrays."""
        if self._dtype == np.uint8:
            return pixels.copy(), labels.copy()
        images = pixels.astype(np.float32)
        images *= self._scale
        images += self._bias
        return images.astype(self._dtype, copy=False), labels.copy()


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

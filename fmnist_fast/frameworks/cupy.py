"""Batches as CuPy arrays on a CUDA device.

from fmnist_fast.frameworks.cupy import CupyLoader

A batch crosses the bus as it lies in its slot, bytes of pixels and labels in one copy,
on a stream of its own, as in cuda.py for PyTorch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from .._checks import checked_dtype, checked_integer, hinting
from .._loader.options import scale_and_bias
from ..dataset import Dataset
from ..loader import Loader
from ._adapter import Adapter
from ._in_flight import IN_FLIGHT, InFlight, slots_needed

try:
    import cupy
except ModuleNotFoundError as error:
    if error.name != "cupy":
        raise
    raise ImportError(
        "fmnist_fast.frameworks.cupy needs CuPy: pip install cupy-cuda12x, or the "
        "package for your version of CUDA"
    ) from None

_DTYPES = ("float32", "float16", "uint8")
Batch = tuple[Any, Any]


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
        self._options = {"batch_size": batch_size, "dtype": dtype, **options}
        plain = Loader(dataset, **self._options)  # checks the options
        if plain.has_functions:
            raise ValueError(
                "augment has Python functions, which change finished batches on the "
                "CPU: call them in the training loop"
            )
        scale, bias = scale_and_bias(options.get("normalize", "auto"), dtype, dataset)
        self._scale, self._bias = np.float32(scale), np.float32(bias)
        self._dtype = np.dtype(dtype)
        raw = {**self._options, "dtype": "uint8", "normalize": None}
        nbytes = Loader(dataset, **raw).slot_nbytes
        self._streams = Streams(self.device, nbytes, IN_FLIGHT)
        slots = [self._streams.slot() for _ in range(slots_needed(plain.prefetch))]
        super().__init__(
            Loader(dataset, **raw, slots=slots),
            {slot.ctypes.data: slot for slot in slots},
        )

    def __iter__(self) -> Iterator[Batch]:
        return self._next_epoch()

    def _sending(self, slot: np.ndarray) -> AbstractContextManager[tuple[Any, Any]]:
        return self._streams.sent(slot)

    def _is_copied(self, event: Any) -> bool:
        return bool(event.done)

    def _finished(self, pixels: Any, labels: Any) -> Batch:
        """On the current stream: normalised and cast, in memory of their own."""
        if self._dtype == np.uint8:
            return pixels.copy(), labels.copy()
        images = pixels.astype(np.float32)
        images *= self._scale
        images += self._bias
        return images.astype(self._dtype, copy=False), labels.copy()

    def _array(self, labels: Any) -> np.ndarray:
        return cupy.asnumpy(labels)

    def _loader_of_arrays(self) -> Loader:
        return Loader(self.loader.dataset, **self._options)  # which normalises itself

    def __repr__(self) -> str:
        return f"CupyLoader({self.loader!r}, device={self.device})"


class Streams:
    """Pinned slots, and copies of them to a device on a stream of their own.

    Copies go by turns into `n_staged` pieces of memory on the device, each of which
    is written again when the consumer's stream has read it.
    """

    def __init__(self, device: int, nbytes: int, n_staged: int) -> None:
        self._device, self._nbytes = device, nbytes
        with cupy.cuda.Device(device):
            self._stream = cupy.cuda.Stream(non_blocking=True)
            self._staged = deque(
                (cupy.empty(nbytes, np.uint8), cupy.cuda.Event(disable_timing=True))
                for _ in range(n_staged)
            )

    def slot(self) -> np.ndarray:
        """Pinned memory for a batch."""
        memory = cupy.cuda.alloc_pinned_memory(self._nbytes)
        return np.frombuffer(memory, np.uint8, self._nbytes)

    @contextmanager
    def sent(self, slot: np.ndarray) -> Iterator[tuple[Any, Any]]:
        """A context that gives a copy of `slot`, and the event after which it is made.

        What is done with the copy inside the context, on the current stream, comes
        after the event, which the host does not wait for.
        """
        self._staged.rotate(-1)
        staged, read = self._staged[0]
        with cupy.cuda.Device(self._device):
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


def _checked_device(device: int) -> int:
    device = checked_integer("device", device, 0, 2**31 - 1)
    try:
        n_devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise ValueError(
            f"device {device} was asked for, but CuPy finds no CUDA device: {error}"
        ) from None
    if device >= n_devices:
        raise ValueError(
            f"device {device} was asked for, but there are only {n_devices} CUDA "
            "devices"
        )
    return device

"""CuPy arrays on a CUDA device, copied from pinned slots or made there.

from fmnist_fast.frameworks.cupy import CupyLoader
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Literal

import numpy as np

from .._checks import checked_dtype, checked_flag, checked_integer, hinting
from .._device.cuda import check_process, cuda_kernels
from .._device.machine import Machine
from ..dataset import Dataset
from ..loader import Loader
from ._adapter import Adapter, AdapterIterator, importing
from ._in_flight import InFlight
from ._resident import (
    ResidentLoader,
    as_they_are,
    checked_resident,
    new_loader,
    resident_with_buffers,
)

_INSTALL = "pip install cupy-cuda12x, or install the package for your CUDA version"
with importing("cupy", f"CuPy. Run: {_INSTALL}"):
    import cupy

_DTYPES = ("float32", "float16", "uint8")  # CuPy has no bfloat16


class CupyLoader(Adapter):
    """Batches of a dataset as CuPy arrays on a CUDA device.

    It works like :class:`fmnist_fast.Loader`: each iteration yields ``(images,
    labels)`` for one epoch, and the next iteration yields the next epoch. `with_index`
    and `columns` add arrays of one dimension.

    Parameters
    ----------
    dataset : Dataset
        Dataset to take the samples from.
    batch_size : int in 1..2**40, default 256
        Rows of a batch, for one rank.
    device : int in 0..2**31-1, default 0
        Number of the CUDA device.
    dtype : {"float32", "float16", "uint8"}, default "float32"
        Data type of the images. Without `resident`, pixels are copied as bytes from
        pinned memory, and are normalized and cast on the device. Transforms then run on
        the CPU.
    fixed_buffers : bool, default False
        Whether every batch is written to the same arrays, which `buffers` returns. It
        requires `resident`, and batches of one size.
    resident : bool or "auto", default False
        Whether the dataset lies in the device's memory, where kernels augment it, as
        `TorchLoader` describes.
    **options
        Keyword arguments of `Loader`: shuffle, shuffle_block, seed, normalize, layout,
        label_dtype, augment, drop_last, shard, threads, prefetch, weights, order,
        repeats, steps, augment_seed, with_index, columns, views, channels.

    Attributes
    ----------
    loader : Loader
        Loader that fills the batches. Without `resident`, its pixels are uint8, in
        pinned slots.
    device : int
        Number of the CUDA device.
    fixed_buffers, resident : bool
        The arguments in use.

    Raises
    ------
    TypeError
        An argument has a wrong type, as for `Loader`.
    ValueError
        An argument has a wrong value, as for `Loader`; CuPy finds no such device; or
        `augment` has Python functions.
    ImportError, RuntimeError, MemoryError
        `resident` is True, for the reasons that `TorchLoader` names.

    Notes
    -----
    Determinism: The batches of `Loader` with the same options have the same values.
    On the device, float32 pixels are the same to the bit.

    Thread safety: Use an iterator in one thread at a time. Without `resident`, or with
    `fixed_buffers`, a new iterator ends the previous one, which raises RuntimeError
    when it is used again.

    Buffers: Each batch gets new arrays, unless `fixed_buffers` is True. They belong to
    the stream that is current when the batch is requested. Without `resident`, a
    request waits until the device has read the batch that came four batches earlier.
    `close`, and the deletion of the loader, then wait until the device has read all
    batches.

    Resident batches: `TorchLoader` describes them. CuPy does not know which streams use
    an array. Keep the loader and a batch until all streams except the first have used
    them.

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
        fixed_buffers: bool = False,
        resident: Literal[True, False, "auto"] = False,
        **options: Any,
    ) -> None:
        resident = checked_resident(resident)
        self.device = _checked_device(device)
        self.fixed_buffers = checked_flag("fixed_buffers", fixed_buffers)
        machine = functools.partial(CupyMachine, self.device)
        kind = functools.partial(new_loader, resident, machine, self.fixed_buffers)
        options |= {"dtype": checked_dtype("dtype", dtype, _DTYPES)}
        super().__init__(dataset, kind, batch_size=batch_size, **options)
        self.resident = isinstance(self.loader, ResidentLoader)
        if not self.resident:
            if self.fixed_buffers:
                raise ValueError(
                    f"fixed_buffers=True requires resident=True, got {resident!r}"
                )
            self._feed = _Feed(self.loader, self.device)
            self.loader = self._feed.loader

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Return an iterator over the batches of the next epoch."""
        if self._feed is not None:
            return iter(self._feed)
        return AdapterIterator(self.loader, as_they_are)

    @property
    def buffers(self) -> tuple[Any, ...]:
        """Return the arrays of every batch, as `TorchLoader.buffers` does."""
        return resident_with_buffers(self.loader, "buffers").buffers

    def fill(self) -> tuple[Any, ...]:
        """Make the next batch in `buffers`, as `TorchLoader.fill` does."""
        return resident_with_buffers(self.loader, "fill").fill()

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

    def _finished(self, pixels: Any, *others: Any) -> tuple[Any, ...]:
        """Normalize and cast on the current stream, into new arrays."""
        copies = [values.copy() for values in others]
        if self._dtype == np.uint8:
            return pixels.copy(), *copies
        images = pixels.astype(np.float32)
        for channel, scale, bias in self._channels:
            values = images[channel]
            values *= scale
            values += bias
        return images.astype(self._dtype, copy=False), *copies


class CupyMachine(Machine):
    """The CUDA device with number `device`, whose arrays are CuPy's."""

    def __init__(self, device: int) -> None:
        self.name, self._device = f"cuda:{device}", device

    def __reduce__(self) -> Any:
        """Return how to make the machine in another process."""
        return CupyMachine, (self._device,)

    def check(self) -> None:
        """Load the kernels, or raise an error."""
        with self.on_device():
            self._kernels = cuda_kernels(self._device)

    def on_device(self) -> AbstractContextManager[Any]:
        """Return a context manager that makes the device the current one."""
        check_process()
        return cupy.cuda.Device(self._device)

    def stream(self) -> Any:
        """Return the device's current stream of CuPy."""
        return cupy.cuda.get_current_stream(self._device)

    def is_capturing(self) -> bool:
        """Return whether the current stream captures a graph."""
        with self.on_device():
            return bool(self.stream().is_capturing())

    def follow(self, stream: Any, earlier: Any, arrays: tuple[Any, ...]) -> None:
        """Let `stream` wait for all work of `earlier`.

        CuPy's memory pool does not know that `stream` uses the arrays too.
        """
        with self.on_device():  # the event is made there
            stream.wait_event(earlier.record())

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Return an array for use on the current stream."""
        return cupy.empty(shape, dtype)

    def address(self, array: Any) -> int:
        """Return the address of the first byte of an array."""
        return int(array.data.ptr)

    def write(self, array: Any, begin: int, data: np.ndarray) -> None:
        """Copy uint8 `data` to a uint8 array from `begin` on. The host waits."""
        array[begin : begin + len(data)].set(data)
        self.stream().synchronize()

    def read(self, array: Any) -> np.ndarray:
        """Return a uint8 array as an array of the host, after all work."""
        cupy.cuda.Device(self._device).synchronize()
        return cupy.asnumpy(array)

    def free_nbytes(self) -> tuple[int, int]:
        """Return the free and all bytes of the device's memory."""
        return cupy.cuda.runtime.memGetInfo()

    def launch(self, name: str, stream: Any, *numbers: int) -> None:
        """Launch a kernel; see `Machine`."""
        self._kernels.launch(name, stream.ptr, *numbers)


def _checked_device(device: int) -> int:
    device = checked_integer("device", device, 0, 2**31 - 1)
    n_devices, reason = 0, ""
    try:
        n_devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        reason = f" ({error})"
    if device >= n_devices:
        check_process()  # CuPy finds no device in a forked child
        devices = f"only {n_devices} CUDA devices" if n_devices else "no CUDA device"
        raise ValueError(
            f"device {device} is not available: CuPy finds {devices}{reason}.\n"
            "Choose another device, or check the CUDA driver with nvidia-smi."
        )
    return device

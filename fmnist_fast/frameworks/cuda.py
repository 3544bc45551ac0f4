"""PyTorch tensors on a CUDA device, copied from pinned slots or made there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch

from .._device.cuda import CudaKernels, check_process, cuda_kernels
from .._device.machine import Machine
from .._loader.places import Place
from ..loader import Loader
from ._in_flight import InFlight
from ._resident import check_equal_batches


class CudaFeed(InFlight):
    """Batches of a loader as PyTorch tensors on a CUDA device.

    `TorchLoader` uses this class for a CUDA device. Each iteration yields the next
    epoch's batches: images, labels, and the fields that options add.

    Parameters
    ----------
    plain : Loader
        CPU loader that returns the same batches. Its dtype becomes the dtype of the
        images on the device.
    device : torch.device
        CUDA device that receives the batches.
    fixed_buffers : bool, default False
        Whether every batch is written to the same tensors.

    Attributes
    ----------
    loader : Loader
        Loader that fills the slots with uint8 pixels. It has the epoch and the state.

    Raises
    ------
    ValueError
        `augment` of `plain` has Python functions, `plain` has slots, or `fixed_buffers`
        is True and the last batch of an epoch would be short.

    Notes
    -----
    Determinism: The images and labels have the values that `plain` returns.

    Thread safety: Use an iterator in one thread at a time. A new iterator ends the
    previous one, which raises RuntimeError when it is used again.

    Buffers: Each batch gets new tensors, unless `fixed_buffers` is True. They belong to
    the stream that is current when the batch is requested. A request waits until the
    device has read the batch that came four batches earlier. `close`, and the deletion
    of the object, wait until the device has read all batches. With `fixed_buffers`, a
    short batch raises RuntimeError. An epoch that is resumed at a position that is not
    a multiple of the global batch size can end in a short batch.
    """

    def __init__(
        self, plain: Loader, device: torch.device, fixed_buffers: bool = False
    ) -> None:
        if fixed_buffers:
            check_equal_batches(plain, Place(0))
        super().__init__(plain, device)
        self._dtype, self._fixed_buffers = getattr(torch, plain.dtype), fixed_buffers
        self._buffers: tuple[torch.Tensor, ...] | None = None

    def _on_device(self) -> AbstractContextManager[Any]:
        return torch.cuda.device(self._device)

    def _new_stream(self) -> Any:
        return torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]

    def _current_stream(self) -> Any:
        return torch.cuda.current_stream(self._device)

    def _recorded(self, stream: Any) -> Any:
        # The host sleeps while it waits. Otherwise it would take a core from workers.
        event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        return stream.record_event(event)

    def _new_slot(self, nbytes: int) -> torch.Tensor:
        # `device` overrides torch.set_default_device.
        return torch.empty(nbytes, dtype=torch.uint8, device="cpu", pin_memory=True)

    def _new_memory(self, nbytes: int) -> torch.Tensor:
        # PyTorch does not let other code change tensors of inference mode.
        with torch.cuda.stream(self._stream), torch.inference_mode(False):
            return torch.empty(nbytes, dtype=torch.uint8, device=self._device)

    def _copy(self, slot: torch.Tensor, memory: torch.Tensor) -> None:
        with torch.cuda.stream(self._stream):
            memory.copy_(slot, non_blocking=True)

    def _device_dtype(self, dtype: np.dtype) -> torch.dtype:
        return torch.from_numpy(np.empty(0, dtype)).dtype

    def _finished(
        self, pixels: torch.Tensor, *others: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Normalize and cast on the consumer's stream, into new or fixed tensors."""
        images = pixels
        if self._dtype is not torch.uint8:
            images = pixels.to(torch.float32)
            for channel, scale, bias in self._channels:
                images[channel].mul_(float(scale)).add_(float(bias))
            images = images.to(self._dtype)
        if not self._fixed_buffers:
            images = images.clone() if images is pixels else images
            return images, *(values.clone() for values in others)
        rows, n = self.loader.batch_size, images.shape[len(self.loader._view_axes[0])]
        if n != rows:  # copy_ would broadcast a batch of one row to all rows
            raise RuntimeError(
                f"fixed_buffers hold {rows} rows, but this batch has {n}.\n"
                "The epoch was resumed at a position that is not a multiple of the "
                "global batch size. Pass drop_last=True to leave out the short batch."
            )
        if self._buffers is None:
            # PyTorch does not let training change tensors of inference mode.
            with torch.inference_mode(False):
                self._buffers = tuple(map(torch.empty_like, (images, *others)))
        for memory, values in zip(self._buffers, (images, *others)):
            memory.copy_(values)
        return self._buffers


class TorchMachine(Machine):
    """A CUDA device whose arrays are PyTorch tensors on the current stream.

    Parameters
    ----------
    device : torch.device
        CUDA device with its index.
    channels_last : bool
        Whether batches have the memory format channels_last. Arrays are then NHWC.
    """

    def __init__(self, device: torch.device, channels_last: bool) -> None:
        self.name, self._device = str(device), device
        self._channels_last = channels_last
        self._kernels: CudaKernels | None = None

    def __reduce__(self) -> Any:
        """Return how to make the machine in another process."""
        return TorchMachine, (self._device, self._channels_last)

    def check(self) -> None:
        """Load the kernels, or raise an error."""
        with self.on_device():
            self._kernels = cuda_kernels(self._device.index)

    def on_device(self) -> AbstractContextManager[Any]:
        """Return a context manager that makes the device the current one."""
        check_process()
        return torch.cuda.device(self._device)

    def stream(self) -> Any:
        """Return the current stream of PyTorch."""
        return torch.cuda.current_stream(self._device)

    def is_capturing(self) -> bool:
        """Return whether the current stream captures a graph."""
        with self.on_device():
            return torch.cuda.is_current_stream_capturing()

    def follow(self, stream: Any, earlier: Any, arrays: tuple[Any, ...]) -> None:
        """Let `stream` wait for all work of `earlier`, and use its arrays."""
        stream.wait_stream(earlier)
        for array in arrays:
            if array is not None:
                array.record_stream(stream)

    def empty(self, shape: tuple[int, ...], dtype: str) -> torch.Tensor:
        """Return a tensor, which training may use even if it is made in inference."""
        with torch.inference_mode(False):
            return torch.empty(shape, dtype=getattr(torch, dtype), device=self._device)

    def address(self, array: torch.Tensor) -> int:
        """Return the address of the first byte of a tensor."""
        return array.data_ptr()

    def write(self, array: torch.Tensor, begin: int, data: np.ndarray) -> None:
        """Copy uint8 `data` to a uint8 tensor from `begin` on. The host waits."""
        array[begin : begin + len(data)].copy_(torch.from_numpy(data))

    def read(self, array: torch.Tensor) -> np.ndarray:
        """Return a uint8 tensor as an array of the host, after all work."""
        torch.cuda.synchronize(self._device)
        return array.cpu().numpy()

    def free_nbytes(self) -> tuple[int, int]:
        """Return the free and all bytes of the device's memory."""
        return torch.cuda.mem_get_info(self._device)

    def split(
        self, arrays: tuple[torch.Tensor, ...], rows: int
    ) -> Iterator[tuple[torch.Tensor, ...]]:
        """Return an iterator over batches, `rows` rows each, that share the memory."""
        return zip(*(torch.split(array, rows) for array in arrays))

    def laid_out(
        self, batches: Iterator[tuple[torch.Tensor, ...]]
    ) -> Iterator[tuple[torch.Tensor, ...]]:
        """Return batches with channels before rows of pixels, in any memory format."""
        if not self._channels_last:
            return batches
        return ((images.movedim(-1, -3), *others) for images, *others in batches)

    def launch(self, name: str, stream: Any, *numbers: int) -> None:
        """Launch a kernel; see `Machine`."""
        assert self._kernels is not None  # since `check`
        self._kernels.launch(name, stream.cuda_stream, *numbers)

"""PyTorch tensors on a CUDA device, copied from pinned slots."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch

from ..loader import Loader
from ._in_flight import InFlight


class CudaFeed(InFlight):
    """Batches of a loader as PyTorch tensors on a CUDA device.

    `TorchLoader` uses this class for a CUDA device. Use it directly only to supply your
    own streams. Each iteration yields ``(images, labels)`` for the next epoch.

    Parameters
    ----------
    plain : Loader
        CPU loader that returns the same batches. Its dtype becomes the dtype of the
        images on the device.
    device : torch.device
        CUDA device that receives the batches.
    fixed_buffers : bool, default False
        Whether every batch is written to the same two tensors.
    streams : object, optional
        Object with the methods of :class:`CudaStreams`, which allocates the slots and
        sends them. By default, a `CudaStreams` of `device`.

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

    Buffers: Each batch gets new tensors, unless `fixed_buffers` is True. With
    `fixed_buffers`, a short batch raises RuntimeError. An epoch that is resumed at a
    position that is not a multiple of the global batch size can end in a short batch.
    """

    def __init__(
        self,
        plain: Loader,
        device: torch.device,
        fixed_buffers: bool = False,
        streams: Any = None,
    ) -> None:
        n, rows = len(plain.dataset), plain.batch_size * plain.world
        if fixed_buffers and n % rows and not plain.drop_last:
            raise ValueError(
                f"fixed_buffers=True requires batches of one size, but {n} images are "
                f"not a multiple of {rows}.\nPass drop_last=True or drop_last='wrap'."
            )
        self._device, self._streams = device, streams
        super().__init__(plain)
        self._dtype, self._fixed_buffers = getattr(torch, plain.dtype), fixed_buffers
        self._buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    def _new_slots(self, n: int, nbytes: int) -> list[torch.Tensor]:
        if self._streams is None:
            self._streams = CudaStreams(self._device)
        return [self._streams.slot(nbytes) for _ in range(n)]

    def _sending(self, slot: torch.Tensor) -> AbstractContextManager[tuple[Any, Any]]:
        return nullcontext(self._streams.send(slot))

    def _is_copied(self, event: Any) -> bool:
        return bool(event.query())

    def _device_dtype(self, dtype: np.dtype) -> torch.dtype:
        return torch.from_numpy(np.empty(0, dtype)).dtype

    def _finished(
        self, pixels: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Normalize and cast on the consumer's stream, into new or fixed tensors."""
        images = pixels
        if self._dtype is not torch.uint8:
            images = pixels.to(torch.float32)
            images = images.mul_(float(self._scale)).add_(float(self._bias))
            images = images.to(self._dtype)
        if not self._fixed_buffers:
            return (images.clone() if images is pixels else images), labels.clone()
        rows = self.loader.batch_size
        if len(images) != rows:  # copy_ would broadcast a batch of one row to all rows
            raise RuntimeError(
                f"fixed_buffers hold {rows} rows, but this batch has {len(images)}.\n"
                "The epoch was resumed at a position that is not a multiple of the "
                "global batch size. Pass drop_last=True to leave out the short batch."
            )
        if self._buffers is None:
            # PyTorch does not let training change tensors of inference mode.
            with torch.inference_mode(False):
                self._buffers = torch.empty_like(images), torch.empty_like(labels)
        self._buffers[0].copy_(images)
        self._buffers[1].copy_(labels)
        return self._buffers


class CudaStreams:
    """Pinned slots, and a separate CUDA stream that copies them to a device.

    Parameters
    ----------
    device : torch.device
        CUDA device that receives the copies.

    Notes
    -----
    Determinism: A copy has the bytes of its slot.

    Thread safety: Use an object in one thread at a time.

    Buffers: Each copy is a new tensor, which the consumer's stream may use.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def slot(self, nbytes: int) -> torch.Tensor:
        """Return pinned memory for one batch, which starts at a page boundary.

        Parameters
        ----------
        nbytes : int
            Size of the memory in bytes.

        Returns
        -------
        torch.Tensor, uint8 (nbytes,)
            Tensor in pinned memory of the host.

        Raises
        ------
        RuntimeError
            The memory can't be allocated or pinned.
        """
        # Without the context of this device, PyTorch would create one on the current
        # device, which takes memory there. The argument `device` overrides
        # torch.set_default_device.
        with torch.cuda.device(self._device):
            return torch.empty(nbytes, dtype=torch.uint8, device="cpu", pin_memory=True)

    def send(self, slot: torch.Tensor) -> tuple[torch.Tensor, Any]:
        """Return a copy of `slot` on the device, and the event that ends the copying.

        The consumer's stream waits for the event. The host does not wait.

        Parameters
        ----------
        slot : torch.Tensor, uint8 (nbytes,)
            Slot to copy. It must not change before the event occurs.

        Returns
        -------
        copy : torch.Tensor, uint8 (nbytes,)
            Tensor on the device.
        event : torch.cuda.Event
            Event that occurs when the copy is complete.

        Raises
        ------
        RuntimeError
            CUDA reports an error, such as too little memory on the device.
        """
        consumer = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._stream):
            staged = torch.empty(len(slot), dtype=torch.uint8, device=self._device)
            staged.copy_(slot, non_blocking=True)
            copied = self._stream.record_event()
        consumer.wait_event(copied)
        # The allocator must not reuse the memory before the consumer has read it.
        staged.record_stream(consumer)
        return staged, copied

"""Feeding a CUDA device out of pinned slots.

A batch crosses the bus as it lies in its slot, bytes of pixels and labels in one copy,
on a stream of its own. Streams wait for each other by events, and the host waits for a
copy only before it gives the slot back to be filled again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch

from ..loader import Loader
from ._in_flight import InFlight, slots_needed


class CudaFeed(InFlight):
    """Batches of a loader of uint8 images as tensors on a CUDA device.

    Parameters
    ----------
    make_loader : callable
        Makes the loader, uint8 and not normalised, with the slots that it is given.
    prefetch : int
        Slots that the loader keeps for batches ahead.
    device : torch.device
    dtype : torch.dtype
        Of the images; all but uint8 are ``pixel * scale + bias``, rounded to float32
        twice and then cast.
    fixed_buffers : bool
        Whether every batch comes in the same two tensors.
    streams : object
        What copies and waits; by default :class:`CudaStreams` of the device.
    """

    def __init__(
        self,
        make_loader: Callable[[Any], Loader],
        *,
        prefetch: int,
        device: torch.device,
        dtype: torch.dtype,
        scale: float,
        bias: float,
        fixed_buffers: bool = False,
        streams: Any = None,
    ) -> None:
        self._streams = CudaStreams(device) if streams is None else streams
        nbytes = make_loader(None).slot_nbytes
        pinned = [self._streams.slot(nbytes) for _ in range(slots_needed(prefetch))]
        super().__init__(
            make_loader([slot.numpy() for slot in pinned]),
            {slot.data_ptr(): slot for slot in pinned},
        )
        self._dtype, self._fixed_buffers = dtype, fixed_buffers
        # As the loader rounds them.
        self._scale, self._bias = float(np.float32(scale)), float(np.float32(bias))
        self._buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    def batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The batches of the next epoch, which is taken now.

        The iterator before ends, and raises RuntimeError when it is asked again.
        """
        return self._next_epoch()

    def _sending(self, slot: torch.Tensor) -> AbstractContextManager[tuple[Any, Any]]:
        return nullcontext(self._streams.send(slot))

    def _is_copied(self, event: Any) -> bool:
        return bool(event.query())

    def _device_dtype(self, dtype: np.dtype) -> torch.dtype:
        return torch.from_numpy(np.empty(0, dtype)).dtype

    def _finished(
        self, pixels: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """On the consumer's stream: normalise, cast, and copy out of what was sent."""
        if self._dtype is torch.uint8:
            images = pixels
        else:
            images = pixels.to(torch.float32).mul_(self._scale).add_(self._bias)
            images = images.to(self._dtype)
        if not self._fixed_buffers:
            return (images.clone() if images is pixels else images), labels.clone()
        return self._in_buffers(images, labels)

    def _in_buffers(
        self, images: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        rows = self.loader.batch_size
        if len(images) != rows:  # copy_ would spread a batch of one row over all
            raise RuntimeError(
                f"fixed_buffers hold {rows} rows, and this batch has {len(images)}: "
                "the epoch was resumed at a position that is no multiple of them; "
                "drop_last=True leaves its end out"
            )
        if self._buffers is None:
            with torch.inference_mode(False):  # what it makes, no training may change
                self._buffers = torch.empty_like(images), torch.empty_like(labels)
        self._buffers[0].copy_(images)
        self._buffers[1].copy_(labels)
        return self._buffers


class CudaStreams:
    """Pinned slots, and copies to a device on a stream of their own."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def slot(self, nbytes: int) -> torch.Tensor:
        """Pinned memory for a batch, which starts at a page."""
        # In the context of this device, not in one of the current device, which would
        # take memory there; on the CPU, whatever torch.set_default_device says.
        dtype = torch.uint8
        with torch.cuda.device(self._device):
            return torch.empty(nbytes, dtype=dtype, device="cpu", pin_memory=True)

    def send(self, slot: torch.Tensor) -> tuple[torch.Tensor, Any]:
        """A copy of `slot` on the device, and the event after which it is made.

        The consumer's stream waits for it; the host does not.
        """
        consumer = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._stream):
            staged = torch.empty(len(slot), dtype=torch.uint8, device=self._device)
            staged.copy_(slot, non_blocking=True)
            copied = self._stream.record_event()
        consumer.wait_event(copied)
        staged.record_stream(consumer)  # not to be used again before it has read it
        return staged, copied

"""Batches as PyTorch tensors on a CUDA device, out of pinned slots."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch

from ..loader import Loader
from ._in_flight import InFlight


class CudaFeed(InFlight):
    """Batches of a loader as tensors on a CUDA device.

    TorchLoader is made of it. Iterate it directly to supply streams of your own.

    Parameters
    ----------
    plain : Loader
        A loader for the CPU, which gives the same batches.
    device : torch.device
    fixed_buffers : bool
        Whether every batch comes in the same two tensors.
    streams : optional
        What copies and waits, by default :class:`CudaStreams` of the device.

    Raises
    ------
    ValueError
        Batches differ in size with `fixed_buffers`, or `plain` has Python functions or
        slots of its own.
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
                f"fixed_buffers need batches of one size, but {n} images are no "
                f"multiple of {rows}: pass drop_last=True or 'wrap'"
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
        """On the consumer's stream: normalise, cast, and copy out of what was sent."""
        images = pixels
        if self._dtype is not torch.uint8:
            images = pixels.to(torch.float32)
            images = images.mul_(float(self._scale)).add_(float(self._bias))
            images = images.to(self._dtype)
        if not self._fixed_buffers:
            return (images.clone() if images is pixels else images), labels.clone()
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
        with torch.cuda.device(self._device):
            return torch.empty(nbytes, dtype=torch.uint8, device="cpu", pin_memory=True)

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

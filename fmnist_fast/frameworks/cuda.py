"""PyTorch tensors on a CUDA device, copied from pinned slots."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch

from ..loader import Loader
from ._in_flight import InFlight


class CudaFeed(InFlight):
    """Batches of a loader as PyTorch tensors on a CUDA device.

    `TorchLoader` uses this class for a CUDA device. Each iteration yields ``(images,
    labels)`` for the next epoch.

    Parameters
    ----------
    plain : Loader
        CPU loader that returns the same batches. Its dtype becomes the dtype of the
        images on the device.
    device : torch.device
        CUDA device that receives the batches.
    fixed_buffers : bool, default False
        Whether every batch is written to the same two tensors.

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
        n, rows = len(plain.dataset), plain.batch_size * plain.world
        if fixed_buffers and n % rows and not plain.drop_last:
            raise ValueError(
                f"fixed_buffers=True requires batches of one size, but {n} images are "
                f"not a multiple of {rows}.\nPass drop_last=True or drop_last='wrap'."
            )
        super().__init__(plain, device)
        self._dtype, self._fixed_buffers = getattr(torch, plain.dtype), fixed_buffers
        self._buffers: tuple[torch.Tensor, torch.Tensor] | None = None

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

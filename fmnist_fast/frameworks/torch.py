"""Batches as PyTorch tensors, on the CPU or a CUDA device.

from fmnist_fast.frameworks.torch import TorchLoader
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from .._checks import checked_flag, hinting
from ..dataset import Dataset
from ..loader import Loader
from ._adapter import Adapter, importing

with importing("torch", "PyTorch: pip install torch"):
    import torch
    from torch.utils.data import IterableDataset, get_worker_info

Batch = tuple[torch.Tensor, torch.Tensor]


class TorchLoader(Adapter, IterableDataset):
    """A :class:`fmnist_fast.Loader` whose batches are tensors.

    Iterating gives ``(images, labels)`` for one epoch; iterating again gives the next.

    Parameters
    ----------
    dataset : Dataset
    batch_size : int
        Of one rank.
    device : str or torch.device
        "cpu": tensors share the memory of the batch, without a copy. A CUDA device:
        pixels cross the bus as bytes, out of pinned memory and on a stream of their
        own, and are normalised and cast on the device; `augment` still runs on the CPU.
    channels_last : bool
        Images in the channels_last memory format; only for layout "NCHW".
    dtype : torch.dtype or str
        Of the images: float32, float16, bfloat16 or uint8.
    fixed_buffers : bool
        On a CUDA device: write every batch into the same two tensors, as a captured
        CUDA graph needs. All batches must have the same size: with `drop_last`, or
        where the batch size divides the number of images. Copy what you want to keep.
    label_dtype : torch.dtype or str
        int64, int32, uint8 or "onehot".
    **options
        As for Loader: shuffle, shuffle_block, seed, normalize, layout, augment,
        drop_last, shard, threads, prefetch.

    Raises
    ------
    TypeError, ValueError
        As Loader; a device that there isn't, or options that it does not go with.

    Notes
    -----
    Determinism: as Loader; on a CUDA device pixels are the same, as float32 also to the
    bit.

    Buffers: a tensor on the CPU is yours for as long as anything refers to it, then its
    memory is used again. Tensors on a CUDA device are new ones for each batch; there a
    new iterator ends the one before, which raises RuntimeError when it is asked again.

    Workers: inside a DataLoader with ``batch_size=None`` and several workers, each
    yields its share of every batch, so that there are more batches than its `len`
    says. Call `set_epoch` before each epoch then, as this process does not see the
    workers' go by. It is slower than without a DataLoader.
    """

    @hinting(Loader.__init__)
    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 256,
        *,
        device: str | torch.device = "cpu",
        channels_last: bool = False,
        dtype: str | torch.dtype = "float32",
        label_dtype: str | torch.dtype = "int64",
        fixed_buffers: bool = False,
        **options: Any,
    ) -> None:
        self.device = _checked_device(device)
        self.channels_last = checked_flag("channels_last", channels_last)
        self.fixed_buffers = checked_flag("fixed_buffers", fixed_buffers)
        if self.channels_last:
            if options.get("layout", "NCHW") != "NCHW":
                raise ValueError(
                    f"channels_last goes with layout 'NCHW', got {options['layout']!r}"
                )
            options["layout"] = "NHWC"
        if self.fixed_buffers and self.device.type != "cuda":
            raise ValueError(
                f"fixed_buffers are for CUDA devices, got device {str(self.device)!r}"
            )
        options |= {"dtype": _name(dtype), "label_dtype": _name(label_dtype)}
        super().__init__(dataset, batch_size=batch_size, **options)
        self._is_share = False  # of a worker of a DataLoader
        self._feed: Any = None
        if self.device.type == "cuda":
            from .cuda import CudaFeed

            self._feed = CudaFeed(self.loader, self.device, self.fixed_buffers)
            self.loader = self._feed.loader

    def __iter__(self) -> Iterator[Batch]:
        self._take_share()
        feed: Any = self._feed or self.loader
        batches: Iterator[Batch] = iter(feed)
        if self._feed is None:
            batches = _on_cpu(batches, self.loader.dtype)
        if self.channels_last:
            return ((x.permute(0, 3, 1, 2), y) for x, y in batches)
        return batches

    def _take_share(self) -> None:
        """In a worker of a DataLoader: go on as a loader of its share, once."""
        info, whole = get_worker_info(), self.loader
        if info is None or self._is_share:
            return
        if self.device.type == "cuda":
            raise RuntimeError(
                "a TorchLoader for a CUDA device can't run in a worker of a "
                "DataLoader: use it without one, or with device='cpu'"
            )
        batch_size, rest = divmod(whole.batch_size, info.num_workers)
        if rest:
            raise ValueError(
                f"batch_size must be a multiple of the {info.num_workers} workers of "
                f"the DataLoader, got {whole.batch_size}"
            )
        shard = whole.rank * info.num_workers + info.id, whole.world * info.num_workers
        self.loader = whole._replace(batch_size=batch_size, shard=shard, threads=1)
        self.loader.load_state_dict(whole.state_dict())
        self._is_share = True

    def _array(self, array: Any) -> np.ndarray:
        tensor = torch.as_tensor(array).detach().cpu()
        if tensor.dtype is torch.bfloat16:  # which numpy doesn't know
            return tensor.contiguous().view(torch.uint16).numpy()
        return tensor.numpy()

    def _image_array(self, images: Any) -> np.ndarray:
        images = torch.as_tensor(images)
        if self.channels_last and images.ndim == 4:
            images = images.permute(0, 2, 3, 1)
        return self._array(images)

    def __repr__(self) -> str:
        return f"TorchLoader({self.loader!r}, device={str(self.device)!r})"


def _name(dtype: Any) -> Any:
    """Return the name that a dtype of PyTorch has in numpy, and all else as it is."""
    return str(dtype)[len("torch.") :] if isinstance(dtype, torch.dtype) else dtype


def _checked_device(device: str | torch.device) -> torch.device:
    checked = None
    with suppress(RuntimeError, TypeError):
        checked = torch.device(device)
    if checked is None or checked.type not in ("cpu", "cuda"):
        raise ValueError(
            f"device must be 'cpu' or 'cuda[:N]', got {device!r}; for others, move the "
            "tensors of a CPU loader yourself"
        )
    if checked.type == "cpu":
        return checked
    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = checked.index
    if index is None:
        index = torch.cuda.current_device() if n_devices else 0
    if index >= n_devices:
        there_are = f"only {n_devices} CUDA devices" if n_devices else "no CUDA device"
        raise ValueError(
            f"device {str(device)!r} was asked for, but this PyTorch "
            f"({torch.__version__}) finds {there_are}"
        )
    return torch.device("cuda", index)


def _on_cpu(batches: Iterator[Any], dtype: str) -> Iterator[Batch]:
    """Tensors in the memory of the batches' arrays."""
    from_numpy = torch.from_numpy  # a batch of 128 takes 5 us; every look-up counts
    if dtype == "bfloat16":
        for images, labels in batches:
            bits = from_numpy(images.view("uint16"))
            yield bits.view(torch.bfloat16), from_numpy(labels)
    else:
        for images, labels in batches:
            yield from_numpy(images), from_numpy(labels)

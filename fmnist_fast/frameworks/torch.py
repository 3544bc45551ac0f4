"""Batches as PyTorch tensors, on the CPU or a CUDA device.

from fmnist_fast.frameworks.torch import TorchLoader
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .._checks import checked_flag, hinting
from .._loader.options import scale_and_bias
from ..dataset import Dataset
from ..loader import Loader
from ._adapter import Adapter

try:
    import torch
    from torch.utils.data import IterableDataset, get_worker_info
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ImportError(
        "fmnist_fast.frameworks.torch needs PyTorch: pip install torch"
    ) from None

_DTYPES: dict[Any, str] = {
    torch.float32: "float32",
    torch.float16: "float16",
    torch.bfloat16: "bfloat16",
    torch.uint8: "uint8",
}
_TORCH_DTYPES = {name: dtype for dtype, name in _DTYPES.items()}
_LABELS: dict[Any, str] = {
    torch.int64: "int64",
    torch.int32: "int32",
    torch.uint8: "uint8",
}

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
        options["dtype"] = _DTYPES.get(dtype, dtype)
        options["label_dtype"] = _LABELS.get(label_dtype, label_dtype)
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
        self._options = {"batch_size": batch_size, **options}
        self.loader = Loader(dataset, **self._options)
        self._share: Loader | None = None  # what a worker of a DataLoader iterates
        self._feed: Any = None
        if self.device.type == "cuda":
            self._feed = self._make_feed(dataset)

    def _make_feed(self, dataset: Dataset) -> Any:
        from ._cuda import CudaFeed

        loader = self.loader
        if self.fixed_buffers:
            n, rows = len(dataset), loader.batch_size * loader.world
            if n % rows and not loader.drop_last:
                raise ValueError(
                    f"fixed_buffers need batches of one size, but {n} images are no "
                    f"multiple of {rows}: pass drop_last=True or 'wrap'"
                )
        if loader.has_functions:
            raise ValueError(
                "augment has Python functions, which change finished batches on the "
                "CPU: for a CUDA device call them in the training loop, or use "
                "device='cpu' and move the tensors"
            )
        normalize = self._options.get("normalize", "auto")
        scale, bias = scale_and_bias(normalize, loader.dtype, dataset)
        raw = {**self._options, "dtype": "uint8", "normalize": None}
        feed = CudaFeed(
            lambda slots: Loader(dataset, **raw, slots=slots),
            prefetch=loader.prefetch,
            device=self.device,
            dtype=_TORCH_DTYPES[loader.dtype],
            scale=scale,
            bias=bias,
            fixed_buffers=self.fixed_buffers,
        )
        self.loader = feed.loader
        return feed

    def __iter__(self) -> Iterator[Batch]:
        loader = self._share_of_worker()
        if self._feed is not None:
            batches = self._feed.batches()
        else:
            batches = _on_cpu(iter(loader), loader.dtype)
        if self.channels_last:
            return ((x.permute(0, 3, 1, 2), y) for x, y in batches)
        return batches

    def _share_of_worker(self) -> Loader:
        """In a worker of a DataLoader: a loader of its share, at the same place."""
        info = get_worker_info()
        if info is None:
            return self.loader
        if self.device.type == "cuda":
            raise RuntimeError(
                "a TorchLoader for a CUDA device can't run in a worker of a "
                "DataLoader: use it without one, or with device='cpu'"
            )
        whole = self.loader
        shard = whole.rank * info.num_workers + info.id, whole.world * info.num_workers
        batch_size, rest = divmod(whole.batch_size, info.num_workers)
        if rest:
            raise ValueError(
                f"batch_size must be a multiple of the {info.num_workers} workers of "
                f"the DataLoader, got {whole.batch_size}"
            )
        options = {**self._options, "batch_size": batch_size, "shard": shard}
        loader = Loader(whole.dataset, **options | {"seed": whole.seed, "threads": 1})
        loader.load_state_dict(whole.state_dict())
        whole.set_epoch(whole.epoch + 1)
        self._share = loader
        return loader

    def set_epoch(self, epoch: int) -> None:
        """Make the next iterator start at the beginning of `epoch`."""
        self._share = None
        super().set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the newest iterator stands: see Loader.state_dict.

        In a worker of a DataLoader, where its share of the batches stands.
        """
        loader = self.loader if self._share is None else self._share
        return loader.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Make the next iterator go on where the state was taken."""
        self._share = None
        super().load_state_dict(state_dict)

    def _array(self, labels: Any) -> np.ndarray:
        tensor = torch.as_tensor(labels).detach().cpu()
        if tensor.dtype is torch.bfloat16:  # which numpy doesn't know
            return tensor.contiguous().view(torch.uint16).numpy()
        return tensor.numpy()

    def _image_array(self, images: Any) -> np.ndarray:
        images = torch.as_tensor(images)
        if self.channels_last and images.ndim == 4:
            images = images.permute(0, 2, 3, 1)
        return self._array(images)

    def _loader_of_arrays(self) -> Loader:
        if self._feed is None:
            return self.loader
        return Loader(self.loader.dataset, **self._options)  # which normalises itself

    def __repr__(self) -> str:
        return f"TorchLoader({self.loader!r}, device={str(self.device)!r})"


def _checked_device(device: str | torch.device) -> torch.device:
    try:
        checked = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(
            f"device must be 'cpu' or 'cuda[:N]', got {device!r}"
        ) from None
    if checked.type == "cuda":
        if not torch.cuda.is_available():
            raise ValueError(
                f"device {str(device)!r} was asked for, but this PyTorch "
                f"({torch.__version__}) finds no CUDA device"
            )
        index = torch.cuda.current_device() if checked.index is None else checked.index
        if index >= torch.cuda.device_count():
            raise ValueError(
                f"device {str(device)!r} was asked for, but there are only "
                f"{torch.cuda.device_count()} CUDA devices"
            )
        return torch.device("cuda", index)
    if checked.type != "cpu":
        raise ValueError(
            f"device must be 'cpu' or 'cuda[:N]', got {str(device)!r}; for others, "
            "move the tensors of a CPU loader yourself"
        )
    return checked


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

"""Batches as PyTorch tensors, on the CPU or a CUDA device.

from fmnist_fast.frameworks.torch import TorchLoader
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from typing import Any, Literal

import numpy as np

from .._checks import checked_flag, hinting
from .._device.machine import Machine
from .._loader.state import state_at
from ..dataset import Dataset
from ..loader import Loader
from ._adapter import Adapter, AdapterIterator, check_columns, importing
from ._passes import MAX_WORKERS, Passes
from ._resident import (
    ResidentLoader,
    as_they_are,
    checked_resident,
    new_loader,
    resident_with_buffers,
)

with importing("torch", "PyTorch. Run: pip install torch"):
    import torch
    from torch.utils.data import (
        IterableDataset,
        Sampler,
        SequentialSampler,
        get_worker_info,
    )

Batch = tuple[torch.Tensor, ...]


class TorchLoader(Adapter, IterableDataset):
    """Batches of a dataset as PyTorch tensors.

    It works like :class:`fmnist_fast.Loader`: each iteration yields ``(images,
    labels)`` for one epoch, and the next iteration yields the next epoch. `with_index`
    and `columns` add tensors of one dimension.

    Parameters
    ----------
    dataset : Dataset
        Dataset to take the samples from.
    batch_size : int in 1..2**40, default 256
        Rows of a batch, for one rank.
    device : str or torch.device, default "cpu"
        Device of the tensors: "cpu", "cuda" or "cuda:N". On the CPU, tensors share the
        memory of the batch, without a copy. For a CUDA device, pixels are copied as
        bytes from pinned memory, on a separate stream. They are normalized and cast on
        the device, and `augment` still runs on the CPU.
    channels_last : bool, default False
        Whether images have the memory format channels_last. It requires layout "NCHW".
        With `views`, the images of each view have it.
    dtype : torch.dtype or str, default "float32"
        Data type of the images: float32, float16, bfloat16 or uint8.
    label_dtype : torch.dtype or str, default "int64"
        Data type of the labels: int64, int32, uint8 or "onehot". "onehot" labels are
        float32 (n, classes).
    fixed_buffers : bool, default False
        Whether every batch is written to the same tensors, as a captured CUDA graph
        requires. It requires a CUDA device or `resident`, and batches of one size: pass
        `drop_last` or `steps`, or a batch size that divides the epoch. Copy a batch to
        keep it. With `resident`, `fill` makes the next batch.
    resident : bool or "auto", default False
        Whether the dataset lies in the memory of the device, where kernels make the
        batches, with the same bytes and without the CPU. It requires a CUDA device of
        NVIDIA and ``pip install "fmnist_fast[cuda]"``. With device "cpu", the kernels
        run as plain C: slow, and meant for tests and debugging. It excludes
        `shuffle_block`, functions in `augment`, and images that are too large for the
        shared memory of a device. `threads` and `prefetch` have no effect. "auto" is
        True if the dataset takes less than a quarter of the device's free memory and
        nothing forbids it. It has not been run on a device yet.
    **options
        Keyword arguments of `Loader`: shuffle, shuffle_block, seed, normalize, layout,
        augment, drop_last, shard, threads, prefetch, weights, order, repeats, steps,
        augment_seed, with_index, columns, views, channels.

    Attributes
    ----------
    loader : Loader
        Loader that fills the batches. Its pixels are uint8 for a CUDA device without
        `resident`.
    device : torch.device
        Device of the tensors, with its index.
    channels_last, fixed_buffers, resident : bool
        The arguments in use.

    Raises
    ------
    TypeError
        An argument has a wrong type, as for `Loader`.
    ValueError
        An argument has a wrong value, as for `Loader`; PyTorch finds no such device; or
        two arguments can't be combined. A CUDA device excludes Python functions in
        `augment`.
    ImportError
        `resident` is True, and a package for CUDA devices is missing.
    RuntimeError
        `resident` is True, and the driver or the device can't run the kernels, or this
        is a forked child of a process that has used CUDA.
    MemoryError
        `resident` is True, and the dataset does not fit into the device's memory.

    Notes
    -----
    Determinism: The batches of `Loader` with the same options have the same values.
    They depend on `seed`, and ``torch.manual_seed`` has no effect on them. On a CUDA
    device, float32 pixels are the same to the bit.

    Thread safety: Use an iterator in one thread at a time. Several iterators of a
    loader may be in use at once, and each has a different epoch. With `fixed_buffers`,
    and for a CUDA device without `resident`, a new iterator ends the previous one,
    which raises RuntimeError when it is used again.

    Buffers: A tensor on the CPU is valid as long as anything refers to it, and its
    memory is reused after that. On a CUDA device, each batch gets new tensors unless
    `fixed_buffers` is True. They belong to the stream that is current when the batch is
    requested. Without `resident`, a request waits until the device has read the batch
    that came four batches earlier, and `close`, and the deletion of the loader, wait
    until the device has read all batches.

    Resident batches: All loaders of a process and device share one copy of the dataset,
    which is freed with the last of them. It does not follow later changes of the
    dataset's arrays. A launch makes a chunk of about 8,192 rows, and batches are slices
    of it. They are yours, but a batch that is kept also keeps its chunk. A request
    never waits for the device. When another stream is current than before, it waits for
    the work of the earlier one. While another thread captures a CUDA graph, PyTorch may
    refuse the memory of the next chunk.

    Workers: In a DataLoader with ``batch_size=None`` and several workers, each worker
    yields its part of every batch. The DataLoader then yields more batches than the
    `len` of this loader. Each pass of the DataLoader is the next epoch, which this
    process does not see. Call `set_epoch` before a pass to choose another one. Each
    worker calls a function given as `order`. Iterating without a DataLoader is faster.

    Epochs: An iterator begins its epoch with its first batch, so `set_epoch` may come
    after `iter`. Lightning, for example, calls ``loader.sampler.set_epoch``.
    """

    batch_sampler = None  # as of a DataLoader without one; Lightning reads it

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
        resident: Literal[True, False, "auto"] = False,
        **options: Any,
    ) -> None:
        resident = checked_resident(resident)
        self.device = _checked_device(device, resident)
        self.channels_last = checked_flag("channels_last", channels_last)
        self.fixed_buffers = checked_flag("fixed_buffers", fixed_buffers)
        if self.channels_last:
            options["layout"] = _channels_last_layout(options.get("layout", "NCHW"))
        machine = functools.partial(_machine, self.device, self.channels_last)
        kind = functools.partial(new_loader, resident, machine, self.fixed_buffers)
        options |= {"dtype": dtype, "label_dtype": label_dtype}
        super().__init__(dataset, kind, batch_size=batch_size, **options)
        check_columns(self.loader, "PyTorch", torch.from_numpy)
        self.resident = isinstance(self.loader, ResidentLoader)
        self._is_part = False  # whether `loader` has a DataLoader worker's part
        self._newest: AdapterIterator | None = None  # only in a worker
        self._passes = Passes()
        self._buffers: Batch | None = None  # of `fill`
        if self.device.type == "cuda" and not self.resident:
            from .cuda import CudaFeed

            self._feed = CudaFeed(self.loader, self.device, self.fixed_buffers)
            self.loader = self._feed.loader
        elif self.fixed_buffers and not self.resident:
            raise ValueError(
                "fixed_buffers=True requires a CUDA device or resident=True, got "
                f"device {str(self.device)!r}"
            )

    @property
    def sampler(self) -> Sampler[int]:
        """Return an object whose `set_epoch` sets the epoch of this loader.

        Lightning and loops for a DistributedSampler call ``loader.sampler.set_epoch``.
        """
        is_fixed = not (self.shuffle or self.weights is not None or self.steps)
        is_fixed = is_fixed and not callable(self.order)
        return (_SequentialSampler if is_fixed else _EpochSampler)(self)

    def __iter__(self) -> Iterator[Batch]:
        """Return an iterator over the batches of the next epoch."""
        self._divide_among_workers()
        iterator = AdapterIterator(self.loader, self._tensors)
        if self._is_part:
            self._newest = iterator
        return iterator

    @property
    def buffers(self) -> Batch:
        """Return the tensors of every batch: images, labels and further fields.

        Raises
        ------
        AttributeError
            The loader has not `resident` and `fixed_buffers`.
        """
        if self._buffers is None:
            loader = resident_with_buffers(self.loader, "buffers")
            self._buffers = next(iter(self._tensors([loader.buffers])))
        return self._buffers

    def fill(self) -> Batch:
        """Make the next batch in `buffers`, and return them.

        The kernels run on the current stream, and the position is on the device. So a
        CUDA graph can capture this call. Each replay then makes the next batch, and
        goes on into the next epoch. The loader must live as long as the graph.

        Raises
        ------
        AttributeError
            The loader has not `resident` and `fixed_buffers`.
        """
        resident_with_buffers(self.loader, "fill").fill()
        return self.buffers

    def _tensors(self, batches: Iterable[Any]) -> Iterable[Batch]:
        """Return the batches as tensors."""
        if self._feed is not None:
            tensors = self._feed.sent(batches)
        elif self.device.type == "cuda":
            return as_they_are(batches)
        else:
            tensors = _on_cpu(batches, self.loader)
        if self.channels_last:
            return ((x.movedim(-1, -3), *others) for x, *others in tensors)
        return tensors

    def _divide_among_workers(self) -> None:
        """Replace the loader in a DataLoader's worker by a loader of its part.

        This happens once in each worker. The worker becomes a rank, so its loader keeps
        the order and the augmentation.
        """
        info, whole = get_worker_info(), self.loader
        if info is None or self._is_part:
            return
        if self.device.type == "cuda":
            raise RuntimeError(
                "a TorchLoader for a CUDA device can't run in a worker of a "
                "DataLoader.\nIterate over it without a DataLoader, or pass "
                "device='cpu'."
            )
        if self.fixed_buffers:
            raise RuntimeError(
                "a TorchLoader with fixed_buffers=True can't run in a worker of a "
                "DataLoader, which sends batches later.\nPass fixed_buffers=False."
            )
        if info.num_workers > MAX_WORKERS:
            raise ValueError(
                f"num_workers must be at most {MAX_WORKERS}, got {info.num_workers}"
            )
        batch_size, remainder = divmod(whole.batch_size, info.num_workers)
        if remainder:
            raise ValueError(
                f"batch_size must be a multiple of the {info.num_workers} workers of "
                f"the DataLoader, got {whole.batch_size}"
            )
        shard = whole.rank * info.num_workers + info.id, whole.world * info.num_workers
        self.loader = whole._replace(batch_size=batch_size, shard=shard, threads=1)
        self._is_part = True
        self._passes.join(self.loader, info)

    def state_dict(self) -> dict[str, Any]:
        """Return the position of the newest iterator.

        Returns
        -------
        dict
            State that can be stored as JSON. `Loader.state_dict` describes it. In a
            worker of a DataLoader, an iterator that is over is at the end of its epoch,
            because the consumer may still use the last batches.
        """
        newest, loader = self._newest, self.loader
        if newest is None or not newest.has_begun:
            return super().state_dict()
        with loader._pipelines.lock:
            place = loader._epochs.before(loader._progress.where())
            return state_at(place, loader)

    def _place_was_set(self) -> None:
        self._passes.forget(get_worker_info())
        self._newest = None

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes of a copy, which has a loader of its own."""
        own = {"_newest": None, "_buffers": None, "_passes": copy.copy(self._passes)}
        return super().__getstate__() | own

    def _array(self, array: Any) -> np.ndarray:
        tensor = torch.as_tensor(array).detach().cpu()
        if tensor.dtype is torch.bfloat16:  # numpy has no such dtype
            return tensor.contiguous().view(torch.uint16).numpy()
        return tensor.numpy()

    def _image_array(self, images: Any) -> np.ndarray:
        images = torch.as_tensor(images)
        if self.channels_last and images.ndim == 4 + (self.views is not None):
            images = images.movedim(-3, -1)
        return self._array(images)

    def __repr__(self) -> str:
        """Return the class, the loader and the device as text."""
        resident = ", resident=True" * self.resident
        return f"TorchLoader({self.loader!r}, device={str(self.device)!r}{resident})"


class _EpochSampler(Sampler[int]):
    """Stand-in for the sampler of a DataLoader. It sets the epoch, and has no rows."""

    def __init__(self, loader: TorchLoader) -> None:
        self.data_source, self._loader = loader.dataset, loader

    def __len__(self) -> int:
        loader = self._loader.loader
        return loader._epochs.n_samples

    def set_epoch(self, epoch: int) -> None:
        self._loader.set_epoch(epoch)


class _SequentialSampler(_EpochSampler, SequentialSampler):
    """Sampler of equal epochs, which Lightning's overfitting requires."""


def _checked_device(
    device: str | torch.device, resident: Literal[True, False, "auto"]
) -> torch.device:
    checked = None
    with suppress(RuntimeError, TypeError):
        checked = torch.device(device)
    if resident is True and checked is not None:
        _check_nvidia(checked)
    if checked is None or checked.type not in ("cpu", "cuda"):
        raise ValueError(
            f"device must be 'cpu', 'cuda' or 'cuda:N', got {device!r}.\n"
            "For another device, move the tensors of a CPU loader yourself."
        )
    if checked.type == "cpu":
        return checked
    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = checked.index
    if index is None:
        index = torch.cuda.current_device() if n_devices else 0
    if index >= n_devices:
        from .._device.cuda import check_process

        check_process()  # PyTorch finds no device in a forked child
        devices = f"only {n_devices} CUDA devices" if n_devices else "no CUDA device"
        raise ValueError(
            f"device {str(device)!r} is not available: PyTorch {torch.__version__} "
            f"finds {devices}.\nPass a device that it finds, or device='cpu'."
        )
    return torch.device("cuda", index)


def _channels_last_layout(layout: Any) -> str:
    """Return the layout in memory of NCHW tensors in the format channels_last."""
    if layout != "NCHW":
        raise ValueError(f"channels_last=True requires layout='NCHW', got {layout!r}")
    return "NHWC"


def _check_nvidia(device: torch.device) -> None:
    """Raise ValueError for a device whose maker is not NVIDIA, except the CPU."""
    others = {"mps": "Apple's Metal (MPS)", "xpu": "Intel (XPU)"}
    maker = others.get(device.type)
    if device.type == "cuda" and torch.version.hip is not None:
        maker = f"AMD (ROCm {torch.version.hip})"
    if maker is not None:
        raise ValueError(
            "resident=True requires a CUDA device of NVIDIA, or device='cpu', got "
            f"{str(device)!r} of {maker}.\nPass resident=False."
        )


def _machine(device: torch.device, channels_last: bool) -> Machine:
    """Return the machine that makes batches on a device."""
    if device.type == "cpu":
        return Machine()
    _check_nvidia(device)
    from .cuda import TorchMachine

    return TorchMachine(device, channels_last)


def _on_cpu(batches: Iterable[Any], loader: Loader) -> Generator[Batch]:
    """Yield tensors that share the memory of the batches' arrays."""
    from_numpy = torch.from_numpy  # a batch of 128 takes 5 us, so a lookup matters
    pixels = _bfloat16_tensor if loader.dtype == "bfloat16" else from_numpy
    if loader.with_index or loader.columns:
        for images, *others in batches:
            yield pixels(images), *map(from_numpy, others)
    else:  # 0.2 us less
        for images, labels in batches:
            yield pixels(images), from_numpy(labels)


def _bfloat16_tensor(images: np.ndarray) -> torch.Tensor:
    """Return a tensor of images, whose dtype PyTorch doesn't take from numpy."""
    return torch.from_numpy(images.view("uint16")).view(torch.bfloat16)

"""Loader: a dataset as shuffled, normalised batches, epoch after epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import config
from ._checks import checked_dtype, checked_flag, checked_integer, checked_name, hinting
from ._core import DTYPES, MAX_EPOCH, Pipeline, Transforms
from ._dataset.arrays import parts_of
from ._loader import options
from ._loader.pipelines import Pipelines
from ._loader.progress import Place, Progress, checked_state
from .dataset import Dataset

if TYPE_CHECKING:
    import PIL.Image

    from .augment import Augment, Compiled


class Loader:
    """Batches of a dataset, filled by native threads ahead of the training loop.

    Iterating gives ``(images, labels)`` tuples of numpy arrays for one epoch; iterating
    again gives the next epoch. An iterator that is dropped before its first batch, such
    as one that was only made to see whether it can be, takes no epoch.

    Parameters
    ----------
    dataset : Dataset
    batch_size : int
        Rows of a batch; the last of an epoch may have fewer. With `shard`, of the part
        of one rank.
    shuffle : bool
        Give every epoch an order of its own, a keyed permutation of the dataset
        (src/order.h). Without, the order is the dataset's.
    shuffle_block : int in 1..2**40, optional
        With `shuffle`, for files that are larger than memory: shuffle blocks of so many
        consecutive images, and then the images of every 64 blocks that follow each
        other among themselves. What is read is at any time in few long runs, and those
        that come next are read ahead. How random that is: docs/files.md.
    seed : int in 0..2**64-1, or None
        What the orders are derived from. None takes one from the system, which
        `state_dict` keeps; not with several processes, which need the same.
    dtype : "float32", "float16", "bfloat16" or "uint8"
        Of the images. bfloat16 arrays have ml_dtypes' dtype where that package is
        installed; else they are uint16 arrays that hold the same bits.
    normalize : "auto", "dataset", (mean, std), "unit" or None
        "dataset" subtracts the mean of this dataset's pixels and divides by their
        standard deviation; a pair of numbers, of pixels in 0..1, does the same with
        these (use the training set's for the test set); "unit" scales to 0..1; None
        keeps 0..255. "auto" is "dataset", or None for uint8, which can't be normalised.
        A pixel x becomes ``x * scale + bias``, each step rounded to float32.
    layout : "NCHW", "NHWC", "NHW" or "flat"
        (n, 1, height, width), (n, height, width, 1), (n, height, width) or
        (n, height * width).
    label_dtype : "int64", "int32", "uint8" or "onehot"
        "onehot" labels are float32 (n, classes).
    augment : sequence of steps, Compose, a step, the name of a recipe, or None
        What is done to every image anew in every epoch, with random numbers of its own:
        see `fmnist_fast.augment`. Python functions at the end of the sequence are
        called with each finished batch, ``function(images, labels, rng)``, in the
        thread that iterates, and return a tuple of two; `rng` is a numpy Generator that
        depends on the seed, the epoch, the batch's position and the rank. They are slow
        beside the rest.
    drop_last : bool or "wrap"
        What becomes of the last batch of an epoch, over all ranks, if it is short: it
        stays short; True: it is left out; "wrap": it is filled up with the first
        samples of the same epoch, augmented anew. With the last two all batches have
        `batch_size` rows and all ranks equally many.
    shard : (rank, world), "env" or None
        Take the part of process `rank` of `world`: the ranks' k-th batches together
        are the k-th batch of one process with ``batch_size * world``. The rows of a
        short last batch are divided evenly; a rank that would get none has a batch
        less (see `drop_last`). "env" takes both from Ray Train, jax.distributed,
        torchrun, Open MPI or SLURM, whichever started this process (docs/processes.md).
    threads : int in 1..256, optional
        Worker threads; by default the usable cores, at most 4.
    prefetch : int in 1..65536
        Batches to keep ready. When they are small, more are kept, so that the threads
        need not be woken for each.
    slots : sequence of arrays or buffers, optional
        Memory to keep batches in, one each, such as pinned or shared memory: at least
        `slot_nbytes` bytes from a multiple of 64 on, writable and contiguous. Exactly
        `prefetch` of them hold batches ahead; you may hold as many batches as there are
        more, then iterating raises RuntimeError until one is let go of. A loader with
        slots has one iterator in use at a time, can't be pickled, and does not iterate
        in a forked child.

    Raises
    ------
    TypeError, ValueError
        An argument is not what it should be.

    Notes
    -----
    Determinism: a batch depends on the dataset, these options, `seed`, the epoch and
    the position in it; not on threads, prefetch, machine, or resuming.

    Thread safety: one iterator may be shared by threads, each batch going to one of
    them, and several iterators of a loader may be in use; each has an epoch of its own.

    Buffers: a batch's arrays are writable and yours for as long as anything refers to
    them; then their memory is used again.

    Fork: a child process starts threads of its own; iterators that the parent made
    raise RuntimeError there.
    """

    @hinting()
    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 256,
        *,
        shuffle: bool = False,
        shuffle_block: int | None = None,
        seed: int | None = 0,
        dtype: str = "float32",
        normalize: options.Normalize = "auto",
        layout: str = "NCHW",
        label_dtype: str = "int64",
        augment: Augment = None,
        drop_last: options.DropLast = False,
        shard: tuple[int, int] | str | None = None,
        threads: int | None = None,
        prefetch: int = 4,
        slots: Sequence[Any] | None = None,
    ) -> None:
        self.dataset = _checked_dataset(dataset)
        self.batch_size = checked_integer("batch_size", batch_size, 1, options.MAX_ROWS)
        self.shuffle = checked_flag("shuffle", shuffle)
        self.shuffle_block = options.checked_block(shuffle_block, self.shuffle)
        self.rank, self.world = options.checked_shard(shard)
        self._seed = options.seed_of(seed, self.world)
        self.dtype = checked_dtype("dtype", dtype, DTYPES)
        self.normalize, self.scale, self.bias = options.checked_normalize(
            normalize, self.dtype, self._moments
        )
        self.layout = checked_name("layout", layout, options.LAYOUTS)
        self.label_dtype = options.checked_labels(label_dtype, len(dataset.classes))
        self._compiled = self._compile(augment)
        self.augment = tuple(augment) if isinstance(augment, list) else augment
        self.drop_last = options.checked_drop_last(drop_last)
        threads = config.default_threads() if threads is None else threads
        self.threads = checked_integer("threads", threads, 1, 256)
        self.prefetch = checked_integer("prefetch", prefetch, 1, 65536)
        self._slots = options.checked_slots(slots, self.prefetch)
        self._fingerprint = dataset.fingerprint  # now: a signal handler must not import
        self._reset((0, 0))

    def __setattr__(self, name: str, value: Any) -> None:
        if "_progress" in self.__dict__ and not name.startswith("_"):
            raise AttributeError(f"{name} of a Loader is fixed: make another Loader")
        super().__setattr__(name, value)

    @property
    def seed(self) -> int:
        """What the orders are derived from, as given, drawn, or loaded with a state."""
        return self._seed

    def _reset(self, begin: Place) -> None:
        self._pipelines = Pipelines(have_slots=bool(self._slots))
        n_needed = self.batch_size * self.world if self.drop_last is True else 1
        self._progress = Progress(len(self.dataset), n_needed, begin)
        if self._slots:
            self._pipelines.idle(self._new_pipeline)  # which checks their size

    def _options(self) -> dict[str, Any]:
        """Return the options, but for slots, in the order of `__repr__`."""
        values = vars(self) | {"seed": self.seed, "shard": (self.rank, self.world)}
        return {name: values[name] for name in options.NAMES}

    def _replace(self, **changes: Any) -> Loader:
        """Return a loader of the same dataset and options, but for `changes`."""
        return Loader(self.dataset, **self._options() | changes)

    def _moments(self) -> tuple[float, float]:
        dataset = self.dataset
        return (dataset.mean, dataset.std) if len(dataset) else (0.0, 1.0)

    @property
    def _pipeline(self) -> Pipeline | None:
        """Of the newest iterator."""
        return self._pipelines.newest

    def __len__(self) -> int:
        """Batches of a whole epoch, for this rank."""
        return self._n_batches(0)

    def _n_batches(self, position: int) -> int:
        """Return how many batches of an epoch this rank has from `position` on."""
        whole, rest = divmod(len(self.dataset) - position, self.batch_size * self.world)
        if self.drop_last == "wrap":
            return whole + (rest > 0)
        return whole + (rest > self.rank and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        with self._pipelines.lock:
            seed, begin = self.seed, self._progress.next_begin()
            epoch, position = begin
            checked_integer("epoch", epoch, 0, MAX_EPOCH)
            pipeline = self._pipelines.idle(self._new_pipeline)
            self._progress.go_to(begin)  # until the next one is there
            batches = pipeline.start(
                shuffle=self.shuffle,
                block=self.shuffle_block or 0,
                seed=seed,
                epoch=epoch,
                begin=position,
                batch_size=self.batch_size,
                rank=self.rank,
                world=self.world,
                drop_last=self.drop_last,
                owner=self,
            )
            self._pipelines.lend(batches)
            self._progress.begun(begin, pipeline, batches)
        if self._compiled is None or not self.has_functions:
            return batches
        from .augment._functions import ChangedBatches

        return ChangedBatches(
            batches,
            self._compiled.functions,
            pipeline,
            seed=seed,
            epoch=epoch,
            positions=(position, self.batch_size * self.world),
            rank=self.rank,
        )

    def _compile(self, augment: Augment) -> Compiled | None:
        if augment is None:
            return None
        from .augment import compile_transforms  # slow, and not all loaders need it

        height, width = self.dataset.images.shape[1:]
        compiled = compile_transforms(augment, height, width, len(self.dataset.classes))
        if compiled.mix is not None and self.label_dtype != "onehot":
            raise ValueError(
                "MixUp and CutMix make soft labels: label_dtype must be 'onehot', got "
                f"{self.label_dtype!r}"
            )
        return compiled

    def _core_transforms(self) -> Transforms | None:
        """The transforms that run in the core."""
        compiled = self._compiled
        if compiled is None or not (compiled.transforms or compiled.mix):
            return None
        return Transforms(compiled, *self.dataset.images.shape[1:])

    def augment_preview(self, index: int, n: int) -> np.ndarray:
        """Image `index` as the first `n` epochs augment it, to be looked at.

        Returns uint8 (n, height, width), of the augmented size: what a loader that does
        not shuffle gives in epochs 0 to n - 1, before mixing and before Python
        functions. Raises IndexError, or ValueError for n < 1.
        """
        n = checked_integer("n", n, 1, MAX_EPOCH + 1)
        size = len(self.dataset)
        row = checked_integer("index", index, -(2**63), 2**63 - 1)
        if not -size <= row < size:
            raise IndexError(f"index {row} of a dataset of {size}")
        image = self.dataset.images[row]
        transforms = self._core_transforms()
        if transforms is None:
            return np.repeat(image[None], n, axis=0)
        epochs, position = range(n), row % size
        return transforms.run(image, seed=self.seed, epochs=epochs, position=position)

    def show(
        self,
        batch: tuple[np.ndarray, np.ndarray],
        *,
        count: int = 32,
        columns: int = 8,
        zoom: int | None = None,
    ) -> PIL.Image.Image:
        """Draw a batch of this loader as a contact sheet, its normalisation undone.

        Values beyond black and white are drawn as these. Mixed labels are given as
        shares: "Bag 70%, Coat 30%".

        Parameters
        ----------
        batch : tuple of two ndarray
            Images and labels as this loader gives them, in any layout and dtype.
        count : int, in 1..10000
            At most so many of its images.
        columns, zoom
            As in `Dataset.show`.

        Returns
        -------
        PIL.Image.Image
            RGB.

        Raises
        ------
        ImportError
            Pillow is not installed.
        TypeError, ValueError
            The batch is not one of this loader, or an argument is not what it should
            be.
        """
        from ._show.batch import arrays_of, captions_of, pixels_of
        from ._show.contact_sheet import MAX_IMAGES, contact_sheet

        count = checked_integer("count", count, 1, MAX_IMAGES)
        images, labels = arrays_of(batch)
        kind = self.layout, self.image_sides, self.scale, self.bias
        pixels = pixels_of(images[:count], *kind)
        captions = captions_of(labels[:count], self.dataset.classes)
        title = f"{self.dataset.title}: {len(pixels):,} of a batch of {len(images):,}"
        return contact_sheet(pixels, captions, columns=columns, zoom=zoom, title=title)

    @property
    def image_sides(self) -> tuple[int, int]:
        """Height and width of the images in its batches, which steps may change."""
        if self._compiled is not None:
            return self._compiled.height, self._compiled.width
        height, width = self.dataset.images.shape[1:]
        return height, width

    @property
    def has_functions(self) -> bool:
        """Whether `augment` ends in Python functions, which change finished batches."""
        return self._compiled is not None and bool(self._compiled.functions)

    def _new_pipeline(self) -> Pipeline:
        n_rows = self.batch_size
        if self.drop_last != "wrap":
            n_rows = max(1, min(n_rows, len(self.dataset)))
        return Pipeline(
            parts_of(self.dataset.images),
            self.dataset.labels,
            transforms=self._core_transforms(),
            dtype=self.dtype,
            scale=self.scale,
            bias=self.bias,
            image_shape=options.image_shape(self.image_sides, self.layout),
            array_dtype=options.array_dtype(self.dtype),
            label_dtype=self.label_dtype,
            n_classes=len(self.dataset.classes),
            rows=n_rows,
            threads=self.threads,
            prefetch=self.prefetch,
            slots=self._slots,
        )

    @property
    def slot_nbytes(self) -> int:
        """Bytes that a batch takes: images, padding to a multiple of 256, labels."""
        with self._pipelines.lock:
            newest = self._pipeline or self._pipelines.idle(self._new_pipeline)
            return newest.slot_nbytes

    @property
    def epoch(self) -> int:
        """The epoch, from 0, that the next batch belongs to."""
        return self._progress.where()[0]

    def set_epoch(self, epoch: int) -> None:
        """Make the next iterator start at the beginning of `epoch`, 0..2**32-1.

        Right after `load_state_dict`, naming the epoch of the state keeps its position,
        so that loops which always set the epoch resume as well.
        """
        epoch = checked_integer("epoch", epoch, 0, MAX_EPOCH)
        with self._pipelines.lock:
            self._progress.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the newest iterator stands, as a few numbers to be kept as JSON.

        The position counts samples over all ranks, so that a run may go on with
        another number of threads, and of ranks or rows a batch.
        """
        with self._pipelines.lock:
            epoch, position = self._progress.where()
        return {
            "version": 1,
            "epoch": epoch,
            "position": position,
            "seed": self.seed,
            "shuffle": self.shuffle,
            "shuffle_block": self.shuffle_block,
            "samples": len(self.dataset),
            "dataset": self._fingerprint,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Make the next iterator go on where `state` was taken, with its seed.

        Raises ValueError naming the first entry that is missing, out of range, or that
        differs from this loader's dataset, shuffle or shuffle_block.
        """
        seed, begin = checked_state(state, self.state_dict())
        with self._pipelines.lock:
            self._seed = seed
            self._progress.go_to(begin)

    def close(self) -> None:
        """Join the worker threads; iterators in use raise RuntimeError.

        Batches that were handed out stay valid, and a new iterator starts new threads.
        """
        self._pipelines.close()

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if "_pipelines" in self.__dict__:
            self.close()

    def __getstate__(self) -> dict[str, Any]:
        if self._slots:
            raise TypeError("a Loader with supplied slots can't be pickled")
        state = self.__dict__ | {"_next": self._progress.where()}
        del state["_pipelines"], state["_progress"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset(self.__dict__.pop("_next"))

    def __repr__(self) -> str:
        shown = options.shown(self._options())
        slots = f", {len(self._slots)} slots" if self._slots else ""
        n = f"{len(self)} batches an epoch"
        return f"Loader({self.dataset!r}, {shown}{slots}: {n})"


def _checked_dataset(dataset: Any) -> Dataset:
    if not isinstance(dataset, Dataset):
        raise TypeError(
            f"dataset must be a Dataset, got {type(dataset).__name__}; make one of "
            "arrays with Dataset.from_arrays(images, labels)"
        )
    return dataset

"""Loader: a dataset as shuffled, normalized batches, epoch after epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._checks import Suggesting, checked_dtype, checked_flag, checked_integer, hinting
from ._core import DTYPES, MAX_EPOCH, Batches, Pipeline
from ._dataset.arrays import check_row
from ._loader import options
from ._loader.pipelines import Pipelines, Placeholder, new_pipeline, new_program, start
from ._loader.progress import Place, Progress, checked_state, state_at
from .dataset import Dataset

if TYPE_CHECKING:
    import PIL.Image

    from .augment import Augment, Compiled


class Loader(Suggesting):
    """Batches of a dataset, filled by native threads ahead of the training loop.

    Each loop over a Loader yields the next epoch, as ``(images, labels)`` tuples of
    numpy arrays. An iterator that is dropped before its first batch uses no epoch.

    Parameters
    ----------
    dataset : Dataset
        Images and labels, from `load`, `load_files` or `Dataset.from_arrays`.
    batch_size : int in 1..2**40, default 256
        Rows of a batch on one rank. The last batch may have fewer: see `drop_last`.
    shuffle : bool, default False
        Whether each epoch has its own order, a keyed permutation (src/sampler.h).
    shuffle_block : int in 1..2**40, optional
        Rows of a block, for files larger than memory (docs/files.md). The blocks are
        shuffled, then the rows in each group of up to 64 blocks. Requires `shuffle`.
    seed : int in 0..2**64-1, or None, default 0
        Source of all orders and random numbers. None draws a seed from the system,
        which `state_dict` saves. Several ranks must pass the same number.
    dtype : {"float32", "float16", "bfloat16", "uint8"}, default "float32"
        Data type of the images, or a dtype of numpy or PyTorch. Without the package
        ml_dtypes, bfloat16 arrays are uint16 arrays that hold the same bits.
    normalize : {"auto", "dataset", "unit"}, (mean, std), Dataset or None
        The default "auto" is "dataset", or None for uint8, which can't be normalized.
        "dataset" subtracts the mean of pixels in 0..1 and divides by their standard
        deviation. They are the training set's where it is known (docs/dataset.md). A
        Dataset stands for its statistics, and a pair of numbers gives them. "unit"
        scales to 0..1. None keeps 0..255. Each operation is rounded to float32.
    layout : {"NCHW", "NHWC", "NHW", "flat"}, default "NCHW"
        Shape of the images: (n, 1, height, width), (n, height, width, 1),
        (n, height, width) or (n, height * width).
    label_dtype : {"int64", "int32", "uint8", "onehot"}, default "int64"
        Data type of the labels. "onehot" labels are float32 of shape (n, classes).
    augment : transform, sequence of transforms, recipe name or None, default None
        Transforms with new random numbers for each image and epoch: see
        `fmnist_fast.augment`. Python functions may come last, and are slow. The
        consumer's thread calls ``function(images, labels, rng)`` for each batch. The
        result must be a tuple (images, labels). `rng` is a numpy Generator keyed by
        seed, epoch, position and rank.
    drop_last : bool or "wrap", default False
        False keeps a short last global batch, and divides its rows evenly among the
        ranks: a rank without a row has one batch fewer. True drops it. "wrap" fills it
        with the epoch's first samples, with new random numbers. With True and "wrap",
        all ranks have equally many batches of `batch_size` rows.
    shard : (rank, world), "env" or None, default None
        This process's part of every batch. Together the k-th batches of all ranks are
        the k-th batch of one process with ``batch_size * world`` rows. "env" asks the
        launcher of the process (docs/processes.md).
    threads : int in 1..256, optional
        Most workers at once. All loaders share the process's threads, which are as many
        as the largest `threads` of them. They end with the last loader that iterated.
        The default is the number of cores that this process may use, at most 4, or at
        most 8 with `augment`. A container's quota counts. If the system refuses some,
        the others or the consumer fill the same batches, and a RuntimeWarning says so.
    prefetch : int in 1..65536, default 4
        Batches to keep ready. More small ones are kept, to wake threads less often.
    slots : sequence of arrays or buffers, optional
        Your own memory, such as pinned memory: a writable, contiguous piece of at least
        `slot_nbytes` bytes for each batch, aligned to 64 bytes. Exactly `prefetch` of
        them hold batches ahead. While you hold batches in all others, iterating raises
        RuntimeError. A loader with slots has one iterator in use at a time, can't be
        pickled, and does not iterate in a forked child.

    Attributes
    ----------
    rank, world : int
        Index of this process, from 0, and number of processes.
    normalize : "unit", (mean, std) or None
        Normalization in use, with numbers in place of "auto", "dataset" or a Dataset.
    mean, std, scale, bias : float
        Numbers in use: a pixel x becomes ``(x / 255 - mean) / std``, computed as
        ``x * scale + bias``. `mean` and `std` are 0 and 1 for "unit", and 0 and 1/255
        for None.

    Raises
    ------
    TypeError, ValueError
        An argument is invalid. The message says what it must be.

    Notes
    -----
    Each parameter is also an attribute, which can't be changed.

    Determinism: A batch depends on the dataset, these options, `seed`, the epoch and
    the position in it, not on threads, prefetch, machine, rounding mode or resuming.

    Thread safety: Threads may share an iterator, and each batch goes to one of them.
    Several iterators may be in use, each with its own epoch. A forked child starts new
    threads, and there the parent's iterators raise RuntimeError. When the process
    exits, daemon threads that ask for a batch end, by SystemExit.

    Buffers: A batch's arrays are writable, and yours as long as anything refers to
    them. After that, their memory is reused.

    Copies: A copied or pickled loader begins where the next loop over the original
    would begin. Only `load_state_dict` resumes in the middle of an epoch.
    """

    _table = "Loader attribute"

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
        normalize: options.NormalizeLike = "auto",
        layout: str = "NCHW",
        label_dtype: str = "int64",
        augment: Augment = None,
        drop_last: options.DropLast = False,
        shard: tuple[int, int] | str | None = None,
        threads: int | None = None,
        prefetch: int = 4,
        slots: Sequence[Any] | None = None,
    ) -> None:
        self.dataset = options.checked_dataset(dataset)
        self.batch_size = options.checked_batch_size(batch_size)
        self.shuffle = checked_flag("shuffle", shuffle)
        self.shuffle_block = options.checked_block(shuffle_block, self.shuffle)
        self.rank, self.world = options.checked_shard(shard)
        self._seed = options.seed_of(seed, self.world)
        self.dtype = checked_dtype("dtype", dtype, DTYPES)
        normalization = options.checked_normalize(normalize, self.dtype, dataset)
        self.normalize, self.mean, self.std = normalization[:3]
        self.scale, self.bias, self._normalized_as = normalization[3:]
        self.layout = options.checked_layout(layout)
        self.label_dtype = options.checked_labels(label_dtype, len(dataset.classes))
        self._compiled = self._compile(augment)
        self.augment = tuple(augment) if isinstance(augment, list) else augment
        self.drop_last = options.checked_drop_last(drop_last)
        self.threads = options.checked_threads(threads, augment)
        self.prefetch = checked_integer("prefetch", prefetch, 1, 65536)
        self._slots = options.checked_slots(slots, self.prefetch)
        self._fingerprint = dataset.fingerprint  # now: a signal handler must not import
        self._reset()

    def __setattr__(self, name: str, value: Any) -> None:
        """Raise AttributeError for public names, which are fixed."""
        if "_progress" in self.__dict__ and not name.startswith("_"):
            advice = "Call set_epoch." if name == "epoch" else "Make another Loader."
            raise AttributeError(f"{name} of a Loader is fixed. {advice}")
        super().__setattr__(name, value)

    @property
    def seed(self) -> int:
        """Return the seed in use: the one given, drawn, or loaded with a state."""
        return self._seed

    def _reset(self) -> None:
        n_global = self.batch_size * self.world
        n_needed = n_global if self.drop_last is True else 1
        self._progress = Progress(len(self.dataset), n_global, n_needed, (0, 0))
        self._pipelines = Pipelines(have_slots=bool(self._slots))
        if self._slots:
            self._pipelines.idle(self._new_pipeline)  # checks the size of the slots

    def _options(self) -> dict[str, Any]:
        """Return the options without slots, in the order of `__repr__`."""
        values = vars(self) | {"seed": self.seed, "shard": (self.rank, self.world)}
        return {name: values[name] for name in options.NAMES}

    def _replace(self, **changes: Any) -> Loader:
        """Return a copy that differs only in `changes`, not in the global batches."""
        copy = type(self)(self.dataset, **self._options() | changes)
        copy._normalized_as = self._normalized_as
        with self._pipelines.lock:
            copy._progress = self._progress.copy()
        return copy

    @property
    def _pipeline(self) -> Pipeline | None:
        return self._pipelines.newest

    def __len__(self) -> int:
        """Return the number of batches in a whole epoch, for this rank."""
        return self._n_batches(0)

    def _n_batches(self, position: int) -> int:
        """Return how many batches this rank has from `position` on."""
        whole, rest = divmod(len(self.dataset) - position, self.batch_size * self.world)
        if self.drop_last == "wrap":
            return whole + (rest > 0)
        return whole + (rest > self.rank and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Return an iterator over the batches of the next epoch."""
        with self._pipelines.lock:
            if self._progress.pop_is_empty():
                return Batches()
            batches, seed, (epoch, position) = self._start()
        if self._compiled is None or not self.has_functions:
            return batches
        from .augment._functions import ChangedBatches

        return ChangedBatches(
            batches,
            self._compiled.functions,
            seed=seed,
            epoch=epoch,
            positions=(position, self.batch_size * self.world),
            rank=self.rank,
        )

    def _start(self) -> tuple[Batches, int, Place]:
        """Start an iterator. Return it with its seed, and the place where it begins."""
        checked_integer("epoch", self._progress.next_begin()[0], 0, MAX_EPOCH)
        placeholder = Placeholder()
        pipeline = self._pipelines.idle(self._new_pipeline, placeholder)
        seed, starting = self.seed, self._progress.begin(placeholder)
        try:
            batches = start(self, pipeline, seed, starting.begin)
        except BaseException:
            placeholder.closed = True
            self._progress.give_up(starting)
            raise
        self._pipelines.lend(batches)
        self._progress.begun(starting, batches)
        return batches, seed, starting.begin

    def _compile(self, augment: Augment) -> Compiled | None:
        if augment is None:
            return None
        from .augment import compile_transforms  # slow import

        height, width = self.dataset.images.shape[1:]
        compiled = compile_transforms(augment, height, width, len(self.dataset.classes))
        if compiled.mix is not None and self.label_dtype != "onehot":
            raise ValueError(
                "MixUp and CutMix require label_dtype='onehot', got "
                f"{self.label_dtype!r}"
            )
        return compiled

    def augment_preview(self, index: int, n: int) -> np.ndarray:
        """Return image `index` as an unshuffled loader augments it.

        Parameters
        ----------
        index : int
            Row of the image. A negative number counts from the end.
        n : int in 1..2**32
            Number of epochs, from epoch 0 on.

        Returns
        -------
        ndarray, uint8 (n, height, width)
            The image in each epoch, before mixing and before Python functions.

        Raises
        ------
        IndexError, TypeError, ValueError
            `index` is not in the dataset, or an argument is invalid.
        """
        n = checked_integer("n", n, 1, MAX_EPOCH + 1)
        size = len(self.dataset)
        row = checked_integer("index", index, -(2**63), 2**63 - 1)
        check_row(row, size)
        image = self.dataset.images[row]
        epochs, position = range(n), row % size
        program = new_program(self)
        return program.run(image, seed=self.seed, epochs=epochs, position=position)

    def show(
        self,
        batch: tuple[np.ndarray, np.ndarray],
        *,
        count: int = 32,
        columns: int = 8,
        zoom: int | None = None,
    ) -> PIL.Image.Image:
        """Return a contact sheet of a batch, with the normalization undone.

        Parameters
        ----------
        batch : tuple of two ndarray
            Images and labels that this loader yielded.
        count, columns, zoom : int
            As in `Dataset.show`.

        Returns
        -------
        PIL.Image.Image
            Picture in RGB. Values beyond black or white are clipped. Mixed labels are
            shown as shares: "Bag 70%, Coat 30%".

        Raises
        ------
        ImportError, TypeError, ValueError
            Pillow is missing, or an argument is invalid.
        """
        from ._show.batch import batch_sheet

        kind = self.layout, self.image_sides, self.scale, self.bias
        return batch_sheet(batch, self.dataset, kind, count, columns, zoom)

    @property
    def image_sides(self) -> tuple[int, int]:
        """Return the height and width of images in batches, after augmentation."""
        if self._compiled is not None:
            return self._compiled.height, self._compiled.width
        height, width = self.dataset.images.shape[1:]
        return height, width

    @property
    def has_functions(self) -> bool:
        """Return whether `augment` ends in Python functions, which change batches."""
        return self._compiled is not None and bool(self._compiled.functions)

    def _new_pipeline(self) -> Pipeline:
        return new_pipeline(self, self._slots)

    @property
    def slot_nbytes(self) -> int:
        """Return the bytes of a slot: images padded to a multiple of 256, labels."""
        with self._pipelines.lock:
            newest = self._pipeline or self._pipelines.idle(self._new_pipeline)
            return newest.slot_nbytes

    @property
    def epoch(self) -> int:
        """Return the epoch of the newest iterator, or of the next one after its end."""
        return self._progress.where()[0]

    def set_epoch(self, epoch: int) -> None:
        """Start the next iterator at the beginning of an epoch.

        Right after `load_state_dict`, the state's epoch keeps the state's position, and
        earlier epochs have no batches left. A loop that sets each epoch resumes too.

        Parameters
        ----------
        epoch : int in 0..2**32-1
            Number of the epoch.

        Raises
        ------
        TypeError, ValueError
            `epoch` is not an integer in its range.
        """
        epoch = checked_integer("epoch", epoch, 0, MAX_EPOCH)
        with self._pipelines.lock:
            self._progress.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the newest iterator.

        Returns
        -------
        dict
            Epoch, position, seed and fingerprint, which can be saved as JSON. The
            position counts samples over all ranks. A run may therefore continue with
            another number of threads, ranks or rows of a batch. While the last batch of
            an epoch is used, the position is the number of samples.
        """
        with self._pipelines.lock:
            return state_at(self._progress.where(), self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Start the next iterator where a state was taken, with its seed.

        Parameters
        ----------
        state : dict
            Result of `state_dict`, of this loader or another one.

        Raises
        ------
        TypeError, ValueError
            An entry is missing or invalid, or differs from this loader's dataset,
            `shuffle` or `shuffle_block`. The message names the entry.
        """
        seed, begin = checked_state(state, self.state_dict())
        with self._pipelines.lock:
            self._seed = seed
            self._progress.load(begin)

    def close(self) -> None:
        """Stop the workers. Iterators in use then raise RuntimeError.

        Batches that were handed out stay valid. The threads are joined as soon as every
        loader that has iterated is closed or dropped.
        """
        self._pipelines.close()

    def __enter__(self) -> Loader:
        """Return this loader, which the end of the block closes."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the loader."""
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """Return the options and the place where the next loop begins, for a copy."""
        if self._slots:
            raise TypeError("a Loader with slots can't be pickled. Make a new Loader.")
        with self._pipelines.lock:
            state = self.__dict__ | {"_progress": self._progress.copy()}
        del state["_pipelines"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a copy, without the threads and the iterators of the original."""
        self.__dict__.update(state)
        self._reset()
        self._progress = state["_progress"]

    def __repr__(self) -> str:
        """Return the dataset, the options, and the batches of an epoch."""
        shown = options.shown(self._options(), self._normalized_as)
        slots = f", {len(self._slots)} slots" if self._slots else ""
        return f"Loader({self.dataset!r}, {shown}{slots}: {len(self)} batches an epoch)"

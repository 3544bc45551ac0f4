"""Loader: a dataset as shuffled, normalized batches, epoch after epoch."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, overload

import numpy as np

from ._checks import checked_dtype, checked_flag, checked_integer, hinting
from ._core import DTYPES, MAX_EPOCH, Batches, Pipeline, Sampling
from ._loader import options, sampling
from ._loader.normalization import NormalizeLike, checked_normalize
from ._loader.options import Columns, Index, Pair, Triple
from ._loader.pictures import Pictures
from ._loader.pipelines import Pipelines, Placeholder, new_pipeline, start
from ._loader.places import Epochs, Place, Steps
from ._loader.progress import Progress
from ._loader.state import check_rows
from .dataset import Dataset

if TYPE_CHECKING:
    from .augment import Augment, Compiled
    from .augment._views import Views


class Loader(Pictures, Generic[Index, Columns]):
    """Batches of a dataset, filled by native threads ahead of the training loop.

    Each loop over a Loader yields the next epoch, as ``(images, labels)`` tuples of
    numpy arrays. An iterator that is dropped before its first batch uses no epoch.
    docs/sampling.md has recipes for `weights`, `order`, `repeats` and `steps`.

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
        shuffled, then the rows in each group of up to 64. This requires `shuffle`.
    weights : "balanced" or sequence of float (n,), optional
        Probability of each row, in any unit. An epoch has n rows, drawn with
        replacement. "balanced" makes all classes equally likely. `weights` excludes
        `shuffle` and `order`.
    order : sequence of int or boolean mask (n,), or function, optional
        Rows of each epoch, some or all of them, also several times. A function takes
        the epoch and returns them. It is called once for each epoch, and for epoch 0
        when the loader is made. Their number must stay the same, and all ranks must get
        the same rows. With `steps`, it takes the number of the pass over its rows, from
        0. All passes of an epoch are requested when its iterator starts. `order`
        excludes `shuffle` and `weights`.
    repeats : int in 1..2**20, default 1
        How many times each row comes, one directly after the other, with new random
        numbers.
    steps : int in 1..2**40, optional
        Number of batches of an epoch, all of them full. At the end of the order, its
        next pass follows. The next epoch begins where this one ended. `steps` excludes
        `drop_last`.
    seed : int in 0..2**64-1, or None, default 0
        Source of all orders and random numbers. None draws a seed from the system,
        which `state_dict` saves. Several ranks must pass the same number.
    augment_seed : int in 0..2**64-1, optional
        Source of the random numbers of `augment`. The default is `seed`.
    dtype : {"float32", "float16", "bfloat16", "uint8"}, default "float32"
        Data type of the images, or a dtype of numpy or PyTorch. Without the package
        ml_dtypes, bfloat16 arrays are uint16 arrays that hold the same bits.
    normalize : {"auto", "dataset", "unit"}, (mean, std), Dataset or None
        The default "auto" is "dataset", or None for uint8, which can't be normalized.
        "dataset" subtracts the mean of pixels in 0..1 and divides by their standard
        deviation. They are the training set's where it is known (docs/dataset.md). A
        Dataset stands for its statistics, and a pair of numbers gives them. "unit"
        scales to 0..1. None keeps 0..255. Each operation is rounded to float32. With
        channels=3, the mean and the std may be three numbers each, such as ImageNet's.
    layout : {"NCHW", "NHWC", "NHW", "flat"}, default "NCHW"
        Shape of the images: (n, channels, height, width), (n, height, width, channels),
        (n, height, width) or (n, channels * height * width). "NHW" requires channels=1.
    label_dtype : {"int64", "int32", "uint8", "onehot"}, default "int64"
        Data type of the labels. "onehot" labels are float32 of shape (n, classes).
    with_index : bool, default False
        Whether a third array, int64 (n,), has the number of each row in the dataset
        that was loaded, not in a selection of it: see `Dataset.rows`. After
        `concatenate` of different datasets, it is the row of the result.
    columns : sequence of str, default ()
        Columns of ``dataset.extra``, with numbers or booleans, whose values follow as
        further arrays (n,).
    channels : {1, 3}, default 1
        Number of channels. With 3, each has the gray image, as networks that were
        trained on colors expect.
    augment : transform, sequence of transforms, recipe name or None, default None
        Transforms with new random numbers for each image and epoch: see
        `fmnist_fast.augment`. Python functions may come last, and are slow. The
        consumer's thread calls ``function(images, labels, rng)`` for each batch. The
        result must be a tuple (images, labels). `rng` is a numpy Generator keyed by
        seed, epoch, position and rank.
    views : int in 1..63, sequence, FiveCrop, TenCrop or None, default None
        Views of each sample: images then have the shape (views, n, ...). A number makes
        that many views by `augment`, each with random numbers of its own. A sequence
        has what `augment` may be for each view, without functions, and excludes
        `augment`. `FiveCrop` and `TenCrop` crop what `augment` has made. Labels stay
        (n,), and mixed ones are (views, n, classes).
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
        most 8 with `augment` or `views`. A container's quota counts. If the system
        refuses some, the others or the consumer fill the same batches, and a
        RuntimeWarning says so.
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
    mean, std, scale, bias : float, or tuple of float for the channels
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
        weights: sampling.WeightsLike | None = None,
        order: sampling.OrderLike | None = None,
        repeats: int = 1,
        steps: int | None = None,
        seed: int | None = 0,
        augment_seed: int | None = None,
        dtype: str = "float32",
        normalize: NormalizeLike = "auto",
        layout: str = "NCHW",
        label_dtype: str = "int64",
        with_index: Index = False,  # type: ignore[assignment]  # the default of Index
        columns: Columns = (),  # type: ignore[assignment]
        channels: int = 1,
        augment: Augment = None,
        views: Views = None,
        drop_last: options.DropLast = False,
        shard: tuple[int, int] | str | None = None,
        threads: int | None = None,
        prefetch: int = 4,
        slots: Sequence[Any] | None = None,
    ) -> None:
        self.dataset = options.checked_dataset(dataset)
        self.batch_size = options.checked_batch_size(batch_size)
        self.rank, self.world = options.checked_shard(shard)
        self._set_seeds(seed, augment_seed)
        self._set_images(dtype, normalize, layout, channels)
        self._set_fields(label_dtype, with_index, columns)
        self._set_transforms(augment, views)
        self._set_ends(drop_last, steps)
        self._set_memory(threads, prefetch, slots)
        self._set_positions(shuffle, shuffle_block, weights, order, repeats)
        self._fingerprint = dataset.fingerprint  # now: a signal handler must not import
        self._reset()

    def _set_seeds(self, seed: Any, augment_seed: Any) -> None:
        self._seed = options.seed_of(seed, self.world)
        self._augment_seed = options.checked_augment_seed(augment_seed)

    def _set_images(
        self, dtype: Any, normalize: Any, layout: Any, channels: Any
    ) -> None:
        self.dtype = checked_dtype("dtype", dtype, DTYPES)
        self.channels = options.checked_channels(channels)
        normalization = checked_normalize(
            normalize, self.dtype, self.dataset, self.channels
        )
        self.normalize, self.mean, self.std = normalization[:3]
        self.scale, self.bias, self._normalized_as = normalization[3:]
        self.layout = options.checked_layout(layout, self.channels)

    def _set_fields(self, label_dtype: Any, with_index: Any, columns: Any) -> None:
        n_classes = len(self.dataset.classes)
        self.label_dtype = options.checked_labels(label_dtype, n_classes)
        self.with_index = checked_flag("with_index", with_index)
        self._column_values = options.checked_columns(columns, self.dataset)
        self.columns = tuple(self._column_values)

    def _set_transforms(self, augment: Augment, views: Views) -> None:
        self._compiled_views = self._compile(augment, views)
        if self._mixes and self.label_dtype != "onehot":
            raise ValueError(
                "MixUp and CutMix require label_dtype='onehot', got "
                f"{self.label_dtype!r}"
            )
        self.augment, self.views = options.fixed(augment), options.fixed(views)

    def _set_ends(self, drop_last: Any, steps: Any) -> None:
        self.drop_last = options.checked_drop_last(drop_last)
        self.steps = options.checked_steps(steps, self.drop_last)

    def _set_memory(self, threads: Any, prefetch: Any, slots: Any) -> None:
        self.threads = options.checked_threads(threads, self.augment, self.views)
        self.prefetch = checked_integer("prefetch", prefetch, 1, 65536)
        self._slots = options.checked_slots(slots, self.prefetch)

    def _set_positions(
        self, shuffle: Any, shuffle_block: Any, weights: Any, order: Any, repeats: Any
    ) -> None:
        self.shuffle = checked_flag("shuffle", shuffle)
        self.shuffle_block = options.checked_block(shuffle_block)
        self.repeats = options.checked_repeats(repeats)
        self._positions = sampling.Positions(
            self.dataset,
            shuffle=self.shuffle,
            shuffle_block=self.shuffle_block,
            weights=weights,
            order=order,
            repeats=self.repeats,
        )

    def __setattr__(self, name: str, value: Any) -> None:
        """Raise AttributeError for public names, which are fixed."""
        if "_progress" in self.__dict__ and not name.startswith("_"):
            advice = "Call set_epoch." if name == "epoch" else "Make another Loader."
            raise AttributeError(f"{name} of a Loader is fixed. {advice}")
        super().__setattr__(name, value)

    def _reset(self) -> None:
        shape = self._positions.n, self.batch_size, (self.rank, self.world)
        self._epochs = Epochs(*shape, self.drop_last)
        if self.steps is not None:
            self._epochs = Steps(*shape, self.steps)
        self._progress = Progress(self._epochs, Place(0))
        self._pipelines = Pipelines(have_slots=bool(self._slots))
        if self._slots:
            self._pipelines.idle(self._new_pipeline)  # checks the size of the slots

    def _options(self) -> dict[str, Any]:
        """Return the options without slots, in the order of `__repr__`."""
        values = vars(self) | {"seed": self.seed, "shard": (self.rank, self.world)}
        values |= {"augment_seed": self._augment_seed}
        values |= {"weights": self._positions.weights, "order": self._positions.order}
        return {name: values[name] for name in options.NAMES}

    def _replace(self, **changes: Any) -> Loader[Any, Any]:
        """Return a copy that differs only in `changes`, not in the global batches."""
        copy = type(self)(self.dataset, **self._options() | changes)
        copy._normalized_as = self._normalized_as
        copy._saved_order = self._saved_order
        with self._pipelines.lock:
            copy._progress = self._progress.copy()
        return copy

    @property
    def _pipeline(self) -> Pipeline | None:
        return self._pipelines.newest

    def __len__(self) -> int:
        """Return the number of batches in a whole epoch, for this rank."""
        return self._n_batches(Place(0))

    def _n_batches(self, place: Place) -> int:
        """Return how many batches this rank has from `place` to its epoch's end."""
        return self._epochs.n_batches(place)

    @overload
    def __iter__(self: Loader[Literal[False], tuple[()]]) -> Iterator[Pair]: ...
    @overload
    def __iter__(self: Loader[Literal[True], tuple[()]]) -> Iterator[Triple]: ...
    @overload
    def __iter__(self) -> Iterator[tuple[np.ndarray, ...]]: ...
    def __iter__(self) -> Iterator[Any]:
        """Return an iterator over the batches of the next epoch."""
        with self._pipelines.lock:
            if self._progress.pop_is_empty():
                return Batches()
            batches, seed, place = self._start()
        if not self._functions:
            return batches
        from .augment._functions import ChangedBatches

        return ChangedBatches(
            batches,
            self._functions,
            seed=seed,
            place_of=functools.partial(self._epochs.batch_position, place),
            rank=self.rank,
        )

    def _start(self) -> tuple[Batches, int, Place]:
        """Start an iterator. Return it with its seed, and the place where it begins."""
        begin = self._progress.next_begin()
        checked_integer("epoch", begin.epoch, 0, MAX_EPOCH)
        order = self._sampling(begin)
        placeholder = Placeholder()
        pipeline = self._pipelines.idle(self._new_pipeline, placeholder)
        seed, starting = self.augment_seed, self._progress.begin(placeholder)
        try:
            if starting.begin != begin:  # a signal handler started another iterator
                order = self._sampling(starting.begin)
            batches = start(self, pipeline, order, starting.begin)
        except BaseException:
            placeholder.closed = True
            self._progress.give_up(starting)
            raise
        self._pipelines.lend(batches)
        self._progress.begun(starting, batches)
        return batches, seed, starting.begin

    def _sampling(self, begin: Place) -> Sampling:
        """Return the rows that an iterator gets from `begin` on, for the core."""
        first, position = self._epochs.pass_position(begin)
        rows = self._positions.sampling(first, self._epochs.last_pass(begin))
        epoch, saved = self._saved_order
        if first == epoch and position and self._n_batches(begin):
            check_rows(saved, first, self._positions.order)
        return rows

    def _compile(self, augment: Augment, views: Views) -> tuple[Compiled | None, ...]:
        height, width = self.dataset.images.shape[1:]
        size = height, width, len(self.dataset.classes)
        if views is not None:
            from .augment._views import compile_views  # slow import

            return compile_views(augment, views, *size)
        if augment is None:
            return (None,)
        from .augment import compile_transforms  # slow import

        return (compile_transforms(augment, *size),)

    @property
    def has_functions(self) -> bool:
        """Return whether `augment` ends in Python functions, which change batches."""
        return bool(self._functions)

    @property
    def _functions(self) -> tuple[Any, ...]:
        return self._compiled_views[0].functions if self._compiled_views[0] else ()

    def _new_pipeline(self) -> Pipeline:
        return new_pipeline(self, self._slots)

    @property
    def slot_nbytes(self) -> int:
        """Return the bytes of a slot: images padded to a multiple of 256, labels."""
        with self._pipelines.lock:
            newest = self._pipeline or self._pipelines.idle(self._new_pipeline)
            return newest.slot_nbytes

    def __repr__(self) -> str:
        """Return the dataset, the options, and the batches of an epoch."""
        shown = options.shown(self._options(), self._normalized_as)
        slots = f", {len(self._slots)} slots" if self._slots else ""
        return f"Loader({self.dataset!r}, {shown}{slots}: {len(self)} batches an epoch)"

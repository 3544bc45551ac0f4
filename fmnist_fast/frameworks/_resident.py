"""Loaders whose batches the kernels of a device make from pixels in its memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from time import perf_counter_ns
from typing import Any, Literal

from .._checks import checked_flag, checked_integer
from .._core import MAX_EPOCH, MAX_SHARED_NBYTES
from .._device.batches import ChunkPipeline, Filler
from .._device.machine import Machine
from .._device.pixels import machine_nbytes
from .._loader.pipelines import new_programs
from .._loader.places import Place
from .._loader.state import checked_state, state_at
from .._loader.stats import Stats, Stopwatch, stats_of
from ..augment import CFunction, Transform
from ..dataset import Dataset
from ..loader import Loader

_ADVICE = "With resident=False, this loader works."


class ResidentLoader(Loader):
    """Loader whose batches a machine makes, with the bytes of `Loader`.

    Batches are arrays of the machine's framework. The options `threads` and `prefetch`
    have no effect.

    Parameters
    ----------
    dataset, batch_size
        As for `Loader`.
    machine : Machine, optional
        Machine whose kernels make the batches. The default is this process, in which
        they run as plain C: slow, and meant for tests and debugging.
    **options
        Keyword arguments of `Loader`, except `slots`.

    Raises
    ------
    TypeError
        An argument has a wrong type, as for `Loader`.
    ValueError
        An argument has a wrong value, as for `Loader`; `augment` has Python or C
        functions; `shuffle_block` or `slots` are given; or the images are too large for
        the shared memory of a device.
    MemoryError
        The dataset does not fit into the machine's memory.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 256,
        *,
        machine: Machine | None = None,
        **options: Any,
    ) -> None:
        self._machine = machine or Machine()
        super().__init__(dataset, batch_size, **options)

    def _reset(self) -> None:
        _check(self)
        super()._reset()
        with self._pipelines.lock:  # an error of the machine comes now
            self._pipelines.idle(self._new_pipeline)

    def _replace(self, **changes: Any) -> Loader:
        return super()._replace(machine=self._machine, **changes)

    def _new_pipeline(self) -> Any:
        return ChunkPipeline(self, self._machine)

    @property
    def slot_nbytes(self) -> int:
        """Raise AttributeError, because there are no slots."""
        raise AttributeError("a loader with resident=True has no slots")


class FixedBuffersLoader(ResidentLoader):
    """Resident loader that makes each batch in the same two arrays.

    The position is in the machine's memory, and the kernels advance it. So a CUDA graph
    that has captured `fill` can be replayed through whole epochs.

    Attributes
    ----------
    buffers : tuple of arrays
        Images, labels and further fields of the newest batch.

    Raises
    ------
    ValueError
        An argument has a wrong value, as for `ResidentLoader`, or the last batch of an
        epoch would be short.
    """

    def _reset(self) -> None:
        _check(self)
        Loader._reset(self)
        check_equal_batches(self, Place(0))
        order = self._positions.order
        if order is not None and order.is_function:
            raise ValueError(
                "fixed_buffers=True and a function as order can't be combined, because "
                "the device begins epochs by itself.\nPass an array of rows as order, "
                "or fixed_buffers=False."
            )
        if len(self) == 0:
            raise ValueError(
                "fixed_buffers=True requires a dataset that has a batch, got "
                f"{len(self.dataset)} images"
            )
        self._filler = Filler(self, self._machine, self.batch_size)
        with self._machine.on_device():
            self._filler.set_sampling(self._positions.sampling(0, 0))
            memory = self._filler.empty(self.batch_size)
        self._filler.arrays += memory
        self._memory = memory
        self._buffers = next(self._filler.split(memory, self.batch_size))
        self._n_iterators = 0
        self._watch = Stopwatch()
        self._go_to(self._progress.next_begin())

    @property
    def buffers(self) -> tuple[Any, ...]:
        """Return the arrays of every batch: images, labels and further fields."""
        return self._buffers

    def fill(self) -> tuple[Any, ...]:
        """Make the next batch in `buffers` on the current stream, and return them.

        After the last batch of an epoch, the next epoch begins. A CUDA graph can
        capture this.
        """
        with self._pipelines.lock, self._machine.on_device():
            self._filler.fill(self._memory, advance=True)
            return self._buffers

    def _go_to(self, place: Place, seeds: tuple[int, int] | None = None) -> None:
        """Let the next batch be the first one from a place on, with other seeds."""
        epochs = self._epochs
        begin = place if self._n_batches(place) else epochs.following(place)
        checked_integer("epoch", begin.epoch, 0, MAX_EPOCH)
        seeds = seeds or (self.seed, self.augment_seed)
        with self._machine.on_device():
            self._filler.begin(seeds, *epochs.pass_position(begin))
        self._begin = begin

    def _place(self) -> Place | None:
        """Return the place of the next batch, or None if it is where `_go_to` went."""
        if self._machine.is_capturing():
            raise RuntimeError(
                "the position can't be read while the stream captures a CUDA graph"
            )
        place = self._epochs.place_at(self._begin, *self._filler.place())
        return None if place == self._begin else place

    def _next_epoch(self, place: Place) -> Place:
        """Return where the next epoch begins for a batch at `place`."""
        epochs = self._epochs
        return epochs.following(place) if epochs.is_begun(place) else place

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Return an iterator over the batches of the next epoch.

        It ends the iterators before, which then raise RuntimeError.
        """
        with self._pipelines.lock:
            self._n_iterators += 1
            self._watch = Stopwatch()
            if self._progress.pop_is_empty():
                return self._filled(0, self._n_iterators)
            place, begin = self._place(), self._progress.next_begin()
            if place is not None:
                begin = self._next_epoch(place)
                self._progress.go_to(begin)
            elif begin != self._begin:  # the end of an epoch, from a state
                self._progress.go_to(self._begin)
                return self._filled(0, self._n_iterators)
            if begin != place:
                self._go_to(begin)
            n_batches = self._n_batches(begin)
            return self._filled(n_batches, self._n_iterators)

    def _filled(self, n_batches: int, number: int) -> Iterator[tuple[Any, ...]]:
        for _ in range(n_batches):
            with self._pipelines.lock:
                if self._n_iterators != number:
                    raise RuntimeError(
                        "this iterator was ended by a newer one, or by close().\n"
                        "A loader with fixed_buffers=True has one iterator at a time."
                    )
                self._watch.request_ns = perf_counter_ns()
                batch = self.fill()
                self._watch.launched()
            yield batch

    def stats(self) -> Stats:
        """Return how long the newest iterator waited, without calls of `fill`."""
        return stats_of(self._watch)

    @property
    def epoch(self) -> int:
        """Return the epoch of the next batch. The host waits for the device."""
        return (self._place() or self._progress.where())[0]

    def set_epoch(self, epoch: int) -> None:
        """Let the next batch be the first one of an epoch, as for `Loader`."""
        epoch = checked_integer("epoch", epoch, 0, MAX_EPOCH)
        with self._pipelines.lock:
            place = self._place()
            if place is not None:
                self._progress.go_to(self._next_epoch(place))
            self._progress.set_epoch(epoch)
            self._go_to(self._progress.next_begin())

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the next batch, after waiting for the device."""
        with self._pipelines.lock:
            return state_at(self._place() or self._progress.where(), self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next batch be the one at which a state was taken, with its seed."""
        begin, seed, augment_seed = checked_state(state, self)
        check_equal_batches(self, begin)
        seeds = seed, seed if augment_seed is None else augment_seed
        with self._pipelines.lock:
            self._go_to(begin, seeds)  # an error changes nothing
            self._seed, self._augment_seed = seed, augment_seed
            self._progress.load(begin)

    def close(self) -> None:
        """End the iterator in use."""
        self._n_iterators += 1

    def __getstate__(self) -> dict[str, Any]:
        """Return the options and the place where the next loop begins, for a copy."""
        state = super().__getstate__()
        place = self._place()
        if place is not None:
            state["_progress"].go_to(self._next_epoch(place))
        for name in ("_filler", "_memory", "_buffers"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a copy, with buffers of its own."""
        super().__setstate__(state)
        self._go_to(self._progress.next_begin())


def checked_resident(resident: Any) -> Literal[True, False, "auto"]:
    """Return a valid `resident`, or raise an error."""
    if not isinstance(resident, str):
        return checked_flag("resident", resident)
    if resident != "auto":
        raise ValueError(f"resident must be True, False or 'auto', got {resident!r}")
    return "auto"


def new_loader(
    resident: Literal[True, False, "auto"],
    machine: Callable[[], Machine],
    fixed_buffers: bool,
    dataset: Dataset,
    **options: Any,
) -> Loader:
    """Return a new loader for an adapter, which is resident if it is to be.

    With "auto", it is resident where the dataset takes less than a quarter of the
    device's free memory, and nothing forbids it.
    """
    kind = FixedBuffersLoader if fixed_buffers else ResidentLoader
    if resident == "auto":
        with suppress(Exception):  # of cuda-core too, or of a wrong option
            device = machine()
            with device.on_device():
                memory = device.free_nbytes()
            if memory is not None and 4 * machine_nbytes(dataset.images) < memory[0]:
                return kind(dataset, machine=device, **options)
    elif resident:
        return kind(dataset, machine=machine(), **options)
    return Loader(dataset, **options)


def resident_with_buffers(loader: Loader, name: str) -> FixedBuffersLoader:
    """Return a loader with the attribute `name`, which others don't have."""
    if not isinstance(loader, FixedBuffersLoader):
        raise AttributeError(f"{name} requires resident=True and fixed_buffers=True")
    return loader


def as_they_are(batches: Iterable[Any]) -> Iterable[Any]:
    """Return batches that need no conversion.

    Unlike a generator, their iterator goes on after an error, such as one of memory.
    """
    return batches


def check_equal_batches(loader: Loader, begin: Place) -> None:
    """Raise ValueError if a batch from a place on would be short."""
    rows = loader._epochs.n_global
    n = loader._positions.n - begin.position
    if not loader._epochs.last and n % rows:
        raise ValueError(
            f"fixed_buffers=True requires batches of one size, but {n} images are not "
            f"a multiple of {rows}.\nPass drop_last=True or drop_last='wrap'."
        )


def _check(loader: Loader) -> None:
    """Raise ValueError if the kernels of devices can't fill the batches of a loader."""
    functions = [
        function
        for view in loader._compiled_views
        for function in _functions(view.source if view else ())
    ]
    if functions:
        raise ValueError(
            "resident=True requires augment without functions of your own, got "
            f"{' and '.join(dict.fromkeys(map(repr, functions)))}.\n{_ADVICE}"
        )
    if loader.shuffle_block is not None:
        raise ValueError(
            "resident=True requires shuffle_block=None, got "
            f"{loader.shuffle_block}.\n{_ADVICE}"
        )
    if loader._slots:
        raise ValueError(
            f"resident=True requires slots=None, got {len(loader._slots)} slots.\n"
            f"{_ADVICE}"
        )
    nbytes = max(program.shared_nbytes for program in new_programs(loader))
    if nbytes > MAX_SHARED_NBYTES:
        height, width = loader.dataset.images.shape[1:]
        views = "" if loader.views is None else f" and views={loader.views!r}"
        raise ValueError(
            "resident=True requires at most "
            f"{MAX_SHARED_NBYTES:,} bytes of shared memory for an image, got "
            f"{nbytes:,} for images of {height}x{width} pixels and augment="
            f"{loader.augment!r}{views}.\n{_ADVICE}"
        )


def _functions(items: Iterable[Any]) -> Iterator[Any]:
    """Yield the Python and C functions of the user, also those inside groups."""
    for item in items:
        if isinstance(item, Transform) and not isinstance(item, CFunction):
            yield from _functions(getattr(item, "transforms", ()))
        else:
            yield item

"""Batches that a machine's kernels make, in chunks of several batches.

A chunk is one piece of memory for its images, and one for its labels. Its batches are
slices of them. So a launch makes thousands of rows, whatever the batch size is, and the
chunk lives as long as any of its batches.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from time import perf_counter_ns
from typing import Any

import numpy as np

from .._core import LASTS, LAUNCH_NBYTES, Batches, Program, Sampling, launch_place
from .._loader.options import image_shape
from .._loader.pipelines import columns_of, new_programs
from .._loader.stats import Stopwatch
from .machine import Machine
from .pixels import copy_to, shared_pixels

CHUNK_ROWS = 8192
_MAX_NBYTES = 1 << 28  # of a chunk, and of the planned rows of a launch
_PLAN_THREADS, _FILL_THREADS, _CUT_THREADS = 32, 128, 64  # of a thread block


def _making(program: Program) -> tuple[str, int, int]:
    """Return the kernel that makes rows, and its threads and shared memory."""
    if program.only_cuts:
        return "cut", _CUT_THREADS, 0
    return "fill", _FILL_THREADS, program.shared_nbytes


class Filler:
    """The rows of a Loader, made in order by a machine's kernels.

    `most_rows` are made at once. The pixels of the dataset are copied to the machine's
    memory, unless another loader has done it. `arrays` are those that the kernels use.
    Call `set_sampling` before the first `begin`.
    """

    def __init__(self, loader: Any, machine: Machine, most_rows: int) -> None:
        if machine.is_capturing():
            raise RuntimeError(
                "a resident loader can't get memory while the stream captures a CUDA "
                "graph.\nMake the loader and its iterators before the capture."
            )
        machine.check()
        programs = new_programs(loader)
        self._machine = machine
        self._making = list(map(_making, programs))  # for each view
        row_nbytes = max(program.row_nbytes for program in programs)
        self._most_planned = max(1, min(most_rows, _MAX_NBYTES // row_nbytes))
        self._set_fields(loader)
        with machine.on_device():
            self._pixels = shared_pixels(machine, loader.dataset)
            self._programs = [
                copy_to(machine, np.frombuffer(bytearray(program.tobytes()), np.uint8))
                for program in programs
            ]
            self._launch = machine.empty((LAUNCH_NBYTES,), "uint8")
            self._rows = machine.empty((self._most_planned * row_nbytes,), "uint8")
            own = self._launch, self._rows, *self._programs
            self.arrays: tuple[Any, ...] = *own, *self._pixels.arrays
            self._columns = [self._on_machine(*column) for column in columns_of(loader)]
            self._stream = self._pixels.stream
            self._sampling: tuple[Any, ...] = ()  # a table and a struct fm_sampling
            self.follow()
        self._addresses = tuple(
            map(machine.address, (self._launch, self._rows, self._pixels.source))
        )
        self._program_addresses = tuple(map(machine.address, self._programs))

    def _set_fields(self, loader: Any) -> None:
        """Set the rows of batches, and the shapes and data types of their fields."""
        last = int(LASTS[loader._epochs.last])
        self._batching = loader.batch_size, loader.rank, loader.world, last
        sides, channels = loader.image_sides, loader.channels
        self._n_channels = channels
        self._view_axes, self._label_view_axes = loader._view_axes
        self._image_shape = image_shape(sides, loader.layout, channels)
        is_onehot = loader.label_dtype == "onehot"
        self._label_shape = (len(loader.dataset.classes),) * is_onehot
        self._dtypes = loader.dtype, "float32" if is_onehot else loader.label_dtype
        self._column_dtypes = [
            "int64" if values is None else values.dtype.name
            for values, _ in columns_of(loader)
        ]

    def follow(self, *more: Any) -> Any:
        """Return the current stream, after letting it wait for the one before.

        `more` are further arrays that it uses. A stream that captures can't wait for
        work outside of its graph.
        """
        machine, stream = self._machine, self._machine.stream()
        if stream != self._stream and not machine.is_capturing():
            machine.follow(stream, self._stream, (*self.arrays, *self._sampling, *more))
            self._stream = stream
        return stream

    def _on_machine(self, values: np.ndarray | None, first: int) -> tuple[int, ...]:
        """Copy a column. Return its address, the bytes of a value, and the first."""
        if values is None:
            return 0, 8, first
        array = copy_to(self._machine, values)
        self.arrays += (array,)
        return self._machine.address(array), values.itemsize, first

    def set_sampling(self, sampling: Sampling) -> None:
        """Let the next `begin` take the rows of `sampling`."""
        machine, address = self._machine, 0
        table: tuple[Any, ...] = ()
        if sampling.table is not None:
            table = (copy_to(machine, sampling.table),)
            address = machine.address(table[0])
        content = np.frombuffer(bytearray(sampling.tobytes(address)), np.uint8)
        self._sampling = *table, copy_to(machine, content)

    def empty(self, n_rows: int) -> tuple[Any, ...]:
        """Return new memory for the images, labels and columns of `n_rows` rows.

        Views are the second axis. `split` makes them the first one of each batch.
        """
        empty, (image_dtype, label_dtype) = self._machine.empty, self._dtypes
        images = empty((n_rows, *self._view_axes, *self._image_shape), image_dtype)
        labels = empty(
            (n_rows, *self._label_view_axes, *self._label_shape), label_dtype
        )
        return images, labels, *(empty((n_rows,), name) for name in self._column_dtypes)

    def split(self, arrays: tuple[Any, ...], rows: int) -> Iterator[tuple[Any, ...]]:
        """Return an iterator over batches, `rows` rows each, that share the memory."""
        batches = self._machine.split(arrays, rows)
        if self._view_axes:
            batches = map(self._with_views, batches)
        return self._machine.laid_out(batches)

    def _with_views(self, batch: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return a batch whose images have the views first. Its memory has them so."""
        images, labels, *columns = batch
        n = len(images)
        images = images.reshape((*self._view_axes, n, *self._image_shape))
        labels = labels.reshape((*self._label_view_axes, n, *self._label_shape))
        return images, labels, *columns

    def begin(self, seeds: tuple[int, int], epoch: int, position: int) -> None:
        """Let the next rows be those from a position of an epoch on.

        `seeds` are those of the order and of the transforms.
        """
        order = self._machine.address(self._sampling[-1])
        place = self._addresses[0], order, *seeds, epoch, position
        self._machine.launch("start", self.follow(), 1, 1, 0, *place, *self._batching)

    def fill(self, arrays: tuple[Any, ...], *, advance: bool) -> None:
        """Make the next rows, as many as there is memory for, on the current stream.

        `arrays` are those of `empty`. With `advance`, the rows after them are the next
        ones. Otherwise call `begin`.
        """
        images, labels, *columns = arrays
        launch, stream, n = self._machine.launch, self.follow(), len(labels)
        place, rows, source = self._addresses
        outs = self._machine.address(images), self._machine.address(labels)
        for done in range(0, n, self._most_planned):
            n_rows = min(n - done, self._most_planned)
            n_plans = -(-n_rows // _PLAN_THREADS)
            for program, making in zip(self._program_addresses, self._making):
                plan = program, place, n_rows, done, n, rows
                launch("plan", stream, n_plans, _PLAN_THREADS, 0, *plan)
                kernel, n_threads, shared_nbytes = making
                make = program, source, rows, *outs
                n_blocks = n_rows * (self._n_channels if kernel == "cut" else 1)
                launch(kernel, stream, n_blocks, n_threads, shared_nbytes, *make)
            for array, column in zip(columns, self._columns):
                out = self._machine.address(array) + done * column[1]
                gather = program, rows, n_rows, *column, out
                launch("gather", stream, n_plans, _PLAN_THREADS, 0, *gather)
            if advance or done + n_rows < n:
                launch("advance", stream, 1, 1, 0, place, n_rows)

    def place(self) -> tuple[int, int]:
        """Return the epoch and the position of the next row. The host waits."""
        with self._machine.on_device():
            return launch_place(self._machine.read(self._launch))


class ChunkPipeline:
    """Pipeline whose batches a machine's kernels make; see `Pipeline` of the core.

    Only the newest iterator of a pipeline yields batches.
    """

    def __init__(self, loader: Any, machine: Machine) -> None:
        self.lock = threading.RLock()
        self.ticket = self.n_taken = 0
        self.closed = self.is_running = self.is_over = False
        self.watch = Stopwatch()
        self.machine, self._pid = machine, os.getpid()
        rows = loader._epochs.max_rows
        height, width = loader.image_sides
        n_values = height * width * loader.channels * len(loader._compiled_views)
        if loader.label_dtype == "onehot":
            n_values += len(loader.dataset.classes) * math.prod(loader._view_axes[1])
        n_values += 2 * (loader.with_index + len(loader.columns))  # of 8 bytes
        most = min(CHUNK_ROWS, _MAX_NBYTES // (4 * n_values)) // rows
        self.chunk_batches = max(1, min(most, len(loader)))
        self.filler = Filler(loader, machine, self.chunk_batches * rows)
        self._sampling: Sampling | None = None

    def start(
        self,
        *,
        owner: Any,
        sampling: Sampling,
        seed: int,
        augment_seed: int,
        epoch: int,
        begin: int,
        batches: int,
        **_: Any,
    ) -> Any:
        """Begin an epoch at position `begin`, and return its iterator."""
        with self.lock:
            if sampling is not self._sampling:
                with self.machine.on_device():
                    self.filler.set_sampling(sampling)
                self._sampling = sampling
            self.ticket += 1
            self.n_taken, self.is_running, self.is_over = 0, True, False
            self.watch = Stopwatch()
            place = epoch, begin
            seeds = seed, augment_seed
            return ChunkBatches(self, self.ticket, owner, seeds, place, batches)

    def close(self) -> None:
        """End the iterator in use. Batches that are held stay valid."""
        self.closed = True

    def progress(self, ticket: int) -> tuple[int, bool] | None:
        """Return the number of batches taken, and whether all were, or None."""
        if ticket != self.ticket:
            return None
        return self.n_taken, self.is_over

    def stats(self) -> tuple[int, int, int, int, int, int]:
        """Return numbers of the newest iterator, as `Pipeline.stats` of the core."""
        return self.watch.stats(self.n_taken)

    @property
    def forked(self) -> bool:
        """Return whether this process is a forked child of the one that made this."""
        return self._pid != os.getpid()


class ChunkBatches:
    """Iterator over the batches of an epoch; see `Batches` of the core."""

    def __init__(
        self,
        pipeline: ChunkPipeline,
        ticket: int,
        owner: Any,
        seeds: tuple[int, int],
        begin: tuple[int, int],
        n_batches: int,
    ) -> None:
        self.pipeline, self.ticket, self._owner = pipeline, ticket, owner
        self._seeds, self._begin, self._n_batches = seeds, begin, n_batches
        self._chunk: tuple[Any, ...] = ()
        self._batches: list[tuple[Any, ...]] = []  # of the chunk
        self._n_made = 0  # batches of the epoch up to the chunk's end

    def __iter__(self) -> ChunkBatches:
        return self

    def __next__(self) -> tuple[Any, ...]:
        pipeline = self.pipeline
        if pipeline.forked:  # in a child, the lock may stay locked
            self._raise_error()
        with pipeline.lock:
            if pipeline.ticket != self.ticket or not pipeline.is_running:
                raise StopIteration
            if pipeline.closed:
                self._raise_error()
            pipeline.watch.request_ns = perf_counter_ns()
            pipeline.filler.follow(*self._chunk)
            # A signal handler can't run between these lines, which call nothing.
            if pipeline.n_taken < self._n_made:
                pipeline.n_taken += 1
                return self._batches[pipeline.n_taken - self._n_made - 1]
            if pipeline.n_taken < self._n_batches:
                self._make_chunk()
                pipeline.watch.launched()
                return next(self)  # a signal handler may have taken batches meanwhile
            self._drop()
            pipeline.is_running, pipeline.is_over = False, True
            raise StopIteration

    def _raise_error(self) -> None:
        reason = "the loader was closed while this iterator was in use"
        if self.pipeline.forked:
            reason = "this iterator was made before a fork, and can't be used in the "
            reason += "child process"
        raise RuntimeError(f"{reason}.\nStart a new one with iter(loader).")

    def _drop(self) -> None:
        """Drop the chunk. Batches that are held keep its memory."""
        self._chunk, self._batches, self._n_made = (), [], 0

    def _make_chunk(self) -> None:
        """Make the next chunk.

        If it fails, for example without memory, the next call makes the same chunk.
        """
        pipeline, owner = self.pipeline, self._owner
        n_taken = pipeline.n_taken
        if pipeline.machine.is_capturing():
            raise RuntimeError(
                "a batch can't be requested while the stream captures a CUDA graph.\n"
                "Pass fixed_buffers=True, and call fill() in the captured step."
            )
        self._drop()  # its memory may be reused
        epochs, n_global = owner._epochs, owner._epochs.n_global
        epoch, position = self._begin
        position += n_taken * n_global
        n = min(pipeline.chunk_batches, self._n_batches - n_taken)
        n_rows = (n - 1) * owner.batch_size
        n_last = epochs.n_positions - position - (n - 1) * n_global
        if n_last >= n_global or epochs.last in ("wrap", "next"):
            n_last = n_global
        n_rows += n_last // owner.world + (owner.rank < n_last % owner.world)
        if epochs.last == "next":
            n_later, position = divmod(position, epochs.n_positions)
            epoch += n_later
        with pipeline.machine.on_device():
            chunk = pipeline.filler.empty(n_rows)
            pipeline.filler.begin(self._seeds, epoch, position)
            pipeline.filler.fill(chunk, advance=False)
            batches = list(pipeline.filler.split(chunk, owner.batch_size))
        self._chunk, self._batches, self._n_made = chunk, batches, n_taken + n

    def __reduce__(self) -> Any:
        """Raise TypeError, as for an iterator of `Loader`."""
        return Batches().__reduce__()

    def __length_hint__(self) -> int:
        """Return the number of batches that are left."""
        return 0 if self.closed else self._n_batches - self.pipeline.n_taken

    @property
    def closed(self) -> bool:
        """Return whether the epoch is over, or this iterator was closed."""
        return self.ticket != self.pipeline.ticket or not self.pipeline.is_running

    def close(self) -> None:
        """Take no more batches of this epoch. Batches that are held stay valid."""
        if self.ticket == self.pipeline.ticket:
            self.pipeline.is_running = False
        self._drop()

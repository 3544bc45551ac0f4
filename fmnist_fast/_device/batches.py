"""Batches that a machine's kernels make, in chunks of several batches.

A chunk is one piece of memory for its images, and one for its labels. Its batches are
slices of them. So a launch makes thousands of rows, whatever the batch size is, and the
chunk lives as long as any of its batches.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np

from .._core import LASTS, LAUNCH_NBYTES, Batches, launch_place
from .._loader.options import image_shape
from .._loader.pipelines import new_program
from .machine import Machine
from .pixels import shared_pixels

CHUNK_ROWS = 8192
_MAX_NBYTES = 1 << 28  # of a chunk, and of the planned rows of a launch
_PLAN_THREADS, _FILL_THREADS, _CUT_THREADS = 32, 128, 64  # of a thread block


class Filler:
    """The rows of a Loader, made in order by a machine's kernels.

    `most_rows` are made at once. The pixels of the dataset are copied to the machine's
    memory, unless another loader has done it. `arrays` are those that the kernels use.
    """

    def __init__(self, loader: Any, machine: Machine, most_rows: int) -> None:
        if machine.is_capturing():
            raise RuntimeError(
                "a resident loader can't get memory while the stream captures a CUDA "
                "graph.\nMake the loader and its iterators before the capture."
            )
        machine.check()
        program = new_program(loader)
        self._machine = machine
        # The kernel that makes rows, the threads of a thread block, its shared memory
        self._making = "fill", _FILL_THREADS, program.shared_nbytes
        if program.only_cuts:
            self._making = "cut", _CUT_THREADS, 0
        self._most_planned = max(1, min(most_rows, _MAX_NBYTES // program.row_nbytes))
        self._order = len(loader.dataset), int(loader.shuffle)
        last = int(LASTS[loader.drop_last])
        self._batching = loader.batch_size, loader.rank, loader.world, last
        self._image_shape = image_shape(loader.image_sides, loader.layout)
        is_onehot = loader.label_dtype == "onehot"
        self._label_shape = (len(loader.dataset.classes),) * is_onehot
        self._dtypes = loader.dtype, "float32" if is_onehot else loader.label_dtype
        with machine.on_device():
            self._pixels = shared_pixels(machine, loader.dataset)
            content = np.frombuffer(bytearray(program.tobytes()), np.uint8)
            self._program = machine.empty((len(content),), "uint8")
            machine.write(self._program, 0, content)
            self._launch = machine.empty((LAUNCH_NBYTES,), "uint8")
            planned_nbytes = self._most_planned * program.row_nbytes
            self._rows = machine.empty((planned_nbytes,), "uint8")
            own = self._program, self._launch, self._rows
            self.arrays: tuple[Any, ...] = *own, *self._pixels.arrays
            self._stream = self._pixels.stream
            self.follow()
        self._addresses = tuple(map(machine.address, (*own, self._pixels.source)))

    def follow(self, *more: Any) -> Any:
        """Return the current stream, after letting it wait for the one before.

        `more` are further arrays that it uses. A stream that captures can't wait for
        work outside of its graph.
        """
        machine, stream = self._machine, self._machine.stream()
        if stream != self._stream and not machine.is_capturing():
            machine.follow(stream, self._stream, (*self.arrays, *more))
            self._stream = stream
        return stream

    def empty(self, n_rows: int) -> tuple[Any, Any]:
        """Return new memory for the images and labels of `n_rows` rows."""
        image_dtype, label_dtype = self._dtypes
        images = self._machine.empty((n_rows, *self._image_shape), image_dtype)
        labels = self._machine.empty((n_rows, *self._label_shape), label_dtype)
        return images, labels

    def begin(self, seed: int, epoch: int, position: int) -> None:
        """Let the next rows be those from a position of an epoch on."""
        place = seed, epoch, position
        arguments = self._addresses[1], *self._order, *place, *self._batching
        self._machine.launch("start", self.follow(), 1, 1, 0, *arguments)

    def fill(self, images: Any, labels: Any, *, advance: bool) -> None:
        """Make the next rows, as many as there is memory for, on the current stream.

        With `advance`, the rows after them are the next ones. Otherwise call `begin`.
        """
        launch, stream, n = self._machine.launch, self.follow(), len(labels)
        program, place, rows, source = self._addresses
        nbytes = images.nbytes // n, labels.nbytes // n
        out = self._machine.address(images), self._machine.address(labels)
        for done in range(0, n, self._most_planned):
            n_rows = min(n - done, self._most_planned)
            n_plans = -(-n_rows // _PLAN_THREADS)
            plan = program, place, n_rows, rows
            launch("plan", stream, n_plans, _PLAN_THREADS, 0, *plan)
            make = program, source, rows, *(a + done * k for a, k in zip(out, nbytes))
            kernel, n_threads, shared_nbytes = self._making
            launch(kernel, stream, n_rows, n_threads, shared_nbytes, *make)
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
        self.machine, self._pid = machine, os.getpid()
        rows = loader.batch_size
        if loader.drop_last != "wrap":
            rows = max(1, min(rows, len(loader.dataset)))
        height, width = loader.image_sides
        n_values = height * width
        if loader.label_dtype == "onehot":
            n_values += len(loader.dataset.classes)
        most = min(CHUNK_ROWS, _MAX_NBYTES // (4 * n_values)) // rows
        self.chunk_batches = max(1, min(most, len(loader)))
        self.filler = Filler(loader, machine, self.chunk_batches * rows)

    def start(self, *, owner: Any, seed: int, epoch: int, begin: int, **_: Any) -> Any:
        """Begin an epoch at position `begin`, and return its iterator."""
        with self.lock:
            self.ticket += 1
            self.n_taken, self.is_running, self.is_over = 0, True, False
            return ChunkBatches(self, self.ticket, owner, seed, (epoch, begin))

    def close(self) -> None:
        """End the iterator in use. Batches that are held stay valid."""
        self.closed = True

    def progress(self, ticket: int) -> tuple[int, bool] | None:
        """Return the number of batches taken, and whether all were, or None."""
        if ticket != self.ticket:
            return None
        return self.n_taken, self.is_over

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
        seed: int,
        begin: tuple[int, int],
    ) -> None:
        self.pipeline, self.ticket, self._owner = pipeline, ticket, owner
        self._seed, self._begin = seed, begin
        self._n_batches = owner._n_batches(begin[1])
        self._chunk: tuple[Any, Any] = (None, None)
        self._batches: list[tuple[Any, Any]] = []  # of the chunk
        self._n_made = 0  # batches of the epoch up to the chunk's end

    def __iter__(self) -> ChunkBatches:
        return self

    def __next__(self) -> tuple[Any, Any]:
        pipeline = self.pipeline
        if pipeline.forked:  # in a child, the lock may stay locked
            self._raise_error()
        with pipeline.lock:
            if pipeline.ticket != self.ticket or not pipeline.is_running:
                raise StopIteration
            if pipeline.closed:
                self._raise_error()
            pipeline.filler.follow(*self._chunk)
            # A signal handler can't run between these lines, which call nothing.
            if pipeline.n_taken < self._n_made:
                pipeline.n_taken += 1
                return self._batches[pipeline.n_taken - self._n_made - 1]
            if pipeline.n_taken < self._n_batches:
                self._make_chunk()
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
        self._chunk, self._batches, self._n_made = (None, None), [], 0

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
        n_global = owner.batch_size * owner.world
        epoch, position = self._begin
        position += n_taken * n_global
        n = min(pipeline.chunk_batches, self._n_batches - n_taken)
        n_rows = (n - 1) * owner.batch_size
        n_last = len(owner.dataset) - position - (n - 1) * n_global
        if n_last >= n_global or owner.drop_last == "wrap":
            n_last = n_global
        n_rows += n_last // owner.world + (owner.rank < n_last % owner.world)
        with pipeline.machine.on_device():
            chunk = pipeline.filler.empty(n_rows)
            pipeline.filler.begin(self._seed, epoch, position)
            pipeline.filler.fill(*chunk, advance=False)
            batches = list(pipeline.machine.split(*chunk, owner.batch_size))
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

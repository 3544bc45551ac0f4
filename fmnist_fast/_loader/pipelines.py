"""The pipelines of a loader: give one to each iterator, and close all at exit."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._core import Batches, Pipeline, Program, Sampling, begin_exit, default_floats
from .._dataset.arrays import parts_of, rows_of
from .options import array_dtype, image_shape
from .places import Place

_GRACE_SECONDS = 0.1

# A copy of a WeakSet fails if another thread changes it meanwhile.
_all: set[weakref.ref[Pipelines]] = set()


class Placeholder:
    """Stand-in for an iterator that is being started, which is in use."""

    closed = False


class Pipelines:
    """Pipelines of one loader.

    Usually there is one, which iterators use one after the other. A new iterator gets
    another pipeline while an older iterator is still in use. With `have_slots` the
    batches are in supplied memory, which only one pipeline at a time can use.
    """

    def __init__(self, have_slots: bool) -> None:
        # Held while an iterator is started. It is reentrant because a signal handler
        # may start another one in the same thread.
        self.lock = threading.RLock()
        self.newest: Pipeline | None = None
        self._have_slots = have_slots
        self._batches: Any = lambda: None  # weak reference to the newest iterator
        # Weak references to pipelines that older iterators use. A WeakSet could not be
        # read any more while the interpreter exits.
        self._older: list[weakref.ref[Pipeline]] = []
        _all.add(weakref.ref(self, _all.discard))

    def idle(
        self, make: Callable[[], Pipeline], placeholder: Placeholder | None = None
    ) -> Pipeline:
        """Return the newest pipeline, or a new one if the newest is still in use.

        `placeholder` keeps it in use until `lend`, or until the placeholder is closed
        or dropped. After `lend`, the iterator keeps it in use.
        """
        while True:
            newest, batches = self.newest, self._batches
            pipeline = self._idle(make)
            user = batches if placeholder is None else weakref.ref(placeholder)
            # A signal handler may have taken a pipeline meanwhile.
            if self.newest is newest and self._batches is batches:
                self.newest, self._batches = pipeline, user
                return pipeline

    def _idle(self, make: Callable[[], Pipeline]) -> Pipeline:
        pipeline = self.newest
        if pipeline is not None and not (pipeline.forked or pipeline.closed):
            if not self.is_in_use():
                return pipeline
            # Its iterator keeps it alive.
            alive = [older for older in self._older if older() is not None]
            self._older = [*alive, weakref.ref(pipeline)]
        if self._have_slots and pipeline is not None:
            _check_slots_are_free(pipeline)
        return make()

    def is_in_use(self) -> bool:
        """Return whether the newest iterator may ask for more batches."""
        batches: Batches | None = self._batches()
        return batches is not None and not batches.closed

    def lend(self, batches: Batches) -> None:
        """Let the iterator `batches` take the place of its placeholder."""
        reference = weakref.ref(batches)
        if batches.pipeline is self.newest:  # no signal handler took another
            self._batches = reference

    def close(self) -> None:
        """Stop the workers of all pipelines."""
        with self.lock:
            pipelines = [self.newest, *(older() for older in self._older)]
        for pipeline in pipelines:
            if pipeline is not None:
                pipeline.close()


def _check_slots_are_free(pipeline: Pipeline) -> None:
    """Raise RuntimeError if `pipeline`, which has the slots, still needs them."""
    if pipeline.forked:
        raise RuntimeError(
            "the supplied slots belong to the process that this one was forked from.\n"
            "Make a new Loader with other slots here."
        )
    if pipeline.closed:
        pipeline.close()  # wait until no thread writes to the slots any more
    else:
        raise RuntimeError(
            "the supplied slots are in use by another iterator of this loader.\n"
            "Finish, close or delete that iterator first."
        )
    if pipeline.n_lent:
        raise RuntimeError(
            f"{pipeline.n_lent} batches from before close() are still in use, and so "
            "are their supplied slots.\nDelete these batches first."
        )


def _close_all() -> None:
    begin_exit()
    are_in_use = False
    for reference in _all.copy():
        if (pipelines := reference()) is not None:
            are_in_use |= pipelines.is_in_use()
            pipelines.close()
    # Python ends daemon threads wherever they are, and aborts if that is in the C++
    # code of a framework. So they get time to ask for a batch, which ends them.
    end = time.monotonic() + _GRACE_SECONDS
    while are_in_use and time.monotonic() < end:
        time.sleep(0.001)
        are_in_use = any(thread.daemon for thread in threading.enumerate())


def _renew_locks() -> None:
    """Replace the locks in a forked child, where other threads' locks stay locked."""
    for reference in _all.copy():
        if (pipelines := reference()) is not None:
            pipelines.lock = threading.RLock()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)


@default_floats  # the core rounds the scale and the bias
def new_programs(loader: Any) -> tuple[Program, ...]:
    """Return the programs that make the views of a Loader's batches."""
    views, channels = loader._compiled_views, loader.channels
    scale, bias = (
        value if isinstance(value, tuple) else (value,) * channels
        for value in (loader.scale, loader.bias)
    )
    return tuple(
        Program(
            compiled,
            *loader.dataset.images.shape[1:],
            dtype=loader.dtype,
            scale=scale,
            bias=bias,
            interleaved=channels > 1 and loader.layout == "NHWC",
            label_dtype=loader.label_dtype,
            n_classes=len(loader.dataset.classes),
            view=view,
            n_views=len(views),
            draws_view=compiled.draws_view if compiled else view,
            n_label_views=len(views) if loader._mixes else 1,
        )
        for view, compiled in enumerate(views)
    )


def new_pipeline(loader: Any, slots: Sequence[np.ndarray]) -> Pipeline:
    """Return a new pipeline for the batches of a Loader."""
    images, labels = loader.dataset.images, loader.dataset.labels
    return Pipeline(
        parts_of(images),
        rows_of(images),
        labels,
        columns_of(loader),
        programs=new_programs(loader),
        image_shape=image_shape(loader.image_sides, loader.layout, loader.channels),
        view_axes=loader._view_axes,
        array_dtype=array_dtype(loader.dtype),
        rows=loader._epochs.max_rows,
        threads=loader.threads,
        prefetch=loader.prefetch,
        slots=slots,
    )


def columns_of(loader: Any) -> tuple[tuple[np.ndarray | None, int], ...]:
    """Return the columns of a Loader for the core: indices, and those of `extra`.

    Each is its values and 0, or None and the first of its numbers.
    """
    columns: list[tuple[np.ndarray | None, int]] = []
    if loader.with_index:
        rows = loader.dataset._rows
        is_range = isinstance(rows, range)
        columns.append((None, rows.start) if is_range else (rows, 0))
    columns += [(values, 0) for values in loader._column_values.values()]
    return tuple(columns)


def start(loader: Any, pipeline: Pipeline, sampling: Sampling, begin: Place) -> Batches:
    """Start an epoch of a Loader at the place `begin`."""
    epochs = loader._epochs
    epoch, position = epochs.pass_position(begin)
    return pipeline.start(
        sampling=sampling,
        seed=loader.seed,
        augment_seed=loader.augment_seed,
        epoch=epoch,
        begin=position,
        batches=epochs.n_batches(begin),
        batch_size=loader.batch_size,
        rank=loader.rank,
        world=loader.world,
        last=epochs.last,
        owner=loader,
    )

"""A loader's pipelines: which one an iterator gets, and that all come to an end."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

from .._core import Batches, Pipeline

_all: weakref.WeakSet[Pipelines] = weakref.WeakSet()


class Pipelines:
    """The pipelines of one loader: one, and one more for each iterator left in use.

    With `have_slots` they keep batches in supplied memory, which one at a time can use.
    """

    def __init__(self, have_slots: bool) -> None:
        # For who starts an iterator. A signal handler may ask for it again.
        self.lock = threading.RLock()
        self.newest: Pipeline | None = None
        self._have_slots = have_slots
        self._batches: Any = lambda: None  # weak reference to the newest's iterator
        self._others: weakref.WeakSet[Pipeline] = weakref.WeakSet()
        _all.add(self)

    def idle(self, make: Callable[[], Pipeline]) -> Pipeline:
        """The newest, or one that is made now if that is still in use."""
        pipeline = self.newest
        if pipeline is not None and not (pipeline.forked or pipeline.closed):
            batches: Batches | None = self._batches()
            if batches is None or batches.closed:
                return pipeline
            self._others.add(pipeline)  # its iterator keeps it alive
        if self._have_slots and pipeline is not None:
            _check_slots_are_free(pipeline)
        self.newest = make()
        return self.newest

    def lend(self, batches: Batches) -> None:
        """The newest has been started, and is that iterator's."""
        self._batches = weakref.ref(batches)

    def close(self) -> None:
        """Join the threads of all."""
        with self.lock:
            pipelines = [self.newest, *self._others]
        for pipeline in pipelines:
            if pipeline is not None:
                pipeline.close()


def _check_slots_are_free(pipeline: Pipeline) -> None:
    """For another pipeline than `pipeline`, which has them now."""
    if pipeline.forked:
        raise RuntimeError(
            "the supplied slots belong to the process that this one was forked "
            "from: make a Loader with slots of its own"
        )
    if not pipeline.closed:
        raise RuntimeError(
            "the supplied slots are in use by another iterator of this loader"
        )
    if pipeline.n_lent:
        raise RuntimeError(
            f"{pipeline.n_lent} batches from before close() are still in use, and "
            "so are the supplied slots that they are in"
        )


def _close_all() -> None:
    for pipelines in list(_all):
        pipelines.close()


def _renew_locks() -> None:
    """In a forked child: a lock that another thread held would stay locked."""
    for pipelines in list(_all):
        pipelines.lock = threading.RLock()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)

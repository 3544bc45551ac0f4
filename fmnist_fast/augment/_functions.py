"""Python functions of the user's, which change finished batches as they are taken."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .._core import Batches, Pipeline


class ChangedBatches(Iterator[tuple[np.ndarray, np.ndarray]]):
    """Batches that functions change, one after the other.

    Each function gets a random generator that goes on where the one before left it.
    Its key is the seed, its counter holds the position of the batch in the epoch, the
    epoch and the rank, so that no two batches draw the same.
    """

    def __init__(
        self,
        batches: Batches,
        functions: tuple[Callable[..., Any], ...],
        pipeline: Pipeline,
        *,
        seed: int,
        epoch: int,
        positions: tuple[int, int],
        rank: int,
    ) -> None:
        self._batches, self._functions, self._pipeline = batches, functions, pipeline
        self._seed, self._epoch, self._rank = seed, epoch, rank
        self._numbered = zip(batches, itertools.count(*positions))
        self._lock = threading.RLock()  # threads and signal handlers may share it

    def __iter__(self) -> ChangedBatches:
        return self

    def __next__(self) -> tuple[np.ndarray, np.ndarray]:
        if self._pipeline.forked:  # then another thread may have left the lock locked
            return next(self._batches)  # which says so
        with self._lock:
            (images, labels), position = next(self._numbered)
        counter = (0, position, self._epoch, self._rank)
        rng = np.random.Generator(np.random.Philox(counter=counter, key=self._seed))
        for function in self._functions:
            out = function(images, labels, rng)
            if not isinstance(out, tuple) or len(out) != 2:
                found = f"{len(out)} values" if isinstance(out, tuple) else type(out)
                raise TypeError(
                    f"augment: {function!r} must return (images, labels), got {found}"
                )
            images, labels = out
        return images, labels

    @property
    def closed(self) -> bool:
        return self._batches.closed

    def close(self) -> None:
        """Stop working ahead for this epoch; what was handed out stays valid."""
        self._batches.close()

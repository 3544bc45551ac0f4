"""Python functions of the user's, which change finished batches as they are taken."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._core import Batches, Pipeline


@dataclass(eq=False, repr=False)
class ChangedBatches(Iterator[tuple[np.ndarray, np.ndarray]]):
    """Batches that functions change, one after the other.

    Each function gets a random generator that goes on where the one before left it.
    Its key is the seed, its counter holds the position of the batch in the epoch, the
    epoch and the rank, so that no two batches draw the same.
    """

    batches: Batches
    functions: tuple[Callable[..., Any], ...]
    pipeline: Pipeline
    seed: int
    epoch: int
    positions: tuple[int, int]  # of the first batch, and the step to the next
    rank: int

    def __post_init__(self) -> None:
        self._numbered = zip(self.batches, itertools.count(*self.positions))
        self._lock = threading.RLock()  # threads and signal handlers may share it

    def __next__(self) -> tuple[np.ndarray, np.ndarray]:
        if self.pipeline.forked:  # then another thread may have left the lock locked
            return next(self.batches)  # which says so
        with self._lock:
            (images, labels), position = next(self._numbered)
        counter = (0, position, self.epoch, self.rank)
        rng = np.random.Generator(np.random.Philox(counter=counter, key=self.seed))
        for function in self.functions:
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
        return self.batches.closed

    def close(self) -> None:
        """Stop working ahead for this epoch; what was handed out stays valid."""
        self.batches.close()

"""Python functions in `augment=`, which change finished batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

import numpy as np

from .._core import Batches


@dataclass(eq=False, repr=False)
class ChangedBatches(Iterator[tuple[np.ndarray, ...]]):
    """Batches that Python functions change, one function after the other.

    Fields after the images and the labels stay as they are.

    All functions of a batch share one random generator, so each continues where the
    previous one stopped. The generator's key is the seed. Its counter holds the
    position of the batch in the epoch, the epoch and the rank, so no two batches draw
    the same numbers.
    """

    batches: Batches
    functions: tuple[Callable[..., Any], ...]
    seed: int
    place_of: Callable[[int], tuple[int, int]]  # epoch and position of a batch
    rank: int

    def __next__(self) -> tuple[np.ndarray, ...]:
        index, (images, labels, *others) = self.batches.take()
        start = perf_counter_ns()
        epoch, position = self.place_of(index)
        counter = (0, position, epoch, self.rank)
        rng = np.random.Generator(np.random.Philox(counter=counter, key=self.seed))
        for function in self.functions:
            out = function(images, labels, rng)
            if not isinstance(out, tuple) or len(out) != 2:
                given = f"{len(out)} values" if isinstance(out, tuple) else type(out)
                raise TypeError(
                    f"augment: {function!r} must return (images, labels), got {given}"
                )
            images, labels = out
        self.batches.count_wait(perf_counter_ns() - start)
        return images, labels, *others

    def __length_hint__(self) -> int:
        """Return the number of batches that are left."""
        return self.batches.__length_hint__()

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Raise TypeError, as `Batches` does."""
        return self.batches.__reduce__()

    @property
    def closed(self) -> bool:
        """Return whether the epoch has ended or was closed."""
        return self.batches.closed

    def close(self) -> None:
        """Stop preparing batches of this epoch; earlier batches stay valid."""
        self.batches.close()

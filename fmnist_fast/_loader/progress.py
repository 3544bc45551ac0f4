"""Where a loader stands: epochs, positions in them, and what a state says of these."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

from .._checks import checked_integer, checked_seed
from .._core import MAX_EPOCH, Batches, Pipeline

Place = tuple[int, int]  # an epoch, and a position in it: samples over all ranks


class _Newest(NamedTuple):
    pipeline: Pipeline  # which knows how far it is
    batches: weakref.ref[Batches]
    begin: Place


class Progress:
    """Where the newest iterator of a loader stands, and where the next one begins.

    An epoch has `n_samples`, and needs `n_needed` of them for another batch. The first
    iterator begins at `begin`. A signal handler may read this at any time, so that each
    change is one assignment, or two of which the first alone changes no place.
    """

    def __init__(self, n_samples: int, n_needed: int, begin: Place) -> None:
        self._n_samples, self._n_needed = n_samples, n_needed
        self._next = begin
        self._newest: _Newest | None = None  # unless another place was gone to

    def where(self) -> Place:
        """Of the next batch of the newest iterator."""
        newest = self._newest
        if newest is None:
            return self._next
        epoch = newest.begin[0]
        if newest.pipeline.finished:
            return epoch + 1, 0
        return self.place(epoch, newest.pipeline.position)

    def place(self, epoch: int, position: int) -> Place:
        """Return this place, or the next epoch where no batch follows in this one."""
        left = self._n_samples - position
        return (epoch, position) if left >= self._n_needed else (epoch + 1, 0)

    def next_begin(self) -> Place:
        """Where a new iterator begins: where the newest did, if that was not used."""
        newest = self._newest
        if newest is None or newest.batches() is not None:
            return self._next
        return newest.begin if self.where() == newest.begin else self._next

    def begun(self, begin: Place, pipeline: Pipeline, batches: Batches) -> None:
        """An iterator was made, and is the newest."""
        newest = _Newest(pipeline, weakref.ref(batches), begin)
        self._newest, self._next = newest, (begin[0] + 1, 0)

    def go_to(self, begin: Place) -> None:
        """Let the next iterator begin there, whatever the newest does."""
        self._next, self._newest = begin, None

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of `epoch`, or stay where nothing of it was taken yet."""
        newest, begin = self._newest, self.next_begin()
        is_unused = newest is None or begin == newest.begin
        self.go_to(begin if is_unused and begin[0] == epoch else (epoch, 0))


def checked_state(state: Any, mine: dict[str, Any]) -> tuple[int, Place]:
    """The seed and the place in a state, for a loader whose own state is `mine`."""
    if not isinstance(state, dict):
        raise TypeError(f"state must be a dict, got {type(state).__name__}")
    for name in mine:
        if name not in state:
            raise ValueError(f"state has no {name!r}")
    for name in ("version", "samples", "dataset", "shuffle", "shuffle_block"):
        if state[name] != mine[name]:
            raise ValueError(
                f"state was taken with {name}={state[name]!r}, this loader has "
                f"{mine[name]!r}"
            )
    epoch = checked_integer("state['epoch']", state["epoch"], 0, MAX_EPOCH + 1)
    last = max(0, mine["samples"] - 1)
    position = checked_integer("state['position']", state["position"], 0, last)
    return checked_seed(state["seed"], "state['seed']"), (epoch, position)

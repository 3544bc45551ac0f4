"""Progress of a loader: its epoch and position, and the states that it saves."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

from .._checks import checked_integer, checked_seed
from .._core import MAX_EPOCH, Batches, Pipeline

# An epoch and a position in it. The position counts the samples of all ranks.
Place = tuple[int, int]


class _Newest(NamedTuple):
    begin: Place
    batches: weakref.ref[Any]  # or a Placeholder while the iterator is started
    pipeline: Pipeline | None = None  # counts the batches that were taken
    ticket: int = 0


class Progress:
    """Place of a loader's newest iterator, and the place where the next one begins.

    An epoch has `n_samples` samples, and a batch of all ranks takes `n_global` of them.
    A batch follows only if `n_needed` samples are left. The first iterator begins at
    `begin`.

    A signal handler may read the place at any time. Every change is therefore a single
    assignment, or two assignments of which at most one changes the place.
    """

    def __init__(
        self, n_samples: int, n_global: int, n_needed: int, begin: Place
    ) -> None:
        self._n_samples, self._n_global, self._n_needed = n_samples, n_global, n_needed
        self._next = begin
        self._newest: _Newest | None = None  # None after `go_to`
        self._loaded: Place | None = None  # from a state, until the epoch is set
        self._is_empty = False  # whether the next iterator has no batches

    def copy(self) -> Progress:
        """Return the progress of a copy, which begins where the next iterator would."""
        sizes = self._n_samples, self._n_global, self._n_needed
        copy = Progress(*sizes, self.next_begin())
        copy._loaded, copy._is_empty = self._loaded, self._is_empty
        return copy

    def where(self) -> Place:
        """Return the place of the newest iterator's next batch.

        After the last batch it is the end of the epoch, as long as the consumer uses
        that batch. When the iterator is asked for another batch, or is dropped, it is
        the beginning of the next epoch.
        """
        while (newest := self._newest) is not None:
            if newest.pipeline is None:
                return newest.begin
            progress = newest.pipeline.progress(newest.ticket)
            if progress is not None:
                n_taken, is_over = progress
                if is_over:
                    return newest.begin[0] + 1, 0
                if n_taken == 0:
                    return newest.begin
                return self.place(newest.begin, n_taken, newest.batches() is None)
            if newest is self._newest:
                break
        return self._next

    def place(self, begin: Place, n_taken: int, is_dropped: bool) -> Place:
        """Return the place of an iterator that gave `n_taken` batches from `begin` on.

        At the end of an epoch, the position is `n_samples`.
        """
        epoch, position = begin[0], begin[1] + n_taken * self._n_global
        if self._n_samples - position >= self._n_needed:
            return epoch, position
        return (epoch + 1, 0) if is_dropped else (epoch, self._n_samples)

    def next_begin(self) -> Place:
        """Return where a new iterator begins.

        If the newest iterator was dropped before it gave a batch, the new iterator
        begins at the same place.
        """
        newest = self._newest
        if newest is None or newest.batches() is not None:
            return self._next
        return newest.begin if self.where() == newest.begin else self._next

    def begin(self, placeholder: Any) -> _Newest:
        """Record that an iterator is being started, which is now the newest.

        `placeholder` stands for it until `begun` or `give_up`.
        """
        while True:
            newest, place = self._newest, self._next
            begin = self.next_begin()
            starting = _Newest(begin, weakref.ref(placeholder))
            # A signal handler may have begun an iterator meanwhile.
            if self._newest is newest and self._next is place:
                self._newest, self._next = starting, (begin[0] + 1, 0)
                return starting

    def begun(self, starting: _Newest, batches: Batches) -> None:
        """Record that the iterator is started, unless a newer one was begun."""
        reference = weakref.ref(batches)
        newest = _Newest(starting.begin, reference, batches.pipeline, batches.ticket)
        if self._newest is starting:
            self._newest = newest

    def give_up(self, starting: _Newest) -> None:
        """Let the next iterator begin where this one, which can't be started, would."""
        if self._newest is starting:
            self._newest, self._next = None, starting.begin

    def go_to(self, begin: Place) -> None:
        """Let the next iterator begin at `begin`, whatever the newest does."""
        self._next, self._newest = begin, None

    def load(self, begin: Place) -> None:
        """Let the next iterator begin at the place of a state."""
        self._loaded, self._is_empty = begin, False
        self.go_to(begin)

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of `epoch`.

        A place in `epoch` stays if no batch was taken from there yet, such as the place
        of a loaded state. Epochs before that of a loaded state are over: the next
        iterator has no batches then, and the place stays too.
        """
        newest, begin = self._newest, self.next_begin()
        is_unused = newest is None or begin == newest.begin
        self._is_empty = begin == self._loaded and epoch < begin[0]
        if not self._is_empty:
            self._loaded = None
            self.go_to(begin if is_unused and begin[0] == epoch else (epoch, 0))

    def upcoming(self) -> Place | None:
        """Return where the next iterator begins, or None if it has no batches."""
        return None if self._is_empty else self.next_begin()

    def pop_is_empty(self) -> bool:
        """Return whether the iterator that begins now has no batches, only once."""
        is_empty, self._is_empty = self._is_empty, False
        return is_empty


def state_at(place: Place, loader: Any) -> dict[str, Any]:
    """Return the state of a Loader at a place."""
    epoch, position = place
    return {
        "version": 1,
        "epoch": epoch,
        "position": position,
        "seed": loader.seed,
        "shuffle": loader.shuffle,
        "shuffle_block": loader.shuffle_block,
        "samples": len(loader.dataset),
        "dataset": loader._fingerprint,
    }


def checked_state(state: Any, own_state: dict[str, Any]) -> tuple[int, Place]:
    """Check a state against a loader's own, and return its seed and place."""
    if not isinstance(state, dict):
        raise TypeError(f"state must be a dict, got {type(state).__name__}")
    for name in own_state:
        if name not in state:
            raise ValueError(f"state must have an entry {name!r}, got {list(state)}")
    for name in ("version", "samples", "dataset", "shuffle", "shuffle_block"):
        if state[name] != own_state[name]:
            raise ValueError(
                f"state[{name!r}] must be {own_state[name]!r}, as in this loader, got "
                f"{state[name]!r}"
            )
    epoch = checked_integer("state['epoch']", state["epoch"], 0, MAX_EPOCH + 1)
    position = state["position"]  # at the end of an epoch, all samples
    position = checked_integer("state['position']", position, 0, state["samples"])
    return checked_seed(state["seed"], "state['seed']"), (epoch, position)

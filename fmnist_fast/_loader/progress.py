"""Progress of a loader: the places of its iterators."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

from .._core import Batches, Pipeline
from .places import Epochs, Place


class _Newest(NamedTuple):
    begin: Place
    batches: weakref.ref[Any]  # or a Placeholder while the iterator is started
    pipeline: Pipeline | None = None  # counts the batches that were taken
    ticket: int = 0


class Progress:
    """Place of a loader's newest iterator, and the place where the next one begins.

    `epochs` says how places follow each other. The first iterator begins at `begin`.

    A signal handler may read the place at any time. Every change is therefore a single
    assignment, or two assignments of which at most one changes the place.
    """

    def __init__(self, epochs: Epochs, begin: Place) -> None:
        self._epochs = epochs
        self._next = begin
        self._newest: _Newest | None = None  # None after `go_to`
        self._loaded: Place | None = None  # from a state, until the epoch is set
        self._is_empty = False  # whether the next iterator has no batches

    def copy(self) -> Progress:
        """Return the progress of a copy, which begins where the next iterator would."""
        copy = Progress(self._epochs, self.next_begin())
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
                    return self._epochs.following(newest.begin)
                if n_taken == 0:
                    return newest.begin
                is_dropped = newest.batches() is None
                return self._epochs.after(newest.begin, n_taken, is_dropped)
            if newest is self._newest:
                break
        return self._next

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
                self._newest, self._next = starting, self._epochs.following(begin)
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
        begin = self.next_begin()
        self._is_empty = begin == self._loaded and epoch < begin.epoch
        if not self._is_empty:
            self._loaded = None
            self.go_to(begin if begin.epoch == epoch else self._epochs.first(epoch))

    def upcoming(self) -> Place | None:
        """Return where the next iterator begins, or None if it has no batches."""
        return None if self._is_empty else self.next_begin()

    def pop_is_empty(self) -> bool:
        """Return whether the iterator that begins now has no batches, only once."""
        is_empty, self._is_empty = self._is_empty, False
        return is_empty

"""Places of a loader: an epoch and a position, and how they follow each other."""

from __future__ import annotations

from typing import Any, NamedTuple

from .._core import MAX_EPOCH

MAX_POSITION = 2**62  # of all epochs together, with `steps`


class Place(NamedTuple):
    """Where an iterator begins, or has its next batch.

    The position counts the samples of all ranks, from the start of the epoch on. With
    `steps`, it counts them from the start of epoch 0 on, and `step` counts the batches
    of the epoch.
    """

    epoch: int
    position: int = 0
    step: int = 0


class Epochs:
    """The places of a loader, each of whose epochs is a pass over all its positions.

    Attributes
    ----------
    n_positions, n_global : int
        Positions of a pass over the order, and of a batch of all ranks.
    n_samples : int
        Samples of an epoch of all ranks, without those that `last` leaves out or adds.
    last : bool or "wrap" or "next"
        The key of LASTS for the core.
    """

    def __init__(
        self, n_positions: int, batch_size: int, shard: tuple[int, int], last: Any
    ) -> None:
        self.n_positions = self.n_samples = n_positions
        self.last = last
        self._rank, world = shard
        self.n_global = batch_size * world
        self._batch_size = batch_size
        self._n_needed = self.n_global if last is True else 1  # for a further batch

    @property
    def max_rows(self) -> int:
        """Return the rows of the largest batch of a rank."""
        if self.last in ("wrap", "next"):
            return self._batch_size
        return max(1, min(self._batch_size, self.n_positions))

    def first(self, epoch: int) -> Place:
        """Return the place where an epoch begins."""
        return Place(epoch)

    def n_batches(self, place: Place) -> int:
        """Return how many batches this rank has from a place to its epoch's end."""
        whole, rest = divmod(self.n_positions - place.position, self.n_global)
        if self.last == "wrap":
            return whole + (rest > 0)
        return whole + (rest > self._rank and not self.last)

    def after(self, begin: Place, n_taken: int, is_dropped: bool) -> Place:
        """Return the place after `n_taken` batches of an iterator.

        At the end of an epoch, it is the end, or the next epoch if the iterator was
        dropped.
        """
        position = begin.position + n_taken * self.n_global
        if self.n_positions - position >= self._n_needed:
            return Place(begin.epoch, position)
        return self.following(begin) if is_dropped else self.end(begin)

    def end(self, begin: Place) -> Place:
        """Return the place at the end of an epoch."""
        return Place(begin.epoch, self.n_positions)

    def following(self, begin: Place, n: int = 1) -> Place:
        """Return the place where the n-th epoch after that of `begin` begins."""
        return Place(begin.epoch + n)

    def before(self, place: Place) -> Place:
        """Return `place`, or the end of the previous epoch for the start of one."""
        if self.is_begun(place) or place.epoch == 0:
            return place
        return self.end(Place(place.epoch - 1))

    def pass_position(self, place: Place) -> tuple[int, int]:
        """Return the pass over the order that a place is in, and the position there."""
        return place.epoch, place.position

    def batch_position(self, begin: Place, batch: int) -> tuple[int, int]:
        """Return the pass and the position in it of a later batch."""
        position = begin.position + batch * self.n_global
        return self.pass_position(begin._replace(position=position))

    def last_pass(self, begin: Place) -> int:
        """Return the last pass that an iterator from `begin` on gets samples of."""
        return begin.epoch

    def is_begun(self, place: Place) -> bool:
        """Return whether a place is after the start of its epoch."""
        return place.position > 0

    def place_at(self, begin: Place, number: int, position: int) -> Place:
        """Return the place, at or after `begin`, of a position of a pass."""
        return Place(number, position)


class Steps(Epochs):
    """The places of a loader whose epochs have `steps` batches.

    At the end of a pass over the order, the batches go on with the next one.
    """

    def __init__(
        self, n_positions: int, batch_size: int, shard: tuple[int, int], steps: int
    ) -> None:
        if n_positions == 0:
            raise ValueError(f"steps={steps} requires at least one row, got none")
        super().__init__(n_positions, batch_size, shard, "next")
        self._steps, self.n_samples = steps, steps * self.n_global

    def first(self, epoch: int) -> Place:
        """Return the place where an epoch of a new loader begins."""
        return Place(epoch, epoch * self._steps * self.n_global)

    def n_batches(self, place: Place) -> int:
        """Return how many batches this rank has from a place to its epoch's end."""
        return max(0, self._steps - place.step)

    def after(self, begin: Place, n_taken: int, is_dropped: bool) -> Place:
        """Return the place after `n_taken` batches of an iterator."""
        if begin.step + n_taken < self._steps:
            position = begin.position + n_taken * self.n_global
            return Place(begin.epoch, position, begin.step + n_taken)
        return self.following(begin) if is_dropped else self.end(begin)

    def end(self, begin: Place) -> Place:
        """Return the place at the end of an epoch."""
        n = self.n_batches(begin)
        return Place(
            begin.epoch,
            begin.position + n * self.n_global,
            max(begin.step, self._steps),
        )

    def following(self, begin: Place, n: int = 1) -> Place:
        """Return the place where the n-th epoch after that of `begin` begins."""
        position = self.end(begin).position + (n - 1) * self.n_samples
        return Place(begin.epoch + n, position)

    def before(self, place: Place) -> Place:
        """Return `place`, or the end of the previous epoch for the start of one."""
        if self.is_begun(place) or place.epoch == 0:
            return place
        return Place(place.epoch - 1, place.position, self._steps)

    def pass_position(self, place: Place) -> tuple[int, int]:
        """Return the pass over the order that a place is in, and the position there."""
        number, position = divmod(place.position, self.n_positions)
        if number > MAX_EPOCH or place.position >= MAX_POSITION:
            raise ValueError(
                "with steps, an epoch must end in the first 2**32 passes over the rows "
                f"and before sample 2**62, got pass {number} and sample "
                f"{place.position} for epoch {place.epoch}.\nSet an earlier epoch, or "
                "pass fewer steps."
            )
        return number, position

    def is_begun(self, place: Place) -> bool:
        """Return whether a place is after the start of its epoch."""
        return place.step > 0

    def place_at(self, begin: Place, number: int, position: int) -> Place:
        """Return the place, at or after `begin`, of a position of a pass."""
        position += number * self.n_positions
        step = begin.step + (position - begin.position) // self.n_global
        return Place(begin.epoch + step // self._steps, position, step % self._steps)

    def last_pass(self, begin: Place) -> int:
        """Return the last pass that an iterator from `begin` on gets samples of."""
        last = max(begin.position, self.end(begin).position - 1)
        return self.pass_position(Place(begin.epoch, last))[0]

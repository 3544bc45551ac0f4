"""Base class of Loader: its seeds, its epochs, its states, its stats, and its end."""

from __future__ import annotations

from typing import Any, TypeVar

from .._checks import Suggesting, checked_integer
from .._core import MAX_EPOCH
from .pipelines import Pipelines
from .places import Epochs
from .progress import Progress
from .sampling import Positions
from .state import checked_state, state_at
from .stats import Stats, stats_of

Self = TypeVar("Self", bound="Resumable")


class Resumable(Suggesting):
    """Loader that can be resumed, copied and closed. `Loader` is derived from it."""

    _pipelines: Pipelines
    _progress: Progress
    _epochs: Epochs
    _slots: tuple[Any, ...]
    _seed: int
    _augment_seed: int | None
    _positions: Positions
    # The pass that a loaded state is in, and the fingerprint of its order
    _saved_order: tuple[int, str | None] = (0, None)

    def _reset(self) -> None:
        """Begin at the first epoch, without iterators."""
        raise NotImplementedError

    @property
    def seed(self) -> int:
        """Return the seed in use: the one given, drawn, or loaded with a state."""
        return self._seed

    @property
    def augment_seed(self) -> int:
        """Return the seed of the transforms, which by default is `seed`."""
        return self._seed if self._augment_seed is None else self._augment_seed

    @property
    def weights(self) -> Any:
        """Return the weights of the rows, as they were given."""
        return getattr(self._positions.weights, "given", None)

    @property
    def order(self) -> Any:
        """Return the order of the rows, as it was given."""
        return getattr(self._positions.order, "given", None)

    @property
    def epoch(self) -> int:
        """Return the epoch of the newest iterator, or of the next one after its end."""
        return self._progress.where()[0]

    def set_epoch(self, epoch: int) -> None:
        """Start the next iterator at the beginning of an epoch.

        Right after `load_state_dict`, the state's epoch keeps the state's position, and
        earlier epochs have no batches left. A loop that sets each epoch resumes too.

        Parameters
        ----------
        epoch : int in 0..2**32-1
            Number of the epoch.

        Raises
        ------
        TypeError, ValueError
            `epoch` is not an integer in its range.
        """
        epoch = checked_integer("epoch", epoch, 0, MAX_EPOCH)
        with self._pipelines.lock:
            self._progress.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the newest iterator.

        Returns
        -------
        dict
            Epoch, position, seeds and fingerprints, which can be saved as JSON. The
            position counts samples over all ranks. A run may therefore continue with
            another number of threads, ranks or rows of a batch. While the last batch of
            an epoch is used, the position is the number of samples. With `steps`, the
            position goes on over epochs, and `step` counts the batches of the epoch.
        """
        with self._pipelines.lock:
            return state_at(self._progress.where(), self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Start the next iterator where a state was taken, with its seed.

        Parameters
        ----------
        state : dict
            Result of `state_dict`, of this loader or another one.

        Raises
        ------
        TypeError, ValueError
            An entry is missing or invalid, or differs from this loader's dataset or
            order. The message names the entry.
        """
        begin, seed, augment_seed = checked_state(state, self)
        saved_order = self._epochs.pass_position(begin)[0], state["order"]
        with self._pipelines.lock:
            self._seed, self._augment_seed = seed, augment_seed
            self._saved_order = saved_order
            self._progress.load(begin)

    def stats(self) -> Stats:
        """Return how long the newest iterator waited, and threads filled batches.

        Returns
        -------
        Stats
            Numbers as attributes, which begin at 0 with each iterator. `summary` of it
            says in words who waits for whom.
        """
        return stats_of(self._pipelines.newest)

    def close(self) -> None:
        """Stop the workers. Iterators in use then raise RuntimeError.

        Batches that were handed out stay valid. The threads are joined as soon as every
        loader that has iterated is closed or dropped.
        """
        self._pipelines.close()

    def __enter__(self: Self) -> Self:
        """Return this loader, which the end of the block closes."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the loader."""
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """Return the options and the place where the next loop begins, for a copy."""
        if self._slots:
            raise TypeError("a Loader with slots can't be pickled. Make a new Loader.")
        with self._pipelines.lock:
            state = self.__dict__ | {"_progress": self._progress.copy()}
        del state["_pipelines"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a copy, without the threads and the iterators of the original."""
        self.__dict__.update(state)
        self._reset()
        self._progress = state["_progress"]

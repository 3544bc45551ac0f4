"""Batches for the fit, evaluate and predict of Keras, on any of its backends.

from fmnist_fast.frameworks.keras import KerasLoader
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from .._checks import checked_integer, hinting
from ..dataset import Dataset
from ..loader import Loader
from ._adapter import Adapter, importing

_GET = "one of its backends, such as: pip install keras tensorflow"
with importing("keras", f"Keras 3 and {_GET}", "tensorflow", "jax", "torch"):
    import keras

Batch = tuple[np.ndarray, np.ndarray]
_FIXED = {"workers": 1, "use_multiprocessing": False}  # attributes of a PyDataset


class KerasLoader(Adapter, keras.utils.PyDataset):  # type: ignore[misc]
    """A :class:`fmnist_fast.Loader` as a ``keras.utils.PyDataset``.

    ``model.fit(loader)``, ``fit(..., validation_data=loader)``, ``model.evaluate`` and
    ``model.predict`` take it. Every epoch of `fit` is the next epoch of the loader.

    Parameters
    ----------
    dataset : Dataset
    batch_size : int
        Of one rank.
    layout : "NHWC", "NCHW", "NHW" or "flat"
        Keras's default is "NHWC", which it calls channels_last.
    label_dtype : "int32", "int64", "uint8" or "onehot"
        "onehot" goes with the loss categorical_crossentropy, the others with
        sparse_categorical_crossentropy.
    **options
        As for Loader: shuffle, seed, dtype, normalize, augment, drop_last, shard,
        threads, prefetch.

    Raises
    ------
    TypeError, ValueError
        As Loader.

    Notes
    -----
    Order: batches come in the loader's order, whichever Keras asks for: the `shuffle`
    of `fit` changes nothing. A look that Keras takes at the first batches, to build a
    model, takes nothing away; only where an epoch is a batch or two, that may count as
    an epoch.

    State: after an epoch, `state_dict` is what it says. In the middle of one, pass the
    number of batches that the model has had, as Keras's TensorFlow backend takes
    batches ahead. A state from the middle of an epoch is followed by the rest of that
    epoch, which wants a ``fit(loader, epochs=1)`` of its own: Keras takes the same
    number of batches in all epochs of a `fit`.

    Thread safety: batches may be asked for by several threads, each going to one of
    them. Keras's own `workers` stay 1, and its `use_multiprocessing` False, as more
    would change the order: setting them raises AttributeError. `threads` are the
    loader's.

    Buffers: as Loader.
    """

    @hinting(Loader.__init__)
    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 256,
        *,
        layout: str = "NHWC",
        label_dtype: str = "int32",
        **options: Any,
    ) -> None:
        options |= {"layout": layout, "label_dtype": label_dtype}
        super().__init__(dataset, batch_size=batch_size, **options)
        self._lock = threading.Lock()
        self._promised: int | None = None  # batches an epoch, as Keras was told
        self._phase = "outside"  # of Keras's epoch; then "begun", and "inside"
        self._stand()

    def _stand(self) -> None:
        """Let the next pass begin where the loader stands."""
        self._start = self.loader.state_dict()  # of the newest pass
        self._asked: set[int] = set()  # numbers that Keras has asked for in it
        self._batches: Iterator[Batch] | None = None

    def __getitem__(self, index: int) -> Batch:
        """The next batch of the epoch; `index` is the number Keras has for it.

        In a pass over the epoch it asks for each number once, in an order of its own: a
        number that comes again begins another pass.
        """
        index = checked_integer("index", index, 0, len(self) - 1)
        with self._lock:
            self._phase = "outside" if self._phase == "outside" else "inside"
            if self._batches is None or index in self._asked:
                # Over the next epoch, or again over one that was not finished.
                self._batches = None  # its threads are free for the next
                if not self._is_finished():
                    self.loader.load_state_dict(self._start)
                self._stand()
                self._batches = iter(self.loader)
            self._asked.add(index)
            try:
                batch: Batch = next(self._batches)
            except StopIteration:
                raise IndexError(
                    f"index {index} of a pass over {len(self._asked) - 1} batches, "
                    "which were all handed out"
                ) from None
            # The loader of a rank that has fewer batches doesn't know that it ends.
            if len(self._asked) == self.loader._n_batches(self._start["position"]):
                next(self._batches, None)
            return batch

    def _is_finished(self) -> bool:
        return self.loader.epoch != self._start["epoch"]

    def _n_upcoming(self) -> int:
        position = 0 if self._is_finished() else self._start["position"]
        return self.loader._n_batches(position)

    @property
    def num_batches(self) -> int:
        """Batches of the next pass: of an epoch, or what a loaded state left of it.

        Keras reads it before a `fit`, and as it begins a pass.
        """
        with self._lock:
            n = self._n_upcoming()
            if self._phase == "begun":
                self._asked = set(range(len(self)))  # whatever is asked for begins it
            elif self._phase == "outside":
                self._promised = n
            return n

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED:
            raise AttributeError(
                f"{name} of a KerasLoader must be {_FIXED[name]}, got {value!r}: "
                "batches are filled by the threads of KerasLoader(threads=...), and "
                "come in order"
            )
        super().__setattr__(name, value)

    def on_epoch_begin(self) -> None:
        """Called by Keras. Raises RuntimeError where it would leave batches out."""
        with self._lock:
            n, promised = self._n_upcoming(), self._promised
            if self._is_finished() and promised is not None and promised < n:
                raise RuntimeError(
                    f"this fit began with the {promised} batches that were left of an "
                    f"epoch, and would take as many of the next, which has {n}: finish "
                    "the first with fit(loader, epochs=1), then fit again"
                )
            self._phase = "begun"

    def on_epoch_end(self) -> None:
        """Called by Keras, also after a look at the first batches."""
        with self._lock:
            self._phase = "outside"

    def set_epoch(self, epoch: int) -> None:
        """Make the next pass start at the beginning of `epoch`."""
        with self._lock:
            self.loader.set_epoch(epoch)
            self._phase = "outside"
            self._stand()

    def state_dict(self, n_batches: int | None = None) -> dict[str, Any]:
        """Where the newest pass stands: see Loader.state_dict.

        `n_batches`, in 1..len, says how many batches of it the model has had, where
        Keras has taken more: ``on_train_batch_end(batch)`` of a callback is called
        when it has had ``batch + 1``.
        """
        with self._lock:
            if n_batches is None:
                return self.loader.state_dict()
            n_batches = checked_integer("n_batches", n_batches, 1, len(self))
            rows = self.loader.batch_size * self.loader.world
            position = self._start["position"] + n_batches * rows
            place = self.loader._progress.place(self._start["epoch"], position)
            return self._start | dict(zip(("epoch", "position"), place))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Make the next pass go on where the state was taken."""
        with self._lock:
            self.loader.load_state_dict(state_dict)
            self._phase = "outside"
            self._stand()

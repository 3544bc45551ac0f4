"""Batches for `fit`, `evaluate` and `predict` of Keras, on any of its backends.

from fmnist_fast.frameworks.keras import KerasLoader
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np

from .._checks import checked_integer, checked_name, hinting
from .._loader.options import checked_dataset
from .._loader.places import Place
from .._loader.state import state_at
from ..dataset import Dataset
from ..loader import Loader
from ._adapter import Adapter, importing

_INSTALL = "one of its backends. Run, for example: pip install keras tensorflow"
with importing("keras", f"Keras 3 and {_INSTALL}", "tensorflow", "jax", "torch"):
    import keras

Batch = tuple[Any, ...]  # of arrays, or of tuples with an array for each view
_FIXED = {"workers": 1, "use_multiprocessing": False}  # attributes of a PyDataset


class _Pass(NamedTuple):
    """One pass of Keras over an epoch, or over the rest of one."""

    begin: Place
    requested: set[int]  # numbers that Keras has asked for
    returned: set[int]  # numbers of the batches that Keras has got


class KerasLoader(Adapter, keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of a dataset as a ``keras.utils.PyDataset`` of numpy arrays.

    Pass it to ``model.fit``, also as `validation_data`, to ``model.evaluate`` or to
    ``model.predict``. Each epoch of `fit` is the next epoch of the loader.

    Parameters
    ----------
    dataset : Dataset
        Dataset to take the samples from.
    batch_size : int in 1..2**40, default 256
        Rows of a batch, for one rank.
    layout : {"NHWC", "NCHW", "NHW", "flat"}, default "NHWC"
        Order of the dimensions of the images. "NHWC" is Keras's default, which it calls
        channels_last.
    label_dtype : {"int32", "int64", "uint8", "onehot"}, default "int32"
        Data type of the labels. Use the loss categorical_crossentropy for "onehot", and
        sparse_categorical_crossentropy for the other types. "onehot" labels are float32
        (n, classes).
    sample_weight : str, optional
        Name of a column of ``dataset.extra`` with the weight of each sample in the
        loss. It is the third array of a batch, as float32.
    **options
        Keyword arguments of `Loader`: shuffle, shuffle_block, seed, dtype, normalize,
        augment, drop_last, shard, threads, prefetch, weights, order, repeats, steps,
        augment_seed, channels, views. With `views`, the images of a batch are a tuple
        with an array for each view, because Keras counts samples on the first axis.
        Mixed labels are such a tuple too. A model with as many inputs takes them, and
        so does a `train_step` of your own.

    Attributes
    ----------
    loader : Loader
        Loader that fills the batches.
    workers, use_multiprocessing
        Attributes of a PyDataset. They are always 1 and False.
    sample_weight : str or None
        The argument, as given.

    Raises
    ------
    TypeError
        An argument has a wrong type, as for `Loader`.
    ValueError
        An argument has a wrong value, as for `Loader`; `sample_weight` has numbers that
        are not finite; or `with_index` or `columns` is given.

    Notes
    -----
    Determinism: The batches of `Loader` with the same options have the same values.
    They come in the order of the loader, whatever number Keras asks for. The `shuffle`
    argument of `fit` has no effect. If Keras reads the first batches to build a model,
    the epoch still starts with these batches afterwards. In an epoch of one or two
    batches, this first read may count as an epoch.

    Steps: With `steps`, an epoch of the loader and of Keras has that many full batches,
    and a `fit` can be resumed at each of them. The argument `steps_per_epoch` of `fit`
    works too: each epoch of Keras takes that many batches, and goes on into the next
    epoch of the loader. Another `fit` begins an unfinished epoch of the loader again.
    Such a `fit` can't be resumed at a batch.

    Weights: `sample_weight` and the argument `class_weight` of `fit` change the loss.
    Keras takes one of them. The option `weights` changes which samples come.

    State: After an epoch, `state_dict` is exact. In the middle of an epoch, pass it the
    number of batches that the model was trained on, because the TensorFlow backend of
    Keras takes batches ahead. After a state from the middle of an epoch is loaded,
    ``fit(loader, epochs=1)`` trains on the rest of that epoch. A separate call is
    required because Keras takes the same number of batches in all epochs of a `fit`. A
    signal handler may call `state_dict`, which does not count a batch in progress.

    Thread safety: Several threads may ask for batches, and each batch goes to one of
    them. More workers of Keras would change the order, so setting `workers` or
    `use_multiprocessing` raises AttributeError. The `threads` are native threads of the
    loader.

    Buffers: The arrays of a batch are writable, and valid as long as anything refers to
    them. Their memory is reused after that.
    """

    @hinting(Loader.__init__)
    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 256,
        *,
        layout: str = "NHWC",
        label_dtype: str = "int32",
        sample_weight: str | None = None,
        **options: Any,
    ) -> None:
        options |= {"layout": layout, "label_dtype": label_dtype}
        _check_fields(options)
        if sample_weight is not None:
            options["columns"] = [_checked_weight(sample_weight, dataset)]
        super().__init__(dataset, batch_size=batch_size, **options)
        self.sample_weight = sample_weight
        # Batches of an epoch that Keras expects, as `num_batches` last told it.
        self._announced: int | None = None
        self._is_endless = False  # whether epochs of Keras have steps_per_epoch
        self._phase = "outside"  # of an epoch of Keras, then "begun", then "inside"
        self._reset_pass()

    @property
    def _lock(self) -> AbstractContextManager[Any]:
        # A signal handler may take it again, and a forked process has a new one.
        return self.loader._pipelines.lock

    def _reset_pass(self) -> None:
        """Make the next pass begin at the position of the loader."""
        # A signal handler may read the state here, so this is a single assignment.
        self._newest = _Pass(self.loader._progress.where(), set(), set())
        self._batches: Iterator[Batch] | None = None

    def __getitem__(self, index: int) -> Batch:
        """Return the next batch of the epoch, whatever `index` is.

        Keras asks for each number once in a pass over an epoch, in any order. A number
        that Keras asks for again begins another pass.

        Parameters
        ----------
        index : int in 0..len-1
            Number that Keras gives the batch.

        Returns
        -------
        tuple of ndarray
            Images and labels, and the weights with `sample_weight`. With `views`, the
            images are a tuple of arrays, and mixed labels too.

        Raises
        ------
        IndexError
            All batches of the pass have been returned.
        TypeError, ValueError
            `index` is not an integer, or is out of range.
        """
        last = 2**63 - 1 if self._is_endless else len(self) - 1
        index = checked_integer("index", index, 0, last)
        with self._lock:
            if self._phase == "begun":
                self._phase = "inside"
            if (
                self._batches is None
                or index in self._newest.requested
                or (self._is_endless and self._is_finished())
            ):
                # The new pass is over the next epoch, or again over an unfinished one.
                self._batches = None  # the next iterator can use its threads
                if not self._is_finished():
                    self.loader._progress.load(self._newest.begin)
                self._reset_pass()
                self._batches = iter(self.loader)
            begin, requested, returned = self._newest
            requested.add(index)
            try:
                batch: Batch = next(self._batches)
            except StopIteration:
                returned.add(index)
                raise IndexError(
                    f"no batch is left for index {index}: all {len(requested) - 1} "
                    "batches of the pass have been returned"
                ) from None
            # On a rank that has one batch less, only the end of the iterator finishes
            # the epoch.
            if len(requested) == self.loader._n_batches(begin):
                next(self._batches, None)
            if self.sample_weight is not None:
                images, labels, weights = batch
                batch = images, labels, weights.astype(np.float32, copy=False)
            if self.views is not None:
                batch = self._with_tuples(*batch)
        returned |= {index}  # unlike after a call, no signal is handled before `return`
        return batch

    def _with_tuples(self, images: Any, labels: Any, *weights: Any) -> Batch:
        """Return a batch with tuples in place of the axis of views."""
        _, axes_of_labels = self.loader._view_axes
        return tuple(images), tuple(labels) if axes_of_labels else labels, *weights

    def _is_finished(self) -> bool:
        return self.loader.epoch != self._newest.begin.epoch

    def _n_upcoming(self) -> int:
        begin = Place(0) if self._is_finished() else self._newest.begin
        return self.loader._n_batches(begin)

    @property
    def num_batches(self) -> int | None:
        """Return the number of batches of the next pass.

        A pass is over a whole epoch, or over the rest of an epoch after
        `load_state_dict`. Keras reads this number before a `fit` and when it begins a
        pass. With `steps_per_epoch`, Keras gets None: there is always a next batch.
        """
        # Only the frames of Keras that ask for the number know its steps_per_epoch.
        frame = sys._getframe(1)
        is_for_keras = getattr(frame.f_locals.get("self"), "py_dataset", None) is self
        asking: Any = frame.f_back.f_locals.get("self") if frame.f_back else None
        with self._lock:
            if is_for_keras and hasattr(asking, "steps_per_epoch"):
                self._is_endless = bool(asking.steps_per_epoch)
            is_endless = is_for_keras and self._is_endless
            n = self._n_upcoming()
            if self._phase == "begun":
                self._batches = None  # any number begins a pass
            elif self._phase == "outside":
                self._announced = None if is_endless else n
            return None if is_endless else n

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, except the ones that must not change."""
        if name in _FIXED:
            raise AttributeError(
                f"{name} of a KerasLoader must be {_FIXED[name]}, got {value!r}.\n"
                "Native threads fill the batches in order. Set their number with "
                "KerasLoader(threads=...)."
            )
        super().__setattr__(name, value)

    def on_epoch_begin(self) -> None:
        """Record that Keras begins an epoch.

        Raises
        ------
        RuntimeError
            Keras would leave batches of the epoch out.
        """
        with self._lock:
            n, announced = self._n_upcoming(), self._announced
            if self._is_finished() and announced is not None and announced < n:
                raise RuntimeError(
                    f"this fit began with the last {announced} batches of an epoch.\n"
                    f"It would take only {announced} of the {n} batches of the next "
                    "epoch.\nFinish the first epoch with fit(loader, epochs=1), then "
                    "call fit again."
                )
            self._phase = "begun"

    def on_epoch_end(self) -> None:
        """Record that Keras ends an epoch, or a first read of some batches."""
        with self._lock:
            self._phase = "outside"

    def set_epoch(self, epoch: int) -> None:
        """Make the next pass start at the beginning of `epoch`.

        Parameters
        ----------
        epoch : int in 0..2**32-1
            Number of the epoch, as for `Loader.set_epoch`.

        Raises
        ------
        TypeError, ValueError
            `epoch` is not an integer, or is out of range.
        """
        with self._lock:
            self.loader.set_epoch(epoch)
            if self.loader._progress.pop_is_empty():  # after a state of a later epoch
                self.loader._progress.go_to(self.loader._epochs.first(epoch))
            self._phase = "outside"
            self._reset_pass()

    def state_dict(self, n_batches: int | None = None) -> dict[str, Any]:
        """Return the position of the newest pass.

        Parameters
        ----------
        n_batches : int in 1..len, optional
            Number of batches of the pass that the model was trained on, if Keras may
            have taken more. Keras calls ``on_train_batch_end(batch)`` of a callback
            when this number is ``batch + 1``. By default, all batches that Keras took.

        Returns
        -------
        dict
            State that can be stored as JSON. `Loader.state_dict` describes it.

        Raises
        ------
        TypeError, ValueError
            `n_batches` is not an integer, is out of range, or is given in a `fit` with
            `steps_per_epoch`.
        """
        # The loader also counts a batch that is about to be returned. A signal handler
        # that saves a checkpoint here must not count it, because no model has seen it.
        # This takes no lock: another thread holds it while it waits for a batch.
        place, _, returned = self._newest
        epochs, n = self.loader._epochs, len(returned)
        if n_batches is not None:
            if self._is_endless:
                raise ValueError(
                    "n_batches requires epochs of Keras that are those of the loader, "
                    "but this fit has steps_per_epoch.\nLeave out steps_per_epoch."
                )
            n = checked_integer("n_batches", n_batches, 1, len(self))
        elif n == 0:
            return state_at(place, self.loader)
        # Keras trains no epoch of zero batches, so after the last one comes the next.
        if n_batches is None and n >= epochs.n_batches(place):
            place = epochs.following(place)  # no batch is left on this rank
        else:
            place = epochs.after(place, n, is_dropped=True)
        return state_at(place, self.loader)

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes of a copy, which begins where the next pass would."""
        with self._lock:
            state = super().__getstate__()
            loader: Loader = state["loader"]
            if not self._is_finished():
                loader._progress.load(self._newest.begin)
            newest = _Pass(loader._progress.where(), set(), set())
            new = {"_newest": newest, "_batches": None, "_phase": "outside"}
            return state | new | {"_is_endless": False}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Make the next pass continue where the state was taken.

        Parameters
        ----------
        state_dict : dict
            State from `state_dict` of any adapter or of `Loader`.

        Raises
        ------
        TypeError
            `state_dict` is not a dict, or an entry is not an integer.
        ValueError
            An entry is missing or out of range, or does not match this loader.
        """
        with self._lock:
            self.loader.load_state_dict(state_dict)
            progress, epochs = self.loader._progress, self.loader._epochs
            begin = progress.next_begin()
            if begin == epochs.end(begin):  # Keras trains no epoch of zero batches
                progress.load(epochs.following(begin))
            self._phase = "outside"
            self._reset_pass()


def _check_fields(options: dict[str, Any]) -> None:
    """Raise ValueError for options that add fields, which Keras takes for weights."""
    for name in ("with_index", "columns"):
        if options.get(name):
            raise ValueError(
                f"KerasLoader can't take {name}={options[name]!r}, because Keras uses "
                "the third array of a batch as weights of samples.\nFor weights, pass "
                "sample_weight='NAME'. For other fields, loop over a Loader."
            )


def _checked_weight(name: Any, dataset: Dataset) -> str:
    """Check the name of a column with a finite weight for each row."""
    extra = checked_dataset(dataset).extra
    if not isinstance(name, str):
        raise TypeError(
            "sample_weight must be the name of a column, got "
            f"{type(name).__name__}.\nAdd it: dataset.with_columns({{name: weights}})."
        )
    if not extra:
        raise ValueError(
            "sample_weight must be a name in dataset.extra, which is empty, got "
            f"{name!r}"
        )
    values = extra[checked_name("sample_weight", name, extra)]
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"sample_weight must be a column of numbers, got {values.dtype} in {name!r}"
        )
    wrong = ~(abs(values.astype(np.float64)) <= np.finfo(np.float32).max)  # or nan
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            "sample_weight must be a column of finite float32 numbers, got "
            f"{values[row]} for row {row} of {name!r}"
        )
    return name

"""Parts that all adapters share: epochs, state, contact sheets, import errors."""

from __future__ import annotations

import copy
import itertools
import operator
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .._checks import Suggesting
from .._core import Batches
from .._loader.stats import Stats
from ..dataset import Dataset
from ..loader import Loader

if TYPE_CHECKING:
    import PIL.Image

Self = TypeVar("Self", bound="Adapter")


@contextmanager
def importing(name: str, requirement: str, *packages: str) -> Iterator[None]:
    """Raise an ImportError that names `requirement` if a package is missing.

    `name` is the module of the adapter and the main package that it requires.
    `packages` are further packages that it requires, directly or indirectly.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in (name, *packages):
            raise
        raise ImportError(
            f"fmnist_fast.frameworks.{name} requires {requirement}"
        ) from None


class _NextEpoch:
    """Batches of a loader's next epoch, which begins when they are iterated over."""

    def __init__(self, loader: Iterable[Any]) -> None:
        self._loader = loader
        self.batches: Any = None

    def __iter__(self) -> Iterator[Any]:
        self.batches = iter(self._loader)
        return self.batches

    def close(self) -> None:
        """End the epoch, as `close` of a generator does."""
        self._loader = ()
        if self.batches is not None:
            self.batches.close()


class AdapterIterator(itertools.chain[Any]):
    """Iterator of an adapter over one epoch, which begins with its first batch.

    It does not begin earlier because Lightning makes an iterator before it sets the
    epoch. `converted` takes the batches of `loader`, and returns them or a generator of
    those of the framework. A chain iterates in C, so an epoch takes no longer than with
    the generator alone.
    """

    _next_epoch: _NextEpoch
    _loader: Loader
    _converted: Any

    def __new__(
        cls, loader: Loader, converted: Callable[[Iterable[Any]], Iterable[Any]]
    ) -> AdapterIterator:
        next_epoch = _NextEpoch(loader)
        batches = converted(next_epoch)
        iterator = super().__new__(cls, batches)
        iterator._loader, iterator._next_epoch = loader, next_epoch
        iterator._converted = batches
        return iterator

    @property
    def has_begun(self) -> bool:
        """Return whether a batch was requested."""
        return self._next_epoch.batches is not None

    def __length_hint__(self) -> int:
        """Return the number of batches that are left."""
        if self._next_epoch.batches is not None:
            return operator.length_hint(self._next_epoch.batches)
        begin = self._loader._progress.upcoming()
        return 0 if begin is None else self._loader._n_batches(begin)

    def close(self) -> None:
        """Stop filling batches of this epoch."""
        self._converted.close()

    def __reduce__(self) -> Any:
        """Raise TypeError, as for an iterator of `Loader`."""
        return Batches().__reduce__()


def check_columns(
    loader: Loader, framework: str, convert: Callable[[np.ndarray], Any]
) -> None:
    """Raise ValueError if a framework has no data type for a column of a loader.

    `convert` makes an array of the framework, or raises an error.
    """
    for name, values in loader._column_values.items():
        dtype = values.dtype
        try:
            convert(np.empty(0, dtype))
        except (TypeError, ValueError, BufferError):
            raise ValueError(
                f"columns must have data types of {framework}, got {dtype} in {name!r}"
                ".\nConvert the column, for example to float64 or int64."
            ) from None


def _option(name: str) -> Any:
    """Return a property for an attribute of the loader of the consumer's batches."""

    def option(self: Adapter) -> Any:
        return getattr(self._numpy_loader, name)

    return property(option, doc=f"Return `{name}` of the `Loader` with these batches.")


class Adapter(Suggesting):
    """Base class of the adapters, which convert the batches of a `Loader`.

    Parameters
    ----------
    dataset : Dataset
        Dataset to take the samples from.
    **options
        Keyword arguments of `Loader`.

    Attributes
    ----------
    loader : Loader
        Loader that fills the batches.
    dataset, batch_size, shuffle, ...
        The options, as attributes of `Loader`. In a worker of a DataLoader, they are
        those of the whole loader.
    """

    _table = "Loader attribute"
    dataset, batch_size = _option("dataset"), _option("batch_size")
    shuffle, shuffle_block = _option("shuffle"), _option("shuffle_block")
    dtype, normalize = _option("dtype"), _option("normalize")
    mean, std = _option("mean"), _option("std")
    scale, bias = _option("scale"), _option("bias")
    layout, label_dtype = _option("layout"), _option("label_dtype")
    channels, views = _option("channels"), _option("views")
    augment, drop_last = _option("augment"), _option("drop_last")
    rank, world = _option("rank"), _option("world")
    threads, prefetch = _option("threads"), _option("prefetch")
    weights, order, repeats = _option("weights"), _option("order"), _option("repeats")
    steps, with_index, columns = map(_option, ("steps", "with_index", "columns"))
    _shown: tuple[str, ...] = ()  # attributes of the adapter that its repr shows
    _feed: Any = None  # what sends the batches of `loader` to a device

    def __init__(
        self, dataset: Dataset, kind: Callable[..., Loader] = Loader, /, **options: Any
    ) -> None:
        super().__init__()  # an adapter may also derive from a class of its framework
        self.loader = kind(dataset, **options)
        # An adapter may replace `loader` by one that returns bytes. This loader keeps
        # the normalization of the consumer's batches, which `show` undoes.
        self._numpy_loader = self.loader

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch, for this rank."""
        return len(self.loader)

    @property
    def seed(self) -> int:
        """Return the seed in use: the one given, drawn, or loaded with a state."""
        return self.loader.seed

    @property
    def augment_seed(self) -> int:
        """Return the seed of the transforms, which by default is `seed`."""
        return self.loader.augment_seed

    @property
    def epoch(self) -> int:
        """Return the epoch of the newest iterator, or of the next one after its end."""
        return self.loader.epoch

    def set_epoch(self, epoch: int) -> None:
        """Make the next iterator start at the beginning of `epoch`.

        Right after `load_state_dict`, the state's epoch keeps the state's position, and
        earlier epochs have no batches left.

        Parameters
        ----------
        epoch : int in 0..2**32-1
            Number of the epoch, as for `Loader.set_epoch`.

        Raises
        ------
        TypeError, ValueError
            `epoch` is not an integer, or is out of range.
        """
        self.loader.set_epoch(epoch)
        self._place_was_set()

    def state_dict(self) -> dict[str, Any]:
        """Return the position of the newest iterator.

        Returns
        -------
        dict
            State that can be stored as JSON. `Loader.state_dict` describes it.
        """
        return self.loader.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Make the next iterator continue where the state was taken.

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
        self.loader.load_state_dict(state_dict)
        self._place_was_set()

    def stats(self) -> Stats:
        """Return how long the newest iterator waited, and threads filled batches.

        Returns
        -------
        Stats
            Numbers of `loader`, as from `Loader.stats`. They don't include the time
            that a batch takes from there to the framework.
        """
        return self.loader.stats()

    def _place_was_set(self) -> None:
        """Let a derived class forget what it knows of the iterators before."""

    def augment_preview(self, index: int, n: int) -> np.ndarray:
        """Return image `index` as the first `n` epochs augment it.

        Parameters
        ----------
        index : int
            Row of the dataset. A negative index counts from the end.
        n : int in 1..2**32
            Number of epochs.

        Returns
        -------
        ndarray, uint8 (n, height, width)
            Augmented images. `Loader.augment_preview` describes them.

        Raises
        ------
        IndexError
            The dataset has no row `index`.
        TypeError, ValueError
            `index` or `n` is not an integer, or `n` is out of range.
        """
        return self.loader.augment_preview(index, n)

    def show(self, batch: tuple[Any, ...], **options: Any) -> PIL.Image.Image:
        """Draw a batch of this loader as a contact sheet.

        Parameters
        ----------
        batch : tuple of arrays
            A batch as this loader returns it, or only its images and labels.
        **options
            Keyword arguments of `Loader.show`: count, columns and zoom.

        Returns
        -------
        PIL.Image.Image
            Contact sheet in RGB.

        Raises
        ------
        ImportError
            Pillow is not installed.
        TypeError, ValueError
            `batch` is not a batch of this loader, or an option has a wrong value.
        """
        if isinstance(batch, (tuple, list)) and len(batch) >= 2:
            images, labels, *others = batch  # others are not shown
            batch = self._image_array(images), self._array(labels), *others
        return self._numpy_loader.show(batch, **options)

    def _array(self, array: Any) -> np.ndarray:
        """Convert an array of the framework to a numpy array."""
        return np.asarray(array)

    def _image_array(self, images: Any) -> np.ndarray:
        """Convert images of the framework to a numpy array in the loader's layout."""
        return self._array(images)

    def close(self) -> None:
        """Stop the workers. Iterators in use then raise RuntimeError.

        A loader for a CUDA device also waits until the device has read all batches,
        unless it is resident.
        """
        (self._feed or self.loader).close()

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes of a copy, which has a loader of its own."""
        return self.__dict__ | {"loader": copy.copy(self.loader)}

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        more = "".join(f", {name}={getattr(self, name)!r}" for name in self._shown)
        return f"{type(self).__name__}({self.loader!r}{more})"

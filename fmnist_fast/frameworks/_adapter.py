"""What the adapters to all frameworks have in common: epochs and state of a Loader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..dataset import Dataset
from ..loader import Loader

if TYPE_CHECKING:
    import PIL.Image

Self = TypeVar("Self", bound="Adapter")


@contextmanager
def importing(name: str, needs: str, *packages: str) -> Iterator[None]:
    """Say what the adapter of this name needs where its package can't be imported.

    `packages` are others that it needs, directly or not.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in (name, *packages):
            raise
        raise ImportError(f"fmnist_fast.frameworks.{name} needs {needs}") from None


class Adapter:
    """Base of what hands out the batches of `loader` in another form."""

    _shown: tuple[str, ...] = ()  # attributes of its own that its repr has

    def __init__(self, dataset: Dataset, **options: Any) -> None:
        super().__init__()  # of the framework's class, where there is one
        self.loader = Loader(dataset, **options)
        self._numpys = self.loader  # which gives the same pixels as numpy arrays

    def __len__(self) -> int:
        """Batches of a whole epoch, for this rank."""
        return len(self.loader)

    @property
    def epoch(self) -> int:
        """The epoch, from 0, that the next batch belongs to."""
        return self.loader.epoch

    def set_epoch(self, epoch: int) -> None:
        """Make the next iterator start at the beginning of `epoch`."""
        self.loader.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the newest iterator stands: see Loader.state_dict."""
        return self.loader.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Make the next iterator go on where the state was taken."""
        self.loader.load_state_dict(state_dict)

    def augment_preview(self, index: int, n: int) -> np.ndarray:
        """Image `index` as the first `n` epochs augment it: see Loader."""
        return self.loader.augment_preview(index, n)

    def show(self, batch: tuple[Any, Any], **options: Any) -> PIL.Image.Image:
        """Draw a batch of this loader as a contact sheet: see Loader.show."""
        if isinstance(batch, (tuple, list)) and len(batch) == 2:
            batch = self._image_array(batch[0]), self._array(batch[1])
        return self._numpys.show(batch, **options)

    def _array(self, array: Any) -> np.ndarray:
        """Return an array of the framework as numpy's."""
        return np.asarray(array)

    def _image_array(self, images: Any) -> np.ndarray:
        """Return images in the layout of the loader."""
        return self._array(images)

    def close(self) -> None:
        """Join the worker threads; iterators in use raise RuntimeError."""
        self.loader.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        more = "".join(f", {name}={getattr(self, name)!r}" for name in self._shown)
        return f"{type(self).__name__}({self.loader!r}{more})"

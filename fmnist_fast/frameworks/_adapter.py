"""What the adapters to all frameworks have of a Loader: its epochs, state and end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..loader import Loader

if TYPE_CHECKING:
    import PIL.Image

Self = TypeVar("Self", bound="Adapter")


class Adapter:
    """Something that hands out the batches of `loader` in another form."""

    loader: Loader

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
            images, labels = batch
            batch = self._image_array(images), self._array(labels)
        return self._loader_of_arrays().show(batch, **options)

    def _array(self, labels: Any) -> np.ndarray:
        """The framework's array as numpy's."""
        return np.asarray(labels)

    def _image_array(self, images: Any) -> np.ndarray:
        """Images as `_loader_of_arrays` lays them out."""
        return self._array(images)

    def _loader_of_arrays(self) -> Loader:
        """A loader that gives the same pixels, as numpy arrays."""
        return self.loader

    def close(self) -> None:
        """Join the worker threads; iterators in use raise RuntimeError."""
        self.loader.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

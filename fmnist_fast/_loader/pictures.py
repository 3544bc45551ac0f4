"""Base class of Loader: the shapes of its batches, and pictures of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import checked_integer
from .._core import MAX_EPOCH
from .._dataset.arrays import check_row
from .pipelines import new_programs
from .resumable import Resumable

if TYPE_CHECKING:
    import PIL.Image

    from ..dataset import Dataset


class Pictures(Resumable):
    """Loader that knows the shapes of its batches, and shows them."""

    dataset: Dataset
    layout: str
    channels: int
    scale: Any
    bias: Any
    with_index: bool
    columns: tuple[str, ...]
    views: Any
    _compiled_views: tuple[Any, ...]

    def augment_preview(self, index: int, n: int) -> np.ndarray:
        """Return image `index` as an unshuffled loader augments it.

        Parameters
        ----------
        index : int
            Row of the image. A negative number counts from the end.
        n : int in 1..2**32
            Number of epochs, from epoch 0 on.

        Returns
        -------
        ndarray, uint8 (n, height, width)
            The image in each epoch, before mixing and before Python functions. With
            `views`, the shape is (views, n, height, width).

        Raises
        ------
        IndexError, TypeError, ValueError
            `index` is not in the dataset, or an argument is invalid.
        """
        n = checked_integer("n", n, 1, MAX_EPOCH + 1)
        size = len(self.dataset)
        row = checked_integer("index", index, -(2**63), 2**63 - 1)
        check_row(row, size)
        image = self.dataset.images[row]
        keys: dict[str, Any] = {"seed": self.augment_seed, "epochs": range(n)}
        images = [
            program.run(image, position=row % size, **keys)
            for program in new_programs(self)
        ]
        return images[0] if self.views is None else np.stack(images)

    def show(
        self,
        batch: tuple[np.ndarray, ...],
        *,
        count: int = 32,
        columns: int = 8,
        zoom: int | None = None,
    ) -> PIL.Image.Image:
        """Return a contact sheet of a batch, with the normalization undone.

        Parameters
        ----------
        batch : tuple of two ndarray
            Images and labels that this loader yielded.
        count, columns, zoom : int
            As in `Dataset.show`. `count` is the number of samples, each with all of its
            views. A line has as many whole samples as `columns` allows, at least one.

        Returns
        -------
        PIL.Image.Image
            Picture in RGB. Values beyond black or white are clipped. Mixed labels are
            shown as shares: "Bag 70%, Coat 30%". The views of a sample stand side by
            side. Three channels are drawn in color where they differ.

        Raises
        ------
        ImportError, TypeError, ValueError
            Pillow is missing, or an argument is invalid.
        """
        from .._show.batch import Kind, batch_sheet

        n_views = 0 if self.views is None else len(self._compiled_views)
        pixels = self.layout, self.image_sides, self.channels, self.scale, self.bias
        kind = Kind(*pixels, n_views)
        n_fields = 2 + self.with_index + len(self.columns)
        if isinstance(batch, (tuple, list)) and len(batch) == n_fields:
            batch = batch[0], batch[1]
        return batch_sheet(batch, self.dataset, kind, count, columns, zoom)

    @property
    def _mixes(self) -> bool:
        """Return whether a view mixes the samples of a batch."""
        return any(compiled and compiled.mix for compiled in self._compiled_views)

    @property
    def _view_axes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the axes before the rows, of images and of labels.

        They are those of views. Labels have them only if a view mixes samples.
        """
        axes = () if self.views is None else (len(self._compiled_views),)
        return axes, axes if self._mixes else ()

    @property
    def image_sides(self) -> tuple[int, int]:
        """Return the height and width of images in batches, after augmentation."""
        compiled = self._compiled_views[0]
        if compiled is not None:
            return compiled.height, compiled.width
        height, width = self.dataset.images.shape[1:]
        return height, width

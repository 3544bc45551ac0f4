"""Combine images in several arrays, such as memory-mapped files, into one sequence."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .. import _core
from .arrays import check_row, row_numbers


class MultiFileImages:
    """Images in several files as one sequence, the `Dataset.images` of `load_files`.

    They are indexed by the first dimension, as an array is. An integer gives a view of
    an image. A slice of step 1 within one file gives a view. Other slices, lists, index
    arrays and masks give copies. ``numpy.asarray`` copies all images.

    Attributes
    ----------
    parts : tuple of ndarray, uint8 (n, height, width), C-contiguous
        Images of each file. There is at least one array, and all images have one size.
    shape : tuple of int
        (n, height, width) of all parts together.
    dtype, ndim, size, nbytes
        Attributes of an array with that shape.

    Notes
    -----
    Determinism: The order is that of `parts`, and then of the images in each.

    Thread safety: The sequence never changes, so threads can share it.

    Buffers: `parts` are not copied, and may be read-only and memory-mapped.
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, parts: Sequence[np.ndarray]) -> None:
        """Keep references to the arrays, and add up their lengths."""
        self.parts = tuple(parts)
        self._begins = np.cumsum([0, *map(len, self.parts)])
        self.shape = (int(self._begins[-1]), *self.parts[0].shape[1:])
        self.size = self.nbytes = math.prod(self.shape)

    def __len__(self) -> int:
        """Return the number of images."""
        return self.shape[0]

    def __iter__(self) -> Iterator[np.ndarray]:
        """Return an iterator over views of the images."""
        return (image for part in self.parts for image in part)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Return an image, or several images as one array."""
        n = len(self)
        if isinstance(key, slice):
            begin, end, step = key.indices(n)
            if step == 1:
                images = self.between(begin, end)
                return images.parts[0] if len(images.parts) == 1 else np.asarray(images)
            key = np.arange(begin, end, step)
        if isinstance(key, (list, np.ndarray)):
            return self._rows(row_numbers(key, n))
        try:
            row = operator.index(key)
        except TypeError:
            raise TypeError(
                "images in several files must be indexed by an integer, a slice, a "
                f"list or a mask of the first dimension, got {type(key).__name__}.\n"
                "Index the result by the other dimensions."
            ) from None
        check_row(row, n)
        row %= n
        part = int(self._begins.searchsorted(row, side="right")) - 1
        return self.parts[part][row - int(self._begins[part])]

    def between(self, begin: int, end: int) -> MultiFileImages:
        """Return images `begin` to `end` - 1, without a copy; `begin` is at least 0."""
        end = min(max(begin, end), len(self))
        pieces = [
            part[max(0, begin - first) : end - first]
            for part, first in zip(self.parts, self._begins.tolist())
            if first < end and begin < first + len(part)
        ]
        return MultiFileImages(pieces or [self.parts[0][:0]])

    def _rows(self, rows: np.ndarray) -> np.ndarray:
        """Return a copy of the given rows, in the given order, one part at a time."""
        out = np.empty((len(rows), *self.shape[1:]), np.uint8)
        part_of = self._begins.searchsorted(rows, side="right") - 1
        parts = np.unique(part_of)
        with _core.FileReads([self.parts[part] for part in parts]):
            for part in parts:
                places = np.flatnonzero(part_of == part)
                out[places] = self.parts[part][rows[places] - self._begins[part]]
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all images as one new array."""
        if copy is False:
            raise ValueError(
                "an array of images in several files requires a copy, got copy=False. "
                "Use .parts."
            )
        with _core.FileReads(self.parts):
            images = np.concatenate(self.parts)
        return images if dtype is None else images.astype(dtype, copy=False)

    def __repr__(self) -> str:
        """Return the number and size of the images, and the number of parts."""
        n, height, width = self.shape
        files = f"{len(self.parts)} part" + "s" * (len(self.parts) != 1)
        return f"MultiFileImages({n:,} images of {height}x{width} uint8 in {files})"

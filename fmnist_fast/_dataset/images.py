"""Images that lie in several arrays, such as mapped files, as one sequence."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .arrays import check_row, row_numbers


class MultiFileImages:
    """What `Dataset.images` is where the images are in several files.

    Indexed as an array is by its first dimension: an integer gives a view of an image;
    a slice a view where it has step 1 and lies in one part, else a copy; lists, index
    arrays and masks give copies. ``numpy.asarray`` copies everything.

    Attributes
    ----------
    parts : tuple of ndarray, uint8 (n, height, width), C-contiguous
        At least one, all of images of the same size.
    shape : tuple of int
        (n, height, width), of all parts together.
    dtype, ndim, size, nbytes
        As of an array of that shape.
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, parts: Sequence[np.ndarray]) -> None:
        self.parts = tuple(parts)
        self._begins = np.cumsum([0, *map(len, self.parts)])
        self.shape = (int(self._begins[-1]), *self.parts[0].shape[1:])
        self.size = self.nbytes = math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (image for part in self.parts for image in part)

    def __getitem__(self, key: Any) -> np.ndarray:
        n = len(self)
        if isinstance(key, slice):
            begin, end, step = key.indices(n)
            if step == 1:
                run = self.between(begin, end)
                return run.parts[0] if len(run.parts) == 1 else np.asarray(run)
            key = np.arange(begin, end, step)
        if isinstance(key, (list, np.ndarray)):
            return self._rows(row_numbers(key, n))
        try:
            row = operator.index(key)
        except TypeError:
            raise TypeError(
                "images in several files are indexed by an integer, a slice, a list or "
                f"a mask of the first dimension, got {type(key).__name__}: index what "
                "that gives by the others"
            ) from None
        check_row(row, n)
        row %= n
        part = int(self._begins.searchsorted(row, side="right")) - 1
        return self.parts[part][row - int(self._begins[part])]

    def between(self, begin: int, end: int) -> MultiFileImages:
        """Return images begin to end - 1, without a copy; `begin` is at least 0."""
        end = min(max(begin, end), len(self))
        pieces = [
            part[max(0, begin - first) : end - first]
            for part, first in zip(self.parts, self._begins.tolist())
            if first < end and begin < first + len(part)
        ]
        return MultiFileImages(pieces or [self.parts[0][:0]])

    def _rows(self, rows: np.ndarray) -> np.ndarray:
        """Return a copy of these rows, in their order, a part at a time."""
        out = np.empty((len(rows), *self.shape[1:]), np.uint8)
        part_of = self._begins.searchsorted(rows, side="right") - 1
        for part in np.unique(part_of):
            here = np.flatnonzero(part_of == part)
            out[here] = self.parts[part][rows[here] - self._begins[part]]
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError(
                "images in several files are no array without a copy: see .parts"
            )
        images = np.concatenate(self.parts)
        return images if dtype is None else images.astype(dtype, copy=False)

    def __repr__(self) -> str:
        n, height, width = self.shape
        files = f"{len(self.parts)} part" + "s" * (len(self.parts) != 1)
        return f"MultiFileImages({n:,} images of {height}x{width} uint8 in {files})"

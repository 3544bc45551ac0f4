"""Images in several arrays, or some images of them, as one sequence without a copy."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .. import _core
from .._io.cores import usable_cores
from .arrays import check_row, parts_of, row_number, row_numbers, rows_of

_ROW_NBYTES = 8  # of a row in a table
_N_COPIED = 256  # images of a table that are copied at once, about 200 KB
_FIRST_KEYS = (int, np.integer, slice)
_NUMPY_KEYS = (tuple, type(None), type(...))  # left to numpy


class LazyImages(NDArrayOperatorsMixin):
    """Images that are copied when they are read: `Dataset.images` of a selection.

    The images of `load_files` are of this type too. They are indexed as an array is. An
    integer gives a view of an image, and other keys give arrays. Operators and
    functions of numpy take them, and ``numpy.asarray`` copies all images.

    Attributes
    ----------
    parts : tuple of ndarray, uint8 (n, height, width), C-contiguous
        Arrays that hold the images, such as one for each file. There is at least one.
        All images have one size.
    rows : ndarray, int64 (n,), or None
        Number of each image in the parts laid end to end. None stands for all of them.
    shape : tuple of int
        (n, height, width) of all images together.
    dtype, ndim, size, nbytes
        Attributes of an array with that shape.

    Notes
    -----
    Determinism: The order is that of `rows`, or of `parts` and the images in each.

    Thread safety: The sequence never changes, so threads can share it.

    Buffers: `parts` are not copied, and may be read-only and memory-mapped. They stay
    in memory as long as this object does.
    """

    __slots__ = ("_begins", "parts", "rows")

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(
        self, parts: Sequence[np.ndarray], rows: np.ndarray | None = None
    ) -> None:
        """Keep references to the arrays, and add up their lengths."""
        self.parts, self.rows = tuple(parts), rows
        self._begins = tuple(accumulate(map(len, self.parts), initial=0))

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of all images together: (n, height, width)."""
        return (len(self), *self.parts[0].shape[1:])

    @property
    def size(self) -> int:
        """Return the number of pixels."""
        return math.prod(self.shape)

    nbytes = size  # of uint8

    def __len__(self) -> int:
        """Return the number of images."""
        return self._begins[-1] if self.rows is None else len(self.rows)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Return an iterator over views of the images."""
        if self.rows is None:
            return (image for part in self.parts for image in part)
        if len(self.parts) == 1:
            return map(self.parts[0].__getitem__, memoryview(self.rows))
        return map(self._image, range(len(self)))

    def __getitem__(self, key: Any) -> np.ndarray:
        """Return an image, or several images as one array."""
        if type(key) is int:  # the quickest test first
            return self._image(key)
        if isinstance(key, slice):
            return self._several(key)
        if isinstance(key, tuple) and key and isinstance(key[0], _FIRST_KEYS):
            first, *others = key  # other images are not read
            if isinstance(first, slice):
                return self._several(first)[(slice(None), *others)]
            return self._image(row_number(first))[None][(0, *others)]
        if getattr(key, "ndim", 0) > 1 or isinstance(key, _NUMPY_KEYS):
            return np.asarray(self)[key]
        if getattr(key, "ndim", 0) or not hasattr(key, "__index__"):
            return self._copy_of_rows(self._checked_rows(key))
        return self._image(row_number(key))

    def _image(self, row: Any) -> np.ndarray:
        """Return a view of an image. Negative rows count from the end."""
        n = len(self)
        if not -n <= row < n:  # tested here, which saves a call for each row
            check_row(row, n)
        number = row % n if self.rows is None else self.rows.item(row)
        if len(self.parts) == 1:
            return self.parts[0][number]
        part = bisect_right(self._begins, number) - 1
        return self.parts[part][number - self._begins[part]]

    def _several(self, key: slice) -> np.ndarray:
        """Return the images of a slice, as a view where they lie together."""
        begin, end, step = key.indices(len(self))
        if step == 1:
            images = self.between(begin, end)
            is_view = len(images.parts) == 1 and images.rows is None
            return images.parts[0] if is_view else np.asarray(images)
        return self._copy_of_rows(np.arange(begin, end, step, dtype=np.int64))

    def _checked_rows(self, key: Any) -> np.ndarray:
        """Return the numbers of the images that an index array or a mask chooses."""
        try:
            return row_numbers(key, len(self))
        except TypeError:
            raise TypeError(
                "images must be indexed by integers, slices, lists and masks, as an "
                f"array is, got {type(key).__name__}"
            ) from None

    def _copy_of_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return a copy of the images at some of these rows."""
        return self._copy_of_numbers(rows if self.rows is None else self.rows[rows])

    def _copy_of_numbers(self, numbers: np.ndarray) -> np.ndarray:
        """Return a copy of images by their numbers, one part at a time."""
        if len(self.parts) == 1:
            with _core.FileReads(self.parts):
                return self.parts[0].take(numbers, axis=0)
        out = np.empty((len(numbers), *self.shape[1:]), np.uint8)
        part_of = np.searchsorted(self._begins, numbers, side="right") - 1
        parts = np.unique(part_of)
        with _core.FileReads([self.parts[part] for part in parts]):
            for part in parts:
                places = np.flatnonzero(part_of == part)
                out[places] = self.parts[part][numbers[places] - self._begins[part]]
        return out

    def between(self, begin: int, end: int) -> LazyImages:
        """Return images `begin` to `end` - 1, without a copy; `begin` is at least 0."""
        end = min(max(begin, end), len(self))
        if self.rows is not None:
            return self._with_rows(self.rows[begin:end])
        pieces = [
            part[max(0, begin - first) : end - first]
            for part, first in zip(self.parts, self._begins)
            if first < end and begin < first + len(part)
        ]
        return LazyImages(pieces or [self.parts[0][:0]])

    def select(self, rows: np.ndarray) -> LazyImages:
        """Return the images of these rows, int64 (n,) in 0..len - 1, without a copy."""
        return self._with_rows(rows if self.rows is None else self.rows[rows])

    def _with_rows(self, rows: np.ndarray) -> LazyImages:
        """Return other images of the same parts, whose lengths are known."""
        images = object.__new__(LazyImages)
        images.parts, images.rows, images._begins = self.parts, rows, self._begins
        return images

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all images as one new array."""
        if copy is False:
            raise ValueError(
                "an array of these images requires a copy, got copy=False. Use .parts."
            )
        if self.rows is not None:
            images = self._copy_of_numbers(self.rows)
        else:
            with _core.FileReads(self.parts):
                images = np.concatenate(self.parts)
        return images if dtype is None else images.astype(dtype, copy=False)

    def __dlpack__(self, **options: Any) -> Any:
        """Return all images as one new array, for frameworks."""
        return np.asarray(self).__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        """Return the code of the processor's memory."""
        return np.empty(0).__dlpack_device__()

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any
    ) -> Any:
        """Return the result of a numpy function for the images as an array."""
        if any(isinstance(out, LazyImages) for out in options.get("out", ())):
            return NotImplemented  # as of images += 1
        arrays = [np.asarray(x) if isinstance(x, LazyImages) else x for x in inputs]
        return getattr(ufunc, method)(*arrays, **options)

    def __getattr__(self, name: str) -> Any:
        """Raise AttributeError, which says how to use what only arrays have."""
        is_of_arrays = not name.startswith("_") and hasattr(np.ndarray, name)
        hint = f".\nUse numpy.asarray(images).{name}." if is_of_arrays else ""
        raise AttributeError(f"LazyImages has no attribute {name!r}{hint}")

    def __reduce__(self) -> tuple:
        """Return the parts, or only the selected images, as one array."""
        if self.rows is None:
            return LazyImages, (self.parts,)
        return np.asarray, (np.asarray(self),)

    def __repr__(self) -> str:
        """Return the number and size of the images, and where they lie."""
        n, height, width = self.shape
        number = f"{n:,}" if self.rows is None else f"{n:,} of {self._begins[-1]:,}"
        where = f"{len(self.parts)} part" + "s" * (len(self.parts) != 1)
        return f"LazyImages({number} images of {height}x{width} uint8 in {where})"


def checked_images(images: Any, labels: Any) -> Any:
    """Return images, which must be a C-contiguous uint8 array (n, height, width).

    Images of another dataset may be a LazyImages. The labels are for the error, which
    says what to pass.
    """
    if isinstance(images, LazyImages):
        return images
    is_right = (
        isinstance(images, np.ndarray)
        and images.dtype == np.uint8
        and images.ndim == 3
        and 0 not in images.shape[1:]
        and images.flags.c_contiguous
    )
    if not is_right:
        from .advice import wrong_images

        raise wrong_images(images, labels)
    return images


def selected_images(images: Any, rows: slice | np.ndarray) -> Any:
    """Return images of a slice of step 1, or of rows in 0..len - 1, int64 (n,).

    The result refers to `images`, unless copies of them are smaller than their numbers.
    """
    if isinstance(rows, slice):
        is_array = isinstance(images, np.ndarray)
        return images[rows] if is_array else images.between(rows.start, rows.stop)
    _, height, width = images.shape
    if height * width <= _ROW_NBYTES:
        return images[rows]
    is_array = isinstance(images, np.ndarray)
    return LazyImages((images,), rows) if is_array else images.select(rows)


def shares_of(images: Any) -> list[Any]:
    """Return consecutive images for each core, without a copy."""
    n_shares = usable_cores()
    ends = [len(images) * share // n_shares for share in range(n_shares + 1)]
    return [selected_images(images, slice(*pair)) for pair in pairwise(ends)]


def pieces_of(images: Any) -> Iterator[np.ndarray]:
    """Yield arrays that have all images in order, without a large copy."""
    if rows_of(images) is None:
        yield from parts_of(images)
    else:
        for begin in range(0, len(images), _N_COPIED):
            yield images[begin : begin + _N_COPIED]


def joined_images(several: Sequence[Any]) -> Any:
    """Return the images of several datasets, one after the other, without a copy."""
    parts: list[np.ndarray] = []
    if all(rows_of(images) is None for images in several):
        parts += [part for images in several for part in parts_of(images) if len(part)]
        parts = parts or [parts_of(several[0])[0]]
        return parts[0] if len(parts) == 1 else LazyImages(parts)
    begins: dict[int, int] = {}  # the number of the first image, by the part's id
    n = 0
    for part in (part for images in several for part in parts_of(images)):
        if id(part) not in begins:
            begins[id(part)] = n
            n += len(part)
            parts.append(part)
    return LazyImages(parts, np.concatenate([_numbers(x, begins) for x in several]))


def _numbers(images: Any, begins: dict[int, int]) -> np.ndarray:
    """Return the number of each image in the joined parts.

    `begins` has the first number of each part.
    """
    parts, rows = parts_of(images), rows_of(images)
    if rows is None:
        rows = np.arange(len(images), dtype=np.int64)
    n_each = [len(part) for part in parts]
    ends = np.cumsum(n_each)
    moved_by = [begins[id(part)] for part in parts] - (ends - n_each)
    return rows + moved_by[ends.searchsorted(rows, side="right")]

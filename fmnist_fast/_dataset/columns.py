"""The two columns of a dataset: rows by key, classes, numbers about all rows."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .. import _core
from .._checks import install_hint
from .._io.files import run_together, usable_cores
from .arrays import check_row, indexer, parts_of
from .classes import labels_of, names_of

_FINGERPRINT_ROWS = 64
_UNIT = np.float32(1 / 255)


class Columns:
    """Images and labels as the columns of a table, with integers as keys of its rows.

    The attributes are those of Dataset, which this is the base of.
    """

    images: np.ndarray  # or MultiFileImages, which does what is asked of it here
    labels: np.ndarray
    classes: tuple[str, ...]
    _column: Any  # the images as rows give them: themselves, or as Pictures

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: Any) -> Any:
        """Return a row by integer, a column by name, several rows by anything else.

        ``ds[3]`` is ``{"image": uint8 (height, width), "label": int}``, ``ds["image"]``
        and ``ds["label"]`` are the whole arrays, ``ds[2:5]`` and ``ds[[7, 1]]`` are
        ``{"image": uint8 (n, height, width), "label": (n,)}``. Lists, index arrays
        and masks copy, and so do ranges of another step than 1. With the format "pil"
        an image is a Pillow image, and several are a sequence that makes them when
        asked.
        """
        if isinstance(key, str):
            if key == "image":
                return self._column  # without a call: the next view takes only 70 ns
            if key == "label":
                return self.labels
            raise KeyError(f"a dataset has columns 'image' and 'label', not {key!r}")
        if isinstance(key, (slice, range, list, tuple, np.ndarray)):
            key = indexer(key, len(self.labels))
            return {"image": self._column[key], "label": self.labels[key]}
        try:
            row = operator.index(key)
        except TypeError:
            raise TypeError(
                "a dataset is indexed by integers, slices, ranges, lists, masks, "
                f"'image' or 'label', got {type(key).__name__}"
            ) from None
        n = len(self.labels)
        if not -n <= row < n:  # here, which spares each row a call
            check_row(row, n)
        return {"image": self._column[row], "label": self.labels.item(row)}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for image, label in zip(self._column, self.labels):
            yield {"image": image, "label": int(label)}

    def int2str(self, labels: Any) -> str | list[str]:
        """Return the class name of a label, or those of a sequence of labels."""
        return names_of(self.classes, labels)

    def str2int(self, names: str | Sequence[str]) -> int | list[int]:
        """Return the label of a class name, or those of a sequence of names.

        Raises ValueError for a name that isn't there, with near ones in the message.
        """
        return labels_of(self.classes, names)

    @property
    def class_counts(self) -> np.ndarray:
        """Number of rows of each class, int64 (len(classes),)."""
        return np.bincount(self.labels, minlength=len(self.classes))

    @functools.cached_property
    def _moments(self) -> tuple[float, float]:
        if self.images.size == 0:
            raise ValueError("an empty dataset has no mean and no std")
        total = squares = 0
        for part in parts_of(self.images):
            shares = np.array_split(part, usable_cores())
            tasks = [functools.partial(_core.pixel_sums, share) for share in shares]
            for share_total, share_squares in run_together(tasks):
                total += share_total
                squares += share_squares
        n = self.images.size
        # Integers until the division, so nothing cancels and each rounds once.
        variance = (n * squares - total**2) / (255 * n) ** 2
        return total / (255 * n), math.sqrt(variance)

    @property
    def mean(self) -> float:
        """Mean of all pixels divided by 255, in 0..1, from exact sums."""
        return self._moments[0]

    @property
    def std(self) -> float:
        """Standard deviation of all pixels divided by 255, from exact sums."""
        return self._moments[1]

    @functools.cached_property
    def fingerprint(self) -> str:
        """Eight hexadecimal digits that tell this dataset from others.

        Made from the shape and up to 64 rows spread evenly, so it costs the same for
        any size; a difference elsewhere goes unseen.
        """
        import deflate  # whose CRC-32 starts faster than hashlib

        crc = deflate.crc32(repr((self.images.shape, self.classes)).encode())
        n_rows = min(len(self), _FINGERPRINT_ROWS)
        for i in range(n_rows):
            row = i * (len(self) - 1) // max(1, n_rows - 1)
            label = int(self.labels[row]).to_bytes(8, "little", signed=True)
            crc = deflate.crc32(self.images[row].tobytes() + label, crc)
        return f"{crc:08x}"

    def to_sklearn(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows as scikit-learn takes them, ``X, y = dataset.to_sklearn()``.

        Returns
        -------
        tuple of ndarray
            float32 (n, height * width), pixels divided by 255; int64 (n,), the labels.
            Both are copies. A Loader with ``layout="flat", normalize="unit"`` gives
            the same in batches, for ``partial_fit`` and for more than fits in memory.
        """
        parts, (n, height, width) = parts_of(self.images), self.images.shape
        rows = np.empty((n, height * width), np.float32)
        for part, out in zip(parts, np.split(rows, np.cumsum([*map(len, parts)]))):
            both = part.reshape(out.shape), out
            shares = zip(*(np.array_split(array, usable_cores()) for array in both))
            run_together(
                [functools.partial(np.multiply, a, _UNIT, out=b) for a, b in shares]
            )
        return rows, self.labels.astype(np.int64)


class Pictures(Sequence):
    """Images as a sequence of Pillow images of mode L, made when they are asked for.

    Integers give an image; slices, lists and masks give other Pictures. An image uses
    the memory of the array until it is written to, when Pillow gives it its own.
    """

    def __init__(self, images: Any) -> None:
        with install_hint("the format 'pil' needs Pillow", "pillow"):
            from PIL import Image

        self._images = images
        self._make = Image.fromarray

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, key: Any) -> Any:
        images = self._images[key]
        return self._make(images) if images.ndim == 2 else Pictures(images)

    def __repr__(self) -> str:
        n, height, width = self._images.shape
        return f"Pictures({n:,} images of {height}x{width})"


def check_same_kind(first: Columns, other: Any) -> None:
    """Raise unless the rows of `other` can follow those of `first`."""
    if not isinstance(other, Columns):
        raise TypeError(f"others must be Datasets, got {type(other).__name__}")
    size, other_size = first.images.shape[1:], other.images.shape[1:]
    if size != other_size:
        raise ValueError(f"images must be of the size {size}, got {other_size}")
    if first.classes != other.classes:
        both = zip(first.classes, other.classes)
        differ = next((f"{a!r} and {b!r}" for a, b in both if a != b), None)
        differ = differ or f"{len(first.classes)} and {len(other.classes)} of them"
        raise ValueError(f"datasets must have the same classes, got {differ}")

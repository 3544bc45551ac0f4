"""Base class of Dataset: its rows, columns, class names, statistics and texts."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._checks import Suggesting, install_hint, one_line
from .._io.threads import run_together
from .arrays import check_row, row_or_rows
from .classes import labels_of, names_of
from .images import pieces_of, shares_of
from .row import Row, new_row
from .statistics import OwnStatistics, Statistics, Whole, title_of

if TYPE_CHECKING:
    from .known_cards import Card

_FINGERPRINT_ROWS = 64
_LONGEST_HEADING = 100  # characters


class Extra(Mapping):
    """Columns of `Dataset.extra` by name, which can be read and not replaced."""

    __slots__ = ("_columns",)

    def __init__(self, columns: Mapping[str, np.ndarray]) -> None:
        """Keep references to the arrays."""
        self._columns = dict(columns)

    def __getitem__(self, name: str) -> np.ndarray:
        """Return the column of a name."""
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        """Return an iterator over the names."""
        return iter(self._columns)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self._columns)

    def __setitem__(self, name: str, values: Any) -> None:
        """Raise TypeError, which says how to add a column."""
        raise TypeError(
            "extra of a Dataset can't be changed.\n"
            f"Use ds = ds.with_columns({{{name!r}: values}})."
        )

    def __repr__(self) -> str:
        """Return the columns as a dict shows them."""
        return repr(self._columns)


class Columns(Suggesting):
    """Images and labels as the two columns of a table, whose rows have numbers.

    `Dataset` is derived from this class and documents its attributes.
    """

    _table = "Dataset attribute"
    images: np.ndarray  # or a LazyImages, which is indexed alike
    labels: np.ndarray
    classes: tuple[str, ...]
    name: str | None
    split_name: str | None
    source: str | None
    synthetic: bool
    extra: Mapping[str, np.ndarray]
    _column: Any  # the images, or the Pictures of them
    _whole: Whole
    _card: dict[str, Any]  # the fields of a dataset.json
    _rows: range | np.ndarray  # the number of each row in the dataset that was loaded
    _selection: tuple[str, ...] | None  # parts that it was selected from, or a whole

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.images)

    def __add__(self, other: Any) -> Any:
        """Raise TypeError, because PyTorch's sum of datasets is `concatenate` here."""
        raise TypeError("datasets can't be added with +. Use a.concatenate(b).")

    def __getitem__(self, key: Any) -> Any:
        """Return a row, a column, or several rows.

        Parameters
        ----------
        key : int, str, slice, or several rows
            Number of a row, name of a column, or several rows: row numbers or a boolean
            mask in a range, list, tuple, iterator, array, tensor or pandas Series.

        Returns
        -------
        Row or ndarray
            ``ds[3]`` is a row: an image, uint8 (height, width), and its label, an int.
            It unpacks as in ``image, label = ds[3]``, and has the columns
            ``row["image"]`` and ``row["label"]``. ``ds["image"]`` and ``ds["label"]``
            are the whole arrays. ``ds[2:5]`` and ``ds[[7, 1]]`` are a Row of several
            images, uint8 (n, height, width), and their labels (n,). With the format
            "pil" an image is a Pillow image. Several images are then a sequence that
            makes each Pillow image on access.

        Raises
        ------
        IndexError, KeyError, TypeError
            A row is out of range, a column doesn't exist, or `key` has a wrong type.

        Notes
        -----
        Buffers: Integers, slices and ranges of step 1 give views. Lists, index arrays,
        masks and ranges of other steps give copies, and so does a slice across files.
        """
        if isinstance(key, str):
            if key == "image":
                return self._column  # without a call: indexing it takes only 70 ns
            if key == "label":
                return self.labels
            hint = f".\nUse extra[{key!r}]." if key in self.extra else ""
            raise KeyError(f"column must be 'image' or 'label', got {key!r}{hint}")
        if type(key) is slice:  # the quickest tests first
            return new_row((self._column[key], self.labels[key]))
        n = len(self.labels)
        if type(key) is not int:
            key = int(key) if isinstance(key, np.integer) else row_or_rows(key, n)
            if type(key) is not int:
                return new_row((self._column[key], self.labels[key]))
        if not -n <= key < n:  # tested here, which saves a call for each row
            check_row(key, n)
        return new_row((self._column[key], self.labels.item(key)))

    def __iter__(self) -> Iterator[Row]:
        """Return an iterator over the rows: images with their labels."""
        labels = memoryview(self.labels)  # yields ints, without numpy's scalars
        return map(new_row, zip(self._column, labels))

    def int2str(self, labels: Any) -> str | list[str]:
        """Return the class name of a label, or the class names of a sequence of labels.

        Parameters
        ----------
        labels : int, or sequence of int
            Labels in ``range(len(classes))``.

        Returns
        -------
        str or list of str
            Name of the label, or names in the order of `labels`.

        Raises
        ------
        TypeError, ValueError
            A label is not an integer or is out of range.
        """
        return names_of(self.classes, labels)

    def str2int(self, names: str | Sequence[str]) -> int | list[int]:
        """Return the label of a class name, or the labels of a sequence of names.

        Parameters
        ----------
        names : str, or sequence of str
            Names of classes.

        Returns
        -------
        int or list of int
            Label of the name, or labels in the order of `names`.

        Raises
        ------
        TypeError
            A name is not a string.
        ValueError
            No class or several classes have a name. The message suggests similar
            names.
        """
        return labels_of(self.classes, names)

    @property
    def rows(self) -> np.ndarray:
        """Return the number of each row in the dataset that was loaded, int64 (n,).

        The array is read-only. The batches of ``Loader(with_index=True)`` have these
        numbers. So if `losses` has a number for each row of the whole dataset,
        ``losses[part.rows]`` has those of a selection. If `concatenate` joins rows of
        different datasets, the numbers are those of the result.
        """
        numbers = self._rows
        if isinstance(numbers, range):
            begin, end, step = numbers.start, numbers.stop, numbers.step
            numbers = np.arange(begin, end, step, dtype=np.int64)
        rows = numbers.view()
        rows.flags.writeable = False
        return rows

    @property
    def class_counts(self) -> np.ndarray:
        """Return the number of rows of each class, int64 (len(classes),)."""
        return np.bincount(self.labels, minlength=len(self.classes))

    @property
    def mean(self) -> float:
        """Return the mean of all pixels divided by 255, in 0..1, from exact sums.

        Raises
        ------
        ValueError
            The dataset is empty.
        """
        return self._statistics().mean

    @property
    def std(self) -> float:
        """Return the standard deviation of all pixels divided by 255, from exact sums.

        Raises
        ------
        ValueError
            The dataset is empty.
        """
        return self._statistics().std

    @functools.cached_property
    def _own(self) -> OwnStatistics:
        return OwnStatistics(self.images, self.title)

    def _statistics(self) -> Statistics:
        if len(self) == 0:
            raise ValueError("mean and std require at least one image, got 0")
        return self._own()

    @property
    def title(self) -> str:
        """Return "name/split", and "(SYNTHETIC)" if it is."""
        return title_of(self.name, self.split_name, self.synthetic)

    @property
    def _long_title(self) -> str:
        """Return the title, and the parts that the dataset was selected from."""
        return ", ".join([self.title, *(self._selection or ())])

    @property
    def _heading(self) -> str:
        """Return the heading for pictures, which tells the parts of a split apart."""
        return one_line(self._long_title, _LONGEST_HEADING)

    @property
    def info(self) -> Card:
        """Return the card: description, citation, license, authors, how it was made.

        The texts are those of the published dataset of this `name`, if there is one,
        and of the ``dataset.json`` beside the files. The rest comes from the arrays.
        """
        from .card import card_of

        return card_of(
            self.name,
            self.classes,
            self.images.shape[1:],
            label_dtype=self.labels.dtype,
            splits={self.split_name or "all": len(self)},
            synthetic=self.synthetic,
            fields=self._card,
        )

    def __repr__(self) -> str:
        """Return the title, the number and size of the images, and their folder."""
        n, height, width = self.images.shape
        number = f"{n:,}"
        if self._selection is not None:
            whole = self._whole.n_rows
            number += f" {'of' if n <= whole else 'from'} {whole:,}"
        folder = f", from {self.source}" if self.source else ""
        return (
            f"Dataset({self._long_title}: {number} images of {height}x{width} uint8, "
            f"{len(self.classes)} classes{folder})"
        )

    @functools.cached_property
    def fingerprint(self) -> str:
        """Return eight hexadecimal digits that tell this dataset from other datasets.

        They are a CRC-32 of the shape, the classes and up to 64 rows spread evenly, so
        the cost is the same for any size. A difference in other rows goes unnoticed.
        """
        import deflate  # deflate imports faster than hashlib

        crc = deflate.crc32(repr((self.images.shape, self.classes)).encode())
        n_rows = min(len(self), _FINGERPRINT_ROWS)
        for i in range(n_rows):
            row = i * (len(self) - 1) // max(1, n_rows - 1)
            label = int(self.labels[row]).to_bytes(8, "little", signed=True)
            crc = deflate.crc32(self.images[row].tobytes() + label, crc)
        return f"{crc:08x}"

    @_core.default_floats  # threads start with the state of this one
    def to_sklearn(self) -> tuple[np.ndarray, np.ndarray]:
        """Return arrays for scikit-learn, as in ``X, y = dataset.to_sklearn()``.

        Returns
        -------
        tuple of two ndarray
            Pixels divided by 255, float32 (n, height * width), and labels, int64 (n,).
            Both are copies.

        Notes
        -----
        A Loader with ``layout="flat", normalize="unit"`` gives the same values in
        batches, for ``partial_fit`` and for datasets that are larger than memory.
        """
        n, height, width = self.images.shape
        rows = np.empty((n, height * width), np.float32)
        tasks, end = [], 0
        for share in shares_of(self.images):
            begin, end = end, end + len(share)
            tasks.append(functools.partial(_divide, share, rows[begin:end]))
        run_together(tasks)
        return rows, self.labels.astype(np.int64)


def _divide(images: Any, out: np.ndarray) -> None:
    """Write pixels divided by 255, float32 (n, height * width)."""
    unit, end = np.float32(1 / 255), 0
    for piece in pieces_of(images):
        begin, end = end, end + len(piece)
        with _core.FileReads((piece,)):
            np.multiply(piece.reshape(-1, out.shape[1]), unit, out=out[begin:end])


class Pictures(Sequence):
    """Images as a sequence of Pillow images of mode L, which are made on access.

    An integer gives an image. A slice, a list or a mask gives other Pictures. An image
    shares the memory of the array until Pillow copies it for a write.
    """

    def __init__(self, images: Any) -> None:
        """Import Pillow, and keep a reference to the images."""
        with install_hint("the format 'pil' requires Pillow", "pillow"):
            from PIL import Image

        self._images = images
        self._make = Image.fromarray

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._images)

    def __getitem__(self, key: Any) -> Any:
        """Return an image, or Pictures of several images."""
        images = self._images[key]
        return self._make(images) if images.ndim == 2 else Pictures(images)

    def __repr__(self) -> str:
        """Return the number and the size of the images."""
        n, height, width = self._images.shape
        return f"Pictures({n:,} images of {height}x{width})"


def check_same_kind(first: Columns, other: Any) -> None:
    """Raise unless `other` is a dataset with the classes and image size of `first`."""
    if not isinstance(other, Columns):
        hint = ".\nPass the datasets one by one: a.concatenate(b, c)."
        hint *= isinstance(other, (list, tuple))
        raise TypeError(f"others must be Datasets, got {type(other).__name__}{hint}")
    size, other_size = first.images.shape[1:], other.images.shape[1:]
    if size != other_size:
        raise ValueError(f"images must have the size {size}, got {other_size}")
    if first.classes != other.classes:
        names = zip(first.classes, other.classes)
        different = next((f"{a!r} and {b!r}" for a, b in names if a != b), None)
        different = different or f"{len(first.classes)} and {len(other.classes)} names"
        raise ValueError(f"datasets must have the same classes, got {different}")

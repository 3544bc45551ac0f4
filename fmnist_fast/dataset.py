"""A dataset: images, labels, and what is known about them."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core
from ._dataset.images import ShardedImages, parts_of
from ._dataset.rows import (
    Pictures,
    check_row,
    check_same_kind,
    checked_format,
    checked_rows,
    first_part,
    kept_rows,
)
from ._io.files import run_together, usable_cores

if TYPE_CHECKING:
    import datasets
    import PIL.Image

    from ._dataset.card import Card

_LABEL_DTYPES = ("uint8", "int32", "int64")
_FINGERPRINT_ROWS = 64
_MAX_UNNAMED = 1 << 20  # a stray label must not cost gigabytes of made-up names


class Dataset:
    """Grayscale images with one class label each, as two arrays.

    Made by :func:`load`, :func:`load_shards`, :func:`synthetic` or
    :meth:`from_arrays`.

    Attributes
    ----------
    images : ndarray, uint8 (n, height, width), C-contiguous
        Of :func:`load_shards` a ShardedImages, which is indexed alike.
    labels : ndarray, uint8, int32 or int64 (n,), each in ``range(len(classes))``
    classes : tuple of str
        The name of each class.
    name, split_name : str or None
        Such as "fashion-mnist" and "train".
    source : str or None
        The folder that the files are in.
    synthetic : bool
        Whether the images were drawn by :func:`synthetic` or another program.
    extra : dict of str to ndarray (n,)
        What else is known of each image, by name; empty for most datasets.
    format : "numpy" or "pil"
        What rows and columns give images as: see :meth:`with_format`.

    Notes
    -----
    Thread safety: a dataset is not changed after it is made.
    Buffers: `images` and `labels` are not copied; those of :func:`load` are read-only
    and may be memory-mapped. Don't write to arrays that a loader is reading.
    """

    images: np.ndarray  # or ShardedImages, which does what is asked of it here
    labels: np.ndarray
    classes: tuple[str, ...]
    name: str | None
    split_name: str | None
    source: str | None
    synthetic: bool
    extra: dict[str, np.ndarray]
    format: str
    _card: dict[str, Any]  # what a dataset.json says
    _origin: tuple | None  # function and arguments that read it again when unpickled

    def __init__(self) -> None:
        raise TypeError("make a Dataset with load(), synthetic() or from_arrays()")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name} of a Dataset is fixed: make another Dataset")

    @classmethod
    def from_arrays(
        cls,
        images: np.ndarray,
        labels: np.ndarray,
        *,
        classes: Sequence[str] | None = None,
        name: str | None = None,
        synthetic: bool = False,
    ) -> Dataset:
        """Make a dataset of arrays that are there already, without a copy.

        Parameters
        ----------
        images : ndarray, uint8 (n, height, width), C-contiguous
            A memory map will do.
        labels : ndarray, integer (n,)
            Each in ``range(len(classes))``. uint8, int32 and int64 are not copied.
        classes : sequence of str, optional
            No two the same. By default "0", "1", ... up to the largest label.
        name : str, optional
            What to call it.
        synthetic : bool
            Whether the images are drawn ones: titles, cards and `repr` then say so.
            Pass on ``other.synthetic`` with the arrays of another dataset.

        Raises
        ------
        TypeError, ValueError
            An array has another dtype or shape, the lengths differ, a label is out of
            range, or two classes have one name.
        """
        return cls._make(
            _checked_images(images),
            checked_labels(labels),
            checked_classes(classes),
            name=name,
            synthetic=bool(synthetic),
        )

    @classmethod
    def _make(
        cls,
        images: np.ndarray,
        labels: np.ndarray,
        classes: Sequence[str] | None,
        *,
        name: str | None = None,
        split: str | None = None,
        source: str | None = None,
        synthetic: bool = False,
        extra: dict[str, np.ndarray] | None = None,
        origin: tuple | None = None,
        format: str = "numpy",
        card: dict[str, Any] | None = None,
    ) -> Dataset:
        if len(images) != len(labels):
            raise ValueError(
                f"images and labels must agree in number, got {len(images)} images "
                f"and {len(labels)} labels"
            )
        low, high = (int(labels.min()), int(labels.max())) if len(labels) else (0, -1)
        if isinstance(classes, str):
            raise TypeError(f"classes must be a sequence of names, got {classes!r}")
        if classes is None:
            if high >= _MAX_UNNAMED:
                raise ValueError(
                    f"labels must be below {_MAX_UNNAMED} where classes are not given, "
                    f"got {high}"
                )
            classes = [str(i) for i in range(max(high, 0) + 1)]
        if low < 0:
            raise ValueError(f"labels must not be negative, got {low}")
        if high >= len(classes):
            raise ValueError(
                f"labels must be in 0..{len(classes) - 1}, one for each of the "
                f"{len(classes)} classes, got {low} to {high}"
            )
        return _rebuild(
            {
                "images": images,
                "labels": labels,
                "classes": tuple(map(str, classes)),
                "name": name,
                "split_name": split,
                "source": source,
                "synthetic": synthetic,
                "extra": extra or {},
                "format": format,
                "_card": card or {},
                "_origin": origin,
            }
        )

    def _with(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        extra: dict[str, np.ndarray] | None = None,
    ) -> Dataset:
        """The same kind of dataset with other rows."""
        return Dataset._make(
            images,
            labels,
            self.classes,
            name=self.name,
            split=self.split_name,
            source=self.source,
            synthetic=self.synthetic,
            extra=extra,
            format=self.format,
            card=self._card,
        )

    @classmethod
    def from_huggingface(
        cls, ds: datasets.Dataset, *, image: str = "image", label: str = "label"
    ) -> Dataset:
        """Make a dataset of one of Hugging Face's, decoding its image files.

        Parameters
        ----------
        ds : datasets.Dataset
            One split. Its classes' names, its name and what its `info` says are kept.
        image : str
            The column of images: a `datasets.Image` of grayscale images of one size.
            Plain PNGs are decoded here, all other files by Pillow in threads.
        label : str
            The column of labels: a `datasets.ClassLabel` or integers.

        Raises
        ------
        TypeError, ValueError
            `ds` or a column is of another kind, or an image or label is missing,
            damaged or unlike the others; the message names the row.
        """
        from ._dataset.huggingface import from_huggingface

        return from_huggingface(ds, image, label)

    def to_sklearn(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows as scikit-learn takes them, ``X, y = dataset.to_sklearn()``.

        Returns
        -------
        tuple of ndarray
            float32 (n, height * width), pixels divided by 255; int64 (n,), the labels.
            Both are copies. For more than fits memory, and for ``partial_fit``, a
            Loader with ``layout="flat"`` gives the same in batches.
        """
        from .loader import Loader

        n = len(self)
        options = {"layout": "flat", "normalize": "unit", "batch_size": max(1, n)}
        for images, labels in Loader(self, **options):  # type: ignore[arg-type]
            return images, labels
        height, width = self.images.shape[1:]
        return np.zeros((0, height * width), np.float32), np.zeros(0, np.int64)

    def to_huggingface(self) -> datasets.Dataset:
        """A `datasets.Dataset` in memory, its images as PNG files; needs `datasets`."""
        from ._dataset.huggingface import to_huggingface

        return to_huggingface(self)

    # ---- rows and columns ---------------------------------------------------------

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: Any) -> Any:
        """A row by integer, a column by name, rows of both columns by anything else.

        ``ds[3]`` is ``{"image": uint8 (height, width), "label": int}``, ``ds["image"]``
        and ``ds["label"]`` are the whole arrays, ``ds[2:5]`` and ``ds[[7, 1]]`` are
        ``{"image": uint8 (n, height, width), "label": (n,)}``. Lists, index arrays
        and masks copy, and so do ranges of another step than 1. With the format "pil"
        an image is a Pillow image, and several are a sequence that makes them when
        asked.
        """
        if isinstance(key, str):
            if key == "image":
                # No call where that can be: the view made next takes only 70 ns.
                return self.images if self.format == "numpy" else Pictures(self.images)
            if key == "label":
                return self.labels
            raise KeyError(f"a dataset has columns 'image' and 'label', not {key!r}")
        if isinstance(key, (slice, range, list, tuple, np.ndarray)):
            key = self._rows(key)
            return {"image": self._shown(self.images[key]), "label": self.labels[key]}
        try:
            row = operator.index(key)
        except TypeError:
            raise TypeError(
                "a dataset is indexed by integers, slices, ranges, lists, masks, "
                f"'image' or 'label', got {type(key).__name__}"
            ) from None
        if not -len(self) <= row < len(self):  # here, which spares each row a call
            check_row(row, len(self))
        images = self.images if self.format == "numpy" else Pictures(self.images)
        return {"image": images[row], "label": self.labels.item(row)}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for image, label in zip(self._shown(self.images), self.labels):
            yield {"image": image, "label": int(label)}

    def _rows(self, rows: Any) -> slice | np.ndarray:
        """Several rows as numpy takes them: a slice where that means the same."""
        if isinstance(rows, slice):
            return rows
        if not isinstance(rows, range):
            return checked_rows(rows, len(self))
        for end in (rows[0], rows[-1]) if rows else ():
            check_row(end, len(self), first=0)
        if rows.step == 1:
            return slice(rows.start, max(rows.start, rows.stop))
        return np.asarray(rows, dtype=np.int64)

    def _shown(self, images: np.ndarray) -> Any:
        return images if self.format == "numpy" else Pictures(images)

    def with_format(self, format: str) -> Dataset:
        """The same dataset whose rows and columns give images in another form.

        Parameters
        ----------
        format : "numpy" or "pil"
            Arrays, or Pillow images of mode L. `images`, and what loaders read, stay
            arrays.

        Returns
        -------
        Dataset
            With the same memory. What is selected, split or unpickled from it keeps
            the format.

        Raises
        ------
        ValueError
            `format` is another.
        ImportError
            Pillow is not installed.
        """
        return _rebuild(self.__dict__ | {"format": checked_format(format)})

    def select(self, rows: Any) -> Dataset:
        """The dataset of these rows, in this order.

        Parameters
        ----------
        rows : slice, range, sequence of int, or boolean mask (n,)
            A slice or range of step 1 gives views; anything else copies.
        """
        rows = self._rows(rows)
        images: Any
        if isinstance(self.images, ShardedImages) and _is_run(rows):
            images = self.images.between(*rows.indices(len(self))[:2])
        else:
            images = np.ascontiguousarray(self.images[rows])
        extra = {
            name: np.ascontiguousarray(column[rows])
            for name, column in self.extra.items()
        }
        return self._with(images, np.ascontiguousarray(self.labels[rows]), extra)

    def split(
        self, fraction: float, *, seed: int = 0, stratify: bool = False
    ) -> tuple[Dataset, Dataset]:
        """Divide the rows at random into two datasets, each in the original order.

        Parameters
        ----------
        fraction : float, in (0, 1)
            Share of the rows that go to the first part, ``round(fraction * n)`` rows.
        seed : int, in 0..2**64-1
            The same seed gives the same division.
        stratify : bool
            Give every class the same share in both parts, to within one row.

        Returns
        -------
        tuple of two Dataset
            Both parts are copies.
        """
        first = first_part(self.labels, fraction, seed, stratify)
        return self.select(first), self.select(~first)

    def filter(
        self,
        function: Callable[[Any], Any],
        *,
        batched: bool = False,
        batch_size: int | None = None,
    ) -> Dataset:
        """The dataset of the rows for which `function` returns True.

        Parameters
        ----------
        function : callable
            Takes a row, as ``ds[i]`` gives it, and returns a bool; with `batched` takes
            up to `batch_size` rows, as ``ds[begin:end]`` gives them, and returns a bool
            for each. A mask over all rows needs no function:
            ``ds.select(ds.labels == 9)``.
        batched : bool
        batch_size : int, at least 1, optional
            Goes with `batched`; by default 1000.

        Returns
        -------
        Dataset
            A copy.

        Raises
        ------
        TypeError, ValueError
            The function returned something else, or an argument isn't what it should
            be.
        """
        return self.select(kept_rows(self, function, batched, batch_size))

    def concatenate(self, *others: Dataset) -> Dataset:
        """The dataset of the rows of this one, then those of `others`, as a copy.

        `name`, `split_name`, `source` and the card are kept where all have the same,
        columns of `extra` where all have them; it is `synthetic` if one of them is.

        Raises
        ------
        TypeError, ValueError
            One isn't a Dataset, or has other classes or images of another size.
        """
        for other in others:
            check_same_kind(self, other)
        parts = (self, *others)

        def common(name: str) -> Any:
            first = getattr(self, name)
            return first if all(getattr(p, name) == first for p in parts) else None

        return Dataset._make(
            np.concatenate([array for p in parts for array in parts_of(p.images)]),
            np.concatenate([part.labels for part in parts]),
            self.classes,
            name=common("name"),
            split=common("split_name"),
            source=common("source"),
            synthetic=any(part.synthetic for part in parts),
            extra={
                name: np.concatenate([part.extra[name] for part in parts])
                for name in self.extra
                if all(name in part.extra for part in parts)
            },
            format=self.format,
            card=common("_card"),
        )

    # ---- to look at ---------------------------------------------------------------

    @property
    def title(self) -> str:
        """What to write above pictures: "name/split", and that it is SYNTHETIC."""
        title = "/".join(filter(None, [self.name, self.split_name])) or "arrays"
        return f"{title} (SYNTHETIC)" if self.synthetic else title

    def show(
        self,
        rows: Any = None,
        *,
        classes: str | int | Sequence[str | int] | None = None,
        count: int | None = None,
        seed: int | None = None,
        columns: int = 8,
        zoom: int | None = None,
        numbers: bool = False,
    ) -> PIL.Image.Image:
        """Draw images with the names of their classes, as a contact sheet.

        Parameters
        ----------
        rows : int, slice, range, sequence of int, or boolean mask (n,), optional
            Which ones, in this order; by default from the first on.
        classes : str, int, or sequence of them, optional
            Only these, by name or number.
        count : int, in 1..10000, optional
            At most so many; by default 32, or all of `rows`.
        seed : int, in 0..2**64-1, optional
            Draw `count` at random instead of taking the first.
        columns : int
            Images in a row, at least 1.
        zoom : int, optional
            Sides of the square that a pixel becomes; by default such that images have
            sides of about 84.
        numbers : bool
            Write the number of its row before each name.

        Returns
        -------
        PIL.Image.Image
            RGB. Notebooks display it; ``.save("sheet.png")`` keeps it.

        Raises
        ------
        ImportError
            Pillow is not installed.
        IndexError, TypeError, ValueError
            A row or class is not there, nothing is left to show, or an argument is not
            what it should be.
        """
        from ._show.sheets import chosen_rows, dataset_sheet

        chosen = chosen_rows(self, rows, classes=classes, count=count, seed=seed)
        return dataset_sheet(self, chosen, columns, zoom, numbers)

    def _repr_html_(self) -> str:
        """What notebooks show: an image, the name and the count of each class."""
        from ._show.notebook import dataset_html

        return dataset_html(self)

    # ---- about the whole ----------------------------------------------------------

    @property
    def info(self) -> Card:
        """The card: description, citation, licence, authors, how it was made.

        That of the dataset of this `name` if it is a known one, with what a
        ``dataset.json`` beside the files says; else what can be seen.
        """
        from ._dataset.card import card_of

        return card_of(self)

    def int2str(self, labels: Any) -> str | list[str]:
        """The class name of a label, or the list of those of a sequence of labels."""
        from ._dataset.classes import names_of

        return names_of(self.classes, labels)

    def str2int(self, names: str | Sequence[str]) -> int | list[int]:
        """The label of a class name, or the list of those of a sequence of names.

        Raises ValueError for a name that isn't there, with near ones in the message.
        """
        from ._dataset.classes import labels_of

        return labels_of(self.classes, names)

    @property
    def class_counts(self) -> np.ndarray:
        """How many rows each class has, int64 (len(classes),)."""
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

    def __repr__(self) -> str:
        n, height, width = self.images.shape
        where = f", from {self.source}" if self.source else ""
        return (
            f"Dataset({self.title}: {n:,} images of {height}x{width} uint8, "
            f"{len(self.classes)} classes{where})"
        )

    def __reduce__(self) -> tuple:
        if self._origin is not None:
            return _reload, (self._origin, self.fingerprint, self.format)
        values = dict(self.__dict__)
        for cached in ("_moments", "fingerprint"):
            values.pop(cached, None)
        return _rebuild, (values,)


def _rebuild(values: dict[str, Any]) -> Dataset:
    dataset = object.__new__(Dataset)
    dataset.__dict__.update(values)
    return dataset


def _is_run(rows: Any) -> bool:
    return isinstance(rows, slice) and rows.step in (None, 1)


def _reload(origin: tuple, fingerprint: str, format: str) -> Dataset:
    """Read a pickled dataset again from the files it came from."""
    read, arguments = origin
    dataset: Dataset = read(*arguments)
    if dataset.fingerprint != fingerprint:
        raise ValueError(
            f"the files in {dataset.source} have changed since this dataset was "
            f"pickled: fingerprint {fingerprint} then, {dataset.fingerprint} now"
        )
    return dataset.with_format(format)


def _checked_images(images: np.ndarray) -> np.ndarray:
    if not isinstance(images, np.ndarray):
        raise TypeError(f"images must be an ndarray, got {type(images).__name__}")
    if images.dtype != np.uint8 or images.ndim != 3 or 0 in images.shape[1:]:
        raise ValueError(
            "images must be uint8 of shape (n, height, width), got "
            f"{images.dtype} {images.shape}"
        )
    if not images.flags.c_contiguous:
        raise ValueError(
            "images must be C-contiguous: pass numpy.ascontiguousarray(images)"
        )
    return images


def checked_classes(classes: Sequence[str] | None) -> Sequence[str] | None:
    if classes is None or isinstance(classes, str):
        return classes  # the latter is refused by _make
    names = list(map(str, classes))
    first: dict[str, int] = {}
    for i, name in enumerate(names):
        if first.setdefault(name, i) != i:
            raise ValueError(
                f"classes must have different names, got {name!r} for classes "
                f"{first[name]} and {i}"
            )
    return names


def checked_labels(labels: np.ndarray) -> np.ndarray:
    """Labels as uint8, int32 or int64, without a copy where they are."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels must be integers of shape (n,), got {labels.dtype} {labels.shape}"
        )
    if labels.dtype == np.uint64 and len(labels) and labels.max() > 2**63 - 1:
        raise ValueError(f"labels must be below 2**63, got {labels.max()}")
    if labels.dtype.name not in _LABEL_DTYPES or not labels.dtype.isnative:
        labels = labels.astype(np.int32 if labels.dtype.itemsize <= 2 else np.int64)
    return np.ascontiguousarray(labels)

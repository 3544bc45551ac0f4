"""A dataset: images, labels, and what is known about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._checks import checked_flag, checked_name
from ._dataset import arrays
from ._dataset.classes import wanted_labels
from ._dataset.columns import Columns, Pictures, check_same_kind
from ._dataset.rows import first_part, kept_rows, shown_rows

if TYPE_CHECKING:
    import datasets
    import PIL.Image

    from ._dataset.known_cards import Card

_DERIVED = ("_column", "_moments", "fingerprint")  # which can be made again


class Dataset(Columns):
    """Grayscale images with one class label each, as two arrays.

    Made by :func:`load`, :func:`load_files`, :func:`synthetic` or
    :meth:`from_arrays`.

    Attributes
    ----------
    images : ndarray, uint8 (n, height, width), C-contiguous
        Of :func:`load_files` a MultiFileImages, which is indexed alike.
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
            arrays.checked_images(images),
            arrays.checked_labels(labels),
            arrays.checked_classes(classes),
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
        card: dict[str, Any] | None = None,
    ) -> Dataset:
        return _rebuild(
            {
                "images": images,
                "labels": labels,
                "classes": arrays.classes_of(images, labels, classes),
                "name": name,
                "split_name": split,
                "source": source,
                "synthetic": synthetic,
                "extra": extra or {},
                "format": "numpy",
                "_card": card or {},
                "_origin": origin,
            }
        )

    def _with(self, **changes: Any) -> Dataset:
        """Return the same kind of dataset with other values, such as other rows."""
        return _rebuild(self._values() | {"_origin": None} | changes)

    def _values(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in self.__dict__.keys() - _DERIVED}

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

        return cls._make(**from_huggingface(ds, image, label))

    def to_huggingface(self) -> datasets.Dataset:
        """Return a `datasets.Dataset` in memory, its images as PNG files.

        Raises ImportError where `datasets` is not installed.
        """
        from ._dataset.huggingface import to_huggingface

        return to_huggingface(self.images, self.labels, self.split_name, self.info)

    def with_format(self, format: str) -> Dataset:
        """Return the same dataset with images in another form in rows and columns.

        What is selected, split or unpickled from it keeps the format. Raises
        ImportError where Pillow is needed and not installed.

        Parameters
        ----------
        format : "numpy" or "pil"
            Arrays, or Pillow images of mode L. `images`, and what loaders read, stay
            arrays.
        """
        checked_name("format", format, ("numpy", "pil"))
        return _rebuild(self.__dict__ | {"format": format})

    def select(self, rows: Any) -> Dataset:
        """Return the dataset of these rows, in this order.

        Parameters
        ----------
        rows : slice, range, sequence of int, or boolean mask (n,)
            A slice or range of step 1 gives views; anything else copies.
        """
        rows = arrays.indexer(rows, len(self))
        extra = {
            name: arrays.selected(column, rows) for name, column in self.extra.items()
        }
        return self._with(
            images=arrays.selected(self.images, rows),
            labels=arrays.selected(self.labels, rows),
            extra=extra,
        )

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
        """Return the dataset of the rows for which `function` returns True.

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
        """Return a copy of the rows of this dataset, then those of `others`.

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
        common: dict[str, Any] = dict.fromkeys(("name", "split_name", "source"))
        common["_card"] = {}
        for name in common:
            value = getattr(self, name)
            if all(getattr(other, name) == value for other in others):
                common[name] = value
        images = [array for part in parts for array in arrays.parts_of(part.images)]
        return self._with(
            images=np.concatenate(images),
            labels=np.concatenate([part.labels for part in parts]),
            synthetic=any(part.synthetic for part in parts),
            extra={
                name: np.concatenate([part.extra[name] for part in parts])
                for name in self.extra
                if all(name in other.extra for other in others)
            },
            **common,
        )

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
        from ._show.contact_sheet import MAX_IMAGES, contact_sheet

        if classes is not None:
            classes = wanted_labels(self.classes, classes)
        shown = shown_rows(
            self.labels, rows, classes, count=count, seed=seed, most=MAX_IMAGES
        )
        captions = [self.classes[label] for label in self.labels[shown]]
        if checked_flag("numbers", numbers):
            captions = [f"{row} {name}" for row, name in zip(shown, captions)]
        title = f"{self.title}: {len(shown):,} of {len(self):,} images"
        return contact_sheet(
            self.images[shown], captions, columns=columns, zoom=zoom, title=title
        )

    def _repr_html_(self) -> str:
        """Return what notebooks show: image, name and count of each class."""
        from ._show.notebook import dataset_html

        about = self.title, self.source, self.synthetic
        return dataset_html(*about, self.images, self.labels, self.classes)

    @property
    def info(self) -> Card:
        """Card: description, citation, license, authors, how it was made.

        That of the dataset of this `name` if it is a known one, with what a
        ``dataset.json`` beside the files says; else what can be seen.
        """
        from ._dataset.card import card_of

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
        n, height, width = self.images.shape
        where = f", from {self.source}" if self.source else ""
        return (
            f"Dataset({self.title}: {n:,} images of {height}x{width} uint8, "
            f"{len(self.classes)} classes{where})"
        )

    def __reduce__(self) -> tuple:
        if self._origin is not None:
            return _reload, (self._origin, self.fingerprint, self.format)
        return _rebuild, (self._values(),)


def _rebuild(values: dict[str, Any]) -> Dataset:
    dataset = object.__new__(Dataset)
    is_numpy = values["format"] == "numpy"
    column = values["images"] if is_numpy else Pictures(values["images"])
    dataset.__dict__.update(values, _column=column)
    return dataset


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

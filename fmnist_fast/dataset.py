"""Datasets: images, labels and metadata in memory or memory-mapped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._checks import checked_flag, checked_name, hinting
from ._dataset import arrays
from ._dataset.classes import ClassNames, checked_classes, selected_labels
from ._dataset.columns import Columns, Pictures
from ._dataset.origin import reread
from ._dataset.rows import first_part, joined, kept_rows, shown_rows
from ._dataset.statistics import Source, Statistics, Whole

if TYPE_CHECKING:
    import datasets
    import PIL.Image

_DERIVED = ("_column", "_own", "fingerprint")  # computed again in a copy


class Dataset(Columns):
    """Grayscale images, each with one class label, and their metadata.

    `load`, `load_files`, `synthetic` and :meth:`from_arrays` make datasets. `mean` and
    `std` are those of the dataset's own pixels. A Loader normalizes a selection like
    the dataset that it was selected from, and a test set like the training set.

    Attributes
    ----------
    images : ndarray, uint8 (n, height, width), C-contiguous
        Images. `load_files` gives a MultiFileImages instead, which is indexed alike.
    labels : ndarray, uint8, int32 or int64 (n,), each in ``range(len(classes))``
        Class number of each image.
    classes : tuple of str
        Name of each class.
    name, split_name : str or None
        Names of the dataset and the split, such as "fashion-mnist" and "train".
    source : str or None
        Folder of the files.
    synthetic : bool
        Whether a program, such as `synthetic`, drew the images.
    extra : dict of str to ndarray (n,)
        More values for each image, by name; empty for most datasets.
    format : "numpy" or "pil"
        Type of the images in rows and columns: see :meth:`with_format`.

    Notes
    -----
    Determinism: `split` and `show` depend only on their arguments and the rows.

    Thread safety: A dataset doesn't change after it is made, so threads can share it.

    Buffers: `images` and `labels` are not copied. Arrays of `load` are read-only and
    may be memory-mapped. Don't write to arrays while a loader reads them.
    """

    extra: dict[str, np.ndarray]
    format: str
    _origin: tuple | None  # function and arguments that reread it on unpickling

    def __init__(self, *arguments: Any, **options: Any) -> None:
        raise TypeError("Dataset can't be called. Use load() or from_arrays().")

    def __setattr__(self, name: str, value: Any) -> None:
        """Raise AttributeError, because datasets don't change."""
        raise AttributeError(f"{name} of a Dataset can't be set. Make another Dataset.")

    def __delattr__(self, name: str) -> None:
        """Raise AttributeError, because datasets don't change."""
        self.__setattr__(name, None)

    @classmethod
    @hinting()
    def from_arrays(
        cls,
        images: np.ndarray,
        labels: np.ndarray,
        *,
        classes: ClassNames | None = None,
        name: str | None = None,
        synthetic: bool = False,
    ) -> Dataset:
        """Return a dataset of the given arrays, without a copy.

        Parameters
        ----------
        images : ndarray, uint8 (n, height, width), C-contiguous
            Images, in memory or memory-mapped.
        labels : ndarray, integer (n,)
            Each in ``range(len(classes))``. Only uint8, int32 and int64 aren't copied.
        classes : sequence of str, or mapping, optional
            Different names, or a mapping between names and labels. The default is "0",
            "1", ... up to the largest label, and then labels 1..N are an error.
        name : str, optional
            Name of the dataset.
        synthetic : bool, default False
            Whether the images are drawn: titles, cards and `repr` then say so. Pass
            ``other.synthetic`` with the arrays of another dataset.

        Returns
        -------
        Dataset

        Raises
        ------
        TypeError, ValueError
            An argument isn't as above, or the lengths of the arrays differ.
        """
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a string, got {name!r}")
        return cls._make(
            arrays.checked_images(images, labels),
            arrays.checked_labels(labels, named=classes is not None),
            checked_classes(classes),
            name=name,
            synthetic=checked_flag("synthetic", synthetic),
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
        statistics: Statistics | Source | None = None,
    ) -> Dataset:
        """Return a dataset, which Loaders normalize by `statistics` if it has any."""
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
                "_selection": None,
            },
            statistics,
        )

    def _with(self, **changes: Any) -> Dataset:
        """Return a dataset with other values, which is pickled with its arrays."""
        return _rebuild(self._values() | {"_origin": None} | changes)

    def _values(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in self.__dict__.keys() - _DERIVED}

    @classmethod
    def from_huggingface(
        cls, ds: datasets.Dataset, *, image: str = "image", label: str = "label"
    ) -> Dataset:
        """Return a dataset in memory of the images of a Hugging Face dataset.

        Parameters
        ----------
        ds : datasets.Dataset
            One split. Its class names, its name and the texts of its `info` are kept.
        image : str, default "image"
            Column of grayscale images of one size, a `datasets.Image`. Pillow decodes
            all files except plain PNG files, in threads.
        label : str, default "label"
            Column of labels: a `datasets.ClassLabel` or integers.

        Returns
        -------
        Dataset

        Raises
        ------
        ImportError
            `datasets` is not installed, or Pillow, which a file requires.
        TypeError, ValueError
            An argument isn't as above, or an image or label is missing or damaged. The
            message names the row.
        """
        from ._dataset.huggingface import from_huggingface

        return cls._make(**from_huggingface(ds, image, label))

    def to_huggingface(self) -> datasets.Dataset:
        """Return the dataset as a Hugging Face dataset.

        Returns
        -------
        datasets.Dataset
            It is in memory, with a PNG file for each image.

        Raises
        ------
        ImportError
            `datasets` is not installed.
        """
        from ._dataset.huggingface import to_huggingface

        return to_huggingface(self.images, self.labels, self.split_name, self.info)

    def with_format(self, format: str) -> Dataset:
        """Return the same dataset with another type of images in rows and columns.

        Datasets made from the result keep the format. `images` stays an array.

        Parameters
        ----------
        format : "numpy" or "pil"
            Arrays, or Pillow images of mode L.

        Returns
        -------
        Dataset

        Raises
        ------
        ImportError, ValueError
            Pillow is required and not installed, or the format is unknown.
        """
        checked_name("format", format, ("numpy", "pil"))
        return _rebuild(self.__dict__ | {"format": format})

    def select(self, rows: Any) -> Dataset:
        """Return a dataset of the given rows, in the given order.

        Parameters
        ----------
        rows : slice, range, iterable of int, or boolean mask (n,)
            Rows to keep. Negative numbers count from the end, except in a range.

        Returns
        -------
        Dataset
            Its arrays are views for a slice or range of step 1, and copies otherwise.

        Raises
        ------
        IndexError, TypeError
            A row is out of range, or `rows` has a wrong type or shape.
        """
        rows = arrays.indexer(rows, len(self))
        extra = {key: arrays.selected(array, rows) for key, array in self.extra.items()}
        return self._with(
            images=arrays.selected(self.images, rows),
            labels=arrays.selected(self.labels, rows),
            extra=extra,
            _selection=self._selection or (),
        )

    @hinting()
    def split(
        self, fraction: float, *, seed: int = 0, stratify: bool = False
    ) -> tuple[Dataset, Dataset]:
        """Divide the rows at random into two datasets, each in the original order.

        Parameters
        ----------
        fraction : float in (0, 1), or int in 1..n-1
            Share of the rows in the first part, rounded, or their number. Both parts
            must have a row, except of an empty dataset.
        seed : int in 0..2**64-1, default 0
            Number that decides the division.
        stratify : bool, default False
            Whether both parts have every class, in equal shares to within one row.

        Returns
        -------
        tuple of two Dataset
            Copies of the rows.

        Raises
        ------
        TypeError, ValueError
            An argument isn't as above, or a class has too few rows to stratify.
        """
        first = first_part(self, fraction, seed, stratify)
        call = f"split({fraction}, seed={seed}{', stratify=True' * bool(stratify)})"
        if self._selection is not None:  # the parts are not those of the whole
            call += f" of {len(self):,}"
        return self._part(first, f"1 of {call}"), self._part(~first, f"2 of {call}")

    def _part(self, rows: np.ndarray, name: str) -> Dataset:
        """Return the given rows as a dataset whose `repr` names this part."""
        part = self.select(rows)
        part.__dict__["_selection"] += (f"part {name}",)
        return part

    @hinting()
    def filter(
        self,
        function: Callable[..., Any],
        *,
        with_indices: bool = False,
        batched: bool = False,
        batch_size: int | None = None,
    ) -> Dataset:
        """Return a copy of the rows for which `function` returns True.

        Parameters
        ----------
        function : callable
            Function of a row, ``ds[i]``, that returns a bool. With `batched`, function
            of several rows, ``ds[begin:end]``, that returns a bool for each. A mask
            needs no function: ``ds.select(ds.labels == 9)``.
        with_indices : bool, default False
            Whether `function` also takes the number of the row, or an array of them.
        batched : bool, default False
            Whether `function` takes several rows.
        batch_size : int of at least 1, default 1000
            Largest number of rows for a call. It requires `batched`.

        Returns
        -------
        Dataset

        Raises
        ------
        TypeError, ValueError
            An argument is wrong, or `function` returns anything except bools.
        """
        kept = kept_rows(self, function, with_indices, batched, batch_size)
        return self.select(kept)

    def concatenate(self, *others: Dataset) -> Dataset:
        """Return a copy of the rows of this dataset, followed by the rows of `others`.

        The result keeps `name`, `split_name`, `source` and the card if all have the
        same, and columns of `extra` that all have. It is `synthetic` if any of them is.
        Loaders normalize parts of one dataset like that dataset, and others together.

        Parameters
        ----------
        *others : Dataset
            Datasets with the same classes and the same size of images.

        Returns
        -------
        Dataset

        Raises
        ------
        TypeError, ValueError
            An argument isn't as above.
        """
        return Dataset._with(self, **joined((self, *others)))

    @hinting()
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
        """Draw a contact sheet: images with the names of their classes.

        Parameters
        ----------
        rows : int, slice, range, sequence of int, or boolean mask (n,), optional
            Rows to draw, in this order. The default is all rows.
        classes : str, int, or sequence of them, optional
            Names or numbers of the classes to draw. The default is all classes.
        count : int in 1..10000, optional
            Largest number of images. The default is 32, or all of `rows`.
        seed : int in 0..2**64-1, optional
            Number that decides a random choice. By default the first images are drawn.
        columns, zoom : int of at least 1, default 8 and None
            Images in a line, and the side of a drawn pixel. None makes the longer side
            of an image about 84 pixels.
        numbers : bool, default False
            Whether to write the number of the row before each name.

        Returns
        -------
        PIL.Image.Image
            RGB image. Notebooks display it, and ``.save("sheet.png")`` writes it.

        Raises
        ------
        ImportError, IndexError, TypeError, ValueError
            Pillow is not installed, an argument isn't as above, or no image or too many
            images are left.
        """
        from ._show.contact_sheet import MAX_IMAGES, contact_sheet

        if classes is not None:
            classes = selected_labels(self.classes, classes)
        shown = shown_rows(self.labels, rows, classes, count, seed, MAX_IMAGES)
        captions = [self.classes[label] for label in self.labels[shown]]
        if checked_flag("numbers", numbers):
            captions = [f"{row} {name}" for row, name in zip(shown, captions)]
        title = f"{self.title}: {len(shown):,} of {len(self):,} images"
        return contact_sheet(
            self.images[shown], captions, columns=columns, zoom=zoom, title=title
        )

    def _repr_html_(self) -> str:
        """Return the HTML for notebooks: image, name and count of each class."""
        from ._show.notebook import dataset_html

        about = self.title, self.source, self.synthetic
        return dataset_html(*about, self.images, self.labels, self.classes)

    def __reduce__(self) -> tuple:
        """Return the files to read again, or all values of a dataset in memory."""
        if self._origin is not None:
            return reread, (self._origin, self.fingerprint, self.format, self.title)
        return _rebuild, (self._values(),)


def _rebuild(
    values: dict[str, Any], statistics: Statistics | Source | None = None
) -> Dataset:
    dataset, images = object.__new__(Dataset), values["images"]
    column = images if values["format"] == "numpy" else Pictures(images)
    dataset.__dict__.update(values, _column=column)
    if values.get("_whole") is None:
        dataset.__dict__["_whole"] = Whole(len(images), statistics, dataset._own)
    return dataset

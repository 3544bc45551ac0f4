"""Datasets: images, labels and metadata in memory or memory-mapped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._checks import checked_flag, checked_name, hinting
from ._dataset import arrays
from ._dataset.classes import ClassNames, checked_classes, selected_labels
from ._dataset.columns import Extra, Pictures
from ._dataset.images import checked_images
from ._dataset.origin import reread
from ._dataset.rows import shown_rows
from ._dataset.selections import Selections
from ._dataset.statistics import Source, Statistics, Whole

if TYPE_CHECKING:
    import datasets
    import PIL.Image

_DERIVED = ("_column", "_own", "fingerprint")  # computed again in a copy


class Dataset(Selections):
    """Grayscale images, each with one class label, and their metadata.

    `load`, `load_files`, `synthetic` and :meth:`from_arrays` make datasets. `mean` and
    `std` are those of the dataset's own pixels. A Loader normalizes a selection like
    the dataset that it was selected from, and a test set like the training set.

    Attributes
    ----------
    images : ndarray, uint8 (n, height, width), C-contiguous
        Images. Selections, results of `concatenate` and `load_files` have a LazyImages
        instead, which is indexed alike. ``numpy.asarray`` makes an array of it.
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
    extra : read-only mapping of str to ndarray (n,)
        More values for each image, by name; empty for most datasets. `with_columns`
        adds some.
    format : "numpy" or "pil"
        Type of the images in rows and columns: see :meth:`with_format`.

    Notes
    -----
    Determinism: `split`, `kfold`, `sample`, `partition` and `show` depend only on their
    arguments and the rows.

    Thread safety: A dataset doesn't change after it is made, so threads can share it.

    Buffers: `images` and `labels` are not copied. Arrays of `load` are read-only and
    may be memory-mapped. Don't write to arrays while a loader reads them. A selection
    refers to the images that it was made from, and keeps all of them in memory.
    ``copy.deepcopy(selection)`` has only its own.
    """

    extra: Extra
    format: str
    # On unpickling, a function and its arguments reread a dataset with these columns.
    _origin: tuple | None

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
        extra: Mapping[str, Any] | None = None,
    ) -> Dataset:
        """Return a dataset of the given arrays, without a copy.

        Parameters
        ----------
        images : ndarray, uint8 (n, height, width), C-contiguous
            Images, in memory or memory-mapped, or the `images` of a dataset.
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
        extra : mapping of str to array (n,), optional
            More values for each image, by name: `Loader` takes them as `columns`.

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
            checked_images(images, labels),
            arrays.checked_labels(labels, named=classes is not None),
            checked_classes(classes),
            name=name,
            synthetic=checked_flag("synthetic", synthetic),
            extra=arrays.checked_extra(extra, len(labels)),
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
        extra: Mapping[str, np.ndarray] | None = None,
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
                "extra": Extra(extra or {}),
                "format": "numpy",
                "_card": card or {},
                "_origin": origin and (*origin, dict(extra or {})),
                "_selection": None,
            },
            statistics,
        )

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

    def with_columns(self, extra: Mapping[str, Any]) -> Dataset:
        """Return the same dataset with more columns in `extra`, or other values there.

        Parameters
        ----------
        extra : mapping of str to array (n,)
            Values for each row, by name. `Loader` takes them as `columns`.

        Returns
        -------
        Dataset
            It has the other columns of `extra` too. The arrays are not copied.

        Raises
        ------
        TypeError, ValueError
            An argument isn't as above.
        """
        columns = arrays.checked_extra(extra, len(self))
        return _rebuild(self.__dict__ | {"extra": Extra({**self.extra, **columns})})

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
        title = f"{self._heading}: {len(shown):,} of {len(self):,} images"
        return contact_sheet(
            self.images[shown], captions, columns=columns, zoom=zoom, title=title
        )

    def _repr_html_(self) -> str:
        """Return the HTML for notebooks: image, name and count of each class."""
        from ._show.notebook import dataset_html

        about = self._heading, self.source, self.synthetic
        return dataset_html(*about, self.images, self.labels, self.classes)

    def _with(self, **changes: Any) -> Dataset:
        return _rebuild(self._values() | {"_origin": None} | changes)

    def _values(self) -> dict[str, Any]:
        """Return what a copy needs."""
        values = self.__dict__.copy()
        for name in _DERIVED:
            values.pop(name, None)
        return values

    def __reduce__(self) -> tuple:
        """Return the files to read again, or all values of a dataset in memory."""
        if self._origin is not None:
            *origin, read = self._origin
            more = {k: v for k, v in self.extra.items() if v is not read.get(k)}
            return reread, (origin, self.fingerprint, self.format, self.title, more)
        return _rebuild, (self._values(),)


def _rebuild(
    values: dict[str, Any], statistics: Statistics | Source | None = None
) -> Dataset:
    dataset, images = object.__new__(Dataset), values["images"]
    column = images if values["format"] == "numpy" else Pictures(images)
    dataset.__dict__.update(values, _column=column)
    if values.get("_whole") is None:
        whole = Whole(len(images), statistics, dataset._own)
        dataset.__dict__.update(_whole=whole, _rows=range(len(images)))
    return dataset

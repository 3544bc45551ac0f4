"""Datasets of Hugging Face's `datasets`, in both directions.

The files of images are taken from Arrow's column as they are, so that `datasets` builds
no Python object for a row.
"""

from __future__ import annotations

import functools
import io
import itertools
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._checks import install_hint
from .._io.files import run_together
from .._io.png import read_png, write_png
from ..config import default_threads
from ..errors import FormatError
from .known_cards import CARDS, Card

if TYPE_CHECKING:
    import datasets

_SLICE = 16384  # rows taken at a time, which bounds the memory for their files
# The dataset_name by which a synthetic one is known again, and the id of its column of
# images: files of Parquet keep the features, and nothing else of the info.
_SYNTHETIC = "synthetic"
_TEXTS = ("description", "citation", "homepage", "license")  # of an info
_File = tuple[bytes | None, str | None]  # content and path


class _Column(NamedTuple):
    """A column of images, and the mode that its feature asks for."""

    name: str
    mode: str | None


def from_huggingface(ds: datasets.Dataset, image: str, label: str) -> dict[str, Any]:
    """Return what Dataset._make takes, see Dataset.from_huggingface."""
    hf = _datasets()
    if not isinstance(ds, hf.Dataset):
        hint = ": pass one of its splits" if isinstance(ds, dict) else ""
        raise TypeError(
            f"ds must be a datasets.Dataset, got {type(ds).__module__}."
            f"{type(ds).__name__}{hint}"
        )
    column, classes = _checked_columns(hf, ds, image, label)
    if len(ds) == 0:
        raise ValueError("ds has no rows, and so no size of images")
    rows = ds.select_columns([image, label]).with_format("arrow")
    labels = np.empty(len(ds), np.int64)
    first = _decode(_files(rows[:1].column(image))[0], column, 0)
    images = np.empty((len(ds), *first.shape), np.uint8)
    for begin in range(0, len(ds), _SLICE):
        table = rows[begin : min(begin + _SLICE, len(ds))]
        end = begin + len(table)
        labels[begin:end] = _labels(table.column(label), begin)
        _decode_all(_files(table.column(image)), column, begin, images[begin:end])
    if len(classes or ()) <= 256 and labels.max() < 256:
        labels = labels.astype(np.uint8)
    known = _known(ds, image)
    return {"images": images, "labels": labels, "classes": classes, **known}


def to_huggingface(
    images: Iterable[np.ndarray], labels: np.ndarray, split: str | None, card: Card
) -> datasets.Dataset:
    """Return a dataset of PNG files, see Dataset.to_huggingface."""
    hf = _datasets()
    import pyarrow

    files = pyarrow.array(map(write_png, images), pyarrow.binary())
    paths = pyarrow.nulls(len(labels), pyarrow.string())
    pngs = pyarrow.StructArray.from_arrays([files, paths], ["bytes", "path"])
    integers = pyarrow.array(labels.astype(np.int64))
    mark = _SYNTHETIC if card.synthetic else None
    classes = hf.ClassLabel(names=list(card.classes))
    info = hf.DatasetInfo(
        description=card.description,
        citation=card.citation,
        homepage=card.homepage,
        license=card.license,
        features=hf.Features({"image": hf.Image(id=mark), "label": classes}),
        dataset_name=mark or card.name or None,
    )
    table = hf.table.InMemoryTable(pyarrow.table({"image": pngs, "label": integers}))
    return hf.Dataset(table, info=info, split=hf.NamedSplit(split) if split else None)


def _datasets() -> ModuleType:
    with install_hint("Hugging Face's datasets are needed", "datasets"):
        import datasets

    return datasets


def _checked_columns(
    hf: ModuleType, ds: datasets.Dataset, image: str, label: str
) -> tuple[_Column, list[str] | None]:
    """Return the column of images, and the names of the classes where there are any."""
    for name in (image, label):
        if name not in ds.column_names:
            raise ValueError(f"ds has columns {ds.column_names}, not {name!r}")
    feature, of_labels = ds.features[image], ds.features[label]
    if not isinstance(feature, hf.Image):
        raise TypeError(
            f"column {image!r} must be a datasets.Image, got {feature}: arrays are for "
            "Dataset.from_arrays"
        )
    if isinstance(of_labels, hf.ClassLabel):
        return _Column(image, feature.mode), list(of_labels.names)
    if not isinstance(of_labels, hf.Value) or "int" not in of_labels.dtype:
        raise TypeError(
            f"column {label!r} must be a datasets.ClassLabel or integers, got "
            f"{of_labels}: see ds.class_encode_column({label!r})"
        )
    return _Column(image, feature.mode), None


def _known(ds: datasets.Dataset, image: str) -> dict[str, Any]:
    """Return what `ds` says of itself, as arguments of Dataset._make."""
    info = ds.info
    synthetic = _SYNTHETIC in (info.dataset_name, ds.features[image].id)
    name = _SYNTHETIC if synthetic else info.dataset_name or None
    if name is not None and name.replace("_", "-") in CARDS:
        name = name.replace("_", "-")  # Hugging Face has "fashion_mnist"
    texts = {key: getattr(info, key) for key in _TEXTS if getattr(info, key)}
    split = str(ds.split) if ds.split is not None else None
    return {"name": name, "split": split, "synthetic": synthetic, "card": texts}


def _labels(column: Any, begin: int) -> np.ndarray:
    missing = np.asarray(column.fill_null(-1)) == -1
    if missing.any():
        raise ValueError(
            f"row {begin + int(missing.argmax())} has no label: leave such rows out "
            "with ds.filter, or name another column by label="
        )
    return np.asarray(column)


def _files(column: Any) -> list[_File]:
    """Return the bytes and the path of each image file."""
    parts = [chunk.flatten() for chunk in column.chunks]
    pairs = [zip(files.to_pylist(), paths.to_pylist()) for files, paths in parts]
    return [pair for part in pairs for pair in part]


def _decode_all(
    files: list[_File], column: _Column, begin: int, out: np.ndarray
) -> None:
    """Decode files, the first of row `begin`, into `out`, in threads."""

    def decode(rows: range) -> None:
        for i in rows:
            pixels = _decode(files[i], column, begin + i)
            if pixels.shape != out.shape[1:]:
                raise ValueError(
                    f"row {begin + i}: all images must have the size of the first, "
                    f"{out.shape[1:]}, got {pixels.shape}"
                )
            out[i] = pixels

    n_parts = default_threads()
    ends = [len(files) * part // n_parts for part in range(n_parts + 1)]
    parts = itertools.starmap(range, itertools.pairwise(ends))
    run_together([functools.partial(decode, part) for part in parts])


def _decode(file: _File, column: _Column, row: int) -> np.ndarray:
    """Return the pixels of an image file, uint8 (height, width)."""
    content, path = file
    if content is None:
        if path is None:
            raise ValueError(f"row {row} has no image")
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise FormatError(f"row {row}: can't be read: {error}") from error
    is_plain = column.mode in (None, "L")
    pixels = read_png(content, f"row {row}") if is_plain else None
    return _decode_by_pillow(content, column, row) if pixels is None else pixels


def _decode_by_pillow(content: bytes, column: _Column, row: int) -> np.ndarray:
    with install_hint(f"row {row} is no plain PNG and needs Pillow", "pillow"):
        from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(content)) as file:
            stored = file.mode
            image: Image.Image = ImageOps.exif_transpose(file)  # as `datasets` does
            if column.mode:
                image = image.convert(column.mode)
            is_png = file.format == "PNG"
        if is_png:  # Pillow decodes those with wrong checksums, without a word
            with Image.open(io.BytesIO(content)) as file:
                file.verify()
    except Exception as error:  # Pillow's plugins raise whatever parsing raises
        raise FormatError(f"row {row}: no readable image: {error}") from error
    if stored.startswith(("I", "F")):  # Pillow's conversion clips at 255
        raise ValueError(
            f"row {row}: images must have 8 bits, got {stored!r}, whose levels don't "
            "fit: scale them to 0..255 as uint8 arrays, for Dataset.from_arrays"
        )
    if image.mode != "L":
        raise ValueError(
            f"row {row}: images must be grayscale ('L'), got {image.mode!r}; see "
            f"ds.cast_column({column.name!r}, datasets.Image(mode='L'))"
        )
    return np.asarray(image)

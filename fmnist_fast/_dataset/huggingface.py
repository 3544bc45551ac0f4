"""Convert datasets of Hugging Face's `datasets`, in both directions.

Image files are read directly from the Arrow column, so that `datasets` builds no Python
object for a row.
"""

from __future__ import annotations

import functools
import io
import itertools
from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._checks import install_hint
from .._io.png import read_png, write_png
from .._io.private import open_file
from .._io.threads import run_together
from ..config import default_threads
from ..errors import FormatError
from .arrays import numbered_from_1
from .known_cards import CARDS, Card

if TYPE_CHECKING:
    import datasets

_SLICE = 16384  # rows read at a time, which limits the memory for their files
# Marks a synthetic dataset, as its dataset_name and as the id of its image column.
# Parquet files keep only the features of the info.
_SYNTHETIC = "synthetic"
_TEXTS = ("description", "citation", "homepage", "license")  # fields of an info
_File = tuple[bytes | None, str | None]  # content and path


class _Column(NamedTuple):
    """Name of an image column, and the mode that its feature asks for."""

    name: str
    mode: str | None


def from_huggingface(ds: datasets.Dataset, image: str, label: str) -> dict[str, Any]:
    """Return the arguments of Dataset._make, for Dataset.from_huggingface."""
    hf = _datasets()
    if not isinstance(ds, hf.Dataset):
        hint = ""
        if isinstance(ds, (hf.DatasetDict, hf.IterableDatasetDict)):
            hint = ".\nPass one of its splits."
        elif isinstance(ds, hf.IterableDataset):
            hint = ".\nPass datasets.Dataset.from_list(list(ds), ds.features)."
        raise TypeError(
            f"ds must be a datasets.Dataset, got {type(ds).__module__}."
            f"{type(ds).__name__}{hint}"
        )
    column, classes = _checked_columns(hf, ds, image, label)
    if len(ds) == 0:
        raise ValueError("ds must have at least one row, got 0")
    rows = ds.select_columns([image, label]).with_format("arrow")
    labels = np.empty(len(ds), np.int64)
    first = _decode(_files(rows[:1].column(image))[0], column, 0)
    images = np.empty((len(ds), *first.shape), np.uint8)
    for begin in range(0, len(ds), _SLICE):
        table = rows[begin : min(begin + _SLICE, len(ds))]
        end = begin + len(table)
        labels[begin:end] = _labels(table.column(label), begin)
        _decode_all(_files(table.column(image)), column, begin, images[begin:end])
    if classes is None and (n := numbered_from_1(labels)):
        raise ValueError(
            f"column {label!r} must have labels from 0 or class names, got 1..{n}.\n"
            f"Convert it with ds.class_encode_column({label!r})."
        )
    if len(classes or ()) <= 256 and labels.max() < 256:
        labels = labels.astype(np.uint8)
    metadata = _metadata(ds, image)
    return {"images": images, "labels": labels, "classes": classes, **metadata}


def to_huggingface(
    images: Iterable[np.ndarray], labels: np.ndarray, split: str | None, card: Card
) -> datasets.Dataset:
    """Return a datasets.Dataset of PNG files, for Dataset.to_huggingface."""
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
    """Return the imported module `datasets`."""
    with install_hint("Hugging Face datasets require the package datasets", "datasets"):
        import datasets

    return datasets


def _checked_columns(
    hf: ModuleType, ds: datasets.Dataset, image: str, label: str
) -> tuple[_Column, list[str] | None]:
    """Return the image column, and the class names if the label column has them."""
    for argument, name in (("image", image), ("label", label)):
        if name not in ds.column_names:
            raise ValueError(
                f"ds must have a column {name!r}, got {ds.column_names}.\n"
                f'Pass {argument}="NAME" with the name of the right column.'
            )
    image_feature, label_feature = ds.features[image], ds.features[label]
    if not isinstance(image_feature, hf.Image):
        raise TypeError(
            f"column {image!r} must be a datasets.Image, got {image_feature}.\n"
            "Pass arrays to Dataset.from_arrays."
        )
    if isinstance(label_feature, hf.ClassLabel):
        return _Column(image, image_feature.mode), list(label_feature.names)
    if not isinstance(label_feature, hf.Value) or "int" not in label_feature.dtype:
        raise TypeError(
            f"column {label!r} must be a datasets.ClassLabel or integers, got "
            f"{label_feature}.\nConvert it with ds.class_encode_column({label!r})."
        )
    return _Column(image, image_feature.mode), None


def _metadata(ds: datasets.Dataset, image: str) -> dict[str, Any]:
    """Return the metadata of `ds` as arguments of Dataset._make."""
    info = ds.info
    synthetic = _SYNTHETIC in (info.dataset_name, ds.features[image].id)
    name = _SYNTHETIC if synthetic else info.dataset_name or None
    if name is not None and name.replace("_", "-") in CARDS:
        name = name.replace("_", "-")  # Hugging Face writes "fashion_mnist"
    texts = {key: getattr(info, key) for key in _TEXTS if getattr(info, key)}
    split = str(ds.split) if ds.split is not None else None
    return {"name": name, "split": split, "synthetic": synthetic, "card": texts}


def _labels(column: Any, begin: int) -> np.ndarray:
    """Return the labels of the rows from `begin` on, or raise if one is missing."""
    missing = np.asarray(column.fill_null(-1)) == -1
    if missing.any():
        raise ValueError(
            f"row {begin + int(missing.argmax())} has no label.\n"
            "Remove such rows with ds.filter, or pass another column as label=."
        )
    return np.asarray(column)


def _files(column: Any) -> list[_File]:
    """Return the bytes and the path of each image file."""
    parts = [chunk.flatten() for chunk in column.chunks]
    zipped = [zip(files.to_pylist(), paths.to_pylist()) for files, paths in parts]
    return [file for part in zipped for file in part]


def _decode_all(
    files: list[_File], column: _Column, begin: int, out: np.ndarray
) -> None:
    """Decode files into `out` in threads; the first file belongs to row `begin`."""

    def decode(rows: range) -> None:
        for i in rows:
            pixels = _decode(files[i], column, begin + i)
            if pixels.shape != out.shape[1:]:
                raise ValueError(
                    f"row {begin + i}: images must have the size of the first, "
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
            with open_file(path) as opened:
                content = opened.readall() or b""
        except (OSError, FormatError) as error:
            raise FormatError(f"row {row}: can't read the file: {error}") from error
    is_plain = column.mode in (None, "L")
    pixels = read_png(content, f"row {row}") if is_plain else None
    return _decode_by_pillow(content, column, row) if pixels is None else pixels


def _decode_by_pillow(content: bytes, column: _Column, row: int) -> np.ndarray:
    """Return the pixels of an image file of any format that Pillow reads."""
    with install_hint(f"row {row} is not a plain PNG and requires Pillow", "pillow"):
        from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(content)) as file:
            stored = file.mode
            image: Image.Image = ImageOps.exif_transpose(file)  # as `datasets` does
            if column.mode:
                image = image.convert(column.mode)
            is_png = file.format == "PNG"
        if is_png:  # Pillow decodes a PNG with wrong checksums without a warning
            with Image.open(io.BytesIO(content)) as file:
                file.verify()
    except Exception as error:  # Pillow's plugins raise whatever parsing raises
        raise FormatError(f"row {row}: can't decode the image: {error}") from error
    if stored.startswith(("I", "F")):  # Pillow's conversion clips at 255
        raise ValueError(
            f"row {row}: images must have 8 bits, got mode {stored!r}.\n"
            "Scale them to 0..255, and pass uint8 arrays to Dataset.from_arrays."
        )
    if image.mode != "L":
        raise ValueError(
            f"row {row}: images must be grayscale ('L'), got {image.mode!r}.\nConvert "
            f"them with ds.cast_column({column.name!r}, datasets.Image(mode='L'))."
        )
    return np.asarray(image)

"""Contact sheets of datasets and of batches: which rows, and pixels out of batches.

The sheets themselves are drawn by view.py, with Pillow.
"""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._checks import checked_flag, checked_integer
from .._dataset.rows import checked_rows
from ..dataset import Dataset
from . import contact_sheet as view

if TYPE_CHECKING:
    import PIL.Image

    from ..loader import Loader

_COUNT = 32  # four rows of eight
_MAX_COUNT = 10_000  # a sheet of so many takes 300 MB
_SIDE = 84  # pixels, about: images of 28x28 are drawn three times as large
_MAX_LISTED = 20  # names of classes in an error message


def dataset_sheet(
    dataset: Dataset,
    chosen: np.ndarray,
    columns: int,
    zoom: int | None,
    numbers: bool,
) -> PIL.Image.Image:
    """The contact sheet of `Dataset.show`, of the rows that `chosen_rows` chose."""
    captions = [dataset.classes[label] for label in dataset.labels[chosen]]
    if checked_flag("numbers", numbers):
        captions = [f"{row} {name}" for row, name in zip(chosen, captions)]
    title = f"{dataset.title}: {len(chosen):,} of {len(dataset):,} images"
    return _sheet(dataset.images[chosen], captions, columns, zoom, title)


def batch_sheet(
    loader: Loader,
    batch: tuple[np.ndarray, np.ndarray],
    count: int,
    columns: int,
    zoom: int | None,
) -> PIL.Image.Image:
    """The contact sheet of `Loader.show`, which see."""
    count = checked_integer("count", count, 1, _MAX_COUNT)
    try:
        images, labels = map(np.asarray, batch)
    except (TypeError, ValueError):
        raise TypeError(
            "batch must be a pair (images, labels) as the loader gives them, got "
            f"{type(batch).__name__}"
        ) from None
    if len(images.shape) == 0 or images.shape[:1] != labels.shape[:1]:
        raise ValueError(
            "batch must have one label for each image, got images of shape "
            f"{images.shape} and labels of shape {labels.shape}"
        )
    pixels = _pixels(loader, images[:count])
    captions = _captions(labels[:count], loader.dataset.classes)
    title = f"{loader.dataset.title}: {len(pixels):,} of a batch of {len(images):,}"
    return _sheet(pixels, captions, columns, zoom, title)


def chosen_rows(
    dataset: Dataset,
    rows: Any = None,
    *,
    classes: Any = None,
    count: int | None = None,
    seed: int | None = None,
) -> np.ndarray:
    """The numbers of the rows to be shown, int64 (n,) with n at least 1.

    Costs no memory that grows with the dataset, unless rows or classes are named.
    """
    if count is None:
        count = _COUNT if rows is None else _MAX_COUNT + 1
    else:
        count = checked_integer("count", count, 1, _MAX_COUNT)
    pool = None if rows is None else _row_numbers(rows, len(dataset))
    if classes is not None:
        wanted = _class_numbers(classes, dataset.classes)
        labels = dataset.labels if pool is None else dataset.labels[pool]
        among = np.flatnonzero(np.isin(labels, wanted))
        pool = among if pool is None else pool[among]
    n = len(dataset) if pool is None else len(pool)
    if n == 0:
        raise ValueError(
            f"there is nothing to show: of {len(dataset):,} images, none is among the "
            "rows and classes asked for"
        )
    if min(n, count) > _MAX_COUNT:
        raise ValueError(f"a sheet has room for {_MAX_COUNT:,} images, got {n:,}")
    if seed is None:
        picked = np.arange(min(n, count))
    else:
        seed = checked_integer("seed", seed, 0, 2**64 - 1)
        picked = _core.order(n, seed=seed, end=min(n, count)).astype(np.int64)
    return picked if pool is None else pool[picked]


def _row_numbers(rows: Any, n: int) -> np.ndarray:
    if isinstance(rows, slice):
        return np.arange(*rows.indices(n))
    if hasattr(rows, "__index__") and not isinstance(rows, np.ndarray):
        rows = [operator.index(rows)]
    rows = checked_rows(rows, n)
    return np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64) % n


def _class_numbers(classes: Any, names: Sequence[str]) -> list[int]:
    if isinstance(classes, str) or not isinstance(classes, Iterable):
        classes = [classes]
    return [_class_number(one, names) for one in classes]


def _class_number(one: Any, names: Sequence[str]) -> int:
    if not isinstance(one, str):
        return checked_integer("classes", one, 0, len(names) - 1)
    if one in names:
        return names.index(one)
    near = difflib.get_close_matches(one, names[:1000], n=1, cutoff=0.5)
    known = ", ".join(names[:_MAX_LISTED]) + ", ..." * (len(names) > _MAX_LISTED)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"classes must be among {known}, got {one!r}{hint}")


def _pixels(loader: Loader, images: np.ndarray) -> np.ndarray:
    """Images of a batch as uint8 (n, height, width), normalisation undone."""
    n, *shape = images.shape
    sides = loader.image_sides
    if loader.layout == "flat" and shape == [sides[0] * sides[1]]:
        shape = [1, *sides]
    elif loader.layout == "NHWC" and len(shape) == 3:
        shape = [shape[2], *shape[:2]]
    elif loader.layout == "NHW":
        shape = [1, *shape]
    if len(shape) != 3 or shape[0] != 1:
        raise ValueError(
            f"images of a batch must be in the loader's layout, {loader.layout} of "
            f"{sides[0]}x{sides[1]}, got shape {images.shape}"
        )
    images = images.reshape(n, *shape[1:])
    if images.dtype == np.uint8:
        return images
    if loader.dtype == "bfloat16" and images.dtype == np.uint16:
        images = (images.astype(np.uint32) << 16).view(np.float32)
    values = images.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("images of a batch must be finite, found nan or inf")
    values = (values - loader.bias) / loader.scale
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _captions(labels: np.ndarray, classes: Sequence[str]) -> list[str]:
    """The class of each label; where classes are mixed, the two largest shares."""
    if labels.ndim == 1 and labels.dtype.kind in "iu":
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
            raise ValueError(
                f"labels of a batch must be in 0..{len(classes) - 1}, got "
                f"{labels.min()} to {labels.max()}"
            )
        return [classes[label] for label in labels]
    if labels.shape[1:] != (len(classes),):
        raise ValueError(
            f"labels of a batch must be integers or of shape (n, {len(classes)}), got "
            f"{labels.dtype} {labels.shape}"
        )
    captions = []
    for shares in labels:
        largest = np.argsort(-shares, kind="stable")[:2]
        mixed = [f"{classes[i]} {shares[i]:.0%}" for i in largest if shares[i] > 0]
        captions.append(classes[largest[0]] if len(mixed) < 2 else ", ".join(mixed))
    return captions


def _sheet(
    images: np.ndarray,
    captions: list[str],
    columns: int,
    zoom: int | None,
    title: str,
) -> PIL.Image.Image:
    if zoom is None:
        zoom = max(1, round(_SIDE / max(1, *images.shape[1:])))
    return view.captioned_sheet(
        images, captions, columns=columns, zoom=zoom, title=title
    )

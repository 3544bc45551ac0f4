"""Rows of a dataset: which ones are meant, which to keep, and rows as Pillow images."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core

if TYPE_CHECKING:
    import PIL.Image

    from ..dataset import Dataset

FORMATS = ("numpy", "pil")
_LONGEST_VALUE = 40  # characters of it in a message
_FILTER_BATCH = 1000  # rows that a batched function gets by default


def checked_format(name: Any) -> str:
    """The name of a format; raises where it is unknown or its package is missing."""
    if name not in FORMATS:
        raise ValueError(f"format must be 'numpy' or 'pil', got {name!r}")
    if name == "pil":
        _picture_maker()
    return str(name)


def _picture_maker() -> Callable[[np.ndarray], PIL.Image.Image]:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            f"the format 'pil' needs Pillow ({error}): pip install pillow"
        ) from error
    return Image.fromarray


class Pictures(Sequence):
    """Images as a sequence of Pillow images of mode L, made when they are asked for.

    Integers give an image; slices, lists and masks give other Pictures. An image uses
    the memory of the array until it is written to, when Pillow gives it its own.
    """

    def __init__(self, images: np.ndarray) -> None:
        self._images = images
        self._make = _picture_maker()

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, key: Any) -> Any:
        found = self._images[key]
        return self._make(found) if found.ndim == 2 else Pictures(found)

    def __repr__(self) -> str:
        n, height, width = self._images.shape
        return f"Pictures({n:,} images of {height}x{width})"


def checked_rows(rows: Any, n: int) -> np.ndarray:
    """Integers or a boolean mask, as an array that indexes `n` rows."""
    rows = np.asarray(rows)
    if rows.size == 0 and rows.dtype != bool:
        rows = rows.astype(np.int64)
    if rows.ndim != 1 or rows.dtype.kind not in "biu":
        raise TypeError(
            "rows must be a slice, a range, integers or a boolean mask of one "
            f"dimension, got {rows.dtype} {rows.shape}"
        )
    if rows.dtype == bool:
        if len(rows) != n:
            raise IndexError(f"a mask of {len(rows)} for a dataset of {n}")
    elif rows.size:
        for row in (int(rows.min()), int(rows.max())):
            check_row(row, n)
    return rows


def check_row(row: int, n: int, first: int | None = None) -> None:
    """Raise IndexError unless `row` is one of `n`, or one of them counted from the end.

    `first` is the lowest that is allowed, 0 where nothing counts from the end.
    """
    first = -n if first is None else first
    if not first <= row < n:
        allowed = f"{first}..{n - 1} are" if n else "none is"
        raise IndexError(f"row {row} is out of range: {allowed} in a dataset of {n}")


def _short(value: Any) -> str:
    """A value on one short line, for a message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def check_same_kind(first: Dataset, other: Any) -> None:
    """Raise unless the rows of `other` can follow those of `first`."""
    if not isinstance(other, type(first)):
        raise TypeError(f"a Dataset is wanted, got {type(other).__name__}")
    size, other_size = first.images.shape[1:], other.images.shape[1:]
    if size != other_size:
        raise ValueError(f"images must be of the size {size}, got {other_size}")
    if first.classes != other.classes:
        pairs = zip(first.classes, other.classes)
        found = next((f"{a!r} and {b!r}" for a, b in pairs if a != b), None)
        found = found or f"{len(first.classes)} and {len(other.classes)} of them"
        raise ValueError(f"datasets must have the same classes, got {found}")


def kept_rows(
    dataset: Dataset,
    function: Callable[[Any], Any],
    batched: bool,
    batch_size: int | None,
) -> np.ndarray:
    """The mask of the rows that `function` keeps: see Dataset.filter."""
    if not callable(function):
        raise TypeError(f"filter needs a function of a row, got {_short(function)}")
    if batch_size is None:
        batch_size = _FILTER_BATCH
    elif not batched:
        raise ValueError(f"batch_size goes with batched=True, got {batch_size!r}")
    if operator.index(batch_size) < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    keep = np.zeros(len(dataset), dtype=bool)
    if not batched:
        for i, row in enumerate(dataset):
            answer = function(row)
            if not isinstance(answer, (bool, np.bool_)):
                hint = ": see .any() and .all()" if np.ndim(answer) else ""
                raise TypeError(
                    "filter's function must return True or False, got "
                    f"{_short(answer)} for row {i}{hint}"
                )
            keep[i] = answer
        return keep
    for begin in range(0, len(dataset), batch_size):
        end = min(begin + batch_size, len(dataset))
        answers = np.asarray(function(dataset[begin:end]))
        if answers.dtype != bool or answers.shape != (end - begin,):
            raise TypeError(
                f"filter's batched function must return {end - begin} booleans for "
                f"rows {begin} to {end - 1}, got {answers.dtype} {answers.shape}"
            )
        keep[begin:end] = answers
    return keep


def first_part(
    labels: np.ndarray, fraction: float, seed: int, stratify: bool
) -> np.ndarray:
    """The mask of the rows that go to the first part: see Dataset.split."""
    if isinstance(fraction, bool) or not isinstance(fraction, numbers.Real):
        raise TypeError(f"fraction must be a number, got {fraction!r}")
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must be between 0 and 1, got {fraction}")
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral):
        raise TypeError(f"seed must be an integer, got {seed!r}")
    if not isinstance(stratify, (bool, np.bool_)):
        raise TypeError(f"stratify must be True or False, got {stratify!r}")
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must be in 0..2**64-1, got {seed}")
    first = np.zeros(len(labels), dtype=bool)
    if stratify:
        members = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    else:
        members = [np.arange(len(labels))]
    for i, (rows, n) in enumerate(zip(members, _shares(members, fraction))):
        # Epochs count up from 0; splits take theirs from the other end.
        order = _core.order(len(rows), seed=int(seed), epoch=2**32 - 1 - i, end=n)
        first[rows[order.astype(np.int64)]] = True
    return first


def _shares(members: list[np.ndarray], fraction: float) -> list[int]:
    """How many of each group: fractions rounded down, the largest remainders up."""
    exact = [fraction * len(rows) for rows in members]
    shares = [math.floor(share) for share in exact]
    missing = round(fraction * sum(map(len, members))) - sum(shares)
    by_remainder = sorted(range(len(exact)), key=lambda i: shares[i] - exact[i])
    for i in by_remainder[:missing]:
        shares[i] += 1
    return shares

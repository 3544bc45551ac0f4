"""Check the arrays of a dataset, and take rows from them."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np

from .._checks import one_line

_LABEL_DTYPES = ("uint8", "int32", "int64")
_MAX_UNNAMED = 1 << 20  # one large label must not create gigabytes of default names


def checked_images(images: Any, labels: Any) -> np.ndarray:
    """Return images if they are a C-contiguous uint8 array (n, height, width).

    The labels are for the error, which says what to pass.
    """
    is_right = (
        isinstance(images, np.ndarray)
        and images.dtype == np.uint8
        and images.ndim == 3
        and 0 not in images.shape[1:]
        and images.flags.c_contiguous
    )
    if not is_right:
        from .advice import wrong_images

        raise wrong_images(images, labels)
    return images


def checked_labels(labels: Any, *, named: bool = True) -> np.ndarray:
    """Return labels as uint8, int32 or int64, without a copy if they have that type.

    Raise ValueError for labels 1..N if no `named` classes say that a class 0 is wanted.
    """
    given, must = labels, "labels must be integers of shape (n,)"
    try:
        labels = np.asarray(labels)
    except ValueError:
        raise ValueError(f"{must}, got lists of different lengths") from None
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        from .advice import labels_hint

        got = f"{labels.dtype} {labels.shape}" if labels.ndim else type(given).__name__
        raise ValueError(f"{must}, got {got}{labels_hint(given, named)}")
    if labels.dtype == np.uint64 and len(labels) and labels.max() > 2**63 - 1:
        raise ValueError(f"labels must be below 2**63, got {labels.max()}")
    if labels.dtype.name not in _LABEL_DTYPES or not labels.dtype.isnative:
        labels = labels.astype(np.int32 if labels.dtype.itemsize <= 2 else np.int64)
    n = 0 if named else numbered_from_1(labels)
    if n:
        name = "labels" if isinstance(given, np.ndarray) else "numpy.asarray(labels)"
        raise ValueError(
            f"labels must be in 0..{n - 1} for {n} classes without names, got 1..{n}.\n"
            f"Pass {name} - 1. To keep an empty class 0, pass "
            f"classes=list(map(str, range({n + 1})))."
        )
    return np.ascontiguousarray(labels)


def numbered_from_1(labels: np.ndarray) -> int:
    """Return N if the labels are exactly 1..N, for N of at least 2, and 0 otherwise."""
    if len(labels) == 0 or labels.min() != 1 or not 1 < labels.max() < _MAX_UNNAMED:
        return 0
    counts = np.bincount(labels)
    return len(counts) - 1 if counts[1:].all() else 0


def classes_of(
    images: Any, labels: np.ndarray, names: Sequence[str] | None
) -> tuple[str, ...]:
    """Return the names of the classes, which are numbers by default.

    Raise ValueError unless each image has a label and each label has a class.
    """
    if len(images) != len(labels):
        hint = ""
        if images.shape[-1] == len(labels):
            hint = ".\nPass numpy.ascontiguousarray(images.transpose(2, 0, 1))."
        raise ValueError(
            f"images and labels must have the same length, got {len(images)} images "
            f"and {len(labels)} labels{hint}"
        )
    low, high = (int(labels.min()), int(labels.max())) if len(labels) else (0, -1)
    if low < 0:
        raise ValueError(f"labels must not be negative, got {low}")
    if names is None:
        if high >= _MAX_UNNAMED:
            raise ValueError(
                f"labels must be below {_MAX_UNNAMED} unless the classes are named, "
                f"got {high}"
            )
        names = [str(i) for i in range(max(high, 0) + 1)]
    if high >= len(names):
        hint = (
            ".\nSubtract 1 from the labels." if (low, high) == (1, len(names)) else ""
        )
        raise ValueError(
            f"labels must be in 0..{len(names) - 1}, one for each of the "
            f"{len(names)} classes, got {low} to {high}{hint}"
        )
    return tuple(map(str, names))


def check_row(row: int, n: int, first: int | None = None) -> None:
    """Raise IndexError unless `row` is in ``first..n - 1``.

    `first` is -`n` by default, because negative rows count from the end.
    """
    first = -n if first is None else first
    if not first <= row < n:
        reason = f"it must be in {first}..{n - 1}" if n else "the dataset is empty"
        raise IndexError(f"row {row} is out of range: {reason}")


def row_number(row: Any) -> int | None:
    """Return an integer of Python or an array as an int, or None for anything else.

    Raise TypeError for a boolean, which Python takes for row 0 or 1.
    """
    if not hasattr(row, "__index__") and not isinstance(row, np.bool_):
        return None
    kind = np.asarray(row).dtype.kind
    if kind == "b":
        raise TypeError(
            f"the number of a row must be an integer, got {bool(row)}.\n"
            "A mask must have a boolean for each row."
        )
    return operator.index(row) if kind in "iuO" else None


def row_or_rows(key: Any, n: int) -> int | slice | np.ndarray:
    """Return the number of a row, or an index of several of `n` rows for numpy."""
    if _is_several(key):
        return indexer(key, n)
    row = row_number(key)
    if row is None:
        raise TypeError(
            "the index of a dataset must be an integer, a slice, a range, a list, "
            f"a mask, 'image' or 'label', got {type(key).__name__}"
        )
    return row


def _is_several(rows: Any) -> bool:
    """Return whether this is a slice, or has an order and elements."""
    if type(rows) is np.ndarray:  # these tests save 1 us
        return rows.ndim > 0
    if isinstance(rows, (list, slice, tuple)):
        return True
    no_rows = isinstance(rows, (str, bytes, Set, Mapping))
    return isinstance(rows, Iterable) and not no_rows and getattr(rows, "ndim", 1) > 0


def checked_rows(rows: Any, n: int) -> np.ndarray:
    """Return integers or a boolean mask as an array that indexes `n` rows."""
    must = "rows must be a slice, a range, or integers or a boolean mask of shape (n,)"
    if not _is_several(rows):
        row = row_number(rows)
        hint = "" if row is None else f".\nPass [{row}]."
        hint = ".\nPass sorted(rows)." if isinstance(rows, Set) else hint
        raise TypeError(f"{must}, got {one_line(repr(rows), 40)}{hint}")
    is_ready = isinstance(rows, list) or hasattr(rows, "__array__")
    given = rows if is_ready else list(rows)
    try:
        rows = np.asarray(given)
    except ValueError:  # lists of several lengths
        raise TypeError(f"{must}, got {one_line(repr(given), 40)}") from None
    if rows.size == 0 and rows.dtype != bool:
        rows = rows.astype(np.int64)
    if rows.ndim != 1 or rows.dtype.kind not in "biu":
        is_list = isinstance(given, list)
        got = one_line(repr(given), 40) if is_list else f"{rows.dtype} {rows.shape}"
        raise TypeError(f"{must}, got {got}{_rows_hint(given, rows)}")
    if rows.dtype == bool:
        if len(rows) != n:
            raise IndexError(
                f"a mask must have an element for each of the {n} rows, got {len(rows)}"
            )
    elif rows.size:
        low, high = int(rows.min()), int(rows.max())
        check_row(low, n)
        check_row(high, n)
        if low < 2 and isinstance(given, list):
            is_short = len(given) < 32  # saves 1 us
            for i in range(len(given)) if is_short else (rows < 2).nonzero()[0]:
                if type(given[i]) is not int:  # numpy turns True into 1
                    row_number(given[i])
    return rows


def _rows_hint(given: Any, rows: np.ndarray) -> str:
    """Return what to pass in place of rows, for the end of a message, or ""."""
    if isinstance(given, list) and any(isinstance(row, (str, slice)) for row in given):
        return '.\nIndex rows and columns one after the other: dataset[:5]["image"].'
    if rows.ndim == 2 and rows.dtype.kind in "biu" and 1 in rows.shape:
        return f".\nPass rows[{'0' if len(rows) == 1 else ':, 0'}]."  # of nonzero()
    return ""


def row_numbers(rows: Any, n: int) -> np.ndarray:
    """Return integers or a boolean mask as row numbers in 0..`n` - 1, int64."""
    rows = checked_rows(rows, n)
    rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
    return rows % max(1, n)


def indexer(rows: Any, n: int) -> slice | np.ndarray:
    """Return an index of several of `n` rows for numpy, as a slice where possible."""
    if isinstance(rows, slice):
        return rows
    if not isinstance(rows, range):
        return checked_rows(rows, n)
    for end in (rows[0], rows[-1]) if rows else ():
        check_row(end, n, first=0)
    if rows.step == 1:
        return slice(rows.start, max(rows.start, rows.stop))
    return np.asarray(rows, dtype=np.int64)


def selected(images: Any, rows: Any) -> Any:
    """Return rows of an array, C-contiguous, without a copy for consecutive rows."""
    is_consecutive = isinstance(rows, slice) and rows.step in (None, 1)
    if is_consecutive and not isinstance(images, np.ndarray):
        return images.between(*rows.indices(len(images))[:2])
    return np.ascontiguousarray(images[rows])


def parts_of(images: Any) -> tuple[np.ndarray, ...]:
    """Return the arrays that hold the images: one, or one for each file."""
    return (images,) if isinstance(images, np.ndarray) else images.parts

"""Check the arrays of a dataset, and take rows from them."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np

from .._checks import one_line

_LABEL_DTYPES = ("uint8", "int32", "int64")
_MAX_UNNAMED = 1 << 20  # one large label must not create gigabytes of default names


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


def checked_extra(extra: Any, n: int) -> dict[str, np.ndarray]:
    """Return a mapping of names to values of `n` rows, as arrays."""
    if extra is None:
        return {}
    if not isinstance(extra, Mapping):
        raise TypeError(
            f"extra must be a mapping of names to arrays, got {type(extra).__name__}"
        )
    columns = {name: np.asarray(values) for name, values in extra.items()}
    for name, values in columns.items():
        if not isinstance(name, str):
            raise TypeError(f"extra must have strings as names, got {name!r}")
        if values.shape != (n,):
            raise ValueError(
                f"extra[{name!r}] must have a value for each of the {n} rows, got "
                f"shape {values.shape}"
            )
    return columns


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
    if not isinstance(rows, Iterable) or isinstance(rows, (str, bytes, Set, Mapping)):
        return False
    return getattr(rows, "ndim", 1) > 0 and not _is_dataset(rows)


def _is_dataset(rows: Any) -> bool:
    return hasattr(type(rows), "class_counts")  # Dataset is in a layer above


def checked_rows(rows: Any, n: int) -> np.ndarray:
    """Return integers or a boolean mask as an array that indexes `n` rows."""
    must = "rows must be a slice, a range, or integers or a boolean mask of shape (n,)"
    if not _is_several(rows):
        row = row_number(rows)
        hint = "" if row is None else f".\nPass [{row}]."
        hint = ".\nPass sorted(rows)." if isinstance(rows, Set) else hint
        if _is_dataset(rows):
            hint = ".\nIt is a dataset already: pass it to Loader."
        raise TypeError(f"{must}, got {one_line(repr(rows), 40)}{hint}")
    if isinstance(rows, range):  # before a list of many numbers
        for row in (rows[0], rows[-1]) if rows else ():
            check_row(row, n)
    is_ready = isinstance(rows, list) or hasattr(rows, "__array__")
    given = rows if is_ready else list(rows)
    try:
        rows = np.asarray(given)
    except ValueError:  # lists of several lengths
        got = one_line(repr(given), 40)
        raise TypeError(f"{must}, got {got}{_join_hint(given)}") from None
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
    if hasattr(given, "fillna") and any(type(row) is bool for row in rows):  # of pandas
        return ".\nFill missing values: mask.fillna(False)."
    return _join_hint(given)


def _join_hint(given: Any) -> str:
    """Return what to pass in place of a list of rows of batches, or ""."""
    is_nested = isinstance(given, list) and given and all(map(_is_several, given))
    return ".\nPass numpy.concatenate(rows)." if is_nested else ""


def row_numbers(rows: Any, n: int) -> np.ndarray:
    """Return integers or a boolean mask as row numbers in 0..`n` - 1, int64, a copy."""
    if type(rows) is np.ndarray and rows.dtype == np.int64 and rows.ndim == 1:
        if rows.size and rows.view(np.uint64).max() < n:  # no negative one: saves 2 us
            return rows.copy()
    rows = checked_rows(rows, n)
    if rows.dtype == bool:
        return np.flatnonzero(rows).astype(np.int64, copy=False)
    rows = rows.astype(np.int64)
    return rows % n if len(rows) and rows.min() < 0 else rows  # a division takes 2 ns


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


def slice_or_rows(rows: Any, n: int) -> slice | np.ndarray:
    """Return several of `n` rows as a slice of step 1, or as their numbers, int64 (n,).

    The ends of the slice, and the numbers, count from 0.
    """
    if not isinstance(rows, (slice, range)):
        return row_numbers(rows, n)
    key = indexer(rows, n)
    if not isinstance(key, slice):
        return key
    begin, end, step = key.indices(n)
    if step == 1:
        return slice(begin, max(begin, end))
    return np.arange(begin, end, step, dtype=np.int64)


def rows_in_whole(numbers: range | np.ndarray, rows: slice | np.ndarray) -> Any:
    """Return the numbers, in a whole dataset, of rows of a dataset with `numbers`."""
    if isinstance(numbers, range) and not isinstance(rows, slice):
        begin, step = numbers.start, numbers.step
        return rows if (begin, step) == (0, 1) else begin + step * rows
    return numbers[rows]


def parts_of(images: Any) -> tuple[np.ndarray, ...]:
    """Return the arrays that hold the images: one, or those of a LazyImages."""
    return (images,) if isinstance(images, np.ndarray) else images.parts


def rows_of(images: Any) -> np.ndarray | None:
    """Return the number of each image in the parts, int64 (n,), or None for all."""
    return None if isinstance(images, np.ndarray) else images.rows

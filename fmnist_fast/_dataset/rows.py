"""Select rows of a dataset for `filter` and `show`, and join datasets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import _core
from .._checks import checked_flag, checked_integer, checked_seed, one_line
from .arrays import row_number, row_numbers
from .columns import Columns, Extra, check_same_kind
from .images import joined_images

Function = Callable[..., Any]
_FILTER_BATCH = 1000  # rows that a batched function gets by default
_N_SHOWN = 32  # four lines of eight images


def kept_rows(
    columns: Columns,
    function: Function,
    with_indices: bool,
    batched: bool,
    batch_size: int | None,
) -> np.ndarray:
    """Return the mask of the rows that `function` keeps, for Dataset.filter."""
    with_indices = checked_flag("with_indices", with_indices)
    batched = checked_flag("batched", batched)
    _check_function(function, with_indices, batched)
    if not batched:
        if batch_size is not None:
            raise ValueError(
                f"batch_size requires batched=True, got batch_size={batch_size!r}"
            )
        results = _results(columns, function, with_indices)
        return np.fromiter(results, bool, len(columns))
    size = _FILTER_BATCH if batch_size is None else batch_size
    size = checked_integer("batch_size", size, 1)
    keep = np.zeros(len(columns), dtype=bool)
    for begin in range(0, len(keep), size):
        end = min(begin + size, len(keep))
        indices = (np.arange(begin, end),) if with_indices else ()
        mask = np.asarray(function(columns[begin:end], *indices))
        if mask.dtype != bool or mask.shape != (end - begin,):
            raise TypeError(
                f"the batched function must return {end - begin} booleans for rows "
                f"{begin} to {end - 1}, got {mask.dtype} {mask.shape}"
            )
        keep[begin:end] = mask
    return keep


def _check_function(function: Any, with_indices: bool, batched: bool) -> None:
    """Raise TypeError for a function that can't be called with a row, or with rows."""
    if not callable(function):
        is_mask = isinstance(function, (list, np.ndarray))
        hint = ".\nPass the mask to select: dataset.select(mask)." * is_mask
        got = one_line(repr(function), 40)
        raise TypeError(f"function must be callable, got {got}{hint}")
    import inspect  # slow to import, and needed only here

    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions in C have none
        return
    row, use = "row", "It gets a row: use row.image and row.label."
    if batched:
        row, use = "rows", "It gets rows: use rows.image and rows.label."
    given = (row, "i") if with_indices else (row,)
    try:
        signature.bind(*given)
    except TypeError:
        word = getattr(function, "__name__", type(function).__name__)
        is_more = not with_indices and len(signature.parameters) > 1
        more = "\nTo get row numbers too: Pass with_indices=True." * is_more
        raise TypeError(
            f"function must be callable as function({', '.join(given)}), got "
            f"{word}{signature}.\n{use}{more}"
        ) from None


def _results(
    columns: Columns, function: Function, with_indices: bool
) -> Iterator[bool]:
    """Yield what `function` returns for each row, if it is a bool."""
    for i, row in enumerate(columns):
        result = function(row, i) if with_indices else function(row)
        if type(result) is not bool and not isinstance(result, np.bool_):
            hint = ".\nReduce it with .any() or .all()." if np.ndim(result) else ""
            raise TypeError(
                "the function must return True or False, got "
                f"{one_line(repr(result), 40)} for row {i}{hint}"
            )
        yield result  # type: ignore[misc]


def shown_rows(
    labels: np.ndarray,
    rows: Any,
    classes: Sequence[int] | None,
    count: int | None,
    seed: int | None,
    most: int,
) -> np.ndarray:
    """Return the numbers of the rows to show, int64 (n,) with n in 1..`most`.

    Only these `rows` and `classes` are shown, if they are given. Without them, the
    memory does not grow with the size of the dataset.
    """
    if count is not None:
        count = checked_integer("count", count, 1, most)
    pool = None if rows is None else _row_numbers(rows, len(labels))
    if classes is not None:
        pool_labels = labels if pool is None else labels[pool]
        matches = np.flatnonzero(np.isin(pool_labels, classes))
        pool = matches if pool is None else pool[matches]
    n = len(labels) if pool is None else len(pool)
    if n == 0:
        raise ValueError(
            f"rows and classes must select at least one of the {len(labels):,} images, "
            "got none"
        )
    if count is None:
        count = _N_SHOWN if rows is None else n
    n_shown = min(n, count)
    if n_shown > most:
        raise ValueError(
            f"rows must select at most {most:,} images, got {n_shown:,}. Pass a count."
        )
    chosen = np.arange(n_shown)
    if seed is not None:
        chosen = _core.order(n, seed=checked_seed(seed), end=n_shown).astype(np.int64)
    return chosen if pool is None else pool[chosen]


def _row_numbers(rows: Any, n: int) -> np.ndarray:
    """Return row numbers of a slice, a number, or several numbers."""
    if isinstance(rows, slice):
        return np.arange(*rows.indices(n))
    row = None if np.ndim(rows) else row_number(rows)
    return row_numbers(rows if row is None else [row], n)


def joined(parts: Sequence[Any]) -> dict[str, Any]:
    """Return the values of a dataset that has the rows of all `parts`."""
    first, *others = parts
    for part in parts:  # the first may be a list, if the method is called on the class
        check_same_kind(first, part)
    values: dict[str, Any] = dict.fromkeys(("name", "split_name", "source"))
    values["_card"] = {}
    for name in values:
        value = getattr(first, name)
        if all(getattr(other, name) == value for other in others):
            values[name] = value
    of_one = all(other._whole is first._whole for other in others)
    values["_whole"] = first._whole if of_one else None
    values["_selection"] = () if of_one else None
    if of_one:
        values["_rows"] = np.concatenate([part._rows for part in parts], dtype=np.int64)
    values["images"] = joined_images([part.images for part in parts])
    values["labels"] = np.concatenate([part.labels for part in parts])
    values["synthetic"] = any(part.synthetic for part in parts)
    values["extra"] = Extra(
        {
            name: np.concatenate([part.extra[name] for part in parts])
            for name in first.extra
            if all(name in other.extra for other in others)
        }
    )
    return values

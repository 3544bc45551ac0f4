"""Select rows of a dataset for `filter`, `split` and `show`, and join datasets."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import _core
from .._checks import checked_flag, checked_integer, checked_seed, one_line
from .arrays import parts_of, row_number, row_numbers
from .columns import Columns, check_same_kind

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


@_core.default_floats
def first_part(
    columns: Columns, fraction: float, seed: int, stratify: bool
) -> np.ndarray:
    """Return the mask of the rows in the first part, for Dataset.split."""
    labels = columns.labels
    fraction = _checked_fraction(fraction, len(labels))
    seed = checked_seed(seed)
    if isinstance(stratify, (list, np.ndarray)):
        got = one_line(repr(stratify), 40)
        raise TypeError(
            f"stratify must be True or False, got {got}.\n"
            "Pass stratify=True. The classes are those of the dataset."
        )
    if checked_flag("stratify", stratify):
        counts = np.bincount(labels)
        keys = labels.astype(np.min_scalar_type(len(counts)))  # 16 bits sort quickly
        rows = np.argsort(keys, kind="stable")
        groups = np.split(rows, np.cumsum(counts[counts > 0]))[:-1]
        shares = _class_shares(groups, fraction, columns)
    else:
        groups = [np.arange(len(labels))]
        shares = [round(fraction * len(labels))]
    first = np.zeros(len(labels), dtype=bool)
    for i, (rows, n) in enumerate(zip(groups, shares)):
        # Loaders count epochs up from 0. Splits count down from the last epoch, so
        # that their orders differ from the orders of a loader with the same seed.
        order = _core.order(len(rows), seed=seed, epoch=_core.MAX_EPOCH - i, end=n)
        first[rows[order.astype(np.int64)]] = True
    return first


def _checked_fraction(fraction: Any, n: int) -> Any:
    """Return the share of the first part, for a share or a number of rows."""
    if isinstance(fraction, (list, tuple)):
        raise TypeError(
            f"fraction must be one number, got {fraction!r}{_split_hint(fraction)}"
        )
    is_array = np.ndim(fraction) == 0 and hasattr(fraction, "item")
    number = fraction.item() if is_array else fraction  # float16 ends at 65,504
    is_real = isinstance(number, numbers.Real) and not isinstance(number, bool)
    if not is_real:
        got = one_line(repr(fraction), 40)
        raise TypeError(f"fraction must be a number, got {got}")
    is_count = isinstance(number, numbers.Integral)
    if not 0 < number < (n if is_count else 1):
        is_whole = not is_count and 1 < number < math.inf and number == int(number)
        hint = f".\nPass {int(number)} for a number of rows." if is_whole else ""
        counts = f", or a number of rows in 1..{n - 1}" if n > 1 else ""
        rows = f" for a dataset of {n} rows" if n < 2 else ""
        raise ValueError(
            f"fraction must be between 0 and 1{counts}, got {fraction}{rows}{hint}"
        )
    share = int(number) / n if is_count else number
    if n and not 0 < round(share * n) < n:
        raise ValueError(
            f"fraction must leave a row in each part, got {fraction} of {n} rows"
        )
    return share


def _split_hint(sizes: Sequence[Any]) -> str:
    """Return the calls that make parts of these sizes."""
    if len(sizes) < 2 or not all(isinstance(size, numbers.Real) for size in sizes):
        return ""
    if min(sizes) <= 0:
        return ""
    first, *rest = sizes
    if len(rest) == 1:
        return f".\nPass {first}. The second part has all other rows."
    if not isinstance(rest[0], numbers.Integral):
        rest = [round(size / sum(rest[i:]), 6) for i, size in enumerate(rest)]
    sizes = [first, *rest[:-1]]
    calls = [
        f"part{i}, {'rest' if i < len(sizes) else f'part{i + 1}'} = "
        f"{'dataset' if i == 1 else 'rest'}.split({size})"
        for i, size in enumerate(sizes, 1)
    ]
    return ".\nCall it for each part:\n" + "\n".join(calls)


def _class_shares(
    groups: list[np.ndarray], fraction: float, columns: Columns
) -> list[int]:
    """Return the number of rows of each class for the first part.

    The exact shares are rounded down, and those with the largest remainders up. Each
    part has at least one row of each class.
    """
    counts = [len(rows) for rows in groups]
    smallest = min(groups, key=len, default=[0, 0])
    name = columns.classes[columns.labels[smallest[0]]] if counts else ""
    if len(smallest) == 1:
        raise ValueError(
            "a stratified split requires at least 2 rows of each class, got 1 of class "
            f"{name!r}.\nPass stratify=False, or leave such classes out with\n"
            "dataset.select(dataset.class_counts[dataset.labels] > 1)"
        )
    exact = [fraction * n for n in counts]
    shares = [min(max(1, math.floor(share)), n - 1) for share, n in zip(exact, counts)]
    to_round = [i for i, n in enumerate(counts) if shares[i] < min(exact[i], n - 1)]
    n_first, n_rows = round(fraction * sum(counts)), sum(counts)
    missing = n_first - sum(shares)
    if not 0 <= missing <= len(to_round):
        low = math.ceil(10_000 / len(smallest)) / 10_000  # a row of the smallest class
        sizes = f"a fraction from {low} to {1 - low:.4g}" if low < 0.5 else "0.5"
        raise ValueError(
            "a stratified split requires a row of each class in both parts, got parts "
            f"of {n_first} and {n_rows - n_first} rows.\nThe smallest class, {name!r}, "
            f"has {len(smallest)} rows. Pass {sizes}, or stratify=False."
        )
    to_round.sort(key=lambda i: shares[i] - exact[i])
    for i in to_round[:missing]:
        shares[i] += 1
    return shares


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
    values["images"] = np.concatenate(
        [array for part in parts for array in parts_of(part.images)]
    )
    values["labels"] = np.concatenate([part.labels for part in parts])
    values["synthetic"] = any(part.synthetic for part in parts)
    values["extra"] = {
        name: np.concatenate([part.extra[name] for part in parts])
        for name in first.extra
        if all(name in other.extra for other in others)
    }
    return values

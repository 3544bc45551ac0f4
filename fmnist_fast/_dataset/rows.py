"""Choose rows of a dataset: those to keep, to split off, or to show."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import _core
from .._checks import checked_flag, checked_integer, checked_seed, one_line
from .arrays import row_numbers
from .columns import Columns

Function = Callable[[Any], Any]
_FILTER_BATCH = 1000  # rows that a batched function gets by default
_N_SHOWN = 32  # four lines of eight


def kept_rows(
    columns: Columns, function: Function, batched: bool, batch_size: int | None
) -> np.ndarray:
    """Return the mask of the rows that `function` keeps, for Dataset.filter."""
    if not callable(function):
        raise TypeError(
            f"filter needs a function of a row, got {one_line(repr(function), 40)}"
        )
    if not batched:
        if batch_size is not None:
            raise ValueError(f"batch_size goes with batched=True, got {batch_size!r}")
        return np.fromiter(_answers(columns, function), bool, len(columns))
    size = _FILTER_BATCH if batch_size is None else batch_size
    size = checked_integer("batch_size", size, 1)
    keep = np.zeros(len(columns), dtype=bool)
    for begin in range(0, len(keep), size):
        end = min(begin + size, len(keep))
        mask = np.asarray(function(columns[begin:end]))
        if mask.dtype != bool or mask.shape != (end - begin,):
            raise TypeError(
                f"filter's batched function must return {end - begin} booleans for "
                f"rows {begin} to {end - 1}, got {mask.dtype} {mask.shape}"
            )
        keep[begin:end] = mask
    return keep


def _answers(columns: Columns, function: Function) -> Iterator[bool]:
    for i, row in enumerate(columns):
        answer = function(row)
        if not isinstance(answer, (bool, np.bool_)):
            hint = ": see .any() and .all()" if np.ndim(answer) else ""
            raise TypeError(
                "filter's function must return True or False, got "
                f"{one_line(repr(answer), 40)} for row {i}{hint}"
            )
        yield answer  # type: ignore[misc]


def first_part(
    labels: np.ndarray, fraction: float, seed: int, stratify: bool
) -> np.ndarray:
    """Return the mask of the rows that go to the first part, for Dataset.split."""
    if isinstance(fraction, bool) or not isinstance(fraction, numbers.Real):
        raise TypeError(f"fraction must be a number, got {fraction!r}")
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must be between 0 and 1, got {fraction}")
    seed = checked_seed(seed)
    if checked_flag("stratify", stratify):
        groups = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    else:
        groups = [np.arange(len(labels))]
    first = np.zeros(len(labels), dtype=bool)
    for i, (rows, n) in enumerate(zip(groups, _shares(groups, fraction))):
        # Epochs count up from 0; splits take theirs from the other end.
        order = _core.order(len(rows), seed=seed, epoch=_core.MAX_EPOCH - i, end=n)
        first[rows[order.astype(np.int64)]] = True
    return first


def _shares(groups: list[np.ndarray], fraction: float) -> list[int]:
    """Return how many of each group: rounded down, the largest remainders up."""
    exact = [fraction * len(rows) for rows in groups]
    shares = [math.floor(share) for share in exact]
    missing = round(fraction * sum(map(len, groups))) - sum(shares)
    by_remainder = sorted(range(len(exact)), key=lambda i: shares[i] - exact[i])
    for i in by_remainder[:missing]:
        shares[i] += 1
    return shares


def shown_rows(
    labels: np.ndarray,
    rows: Any,
    wanted: Sequence[int] | None,
    *,
    count: int | None,
    seed: int | None,
    most: int,
) -> np.ndarray:
    """Return the numbers of the rows to show, int64 (n,) with n in 1..`most`.

    They are among `rows` and have one of the `wanted` labels, where these are given.
    Only then memory is taken that grows with the dataset.
    """
    if count is not None:
        count = checked_integer("count", count, 1, most)
    pool = None if rows is None else _row_numbers(rows, len(labels))
    if wanted is not None:
        labels_there = labels if pool is None else labels[pool]
        among = np.flatnonzero(np.isin(labels_there, wanted))
        pool = among if pool is None else pool[among]
    n = len(labels) if pool is None else len(pool)
    if n == 0:
        raise ValueError(
            f"there is nothing to show: of {len(labels):,} images, none is among the "
            "rows and classes asked for"
        )
    if count is None:
        count = _N_SHOWN if rows is None else n
    n_shown = min(n, count)
    if n_shown > most:
        raise ValueError(f"a sheet has room for {most:,} images, got {n_shown:,}")
    chosen = np.arange(n_shown)
    if seed is not None:
        chosen = _core.order(n, seed=checked_seed(seed), end=n_shown).astype(np.int64)
    return chosen if pool is None else pool[chosen]


def _row_numbers(rows: Any, n: int) -> np.ndarray:
    if isinstance(rows, slice):
        return np.arange(*rows.indices(n))
    if hasattr(rows, "__index__") and not isinstance(rows, np.ndarray):
        rows = [operator.index(rows)]
    return row_numbers(rows, n)

"""Choose rows at random: parts, folds, samples, and the shares of federated clients.

All random numbers are integers of a Philox generator, and all arithmetic is that of
integers or single IEEE operations. So the rows are the same on every machine.
"""

from __future__ import annotations

import heapq
import math
import numbers
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from .. import _core
from .._checks import (
    checked_flag,
    checked_integer,
    checked_name,
    checked_seed,
    one_line,
)
from .columns import Columns

_MAX_ERROR = 1e-6  # of a sum of fractions
_MAX_ALPHA = 1e6  # At 1e6, shares differ by 0.1 %. At 1e-6, one part gets all.


@_core.default_floats
def split_rows(
    columns: Columns, fraction: Any, seed: int, stratify: bool
) -> list[np.ndarray]:
    """Return the rows of each part, for Dataset.split."""
    labels = columns.labels
    fractions = _checked_fractions(fraction, len(labels))
    seed = checked_seed(seed)
    groups = _groups(columns, stratify)
    ends = [[round(share * len(labels)) for share in fractions]]
    if stratify:
        ends = _class_ends(groups, fractions, columns)
    part_of = np.full(len(labels), len(fractions))
    for i, (rows, group_ends) in enumerate(zip(groups, ends)):
        drawn = _drawn(rows, seed, i, group_ends[-1])
        for part, pair in enumerate(pairwise([0, *group_ends])):
            part_of[drawn[slice(*pair)]] = part
    return _rows_of_each(part_of, len(fractions) + 1)


def fold_rows(
    columns: Columns, k: int, seed: int, stratify: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the rows for training and validation of each fold, for Dataset.kfold."""
    k = _checked_number("k", k, 2, len(columns))
    seed = checked_seed(seed)
    groups = _groups(columns, stratify)
    if stratify:
        _check_class_sizes(groups, k, columns)
    fold_of = _dealt(groups, k, seed)
    return [
        (np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold))
        for fold in range(k)
    ]


def sampled_rows(
    columns: Columns, n: int | None, per_class: int | None, seed: int
) -> np.ndarray:
    """Return the rows of a random sample in the original order, for Dataset.sample."""
    if (n is None) == (per_class is None):
        raise ValueError(
            f"sample requires either n or per_class, got n={n} and "
            f"per_class={per_class}"
        )
    if n is not None:
        n_each = _checked_number("n", n, 1, len(columns))
    else:
        n_each = checked_integer("per_class", per_class, 1)
    seed = checked_seed(seed)
    groups = _groups(columns, per_class is not None)
    for rows in groups:
        if len(rows) < n_each:
            raise ValueError(
                f"per_class must be at most the number of rows of each class, got "
                f"{n_each} for {len(rows)} rows of class {_class_name(columns, rows)!r}"
            )
    drawn = [_drawn(rows, seed, i, n_each) for i, rows in enumerate(groups)]
    return np.sort(np.concatenate(drawn)) if drawn else np.arange(0)


def partition_rows(
    columns: Columns,
    n: int,
    by: str,
    alpha: float | None,
    classes_per_part: int | None,
    seed: int,
) -> list[np.ndarray]:
    """Return the rows of each part, for Dataset.partition."""
    n = _checked_number("n", n, 1, len(columns))
    by = checked_name("by", by, ("iid", "dirichlet", "classes"))
    for name, value, method in (
        ("alpha", alpha, "dirichlet"),
        ("classes_per_part", classes_per_part, "classes"),
    ):
        if value is not None and by != method:
            raise ValueError(
                f"{name} requires by={method!r}, got by={by!r} and {name}={value!r}"
            )
    seed = checked_seed(seed)
    if by == "iid":
        part_of = _dealt(_groups(columns, False), n, seed)
    elif by == "dirichlet":
        part_of = _dirichlet_parts(columns, n, _checked_alpha(alpha), seed)
    else:
        per_part = 2 if classes_per_part is None else classes_per_part
        part_of = _parts_of_classes(columns, n, per_part, seed)
    return _rows_of_each(part_of, n)


# ---- shared by all -----------------------------------------------------------------


def _checked_number(name: str, value: Any, low: int, n_rows: int) -> int:
    """Check that a number of parts or rows is at least `low`, and at most the rows."""
    value = checked_integer(name, value, low)
    if value > n_rows:
        raise ValueError(
            f"{name} must be at most the number of rows, {n_rows}, got {value}"
        )
    return value


def _groups(columns: Columns, stratify: Any) -> list[np.ndarray]:
    """Return the rows of each class that has any, or all rows as one group."""
    if isinstance(stratify, (list, np.ndarray)):
        got = one_line(repr(stratify), 40)
        raise TypeError(
            f"stratify must be True or False, got {got}.\n"
            "Pass stratify=True. The classes are those of the dataset."
        )
    labels = columns.labels
    if not checked_flag("stratify", stratify):
        return [np.arange(len(labels))]
    counts = np.bincount(labels)
    keys = labels.astype(np.min_scalar_type(len(counts)))  # 16 bits sort quickly
    rows = np.argsort(keys, kind="stable")
    return np.split(rows, np.cumsum(counts[counts > 0]))[:-1]


def _class_name(columns: Columns, rows: np.ndarray) -> str:
    return columns.classes[columns.labels[rows[0]]]


def _permutation(n: int, seed: int, number: int, end: int | None = None) -> np.ndarray:
    """Return the first elements of a permutation of ``range(n)``, int64 (end,).

    Loaders count epochs up from 0. Permutations count down from the last epoch, so that
    they differ from the orders of a loader with the same seed.
    """
    epoch = _core.MAX_EPOCH - number
    return _core.order(n, seed=seed, epoch=epoch, end=end).astype(np.int64)


def _drawn(rows: np.ndarray, seed: int, number: int, n: int) -> np.ndarray:
    """Return `n` of the rows in random order."""
    return rows[_permutation(len(rows), seed, number, n)]


def _dealt(groups: list[np.ndarray], n: int, seed: int) -> np.ndarray:
    """Return the part of each row, if shuffled rows are dealt to `n` parts in turn."""
    drawn = [_drawn(rows, seed, i, len(rows)) for i, rows in enumerate(groups)]
    part_of = np.empty(sum(map(len, drawn)), np.int64)
    part_of[np.concatenate(drawn)] = np.arange(len(part_of)) % n
    return part_of


def _rows_of_each(part_of: np.ndarray, n: int) -> list[np.ndarray]:
    """Return the rows of each of `n` parts, int64, in the original order."""
    rows = np.argsort(part_of.astype(np.min_scalar_type(n)), kind="stable")
    ends = np.cumsum(np.bincount(part_of, minlength=n))
    return [part.astype(np.int64) for part in np.split(rows, ends)[:-1]]


# ---- split -------------------------------------------------------------------------


def _checked_fractions(fraction: Any, n: int) -> list[float]:
    """Return the share of the first part, of the first two parts, ... of `n` rows.

    The last part, which has all other rows, is left out.
    """
    if not isinstance(fraction, (list, tuple)) and np.ndim(fraction) != 1:
        return [_checked_fraction(fraction, n)]
    got = one_line(repr(fraction), 60)
    sizes = [_number(size) for size in fraction]
    if None in sizes:
        raise TypeError(f"fraction must have only numbers, got {got}")
    if len(sizes) < 2:
        raise TypeError(f"fraction must have at least two numbers, got {got}")
    are_counts = all(isinstance(size, numbers.Integral) for size in sizes)
    total, whole, what = math.fsum(sizes), 1, "shares above 0"
    if are_counts:
        total, whole, what = sum(sizes), n, "numbers of rows above 0"
    are_whole = total > 1 and all(float(size).is_integer() for size in sizes)
    hint = ".\nFor numbers of rows, pass integers." * (are_whole and not are_counts)
    if not min(sizes) > 0 or not abs(total - whole) <= _MAX_ERROR:
        raise ValueError(
            f"fraction must have {what} with the sum {whole}, got {got} with the sum "
            f"{total:.10g}{hint}"
        )
    sums = [math.fsum(sizes[:i]) / whole for i in range(1, len(sizes))]
    ends = [0, *(round(share * n) for share in sums), n]
    if n and not all(begin < end for begin, end in pairwise(ends)):
        raise ValueError(
            f"fraction must leave a row in each part, got {got} of {n} rows"
        )
    return sums


def _number(value: Any) -> Any:
    """Return a number of Python or numpy as one of Python, or None if it is neither."""
    is_array = np.ndim(value) == 0 and hasattr(value, "item")
    number = value.item() if is_array else value  # float16 ends at 65,504
    is_real = isinstance(number, numbers.Real) and not isinstance(number, bool)
    return number if is_real else None


def _checked_fraction(fraction: Any, n: int) -> Any:
    """Return the share of the first part, for a share or a number of rows."""
    number = _number(fraction)
    if number is None:
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


def _check_class_sizes(groups: list[np.ndarray], n: int, columns: Columns) -> None:
    """Raise ValueError if a class has fewer than `n` rows."""
    smallest = min(groups, key=len) if groups else np.arange(n)
    if len(smallest) < n:
        raise ValueError(
            f"a stratified split requires at least {n} rows of each class, got "
            f"{len(smallest)} of class {_class_name(columns, smallest)!r}.\n"
            "Pass stratify=False, or leave such classes out with\n"
            f"dataset.select(dataset.class_counts[dataset.labels] > {n - 1})"
        )


def _class_ends(
    groups: list[np.ndarray], fractions: Sequence[float], columns: Columns
) -> list[list[int]]:
    """Return the numbers of rows of each class in the first part, the first two, ...

    The last part, which has all other rows, is left out. The exact shares are rounded
    down, and those with the largest remainders up. Each part has at least one row of
    each class. The first parts together have their share to within one row. So each
    part has its share to within two.
    """
    counts = [len(rows) for rows in groups]
    _check_class_sizes(groups, len(fractions) + 1, columns)
    ends: list[list[int]] = [[] for _ in counts]
    before = [0] * len(counts)
    for i, fraction in enumerate(fractions):
        n_later = len(fractions) - i  # parts
        exact = [fraction * n for n in counts]
        most = [n - n_later for n in counts]
        now = [
            min(max(begin + 1, math.floor(share)), end)
            for begin, share, end in zip(before, exact, most)
        ]
        to_round = [c for c, n in enumerate(now) if n < min(exact[c], most[c])]
        missing = round(fraction * sum(counts)) - sum(now)
        if not 0 <= missing <= len(to_round):
            raise _too_small(groups, fractions, columns)
        to_round.sort(key=lambda c: now[c] - exact[c])
        for c in to_round[:missing]:
            now[c] += 1
        for class_ends, n in zip(ends, now):
            class_ends.append(n)
        before = now
    return ends


def _too_small(
    groups: list[np.ndarray], fractions: Sequence[float], columns: Columns
) -> ValueError:
    """Return the error for parts that can't have a row of each class."""
    n, smallest = sum(map(len, groups)), min(groups, key=len)
    ends = [0, *(round(share * n) for share in fractions), n]
    *sizes, last = (str(end - begin) for begin, end in pairwise(ends))
    low = math.ceil(10_000 / len(smallest)) / 10_000  # a row of the smallest class
    advice = f"a fraction from {low} to {1 - low:.4g}" if low < 0.5 else "0.5"
    number = "both"
    if len(fractions) > 1:
        number, advice = "all", "a larger share for the smallest part"
    name = _class_name(columns, smallest)
    return ValueError(
        f"a stratified split requires a row of each class in {number} parts, got parts "
        f"of {', '.join(sizes)} and {last} rows.\nThe smallest class, {name!r}, has "
        f"{len(smallest)} rows. Pass {advice}, or stratify=False."
    )


# ---- partition ---------------------------------------------------------------------


def _checked_alpha(alpha: Any) -> float:
    """Return the concentration of a Dirichlet distribution as a float."""
    if alpha is None:
        raise ValueError("by='dirichlet' requires alpha, got None.\nPass alpha=0.5.")
    number = _number(alpha)
    if number is None:
        raise TypeError(f"alpha must be a number, got {one_line(repr(alpha), 40)}")
    if not 1 / _MAX_ALPHA <= number <= _MAX_ALPHA:
        raise ValueError(f"alpha must be in 1e-6..1e6, got {alpha}")
    return float(number)


@_core.default_floats
def _dirichlet_parts(columns: Columns, n: int, alpha: float, seed: int) -> np.ndarray:
    """Return the part of each row, with shares of each class from a Dirichlet.

    A part without rows then gets the last row of the largest part.
    """
    part_of = np.empty(len(columns), np.int64)
    for rows in _groups(columns, True):
        label = int(columns.labels[rows[0]])
        part_of[rows] = _urn(len(rows), n, alpha, seed, label)
    sizes = np.bincount(part_of, minlength=n)
    for part in np.flatnonzero(sizes == 0):
        largest = sizes.argmax()
        part_of[np.flatnonzero(part_of == largest)[-1]] = part
        sizes[largest] -= 1
    return part_of


def _urn(n_rows: int, n: int, alpha: float, seed: int, label: int) -> np.ndarray:
    """Return the part of each row of a class, int64 (n_rows,) in 0..n - 1.

    It draws shares of the parts from a Dirichlet distribution, and the part of each row
    by these shares, without gamma variates, whose logarithms differ between machines.
    The parts are those of a Polya urn: Blackwell and MacQueen, "Ferguson distributions
    via Polya urn schemes" (1973). With i rows before it, a row gets any part with the
    probability n * alpha / (n * alpha + i), and that of one of these rows otherwise.
    """
    raw = np.random.Philox(key=seed | label << 64).random_raw(n_rows)
    before, n_new = np.arange(n_rows), n * alpha
    place = (raw >> np.uint64(11)) * 2.0**-53 * (n_new + before)
    is_new = place < n_new
    is_new[:1] = True
    part = np.minimum(place / alpha, n - 1).astype(np.int64)
    row = np.minimum(np.maximum(place - n_new, 0), before - 1).astype(np.int64)
    row[is_new] = before[is_new]
    while (row[row] != row).any():  # twice as far back each time
        row = row[row]
    return part[row]


def _parts_of_classes(columns: Columns, n: int, per_part: int, seed: int) -> np.ndarray:
    """Return the part of each row, with rows of `per_part` classes in each part.

    The rows of a class are dealt in turn to the parts that have it. These are the parts
    that lack most classes, which gives every part its number: D. Gale, "A theorem on
    flows in networks" (1957).
    """
    groups = _groups(columns, True)
    per_part = checked_integer("classes_per_part", per_part, 1, len(groups))
    n_parts = _parts_of_each_class([len(rows) for rows in groups], n, per_part)
    lacks = np.full(n, per_part)
    part_of = np.empty(len(columns), np.int64)
    for i in _permutation(len(groups), seed, len(groups)):
        parts = _permutation(n, seed, len(groups) + 1 + i)
        parts = parts[np.argsort(-lacks[parts], kind="stable")[: n_parts[i]]]
        lacks[parts] -= 1
        rows = _drawn(groups[i], seed, i, len(groups[i]))
        part_of[rows] = parts[np.arange(len(rows)) % len(parts)]
    return part_of


def _parts_of_each_class(counts: list[int], n: int, per_part: int) -> list[int]:
    """Return the number of parts that have each class, for `per_part` in each of `n`.

    One after another is added to the class with the most rows for a part.
    """
    n_places = n * per_part
    most = [min(n, count) for count in counts]
    if not len(counts) <= n_places <= sum(most):
        raise ValueError(
            f"{n} parts of {per_part} classes must have a place for each of the "
            f"{len(counts)} classes, and a row for each place, got {n_places} places "
            f"and {sum(counts)} rows.\nPass another n or classes_per_part."
        )
    n_parts = [1] * len(counts)
    heap = [(-float(count), i) for i, count in enumerate(counts) if most[i] > 1]
    heapq.heapify(heap)
    for _ in range(n_places - len(counts)):
        _, i = heap[0]
        n_parts[i] += 1
        if n_parts[i] < most[i]:
            heapq.heapreplace(heap, (-counts[i] / n_parts[i], i))
        else:
            heapq.heappop(heap)
    return n_parts

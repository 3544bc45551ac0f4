"""The row of the dataset at each position of an epoch: shuffle, weights, order."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Set
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._checks import did_you_mean, one_line
from .._core import MAX_POSITIONS, Sampling, alias_table, default_floats
from .._dataset.arrays import slice_or_rows
from ..dataset import Dataset

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    WeightsLike = ArrayLike  # also "balanced"
    OrderLike = ArrayLike | slice | Callable[[int], ArrayLike | slice]
_MAX_CALLS = 65536  # of a function before an iterator starts
_MAX_ROWS = 2**27  # that these calls return: 1 GiB
_WEIGHT_BITS = 52  # as many as a float64 has after its first
_WEIGHTS = "weights must be 'balanced' or a number for each row"
_FOR_CLASSES = ".\nFor a weight of each class, pass "
_EXCLUSIVE = {  # pairs of arguments, and what to do
    ("weights", "order"): "Pass one of them.",
    ("weights", "shuffle=True"): (
        "Draws by weights are in random order already. Leave shuffle out."
    ),
    ("order", "shuffle=True"): (
        "To shuffle some rows, pass dataset.select(rows) with shuffle=True."
    ),
    ("shuffle_block", "weights"): "Leave shuffle_block out.",
    ("shuffle_block", "order"): "Leave shuffle_block out.",
}


class Weights:
    """Checked weights, as a table of draws with replacement."""

    def __init__(self, given: Any, dataset: Dataset) -> None:
        self.given = given
        numbers = _integers(_checked_weights(given, dataset))
        self.table, self.capacity = alias_table(numbers)
        self.fingerprint = _fingerprint(numbers)
        self._n = len(numbers)

    def __repr__(self) -> str:
        is_name = isinstance(self.given, str)
        return repr(self.given) if is_name else f"<{self._n} numbers>"


class _Rows(NamedTuple):
    rows: np.ndarray  # uint64 (n,)
    fingerprint: str


class Order:
    """Checked rows of each epoch, from an array or from a function of the epoch.

    The function is called once for each epoch, unless an iterator of another epoch was
    started in between. The first call, for epoch 0, gives the number of rows.
    """

    def __init__(self, given: Any, dataset: Dataset) -> None:
        self.given, self.is_function = given, callable(given)
        if not self.is_function:
            _check_reread(given)
        self._n_dataset = len(dataset)
        first = self._returned(0) if self.is_function else self._checked(given)
        # The rows of the newest iterator's epochs. An array has the same in all epochs.
        self._known = {0: first}
        self.n = len(first.rows)

    def rows(self, first: int, last: int) -> np.ndarray:
        """Return the rows of passes, uint64 (passes, n). An array has one for all."""
        if self.is_function:
            known = self._known
            self._known = {
                epoch: known[epoch] if epoch in known else self._call(epoch)
                for epoch in range(first, last + 1)
            }
        rows = [known.rows for known in self._known.values()]
        return rows[0][np.newaxis] if len(rows) == 1 else np.stack(rows)

    def _call(self, epoch: int) -> _Rows:
        result = self._returned(epoch)
        if len(result.rows) != self.n:
            raise ValueError(
                "order must return equally many rows in each epoch, got "
                f"{len(result.rows)} in epoch {epoch}, and {self.n} in epoch 0.\n"
                "Repeat or draw rows: numpy.random.default_rng(epoch).choice(rows, n)."
            )
        return result

    def _returned(self, epoch: int) -> _Rows:
        what = f"order returned wrong rows for epoch {epoch}"
        return self._checked(self.given(epoch), what)

    def _checked(self, value: Any, what: str = "order") -> _Rows:
        """Return checked rows. `what` is the start of an error's message."""
        try:
            rows = slice_or_rows(value, self._n_dataset)
        except (TypeError, IndexError) as error:
            kind, hint = type(error), ""
            if isinstance(value, (str, enum.Enum)):  # such as FFCV's OrderOption
                hint = ".\nFor a new random order in each epoch, pass shuffle=True."
            raise kind(f"{what}: {error}{hint}") from None
        if isinstance(rows, slice):
            rows = np.arange(rows.start, rows.stop, dtype=np.int64)
        rows = np.ascontiguousarray(rows).view(np.uint64)
        return _Rows(rows, _fingerprint(rows))

    def fingerprint(self, epoch: int | None) -> str:
        """Return a text for a state, with the rows of an epoch if they are known."""
        if not self.is_function:
            return self._known[0].fingerprint
        known = self._known.get(epoch)  # type: ignore[arg-type]
        return "function" if known is None else f"function {known.fingerprint}"

    def __repr__(self) -> str:
        if not self.is_function:
            return f"<{self.n} rows>"
        return getattr(self.given, "__qualname__", type(self.given).__qualname__)


class Positions:
    """The positions of a pass over the order, and the row of each.

    The arguments are those of `Loader`. Weights and orders that are checked may be
    passed again.

    Attributes
    ----------
    n : int
        Number of positions of a pass.
    order : Order or None
    weights : Weights or None
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        shuffle: bool,
        shuffle_block: int | None,
        weights: Any,
        order: Any,
        repeats: int,
    ) -> None:
        _check_exclusive(shuffle, shuffle_block, weights, order)
        if weights is not None and not isinstance(weights, Weights):
            weights = Weights(weights, dataset)
        if order is not None and not isinstance(order, Order):
            order = Order(order, dataset)
        self.weights: Weights | None = weights
        self.order: Order | None = order
        n = len(dataset) if order is None else order.n
        self.n, self._repeats = n * repeats, repeats
        if self.n > MAX_POSITIONS:
            raise ValueError(
                f"repeats must be at most {MAX_POSITIONS // n} for {n} rows, got "
                f"{repeats}"
            )
        kind = "permuted" if shuffle else "plain"
        options: dict[str, Any] = {"repeats": repeats}
        if weights is not None:
            kind = "weighted"
            options |= {"table": weights.table, "capacity": weights.capacity}
        if shuffle_block:
            kind, options["block"] = "blocks", shuffle_block
        if order is not None:
            kind, options["table"] = "listed", order.rows(0, 0)
        self._sampling = Sampling(kind, n, **options)

    def sampling(self, first: int, last: int) -> Sampling:
        """Return the rows of the passes `first` to `last` for the core."""
        order = self.order
        if order is None or not order.is_function:
            return self._sampling
        _check_calls(last - first + 1, order.n)
        options = {"repeats": self._repeats, "epoch": first}
        return Sampling("listed", order.n, table=order.rows(first, last), **options)


def _check_exclusive(
    shuffle: bool, shuffle_block: int | None, weights: Any, order: Any
) -> None:
    """Raise ValueError if two arguments say which rows come, or for blocks alone."""
    given = {"weights": weights is not None, "order": order is not None}
    given |= {"shuffle=True": shuffle, "shuffle_block": shuffle_block is not None}
    for (first, second), hint in _EXCLUSIVE.items():
        if given[first] and given[second]:
            raise ValueError(
                f"{first} and {second} can't be combined, because each says which rows "
                f"come.\n{hint}"
            )
    if shuffle_block is not None and not shuffle:
        raise ValueError(
            f"shuffle_block={shuffle_block} requires shuffle=True.\n"
            "Pass shuffle=True, or leave shuffle_block out."
        )


def _check_reread(order: Any) -> None:
    """Raise TypeError for an order that only the first epoch would read."""
    has_rows = any(hasattr(order, name) for name in ("__getitem__", "__array__"))
    if has_rows or isinstance(order, Set) or not hasattr(order, "__iter__"):
        return
    is_iterator = hasattr(order, "__next__")
    hint = "list(rows)" if is_iterator else "lambda epoch: list(sampler)"
    raise TypeError(
        "order must be an array of rows or a function of the epoch, got "
        f"{type(order).__name__}, which is read only once.\nPass order={hint}."
    )


def _check_calls(n_calls: int, n_rows: int) -> None:
    """Raise ValueError if a function returns too many rows before an iterator starts.

    Two calls are always possible: an iterator that begins near the end of a pass needs
    them for any number of steps.
    """
    if n_calls > _MAX_CALLS:
        raise ValueError(
            f"order would be called for {n_calls} passes at once, because its {n_rows} "
            "rows are few for the steps of the loader.\nReturn more rows from each "
            "call, or pass fewer steps."
        )
    if n_calls > 2 and n_calls * n_rows > _MAX_ROWS:
        raise ValueError(
            f"order must return at most {_MAX_ROWS} rows for the steps of the loader, "
            f"got {n_rows} in each of {n_calls} passes.\nPass fewer steps."
        )


def _checked_weights(given: Any, dataset: Dataset) -> np.ndarray:
    """Return weights as float64 (n,) with a positive sum."""
    n = len(dataset)
    if n == 0:
        raise ValueError("weights require a dataset with rows, got 0 rows")
    if isinstance(given, str):
        _check_balanced(given, dataset)
        return 1 / dataset.class_counts[dataset.labels]
    got = one_line(repr(given), 40)
    try:
        weights = np.asarray(given)
    except (TypeError, ValueError):
        is_short = str(getattr(given, "dtype", "")) == "torch.bfloat16"
        hint = ".\nPass weights.float()." * is_short
        raise TypeError(f"{_WEIGHTS}, got {got}{hint}") from None
    if weights.ndim != 1 or weights.dtype.kind not in "iuf":
        hint = ""
        if weights.ndim == 1 and weights.dtype == bool:
            hint = ".\nPass it as order, to take these rows."
        if isinstance(given, Mapping):
            hint = f"{_FOR_CLASSES}[weights[label] for label in dataset.labels]."
        shape = f"{weights.dtype} {weights.shape}" if weights.ndim else got
        raise TypeError(f"{_WEIGHTS}, got {shape}{hint}")
    if len(weights) != n:
        hint = ""
        if len(weights) == len(dataset.classes):
            hint = f"{_FOR_CLASSES}numpy.asarray(weights)[dataset.labels]."
        raise ValueError(
            f"weights must have a number for each of the {n} rows, got {len(weights)}"
            f"{hint}"
        )
    weights = weights.astype(np.float64)
    wrong = ~np.isfinite(weights) | (weights < 0)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"weights must be finite and not negative, got {weights[row]} for row {row}"
        )
    if not weights.any():
        raise ValueError("weights must have a number above 0, got only zeros")
    return weights


def _check_balanced(name: str, dataset: Dataset) -> None:
    """Raise ValueError unless the name is that of weights."""
    if name == "balanced":
        return
    hint = did_you_mean(name, ["balanced"])
    if name in dataset.extra:
        hint = f".\nPass weights=dataset.extra[{name!r}]."
    raise ValueError(f"{_WEIGHTS}, got {name!r}{hint}")


@default_floats
def _integers(weights: np.ndarray) -> np.ndarray:
    """Return weights as integers, in proportion to within 1 of the largest.

    Each is computed by itself, without sums of floats, so that all machines get the
    same integers.
    """
    bits = min(_WEIGHT_BITS, 62 - len(weights).bit_length())
    numbers = np.floor(weights / weights.max() * 2.0**bits).astype(np.uint64)
    numbers[(numbers == 0) & (weights > 0)] = 1
    return numbers


def _fingerprint(array: np.ndarray) -> str:
    import deflate  # deflate imports faster than hashlib

    return f"{deflate.crc32(array.view(np.uint8).data):08x}"

"""Base class of Dataset: the methods that make datasets of some rows, or of several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import checked_flag, hinting
from .arrays import checked_labels, rows_in_whole, rows_of, slice_or_rows
from .classes import selected_labels
from .columns import Columns, Extra
from .division import fold_rows, partition_rows, sampled_rows, split_rows
from .images import selected_images
from .rows import joined, kept_rows

if TYPE_CHECKING:
    from typing_extensions import Self


class Selections(Columns):
    """Methods that select, divide and join rows, without a copy of their images.

    `Dataset` is derived from this class and documents its attributes.
    """

    def _with(self, **changes: Any) -> Self:
        """Return a dataset with other values, which is pickled with its arrays."""
        raise NotImplementedError

    def _select(self, rows: slice | np.ndarray, *parts: str) -> Self:
        """Return the dataset of a slice of step 1, or of row numbers from 0, int64.

        Its `repr` names the `parts`.
        """
        images = selected_images(self.images, rows)
        numbers = rows_of(images)
        # One table serves both while each image is a row of the whole.
        if numbers is None or self._rows is not rows_of(self.images):
            numbers = rows_in_whole(self._rows, rows)
        extra = self.extra  # shared if empty, which saves memory
        if extra:
            extra = Extra({name: column[rows] for name, column in extra.items()})
        return self._with(
            images=images,
            labels=self.labels[rows],
            extra=extra,
            _rows=numbers,
            _selection=(self._selection or ()) + parts,
        )

    def _parts(
        self, rows: Sequence[np.ndarray], call: str, word: str = "part"
    ) -> tuple[Self, ...]:
        """Return datasets of the given rows, whose `repr` tells them apart."""
        if self._selection is not None:  # the parts are not those of the whole
            call += f" of {len(self):,}"
        return tuple(
            self._select(part, f"{word} {i} of {call}")
            for i, part in enumerate(rows, 1)
        )

    @hinting(name="Dataset.select")
    def select(
        self,
        rows: Any = None,
        *,
        classes: str | int | Sequence[str | int] | None = None,
        relabel: bool = False,
    ) -> Self:
        """Return a dataset of the given rows, in the given order.

        Parameters
        ----------
        rows : slice, range, iterable of int, or boolean mask (n,), optional
            Rows to keep. Negative numbers count from the end, except in a range. The
            default is all rows.
        classes : str, int, or sequence of them, optional
            Names or numbers of the classes to keep, of the given rows.
        relabel : bool, default False
            Whether to number these classes from 0, in the given order, and drop the
            names of all others. It requires `classes`.

        Returns
        -------
        Dataset
            Its images are not copied, unless they have 8 bytes or less.

        Raises
        ------
        IndexError, TypeError, ValueError
            A row is out of range, no class has such a name or number, an argument has a
            wrong type or shape, or neither rows nor classes are given.
        """
        if classes is None:
            if rows is None:
                raise TypeError("select requires rows or classes, got neither")
            if checked_flag("relabel", relabel):
                raise ValueError("relabel requires classes, got relabel=True without")
            return self._select(slice_or_rows(rows, len(self.labels)))
        numbers = selected_labels(self.classes, classes)
        if not numbers:
            raise ValueError("classes must have at least one class, got none")
        part = self if rows is None else self.select(rows)
        part = part._select(np.flatnonzero(np.isin(part.labels, numbers)))
        return part._relabeled(numbers) if checked_flag("relabel", relabel) else part

    def _relabeled(self, numbers: Sequence[int]) -> Self:
        """Return a dataset that has only these classes, in this order."""
        names = [self.classes[number] for number in numbers]
        if len(set(names)) < len(names):
            raise ValueError(f"relabel requires different classes, got {names}")
        dtype = np.result_type(self.labels, np.min_scalar_type(len(names) - 1))
        labels = np.zeros(len(self.classes), dtype)
        labels[numbers] = np.arange(len(names))
        labels = checked_labels(labels[self.labels])
        return self._with(labels=labels, classes=tuple(names))

    @hinting(name="Dataset.sample")
    def sample(
        self, n: int | None = None, *, per_class: int | None = None, seed: int = 0
    ) -> Self:
        """Return a random sample of the rows without repetition, in the original order.

        For rows of each class, pass `per_class`.

        Parameters
        ----------
        n : int in 1..len, optional
            Number of rows. They are those of the first part of ``split(n, seed=seed)``.
        per_class : int of at least 1, optional
            Number of rows of each class, in place of `n`. Classes that have no row in
            this dataset are left out.
        seed : int in 0..2**64-1, default 0
            Number that decides the choice.

        Returns
        -------
        Dataset

        Raises
        ------
        TypeError, ValueError
            An argument isn't as above, both or none of `n` and `per_class` are given,
            or a class has fewer rows. The message names the class.
        """
        rows = sampled_rows(self, n, per_class, seed)
        size = f"per_class={per_class}" if n is None else f"{n}"
        return self._select(rows, f"sample({size}, seed={seed})")

    @hinting(name="Dataset.split")
    def split(
        self,
        fraction: float | Sequence[float],
        *,
        seed: int = 0,
        stratify: bool = False,
    ) -> tuple[Self, ...]:
        """Divide the rows at random into datasets, each in the original order.

        Parameters
        ----------
        fraction : float in (0, 1), int in 1..n-1, or sequence of them
            Share of the rows in the first of two parts, rounded, or their number. Or a
            share for each part, with the sum 1, or a number of rows, with the sum n.
            Each part must have a row, except of an empty dataset.
        seed : int in 0..2**64-1, default 0
            Number that decides the division.
        stratify : bool, default False
            Whether all parts have every class, in equal shares to within one row. More
            than two parts may differ by two rows.

        Returns
        -------
        tuple of Dataset
            Two parts, or as many as there are shares.

        Raises
        ------
        TypeError, ValueError
            An argument isn't as above, or a class has too few rows to stratify.
        """
        rows = split_rows(self, fraction, seed, stratify)
        sizes = np.asarray(fraction).tolist() if np.ndim(fraction) else fraction
        stratified = ", stratify=True" if stratify else ""
        return self._parts(rows, f"split({sizes}, seed={seed}{stratified})")

    @hinting(name="Dataset.kfold")
    def kfold(
        self, k: int, *, seed: int = 0, stratify: bool = False
    ) -> tuple[tuple[Self, Self], ...]:
        """Divide the rows at random for cross-validation, as scikit-learn's KFold does.

        Parameters
        ----------
        k : int in 2..n
            Number of folds.
        seed : int in 0..2**64-1, default 0
            Number that decides the division.
        stratify : bool, default False
            Whether the validation sets have equal shares of every class, to within one
            row. Each class must have at least `k` rows.

        Returns
        -------
        tuple of k pairs of Dataset
            The training and validation set of each fold, in the original order. Each
            row is in one validation set, whose sizes differ by one row at most.

        Raises
        ------
        TypeError, ValueError
            An argument isn't as above, or a class has too few rows to stratify.
        """
        folds = fold_rows(self, k, seed, stratify)
        call = f"kfold({k}, seed={seed}{', stratify=True' if stratify else ''})"
        training, validation = (
            self._parts(rows, call, word)
            for rows, word in zip(zip(*folds), ("training part", "validation part"))
        )
        return tuple(zip(training, validation))

    @hinting(name="Dataset.partition")
    def partition(
        self,
        n: int,
        *,
        by: str = "iid",
        alpha: float | None = None,
        classes_per_part: int | None = None,
        seed: int = 0,
    ) -> tuple[Self, ...]:
        """Divide the rows at random among the clients of federated learning.

        Parameters
        ----------
        n : int in 1..len
            Number of parts, one for each client.
        by : "iid", "dirichlet" or "classes", default "iid"
            How the parts differ. "iid" deals all rows alike, and the sizes differ by
            one row at most. "dirichlet" draws the shares of each class among the parts
            from a symmetric Dirichlet distribution, as Yurochkin et al. (2019) do.
            "classes" gives each part rows of `classes_per_part` classes, as McMahan et
            al. (2017) do. The rows of a class are dealt to parts in equal numbers.
        alpha : float in 1e-6..1e6, optional
            Concentration of the Dirichlet distribution, which "dirichlet" requires.
            Parts are more alike with a larger one. The usual values are 0.1 to 1.
        classes_per_part : int in 1..number of classes, optional
            Number of classes in each part, for "classes". The default is 2.
        seed : int in 0..2**64-1, default 0
            Number that decides the division.

        Returns
        -------
        tuple of n Dataset
            Each row is in one part. Each part has a row: a part to which "dirichlet"
            gives none gets the last row of the largest part.

        Raises
        ------
        TypeError, ValueError
            An argument isn't as above, is given without the method that takes it, or
            requires more rows.
        """
        rows = partition_rows(self, n, by, alpha, classes_per_part, seed)
        options = f"by={by!r}"
        options += f", alpha={alpha}" if by == "dirichlet" else ""
        if classes_per_part is not None:
            options += f", classes_per_part={classes_per_part}"
        return self._parts(rows, f"partition({n}, {options}, seed={seed})")

    @hinting(name="Dataset.filter")
    def filter(
        self,
        function: Callable[..., Any],
        *,
        with_indices: bool = False,
        batched: bool = False,
        batch_size: int | None = None,
    ) -> Self:
        """Return a dataset of the rows for which `function` returns True.

        Parameters
        ----------
        function : callable
            Function of a row, ``ds[i]``, that returns a bool. With `batched`, function
            of several rows, ``ds[begin:end]``, that returns a bool for each. A mask
            needs no function: ``ds.select(ds.labels == 9)``.
        with_indices : bool, default False
            Whether `function` also takes the number of the row in this dataset, or an
            array of them.
        batched : bool, default False
            Whether `function` takes several rows.
        batch_size : int of at least 1, default 1000
            Largest number of rows for a call. It requires `batched`.

        Returns
        -------
        Dataset

        Raises
        ------
        TypeError, ValueError
            An argument is wrong, or `function` returns anything except bools.
        """
        kept = kept_rows(self, function, with_indices, batched, batch_size)
        return self._select(np.flatnonzero(kept))

    def concatenate(self, *others: Self) -> Self:
        """Return the rows of this dataset, followed by the rows of `others`.

        The images are not copied. The result keeps `name`, `split_name`, `source` and
        the card if all have the same, and columns of `extra` that all have. It is
        `synthetic` if any of them is. Loaders normalize parts of one dataset like that
        dataset, and others together.

        Parameters
        ----------
        *others : Dataset
            Datasets with the same classes and the same size of images.

        Returns
        -------
        Dataset

        Raises
        ------
        TypeError, ValueError
            An argument isn't as above.
        """
        values = joined((self, *others))
        return self._with(**values)

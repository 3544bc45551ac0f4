"""Statistics of pixels: a dataset's own, and those that normalize its batches.

A test set, or a part of a training set, is normalized like the whole training set.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from .. import _core
from .._io.threads import run_together
from .images import pieces_of, shares_of


class Statistics(NamedTuple):
    """Mean and standard deviation of pixels divided by 255, and whose they are."""

    mean: float
    std: float
    of: str  # title of the dataset that has these pixels


Source = Callable[[], Statistics | None]  # None: it has no statistics


class OwnStatistics:
    """Statistics of some images, computed by the first call from exact sums.

    After that, the images are not referred to any more.
    """

    def __init__(self, images: Any, title: str) -> None:
        """Keep references to the images and to the title of their dataset."""
        self._images, self._title = images, title
        self._statistics: Statistics | None = None

    def __call__(self) -> Statistics:
        """Return the statistics. Without images they are 0 and 1."""
        images = self._images  # first, because another thread may drop them next
        if self._statistics is None:
            moments = _moments(images) if images.size else (0.0, 1.0)
            self._statistics = Statistics(*moments, self._title)
            self._images = None
        return self._statistics


class Whole:
    """The part of a dataset that it shares with all that is selected from it.

    Until the statistics are needed, the sources may refer to the pixels of the whole.
    So memory that a selection has copied from stays in use until then. To compute the
    statistics earlier would read all of a file that is larger than memory.

    Attributes
    ----------
    n_rows : int
        Number of rows of the whole dataset.
    """

    def __init__(
        self, n_rows: int, source: Statistics | Source | None, *others: Source
    ) -> None:
        """Keep known statistics, or the sources, the first of which to try first."""
        self.n_rows, self._sources = n_rows, others
        self._statistics: Statistics | None = None
        if isinstance(source, Statistics):
            self._statistics, self._sources = source, ()
        elif source is not None:
            self._sources = (source, *others)

    @property
    def statistics(self) -> Statistics:
        """Return the statistics by which a Loader normalizes."""
        sources = self._sources  # first, because another thread may drop them next
        if self._statistics is None:
            results = (source() for source in sources)
            self._statistics = next(filter(None, results))
            self._sources = ()
        return self._statistics

    def __reduce__(self) -> tuple:
        """Return the numbers: a pickle must not hold the pixels of the whole."""
        return known_whole, (self.n_rows, *self.statistics)


def known_whole(n_rows: int, mean: float, std: float, of: str) -> Whole:
    """Return a Whole whose statistics are known."""
    return Whole(n_rows, Statistics(mean, std, of))


def title_of(name: str | None, split: str | None, synthetic: bool) -> str:
    """Return the heading for pictures: "name/split", and "(SYNTHETIC)" if it is."""
    title = "/".join(filter(None, [name, split])) or "arrays"
    return f"{title} (SYNTHETIC)" if synthetic else title


@_core.default_floats
def _moments(images: Any) -> tuple[float, float]:
    """Return the mean and the standard deviation of all pixels divided by 255."""
    tasks = [functools.partial(_sums, share) for share in shares_of(images)]
    totals = map(sum, zip(*run_together(tasks)))
    return moments_of_sums(images.size, *totals)


def _sums(images: Any) -> tuple[int, int]:
    """Return the sum of all pixels, and of their squares."""
    sums = [_core.pixel_sums(piece) for piece in pieces_of(images)]
    return sum(total for total, _ in sums), sum(squares for _, squares in sums)


def moments_of_sums(n: int, total: int, squares: int) -> tuple[float, float]:
    """Return the mean and the standard deviation of `n` pixels divided by 255.

    The sums are those of the pixels and of their squares.
    """
    # Integers until the division: no digits cancel, and each result rounds once.
    variance = (n * squares - total**2) / (255 * n) ** 2
    return total / (255 * n), math.sqrt(variance)

"""Check that a contender does its workload, by its output for specially made images.

In images of plain workloads, the first two pixels hold the image's number. In images
of augmented workloads, a mark shows where it was moved to. Every image must come once
per epoch. The order must differ from that of the dataset and that of the epoch before.
Random numbers must be drawn for each image, and spread as the workload says.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from .. import work as works
from ..data import Data
from ..work import Work

N_OFFSETS = 2 * works.PADDING + 1  # places of a crop, in a row and in a column
PER_CELL = 100  # images for each place and flip
LOWEST_MARK, BESIDE = 101, 100  # gray levels of the mark, and of the pixel to its right
N_MARKS = 150


class CheckError(Exception):
    """The output is not what the workload requires."""


def require(holds: object, text: str) -> None:
    """Raise CheckError with `text` unless the condition holds."""
    if not holds:
        raise CheckError(text)


def collect(
    data: Data, work: Work, epoch: Iterable, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return all images of an epoch as pixels, uint8 (n, 28, 28), and labels (n,).

    Pixels computed from floats may differ from an integer by `tolerance`.
    """
    images, labels, n_seen = [], [], 0
    # One batch may be smaller, at any place of the epoch.
    rest = len(data) % work.batch_size
    for x, y in epoch:
        x, y = np.asarray(x), np.asarray(y)
        n, rest = (rest, 0) if len(y) == rest else (work.batch_size, rest)
        require(
            x.shape == (n, 1, 28, 28) and x.dtype == work.dtype,
            f"images must be {work.dtype} {(n, 1, 28, 28)}, got {x.dtype} {x.shape}",
        )
        require(
            y.shape == (n,) and y.dtype.kind in "iu",
            f"labels must be integers {(n,)}, got {y.dtype} {y.shape}",
        )
        if work.dtype == "float32":
            x = (x.astype(np.float64) - float(data.bias)) / float(data.scale)
            whole = np.rint(x)
            off = float(np.abs(x - whole).max())
            require(off <= tolerance, f"a pixel is {off:.3f} gray levels off")
            require(
                whole.min() >= 0 and whole.max() <= 255,
                f"pixels are {whole.min():.0f} to {whole.max():.0f} gray levels",
            )
            x = whole.astype(np.uint8)
        images.append(x[:, 0].copy())
        labels.append(y.astype(np.int64))
        n_seen += n
    require(n_seen == len(data), f"an epoch must have {len(data)} images, got {n_seen}")
    return np.concatenate(images), np.concatenate(labels)


def _same_counts(name: str, values: np.ndarray, expected: np.ndarray) -> None:
    """Require that each value occurs as often as in `expected`; both are integers."""
    n = int(max(values.max(), expected.max())) + 1
    excess = np.bincount(values, minlength=n) - np.bincount(expected, minlength=n)
    missing, extra = int(-excess[excess < 0].sum()), int(excess[excess > 0].sum())
    require(
        not excess.any(), f"{name}: {missing} images are missing, {extra} come again"
    )


class PlainCheck:
    """Plain workloads: each image once and unchanged, in a new order in every epoch."""

    def data(self, whole: Data, part: float, own: Path) -> Data:
        """Return images that hold their number in the first two pixels."""
        n = min(round(len(whole) * part), 2**16)
        images = whole.images[:n].copy()
        images[:, 0, 0], images[:, 0, 1] = np.divmod(np.arange(n), 256)
        return Data(images, whole.labels[:n], own)

    def verify(self, data: Data, work: Work, epochs: list[Iterable]) -> None:
        """Raise CheckError unless both epochs have all images, each in a new order."""
        n, orders = len(data), []
        for epoch in epochs:
            images, labels = collect(data, work, epoch, 0.01)
            index = images[:, 0, 0].astype(np.int64) * 256 + images[:, 0, 1]
            _same_counts("an epoch", index, np.arange(n))
            require(np.array_equal(images, data.images[index]), "pixels were changed")
            require(np.array_equal(labels, data.labels[index]), "labels are wrong")
            orders.append(index)
        unrelated = [(order, np.arange(n)) for order in orders] + [tuple(orders)]
        for a, b in unrelated:
            # The correlation of two shuffles has a deviation of about 1 / sqrt(n).
            alike = float(np.corrcoef(a, b)[0, 1])
            require(
                abs(alike) < 6 / np.sqrt(n), f"not shuffled: correlation {alike:.2f}"
            )


class Marks:
    """Crops and flips: a bright pixel moves from the middle to all places alike."""

    def data(self, whole: Data, part: float, own: Path) -> Data:
        """Return images with a bright mark in the middle and a pixel to its right."""
        n = max(4000, round(2 * N_OFFSETS**2 * PER_CELL * part))
        images = np.zeros((n, 28, 28), np.uint8)
        images[:, 14, 14] = LOWEST_MARK + np.arange(n) // 10 % N_MARKS
        images[:, 14, 15] = BESIDE
        return Data(images, (np.arange(n) % 10).astype(np.uint8), own)

    def verify(self, data: Data, work: Work, epochs: list[Iterable]) -> None:
        """Raise CheckError unless places and flips are drawn for each image."""
        places = []
        for epoch in epochs:
            images, labels = collect(data, work, epoch, 0.01)
            _same_counts("labels", labels, data.labels)
            flat = images.reshape(len(images), -1)
            mark, at = flat.max(1).astype(np.int64), flat.argmax(1)
            seen = mark >= LOWEST_MARK
            if "erasing" in work.augment:
                require(
                    seen.mean() > 0.7, f"only {seen.mean():.0%} of the marks are left"
                )
            else:
                expected = data.images[:, 14, 14].astype(np.int64) * 10 + data.labels
                _same_counts("an epoch", mark * 10 + labels, expected)
            places.append(self._cells(images, at, seen, work))
        both = (places[0] >= 0) & (places[1] >= 0)
        same = (places[0] == places[1])[both].mean()
        require(same < 0.1, f"{same:.0%} of the images are the same in two epochs")

    def _cells(
        self, images: np.ndarray, at: np.ndarray, seen: np.ndarray, work: Work
    ) -> np.ndarray:
        """Return the number of each image's place and flip, -1 without a mark."""
        y, x = np.divmod(at, 28)
        right = images[np.arange(len(x)), y, np.minimum(x + 1, 27)]
        left = images[np.arange(len(x)), y, np.maximum(x - 1, 0)]
        seen = seen & ((left == BESIDE) != (right == BESIDE))
        flipped = left == BESIDE
        down, across = y - 10, np.where(flipped, 27 - x, x) - 10
        inside = [
            (k[seen] >= 0).all() and (k[seen] < N_OFFSETS).all() for k in (down, across)
        ]
        require(all(inside), f"an image was moved by more than {works.PADDING} pixels")
        cells = np.where(seen, (down * N_OFFSETS + across) * 2 + flipped, -1)
        n_cells = 2 * N_OFFSETS**2
        counts = np.bincount(cells[seen], minlength=n_cells)
        require(counts.all(), f"{(counts == 0).sum()} of {n_cells} offsets never occur")
        expected = seen.sum() / n_cells
        chi2 = float(((counts - expected) ** 2 / expected).sum())
        bound = n_cells + 8 * np.sqrt(2 * n_cells)
        require(
            chi2 < bound,
            f"offsets are not uniform: chi2 must be below {bound:.0f}, got {chi2:.0f}",
        )
        # If each image has an offset of its own, a batch has this many different ones.
        size = min(work.batch_size, 128)
        expected = n_cells * (1 - (1 - 1 / n_cells) ** size)
        for begin in range(0, len(cells) - size + 1, size):
            batch = cells[begin : begin + size]
            n = len(np.unique(batch[batch >= 0]))
            require(n > 0.6 * expected, f"a batch of {size} has only {n} offsets")
        return cells


class White:
    """Erasing: half of white images get a black rectangle, in many sizes."""

    def data(self, whole: Data, part: float, own: Path) -> Data:
        """Return white images."""
        n = max(2000, round(10_000 * part))
        images = np.full((n, 28, 28), 255, np.uint8)
        return Data(images, (np.arange(n) % 10).astype(np.uint8), own)

    def verify(self, data: Data, work: Work, epochs: list[Iterable]) -> None:
        """Raise CheckError unless rectangles have the right frequency and sizes."""
        for epoch in epochs:
            images, _ = collect(data, work, epoch, 0.01)
            inner = images[:, 4:24, 4:24] == 0  # crops leave no padding here
            area = inner.sum((1, 2))
            share = float((area > 0).mean())
            require(0.38 < share < 0.56, f"erased in {share:.0%} of the images")
            size = float(area[area > 0].mean()) / inner[0].size
            require(0.1 < size < 0.3, f"{size:.0%} of an image is erased, on average")
            n = len(np.unique(area[:128]))
            require(n > 20, f"128 images have only {n} sizes of rectangles")


class Blobs:
    """Affine maps: two spots show the angle, the scale and the shift of each image."""

    def data(self, whole: Data, part: float, own: Path) -> Data:
        """Return images with two bright spots."""
        n = max(2000, round(10_000 * part))
        images = np.zeros((n, 28, 28), np.uint8)
        images[:, 13:16, 6:9] = images[:, 13:16, 19:22] = 250
        return Data(images, (np.arange(n) % 10).astype(np.uint8), own)

    def verify(self, data: Data, work: Work, epochs: list[Iterable]) -> None:
        """Raise CheckError unless maps are bilinear, and drawn for each image."""
        for epoch in epochs:
            images, labels = collect(data, work, epoch, 0.5)
            _same_counts("labels", labels, data.labels)
            between = ((images > 10) & (images < 240)).any((1, 2)).mean()
            require(
                between > 0.9,
                f"not bilinear: only {between:.0%} of the images have gray levels "
                "between black and white",
            )
            left, right = self._center(images, 0), self._center(images, 14)
            dy, dx = (right - left).T
            angle, length = np.degrees(np.arctan2(dy, dx)), np.hypot(dx, dy) / 13
            shift = (left + right) / 2 - (14, 13.5)
            # A rotation moves the middle of the spots too, as it is not the image's.
            most = 28 * works.TRANSLATE + 0.6
            self._spread("angles", angle, works.DEGREES, 1)
            self._spread("scales", length - 1, works.SCALE[1] - 1, 0.02)
            self._spread("shifts down", shift[:, 0], most, 0.6)
            self._spread("shifts right", shift[:, 1], most, 0.6)

    def _center(self, images: np.ndarray, begin: int) -> np.ndarray:
        """Return the center of the spot in a half of each image: (n, 2), y and x."""
        half = images[:, :, begin : begin + 14].astype(np.float64)
        total = half.sum((1, 2))
        require(total.all(), "a spot is gone")
        down = (half * np.arange(28)[:, None]).sum((1, 2)) / total
        right = (half * np.arange(begin, begin + 14)).sum((1, 2)) / total
        return np.stack([down, right], 1)

    def _spread(self, name: str, values: np.ndarray, most: float, slack: float) -> None:
        """Require values that are uniform in -most..most, and drawn for each image."""
        far, deviation = float(np.abs(values).max()), float(values.std())
        require(far < most + slack, f"{name} must be at most {most:.2f}, got {far:.2f}")
        expected = most / np.sqrt(3)  # deviation of a uniform distribution
        require(
            0.8 * expected < deviation < 1.2 * expected,
            f"{name} must have a deviation of {expected:.3f}, got {deviation:.3f}",
        )
        inside = values[:128].std()
        require(
            inside > 0.6 * expected,
            f"{name} of a batch must have a deviation of about {expected:.3f}, "
            f"got {inside:.3f}",
        )


def checks_of(work: Work) -> list:
    """Return the checks that the output of `work` has to pass."""
    if not work.augment:
        return [PlainCheck()]
    if "affine" in work.augment:
        return [Blobs()]
    return [Marks(), White()] if "erasing" in work.augment else [Marks()]

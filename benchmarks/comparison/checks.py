"""Does a contender do the work? Told by what comes out of images made for it.

In images of plain works the first two pixels hold the image's number; in those of
augmented works a mark shows where it was moved to. Every image must come once an epoch,
in an order that is neither the dataset's nor the last epoch's, and what is drawn at
random must be spread as the work says, image by image.
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
LOWEST_MARK, BESIDE = 101, 100  # grey levels of the mark, and of the pixel to its right
N_MARKS = 150


class CheckError(Exception):
    """What came out isn't what the work asks for."""


def require(holds: object, text: str) -> None:
    if not holds:
        raise CheckError(text)


def collect(
    data: Data, work: Work, epoch: Iterable, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """All of an epoch, as pixels again: uint8 (n, 28, 28), labels (n,).

    Float pixels may be off a whole number by `tolerance`.
    """
    images, labels, n_seen = [], [], 0
    rest = len(data) % work.batch_size  # of the short batch, once, wherever it comes
    for x, y in epoch:
        x, y = np.asarray(x), np.asarray(y)
        n, rest = (rest, 0) if len(y) == rest else (work.batch_size, rest)
        require(
            x.shape == (n, 1, 28, 28) and x.dtype == work.dtype,
            f"wanted {work.dtype} {(n, 1, 28, 28)}, got {x.dtype} {x.shape}",
        )
        require(
            y.shape == (n,) and y.dtype.kind in "iu",
            f"wanted integer labels {(n,)}, got {y.dtype} {y.shape}",
        )
        if work.dtype == "float32":
            x = (x.astype(np.float64) - float(data.bias)) / float(data.scale)
            whole = np.rint(x)
            off = float(np.abs(x - whole).max())
            require(off <= tolerance, f"a pixel is {off:.3f} grey levels off")
            require(
                whole.min() >= 0 and whole.max() <= 255,
                f"pixels are {whole.min():.0f} to {whole.max():.0f} grey levels",
            )
            x = whole.astype(np.uint8)
        images.append(x[:, 0].copy())
        labels.append(y.astype(np.int64))
        n_seen += n
    require(n_seen == len(data), f"wanted {len(data)} images, got {n_seen}")
    return np.concatenate(images), np.concatenate(labels)


def _same_counts(name: str, found: np.ndarray, wanted: np.ndarray) -> None:
    """Each value as often as it should be; both are integers from 0 on."""
    n = int(max(found.max(), wanted.max())) + 1
    off = np.bincount(found, minlength=n) - np.bincount(wanted, minlength=n)
    missing, twice = int(-off[off < 0].sum()), int(off[off > 0].sum())
    require(
        not off.any(),
        f"{name}: {missing} images don't come, {twice} come once too often",
    )


class Identity:
    """Plain works: each image once and unchanged, shuffled anew in every epoch."""

    def data(self, whole: Data, part: float, own: Path) -> Data:
        n = min(round(len(whole) * part), 2**16)
        images = whole.images[:n].copy()
        images[:, 0, 0], images[:, 0, 1] = np.divmod(np.arange(n), 256)
        return Data(images, whole.labels[:n], own)

    def verify(self, data: Data, work: Work, epochs: list[Iterable]) -> None:
        n, orders = len(data), []
        for epoch in epochs:
            images, labels = collect(data, work, epoch, 0.01)
            index = images[:, 0, 0].astype(np.int64) * 256 + images[:, 0, 1]
            _same_counts("an epoch", index, np.arange(n))
            require(np.array_equal(images, data.images[index]), "pixels were changed")
            require(np.array_equal(labels, data.labels[index]), "labels don't fit")
            orders.append(index)
        pairs = [(orders[0], np.arange(n)), (orders[1], np.arange(n)), tuple(orders)]
        for a, b in pairs:  # of two shuffles, 1 / sqrt(n) or so
            alike = float(np.corrcoef(a, b)[0, 1])
            require(abs(alike) < 6 / np.sqrt(n), f"not shuffled: {alike:.2f} in order")


class Marks:
    """Crops and flips: a bright pixel in the middle goes to all places alike."""

    def data(self, whole: Data, part: float, own: Path) -> Data:
        n = max(4000, round(2 * N_OFFSETS**2 * PER_CELL * part))
        images = np.zeros((n, 28, 28), np.uint8)
        images[:, 14, 14] = LOWEST_MARK + np.arange(n) // 10 % N_MARKS
        images[:, 14, 15] = BESIDE
        return Data(images, (np.arange(n) % 10).astype(np.uint8), own)

    def verify(self, data: Data, work: Work, epochs: list[Iterable]) -> None:
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
                wanted = data.images[:, 14, 14].astype(np.int64) * 10 + data.labels
                _same_counts("an epoch", mark * 10 + labels, wanted)
            places.append(self._cells(images, at, seen, work))
        both = (places[0] >= 0) & (places[1] >= 0)
        same = (places[0] == places[1])[both].mean()
        require(same < 0.1, f"{same:.0%} of two epochs were drawn alike")

    def _cells(
        self, images: np.ndarray, at: np.ndarray, seen: np.ndarray, work: Work
    ) -> np.ndarray:
        """The number of the place and flip of each image, -1 where its mark is gone."""
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
        require(counts.all(), f"{(counts == 0).sum()} of {n_cells} offsets never come")
        expected = seen.sum() / n_cells
        chi2 = float(((counts - expected) ** 2 / expected).sum())
        bound = n_cells + 8 * np.sqrt(2 * n_cells)
        require(chi2 < bound, f"offsets are not uniform: chi2 {chi2:.0f} of {n_cells}")
        size = min(work.batch_size, 128)
        wanted = n_cells * (1 - (1 - 1 / n_cells) ** size)
        for begin in range(0, len(cells) - size + 1, size):
            batch = cells[begin : begin + size]
            n = len(np.unique(batch[batch >= 0]))
            require(n > 0.6 * wanted, f"a batch of {size} has only {n} offsets")
        return cells


class White:
    """Erasing: in white images, how many have a black rectangle, and how large."""

    def data(self, whole: Data, part: float, own: Path) -> Data:
        n = max(2000, round(10_000 * part))
        images = np.full((n, 28, 28), 255, np.uint8)
        return Data(images, (np.arange(n) % 10).astype(np.uint8), own)

    def verify(self, data: Data, work: Work, epochs: list[Iterable]) -> None:
        for epoch in epochs:
            images, _ = collect(data, work, epoch, 0.01)
            inner = images[:, 4:24, 4:24] == 0  # which no crop leaves
            area = inner.sum((1, 2))
            share = float((area > 0).mean())
            require(0.38 < share < 0.56, f"erased in {share:.0%} of the images")
            size = float(area[area > 0].mean()) / inner[0].size
            require(0.1 < size < 0.3, f"{size:.0%} of an image is erased, on average")
            n = len(np.unique(area[:128]))
            require(n > 20, f"128 images have only {n} sizes of rectangles")


class Blobs:
    """Affine maps: two spots tell the angle, the scale and the shift of each image."""

    def data(self, whole: Data, part: float, own: Path) -> Data:
        n = max(2000, round(10_000 * part))
        images = np.zeros((n, 28, 28), np.uint8)
        images[:, 13:16, 6:9] = images[:, 13:16, 19:22] = 250
        return Data(images, (np.arange(n) % 10).astype(np.uint8), own)

    def verify(self, data: Data, work: Work, epochs: list[Iterable]) -> None:
        for epoch in epochs:
            images, labels = collect(data, work, epoch, 0.5)
            _same_counts("labels", labels, data.labels)
            between = ((images > 10) & (images < 240)).any((1, 2)).mean()
            require(
                between > 0.9, f"not bilinear: {between:.0%} have grey levels between"
            )
            left, right = self._centre(images, 0), self._centre(images, 14)
            dy, dx = (right - left).T
            angle, length = np.degrees(np.arctan2(dy, dx)), np.hypot(dx, dy) / 13
            shift = (left + right) / 2 - (14, 13.5)
            most = (
                28 * works.TRANSLATE + 0.6
            )  # a rotation moves the middle of the spots
            self._spread("angles", angle, works.DEGREES, 1)
            self._spread("scales", length - 1, works.SCALE[1] - 1, 0.02)
            # A rotation moves the middle of the spots, which isn't the image's.
            self._spread("shifts down", shift[:, 0], most, 0.6)
            self._spread("shifts right", shift[:, 1], most, 0.6)

    def _centre(self, images: np.ndarray, begin: int) -> np.ndarray:
        """Of the spot in the left or right half: (n, 2), down and right."""
        half = images[:, :, begin : begin + 14].astype(np.float64)
        total = half.sum((1, 2))
        require(total.all(), "a spot is gone")
        down = (half * np.arange(28)[:, None]).sum((1, 2)) / total
        right = (half * np.arange(begin, begin + 14)).sum((1, 2)) / total
        return np.stack([down, right], 1)

    def _spread(self, name: str, values: np.ndarray, most: float, slack: float) -> None:
        """Uniform in -most..most, drawn for each image."""
        far, deviation = float(np.abs(values).max()), float(values.std())
        require(far < most + slack, f"{name} go up to {far:.2f}, wanted {most:.2f}")
        wanted = most / np.sqrt(3)
        require(
            0.8 * wanted < deviation < 1.2 * wanted,
            f"{name} have a deviation of {deviation:.3f}, wanted {wanted:.3f}",
        )
        inside = values[:128].std()
        require(
            inside > 0.6 * wanted, f"{name} of a batch deviate by {inside:.3f} only"
        )


def checks_of(work: Work) -> list:
    """The checks that `work` has to pass."""
    if not work.augment:
        return [Identity()]
    if "affine" in work.augment:
        return [Blobs()]
    return [Marks(), White()] if "erasing" in work.augment else [Marks()]

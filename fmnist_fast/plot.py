"""Figures of a dataset: counts and mean image of each class, a histogram of pixels.

Needs matplotlib, which is imported when a figure is drawn. Figures are made without
pyplot: nothing global is changed, and nothing has to be closed. Colours and fonts are
those of matplotlib's current style.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ._checks import install_hint, one_line

if TYPE_CHECKING:
    import matplotlib.figure

    from .dataset import Dataset

_MAX_CLASSES = 100  # that a figure has room for
_LONGEST_NAME, _LONGEST_TITLE = 24, 80  # characters
_COLUMNS, _MANY = 5, 25  # of mean images; twice as many columns for more classes
_PART_NBYTES = 1 << 20  # of images looked at together: they stay in the cache


def counts(dataset: Dataset) -> matplotlib.figure.Figure:
    """Draw how many images each class has, as bars.

    Raises ImportError without matplotlib, ValueError for more than 100 classes or an
    empty dataset.
    """
    _check(dataset)
    n = dataset.class_counts
    figure = _figure(6.4, 1.0 + 0.3 * len(n))
    axes = figure.add_subplot()
    names = [_plain(name, _LONGEST_NAME) for name in dataset.classes]
    bars = axes.barh(range(len(n)), n, tick_label=names)
    axes.bar_label(bars, [f"{count:,}" for count in n], padding=3)
    axes.invert_yaxis()  # the first class on top
    axes.margins(y=0.02)
    axes.set_xlim(0, 1.15 * n.max())  # with room for the numbers
    axes.locator_params(axis="x", integer=True)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("images")
    axes.set_title(_plain(f"{dataset.title}: {len(dataset):,} images"))
    return figure


def means(dataset: Dataset) -> matplotlib.figure.Figure:
    """Draw the mean image of each class, black 0 and white 255.

    Raises ImportError without matplotlib, ValueError for more than 100 classes or an
    empty dataset.
    """
    _check(dataset)
    images = mean_images(dataset)
    n_columns = min(len(images), _COLUMNS if len(images) <= _MANY else 2 * _COLUMNS)
    n_rows = -(-len(images) // n_columns)
    height = 1.5 * min(3.0, images.shape[1] / images.shape[2])
    figure = _figure(max(4.0, 1.5 * n_columns), 0.4 + (0.25 + height) * n_rows)
    for i, (image, name) in enumerate(zip(images, dataset.classes)):
        axes = figure.add_subplot(n_rows, n_columns, i + 1)
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(_plain(name, _LONGEST_NAME), fontsize="small")
        if np.isnan(image[0, 0]):
            axes.text(0.5, 0.5, "no images", ha="center", transform=axes.transAxes)
    figure.suptitle(_plain(f"{dataset.title}: mean images"))
    return figure


def histogram(dataset: Dataset) -> matplotlib.figure.Figure:
    """Draw how many pixels have each grey level, on a logarithmic axis.

    Raises ImportError without matplotlib, ValueError for an empty dataset.
    """
    if dataset.images.size == 0:
        raise ValueError("an empty dataset has no histogram of pixels")
    shares = 100 * pixel_counts(dataset) / dataset.images.size
    low, high = shares[shares > 0].min(), shares.max()
    figure = _figure(6.4, 3.6)
    axes = figure.add_subplot()
    axes.stairs(shares, np.arange(257) - 0.5, fill=True)
    axes.set_yscale("log")
    axes.set_ylim(min(low / 2, high / 20), 2 * high)  # more than a decade
    axes.yaxis.set_major_formatter("{x:g}")
    axes.tick_params(axis="y", which="minor", labelleft=False)
    axes.set_xlim(-2, 257)
    axes.set_xticks([0, 64, 128, 192, 255])
    axes.set_xlabel("grey level, 0 black")
    axes.set_ylabel("pixels, %")
    mean, std = 255 * dataset.mean, 255 * dataset.std
    moments = f"mean {mean:.1f}, standard deviation {std:.1f}"
    axes.set_title(_plain(f"{dataset.title}: {moments}"))
    return figure


def mean_images(dataset: Dataset) -> np.ndarray:
    """Return the mean image of each class, float64 (classes, height, width), in 0..255.

    From exact sums, over a part of the images at a time: needs memory for the result
    and some megabytes. Classes without images are nan.
    """
    sums = np.zeros((len(dataset.classes), *dataset.images.shape[1:]), np.int64)
    for part in _parts(dataset):
        images, labels = dataset.images[part], dataset.labels[part]
        for label in np.unique(labels):
            # A part has at most 2**20 images, whose sums fit.
            sums[label] += images[labels == label].sum(axis=0, dtype=np.uint32)
    with np.errstate(invalid="ignore"):  # 0 / 0 is nan, as said
        return sums / dataset.class_counts[:, None, None]


def pixel_counts(dataset: Dataset) -> np.ndarray:
    """Return how many pixels have each gray level, int64 (256,), a part at a time."""
    n = np.zeros(256, np.int64)
    for part in _parts(dataset):
        n += np.bincount(dataset.images[part].ravel(), minlength=256)
    return n


def _parts(dataset: Dataset) -> Iterator[slice]:
    _, height, width = dataset.images.shape
    rows = max(1, _PART_NBYTES // (height * width))
    for begin in range(0, len(dataset), rows):
        yield slice(begin, begin + rows)


def _check(dataset: Dataset) -> None:
    if len(dataset) == 0:
        raise ValueError("an empty dataset has no classes with images to draw")
    if len(dataset.classes) > _MAX_CLASSES:
        raise ValueError(
            f"a figure has room for {_MAX_CLASSES} classes, the dataset has "
            f"{len(dataset.classes)}"
        )


def _figure(width: float, height: float) -> matplotlib.figure.Figure:
    with install_hint("figures need matplotlib", "matplotlib"):
        from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _plain(text: str, longest: int = _LONGEST_TITLE) -> str:
    """Return text on one line, cut where it is long, without formulas of matplotlib."""
    return one_line(text, longest).replace("$", r"\$")

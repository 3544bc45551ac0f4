"""Draw plots of a dataset: counts and mean images of classes, and a histogram.

matplotlib is required, and is imported when a plot is drawn. Plots are made without
pyplot, so nothing global changes and no plot has to be closed. Colors and fonts are
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

_MAX_CLASSES = 100  # in a plot
_LONGEST_NAME, _LONGEST_TITLE = 24, 80  # characters
_COLUMNS, _MANY = 5, 25  # columns of mean images, doubled above 25 classes
_PART_NBYTES = 1 << 20  # of images processed together, which stay in the CPU cache


def counts(dataset: Dataset) -> matplotlib.figure.Figure:
    """Draw the number of images of each class as bars.

    Parameters
    ----------
    dataset : Dataset
        Dataset with at least one image and at most 100 classes.

    Returns
    -------
    matplotlib.figure.Figure
        Plot to show or to save with ``savefig``.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    ValueError
        The dataset is empty or has more than 100 classes.
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
    axes.set_xlim(0, 1.15 * n.max())  # leaves room for the numbers
    axes.locator_params(axis="x", integer=True)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("images")
    axes.set_title(_plain(f"{dataset.title}: {len(dataset):,} images"))
    return figure


def means(dataset: Dataset) -> matplotlib.figure.Figure:
    """Draw the mean image of each class, from black for 0 to white for 255.

    Parameters
    ----------
    dataset : Dataset
        Dataset with at least one image and at most 100 classes.

    Returns
    -------
    matplotlib.figure.Figure
        Plot to show or to save with ``savefig``.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    ValueError
        The dataset is empty or has more than 100 classes.
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
    """Draw the share of pixels with each gray level, on a logarithmic axis.

    Parameters
    ----------
    dataset : Dataset
        Dataset with at least one image.

    Returns
    -------
    matplotlib.figure.Figure
        Plot to show or to save with ``savefig``.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    ValueError
        The dataset is empty.
    """
    if dataset.images.size == 0:
        raise ValueError("dataset must have at least one image, got 0")
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
    axes.set_xlabel("gray level, 0 is black")
    axes.set_ylabel("pixels, %")
    mean, std = 255 * dataset.mean, 255 * dataset.std
    moments = f"mean {mean:.1f}, standard deviation {std:.1f}"
    axes.set_title(_plain(f"{dataset.title}: {moments}"))
    return figure


def mean_images(dataset: Dataset) -> np.ndarray:
    """Return the mean image of each class, from exact sums.

    It takes memory for the result and some megabytes, because it sums a part of the
    images at a time.

    Parameters
    ----------
    dataset : Dataset
        Dataset of any size.

    Returns
    -------
    ndarray, float64 (classes, height, width)
        Mean images in 0..255. Images of classes without rows are nan.
    """
    sums = np.zeros((len(dataset.classes), *dataset.images.shape[1:]), np.int64)
    for part in _parts(dataset):
        images, labels = dataset.images[part], dataset.labels[part]
        for label in np.unique(labels):
            # A part has at most 2**20 images, so a sum is below 2**28 and fits.
            sums[label] += images[labels == label].sum(axis=0, dtype=np.uint32)
    with np.errstate(invalid="ignore"):  # 0 / 0 is nan, as documented
        return sums / dataset.class_counts[:, None, None]


def pixel_counts(dataset: Dataset) -> np.ndarray:
    """Return the number of pixels with each gray level, counted a part at a time.

    Parameters
    ----------
    dataset : Dataset
        Dataset of any size.

    Returns
    -------
    ndarray, int64 (256,)
        Number of pixels with each gray level.
    """
    n = np.zeros(256, np.int64)
    for part in _parts(dataset):
        n += np.bincount(dataset.images[part].ravel(), minlength=256)
    return n


def _parts(dataset: Dataset) -> Iterator[slice]:
    """Yield slices of rows whose images have about 1 MiB each."""
    _, height, width = dataset.images.shape
    rows = max(1, _PART_NBYTES // (height * width))
    for begin in range(0, len(dataset), rows):
        yield slice(begin, begin + rows)


def _check(dataset: Dataset) -> None:
    """Raise ValueError if there are no images or too many classes to draw."""
    if len(dataset) == 0:
        raise ValueError("dataset must have at least one image, got 0")
    if len(dataset.classes) > _MAX_CLASSES:
        raise ValueError(
            f"dataset must have at most {_MAX_CLASSES} classes, got "
            f"{len(dataset.classes)}"
        )


def _figure(width: float, height: float) -> matplotlib.figure.Figure:
    """Return an empty Figure with the given width and height in inches."""
    with install_hint("plots require matplotlib", "matplotlib"):
        from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _plain(text: str, longest: int = _LONGEST_TITLE) -> str:
    """Return text on one line, cut if too long, with $ escaped so it is no formula."""
    return one_line(text, longest).replace("$", r"\$")

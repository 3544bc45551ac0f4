"""Recover pixels and captions from the batches of a loader, for `Loader.show`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._checks import checked_integer
from .._core import default_floats
from .contact_sheet import MAX_IMAGES, contact_sheet

if TYPE_CHECKING:
    import PIL.Image


class Kind(NamedTuple):
    """How the pixels of a loader's batches lie, and what was done to them.

    `sides` are the height and width of the images. `scale` and `bias` are a number for
    all channels, or one for each. `n_views` is 0 for batches without an axis of views.
    """

    layout: str
    sides: tuple[int, int]
    channels: int
    scale: float | tuple[float, ...]
    bias: float | tuple[float, ...]
    n_views: int = 0


def batch_sheet(
    batch: Any, dataset: Any, kind: Kind, count: int, columns: int, zoom: int | None
) -> PIL.Image.Image:
    """Return a contact sheet of the first `count` samples of a batch of `dataset`.

    The views of a sample stand side by side. Its label is below the first of them,
    unless each has a label of its own.
    """
    count = checked_integer("count", count, 1, MAX_IMAGES)
    images, labels = arrays_of(batch, kind.n_views)
    classes, n = dataset.classes, images.shape[kind.n_views > 0]
    title = f"{dataset._heading}: {min(count, n):,} of a batch of {n:,}"
    if kind.n_views == 0:
        pixels = pixels_of(images[:count], kind)
        captions = captions_of(labels[:count], classes)
    else:
        title += f", {kind.n_views} view{'s' * (kind.n_views > 1)} each"
        pixels = _sample_after_sample(pixels_of(images[:, :count], kind))
        if labels.ndim == 3:
            captions = captions_of(_sample_after_sample(labels[:, :count]), classes)
        else:
            captions = [""] * len(pixels)
            captions[:: kind.n_views] = captions_of(labels[:count], classes)
    group = max(1, kind.n_views)
    return contact_sheet(
        pixels, captions, columns=columns, zoom=zoom, title=title, group=group
    )


def _sample_after_sample(array: np.ndarray) -> np.ndarray:
    """Return (views, n, ...) as (n * views, ...), each sample with its views."""
    return array.swapaxes(0, 1).reshape(-1, *array.shape[2:])


def arrays_of(batch: Any, n_views: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and the labels of a batch, if each image has a label."""
    try:
        images, labels = map(np.asarray, batch)
    except (TypeError, ValueError):
        raise TypeError(
            "batch must be a pair (images, labels) from the loader, got "
            f"{type(batch).__name__}"
        ) from None
    if n_views and images.shape[:1] != (n_views,):
        raise ValueError(
            f"images of a batch must begin with the loader's axis of {n_views} views, "
            f"got shape {images.shape}"
        )
    rows = images.shape[: 1 + (n_views > 0)]
    if labels.ndim < 3:  # the views of a sample share its label
        rows = rows[-1:]
    if images.size == 0 or images.ndim == 0 or rows != labels.shape[: len(rows)]:
        raise ValueError(
            "batch must have images and one label for each sample, got images of shape "
            f"{images.shape} and labels of shape {labels.shape}"
        )
    return images, labels


@default_floats
def pixels_of(images: np.ndarray, kind: Kind) -> np.ndarray:
    """Return the pixels of a batch before normalization, uint8 (..., height, width).

    Before these axes, the result has the axes of views and rows that the images have.
    After them, it has the three colors if the channels of the images differ. A batch of
    uint16 holds the bits of bfloat16.
    """
    images = _with_channels_last(images, kind)
    if images.dtype == np.uint16:
        images = (images.astype(np.uint32) << 16).view(np.float32)
    if images.dtype != np.uint8:
        values = images.astype(np.float64)
        if not np.isfinite(values).all():
            raise ValueError("images of a batch must be finite, got nan or inf")
        values = (values - np.asarray(kind.bias)) / np.asarray(kind.scale)
        images = np.rint(values).clip(0, 255).astype(np.uint8)
    # bfloat16 is up to one level off, in each channel by itself.
    is_gray = np.ptp(images, axis=-1).max() <= 2
    return images[..., 0] if is_gray else images


def _with_channels_last(images: np.ndarray, kind: Kind) -> np.ndarray:
    """Return the images of any layout as (..., height, width, channels)."""
    n_axes = 1 + (kind.n_views > 0)
    axes, shape = images.shape[:n_axes], images.shape[n_axes:]
    sizes = {"NCHW": shape[1:], "NHWC": shape[:-1], "NHW": shape, "flat": kind.sides}
    sides, n = sizes[kind.layout], kind.channels
    if len(sides) != 2 or math.prod(sides) * n != math.prod(shape):
        height, width = kind.sides
        raise ValueError(
            f"images of a batch must have the loader's layout, {kind.layout} of "
            f"{height}x{width} pixels{' in 3 channels' * (n > 1)}, got shape "
            f"{images.shape}"
        )
    if kind.layout == "NHWC":
        return images.reshape(*axes, *sides, n)
    return np.moveaxis(images.reshape(*axes, n, *sides), n_axes, -1)


def captions_of(labels: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Return the class name of each label, or of its two largest shares if mixed."""
    if labels.ndim == 1 and labels.dtype.kind in "iu":
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
            raise ValueError(
                f"labels of a batch must be in 0..{len(classes) - 1}, got "
                f"{labels.min()} to {labels.max()}"
            )
        return [classes[label] for label in labels]
    if labels.shape[1:] != (len(classes),):
        raise ValueError(
            f"labels of a batch must be integers or of shape (n, {len(classes)}), got "
            f"{labels.dtype} {labels.shape}"
        )
    captions = []
    for shares in labels:
        largest = np.argsort(-shares, kind="stable")[:2]
        mixed = [f"{classes[i]} {shares[i]:.0%}" for i in largest if shares[i] > 0]
        captions.append(classes[largest[0]] if len(mixed) < 2 else ", ".join(mixed))
    return captions

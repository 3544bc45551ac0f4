"""Recover pixels and captions from the batches of a loader, for `Loader.show`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import checked_integer
from .._core import default_floats
from .contact_sheet import MAX_IMAGES, contact_sheet

if TYPE_CHECKING:
    import PIL.Image


def batch_sheet(
    batch: Any, dataset: Any, kind: tuple, count: int, columns: int, zoom: int | None
) -> PIL.Image.Image:
    """Return a contact sheet of a batch of `dataset`.

    `kind` has the arguments of `pixels_of` after the images.
    """
    count = checked_integer("count", count, 1, MAX_IMAGES)
    images, labels = arrays_of(batch)
    pixels = pixels_of(images[:count], *kind)
    captions = captions_of(labels[:count], dataset.classes)
    title = f"{dataset._heading}: {len(pixels):,} of a batch of {len(images):,}"
    return contact_sheet(pixels, captions, columns=columns, zoom=zoom, title=title)


def arrays_of(batch: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and the labels of a batch, if each image has a label."""
    try:
        images, labels = map(np.asarray, batch)
    except (TypeError, ValueError):
        raise TypeError(
            "batch must be a pair (images, labels) from the loader, got "
            f"{type(batch).__name__}"
        ) from None
    if images.size == 0 or images.ndim == 0 or images.shape[:1] != labels.shape[:1]:
        raise ValueError(
            "batch must have images and one label for each image, got images of shape "
            f"{images.shape} and labels of shape {labels.shape}"
        )
    return images, labels


@default_floats
def pixels_of(
    images: np.ndarray, layout: str, sides: tuple[int, int], scale: float, bias: float
) -> np.ndarray:
    """Return the pixels of a batch before normalization, uint8 (n, height, width).

    `layout`, `scale` and `bias` are those of the loader. `sides` are the height and
    width of its images. A batch of uint16 holds the bits of bfloat16.
    """
    n, *shape = images.shape
    sizes = {"NCHW": shape[1:], "NHWC": shape[:-1], "NHW": shape, "flat": sides}
    height_width = sizes[layout]
    if len(height_width) != 2 or math.prod(height_width) != math.prod(shape):
        raise ValueError(
            f"images of a batch must have the loader's layout, {layout} of "
            f"{sides[0]}x{sides[1]} pixels, got shape {images.shape}"
        )
    images = images.reshape(n, *height_width)
    if images.dtype == np.uint8:
        return images
    if images.dtype == np.uint16:
        images = (images.astype(np.uint32) << 16).view(np.float32)
    values = images.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("images of a batch must be finite, got nan or inf")
    return np.rint((values - bias) / scale).clip(0, 255).astype(np.uint8)


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

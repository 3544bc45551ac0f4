"""Say how to convert arrays of other types and shapes, for the errors of from_arrays.

The advice is an expression of the argument: NumPy as `numpy`, and `images` or `labels`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

_GRAY = "[0.299, 0.587, 0.114]"  # ITU-R BT.601, as in Pillow
_MIN_PIXELS = 16  # of an image in a row that may begin with its label


def wrong_images(images: Any, labels: Any) -> Exception:
    """Return the error for images that are not what `from_arrays` takes."""
    if 0 < _ndim(images) < min(3, _ndim(labels)):
        return ValueError(
            f"images must come before labels, got {_described(images)} as images and "
            f"{_described(labels)} as labels.\nPass them in the other order."
        )
    hint = _images_hint(images, labels)
    if not isinstance(images, np.ndarray):
        return TypeError(f"images must be an ndarray, got {_described(images)}{hint}")
    text = f"C-contiguous, got strides {images.strides}"
    if images.dtype != np.uint8 or images.ndim != 3 or 0 in images.shape[1:]:
        text = f"uint8 of shape (n, height, width), got {_described(images)}"
    return ValueError(f"images must be {text}{hint}")


def labels_hint(labels: Any, named: bool) -> str:
    """Return what to pass in place of labels, for the end of a message, or "".

    `named` says whether the classes have names, which must stay in their order.
    """
    is_array, array = isinstance(labels, np.ndarray), np.asarray(labels)
    text = "labels" if is_array else "numpy.asarray(labels)"
    if array.ndim == 0:
        is_iterator = isinstance(labels, Iterator)
        hints = {"i": "[labels]", "u": "[labels]", "O": "list(labels)" * is_iterator}
        return _pass(hints.get(array.dtype.kind))
    if array.ndim == 2 and 1 in array.shape:
        text += "[:, 0]" if array.shape[1] == 1 else "[0]"
        array = array.reshape(-1)
    if array.ndim == 2 and _is_one_hot(array):
        text, array = f"{text}.argmax(axis=1)", array.argmax(axis=1)
    if array.ndim != 1 or not len(array):
        return ""
    if array.dtype.kind == "b":
        text += ".astype('uint8')"
    elif array.dtype.kind == "f" and not (array == np.round(array)).all():
        return ""
    elif array.dtype.kind not in "iu":
        try:
            array.astype(np.int64)
            text += ".astype('int64')"
        except (OverflowError, TypeError, ValueError):
            is_names = all(isinstance(label, str) for label in array.tolist())
            if is_names and named:
                return ".\nPass the number of the class in place of each name."
            unique = f"numpy.unique({text}, return_inverse=True)[1]"
            text = f"{unique}, and classes=numpy.unique({text})" * is_names
    return _pass(text)


def _pass(text: str | None) -> str:
    """Return a sentence that tells what to pass, for the end of a message, or ""."""
    return f".\nPass {text}." if text else ""


def _is_one_hot(labels: np.ndarray) -> bool:
    """Return whether each row has a 1, and zeros otherwise."""
    if labels.dtype.kind not in "biuf":
        return False
    is_one = labels == 1
    return bool(((labels == 0) | is_one).all() and (is_one.sum(axis=1) == 1).all())


def _ndim(value: Any) -> int:
    """Return the number of dimensions, which is 1 for lists of several lengths."""
    try:
        return np.ndim(value)
    except ValueError:
        return 1


def _described(value: Any) -> str:
    """Return the type and shape of an array, or the type of anything else."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return type(value).__name__


def _images_hint(images: Any, labels: Any) -> str:
    """Return what to pass in place of images, for the end of a message, or ""."""
    try:
        text, images = _as_array(images)
    except ValueError:
        return ".\nAll images must have one size."
    except TypeError:  # not arrays
        return ""
    if images.dtype.kind not in "biuf" or images.size == 0 or images.ndim == 0:
        return ""
    low, high = images.min(), images.max()
    if not np.isfinite([low, high]).all():
        return ".\nReplace NaN and infinite values first."
    shaped = _shaped(text, images, len(labels) if _ndim(labels) else 1)
    if shaped is None:
        return ".\nReshape them to (n, height, width)."
    text, images = shaped
    text = _scaled(text, images.dtype, low, high)
    if not text:
        return f".\nScale them to 0..255 first. They are {low:.6g} to {high:.6g}."
    if not images.flags.c_contiguous:
        text = f"numpy.ascontiguousarray({text})"
    has_labels = "[:, 1:]" in text
    return ".\nThe first column seems to be the labels" * has_labels + _pass(text)


def _as_array(images: Any) -> tuple[str, np.ndarray]:
    """Return images as an array, and the expression for it."""
    text = "images"
    if hasattr(images, "detach"):  # PyTorch's tensors, also on a device
        text, images = "images.numpy(force=True)", images.numpy(force=True)
    if not isinstance(images, np.ndarray):
        text, images = f"numpy.asarray({text})", np.asarray(images)
    if images.dtype == object and images.ndim == 1:
        text, images = f"numpy.stack({text})", np.stack(images)
    return text, images


def _shaped(text: str, images: np.ndarray, n: int) -> tuple[str, np.ndarray] | None:
    """Return the expression and the array with the shape (n, height, width)."""
    *_, width = shape = images.shape
    if len(shape) == 3:
        return text, images
    if len(shape) == 4 and width == 1:
        return f"{text}[..., 0]", images[..., 0]
    if len(shape) == 4 and shape[1] == 1:
        return f"{text}[:, 0]", images[:, 0]
    if len(shape) == 4 and (width in (3, 4) or shape[1] == 3):
        colors = {3: "", 4: "[..., :3]"}.get(width, ".transpose(0, 2, 3, 1)")
        return f"({text}{colors} @ {_GRAY})", np.empty((1, 1, 1))  # floats
    if shape[0] != n and n == 1 and len(shape) < 3:
        return _shaped(f"{text}[None]", images[None], n)
    side, with_label = math.isqrt(width), math.isqrt(width - 1)
    if len(shape) == 2 and side**2 == width:
        return f"{text}.reshape(-1, {side}, {side})", images.reshape(-1, side, side)
    if len(shape) == 2 and with_label**2 == width - 1 >= _MIN_PIXELS:
        side = with_label
        pixels = images[:, 1:].reshape(-1, side, side)
        return f"{text}[:, 1:].reshape(-1, {side}, {side})", pixels
    return None


def _scaled(text: str, dtype: np.dtype, low: Any, high: Any) -> str:
    """Return the expression of uint8 pixels, or "", from levels in `low`..`high`."""
    if dtype == np.uint8:
        return text
    if dtype.kind == "b":
        return f"{text}.astype('uint8') * 255"
    if dtype.kind == "f":
        if 0 <= low and high <= 1:
            return f"({text} * 255).round().astype('uint8')"
        if 0 <= low and 128 <= high <= 255:
            return f"{text}.round().astype('uint8')"
        if -1 <= low and high <= 1:
            return f"(({text} + 1) * 127.5).round().astype('uint8')"
    elif 0 <= low and high <= 255:
        return f"{text}.astype('uint8')"
    elif dtype == np.uint16:
        return f"({text} / 257).round().astype('uint8')"
    return ""

"""Gray levels, as in src/augment/tone.h, for transforms that are exact in integers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def _invert(pixels: jax.Array, value: float) -> jax.Array:
    return 255 - pixels


def _posterize(pixels: jax.Array, value: float) -> jax.Array:
    """Keep the upper `value` bits."""
    return pixels & np.uint8(256 - (1 << (8 - round(value))) & 0xFF)


def _solarize(pixels: jax.Array, value: float) -> jax.Array:
    """Invert gray levels from `value` on."""
    is_bright = pixels.astype(jnp.int32) >= math.ceil(value)
    return jnp.where(is_bright, 255 - pixels, pixels)


def _autocontrast(pixels: jax.Array, value: float) -> jax.Array:
    """Scale the gray levels of each image to 0..255."""
    low = pixels.min(axis=1)
    spread = pixels.max(axis=1) - low
    table = jnp.asarray(_spread_levels())[spread]
    return _looked_up(table, pixels - low[:, None], spread > 0, pixels)


def _spread_levels() -> np.ndarray:
    """Return the gray level of each distance from the darkest one, uint8 (256, 256).

    The first axis is the distance of the brightest one.
    """
    distances = np.arange(256, dtype=np.float32)
    scales = np.maximum(distances, 1) * np.float32(np.float32(1) / np.float32(255))
    return np.clip(distances / scales[:, None], 0, 255).astype(np.uint8)


def _equalize(pixels: jax.Array, value: float) -> jax.Array:
    """Flatten the histogram of each image."""
    n = len(pixels)
    rows = jnp.arange(n, dtype=jnp.uint32)[:, None]
    counts = jnp.zeros((n, 256), jnp.uint32).at[rows, pixels].add(np.uint32(1))
    below = jnp.cumsum(counts, axis=1, dtype=jnp.uint32) - counts
    brightest = pixels.max(axis=1)[:, None].astype(jnp.uint32)
    n_darker = jnp.take_along_axis(below, brightest, axis=1)
    n_each = n_darker // np.uint32(255)
    levels = (below + n_each // np.uint32(2)) // jnp.maximum(n_each, np.uint32(1))
    table = jnp.minimum(levels, np.uint32(255)).astype(jnp.uint8)
    return _looked_up(table, pixels, n_each[:, 0] > 0, pixels)


def _looked_up(
    tables: jax.Array, levels: jax.Array, is_changed: jax.Array, others: jax.Array
) -> jax.Array:
    """Return a table's value for each gray level of each image, if it changes."""
    changed = jnp.take_along_axis(tables, levels.astype(jnp.uint32), axis=1)
    return jnp.where(is_changed[:, None], changed, others)


TONES: Mapping[str, Callable[[Any, float], Any]] = {
    "invert": _invert,
    "posterize": _posterize,
    "solarize": _solarize,
    "autocontrast": _autocontrast,
    "equalize": _equalize,
}

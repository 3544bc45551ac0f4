"""Pixels and labels in the data types and layouts of batches, as in src/convert.h."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..._loader.options import image_shape

LABEL_DTYPES = ("int32", "uint8", "onehot")
# Beyond these limits, products or sums may be denormal numbers, which compilers of JAX
# replace by 0, or products may overflow.
MIN_SCALE, MAX_SCALE = 2.0**-100, 2.0**100


def converted(
    pixels: jax.Array,
    sides: tuple[int, int],
    dtype: str,
    layout: str,
    scale: tuple[float, ...],
    bias: tuple[float, ...],
) -> jax.Array:
    """Return uint8 (n, pixels) as the images of a batch.

    `scale` and `bias` have a number for each channel.
    """
    made: dict[Any, jax.Array] = {}  # channels with the same numbers are made once
    planes = []
    for numbers in zip(scale, bias):
        if numbers not in made:
            made[numbers] = _normalized(pixels, dtype, *numbers)
        planes.append(made[numbers])
    n_channels = len(planes)
    axis = -1 if layout == "NHWC" else 1
    images = jnp.stack(planes, axis) if n_channels > 1 else planes[0]
    return images.reshape(len(images), *image_shape(sides, layout, n_channels))


def _normalized(pixels: jax.Array, dtype: str, scale: float, bias: float) -> jax.Array:
    """Return pixels * scale + bias, each operation rounded to float32."""
    if dtype == "uint8":
        return pixels
    x = pixels.astype(jnp.float32)
    if scale != 1 or bias != 0:
        x = _scaled(x, np.float32(scale)) + np.float32(bias)
    return _rounded(x, dtype)


def _scaled(x: jax.Array, scale: np.float32) -> jax.Array:
    """Return x * scale rounded to float32, whatever a compiler does with the result.

    A compiler may contract a product and a sum that follows, so that the product is not
    rounded. Here the two products are exact, because x has 8 bits, and the parts of the
    scale have 16 bits and 8 bits. So their sum is rounded once with and without
    contraction.
    """
    upper = (scale.view(np.uint32) & np.uint32(0xFFFFFF00)).view(np.float32)
    lower = scale - upper
    return x * upper + x * lower


def _rounded(x: jax.Array, dtype: str) -> jax.Array:
    """Return float32 numbers in the data type, rounded to nearest even.

    A compiler may leave out conversions to a smaller type and back. These are made of
    integer operations, as in src/convert.h.
    """
    if dtype == "float32":
        return x
    bits = lax.bitcast_convert_type(x, jnp.uint32)
    if dtype == "bfloat16":
        half = (bits + (0x7FFF + (bits >> 16 & 1))) >> 16
    else:
        half = _float16_bits(bits)
    return lax.bitcast_convert_type(half.astype(jnp.uint16), jnp.dtype(dtype))


def _float16_bits(bits: jax.Array) -> jax.Array:
    """Return the bits of float32 numbers as float16, as fm_convert_float16 does."""
    sign, size = bits >> 16 & 0x8000, bits & 0x7FFFFFFF
    half = (size - 0x38000000 + 0x0FFF + (size >> 13 & 1)) >> 13
    magnitude = lax.bitcast_convert_type(size, jnp.float32)
    shifted = lax.bitcast_convert_type(magnitude + np.float32(0.5), jnp.uint32)
    half = jnp.where(size < 0x38800000, shifted - 0x3F000000, half)
    half = jnp.where(size >= 0x47800000, 0x7C00, half)
    return sign | half


def labels_of(labels: jax.Array, dtype: str, n_classes: int) -> jax.Array:
    """Return the numbers of classes in a data type, or as float32 (n, n_classes)."""
    if dtype != "onehot":
        return labels.astype(dtype)
    classes = lax.iota(labels.dtype, n_classes)
    return (labels[:, None] == classes).astype(jnp.float32)

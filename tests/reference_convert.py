"""Conversion of uint8 pixels to the data type and the scale of a batch."""

import math

import numpy as np


def scale_and_bias(normalize, images):
    """Return float32 `scale` and `bias`: a pixel x in 0..255 becomes x * scale + bias.

    They are 1 / (255 * std) and -mean / std, computed in double precision. The mean and
    the standard deviation of "dataset" come from exact integer sums over `images`, as
    in src/stats.h. "unit" maps pixels to 0..1, and None keeps 0..255.

    Parameters
    ----------
    normalize : "dataset", "unit", None or (mean, std)
        Mean and standard deviation as fractions of 255.
    images : uint8 array
        Images of the dataset. Only "dataset" reads them.
    """
    if normalize is None:
        mean, std = 0.0, 1 / 255
    elif normalize == "unit":
        mean, std = 0.0, 1.0
    elif normalize == "dataset":
        total = int(images.sum(dtype=np.int64))
        squares = int((images.astype(np.int64) ** 2).sum())
        n = images.size
        mean = total / (255 * n)
        std = math.sqrt((n * squares - total**2) / (255 * n) ** 2)
    else:
        mean, std = normalize
    return np.float32(1 / (255 * std)), np.float32(-mean / std)


def scales_and_biases(normalize, images, channels):
    """Return a pair of `scale_and_bias` for each channel.

    A pair (mean, std) may have sequences of numbers, one for each channel.
    """
    if not isinstance(normalize, tuple):
        return [scale_and_bias(normalize, images)] * channels
    means, stds = (np.broadcast_to(numbers, channels) for numbers in normalize)
    pairs = zip(means.tolist(), stds.tolist())
    return [scale_and_bias(pair, images) for pair in pairs]


def convert(images, dtype, scale, bias):
    """Return uint8 pixels converted to `dtype`, with bfloat16 as its uint16 bits.

    The product and the sum each round to float32, and the result is then rounded to the
    nearest `dtype`, halves to even. uint8 pixels are returned without scale and bias.
    The twin of fm_convert_fn (src/convert.h).

    Parameters
    ----------
    images : uint8 array of any shape
    dtype : "float32", "float16", "bfloat16" or "uint8"
    scale, bias : float32

    Returns
    -------
    array of the same shape
    """
    if dtype == "uint8":
        return images
    x = images.astype(np.float32) * scale + bias
    assert x.dtype == np.float32
    if dtype == "bfloat16":
        return to_bfloat16_bits(x)
    with np.errstate(over="ignore"):
        return x.astype(dtype)


def to_bfloat16_bits(x):
    """Return the bits of float32 numbers rounded to bfloat16, as uint16.

    bfloat16 is the upper half of a float32. Halves are rounded to even.
    """
    bits = x.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def arranged(planes, layout):
    """Return images in a layout, whose channels are arrays (n, height, width).

    "NHW" is for one channel. The twin of fm_convert_rgb_fn (src/convert.h), which
    writes "NHWC" of three channels.
    """
    n = len(planes[0])
    if layout == "NHWC":
        return np.stack(planes, axis=-1)
    if layout == "NHW":
        (plane,) = planes
        return plane
    images = np.stack(planes, axis=1)
    return images.reshape(n, -1) if layout == "flat" else images

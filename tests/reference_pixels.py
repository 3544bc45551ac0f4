"""Operations that change pixel values, in slow, obvious Python, exact to the bit.

Functions take (image, operation) as in reference_geometry.py.

The code was written from the comments in src/augment/*.h alone, never from the C code.
A Python float stands for a double of C. A number of numpy is a float32 where no other
type is named.
"""

import ctypes
import math

import numpy as np
from reference_draws import words_of
from reference_geometry import F, reflected, to_pixels
from reference_operations import (
    AUTOCONTRAST,
    BRIGHTNESS,
    CONTRAST,
    INVERT,
    POSTERIZE,
    SOLARIZE,
)
from reference_real import real_exp

# ---- tone ---------------------------------------------------------------------------


def truncated(x):
    """Return float32 numbers as uint8: clipped to 0..255 and truncated."""
    assert x.dtype == F
    return np.clip(x, 0, 255).astype(np.uint8)


def tone_table(kind, value, image):
    """Return the new value of each gray level, uint8 of shape (256,).

    The meaning of `value` depends on the kind (enum fm_tone_kind). Only contrast,
    autocontrast and equalize read the image. Source: the functions of
    torchvision.transforms.v2.functional for uint8 images. The twin of fm_tone_table
    (src/augment/tone.h).
    """
    v = np.arange(256)
    if kind == INVERT:
        return (255 - v).astype(np.uint8)
    if kind == POSTERIZE:
        return (v & 256 - 2 ** (8 - round(value))).astype(np.uint8)
    if kind == SOLARIZE:
        return np.where(v >= value, 255 - v, v).astype(np.uint8)
    if kind == BRIGHTNESS:
        return truncated(v.astype(F) * F(value))
    if kind == CONTRAST:
        mean = F(int(image.sum(dtype=np.int64)) / image.size)
        return truncated(mean + (v.astype(F) - mean) * F(value))
    if kind == AUTOCONTRAST:
        low, high = int(image.min()), int(image.max())
        if low == high:
            return v.astype(np.uint8)
        return truncated((v - low).astype(F) / (F(high - low) * F(1 / 255)))
    counts = np.bincount(image.ravel(), minlength=256)
    n_per_level = int(image.size - counts[image.max()]) // 255
    if n_per_level == 0:
        return v.astype(np.uint8)
    below = np.cumsum(counts) - counts
    levels = (below + n_per_level // 2) // n_per_level
    return np.minimum(255, levels).astype(np.uint8)


def tone(image, operation):
    """Return the image with every gray level changed.

    The twin of fm_tone_apply (src/augment/tone.h).
    """
    return tone_table(*operation, image)[image]


# ---- neighborhood and noise ---------------------------------------------------------


def gaussian(size, sigma):
    """Return the float32 weights of a Gaussian kernel of odd size, whose sum is 1.

    They are computed and normalized in double precision. Exponents below -700 count as
    -700, because real_exp takes no smaller number.
    """
    radius = size // 2
    weights = [
        real_exp(max(-700.0, -((k - radius) ** 2) / (2.0 * sigma * sigma)))
        for k in range(size)
    ]
    total = 0.0
    for weight in weights:
        total += weight
    return [F(weight / total) for weight in weights]


def correlated_rows(rows, weights):
    """Return float32 rows correlated with weights along axis 0.

    Edges are reflected, without repeating the edge row. Products are summed in float32
    from the first weight to the last.
    """
    n, radius = len(rows), len(weights) // 2
    total = None
    for k, weight in enumerate(weights):
        index = [reflected(y + k - radius, n) for y in range(n)]
        product = weight * rows[index]
        total = product if total is None else total + product
    return total


def blur(image, operation):
    """Return the image blurred by a Gaussian, along y and then along x.

    The twin of fm_filter_blur (src/augment/filter.h).
    """
    size_y, size_x, sigma = operation
    rows = correlated_rows(image.astype(F), gaussian(size_y, sigma))
    return to_pixels(correlated_rows(rows.T, gaussian(size_x, sigma)).T)


def sharpness(image, operation):
    """Return the image smoothed or sharpened by a factor.

    Factor 0 smooths, factor 1 changes nothing, and factor 2 sharpens. The smooth image
    is the rounded mean of 3 x 3 pixels, in which the middle one has the weight 5. The
    outermost pixels stay, and so do images with a side of 1 or 2. The twin of
    fm_filter_sharpen (src/augment/filter.h).
    """
    height, width = image.shape
    if height <= 2 or width <= 2:
        return image
    v = image.astype(np.int64)
    total = 4 * v[1:-1, 1:-1]
    for y in range(3):
        for x in range(3):
            total = total + v[y : height - 2 + y, x : width - 2 + x]
    smooth = (total + 6) // 13  # 13 is odd, so no quotient is a half
    out, v = image.copy(), v[1:-1, 1:-1]
    change = (smooth - v).astype(F) * F(1 - operation.factor)
    out[1:-1, 1:-1] = truncated(v.astype(F) + change)
    return out


def horner(x, *coefficients):
    """Return c0 + x (c1 + x (c2 + ...)) in float32, summed from the inside."""
    total = F(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = F(coefficient) + x * total
    return total


def normals(words):
    """Return a standard normal float32 number for each word of whole chunks.

    A chunk of 64 words is an array of 4 x 16. In each column, words a and b of rows 0
    and 1 make two normal numbers by Box and Muller (1958), and so do rows 2 and 3.

    Word a gives the radius. Its upper 23 bits w make u = (2 w + 1) / 2**24, and ln u is
    computed as in real_log, with 5 terms of the series. Word b gives the angle. Its
    upper 23 bits make an angle of at most 45 degrees to either side, bit 0 swaps sine
    and cosine, and bit 1 negates the cosine. The twin of the normals in fm_noise_apply
    (src/augment/noise.h).

    Parameters
    ----------
    words : uint32 array of shape (64 * n_chunks,)

    Returns
    -------
    float32 array of the same shape
    """
    a, b = words.reshape(-1, 2, 2, 16).transpose(2, 0, 1, 3)
    bits = ((a >> 9) * 2 + 1).astype(F).view(np.int32)
    exponent = (bits - 0x3F3504F3) >> 23
    fraction = (bits - (exponent << 23)).view(F)
    s = (fraction - F(1)) / (fraction + F(1))
    log = s * horner(s * s, 2, 2 / 3, 2 / 5, 2 / 7, 2 / 9)
    log = (exponent - 24).astype(F) * F(0.6931471805599453) + log
    radius = np.sqrt(F(-2) * log)
    phi = (2 * (b >> 9).astype(np.int32) + 1 - 2**23).astype(F)
    phi = phi * F(math.pi / 4 * 2**-23)
    p = phi * phi
    sine = phi * horner(p, 1, -1 / 6, 1 / 120, -1 / 5040)
    cosine = horner(p, 1, -1 / 2, 1 / 24, -1 / 720, 1 / 40320)
    cosine = np.where(b & 2, -cosine, cosine)
    swap = (b & 1).astype(bool)
    cosine, sine = np.where(swap, sine, cosine), np.where(swap, cosine, sine)
    out = np.stack([radius * cosine, radius * sine], axis=2)
    assert out.dtype == F
    return out.reshape(-1)


def noise(image, operation):
    """Return the image with a normal number added to every pixel.

    The twin of fm_noise_apply (src/augment/noise.h).
    """
    key, mean, sigma = operation
    n = normals(words_of(key, -(-image.size // 64) * 64))[: image.size]
    added = F(255 * mean) + F(255 * sigma) * n
    x = image.ravel().astype(F) + added
    return to_pixels(np.clip(x, F(0), F(255))).reshape(image.shape)


def salt_pepper(image, operation):
    """Return the image with some pixels white and some black.

    A chunk of 64 words has the bits of 128 pixels: the lower halves of all its words,
    then the upper halves. The twin of fm_noise_salt_pepper (src/augment/noise.h).
    """
    key, salt, amount = operation
    words = words_of(key, -(-image.size // 128) * 64).reshape(-1, 64)
    bits = np.stack([words & 0xFFFF, words >> 16], axis=1).reshape(-1)[: image.size]
    pixels = np.where(bits < amount, 0, image.ravel())
    return np.where(bits < salt, 255, pixels).astype(np.uint8).reshape(image.shape)


# ---- rectangles ---------------------------------------------------------------------


def paint(image, operation):
    """Return the image with a box of one value."""
    (top, left, height, width), value = operation
    image = image.copy()
    image[top : top + height, left : left + width] = value
    return image


def paint_random(image, operation):
    """Return the image with a box of random bytes, row by row.

    The twin of fm_erase_random (src/augment/erase.h).
    """
    (top, left, height, width), key = operation
    n = height * width
    values = words_of(key, -(-n // 4)).astype("<u4").view(np.uint8)[:n]
    image = image.copy()
    image[top : top + height, left : left + width] = values.reshape(height, width)
    return image


# ---- functions of users -------------------------------------------------------------


def user(image, operation):
    """Return the image after a C function has changed a copy in place.

    The twin of fm_function_fn (src/program.h).
    """
    pixels, words = ctypes.POINTER(ctypes.c_uint8), ctypes.POINTER(ctypes.c_uint32)
    types = pixels, ctypes.c_int64, ctypes.c_int64, words, ctypes.c_void_p
    function = ctypes.CFUNCTYPE(None, *types)(operation.function)
    image = np.ascontiguousarray(image).copy()
    random = np.array(operation.random, dtype=np.uint32)
    pointers = image.ctypes.data_as(pixels), random.ctypes.data_as(words)
    function(pointers[0], *image.shape, pointers[1], operation.data or None)
    return image

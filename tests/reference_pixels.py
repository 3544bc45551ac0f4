"""Steps that change pixels in slow, obvious Python, exact to the bit.

Written from the comments in src/augment/*.h alone, never from the C. Numbers of Python
are the C's double; those of numpy are float32 unless they say something else.
"""

import ctypes
import math

import numpy as np
from reference_draws import draw, fm_exp
from reference_geometry import F, reflected, to_pixels, try_box

INVERT, POSTERIZE, SOLARIZE, BRIGHTNESS, CONTRAST, AUTOCONTRAST, EQUALIZE = range(7)


# ---- tone ---------------------------------------------------------------------------


def cut(x):
    """float32 numbers clipped to 0..255, what is behind the point cut off."""
    assert x.dtype == F
    return np.clip(x, 0, 255).astype(np.uint8)


def tone_table(kind, value, image):
    v = np.arange(256)
    if kind == INVERT:
        return (255 - v).astype(np.uint8)
    if kind == POSTERIZE:
        return (v & 256 - 2 ** (8 - round(value))).astype(np.uint8)
    if kind == SOLARIZE:
        return np.where(v >= value, 255 - v, v).astype(np.uint8)
    if kind == BRIGHTNESS:
        return cut(v.astype(F) * F(value))
    if kind == CONTRAST:
        mean = F(int(image.sum(dtype=np.int64)) / image.size)
        return cut(v.astype(F) * F(value) + F(1 - value) * mean)
    if kind == AUTOCONTRAST:
        low, high = int(image.min()), int(image.max())
        if low == high:
            return v.astype(np.uint8)
        return cut((v - low).astype(F) / (F(high - low) * F(1 / 255)))
    counts = np.bincount(image.ravel(), minlength=256)
    step = int(image.size - counts[image.max()]) // 255
    if step == 0:
        return v.astype(np.uint8)
    below = np.cumsum(counts) - counts
    return np.minimum(255, (below + step // 2) // step).astype(np.uint8)


def tone(image, step, draws):
    return tone_table(step.kind, draws.range(step.value), image)[image]


def jitter(image, step, draws):
    contrast_first = draws.word() >> 31
    brightness = BRIGHTNESS, draws.range(step.brightness)
    contrast = CONTRAST, draws.range(step.contrast)
    both = (contrast, brightness) if contrast_first else (brightness, contrast)
    for kind, value in both:
        image = tone_table(kind, value, image)[image]
    return image


# ---- neighbourhood and noise --------------------------------------------------------


def gaussian(size, sigma):
    radius = size // 2
    weights = [
        fm_exp(max(-700.0, -((k - radius) ** 2) / (2.0 * sigma * sigma)))
        for k in range(size)
    ]
    total = 0.0
    for weight in weights:
        total += weight
    return [F(weight / total) for weight in weights]


def correlated_rows(rows, weights):
    n, radius = len(rows), len(weights) // 2
    total = None
    for k, weight in enumerate(weights):
        index = [reflected(y + k - radius, n) for y in range(n)]
        product = weight * rows[index]
        total = product if total is None else total + product
    return total


def blur(image, step, draws):
    sigma = draws.range(step.sigma)
    rows = correlated_rows(image.astype(F), gaussian(step.size_y, sigma))
    return to_pixels(correlated_rows(rows.T, gaussian(step.size_x, sigma)).T)


def sharpness(image, step, draws):
    factor = draws.range(step.factor)
    height, width = image.shape
    if height <= 2 or width <= 2:
        return image
    v = image.astype(np.int64)
    total = 4 * v[1:-1, 1:-1]
    for y in range(3):
        for x in range(3):
            total = total + v[y : height - 2 + y, x : width - 2 + x]
    smooth = (total + 6) // 13  # 13 is odd: there are no halves
    out, v = image.copy(), v[1:-1, 1:-1]
    out[1:-1, 1:-1] = cut(v.astype(F) + (smooth - v).astype(F) * F(1 - factor))
    return out


def horner(x, *numbers):
    total = F(numbers[-1])
    for number in numbers[-2::-1]:
        total = F(number) + x * total
    return total


def normals(words):
    """A standard normal number in float32 in the place of every word of whole chunks:
    rows 0 and 1, and 2 and 3, of a chunk of 4 x 16 words make pairs."""
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


def noise(image, step, draws):
    n = normals(draws.field(-(-image.size // 64) * 64))[: image.size]
    x = image.ravel().astype(F) + (F(255 * step.mean) + F(255 * step.sigma) * n)
    return to_pixels(np.clip(x, F(0), F(255))).reshape(image.shape)


# ---- rectangles ---------------------------------------------------------------------


def erasing(image, step, draws):
    height, width = image.shape
    image = image.copy()
    for _ in range(10):
        h, w = try_box(step, draws, height, width)
        if h < height and w < width:
            top = draws.below(height - h + 1)
            left = draws.below(width - w + 1)
            box = image[top : top + h, left : left + w]
            if step.random:
                field = draws.field(-(-box.size // 4))
                pixels = field.astype("<u4").view(np.uint8)[: box.size]
                box[:] = pixels.reshape(box.shape)
            else:
                box[:] = step.value
            break
    return image


def cutout(image, step, draws):
    height, width = image.shape
    top = draws.below(height) - step.size // 2
    left = draws.below(width) - step.size // 2
    image = image.copy()
    rows = slice(max(top, 0), max(top + step.size, 0))
    image[rows, max(left, 0) : max(left + step.size, 0)] = step.value
    return image


def user(image, step, draws):
    """Call the C function at this address."""
    pixels, word = ctypes.POINTER(ctypes.c_uint8), ctypes.POINTER(ctypes.c_uint32)
    kinds = pixels, ctypes.c_int64, ctypes.c_int64, word, ctypes.c_void_p
    function = ctypes.CFUNCTYPE(None, *kinds)(step.function)
    image = np.ascontiguousarray(image).copy()
    words = np.array(draw(*draws.key, 1), dtype=np.uint32)
    pointers = image.ctypes.data_as(pixels), words.ctypes.data_as(word)
    function(pointers[0], *image.shape, pointers[1], step.data or None)
    return image

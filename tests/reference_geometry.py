"""Operations that move pixels, in slow, obvious Python, exact to the bit.

A function `f(image, operation)` returns the changed image. `image` is uint8 (height,
width), and `operation` is a tuple of reference_operations.py.

The code was written from the comments in src/augment/*.h alone, never from the C code.
A Python float stands for a double of C. A number of numpy is a float32 where no other
type is named.
"""

import math

import numpy as np
from reference_draws import words_of
from reference_operations import BILINEAR, EDGE, NEAREST, REFLECT, SYMMETRIC

F = np.float32


# ---- crops and flips ----------------------------------------------------------------


def source_index(i, n, mode):
    """Return the index in a row of n pixels of pixel `i` of the padded row.

    Pixel 0 is the first of the row itself, so that padding on the left has negative
    numbers. The result is -1 where padding is the fill. Modes are those of numpy.pad.
    """
    if 0 <= i < n:
        return i
    if mode == EDGE:
        return min(max(i, 0), n - 1)
    if mode == REFLECT:
        return -i if i < 0 else 2 * (n - 1) - i
    if mode == SYMMETRIC:
        return -1 - i if i < 0 else 2 * n - 1 - i
    return -1


def take(image, rows, columns, fill):
    """Return image[rows, columns], with `fill` where an index is outside the image."""
    height, width = image.shape
    rows, columns = np.broadcast_arrays(rows, columns)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return np.where(inside, image[rows * inside, columns * inside], np.uint8(fill))


def cut(image, operation):
    """Return a rectangle of the padded image, flipped if the operation says so.

    The twin of struct fm_cut (src/augment/crop.h).
    """
    height, width = image.shape
    top, left, n_rows, n_columns, mode, fill, flip_y, flip_x = operation
    rows = np.array([source_index(top + y, height, mode) for y in range(n_rows)])
    columns = np.array([source_index(left + x, width, mode) for x in range(n_columns)])
    rows, columns = rows[:: -1 if flip_y else 1], columns[:: -1 if flip_x else 1]
    return take(image, rows[:, None], columns, fill)


# ---- warps --------------------------------------------------------------------------


def fixed(v):
    """Return a number in units of 2**-16, as an integer.

    It is rounded to the nearest integer, halves up, and clipped to -2**45..2**45.
    """
    return min(max(math.floor(65536.0 * v + 0.5), -(2**45)), 2**45)


def source_points(m, height, width):
    """Return the source point of every output pixel, as integer arrays x and y.

    The affine map has the coefficients m (`Warp` in reference_operations.py). Points
    are in units of 2**-16 pixel, measured from the middle of the top left pixel.
    The point of the first pixel and the coefficients are each rounded to such units,
    and the points are exact sums of them. The twin of struct fm_lattice
    (src/augment/points.h).
    """
    cx, cy = (width - 1) / 2, (height - 1) / 2
    y, x = np.ogrid[:height, :width]
    x0 = fixed(((m[0] * -cx + m[1] * -cy) + m[2]) + cx)
    y0 = fixed(((m[3] * -cx + m[4] * -cy) + m[5]) + cy)
    return (
        x0 + fixed(m[1]) * y + fixed(m[0]) * x,
        y0 + fixed(m[4]) * y + fixed(m[3]) * x,
    )


def sample_at(image, x, y, interpolation, fill):
    """Return the pixels at source points, uint8 of their shape.

    Points are in units of 2**-16 pixel. They are clipped to one pixel outside the
    image, where all pixels are `fill`. For the nearest pixel, points are rounded,
    halves up. For bilinear interpolation, points are rounded to 1/128 pixel, and four
    pixels are weighted by 7 bits in each direction. The twin of fm_points_read
    (src/augment/points.h).
    """
    height, width = image.shape
    x, y = np.clip(x, -65536, width << 16), np.clip(y, -65536, height << 16)
    if interpolation == NEAREST:
        return take(image, (y + 32768) >> 16, (x + 32768) >> 16, fill)
    x, y = x + 256, y + 256
    xi, yi, fx, fy = x >> 16, y >> 16, x >> 9 & 127, y >> 9 & 127
    (p00, p01), (p10, p11) = (
        [take(image, yi + j, xi + i, fill).astype(np.int64) for i in (0, 1)]
        for j in (0, 1)
    )
    top = p00 * (128 - fx) + p01 * fx
    bottom = p10 * (128 - fx) + p11 * fx
    return ((top * (128 - fy) + bottom * fy + 8192) >> 14).astype(np.uint8)


def warp(image, operation):
    """Return the image warped by an affine map, in the same size.

    The twin of fm_warp_apply (src/augment/warp.h).
    """
    m, interpolation, fill = operation
    return sample_at(image, *source_points(m, *image.shape), interpolation, fill)


def perspective_points(m, shape, x, y):
    """Return the source points of output pixels, as integer arrays x and y.

    The perspective map has the nine float32 coefficients m. Points are in units of
    2**-16 pixel, measured from the middle of the top left pixel. `x` and `y` are
    integer arrays, which are broadcast. The twin of fm_perspective_point
    (src/augment/perspective.h).
    """
    m = np.array(m).astype(F)
    x, y = ((i - (side - 1) / 2).astype(F) for i, side in zip((x, y), shape[::-1]))

    def linear(mx, my, m1):
        return (my * y + m1) + mx * x

    with np.errstate(all="ignore"):  # of maps that do not exist
        inverse = F(1) / linear(*m[6:])
        places = [linear(*numbers) * inverse for numbers in (m[:3], m[3:6])]
    points = []
    for place, side in zip(places, shape[::-1]):
        assert place.dtype == F
        place = np.where(np.isnan(place), F(-(2**30)), place)
        place = np.trunc(np.clip(place, F(-(2**30)), F(2**30))).astype(np.int64)
        points.append(place + (side - 1) * 32768)
    return points


def perspective(image, operation):
    """Return the image warped by a perspective map, in the same size.

    The twin of fm_perspective_apply (src/augment/perspective.h).
    """
    m, interpolation, fill = operation
    y, x = np.ogrid[: image.shape[0], : image.shape[1]]
    points = perspective_points(m, image.shape, x, y)
    return sample_at(image, *points, interpolation, fill)


def reflected(i, n):
    """Return the index in [0, n) of item `i` of a row that is mirrored at both ends.

    The items at the ends are not repeated: -1 is item 1, and n is item n - 2. `i` may
    be any number of mirrors away. The twin of fm_integer_reflect (src/integer.h).
    """
    if n == 1:
        return 0
    i = abs(i) % (2 * (n - 1))
    return min(i, 2 * (n - 1) - i)


def extended_box(rows, sigma):
    """Return rows smoothed by one of the three extended box filters, along axis 0.

    The filter is the mean of 2 r + 1 rows and of one more at each end, which has the
    weight `edge` below 1. Each of the three passes has a third of the Gaussian's
    variance. Sums run in float32 from the first row to the last, and the order of
    additions is part of the definition. Source: Gwosdek et al., "Theoretical
    foundations of Gaussian convolution by extended box filtering", SSVM 2011. The twin
    of one pass in fm_elastic_apply (src/augment/elastic.h).

    Parameters
    ----------
    rows : float32 array of shape (n, any)
    sigma : float
        Standard deviation of the Gaussian, in rows.
    """
    n = len(rows)
    v = sigma * sigma / 3
    r = math.floor(0.5 * math.sqrt(12.0 * v + 1.0) - 0.5)
    edge = ((2 * r + 1) * (r * (r + 1) - 3 * v)) / (6 * (v - (r + 1) * (r + 1)))
    edge, inverse = F(edge), F(1 / (2 * r + 1 + 2 * edge))

    def row(i):
        return rows[reflected(i, n)]

    s = np.zeros_like(rows[0])
    for i in range(-1 - r, r):
        s = s + row(i)
    out = np.empty_like(rows)
    for i in range(n):
        s = s + (row(i + r) - row(i - 1 - r))
        out[i] = (s + edge * (row(i - r - 1) + row(i + r + 1))) * inverse
    return out


def elastic_noise(key, height, width):
    """Yield the white noise of dx, then of dy, float32 of shape (width, height).

    A byte b of the words of `key` gives the noise (2 b - 255) / 256. The pixels are
    laid out column by column, and each column is padded to a multiple of 32 pixels. In
    a chunk of 64 words, byte 0 is dx of 64 pixels and byte 1 dx of the next 64. Bytes 2
    and 3 are dy of the same pixels (struct fm_elastic in src/augment/elastic.h).
    """
    across = -(-height // 32) * 32
    n = -(-width * across // 128)
    words = words_of(key, 64 * n).reshape(n, 1, 64)
    both = [words >> shift & 0xFF for shift in (0, 8, 16, 24)]
    for first in (0, 2):
        field = np.concatenate(both[first : first + 2], axis=1).reshape(-1)
        field = field[: width * across].reshape(width, across)[:, :height]
        yield (2 * field.astype(np.int64) - 255).astype(F) * F(2**-8)


def displacement(field, alpha, sigma_x, sigma_y):
    """Return the displacements that white noise gives, int64 of shape (height, width).

    The noise is smoothed along x, then along y, where a sigma of 0 does not smooth. It
    is multiplied by alpha / 2 and truncated to units of 2**-16 pixel.

    Parameters
    ----------
    field : float32 array of shape (width, height)
        Noise of `elastic_noise`.
    alpha : float
        Strength in pixels.
    sigma_x, sigma_y : float
        Standard deviation of the Gaussian in each direction, in pixels.
    """
    for sigma in (sigma_x, sigma_y):
        for _ in range(3 if sigma else 0):
            field = extended_box(field, sigma)
        field = field.T.copy()
    field = field.T * F(alpha / 2 * 65536)
    assert field.dtype == F
    return np.trunc(np.clip(field, F(-(2**29)), F(2**29))).astype(np.int64)


def elastic(image, operation):
    """Return the image with every source point displaced by smooth noise.

    The twin of fm_elastic_apply (src/augment/elastic.h).
    """
    height, width = image.shape
    dx, dy = (
        displacement(noise, alpha, *operation.sigma)
        for noise, alpha in zip(
            elastic_noise(operation.key, height, width), operation.alpha
        )
    )
    y, x = np.ogrid[:height, :width]
    x, y = (x << 16) + dx, (y << 16) + dy
    return sample_at(image, x, y, operation.interpolation, operation.fill)


# ---- resizing -----------------------------------------------------------------------


def triangle(x):
    """Return the height of a triangle from -1 to 1, at x >= 0."""
    return max(0.0, 1 - x)


def cubic(x, a):
    """Return the height of the cubic filter from -2 to 2, at x >= 0."""
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0


def normalized(heights):
    """Return float32 heights, divided by their sum from left to right."""
    total = F(0)
    for height in heights:
        total = total + height
    return [height * (F(1) / total) for height in heights]


def filtered(n_in, n_out, radius, height_at, antialias):
    """Yield (begin, weights) for each of n_out outputs of a row of n_in pixels.

    The output is the sum of weights[k] * input[begin + k]. The weights are float32 and
    follow a filter around the middle of the output. Its half width is `radius` input
    pixels, times n_in / n_out with `antialias` when the row shrinks. Pixels outside the
    row have no weight, and the weights are divided by their sum. The twin of the
    weights of fm_resample_apply (src/augment/resample.h).
    """
    scale = n_in / n_out
    stretch = scale if antialias and scale > 1 else 1.0
    support = radius * stretch
    for i in range(n_out):
        center = (i + 0.5) * scale
        begin = max(0, math.floor(center - support + 0.5))
        end = min(n_in, begin + math.ceil(2 * support))
        inverse, inputs = 1.0 / stretch, range(begin, end)
        heights = [F(height_at(abs(k + 0.5 - center) * inverse)) for k in inputs]
        yield begin, normalized(heights)


def cubic_of_four(n_in, n_out):
    """Yield (begin, weights) as `filtered` does, bicubic without antialias.

    An output has four pixels. A pixel outside the row is the pixel at its edge.
    """
    for i in range(n_out):
        center = (i + 0.5) * (n_in / n_out)
        pixels = math.floor(center + 0.5) + np.arange(-2, 2)
        weights = normalized([F(cubic(abs(k + 0.5 - center), -0.75)) for k in pixels])
        inside = np.clip(pixels, 0, n_in - 1)
        folded = np.zeros(4, dtype=F)
        for pixel, weight in zip(inside, weights):
            folded[pixel - inside[0]] = folded[pixel - inside[0]] + weight
        yield inside[0], folded[: n_in - inside[0]]


def weights_of(n_in, n_out, interpolation, antialias):
    """Return an iterator of (begin, weights) of each output."""
    if interpolation == BILINEAR:
        return filtered(n_in, n_out, 1, triangle, antialias)
    if antialias:
        return filtered(n_in, n_out, 2, lambda x: cubic(x, -0.5), antialias)
    return cubic_of_four(n_in, n_out)


def resampled_rows(rows, n_out, interpolation, antialias):
    """Return n_out rows of float32 that are weighted sums of the given rows."""
    out = np.zeros((n_out, rows.shape[1]), dtype=F)
    outputs = weights_of(len(rows), n_out, interpolation, antialias)
    for i, (begin, weights) in enumerate(outputs):
        for k, weight in enumerate(weights):
            out[i] = out[i] + weight * rows[begin + k]
    return out


def to_pixels(x):
    """Return float32 numbers as uint8: plus 0.5, truncated, and clipped to 0..255."""
    assert x.dtype == F
    return np.clip(np.trunc(x + F(0.5)), 0, 255).astype(np.uint8)


def resize(image, operation):
    """Return a box of the image in another size, resampled vertically first.

    The twin of fm_resample_apply (src/augment/resample.h).
    """
    (top, left, height, width), n_rows, n_columns, interpolation, antialias = operation
    image = image[top : top + height, left : left + width]
    if interpolation == NEAREST:
        rows = np.arange(n_rows) * height // n_rows
        return image[rows][:, np.arange(n_columns) * width // n_columns]
    rows = resampled_rows(image.astype(F), n_rows, interpolation, antialias)
    return to_pixels(resampled_rows(rows.T, n_columns, interpolation, antialias).T)

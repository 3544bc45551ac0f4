"""Steps that move pixels in slow, obvious Python, exact to the bit.

Written from the comments in src/augment/*.h alone, never from the C. Numbers of Python
are the C's double; those of numpy are float32 unless they say something else.
"""

import math
from types import SimpleNamespace

import numpy as np
from reference_draws import fm_exp, fm_sin_cos

F = np.float32
NEAREST = 0
CONSTANT, EDGE, REFLECT, SYMMETRIC = range(4)


# ---- windows ------------------------------------------------------------------------


def source_index(i, n, mode):
    """Where in 0..n-1 pixel i of the padded image comes from; -1 for the fill."""
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
    """image[rows][:, columns], with `fill` where an index is outside."""
    height, width = image.shape
    rows, columns = np.broadcast_arrays(rows, columns)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return np.where(inside, image[rows * inside, columns * inside], np.uint8(fill))


def crop(image, step, draws):
    height, width = image.shape
    top = step.top + draws.below(step.n_tops)
    left = step.left + draws.below(step.n_lefts)
    rows = [source_index(top + y, height, step.mode) for y in range(step.height)]
    columns = [source_index(left + x, width, step.mode) for x in range(step.width)]
    return take(image, np.array(rows)[:, None], np.array(columns), step.fill)


def flip(image, step, draws):
    return image[::-1] if step.vertical else image[:, ::-1]


# ---- warps --------------------------------------------------------------------------


def affine_map(step, draws):
    angle = draws.range(step.angle)
    if step.counter_clockwise:
        angle = -angle
    whole = math.trunc if step.truncate else round
    tx, ty = (
        float(whole(draws.range(r))) for r in (step.translate_x, step.translate_y)
    )
    scale = draws.range(step.scale)
    tangents = [draws.range(step.shear_x), draws.range(step.shear_y)]
    if not step.shear_tangent:
        sines = [fm_sin_cos(shear) for shear in tangents]
        tangents = [sine / cosine for sine, cosine in sines]
    tan_x, tan_y = tangents
    sine, cosine = fm_sin_cos(angle)
    a = cosine + sine * tan_y
    b = -a * tan_x - sine
    c = sine - cosine * tan_y
    d = -c * tan_x + cosine
    m = [d / scale, -b / scale, 0.0, -c / scale, a / scale, 0.0]
    cx, cy = step.center_x, step.center_y
    m[2] = m[0] * (-cx - tx) + m[1] * (-cy - ty) + cx
    m[5] = m[3] * (-cx - tx) + m[4] * (-cy - ty) + cy
    return m


def compose(f, s):
    """out(p) = f(s(p))."""
    return [
        f[0] * s[0] + f[1] * s[3],
        f[0] * s[1] + f[1] * s[4],
        (f[0] * s[2] + f[1] * s[5]) + f[2],
        f[3] * s[0] + f[4] * s[3],
        f[3] * s[1] + f[4] * s[4],
        (f[3] * s[2] + f[4] * s[5]) + f[5],
    ]


def fixed(v):
    """A number with 16 bits behind the point."""
    return min(max(math.floor(65536.0 * v + 0.5), -(2**45)), 2**45)


def places(m, height, width):
    """The source of every output pixel, in units of 2**-16 pixel."""
    cx, cy = (width - 1) / 2, (height - 1) / 2
    y, x = np.ogrid[:height, :width]
    x0 = fixed(((m[0] * -cx + m[1] * -cy) + m[2]) + cx)
    y0 = fixed(((m[3] * -cx + m[4] * -cy) + m[5]) + cy)
    return (
        x0 + fixed(m[1]) * y + fixed(m[0]) * x,
        y0 + fixed(m[4]) * y + fixed(m[3]) * x,
    )


def sample_at(image, x, y, interpolation, fill):
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


def warp(image, m, interpolation, fill):
    return sample_at(image, *places(m, *image.shape), interpolation, fill)


def reflected(i, n):
    """Index i of a row of n that goes on as in a mirror, without repeating its ends."""
    if n == 1:
        return 0
    i = abs(i) % (2 * (n - 1))
    return min(i, 2 * (n - 1) - i)


def extended_box(rows, sigma):
    """One pass along axis 0."""
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


def elastic_noise(draws, height, width):
    """Both fields of noise in float32, (width, height) each."""
    across = -(-height // 32) * 32
    n = -(-width * across // 128)
    words = draws.field(64 * n).reshape(n, 1, 64)
    both = [words >> shift & 0xFF for shift in (0, 8, 16, 24)]
    for first in (0, 2):
        field = np.concatenate(both[first : first + 2], axis=1).reshape(-1)
        field = field[: width * across].reshape(width, across)[:, :height]
        yield (2 * field.astype(np.int64) - 255).astype(F) * F(2**-8)


def displacement(field, alpha, sigma_x, sigma_y):
    """Noise, (width, height), to displacements in 2**-16 pixel, (height, width)."""
    for sigma in (sigma_x, sigma_y):
        for _ in range(3 if sigma else 0):
            field = extended_box(field, sigma)
        field = field.T.copy()
    field = field.T * F(alpha / 2 * 65536)
    assert field.dtype == F
    return np.trunc(np.clip(field, F(-(2**29)), F(2**29))).astype(np.int64)


def elastic(image, step, draws):
    height, width = image.shape
    dx, dy = (
        displacement(noise, alpha, step.sigma_x, step.sigma_y)
        for noise, alpha in zip(
            elastic_noise(draws, height, width), (step.alpha_x, step.alpha_y)
        )
    )
    y, x = np.ogrid[:height, :width]
    x, y = (x << 16) + dx, (y << 16) + dy
    return sample_at(image, x, y, step.interpolation, step.fill)


# ---- resizing -----------------------------------------------------------------------


def triangle(n_in, n_out, antialias):
    """For every output: the first input, and the float32 weights from there on."""
    scale = n_in / n_out
    support = scale if antialias and scale > 1 else 1.0
    for i in range(n_out):
        center = (i + 0.5) * scale
        begin = max(0, math.floor(center - support + 0.5))
        end = min(n_in, begin + math.ceil(2 * support))
        inverse, places = 1.0 / support, range(begin, end)
        weights = [F(max(0.0, 1 - abs(k + 0.5 - center) * inverse)) for k in places]
        total = F(0)
        for weight in weights:
            total = total + weight
        yield begin, [weight * (F(1) / total) for weight in weights]


def resampled_rows(rows, n_out, antialias):
    out = np.zeros((n_out, rows.shape[1]), dtype=F)
    for i, (begin, weights) in enumerate(triangle(len(rows), n_out, antialias)):
        for k, weight in enumerate(weights):
            out[i] = out[i] + weight * rows[begin + k]
    return out


def to_pixels(x):
    """Rounded by adding a half, and cut to 0..255."""
    assert x.dtype == F
    return np.clip(np.trunc(x + F(0.5)), 0, 255).astype(np.uint8)


def resize(image, step, draws=None):
    height, width = image.shape
    if step.interpolation == NEAREST:
        rows = np.arange(step.height) * height // step.height
        return image[rows][:, np.arange(step.width) * width // step.width]
    rows = resampled_rows(image.astype(F), step.height, step.antialias)
    return to_pixels(resampled_rows(rows.T, step.width, step.antialias).T)


def try_box(step, draws, height, width):
    """Area and aspect of one try of a random box."""
    area = draws.range(step.scale) * (height * width)
    aspect = fm_exp(draws.range(step.log_ratio))
    return round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))


def resized_crop(image, step, draws):
    height, width = image.shape
    for _ in range(10):
        w, h = try_box(step, draws, height, width)
        if 0 < w <= width and 0 < h <= height:
            top = draws.below(height - h + 1)
            left = draws.below(width - w + 1)
            break
    else:
        h, w = step.fallback_height, step.fallback_width
        top, left = (height - h) // 2, (width - w) // 2
    part = image[top : top + h, left : left + w]
    return resize(part, SimpleNamespace(**step.resize))

"""Every step of an augmentation in slow, obvious Python, exact to the bit.

Written from the comments in src/augment/*.h alone, never from the C. Numbers of Python
are the C's double; those of numpy are float32 unless they say something else.
"""

import ctypes
import functools
import math
import struct
from types import SimpleNamespace

import numpy as np
import reference

F = np.float32
NEAREST = 0
CONSTANT, EDGE, REFLECT, SYMMETRIC = range(4)
MIXUP, CUTMIX = range(2)
INVERT, POSTERIZE, SOLARIZE, BRIGHTNESS, CONTRAST, AUTOCONTRAST, EQUALIZE = range(7)


# ---- numbers ------------------------------------------------------------------------


def fm_round(x):
    return float(round(x))


def polynomial(c, x):
    """Even and odd powers each by Horner's rule."""
    even = odd = 0.0
    for a in c[::2][::-1]:
        even = even * (x * x) + a
    for a in c[1::2][::-1]:
        odd = odd * (x * x) + a
    return even + x * odd


def fm_exp(x):
    k = fm_round(x * float.fromhex("0x1.71547652b82fep0"))
    r = x - k * float.fromhex("0x1.62e42fefa38p-1")
    r -= k * float.fromhex("0x1.ef35793c7673p-45")
    total = polynomial([1.0 / math.factorial(n) for n in range(14)], r)
    return total * 2.0 ** int(k)


def fm_log(x):
    (bits,) = struct.unpack("<q", struct.pack("<d", x))
    k = (bits - 0x3FE6A09E667F3BCD) >> 52
    (m,) = struct.unpack("<d", struct.pack("<q", bits - (k << 52)))
    s = (m - 1.0) / (m + 1.0)
    total = polynomial([1.0 / n for n in range(1, 22, 2)], s * s)
    return float(k) * float.fromhex("0x1.62e42fefa39efp-1") + 2.0 * s * total


def fm_sin_cos(degrees):
    quarters = fm_round(degrees / 90.0)
    x = (degrees - quarters * 90.0) * float.fromhex("0x1.1df46a2529d39p-6")
    signs = [(-1.0) ** n for n in range(9)]
    of_sine = [sign / math.factorial(2 * n + 1) for n, sign in enumerate(signs)]
    of_cosine = [sign / math.factorial(2 * n) for n, sign in enumerate(signs)]
    s, c = x * polynomial(of_sine, x * x), polynomial(of_cosine, x * x)
    return [(s, c), (c, -s), (-s, -c), (-c, s)][int(quarters) & 3]


class Draws:
    """The words that one step draws for one sample, and numbers made of them."""

    def __init__(self, seed, epoch, position, operation):
        self.key = seed, epoch, position, operation
        self.n_taken = 0

    def word(self):
        i, self.n_taken = self.n_taken, self.n_taken + 1
        if i % 4 == 0:
            self.words = reference.draw(*self.key, i // 4)
        return self.words[i % 4]

    def coin(self, p):
        return self.word() < int(p * 2**32)

    def below(self, n):
        return self.word() * n >> 32

    def uniform(self, low, high):
        return low + (high - low) * (self.word() * 2.0**-32)

    def range(self, limits):
        low, high = limits["low"], limits["high"]
        if limits["n_levels"] > 1:
            level = self.below(limits["n_levels"])
            value = low + (high - low) * (level / (limits["n_levels"] - 1.0))
        else:
            value = self.uniform(low, high)
        return -value if limits["random_sign"] and self.word() >> 31 else value

    def unit(self):
        """Uniform in (0, 1), never at an end."""
        return (self.word() + 0.5) * 2.0**-32

    def normal(self):
        u = self.unit()
        _, cosine = fm_sin_cos(self.word() * (360.0 * 2.0**-32))
        return math.sqrt(-2.0 * fm_log(u)) * cosine

    def log_gamma(self, shape):
        """The logarithm of a gamma number, by Marsaglia and Tsang."""
        log_power = 0.0
        if shape < 1:
            log_power = fm_log(self.unit()) / shape
            shape += 1.0
        d = shape - 1.0 / 3.0
        c = 1.0 / math.sqrt(9.0 * d)
        for _ in range(64):
            x = self.normal()
            t = 1.0 + c * x
            v = t * t * t
            log_u = fm_log(self.unit())
            if v > 0 and log_u < ((0.5 * x * x + d) - d * v) + d * fm_log(v):
                break
        return (fm_log(d) + fm_log(v if v > 0 else 1.0)) + log_power

    def beta(self, alpha):
        first, second = self.log_gamma(alpha), self.log_gamma(alpha)
        return 1.0 / (1.0 + fm_exp(min(max(second - first, -700.0), 700.0)))

    def field(self, n):
        """n words of the stream whose key is the next two words."""
        chunks = np.arange(-(-n // 64), dtype=np.uint64)
        counter = 16 * chunks[:, None] + np.arange(16, dtype=np.uint64)
        mask, zero = np.uint64(reference.MASK), np.zeros_like(counter)
        low, high = counter & mask, counter >> np.uint64(32)
        words = reference.philox((low, high, zero, zero), (self.word(), self.word()))
        return np.stack(words, axis=1).reshape(-1)[:n].astype(np.uint32)


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
    words = np.array(reference.draw(*draws.key, 1), dtype=np.uint32)
    pointers = image.ctypes.data_as(pixels), words.ctypes.data_as(word)
    function(pointers[0], *image.shape, pointers[1], step.data or None)
    return image


# ---- steps --------------------------------------------------------------------------

STEPS = {
    "crop": crop,
    "flip": flip,
    "elastic": elastic,
    "resize": resize,
    "resized_crop": resized_crop,
    "tone": tone,
    "jitter": jitter,
    "blur": blur,
    "sharpness": sharpness,
    "noise": noise,
    "erasing": erasing,
    "cutout": cutout,
    "user": user,
}


def is_run(kind, p, step, draws, sample):
    """The coin. An alternating flip has none: it turns every second epoch."""
    if kind == "flip" and step.alternating:
        seed, epoch, _, operation = draws.key
        first = reference.draw(seed, 0, sample, operation, 0)[0] >> 31
        return (epoch + first) % 2 == 1
    return draws.coin(p)


def chosen(steps, begin, end, draws):
    """The first step of the group that a choice takes."""
    word = draws.word()
    while begin < end:
        _, _, parameters = steps[begin]
        if word < parameters["until"]:
            return begin
        begin += 1 + parameters["n_inner"]
    raise AssertionError("the last `until` must be 2**32")


def run(compiled, image, seed, epoch, position, sample):
    """All steps over one image: uint8 (height, width) in and out."""
    steps, pending = compiled.steps, None

    def settle(image):
        return image if pending is None else warp(image, *pending)

    def walk(begin, end):
        nonlocal image, pending
        i = begin
        while i < end:
            kind, p, parameters = steps[i]
            draws = Draws(seed, epoch, position, i + 1)
            step = SimpleNamespace(**parameters)
            after = i + 1 + parameters.get("n_inner", 0)
            if is_run(kind, p, step, draws, sample):
                if kind == "group":
                    walk(i + 1, after)
                elif kind == "choice":
                    group = chosen(steps, i + 1, after, draws)
                    walk(group, group + 1 + steps[group][2]["n_inner"])
                elif kind == "affine":
                    m, rest = affine_map(step, draws), (step.interpolation, step.fill)
                    if pending is not None and pending[1:] == rest:
                        m = compose(pending[0], m)
                    else:
                        image = settle(image)
                    pending = (m, *rest)
                else:
                    image, pending = settle(image), None
                    image = STEPS[kind](image, step, draws)
            i = after

    walk(0, len(steps))
    image = settle(image)
    assert image.dtype == np.uint8 and image.shape == (compiled.height, compiled.width)
    return image


# ---- mixing -------------------------------------------------------------------------


def mix_draw(compiled, seed, epoch, position, index, n_rows):
    """(kind, partner, share, box) of row `index` of a global batch; None: not mixed."""
    p, parameters = compiled.mix
    draws = Draws(seed, epoch, position, len(compiled.steps) + 1)
    if not draws.coin(p) or n_rows == 1:
        return None
    pick = draws.word()
    kind, alpha, _ = next(kind for kind in parameters["kinds"] if pick < kind[2])
    partner = draws.below(n_rows - 1)
    partner += partner >= index
    share = draws.beta(alpha)
    if kind == MIXUP:
        return kind, partner, F(share), None
    height, width = compiled.height, compiled.width
    cx, cy = draws.below(width), draws.below(height)
    r = 0.5 * math.sqrt(1 - share)
    half_w, half_h = int(r * width), int(r * height)
    left, right = max(cx - half_w, 0), min(cx + half_w, width)
    top, bottom = max(cy - half_h, 0), min(cy + half_h, height)
    area = (right - left) * (bottom - top)
    box = slice(top, bottom), slice(left, right)
    return kind, partner, F(1 - area / (width * height)), box


def mix_pixels(own, other, mixture):
    kind, _, share, box = mixture
    if kind == MIXUP:
        return to_pixels(share * own.astype(F) + (F(1) - share) * other.astype(F))
    out = own.copy()
    out[box] = other[box]
    return out


def batch(compiled, images, samples, rows, seed, epoch, position):
    """Some rows of the global batch of `samples` that starts at `position`.

    Returns their pixels, and for each row its partner and its own share of the label.
    """

    @functools.cache
    def augmented(i):
        sample = int(samples[i])
        return run(compiled, images[sample], seed, epoch, position + i, sample)

    out, shares = [], []
    for i in rows.tolist():
        mixture = None
        if compiled.mix is not None:
            mixture = mix_draw(compiled, seed, epoch, position + i, i, len(samples))
        if mixture is None:
            out.append(augmented(i))
            shares.append((i, F(1)))
        else:
            out.append(mix_pixels(augmented(i), augmented(mixture[1]), mixture))
            shares.append(mixture[1:3])
    return np.stack(out), shares


def soft_labels(labels, n_classes, rows, shares):
    """One-hot float32 labels of `rows`, in the shares that `batch` gives."""
    onehot = np.eye(n_classes, dtype=F)[labels]
    return np.stack(
        [
            share * onehot[i] + (F(1) - share) * onehot[partner]
            for i, (partner, share) in zip(rows, shares)
        ]
    )

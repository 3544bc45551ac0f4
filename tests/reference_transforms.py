"""Drawing a transform: from its parameters and random numbers to operations.

A function `f(transform, draws, shape)` yields the operations of one transform that
runs. `transform` has the fields of the C struct as attributes, `draws` is a
`reference_draws.Draws` whose coin has been read, and `shape` is the height and width of
the image at its turn. A line "Words:" in the C headers says which numbers are drawn.

The code was written from the comments in src/augment/*.h alone, never from the C code.
A Python float stands for a double of C.
"""

import math

import numpy as np
from reference_draws import draw
from reference_operations import (
    BRIGHTNESS,
    CONSTANT,
    CONTRAST,
    Blur,
    Cut,
    Elastic,
    Noise,
    Paint,
    PaintRandom,
    Perspective,
    Resize,
    SaltPepper,
    Sharpness,
    Tone,
    User,
    Warp,
)
from reference_real import real_exp, real_sin_cos

# ---- crops and flips ----------------------------------------------------------------


def crop(transform, draws, shape):
    """Yield a crop at a random place.

    The twin of struct fm_crop (src/augment/crop.h).
    """
    top = transform.top + draws.below(transform.n_tops)
    left = transform.left + draws.below(transform.n_lefts)
    size = transform.height, transform.width
    yield Cut(top, left, *size, transform.mode, transform.fill)


def flip(transform, draws, shape):
    """Yield a flip of the whole image, upside down if `vertical` is set."""
    is_vertical = bool(transform.vertical)
    yield Cut(0, 0, *shape, flip_y=is_vertical, flip_x=not is_vertical)


# ---- warps --------------------------------------------------------------------------


def affine(transform, draws, shape):
    """Yield a random affine map."""
    m = affine_map(transform, draws)
    yield Warp(m, transform.interpolation, transform.fill)


def affine_map(transform, draws):
    """Return the six coefficients of the map from output to source (`Warp`).

    The image is rotated, scaled and sheared about a center, then moved by whole pixels.
    The map is the inverse of these changes, as in torchvision.transforms.v2's
    RandomAffine. The twin of fm_warp_draw (src/augment/warp.h).
    """
    angle = draws.range(transform.angle)
    if transform.counter_clockwise:
        angle = -angle
    integer = math.trunc if transform.truncate else round
    tx = float(integer(draws.range(transform.translate_x)))
    ty = float(integer(draws.range(transform.translate_y)))
    scale = draws.range(transform.scale)
    tangents = [draws.range(transform.shear_x), draws.range(transform.shear_y)]
    if not transform.shear_tangent:
        sines = [real_sin_cos(shear) for shear in tangents]
        tangents = [sine / cosine for sine, cosine in sines]
    tan_x, tan_y = tangents
    sine, cosine = real_sin_cos(angle)
    a = cosine + sine * tan_y
    b = -a * tan_x - sine
    c = sine - cosine * tan_y
    d = -c * tan_x + cosine
    m = [d / scale, -b / scale, 0.0, -c / scale, a / scale, 0.0]
    cx, cy = transform.center_x, transform.center_y
    m[2] = m[0] * (-cx - tx) + m[1] * (-cy - ty) + cx
    m[5] = m[3] * (-cx - tx) + m[4] * (-cy - ty) + cy
    return tuple(m)


def elastic(transform, draws, shape):
    """Yield an elastic warp, of which only the key of the noise is random.

    The twin of struct fm_elastic (src/augment/elastic.h).
    """
    alpha = transform.alpha_x, transform.alpha_y
    sigma = transform.sigma_x, transform.sigma_y
    yield Elastic(draws.key(), alpha, sigma, transform.interpolation, transform.fill)


def perspective(transform, draws, shape):
    """Yield a perspective map that moves the corners of the image inwards."""
    corners = moved_corners(transform, draws, shape)
    m = perspective_map(corners, shape)
    yield Perspective(m, transform.interpolation, transform.fill)


def moved_corners(transform, draws, shape):
    """Return (x, y) of four corners, clockwise from the top left one.

    The twin of struct fm_perspective (src/augment/perspective.h).
    """
    height, width = shape
    corners = []
    for is_right, is_bottom in ((0, 0), (1, 0), (1, 1), (0, 1)):
        x = draws.below(transform.n_x) + is_right * (width - transform.n_x)
        y = draws.below(transform.n_y) + is_bottom * (height - transform.n_y)
        corners.append((x, y))
    return corners


def perspective_map(corners, shape):
    """Return the nine coefficients of the map from output to source, in float32.

    The source has its corners where the output has the given points. Without a map, all
    coefficients are 0. The twin of fm_perspective_find (src/augment/perspective.h).
    """
    height, width = (float(side) for side in shape)
    a, b, c, d = ((x - width / 2, y - height / 2) for x, y in corners)

    def area(p, q, r):
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    def line(p, q, factor):
        dx, dy = q[0] - p[0], q[1] - p[1]
        return -dy * factor, dx * factor, (dy * p[0] - dx * p[1]) * factor

    areas = area(b, c, d), area(a, c, d), area(a, b, d), area(a, b, c)
    if 0 in areas:
        return (0.0,) * 9
    left = line(d, a, areas[0] * areas[3])
    top = line(a, b, areas[0] * areas[1])
    right = line(b, c, areas[1] * areas[2])
    w = [x + y for x, y in zip(left, right)]
    scale = 1 / (abs(w[0]) * (width / 2) + abs(w[1]) * (height / 2) + abs(w[2]))
    unit = scale * 65536
    m = [(u * (width - 1) - x * (width / 2)) * unit for u, x in zip(left, w)]
    m += [(v * (height - 1) - x * (height / 2)) * unit for v, x in zip(top, w)]
    m += [x * scale for x in w]
    return tuple(float(np.float32(x)) for x in m)


# ---- resizing -----------------------------------------------------------------------


def resize(transform, draws, shape):
    """Yield a change of the size, which draws no number."""
    yield resized((0, 0, *shape), vars(transform))


def resized(box, options):
    """Return the operation that resizes a box by the fields of struct fm_resize."""
    size = options["height"], options["width"]
    return Resize(box, *size, options["interpolation"], options["antialias"])


def resized_crop(transform, draws, shape):
    """Yield a random box of the image, resized to one size.

    After ten tries that do not fit, the box has the fallback size and lies in the
    center. The twin of fm_resample_draw (src/augment/resample.h).
    """
    height, width = shape
    for _ in range(10):
        w, h = box_sides(transform, draws, shape)
        if 0 < w <= width and 0 < h <= height:
            top = draws.below(height - h + 1)
            left = draws.below(width - w + 1)
            break
    else:
        h, w = transform.fallback_height, transform.fallback_width
        top, left = (height - h) // 2, (width - w) // 2
    yield resized((top, left, h, w), transform.resize)


def zoom_out(transform, draws, shape):
    """Yield a canvas around the image, and its change to the image's size.

    The twin of struct fm_zoom_out (src/augment/resample.h).
    """
    factor = draws.range(transform.side)
    height, width = (int(side * factor) for side in shape)
    left = draws.below(width - shape[1])
    top = draws.below(height - shape[0])
    yield Cut(-top, -left, height, width, CONSTANT, transform.fill)
    yield resized((0, 0, height, width), transform.resize)


def box_sides(transform, draws, shape):
    """Return both sides of one try of a random box, which may not fit the image.

    The area is uniform, `scale` as a fraction of the image. The aspect ratio, first
    side over second side, is log-uniform. A resized crop takes the width first, and
    erasing takes the height first.
    """
    area = draws.range(transform.scale) * (shape[0] * shape[1])
    aspect = real_exp(draws.range(transform.log_ratio))
    return round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))


# ---- pixel values -------------------------------------------------------------------


def tone(transform, draws, shape):
    """Yield a tone of random strength (struct fm_tone in src/augment/tone.h)."""
    yield Tone(transform.kind, draws.range(transform.value))


def jitter(transform, draws, shape):
    """Yield random brightness and contrast, in random order.

    A factor of 1 changes nothing and gives no operation, so that the affine maps before
    and after it are still consecutive. The twin of struct fm_jitter
    (src/augment/tone.h).
    """
    contrast_first = draws.word() >> 31
    brightness = Tone(BRIGHTNESS, draws.range(transform.brightness))
    contrast = Tone(CONTRAST, draws.range(transform.contrast))
    both = (contrast, brightness) if contrast_first else (brightness, contrast)
    yield from (operation for operation in both if operation.value != 1)


def blur(transform, draws, shape):
    """Yield a Gaussian blur of random width (src/augment/filter.h)."""
    yield Blur(transform.size_y, transform.size_x, draws.range(transform.sigma))


def sharpness(transform, draws, shape):
    """Yield smoothing or sharpening by a random factor (src/augment/filter.h)."""
    yield Sharpness(draws.range(transform.factor))


def noise(transform, draws, shape):
    """Yield noise, of which only the key is random (src/augment/noise.h)."""
    yield Noise(draws.key(), transform.mean, transform.sigma)


def salt_pepper(transform, draws, shape):
    """Yield salt-and-pepper noise of random amount (src/augment/noise.h).

    Probabilities become whole 65536ths, and halves become even ones.
    """
    amount = draws.range(transform.amount)
    salt = round(amount * transform.salt_vs_pepper * 65536)
    yield SaltPepper(draws.key(), salt, round(amount * 65536))


# ---- rectangles ---------------------------------------------------------------------


def erasing(transform, draws, shape):
    """Yield a random box to paint with one value or, with `random`, random bytes.

    It is smaller than the image in both directions. After ten tries that do not fit,
    an empty box is painted. The twin of fm_erase_draw (src/augment/erase.h).
    """
    height, width = shape
    for _ in range(10):
        h, w = box_sides(transform, draws, shape)
        if h < height and w < width:
            top = draws.below(height - h + 1)
            left = draws.below(width - w + 1)
            box = top, left, h, w
            if transform.random:
                yield PaintRandom(box, draws.key())
            else:
                yield Paint(box, transform.value)
            return
    yield Paint((0, 0, 0, 0), transform.value)


def cutout(transform, draws, shape):
    """Yield a square to paint, clipped at the edges of the image.

    It has `size` pixels around a random pixel of the image. The twin of
    fm_erase_draw_cutout (src/augment/erase.h).
    """
    ends = []
    for side in shape:
        begin = draws.below(side) - transform.size // 2
        ends.append((max(begin, 0), min(begin + transform.size, side)))
    (top, bottom), (left, right) = ends
    yield Paint((top, left, bottom - top, right - left), transform.value)


def user(transform, draws, shape):
    """Yield a call of a C function. Its random words are draw 1 of the transform."""
    random = draw(*draws.stream, 1)
    yield User(transform.function, transform.data, random)


OPERATIONS = {
    function.__name__: function
    for function in (
        crop,
        flip,
        affine,
        elastic,
        resize,
        resized_crop,
        tone,
        jitter,
        blur,
        sharpness,
        noise,
        erasing,
        cutout,
        user,
        perspective,
        zoom_out,
        salt_pepper,
    )
}

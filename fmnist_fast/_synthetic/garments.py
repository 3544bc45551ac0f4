"""Draw a stand-in for Fashion-MNIST: 28x28 garments of the ten classes.

Tests and examples run with these drawings instead of the published files. Each image
depends only on its label, the seed and its index. Its bytes are the same on every
platform.
"""

from functools import partial, reduce
from itertools import count, pairwise

import numpy as np

from .._checks import checked_integer, checked_seed
from .._core import default_floats

SIZE = 28
CHUNK = 256  # images drawn together, few enough that their planes stay in the cache
GOLDEN = 0x9E3779B97F4A7C15
HALF = np.float32(0.5)
# X and Y are the coordinates of the pixel centers. All arithmetic on them is + - * /
# and square roots in float32, which IEEE 754 rounds alike on every platform. A number
# per image has shape (n, 1, 1). A curve has shape (n, 1, 28) or (n, 28, 1), and a plane
# has shape (n, 28, 28).
X = np.arange(SIZE, dtype=np.float32)[None, None, :] + HALF
Y = X.transpose(0, 2, 1)


def _mix(z):
    """Return a hash of 64-bit integers: the output function of SplitMix64."""
    # Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    # The constants are from prng.di.unimi.it/splitmix64.c.
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _picker(keys):
    """Return a function that draws one new random number per image in each call."""
    calls = count(1)

    def pick(low, high):
        """Return random numbers between `low` and `high`, of shape (n, 1, 1)."""
        increment = np.uint64(GOLDEN * next(calls) % 2**64)
        unit = (_mix(keys + increment) >> np.uint64(40)).astype(np.float32)
        return low + (high - low) * (unit * np.float32(2.0**-24))[:, None, None]

    return pick


def _noise(keys):
    """Return noise in 0..1 for each pixel. A random word gives eight pixels."""
    counters = np.arange(SIZE * SIZE // 8, dtype=np.uint64) + 1000  # pick stays below
    words = _mix(keys[:, None] + counters * np.uint64(GOLDEN))
    levels = words.astype("<u8", copy=False).view(np.uint8).astype(np.float32)
    return (levels / 255).reshape(-1, SIZE, SIZE)


def _curve(along, places, values):
    """Return a curve through values at given places, constant before and after them."""
    curve = values[0]
    for (a, b), (low, high) in zip(pairwise(places), pairwise(values), strict=True):
        fraction = (along - a) / np.maximum(b - a, HALF)
        curve = curve + (high - low) * np.clip(fraction, 0, 1)
    return curve


# A shape is a plane of distances: how far each pixel center lies inside an edge, in
# pixels. The minimum of two shapes is their overlap, and the negative is the outside.
def _within(curve, across):
    """Return the distance of `across` inside a curve, at right angles to its slope."""
    rise = np.gradient(curve, axis=curve.shape.index(SIZE, 1))
    return (curve - across) / np.sqrt(1 + rise * rise)


def _fill(*shapes):
    """Return the coverage of each pixel by the overlap of shapes, smooth in 0..1."""
    return np.clip(reduce(np.minimum, shapes) + HALF, 0, 1)


def _line(shape):
    """Return a line along the edge of a shape, in 0..1."""
    return np.maximum(1 - np.abs(shape), 0)


def _stripes(along, period, share):
    """Return 1 on a stripe and 0 beside it."""
    phase = along / period
    wave = np.abs(2 * (phase - np.floor(phase)) - 1)
    return _fill((wave - 1 + share) * period / 2)


# Painters return brightness. Arguments with two numbers are ranges in pixels. `long`,
# `bare` and `opening` are the probabilities of long sleeves, no sleeves and a front
# opening.
def _top(pick, *, depth, width=(6.5, 9), hem=(-0.7, 1.4), long=1, bare=0, opening=0):
    """Paint body, sleeves, neckline or collar (depth < 0), buttons or zip, lapels."""
    long, bare, opening = (pick(0, 1) < chance for chance in (long, bare, opening))
    depth, chest = pick(*depth), pick(*width)
    shoulder = chest + pick(-0.8, 0.8)
    neck = np.minimum(pick(2, 4.6), shoulder - 1)
    top = pick(0.2, 1.2) - np.minimum(depth, 0)
    start, bottom = top + pick(1, 2.8), pick(24.5, 27.7)
    places = top, start, start + pick(4.5, 6.5), pick(13, 17), bottom
    widths = neck, shoulder, chest, chest + pick(-1.3, 0.3), chest + pick(*hem)
    u = np.abs(X - 14 - pick(-0.8, 0.8))  # distance from the center line
    side = _within(_curve(Y, places, widths), u)
    hollow = _curve(u, (neck * pick(0, 0.8), neck), (top + depth, top))
    body = _fill(side, bottom - Y, -_within(hollow, Y))

    cuff = np.where(long, np.minimum(start + pick(17, 22), bottom), start + pick(4, 8))
    reach = np.where(long, pick(0.5, 4.5), (cuff - start) * pick(0.3, 0.9))
    tip = np.minimum(shoulder + reach, 13.6)
    thick = np.where(long, pick(2.6, 4.2), pick(4, 6))
    outer = _curve(Y, (start, cuff), (shoulder, tip))
    sleeve = _fill(_within(outer, u), -_within(outer - thick, u), Y - start, cuff - Y)
    sleeve = np.maximum(sleeve - body, 0) * ~bare * pick(0.7, 1.1)

    seam = _line(side) * (start < Y) * pick(0, 0.6)
    buttons = np.where(pick(0, 1) < 0.5, _stripes(Y, pick(2.5, 4.5), 0.45), 1)
    front = _fill(pick(0, 0.5) - u) * buttons * opening * pick(0.15, 0.7)
    end = top + pick(-4, 7)
    lapel = _line(_within(_curve(Y, (top, end), (neck, 0)), u))
    lapel = lapel * (end > Y) * opening * pick(0.1, 0.7)
    return body * (1 - seam) * (1 - front) * (1 - lapel) + sleeve


def _trousers(pick):
    """Paint two legs, a waistband and a fly."""
    top, crotch, bottom = pick(0.2, 1.2), pick(8.5, 12.5), pick(25, 27.8)
    hip = pick(4.5, 6.8)
    ankle = hip + pick(-2, 2.4)
    inside = np.maximum(ankle - pick(2, 4.2), HALF)
    u = np.abs(X - 14 - pick(-1, 1) - pick(-0.12, 0.12) * np.maximum(Y - crotch, 0))
    outer = _curve(Y, (top, top + 6, bottom), (hip - pick(0.3, 1.8), hip, ankle))
    inner = _curve(Y, (crotch - 1, crotch, bottom), (-1, 0, inside))
    legs = _fill(_within(outer, u), -_within(inner, u), Y - top, bottom - Y)
    band = _line(Y - top - pick(1, 2.2)) * pick(0, 0.6)
    fly = _fill(np.float32(0.2) - u) * (crotch > Y) * pick(0, 0.6)
    return legs * (1 - band) * (1 - fly)


def _shoe(pick, *, lift, instep, shaft, dip, straps=False):
    """Paint a shoe that points left: sole, heel or wedge, instep, shaft with a dip."""
    lift, thick, toe, heel = pick(*lift), pick(1, 2.5), pick(2.5, 5), pick(1.5, 6)
    low = lift + thick + pick(*instep)
    high = np.minimum(low + pick(*shaft), 26.4)
    half = np.float32(13.3) - np.maximum(high - 15, 0) * pick(0.1, 0.35)
    front, back, ground = 14 - half, 14 + half, 14 + high / 2
    ball, throat = front + half * pick(0.5, 0.75), front + half * pick(0.8, 1.1)
    places = front, front + 3, ball, throat, throat + pick(1, 3), back - 4, back - 1
    heights = toe * 0.4, toe, toe + 1, low, high, high - pick(*dip), high
    crown = _within(ground - _curve(X, places, heights), Y)
    bends = front, front + 3, ball, back - heel - 1, back - heel
    arch = np.where(pick(0, 1) < 0.3, 0, lift)  # a wedge has no arch
    under = _within(ground - _curve(X, bends, (1, 0, 0, arch, 0)), Y)
    upper = _curve(X, (ball, back - np.minimum(heel, 4)), (thick, thick + lift))
    upper = _within(ground - upper, Y)
    shape, sole = _fill(-crown, under, X - front, back - X), _fill(-upper)
    if straps:
        bands = _stripes(X + Y * pick(-1, 1), pick(5, 10), pick(0.2, 0.4))
        bands = np.maximum(bands, _fill(crown + pick(0.7, 1.7)))  # and a band on top
        shape = shape * np.maximum(bands, sole)
    return shape * (1 - sole * pick(-0.25, 0.7)) * (1 - _line(upper) * pick(0, 0.5))


def _bag(pick):
    """Paint a bag with a flap, and mostly with a handle."""
    tall = pick(11, 21)
    handle = np.where(pick(0, 1) < 0.7, (27 - tall) * pick(0.3, 1), 0)
    wide = np.maximum(pick(9, 13.4), np.minimum(37 - tall - handle, 13))
    top = 14 - (tall - handle) / 2
    bottom, upper, lower = top + tall, wide * pick(0.7, 1), wide * pick(0.85, 1)
    u, corner = np.abs(X - 14), pick(0.3, 3.5)
    places = top, top + corner, bottom - corner, bottom
    side = _curve(Y, places, (upper - corner / 2, upper, lower, lower - corner))
    below = Y - top - tall * pick(0.2, 0.7) + (u / wide) * (u / wide) * pick(-1, 5)
    flap = 1 - _line(below) * pick(-0.2, 0.7) - _fill(below) * pick(-0.1, 0.35)
    body = _fill(_within(side, u), Y - top, bottom - Y) * flap
    across, up = upper * pick(0.35, 0.95), np.maximum(handle, 1)
    right, above = u / across, (top - Y) / up
    ring = np.abs(np.sqrt(right * right + above * above) - 1) * np.minimum(across, up)
    return np.maximum(body, _fill(pick(0.4, 1) - ring, top - Y, handle - 1))


# T-shirt, trousers, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot
PAINTERS = (
    partial(_top, depth=(1, 4.5), long=0.05, bare=0.12),
    _trousers,
    partial(_top, depth=(-1, 3), opening=0.04),
    partial(_top, depth=(0.5, 5), width=(4, 6), hem=(-0.5, 4.5), long=0.25, bare=0.4),
    partial(_top, depth=(-2, 0.5), opening=0.85),
    partial(_shoe, lift=(0, 12), instep=(2, 5), shaft=(1, 7), dip=(-1, 1), straps=True),
    partial(_top, depth=(-1.8, 3), long=0.65, opening=0.65),
    partial(_shoe, lift=(0, 0.5), instep=(4, 6), shaft=(1.2, 4), dip=(0.8, 3)),
    _bag,
    partial(_shoe, lift=(0, 5), instep=(5.5, 8), shaft=(4, 14), dip=(-1, 0.6)),
)


def _pictures(label, keys):
    """Draw garments of one class in plain, striped, checked or printed cloth."""
    pick = _picker(keys)
    dark, kind, depth = pick(0, 1), pick(0, 1), pick(0.15, 0.7)
    level = np.float32(0.95) - np.float32(0.7) * dark * dark * dark
    rows = _stripes(Y, pick(2.5, 8), pick(0.3, 0.6)) * (kind < 0.1)
    columns = _stripes(X, pick(2.5, 6), pick(0.3, 0.5)) * (np.abs(kind - 0.1) < 0.04)
    printed = np.abs(kind - 0.2) < 0.05
    grain = np.where(printed, pick(0.2, 0.7), pick(0.02, 0.1)) * _noise(keys)
    cloth = level * (1 - depth * rows) * (1 - depth * columns) * (1 - grain)
    light = np.clip(PAINTERS[label](pick) * cloth, 0, 1)
    return (light * 255 + HALF).astype(np.uint8)


def _checked_labels(labels):
    """Return labels as an array if they are integers in 0..9."""
    labels = np.asarray(labels)
    if labels.ndim != 1:
        raise ValueError(f"labels must be 1-D, got shape {labels.shape}")
    if labels.size and labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers in 0..9, got dtype {labels.dtype}")
    bad = np.flatnonzero((labels < 0) | (labels > 9))
    if bad.size:
        first = f"{labels[bad[0]]} at index {bad[0]}"
        raise ValueError(f"labels must be integers in 0..9, got {first}")
    return labels


@default_floats
def draw(labels: np.ndarray, *, seed: int = 0, first: int = 0) -> np.ndarray:
    """Draw one garment for each label, bright on black.

    Image ``i`` depends only on ``labels[i]``, `seed` and ``first + i``. A long run can
    be drawn in pieces: ``draw(labels)[a:b]`` equals ``draw(labels[a:b], first=a)``.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
        Fashion-MNIST classes, from 0 (T-shirt/top) to 9 (ankle boot).
    seed : int in 0..2**64-1, default 0
        Number that decides all images.
    first : int, default 0
        Index of the first image. ``first + n`` must be at most 2**64.

    Returns
    -------
    ndarray, uint8 (n, 28, 28), C-contiguous
        Images.

    Raises
    ------
    TypeError, ValueError
        An argument has a wrong type or is out of range.
    """
    labels = _checked_labels(labels)
    seed = checked_seed(seed)
    first = checked_integer("first", first, 0, 2**64 - max(labels.size, 1))
    start = _mix(np.array([seed], np.uint64) + np.uint64(GOLDEN))
    index = np.arange(labels.size, dtype=np.uint64) + np.uint64(first)
    keys = _mix(start + index * np.uint64(GOLDEN))
    images = np.zeros((labels.size, SIZE, SIZE), np.uint8)
    for label in range(len(PAINTERS)):
        indices = np.flatnonzero(labels == label)
        for low in range(0, indices.size, CHUNK):
            chunk = indices[low : low + CHUNK]
            images[chunk] = _pictures(label, keys[chunk])
    return images

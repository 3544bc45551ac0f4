"""A drawn stand-in for Fashion-MNIST: 28x28 garments of the ten classes.

It lets tests and examples run without the real files. Every picture comes from its
label, the seed and its index alone, with the same bytes on every platform.
"""

import operator
from functools import reduce
from itertools import count, pairwise
from types import SimpleNamespace

import numpy as np

SIZE = 28
CHUNK = 256  # images drawn together: few enough that their planes stay in the cache
GOLDEN = 0x9E3779B97F4A7C15
NOISE = 1000  # draw numbers from here on are the noise's, those below are the shape's
ONE = np.float32(1)
PIXELS = np.arange(SIZE, dtype=np.float32) + ONE / 2  # where the pixels' middles are
X, Y = PIXELS[None, None, :], PIXELS[None, :, None]

# A pair is a range in pixels, a lone number the chance of having the thing. Tops count
# widths from their middle line; waist and hem are relative to the chest.
TOP = dict(neck=(2, 4.4), depth=(0.3, 3), collar=(0, 1.2), shoulder=(6.5, 9.2),
           chest=(6.5, 9), waist=(-1, 0.6), hem=(-0.7, 1.4), bottom=(25, 27.7),
           long=0.96, bare=0.03, contrast=0.08, opening=0.04, buttons=0.3,
           lapel=(0, 0), logo=0.08)  # fmt: skip
FORMS = {
    0: TOP | dict(neck=(2.2, 5), depth=(1, 4.5), collar=(0, 0), long=0.05, bare=0.12,
                  logo=0.35),
    1: dict(top=(0.2, 1.2), waist=(3.6, 5.6), hip=(0.3, 1.8), crotch=(8.5, 12.5),
            bottom=(26.3, 27.8), short=0.08, flare=(-2, 2.4), leg=(2, 4.2)),
    2: TOP | dict(hem=(-0.8, 0.8), bottom=(23, 27.5), bare=0.0, logo=0.3),
    3: TOP | dict(neck=(2, 4), depth=(0.5, 5), collar=(0, 0), shoulder=(4, 6),
                  chest=(3.8, 5.8), waist=(-1.6, 0), hem=(-0.5, 4.5),
                  bottom=(26.5, 27.8), long=0.25, bare=0.4),
    4: TOP | dict(depth=(-1, 0.8), collar=(0.5, 2), bottom=(25.5, 27.8), long=1.0,
                  bare=0.0, opening=0.85, lapel=(0, 8)),
    5: dict(lift=(0, 11), sole=(1.2, 2.4), heel=(1, 4), flat=0.45, wedge=0.3,
            ankle=0.8, vamp=0.7, arch=0.45, toe=0.92, strap=(0.45, 1.2)),
    6: TOP | dict(depth=(-0.5, 3), collar=(0, 1.8), chest=(6, 8.8), long=0.65,
                  opening=0.65, buttons=0.75, lapel=(0, 4)),
    7: dict(lift=(0, 0.5), sole=(1.4, 2.6), heel=(6, 9), toe=(1.5, 3), instep=(4, 6),
            throat=(11, 15), shaft=(1.2, 4), tongue=(1.5, 3.5), dip=(0.8, 3)),
    8: dict(wide=(9, 13.4), tall=(11, 21), handle=0.7, round=0.7, taper=(0.7, 1),
            base=(0.85, 1), corner=(0.3, 3.5), flap=(0.2, 0.7), flapped=0.7),
    9: dict(lift=(0, 5), sole=(0.8, 2.2), heel=(1.5, 7), toe=(2.5, 4.5),
            instep=(5.5, 8), throat=(11, 15), shaft=(4, 14), tongue=(1, 2.5),
            dip=(-1, 0.6)),
}  # fmt: skip


def _mix(z):
    # SplitMix64's output function: Steele, Lea, Flood, "Fast splittable pseudorandom
    # number generators", OOPSLA 2014; constants as in prng.di.unimi.it/splitmix64.c
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _picker(keys):
    """Each call of the result picks one fresh number per image, shape (n, 1)."""
    numbers = count(1)

    def pick(low, high):
        step = np.uint64(GOLDEN * next(numbers) % 2**64)
        unit = (_mix(keys + step) >> np.uint64(40)).astype(np.float32)[:, None]
        return low + (high - low) * (unit * np.float32(2.0**-24))

    return pick


def _choose(pick, form):
    chosen = {
        name: pick(*want) if isinstance(want, tuple) else pick(0, 1) < want
        for name, want in form.items()
    }
    return SimpleNamespace(**chosen)


def _noise(keys):
    """Noise in 0..1 per pixel, eight pixels from each random word."""
    draws = np.arange(NOISE, NOISE + SIZE * SIZE // 8, dtype=np.uint64)
    words = _mix(keys[:, None] + draws * np.uint64(GOLDEN))
    levels = words.astype("<u8", copy=False).view(np.uint8).astype(np.float32)
    return (levels / 255).reshape(-1, SIZE, SIZE)


def _curve(*knots):
    """Values (n, 28) along the line through (position, value) knots, level outside."""
    value = knots[0][1]
    for (start, low), (end, high) in pairwise(knots):
        way = (PIXELS - start) / np.maximum(end - start, ONE / 2)
        value = value + (high - low) * np.clip(way, 0, 1)
    return value


def _wave(period, phase):
    turn = PIXELS / period + phase
    return np.abs(2 * (turn - np.floor(turn)) - 1)


def _stripes(period, phase, share):
    """Stripes along one axis, (n, 28): 1 on a stripe, 0 off it."""
    return _soft((_wave(period, phase) - 1 + share) * period / 2)


# Shapes are planes (n, 28, 28) of the distance in pixels by which a pixel's middle lies
# inside an edge: the smaller of two is their overlap, the larger their union, the
# negative the outside, and _soft turns the result into smooth coverage.
def _plane(by_row):
    return by_row[:, :, None]


def _soft(distance):
    return np.clip(distance + ONE / 2, 0, 1)


def _line(distance):
    return np.maximum(1 - np.abs(distance), 0)


def _overlap(*shapes):
    return reduce(np.minimum, shapes)


def _short_of(edge, along, axis=2):
    """By how much `along` falls short of a curve; axis 2: one edge a row, 1: a column.

    The distance is scaled by the curve's slope, else flat edges come out jagged.
    """
    rise = np.zeros_like(edge)
    rise[:, 1:-1] = (edge[:, 2:] - edge[:, :-2]) / 2
    scale = 1 / np.sqrt(1 + rise * rise)
    return (np.expand_dims(edge, axis) - along) * np.expand_dims(scale, axis)


def _strap(x0, y0, x1, y1, radius):
    x0, y0, x1, y1, radius = (_plane(value) for value in (x0, y0, x1, y1, radius))
    dx, dy, x, y = x1 - x0, y1 - y0, X - x0, Y - y0
    way = (x * dx + y * dy) / np.maximum(dx * dx + dy * dy, ONE / 100)
    way = np.clip(way, 0, 1)
    x, y = x - way * dx, y - way * dy
    return radius - np.sqrt(x * x + y * y)


def _sleeves(pick, p, u, start, armpit):
    """Both sleeves at once: `u` is the distance from the middle line."""
    long = p.long & ~p.bare
    length = np.where(long, pick(17, 22), pick(3.5, 8))
    length = np.where(p.bare, ONE / 20, np.minimum(length, p.bottom - start))
    reach = np.where(long, pick(1.5, 4.5), length * pick(0.3, 0.9))
    reach = np.minimum(reach, np.float32(13.6) - p.shoulder)
    cuff = np.where(long, pick(2.2, 4), pick(4, 6))
    slant = np.sqrt(length * length + reach * reach)
    down, out = length / slant, reach / slant
    end, tip = start + length, p.shoulder + reach
    elbow = start + length * pick(0.25, 0.5), p.shoulder + reach * pick(0.5, 0.8)
    outer = _curve((start, p.shoulder), elbow, (end, tip))
    inner = _curve((armpit, p.chest - 1), (end + cuff * out, tip - cuff * down))
    cut = (_plane(end) - Y) * _plane(down) + (_plane(tip) - u) * _plane(out)
    return _overlap(_short_of(outer, u), -_short_of(inner, u), cut, Y - _plane(start))


def _top(pick, p):
    top = p.collar + pick(0.2, 1.2)
    start = top + pick(1, 2.8)
    armpit = start + pick(4.5, 6.5)
    p.shoulder = np.maximum(p.shoulder, p.neck + 1)
    middle = 14 + pick(-0.8, 0.8)
    u = np.abs(X - _plane(middle + (PIXELS - 14) * pick(-0.03, 0.03)))
    waist = armpit + (p.bottom - armpit) * pick(0.25, 0.5)
    side = _curve(
        (top - p.collar, p.neck * 0.8), (top, p.neck), (start, p.shoulder),
        (armpit, p.chest), (waist, p.chest + p.waist), (p.bottom, p.chest + p.hem),
    )  # fmt: skip
    side = _short_of(side, u)
    v = np.minimum(np.abs(PIXELS - middle) / p.neck, 1)
    pointed = np.clip(pick(-0.6, 1.2), 0, 1)
    drop = p.depth * (pointed * (1 - v) + (1 - pointed) * np.sqrt(1 - v * v))
    neckline = _short_of(top - p.collar + drop, Y, axis=1)
    body = _soft(_overlap(side, _plane(p.bottom) - Y, -neckline))
    sleeves = np.maximum(_soft(_sleeves(pick, p, u, start, armpit)) - body, 0)
    half_lit = np.where(p.contrast, np.float32(0.5), ONE)
    sleeves = sleeves * _plane(pick(0.7, 1.15) * half_lit)
    return body * _front(pick, p, u, top, side, start) + sleeves


def _front(pick, p, u, top, side, start):
    """Brightness of a body: seams, zip or buttons, lapels, a logo, the hem."""
    seam = _line(side) * _plane(pick(0, 0.6) * _soft(PIXELS - start))
    gaps = np.where(p.buttons, _stripes(pick(2.5, 4.5), pick(0, 1), 0.45), ONE)
    front = _soft(_plane(pick(0, 0.5)) - u) * _plane(pick(0.15, 0.7) * p.opening * gaps)
    edge = _short_of(_curve((top, p.neck), (top + p.lapel, p.neck * 0)), u)
    worn = _soft(top + p.lapel - PIXELS) * (p.lapel > 1.5)
    lapel = _line(edge) * _plane(worn * pick(0.1, 0.7))
    words = _stripes(pick(1.6, 8), pick(0, 1), pick(0.6, 1.2))[:, None, :]
    patch = _soft(pick(0.6, 3) - np.abs(PIXELS - pick(8, 13))) * p.logo
    logo = _soft(_plane(pick(1.5, 4)) - u) * words * _plane(patch * pick(-0.8, 0.5))
    hem = _soft(-np.abs(p.bottom - pick(1, 2.5) - PIXELS))
    light = (1 - seam) * (1 - front) * (1 - lapel) * (1 + logo)
    return light * _plane(1 - hem * np.maximum(pick(-1, 0.8), 0))


def _trousers(pick, p):
    bottom = p.bottom - pick(1, 6) * p.short
    hip = p.waist + p.hip
    ankle = hip + p.flare
    leg = np.minimum(p.leg, ankle - ONE / 2)
    pose = pick(-0.12, 0.12) * np.maximum(PIXELS - p.crotch, 0)
    u = np.abs(X - _plane(14 + pick(-1, 1) + pose))
    outer = _curve((p.top, p.waist), (p.top + 6, hip), (bottom, ankle))
    inseam = (p.crotch - 1, hip * 0 - 1), (p.crotch, hip * 0), (bottom, ankle - leg)
    gap = _curve(*inseam)
    legs = _overlap(_short_of(outer, u), -_short_of(gap, u))
    legs = _overlap(legs, Y - _plane(p.top), _plane(bottom) - Y)
    band = _soft(pick(-0.3, 0.4) - np.abs(PIXELS - p.top - pick(1, 2.2)))
    fly = _soft(ONE / 5 - u) * _plane(pick(0, 0.6) * _soft(p.crotch - PIXELS))
    crease = _line((u - _plane((outer + gap) / 2)) / 2) * _plane(pick(-0.3, 0.2))
    return _soft(legs) * (1 - fly) * (1 + crease) * _plane(1 - band * pick(0, 0.6))


def _stand(p, front, ball, back):
    """Heights of a sole's upper and lower line, (n, 28), over the ground."""
    none = p.lift * 0
    rise = _curve((ball, none), (back - np.minimum(p.heel, 5), p.lift))
    spring = _curve((front, none + 1), (front + 3, none))
    arch = p.lift * (p.heel < back - ball - 2)  # none under a wedge
    under = (ball, none), (back - p.heel - 1, arch), (back - p.heel, none)
    return rise + p.sole, _curve(*under) + spring


def _shoe(pick, p):
    """Sneakers and boots, toe to the left; heights are over the ground."""
    p.shaft = np.minimum(p.shaft, np.float32(26.4) - p.lift - p.instep - p.sole)
    high = p.lift + p.sole + p.instep + p.shaft
    half = np.float32(13.4) - np.maximum(high - 16, 0) * pick(0.1, 0.4)
    front, back = 14 - half + pick(-0.4, 0.4), 14 + half + pick(-0.4, 0.4)
    ground = 14 + high / 2 + pick(-0.5, 0.5)
    throat = front + half * p.throat / 14
    ball = front + (throat - front) * pick(0.5, 0.7)
    over, under = _stand(p, front, ball, back)
    tip, low = p.sole + p.toe, p.lift + p.sole + p.instep
    crown = ground - _curve(
        (front, tip * 0.4), (front + 1, tip * 0.8), (front + 3, tip),
        (ball, tip + pick(0.5, 1.5)), (throat, low), (throat + p.tongue, high),
        ((throat + back) / 2 + 1, high - p.dip), (back - 1, high),
    )  # fmt: skip
    heel = _plane(back + pick(-1.2, 0.8) * p.shaft / 10 * (ground - PIXELS) / 10) - X
    shape = _overlap(-_short_of(crown, Y, axis=1), X - _plane(front), heel)
    shape = _overlap(shape, _short_of(ground - under, Y, axis=1))
    upper = _short_of(ground - over, Y, axis=1)
    light = 1 + (1 - _soft(upper)) * _plane(pick(-0.7, 0.25))
    light = light * (1 - _line(upper) * _plane(pick(0, 0.5)))
    laced = _soft(np.minimum(PIXELS - ball, throat + 1 - PIXELS))
    lace = _stripes(pick(1.8, 3), pick(0, 1), 0.5) * laced * pick(-0.3, 0.8)
    light = light * (1 - lace[:, None, :] * _line((Y - crown[:, None, :]) / 3))
    side = ground - p.sole
    mark = _strap(throat - pick(0, 4), side - pick(1, 2.5), throat + pick(2, 8),
                  side - p.lift / 2 - pick(2, 6), pick(0.2, 1.3))  # fmt: skip
    return _soft(shape) * light * (1 - _soft(mark) * _plane(pick(-0.3, 0.6)))


def _sandal(pick, p):
    p.lift = np.where(p.flat, p.lift * 0.15, p.lift + 2)
    ankle = np.where(p.flat, pick(4.5, 8), pick(6, 12))
    ankle = np.minimum(ankle, 24 - p.lift)
    high = p.lift + ankle + p.sole
    half = np.float32(13.2) - np.maximum(high - 14, 0) * pick(0.1, 0.3)
    front, back = 14 - half + pick(-0.4, 0.4), 14 + half + pick(-0.4, 0.4)
    ground = 14 + high / 2 + pick(-0.5, 0.5)
    ball = front + half * pick(0.55, 0.8)
    p.heel = np.where(p.wedge, back - ball - 1, p.heel)
    over, under = _stand(p, front, ball, back)
    slab = _overlap(-_short_of(ground - over, Y, axis=1), X - _plane(front))
    slab = _overlap(slab, _short_of(ground - under, Y, axis=1), _plane(back) - X)
    y_ball, y_heel = ground - p.sole, ground - p.sole - p.lift
    y_back, y_ankle = y_heel - ankle + pick(0, 2), y_heel - ankle + pick(0, 3)
    x_back, x_ankle = back - pick(0.8, 2.5), back - pick(6, 10)
    x_toe, y_toe = ball - pick(0, 2), y_ball - pick(2.5, 5)
    places = (
        (p.ankle, back - 1, y_heel, x_back, y_back),
        (p.ankle, x_back, y_back, x_ankle, y_ankle),
        (p.ankle & p.vamp, x_ankle, y_ankle, ball + pick(-1, 2), y_ball),
        (p.ankle & p.arch, x_ankle, y_ankle, x_ankle + pick(0, 2), y_heel + p.lift / 3),
        (p.toe, front + pick(0.5, 2.5), y_ball, x_toe, y_toe),
        (p.toe, x_toe, y_toe, ball + pick(2, 4), y_ball - p.lift * 0.1),
    )
    straps = [
        _strap(*ends, np.where(worn, p.strap * pick(0.8, 1.4), -ONE))
        for worn, *ends in places
    ]
    slab, straps = _soft(slab), _soft(reduce(np.maximum, straps))
    return slab * _plane(pick(0.5, 1)) + np.maximum(straps - slab, 0)


def _bag(pick, p):
    handle = (27 - p.tall) * pick(0.3, 1) * p.handle
    high = p.tall + handle
    wide = np.maximum(p.wide, np.minimum(37 - high, 13))  # a low one fills the width
    top = 14 - high / 2 + handle + pick(-0.4, 0.4)
    bottom, upper, lower = top + p.tall, wide * p.taper, wide * p.base
    u = np.abs(X - _plane(14 + pick(-0.5, 0.5)))
    side = _curve((top, upper - p.corner / 2), (top + p.corner, upper),
                  (bottom - p.corner, lower), (bottom, lower - p.corner))  # fmt: skip
    body = _soft(_overlap(_short_of(side, u), Y - _plane(top), _plane(bottom) - Y))
    across, up = upper * pick(0.35, 0.95), np.maximum(handle, 1)
    right, above = u / _plane(across), (_plane(top + pick(0, 2)) - Y) / _plane(up)
    bow = np.sqrt(right * right + above * above)
    ring = np.where(_plane(p.round), bow, right + np.abs(above)) - 1
    strap = _plane(pick(0.4, 1)) - np.abs(ring) * _plane(np.minimum(across, up))
    strap = _overlap(strap, _plane(top + 1) - Y, _plane(3 * handle - 1))
    bend = (PIXELS - 14) / wide
    flap = top + p.tall * p.flap - bend * bend * pick(-1, 5)
    below = Y - flap[:, None, :]
    light = 1 - _line(below) * _plane(pick(-0.2, 0.7) * p.flapped)
    light = light * (1 - _soft(below) * _plane(pick(-0.1, 0.35)))
    clasp = _soft(pick(0.4, 1.6) - np.abs(PIXELS - flap[:, 13:14])) * pick(-0.8, 0.6)
    light = light * (1 + _soft(_plane(pick(0.3, 1.6)) - u) * _plane(clasp))
    return body * light + np.maximum(_soft(strap) - body, 0) * _plane(pick(0.6, 1.1))


def _cloth(pick, noise, loud):
    """Brightness, pattern and grain; `loud` scales the chance of a pattern."""
    dark, kind = pick(0, 1), pick(0, 1) / loud
    level = np.float32(0.95) - np.float32(0.7) * dark * dark * dark
    rows = _stripes(pick(2.5, 8), pick(0, 1), pick(0.3, 0.6)) * (kind < 0.14)
    columns = _stripes(pick(2.5, 6), pick(0, 1), pick(0.3, 0.5))
    columns = columns * ((kind > 0.08) & (kind < 0.18))
    printed = (kind > 0.18) & (kind < 0.3)
    grain = np.where(printed, pick(0.2, 0.7), pick(0.02, 0.1))
    depth = pick(0.15, 0.7)
    fall = pick(-0.3, 0.3) * (PIXELS - 14) / SIZE
    folds = _wave(pick(5, 16), pick(0, 1)) * pick(0, 0.22)
    rows = level * (1 - depth * rows) * (1 - np.abs(fall) + fall)
    columns = (1 - depth * columns) * (1 - folds)
    return _plane(rows) * columns[:, None, :] * (1 - noise * _plane(grain))


# How each class is drawn, and how loud its patterns are.
PAINTERS = {label: (_top, 1) for label in (0, 2, 3, 4, 6)} | {
    1: (_trousers, 0.5), 5: (_sandal, 0.3), 7: (_shoe, 0.5), 8: (_bag, 0.6),
    9: (_shoe, 0.4),
}  # fmt: skip


def _pictures(label, keys):
    pick = _picker(keys)
    paint, loud = PAINTERS[label]
    light = paint(pick, _choose(pick, FORMS[label]))
    light = light * _cloth(pick, _noise(keys), loud)
    return (np.clip(light, 0, 1) * 255 + ONE / 2).astype(np.uint8)


def _whole(name, value, top):
    try:
        value = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if not 0 <= value <= top:
        raise ValueError(f"{name} must be an integer in 0..{top}, got {value}")
    return value


def _checked(labels):
    labels = np.asarray(labels)
    if labels.ndim != 1:
        raise ValueError(f"labels must be 1-D, got shape {labels.shape}")
    if labels.size and labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers in 0..9, got dtype {labels.dtype}")
    bad = np.flatnonzero((labels < 0) | (labels > 9))
    if bad.size:
        given = f"{labels[bad[0]]} at index {bad[0]}"
        raise ValueError(f"labels must be integers in 0..9, got {given}")
    return labels


def draw(labels, *, seed=0, first=0):
    """Draw one garment per label.

    Picture ``i`` depends on ``labels[i]``, `seed` and ``first + i`` only, so a long
    run can be drawn in pieces: ``draw(labels)[a:b]`` equals
    ``draw(labels[a:b], first=a)``.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
        Fashion-MNIST classes, 0 (T-shirt/top) to 9 (ankle boot).
    seed : int, optional
        Picks another set of pictures; at least 0 and below 2**64.
    first : int, optional
        Index of the first picture; ``first + n`` is at most 2**64.

    Returns
    -------
    numpy.ndarray of uint8, shape (n, 28, 28)
        Bright garments on a background of 0, C-contiguous.

    Raises
    ------
    TypeError
        If `labels`, `seed` or `first` are not integers.
    ValueError
        If one of them is out of range or `labels` is not one-dimensional.

    Examples
    --------
    >>> draw([9, 2, 1]).shape
    (3, 28, 28)
    """
    labels = _checked(labels)
    seed = _whole("seed", seed, 2**64 - 1)
    first = _whole("first", first, 2**64 - max(labels.size, 1))
    start = _mix(np.array([seed], np.uint64) + np.uint64(GOLDEN))
    index = np.arange(labels.size, dtype=np.uint64) + np.uint64(first)
    keys = _mix(start + index * np.uint64(GOLDEN))
    images = np.zeros((labels.size, SIZE, SIZE), np.uint8)
    for label in FORMS:
        members = np.flatnonzero(labels == label)
        for low in range(0, members.size, CHUNK):
            some = members[low : low + CHUNK]
            images[some] = _pictures(label, keys[some])
    return images

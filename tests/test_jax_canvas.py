"""Crops, flips, boxes, gray levels and conversions in JAX equal the reference's."""

import functools

import ml_dtypes
import numpy as np
import pytest
import reference
import reference_geometry
import reference_pixels
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference_convert import arranged, convert
from reference_draws import Key, draw
from reference_operations import Cut

import fmnist_fast as ff
from fmnist_fast._core import PADDING_MODES, TONE_KINDS
from fmnist_fast.augment import compile_transforms

jax = pytest.importorskip("jax")
from fmnist_fast.frameworks._jax import canvas, formats, tone, transforms  # noqa: E402
from fmnist_fast.frameworks._jax import words as jax_words  # noqa: E402

HEIGHT, WIDTH, N = 5, 4, 9
SIDES = HEIGHT, WIDTH
IMAGES = np.random.default_rng(3).integers(1, 255, (N, HEIGHT, WIDTH), np.uint8)
CHOSEN = np.array([8, 0, 3, 3, 1, 7, 2], np.uint32)  # images of a canvas
SIDE = st.integers(1, 7)
FLIPS = [("flip", False), ("flip", True)]


# ---- crops and flips ----------------------------------------------------------------


def limits(mode, n, side):
    """Return the first and the last begin of a crop of n pixels, in some mode."""
    if mode == "reflect":
        return 1 - n, 2 * n - 1 - side
    if mode == "symmetric":
        return -n, 2 * n - side
    return -side - 2, n + 2


def most(mode, n):
    """Return the largest side of a crop of n pixels."""
    return {"reflect": 3 * n - 2, "symmetric": 3 * n}.get(mode, 9)


@st.composite
def sequences(draw):
    """Draw a sequence of crops, flips and choices of flips, each with its begins."""
    size, steps = SIDES, []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from([*FLIPS, "choice", *[*PADDING_MODES] * 2]))
        if kind in FLIPS or kind == "choice":
            coins = draw(st.lists(st.booleans(), min_size=7, max_size=7))
            steps.append((*kind, None) if kind in FLIPS else ("choice", 0, coins))
            continue
        sides = tuple(min(draw(SIDE), most(kind, n)) for n in size)
        begins = []
        for n, side in zip(size, sides):
            low, high = limits(kind, n, side)
            ends = st.sampled_from([low, high]) | st.integers(low, high)
            begins.append(draw(st.lists(ends, min_size=7, max_size=7)))
        fill = draw(st.sampled_from([0, 0, 255])) if kind == "constant" else None
        steps.append(("crop", (sides, kind, fill), begins))
        size = sides
    return steps


def in_jax(first, steps):
    """Return the images that a sequence makes, under jit."""

    @jax.jit
    def made(source, image, begins):
        now = canvas.Canvas(source, SIDES, image)
        for (kind, options, _), values in zip(steps, begins, strict=True):
            if kind == "flip":
                now = now.flip(options)
            elif kind == "choice":
                now = canvas.select(values, now.flip(False), now)
            else:
                sides, mode, fill = options
                now = now.crop(values, sides, PADDING_MODES[mode], fill)
        return now.pixels().reshape(now.shape), now.pixels_to_change()

    source = IMAGES if first is None else IMAGES[:7]
    begins = [
        values
        if values is None
        else jax.numpy.array(values)
        if kind == "choice"
        else [jax.numpy.array(v, dtype=np.int32) for v in values]
        for kind, _, values in steps
    ]
    image = CHOSEN if first is None else None
    pixels, copied = made(source.reshape(len(source), -1), image, begins)
    assert np.array_equal(copied, pixels.reshape(len(pixels), -1))
    return np.asarray(pixels)


def in_reference(image, steps, i):
    for kind, options, values in steps:
        height, width = image.shape
        if kind == "flip":
            operation = Cut(0, 0, height, width, flip_y=options, flip_x=not options)
        elif kind == "choice":
            operation = Cut(0, 0, height, width, flip_x=values[i])
        else:
            sides, mode, fill = options
            begins = values[0][i], values[1][i]
            operation = Cut(*begins, *sides, PADDING_MODES[mode], fill or 0)
        image = reference_geometry.cut(image, operation)
    return image


SEVEN = range(-3, 4)
WIDE = [[*SEVEN], [*SEVEN][::-1]]


@example([("flip", False, None)], True)
@example([*[(*flip, None) for flip in FLIPS]], False)
@example([("crop", ((13, 10), "reflect", None), [[-4] * 7, [-3] * 7])], True)
@example([("crop", ((15, 12), "symmetric", None), [[-5] * 7, [-4] * 7])], True)
@example(
    [
        ("crop", ((6, 6), "constant", 9), WIDE),
        ("crop", ((4, 5), "constant", 8), WIDE),
        ("choice", 0, [k % 2 == 0 for k in range(7)]),
        ("crop", ((5, 5), "edge", None), WIDE),
    ],
    True,
)
@settings(max_examples=10)
@given(sequences(), st.booleans())
def test_crops_and_flips(steps, is_whole):
    first = IMAGES[:7] if is_whole else IMAGES[CHOSEN]
    want = [in_reference(image, steps, i) for i, image in enumerate(first)]
    assert np.array_equal(in_jax(True if is_whole else None, steps), want)


def test_canvases_without_changes_are_not_copied():
    source = jax.numpy.array(IMAGES.reshape(N, -1))
    whole = canvas.Canvas(source, SIDES)
    assert whole.pixels() is source and whole.shape == (N, HEIGHT, WIDTH)
    chosen = whole._replace(image=jax.numpy.array(CHOSEN))
    assert np.array_equal(chosen.pixels(), IMAGES.reshape(N, -1)[CHOSEN])
    assert np.array_equal(chosen.pixels_to_change(), chosen.pixels())
    assert chosen.shape == (7, HEIGHT, WIDTH)


@pytest.mark.parametrize("fills", [(None, 3), (3, None), (3, 3), (3, 4), (None, None)])
def test_selections_of_canvases(fills):
    """Canvases with the same source and one fill are selected by their rows."""

    @jax.jit
    def made(source, begins, condition):
        whole = canvas.Canvas(source, SIDES)
        first, second = (
            whole.flip(k > 0)
            if fill is None
            else whole.crop([begins, begins[:: -1 if k else 1]], SIDES, 0, fill)
            for k, fill in enumerate(fills)
        )
        chosen = canvas.select(condition, first, second)
        assert (chosen.source is source) == (fills != (3, 4))
        return chosen.pixels(), first.pixels(), second.pixels()

    begins = jax.numpy.array([1, -2, 0, 5, 2, -9, 0, 0, 0])
    condition = np.arange(N) % 2 == 0
    got, first, second = made(IMAGES.reshape(N, -1), begins, condition)
    want = np.where(condition[:, None], first, second)
    assert np.array_equal(got, want) and not np.array_equal(first, second)


# ---- transforms ---------------------------------------------------------------------

DRAWS = 2**40 + 3, 6  # seed and epoch


def all_of(augments):
    """Return the images of several augmentations, by one compiled function."""
    compiled = [compile_transforms(items, HEIGHT, WIDTH, 10) for items in augments]

    @jax.jit
    def made(source, positions):
        seed, epoch = jax_words.pair(DRAWS[0]), jax_words.word(DRAWS[1])
        key, results = jax_words.Key(seed, epoch, positions), []
        for one in compiled:
            whole = canvas.Canvas(source, SIDES, positions)
            draws = transforms.Draws(key, positions, 0)
            now = transforms.run(transforms.nested(one.transforms), whole, draws)
            results.append(now.pixels().reshape(now.shape))
        return results

    results = made(IMAGES.reshape(N, -1), np.arange(N, dtype=np.uint32))
    keys = [Key(*DRAWS, position) for position in range(N)]
    for items, one, got in zip(augments, compiled, results, strict=True):
        for i, image in enumerate(IMAGES):
            want = reference.augmented(one, image, keys[i], i)
            assert np.array_equal(got[i], want), (items, i)


def test_sizes_of_cutout():
    sizes = [1, 2, 3, 4, 8, 9, 10, 11, 1000, 65536]
    all_of([[ff.Cutout(size, 7)] for size in sizes])
    all_of(
        [[ff.Cutout(2)], [ff.Cutout(3, 255), ff.RandomHorizontalFlip(), ff.Cutout(1)]]
    )


PAIR = [ff.RandomInvert(1), ff.RandomHorizontalFlip(1)]


def test_probabilities():
    """A coin is compared with a whole number of 2**32nds."""
    shares = [0.0, 2.0**-32, 0.3, 1 - 2.0**-32, 1.0]
    all_of([[ff.RandomInvert(p)] for p in shares])
    drawn = [draw(*DRAWS, position, 1, 0) for position in range(2)]  # of transform 0
    all_of([[ff.RandomInvert((w + k) / 2**32)] for w, *_ in drawn for k in (0, 1)])
    choices = [(w + k) / 2**32 for _, w, *_ in drawn for k in (0, 1)]
    all_of([[ff.RandomChoice(PAIR, [share, 1 - share])] for share in choices])


@pytest.mark.parametrize("n", [2, 5])
def test_orders_and_choices(n):
    items = [
        ff.RandomInvert(1),
        ff.RandomHorizontalFlip(1),
        ff.Cutout(2, 9),
        ff.RandomSolarize(99, 1),
        ff.RandomCrop(SIDES, padding=1),
    ][:n]
    weights = [0, *range(1, n)]
    all_of([[ff.RandomOrder(items)], [ff.RandomChoice(items, weights)]])
    all_of([[ff.RandomChoice(items)], [ff.RandomChoice(items, [1, *[0] * (n - 1)])]])


# ---- gray levels --------------------------------------------------------------------


def gray_images():
    """Return images of 256 pixels with all levels, a few, or one."""
    levels, rng = np.arange(256), np.random.default_rng(1)
    spreads = [np.clip(levels, low, high) for low, high in ((0, 9), (3, 4), (250, 255))]
    constant = [np.full(256, level) for level in (0, 1, 77, 254, 255)]
    some = [rng.choice(rng.integers(0, 256, k), 256) for k in (1, 2, 3, 9, 200)]
    nearly = [np.where(levels < k, 5, 200) for k in (1, 2, 254, 255)]
    images = [levels, levels[::-1], *spreads, *constant, *some, *nearly]
    return np.array(images, np.uint8)


TONES = [("invert", 0.0), ("autocontrast", 0.0), ("equalize", 0.0)]
TONES += [("posterize", float(bits)) for bits in range(1, 9)]
TONES += [("solarize", value) for value in (0.0, 0.5, 1.0, 127.5, 128.0, 255.0, 255.5)]


@pytest.mark.parametrize("n_pixels", [1, 7, 256, 2048])
def test_gray_levels(n_pixels):
    images = np.tile(gray_images(), 8)[:, :n_pixels]
    results = jax.jit(lambda x: [tone.TONES[kind](x, v) for kind, v in TONES])(images)
    for (kind, value), got in zip(TONES, results, strict=True):
        assert got.dtype == np.uint8
        for image, one in zip(images, got):
            want = reference_pixels.tone(image, (TONE_KINDS[kind], value))
            assert np.array_equal(one, want), (kind, value, image)


def test_autocontrast_of_all_ranges():
    low, high = (levels[::41] for levels in np.triu_indices(256))
    some = np.stack([low, high, (low + high) // 2, low, high - (high > low)], axis=1)
    wide = np.clip(np.arange(256), 0, np.arange(256)[:, None])
    for images in (some.astype(np.uint8), wide.astype(np.uint8)):
        got = jax.jit(lambda x: tone.TONES["autocontrast"](x, 0.0))(images)
        for image, one in zip(images, got):
            want = reference_pixels.tone(image, (TONE_KINDS["autocontrast"], 0.0))
            assert np.array_equal(one, want), image


@settings(max_examples=25)
@given(st.lists(st.integers(0, 3), min_size=4, max_size=4), st.integers(0, 2**32))
def test_equalized_images(shares, seed):
    """Few levels have most pixels, so that others get a part of a level."""
    rng = np.random.default_rng(seed)
    p = np.repeat(np.array(shares) + 0.01, 64) ** 4
    images = rng.choice(256, (8, 784), p=p / p.sum()).astype(np.uint8)
    got = equalized(images)
    for image, one in zip(images, got):
        want = reference_pixels.tone(image, (TONE_KINDS["equalize"], 0.0))
        assert np.array_equal(one, want)


equalized = jax.jit(lambda x: tone.TONES["equalize"](x, 0.0))


# ---- data types ---------------------------------------------------------------------

LEVELS = np.arange(256, dtype=np.uint8).reshape(16, 16)
DTYPES = ["float32", "float16", "bfloat16"]
MEANS = [0.0, 0.2860405969887955, -3.0]
STDS = [1 / 255, 1.0, 0.3530242445149223, 1e-5, 3e9]
EXTREMES = [
    (2.0**-100, 2.0**-100),
    (2.0**-100, -(2.0**-100) * 33),
    (1.5 * 2.0**-99, -1.7 * 2.0**-93),
    (2.0**-100, 3e38),
    (2.0**100, -(2.0**100) * 255),
    (2.0**100, 2.0**-100),
    (1.9999999 * 2.0**99, -3.4e38),
    (1.0, 0.0),
    (1.0, -7.0),
    (1.0, 0.1),
    (0.1, 0.0),
    (1 / 3, -85.0),
    (1 / 255, -0.5),
    (257.0, -65536.0),
    (256.0, 3.0),
    (2.0**-24, 2.0**-26),
    (2.0**-25, 0.0),
]


def bits(array):
    array = np.asarray(array)
    return array.view(f"u{array.itemsize}")


def of_normalize(mean, std):
    return float(np.float32(1 / (255 * std))), float(np.float32(-mean / std))


def check_levels(pairs, dtype):
    """Compare all gray levels, as results of a program that goes on with them."""

    @jax.jit
    def made(pixels):
        images = [
            formats.converted(pixels, (16, 1), dtype, "NHW", (scale,), (bias,))
            for scale, bias in pairs
        ]
        used = [(x * x + x).sum() for x in images]
        return images, used

    images, _ = made(LEVELS)
    for (scale, bias), got in zip(pairs, images, strict=True):
        want = convert(LEVELS, dtype, np.float32(scale), np.float32(bias))
        assert got.dtype == dtype
        assert np.array_equal(bits(got)[..., 0], bits(want)), (scale, bias)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_all_levels_of_many_normalizations(dtype):
    pairs = [of_normalize(mean, std) for mean in MEANS for std in STDS]
    check_levels([*pairs[:: 1 if dtype == "float32" else 3], *EXTREMES], dtype)


SCALE = st.floats(-100, 99.9).map(lambda x: float(np.float32(2.0**x)))
BIAS = st.floats(-1, 1, width=32) | st.floats(-254, 0, width=32)


@settings(max_examples=3)
@given(st.lists(st.tuples(SCALE, BIAS), min_size=15, max_size=15))
def test_all_levels_of_any_normalization(pairs):
    """The bias is near the product of the scale and a gray level."""
    sums = [
        (scale, float(np.float32(scale * share)))
        for scale, share in pairs
        if abs(scale * share) >= formats.MIN_SCALE
    ]
    check_levels(sums, "float32")


def test_contraction_changes_no_bits():
    """Most machines contract a plain product and a sum, so that bits differ."""
    scales = np.random.default_rng(0).uniform(0.001, 0.05, 9).astype(np.float32)
    pairs = [(scale, np.float32(-7.3 * scale)) for scale in scales]
    levels = LEVELS.astype(np.float32)
    plain = jax.jit(lambda x: [x * scale + bias for scale, bias in pairs])(levels)
    wanted = [levels * scale + bias for scale, bias in pairs]
    n_differing = sum(map(np.count_nonzero, map(np.not_equal, plain, wanted)))
    print(f"{n_differing} of {len(pairs) * 256} numbers differ after a contraction")
    check_levels([(float(scale), float(bias)) for scale, bias in pairs], "float32")
    for x, (scale, _) in zip(range(256), pairs * 30):
        exact = np.float64(x) * scale
        assert formats._scaled(np.float32(x), scale) == np.float32(exact)
        upper = (scale.view(np.uint32) & np.uint32(0xFFFFFF00)).view(np.float32)
        for part in (upper, scale - upper):
            product = np.float64(x) * part
            assert np.float32(product) == product  # not rounded with a sum or without


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_rounding_of_all_numbers(dtype):
    """Ends of numbers are below, at and above a half, after any other bits."""
    n_lost = 13 if dtype == "float16" else 16
    half = 1 << (n_lost - 1)
    ends = np.array([0, 1, half - 1, half, half + 1, 2 * half - 1], np.uint32)
    starts = np.arange(2 ** (32 - n_lost), dtype=np.uint32) << n_lost
    x = (starts[:, None] | ends).view(np.float32).ravel()
    x = x[np.isfinite(x) & ((np.abs(x) >= 2.0**-126) | (x == 0))]
    got = jax.jit(functools.partial(formats._rounded, dtype=dtype))(x)
    dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.float16
    with np.errstate(over="ignore"):
        assert np.array_equal(bits(got), bits(x.astype(dtype)))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "flat", "NHW"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "uint8"])
def test_channels_and_layouts(layout, dtype):
    n = 1 if layout == "NHW" else 3
    scale, bias = (0.5, 1.0, 0.5)[:n], (0.25, 0.0, 0.25)[:n]
    numbers = [*zip(map(np.float32, scale), map(np.float32, bias))]
    want = arranged([convert(IMAGES, dtype, *pair) for pair in numbers], layout)
    pixels = jax.numpy.array(IMAGES.reshape(N, -1))
    got = formats.converted(pixels, SIDES, dtype, layout, scale, bias)
    assert got.shape == want.shape and np.array_equal(bits(got), bits(want))


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_labels(dtype):
    labels = jax.numpy.array([3, 0, 9, 3], dtype=dtype)
    for wanted in ("uint8", "int32"):
        got = formats.labels_of(labels, wanted, 10)
        assert got.dtype == wanted and got.tolist() == [3, 0, 9, 3]
    onehot = formats.labels_of(labels, "onehot", 10)
    assert onehot.dtype == np.float32 and np.array_equal(onehot, np.eye(10)[labels])

"""Rectangles, tones, blurs and noise follow their distributions.

test_distributions.py explains the method.
"""

import math

import numpy as np
import pytest

import fmnist_fast as ff

stats = pytest.importorskip("scipy.stats", reason="distributions are scipy's")
from helpers.significance import (  # noqa: E402
    UNLIKELY,
    N,
    boxes,
    counts_of,
    drawn,
    has_probability,
    has_shares,
    independent,
    loader_of,
    readings,
    same_distribution,
    uncorrelated,
    uniform,
)


def random_boxes(rng, n, sides, scale, ratio, fits):
    """Return heights and widths as torchvision draws them, -1 if no try of ten fits."""
    h, w = np.full(n, -1), np.full(n, -1)
    for _ in range(10):
        area = rng.uniform(*scale, n) * sides[0] * sides[1]
        aspect = np.exp(rng.uniform(*np.log(ratio), n))
        new_h, new_w = np.round(np.sqrt([area * aspect, area / aspect])).astype(int)
        take = (h < 0) & fits(new_h, new_w)
        h[take], w[take] = new_h[take], new_w[take]
    return h, w


def places_are_uniform(place, side, length, rng):
    """Return the p-value of a test that places are uniform in 0..side - length.

    Places are spread over 0..1, so that rectangles of all lengths are compared at once.
    """
    n_places = side - length + 1
    assert (place < n_places).all()
    spread = (place + rng.uniform(size=len(place))) / n_places
    return stats.kstest(spread, "uniform").pvalue


ERASING = [
    ((0.02, 0.33), (0.3, 3.3)),
    ((0.2, 0.25), (0.1, 9.0)),
    ((0.5, 1.0), (0.5, 2.0)),
]


@pytest.mark.parametrize("scale, ratio", ERASING)
def test_erased_rectangles_equal_torchvisions(scale, ratio):
    sides, rng = (20, 24), np.random.default_rng(2)
    transforms = [ff.RandomErasing(1.0, scale, ratio)]
    batches = [
        boxes(x, lambda x: x == 0)
        for x, _ in loader_of(np.full(sides, 255), transforms)
    ]
    top, left, h, w = (np.concatenate(part) for part in zip(*batches))
    expected_h, expected_w = random_boxes(
        rng, 10 * N, sides, scale, ratio, lambda h, w: (h < sides[0]) & (w < sides[1])
    )
    is_none = expected_h < 0
    code = np.where(is_none, 0, expected_h * 32 + expected_w)
    assert (
        same_distribution(h * w, np.where(is_none, 0, expected_h * expected_w))
        > UNLIKELY
    )
    assert same_distribution(h * 32 + w, code) > UNLIKELY
    is_erased = h > 0
    top, left, h, w = top[is_erased], left[is_erased], h[is_erased], w[is_erased]
    assert places_are_uniform(top, sides[0], h, rng) > UNLIKELY
    assert places_are_uniform(left, sides[1], w, rng) > UNLIKELY
    free = (sides[0] - h >= 9) & (sides[1] - w >= 9)
    if free.sum() > 1000:
        thirds = 3 * top[free] // (21 - h[free]), 3 * left[free] // (25 - w[free])
        assert independent(*thirds) > UNLIKELY
    for part in (h, w, top, left):
        assert uncorrelated(part[1:].astype(float), part[:-1].astype(float)) > UNLIKELY


def test_log_aspect_and_area_of_large_rectangles_are_uniform():
    """Rounding changes a side by at most 1 % in an image of 200 x 200 pixels."""
    transforms, n = [ff.RandomErasing(1.0, (0.1, 0.3), (0.5, 2.0))], 4000
    batches = [
        boxes(x, lambda x: x == 0)
        for x, _ in loader_of(np.full((200, 200), 255), transforms, n, batch_size=500)
    ]
    _, _, h, w = (np.concatenate(part) for part in zip(*batches))
    rng = np.random.default_rng(3)
    h, w = (side + rng.uniform(-0.5, 0.5, n) for side in (h, w))
    area, aspect = h * w / 40_000, np.log(h / w)
    assert stats.kstest(area, stats.uniform(0.1, 0.2).cdf).pvalue > UNLIKELY
    low, high = np.log([0.5, 2.0])
    assert stats.kstest(aspect, stats.uniform(low, high - low).cdf).pvalue > UNLIKELY
    assert uncorrelated(area, aspect) > UNLIKELY


def test_random_values_of_erased_pixels_are_uniform():
    transforms = [ff.RandomErasing(1.0, (0.5, 0.9), (0.8, 1.2), value="random")]
    x = drawn(np.zeros((16, 16)), transforms, 3000)
    inside = (
        (x[:, :-1] > 0) & (x[:, 1:] > 0) & (np.arange(16) > 4) & (np.arange(16) < 11)
    )
    neighbors = x[:, :-1][inside], x[:, 1:][inside]
    assert len(neighbors[0]) > 100_000
    for values in neighbors:  # 0 also means that a pixel was not erased
        assert uniform(values.astype(int) - 1, 255) > UNLIKELY
    assert independent(neighbors[0] // 16, neighbors[1] // 16) > UNLIKELY
    right = x[:, 6, 5].astype(int), x[:, 6, 6].astype(int)
    assert independent(right[0] // 64, right[1] // 64) > UNLIKELY
    rows = x[:-1, 8, 8] // 32, x[1:, 8, 8] // 32
    assert independent(*rows) > UNLIKELY


@pytest.mark.parametrize("size", [1, 4, 5])
def test_centers_of_cutouts_are_uniform(size):
    x = drawn(np.full((16, 12), 255), [ff.Cutout(size)])
    before, after = size // 2, size - size // 2
    centers = []
    for side, axis in ((16, 2), (12, 1)):
        hole = (x == 0).any(axis=axis)
        begin, n = hole.argmax(axis=1), hole.sum(axis=1)
        centers.append(np.where(begin > 0, begin + before, n - after))
        expected = np.minimum(centers[-1] + after, side) - np.maximum(
            centers[-1] - before, 0
        )
        assert np.array_equal(n, expected)
    assert uniform(12 * centers[0] + centers[1], 16 * 12) > UNLIKELY
    code = 12 * centers[0] + centers[1]
    assert independent(code[1:] // 24, code[:-1] // 24) > UNLIKELY


@pytest.mark.parametrize(
    "scale, ratio", [((0.08, 1.0), (3 / 4, 4 / 3)), ((0.2, 0.6), (0.3, 0.9))]
)
def test_resized_crops_equal_torchvisions(scale, ratio):
    """With "nearest", the first and the last pixel show where the rectangle lies."""
    sides, rng = (16, 14), np.random.default_rng(4)
    crop = ff.RandomResizedCrop((16, 16), scale, ratio, "nearest")
    x = drawn(np.arange(16 * 14).reshape(sides), [crop]).astype(int)
    (top, left), (bottom, right) = (divmod(x[:, k, k], 14) for k in (0, 15))
    h, w = bottom - top + 1, right - left + 1
    expected = random_boxes(
        rng,
        10 * N,
        sides,
        scale,
        1 / np.array(ratio[::-1]),
        lambda h, w: (h <= 16) & (w <= 14),
    )
    assert (expected[0] > 0).all(), "torchvision's fallback must not occur here"
    assert same_distribution(h * 32 + w, expected[0] * 32 + expected[1]) > UNLIKELY
    assert places_are_uniform(top, 16, h, rng) > UNLIKELY
    assert places_are_uniform(left, 14, w, rng) > UNLIKELY
    assert uncorrelated(top / 1.0 + h / 2, left + w / 2) > UNLIKELY


# ---- tone, blur and noise -----------------------------------------------------------


def test_brightness_factors_are_uniform():
    shares = readings(lambda f: np.floor(100 * f), 0.5, 2.0)
    x = drawn([[100]], [ff.ColorJitter(brightness=(0.5, 2.0))])[:, 0, 0]
    assert has_shares(counts_of(x, shares), shares) > UNLIKELY
    spread = (x + np.random.default_rng(5).uniform(size=N)) / 100
    assert stats.kstest(spread, stats.uniform(0.5, 1.5).cdf).pvalue > UNLIKELY


def test_contrast_factors_are_uniform():
    shares = readings(lambda f: np.floor(100 + 100 * f), 0.2, 1.5)
    x = drawn([[0, 200]], [ff.ColorJitter(contrast=(0.2, 1.5))])[:, 0, 1]
    assert has_shares(counts_of(x, shares), shares) > UNLIKELY


def test_brightness_and_contrast_are_independent_and_in_random_order():
    x = drawn([[0, 200]], [ff.ColorJitter((0.5, 0.5), (2, 2))])
    first, second = (x[:, 0] == value for value in ([0, 127], [0, 150]))
    contrast_first = first.all(axis=1)
    assert (contrast_first | second.all(axis=1)).all()
    assert has_probability(contrast_first, 0.5) > UNLIKELY
    rng, n = np.random.default_rng(5), 10 * N
    brightness, contrast = rng.uniform(0.5, 1.0, (2, n, 1))
    simulated_contrast_first = rng.integers(0, 2, (n, 1)) == 1
    pixels = np.array([[40, 120]])
    with_contrast = np.floor(80 + contrast * (pixels - 80))
    with_brightness = np.floor(pixels * brightness)
    mean = with_brightness.mean(axis=1, keepdims=True)
    with_brightness = np.floor(mean + contrast * (with_brightness - mean) + 1e-9)
    expected = np.where(
        simulated_contrast_first, np.floor(with_contrast * brightness), with_brightness
    ).astype(int)
    x = drawn([[40, 120]], [ff.ColorJitter((0.5, 1.0), (0.5, 1.0))])[:, 0].astype(int)
    codes = (128 * pair[:, 0] + pair[:, 1] for pair in (x, expected))
    assert same_distribution(*codes) > UNLIKELY


def test_sigmas_of_blurs_are_uniform():
    """The middle weight of three determines the sigma."""

    def middle(sigma):
        return np.floor(255 / (1 + 2 * np.exp(-0.5 / sigma**2)) + 0.5)

    image = [[0, 0, 255, 0, 0]]
    for low, high in ((0.1, 2.0), (0.4, 0.6)):
        shares = readings(middle, low, high)
        x = drawn(image, [ff.GaussianBlur((3, 1), (low, high))])[:, 0, 2]
        assert has_shares(counts_of(x, shares), shares) > UNLIKELY


@pytest.mark.parametrize("mean, sigma", [(0.0, 0.1), (0.05, 0.03), (-0.1, 0.3)])
def test_noise_is_normal(mean, sigma):
    level = stats.norm(128 + 255 * mean, 255 * sigma)
    shares = np.diff(level.cdf([-np.inf, *(np.arange(255) + 0.5), np.inf]))
    x = drawn(np.full((16, 16), 128), [ff.GaussianNoise(mean, sigma)], 2000)
    assert has_shares(counts_of(x.ravel(), shares), shares) > UNLIKELY
    if 5 * sigma < 0.5 - abs(mean):  # nothing is clipped
        z = (x.ravel() + np.random.default_rng(6).uniform(-0.5, 0.5, x.size)) - 128
        assert (
            stats.kstest(z[:N], stats.norm(255 * mean, 255 * sigma).cdf).pvalue
            > UNLIKELY
        )


def test_noise_has_normal_moments_and_no_correlation():
    x = drawn(np.full((16, 16), 128), [ff.GaussianNoise(sigma=0.1)], 2000)
    z = (x.reshape(2000, 256).astype(float) - 128) / 25.5
    n = z.size
    rounding = 1 / 12 / 25.5**2
    assert abs(z.mean()) < 4 / math.sqrt(n)
    assert abs((z**2).mean() - 1 - rounding) < 4 * math.sqrt(2 / n)
    assert abs((z**3).mean()) < 4 * math.sqrt(15 / n)
    assert abs((z**4).mean() - 3 - 6 * rounding) < 4 * math.sqrt(96 / n)
    # Numbers from the same radius or the same counter are 16 pixels apart.
    least = UNLIKELY / 100
    for lag in (*range(1, 65), 128):
        a, b = z[:, lag:].ravel(), z[:, :-lag].ravel()
        assert uncorrelated(a, b) > least
        assert uncorrelated(a**2, b**2) > least
    for a, b in ((z[1:], z[:-1]), (z[1:, 1:], z[:-1, :-1]), (z[8:], z[:-8])):
        assert uncorrelated(a.ravel(), b.ravel()) > UNLIKELY


# ---- salt and pepper ----------------------------------------------------------------


@pytest.mark.parametrize("amount, salt", [(0.05, 0.5), (0.4, 0.1), (1.0, 0.3)])
def test_salt_and_pepper_have_their_shares(amount, salt):
    """Shares are multiples of 1/65536, and 1,000,000 pixels cannot tell the rest."""
    x = drawn(np.full((25, 40), 128), [ff.SaltAndPepperNoise(amount, salt)], 1000)
    white, replaced = (round(65536 * p) / 65536 for p in (amount * salt, amount))
    counts = [(x == level).sum() for level in (255, 0, 128)]
    shares = [white, replaced - white, 1 - replaced]
    assert sum(counts) == x.size
    assert has_shares(np.array(counts), np.array(shares)) > UNLIKELY
    of_each_pixel = (x == 0).sum(axis=0).ravel()  # chunks have 128 pixels
    p = replaced - white
    z = (of_each_pixel - 1000 * p) / math.sqrt(1000 * p * (1 - p))
    assert stats.chi2.sf((z**2).sum(), len(z)) > UNLIKELY
    assert stats.chi2.cdf((z**2).sum(), len(z)) > UNLIKELY


def test_amounts_of_salt_and_pepper_are_uniform():
    """The number of replaced pixels is binomial, for an amount that is uniform."""
    n, sides = 20_000, (16, 20)
    x = drawn(np.full(sides, 128), [ff.SaltAndPepperNoise((0.2, 0.7), 0.25)], n)
    replaced = (x != 128).sum(axis=(1, 2))
    amounts = 0.2 + 0.5 * (np.arange(4000) + 0.5) / 4000
    shares = stats.binom.pmf(np.arange(321)[:, None], 320, amounts).mean(axis=1)
    shares /= shares.sum()
    assert has_shares(counts_of(replaced, shares), shares) > UNLIKELY
    assert uncorrelated(replaced[1:] * 1.0, replaced[:-1] * 1.0) > UNLIKELY
    white = (x == 255).sum(axis=(1, 2))
    assert stats.binomtest(int(white.sum()), int(replaced.sum()), 0.25).pvalue > 1e-4


def test_pixels_with_salt_and_pepper_are_independent():
    x = drawn(np.full((16, 24), 128), [ff.SaltAndPepperNoise(0.6, 0.4)], 1000)
    kinds = (x.reshape(1000, 384) // 127).astype(int)
    # The halves of a word are 64 pixels apart, and the words of a counter 16.
    for lag in (*range(1, 18), 32, 48, 63, 64, 65, 128, 192, 256):
        assert independent(kinds[:, lag:].ravel(), kinds[:, :-lag].ravel()) > 1e-6
    for lag in (1, 2, 16):
        assert independent(kinds[lag:].ravel(), kinds[:-lag].ravel()) > UNLIKELY

"""The random numbers of transforms follow their distributions, and are independent.

Each test makes up to 100,000 draws and reads them off the augmented images. Suitable
images show which numbers were drawn: "stamps" whose pixels all differ, white images for
rectangles, single pixels for factors. Where rounding hides the exact number, the test
computes the probability of every reading.

Tests of significance fail below a probability of 1e-4, and also for counts that are too
even to be random. Seeds are fixed.
"""

import itertools
import json
import math

import numpy as np
import pytest

import fmnist_fast as ff

stats = pytest.importorskip("scipy.stats", reason="distributions are scipy's")
from helpers.significance import (  # noqa: E402
    RAW,
    ROUGH,
    SEED,
    STAMP,
    UNLIKELY,
    N,
    crops_of,
    drawn,
    has_probability,
    has_shares,
    independent,
    loader_of,
    numbered,
    uncorrelated,
    uniform,
)

CROP_FLIP = [ff.RandomCrop((8, 16), padding=2), ff.RandomHorizontalFlip()]
ALL = [*CROP_FLIP, ff.RandomVerticalFlip(), ff.RandomInvert()]
PARTS = ("top", "left", "h", "v", "inverted")


@pytest.fixture(scope="module")
def parts():
    return crops_of(drawn(STAMP, ALL), 2)


def test_crops_and_flips_are_uniform(parts):
    assert uniform(5 * parts.top + parts.left, 25) > UNLIKELY
    for name in ("h", "v", "inverted"):
        assert has_probability(getattr(parts, name), 0.5) > UNLIKELY
    flips = parts.h + 2 * parts.v + 4 * parts.inverted
    assert uniform((5 * parts.top + parts.left) * 8 + flips, 200) > UNLIKELY


def test_draws_of_one_image_are_independent(parts):
    for k, a in enumerate(PARTS):
        for b in PARTS[:k]:
            assert independent(getattr(parts, a), getattr(parts, b)) > UNLIKELY


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 64, 128, 4096, 8192])
def test_draws_of_different_images_are_independent(parts, lag):
    for a in PARTS:
        for b in ("left", "h", "inverted"):
            x, y = getattr(parts, a)[lag:], getattr(parts, b)[:-lag]
            assert independent(x, y) > UNLIKELY
        assert uncorrelated(x.astype(float), y.astype(float)) > UNLIKELY


def test_draws_of_different_epochs_are_independent():
    """The test compares images 0 to 511 over 200 consecutive epochs."""
    loader = loader_of(STAMP, ALL, 512, threads=1)
    seen = np.stack([np.concatenate([x for x, _ in loader]) for _ in range(200)])
    parts = vars(crops_of(seen.reshape(-1, 8, 16), 2))
    offset = (5 * parts["top"] + parts["left"]).reshape(200, 512)
    h = parts["h"].reshape(200, 512)
    assert uniform(offset.ravel(), 25) > UNLIKELY
    for lag in (1, 2, 7):
        assert independent(offset[lag:].ravel(), offset[:-lag].ravel()) > UNLIKELY
        assert independent(h[lag:].ravel(), h[:-lag].ravel()) > UNLIKELY
        assert uncorrelated(*(x.ravel() * 1.0 for x in (h[lag:], h[:-lag]))) > UNLIKELY
    # Compare position i of epoch e with i - 1 and i + 1 of epoch e + 1.
    assert independent(offset[1:, :-1].ravel(), offset[:-1, 1:].ravel()) > UNLIKELY
    assert independent(offset[1:, 1:].ravel(), offset[:-1, :-1].ravel()) > UNLIKELY
    # Check each image over all epochs, then all images of each epoch.
    for rows in (h, h.T):
        z = (rows.mean(axis=1) - 0.5) * 2 * math.sqrt(rows.shape[1])
        assert stats.chi2.sf((z**2).sum(), len(z)) > UNLIKELY
        assert stats.chi2.cdf((z**2).sum(), len(z)) > UNLIKELY


def test_draws_of_different_seeds_are_independent():
    seeds = [SEED + k for k in range(300)] + [(SEED + (k << 32)) for k in range(300)]
    seen = [drawn(STAMP, CROP_FLIP, 100, seed, threads=1) for seed in seeds]
    parts = crops_of(np.concatenate(seen), 2)
    code = (5 * parts.top + parts.left).reshape(2, 300, 100)
    assert uniform(code.ravel(), 25) > UNLIKELY
    h = parts.h.reshape(2, 300, 100)
    for x in (code, h):
        assert independent(x[:, 1:].ravel(), x[:, :-1].ravel()) > UNLIKELY
        assert independent(x[:, 1:, 1:].ravel(), x[:, :-1, :-1].ravel()) > UNLIKELY


@pytest.mark.parametrize(
    "size, padding",
    [((3, 5), (0, 0)), ((7, 2), (6, 1)), ((8, 8), (4, 4)), ((8, 16), (0, 3))],
)
def test_crops_of_any_size_are_uniform(size, padding):
    x, y = padding
    image = np.arange(128, 256).reshape(8, 16)  # only padding has the value 0
    n_tops, n_lefts = 8 + 2 * y - size[0] + 1, 16 + 2 * x - size[1] + 1
    got = drawn(image, [ff.RandomCrop(size, padding)])
    padded = np.pad(image, ((y, y), (x, x)))
    place = {}
    for top in range(n_tops):
        for left in range(n_lefts):
            part = padded[top : top + size[0], left : left + size[1]]
            place.setdefault(part.astype(np.uint8).tobytes(), []).append((top, left))
    names = list(place)
    number = {name: k for k, name in enumerate(names)}
    codes = np.array([number[part.tobytes()] for part in got])
    shares = np.array([len(place[name]) for name in names]) / (n_tops * n_lefts)
    assert has_shares(np.bincount(codes, minlength=len(names)), shares) > UNLIKELY


# ---- distinct draws, and threads ----------------------------------------------------


def occupancy(n_draws, n_values):
    """Return, for every k, the probability of k distinct values among the draws."""
    p = np.zeros(n_values + 1)
    p[0] = 1
    k = np.arange(n_values + 1)
    for _ in range(n_draws):
        p = p * (k / n_values) + np.append(0, (p * (1 - k / n_values))[:-1])
    return p


def test_occupancy_agrees_with_a_simulation():
    rng = np.random.default_rng(1)
    seen = [len(set(rng.integers(0, 7, 10).tolist())) for _ in range(5000)]
    assert has_shares(np.bincount(seen, minlength=8), occupancy(10, 7)) > UNLIKELY


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("batch_size", [8, 64, 512])
def test_512_crops_and_flips_have_as_many_values_as_independent_draws(
    threads, batch_size
):
    """About 155 of 162 values are expected. MLX Data 0.1 has 70 with 8 threads."""
    n_draws, n_epochs = 512, 200
    image = np.arange(256).reshape(16, 16)
    transforms = [ff.RandomCrop(16, padding=4), ff.RandomHorizontalFlip()]
    options = {"threads": threads, "batch_size": batch_size}
    loader, one_thread = (
        loader_of(image, transforms, n_draws, **(options | more))
        for more in ({}, {"threads": 1, "batch_size": n_draws})
    )
    shares = occupancy(n_draws, 162)
    bounds = np.searchsorted(shares.cumsum(), [0.001, 0.999])
    assert 140 < bounds[0] < 155 < bounds[1] <= 162
    counts, all_values = [], []
    for _ in range(n_epochs):
        x = np.concatenate([images for images, _ in loader])
        assert x.tobytes() == next(iter(one_thread))[0].tobytes()
        center, right = x[:, 8, 8].astype(int), x[:, 8, 9].astype(int)
        flip = right < center
        top, left = center // 16 - 4, center % 16 - np.where(flip, 3, 4)
        values = (9 * top + left) * 2 + flip
        counts.append(len(set(values.tolist())))
        all_values.append(values)
    assert bounds[0] <= counts[0] <= bounds[1]
    # 0.4 of 200 epochs are expected outside; six or more have probability 4e-6.
    assert sum(not bounds[0] <= count <= bounds[1] for count in counts) < 6
    assert has_shares(np.bincount(counts, minlength=163), shares) > UNLIKELY
    assert uniform(np.concatenate(all_values), 162) > UNLIKELY


@pytest.mark.parametrize("threads", [2, 8])
def test_the_number_of_threads_does_not_change_draws(threads):
    transforms = [
        *ALL,
        ff.RandomErasing(value="random"),
        ff.RandomAffine(9, (0.1, 0.1), (0.9, 1.1)),
        ff.ColorJitter(0.3, 0.3),
        ff.GaussianNoise(),
        ff.TrivialAugmentWide(),
    ]
    few = {"n": 20_000, "batch_size": 100}
    one_thread, several = (
        drawn(STAMP, transforms, threads=k, **few) for k in (1, threads)
    )
    assert one_thread.tobytes() == several.tobytes()
    # The images of the other positions were moved out of sight.
    assert len({x.tobytes() for x in one_thread}) > 15_000


# ---- probabilities, groups and choices ----------------------------------------------

PROBABILITIES = [0.0, 0.03, 0.6, 1.0]
COINS = {
    "horizontal flip": ff.RandomHorizontalFlip,
    "vertical flip": ff.RandomVerticalFlip,
    "invert": ff.RandomInvert,
    "posterize": lambda p: ff.RandomPosterize(2, p),
    "solarize": lambda p: ff.RandomSolarize(80, p),
    "autocontrast": ff.RandomAutocontrast,
    "equalize": ff.RandomEqualize,
    "sharpness": lambda p: ff.RandomAdjustSharpness(3, p),
    "erasing": lambda p: ff.RandomErasing(p, (0.2, 0.3), (0.9, 1.1)),
    "salt and pepper": lambda p: ff.SaltAndPepperNoise(0.9, p=p),
    "apply": lambda p: ff.RandomApply([ff.RandomInvert(1.0)], p),
    "apply to several": lambda p: ff.RandomApply([ff.RandomInvert(1.0)] * 3, p),
}


def is_changed(x, image):
    """Return, for each augmented image, whether it differs from the original."""
    return (x != image).any(axis=(1, 2))


@pytest.mark.parametrize("p", PROBABILITIES)
@pytest.mark.parametrize("name", COINS)
def test_transforms_run_with_their_probability(name, p):
    # RandomEqualize changes only images with more pixels than gray levels.
    image = np.tile(ROUGH, (5, 1)) if name == "equalize" else ROUGH
    assert (
        has_probability(is_changed(drawn(image, [COINS[name](p)]), image), p) > UNLIKELY
    )


def test_probabilities_of_nested_groups_are_multiplied():
    inner = ff.RandomApply([ff.RandomInvert(0.5), ff.RandomHorizontalFlip(0.5)], 0.6)
    x = drawn(STAMP, [ff.RandomApply([inner], 0.7)])
    parts = crops_of(x, 0)
    both = parts.h + 2 * parts.inverted
    run = 0.6 * 0.7
    assert has_shares(np.bincount(both), [1 - run * 0.75, *[run / 4] * 3]) > UNLIKELY


def test_the_same_transform_at_two_places_draws_twice():
    x = drawn(ROUGH, [ff.RandomInvert(0.3), ff.RandomInvert(0.3)])
    assert has_probability(is_changed(x, ROUGH), 2 * 0.3 * 0.7) > UNLIKELY
    crop = ff.RandomCrop((8, 16), padding=1)
    parts = crops_of(drawn(STAMP, [crop, crop, ff.RandomHorizontalFlip()]), 2)
    triangle = np.convolve([1 / 3] * 3, [1 / 3] * 3)
    shares = np.multiply.outer(triangle, triangle).ravel()
    counts = np.bincount(5 * parts.top + parts.left, minlength=25)
    assert has_shares(counts, shares) > UNLIKELY
    assert independent(parts.top, parts.left) > UNLIKELY
    assert independent(parts.left, parts.h) > UNLIKELY


@pytest.mark.parametrize("shares", [None, [0.2, 0.0, 0.5, 0.3], [1, 2, 3, 94]])
def test_choices_have_their_shares(shares):
    flips = [ff.RandomHorizontalFlip(1.0), ff.RandomVerticalFlip(1.0)]
    transforms = [
        ff.RandomInvert(1.0),
        *flips,
        ff.Compose([ff.RandomInvert(1.0), *flips]),
    ]
    parts = crops_of(drawn(STAMP, [ff.RandomChoice(transforms, p=shares)]), 0)
    code = parts.inverted + 2 * parts.h + 4 * parts.v
    counts = np.bincount(code, minlength=8)[[1, 2, 4, 7]]
    assert counts.sum() == N
    shares = np.array(shares or [1] * 4)
    assert has_shares(counts, shares / shares.sum()) > UNLIKELY


def test_choices_inside_choices_draw_independently():
    flip = ff.RandomChoice([ff.RandomHorizontalFlip(1.0), ff.RandomVerticalFlip(1.0)])
    tone = ff.RandomChoice([ff.RandomInvert(1.0), ff.Compose([flip])], p=[1, 3])
    parts = crops_of(drawn(STAMP, [flip, tone]), 0)
    code = parts.inverted + 2 * parts.h + 4 * parts.v
    # Inverted and flipped one way: 1/8 each. Flipped twice the same way or flipped
    # both ways: 3/8 each.
    expected = np.zeros(8)
    expected[[3, 5]], expected[[0, 6]] = 1 / 8, 3 / 8
    assert has_shares(np.bincount(code, minlength=8), expected) > UNLIKELY


# ---- orders -------------------------------------------------------------------------

WIDE_STAMP = 2 * STAMP
ORDERED = [
    ff.RandomInvert(p=1.0),
    ff.RandomSolarize(100, p=1.0),
    ff.RandomPosterize(4, p=1.0),
    ff.ColorJitter(brightness=(0.7, 0.7)),
]


def numbers_of(x, lists):
    """Return the number of the list of transforms that made each copy of WIDE_STAMP."""
    number = {}
    for k, transforms in enumerate(lists):
        (image,) = drawn(WIDE_STAMP, transforms, 1)
        assert number.setdefault(image.tobytes(), k) == k, "two lists do the same"
    return np.array([number[image.tobytes()] for image in x])


@pytest.mark.parametrize("before", [0, 3, 4])
def test_orders_are_equally_likely(before):
    """The first draws of the first four transforms of a list are made in advance."""
    flips = [ff.RandomVerticalFlip(p=0.0)] * before
    x = drawn(WIDE_STAMP, [*flips, ff.RandomOrder(ORDERED)])
    orders = numbers_of(x, map(list, itertools.permutations(ORDERED)))
    assert uniform(orders, 24) > UNLIKELY
    for lag in (1, 2, 64, 4096):
        assert independent(orders[lag:], orders[:-lag]) > UNLIKELY


def test_orders_are_independent_of_each_other_and_of_other_draws():
    two = [ORDERED[0], ORDERED[3]]
    orders = [two, two[::-1]]
    flips = [[ff.RandomHorizontalFlip(p)] for p in (0.0, 1.0)]
    lists = [[*a, *b, *c] for a, b, c in itertools.product(orders, flips, orders)]
    order, flip = ff.RandomOrder(two), ff.RandomHorizontalFlip()
    assert uniform(numbers_of(drawn(WIDE_STAMP, [order, flip, order]), lists), 8) > 1e-4


def test_each_place_of_the_longest_order_is_equally_likely():
    darker = ff.ColorJitter(brightness=(0.93, 0.93))
    for k in (0, 13, 31):
        parts = [darker] * 32
        parts[k] = invert = ff.RandomInvert(p=1.0)
        lists = ([*[darker] * i, invert, *[darker] * (31 - i)] for i in range(32))
        x = drawn(WIDE_STAMP, [ff.RandomOrder(parts)], 20_000)
        assert uniform(numbers_of(x, lists), 32) > UNLIKELY


# ---- alternating flips --------------------------------------------------------------


def flips_of(batches, n):
    """Return, for every image by its number, whether it was flipped."""
    x = np.concatenate([images for images, _ in batches])[:, 0].astype(int)
    flipped = x[:, 0] == 255
    x = np.where(flipped[:, None], x[:, ::-1], x)
    assert (x[:, 2] == 0).all() and (x[:, 3] == 255).all()
    number = 256 * x[:, 0] + x[:, 1]
    assert sorted(number) == list(range(n))
    out = np.empty(n, dtype=bool)
    out[number] = flipped
    return out


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("vertical", [False, True])
def test_alternating_flips_flip_every_image_in_every_second_epoch(shuffle, vertical):
    n = 30_000
    dataset = numbered(n)
    flip = ff.RandomHorizontalFlip(mode="alternating")
    if vertical:
        turned = dataset.images.reshape(n, 4, 1)
        dataset = ff.Dataset.from_arrays(np.ascontiguousarray(turned), dataset.labels)
        flip = ff.RandomVerticalFlip(mode="alternating")
    options = {"shuffle": shuffle, **RAW, "layout": "flat"}
    firsts = []
    for seed in (SEED, SEED + 1):
        loader = ff.Loader(dataset, 4096, augment=[flip], seed=seed, **options)
        epochs = [flips_of([(x[:, None], y) for x, y in loader], n) for _ in range(5)]
        for k in range(1, 5):
            assert np.array_equal(epochs[k], epochs[0] ^ (k % 2 == 1))
        firsts.append(epochs[0])
    assert has_probability(np.concatenate(firsts), 0.5) > UNLIKELY
    assert independent(*firsts) > UNLIKELY
    for lag in (1, 2, 4096):
        assert independent(firsts[0][lag:], firsts[0][:-lag]) > UNLIKELY


def test_alternating_flips_continue_after_resuming():
    n = 5000
    dataset, flip = numbered(n), ff.RandomHorizontalFlip(mode="alternating")
    options = {"augment": [flip], "shuffle": True, "seed": SEED, **RAW}
    loader = ff.Loader(dataset, 512, **options)
    loader.set_epoch(6)
    first = flips_of(loader, n)
    iterator = iter(loader)
    taken = [next(iterator) for _ in range(4)]
    state = json.loads(json.dumps(loader.state_dict()))
    resumed = ff.Loader(dataset, 300, threads=3, **options)
    resumed.load_state_dict(state)
    assert np.array_equal(flips_of([*taken, *resumed], n), ~first)
    assert np.array_equal(flips_of(resumed, n), first)


def test_two_alternating_flips_start_independently():
    transforms = [
        ff.RandomHorizontalFlip(mode="alternating"),
        ff.RandomInvert(0.5),
        ff.RandomVerticalFlip(mode="alternating"),
    ]
    parts = crops_of(drawn(STAMP, transforms), 0)
    assert uniform(parts.h + 2 * parts.v + 4 * parts.inverted, 8) > UNLIKELY

"""What the core draws, read off the images that it makes: 100,000 draws of every step
against the documented distribution, and their independence of each other.

Tests of significance fail below a probability of 1e-4; seeds are fixed. Counts that are
too even to be random fail as well. Images are made so that what was drawn can be read:
"stamps" whose pixels all differ, white ones for rectangles, single pixels for factors.
Where that is rounded, the probability of every reading is counted out."""

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
    drawn,
    has_probability,
    has_shares,
    independent,
    loader_of,
    numbered,
    uncorrelated,
    uniform,
    windows,
)

CROP_FLIP = [ff.RandomCrop((8, 16), padding=2), ff.RandomHorizontalFlip()]
ALL = [*CROP_FLIP, ff.RandomVerticalFlip(), ff.RandomInvert()]
PARTS = ("top", "left", "h", "v", "inverted")


@pytest.fixture(scope="module")
def parts():
    return windows(drawn(STAMP, ALL), 2)


def test_crops_and_flips_are_uniform(parts):
    assert uniform(5 * parts.top + parts.left, 25) > UNLIKELY
    for name in ("h", "v", "inverted"):
        assert has_probability(getattr(parts, name), 0.5) > UNLIKELY
    flips = parts.h + 2 * parts.v + 4 * parts.inverted
    assert uniform((5 * parts.top + parts.left) * 8 + flips, 200) > UNLIKELY


def test_what_one_image_draws_is_independent(parts):
    for k, a in enumerate(PARTS):
        for b in PARTS[:k]:
            assert independent(getattr(parts, a), getattr(parts, b)) > UNLIKELY


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 64, 128, 4096, 8192])
def test_images_draw_independently(parts, lag):
    for a in PARTS:
        for b in ("left", "h", "inverted"):
            x, y = getattr(parts, a)[lag:], getattr(parts, b)[:-lag]
            assert independent(x, y) > UNLIKELY
        assert uncorrelated(x.astype(float), y.astype(float)) > UNLIKELY


def test_epochs_draw_independently():
    """Images 0 to 511 in 200 epochs that follow each other."""
    loader = loader_of(STAMP, ALL, 512, threads=1)
    seen = np.stack([np.concatenate([x for x, _ in loader]) for _ in range(200)])
    parts = vars(windows(seen.reshape(-1, 8, 16), 2))
    offset = (5 * parts["top"] + parts["left"]).reshape(200, 512)
    h = parts["h"].reshape(200, 512)
    assert uniform(offset.ravel(), 25) > UNLIKELY
    for lag in (1, 2, 7):
        assert independent(offset[lag:].ravel(), offset[:-lag].ravel()) > UNLIKELY
        assert independent(h[lag:].ravel(), h[:-lag].ravel()) > UNLIKELY
        assert uncorrelated(*(x.ravel() * 1.0 for x in (h[lag:], h[:-lag]))) > UNLIKELY
    # Epoch e at position i and epoch e + 1 at position i - 1, and i + 1.
    assert independent(offset[1:, :-1].ravel(), offset[:-1, 1:].ravel()) > UNLIKELY
    assert independent(offset[1:, 1:].ravel(), offset[:-1, :-1].ravel()) > UNLIKELY
    # The same image over all epochs, and all images in one epoch.
    for rows in (h, h.T):
        z = (rows.mean(axis=1) - 0.5) * 2 * math.sqrt(rows.shape[1])
        assert stats.chi2.sf((z**2).sum(), len(z)) > UNLIKELY
        assert stats.chi2.cdf((z**2).sum(), len(z)) > UNLIKELY


def test_seeds_draw_independently():
    seeds = [SEED + k for k in range(300)] + [(SEED + (k << 32)) for k in range(300)]
    seen = [drawn(STAMP, CROP_FLIP, 100, seed, threads=1) for seed in seeds]
    parts = windows(np.concatenate(seen), 2)
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
    image = np.arange(128, 256).reshape(8, 16)  # so that 0 is outside
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
    """The probability of k different values among independent draws, for every k."""
    p = np.zeros(n_values + 1)
    p[0] = 1
    k = np.arange(n_values + 1)
    for _ in range(n_draws):
        p = p * (k / n_values) + np.append(0, (p * (1 - k / n_values))[:-1])
    return p


def test_occupancy_is_that_of_a_simulation():
    rng = np.random.default_rng(1)
    seen = [len(set(rng.integers(0, 7, 10).tolist())) for _ in range(5000)]
    assert has_shares(np.bincount(seen, minlength=8), occupancy(10, 7)) > UNLIKELY


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("batch_size", [8, 64, 512])
def test_512_crops_and_flips_are_as_many_pairs_as_independent_draws(
    threads, batch_size
):
    """MLX Data 0.1 gives about 70 of the 162 with 8 threads; 155 are to be expected."""
    n_draws, n_epochs = 512, 200
    image = np.arange(256).reshape(16, 16)
    steps = [ff.RandomCrop(16, padding=4), ff.RandomHorizontalFlip()]
    options = {"threads": threads, "batch_size": batch_size}
    loader, alone = (
        loader_of(image, steps, n_draws, **(options | more))
        for more in ({}, {"threads": 1, "batch_size": n_draws})
    )
    shares = occupancy(n_draws, 162)
    bounds = np.searchsorted(shares.cumsum(), [0.001, 0.999])
    assert 140 < bounds[0] < 155 < bounds[1] <= 162
    counts, all_pairs = [], []
    for _ in range(n_epochs):
        x = np.concatenate([images for images, _ in loader])
        assert x.tobytes() == next(iter(alone))[0].tobytes()
        here, right = x[:, 8, 8].astype(int), x[:, 8, 9].astype(int)
        flip = right < here
        top, left = here // 16 - 4, here % 16 - np.where(flip, 3, 4)
        pairs = (9 * top + left) * 2 + flip
        counts.append(len(set(pairs.tolist())))
        all_pairs.append(pairs)
    assert bounds[0] <= counts[0] <= bounds[1]
    # Of 200 epochs 0.4 are to be expected outside; six or more with probability 4e-6.
    assert sum(not bounds[0] <= count <= bounds[1] for count in counts) < 6
    assert has_shares(np.bincount(counts, minlength=163), shares) > UNLIKELY
    assert uniform(np.concatenate(all_pairs), 162) > UNLIKELY


@pytest.mark.parametrize("threads", [2, 8])
def test_threads_draw_the_same(threads):
    steps = [
        *ALL,
        ff.RandomErasing(value="random"),
        ff.RandomAffine(9, (0.1, 0.1), (0.9, 1.1)),
        ff.ColorJitter(0.3, 0.3),
        ff.GaussianNoise(),
        ff.TrivialAugmentWide(),
    ]
    few = {"n": 20_000, "batch_size": 100}
    alone, together = (drawn(STAMP, steps, threads=k, **few) for k in (1, threads))
    assert alone.tobytes() == together.tobytes()
    assert (
        len({x.tobytes() for x in alone}) > 15_000
    )  # the others were moved out of sight


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
    "apply": lambda p: ff.RandomApply([ff.RandomInvert(1.0)], p),
    "apply to several": lambda p: ff.RandomApply([ff.RandomInvert(1.0)] * 3, p),
}


def is_changed(x, image):
    return (x != image).any(axis=(1, 2))


@pytest.mark.parametrize("p", PROBABILITIES)
@pytest.mark.parametrize("name", COINS)
def test_steps_are_run_with_their_probability(name, p):
    # Equalizing changes images of more pixels than there are grey levels.
    image = np.tile(ROUGH, (5, 1)) if name == "equalize" else ROUGH
    assert (
        has_probability(is_changed(drawn(image, [COINS[name](p)]), image), p) > UNLIKELY
    )


def test_steps_inside_groups_have_the_product_of_probabilities():
    inner = ff.RandomApply([ff.RandomInvert(0.5), ff.RandomHorizontalFlip(0.5)], 0.6)
    x = drawn(STAMP, [ff.RandomApply([inner], 0.7)])
    parts = windows(x, 0)
    both = parts.h + 2 * parts.inverted
    run = 0.6 * 0.7
    assert has_shares(np.bincount(both), [1 - run * 0.75, *[run / 4] * 3]) > UNLIKELY


def test_the_same_step_at_two_places_draws_two_times():
    x = drawn(ROUGH, [ff.RandomInvert(0.3), ff.RandomInvert(0.3)])
    assert has_probability(is_changed(x, ROUGH), 2 * 0.3 * 0.7) > UNLIKELY
    crop = ff.RandomCrop((8, 16), padding=1)
    parts = windows(drawn(STAMP, [crop, crop, ff.RandomHorizontalFlip()]), 2)
    triangle = np.convolve([1 / 3] * 3, [1 / 3] * 3)
    shares = np.multiply.outer(triangle, triangle).ravel()
    counts = np.bincount(5 * parts.top + parts.left, minlength=25)
    assert has_shares(counts, shares) > UNLIKELY
    assert independent(parts.top, parts.left) > UNLIKELY
    assert independent(parts.left, parts.h) > UNLIKELY


@pytest.mark.parametrize("shares", [None, [0.2, 0.0, 0.5, 0.3], [1, 2, 3, 94]])
def test_choices_have_their_shares(shares):
    flips = [ff.RandomHorizontalFlip(1.0), ff.RandomVerticalFlip(1.0)]
    steps = [ff.RandomInvert(1.0), *flips, ff.Compose([ff.RandomInvert(1.0), *flips])]
    parts = windows(drawn(STAMP, [ff.RandomChoice(steps, p=shares)]), 0)
    code = parts.inverted + 2 * parts.h + 4 * parts.v
    found = np.bincount(code, minlength=8)[[1, 2, 4, 7]]
    assert found.sum() == N
    shares = np.array(shares or [1] * 4)
    assert has_shares(found, shares / shares.sum()) > UNLIKELY


def test_choices_inside_choices_draw_independently():
    flip = ff.RandomChoice([ff.RandomHorizontalFlip(1.0), ff.RandomVerticalFlip(1.0)])
    tone = ff.RandomChoice([ff.RandomInvert(1.0), ff.Compose([flip])], p=[1, 3])
    parts = windows(drawn(STAMP, [flip, tone]), 0)
    code = parts.inverted + 2 * parts.h + 4 * parts.v
    # Inverted and flipped one way 1/8 each; flipped twice the same way or both 3/8.
    wanted = np.zeros(8)
    wanted[[3, 5]], wanted[[0, 6]] = 1 / 8, 3 / 8
    assert has_shares(np.bincount(code, minlength=8), wanted) > UNLIKELY


# ---- alternating flips --------------------------------------------------------------


def flips_of(batches, n):
    """Of every image by its number, whether it was flipped."""
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
def test_alternating_flips_turn_every_image_in_every_second_epoch(shuffle, vertical):
    n = 30_000
    dataset = numbered(n)
    step = ff.RandomHorizontalFlip(mode="alternating")
    if vertical:
        turned = dataset.images.reshape(n, 4, 1)
        dataset = ff.Dataset.from_arrays(np.ascontiguousarray(turned), dataset.labels)
        step = ff.RandomVerticalFlip(mode="alternating")
    options = {"shuffle": shuffle, **RAW, "layout": "flat"}
    firsts = []
    for seed in (SEED, SEED + 1):
        loader = ff.Loader(dataset, 4096, augment=[step], seed=seed, **options)
        epochs = [flips_of([(x[:, None], y) for x, y in loader], n) for _ in range(5)]
        for k in range(1, 5):
            assert np.array_equal(epochs[k], epochs[0] ^ (k % 2 == 1))
        firsts.append(epochs[0])
    assert has_probability(np.concatenate(firsts), 0.5) > UNLIKELY
    assert independent(*firsts) > UNLIKELY
    for lag in (1, 2, 4096):
        assert independent(firsts[0][lag:], firsts[0][:-lag]) > UNLIKELY


def test_alternating_flips_go_on_after_resuming():
    n = 5000
    dataset, step = numbered(n), ff.RandomHorizontalFlip(mode="alternating")
    options = {"augment": [step], "shuffle": True, "seed": SEED, **RAW}
    loader = ff.Loader(dataset, 512, **options)
    loader.set_epoch(6)
    first = flips_of(loader, n)
    iterator = iter(loader)
    begun = [next(iterator) for _ in range(4)]
    state = json.loads(json.dumps(loader.state_dict()))
    resumed = ff.Loader(dataset, 300, threads=3, **options)
    resumed.load_state_dict(state)
    assert np.array_equal(flips_of([*begun, *resumed], n), ~first)
    assert np.array_equal(flips_of(resumed, n), first)


def test_two_alternating_flips_begin_independently():
    steps = [
        ff.RandomHorizontalFlip(mode="alternating"),
        ff.RandomInvert(0.5),
        ff.RandomVerticalFlip(mode="alternating"),
    ]
    parts = windows(drawn(STAMP, steps), 0)
    assert uniform(parts.h + 2 * parts.v + 4 * parts.inverted, 8) > UNLIKELY

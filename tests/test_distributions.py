"""What the core draws, read off the images that it makes: 100,000 draws of every step
against the documented distribution, and their independence of each other.

Tests of significance fail below a probability of 1e-4; seeds are fixed. Counts that are
too even to be random fail as well. Images are made so that what was drawn can be read:
"stamps" whose pixels all differ, white ones for rectangles, single pixels for factors.
Where that is rounded, the probability of every reading is counted out."""

import itertools
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import reference_steps

import fmnist_fast as ff
from fmnist_fast.augment import compile_steps

stats = pytest.importorskip("scipy.stats", reason="distributions are scipy's")

SEED = 2**50 + 17
N = 100_000
UNLIKELY = 1e-4
RAW = {"dtype": "uint8", "normalize": None, "layout": "NHW"}
STAMP = np.arange(128, dtype=np.uint8).reshape(8, 16)
ROUGH = np.random.default_rng(0).permutation(64).astype(np.uint8).reshape(8, 8) + 50


def loader_of(image, steps, n=N, seed=SEED, **options):
    """n times the same image."""
    images = np.repeat(np.asarray(image, dtype=np.uint8)[None], n, axis=0)
    dataset = ff.Dataset.from_arrays(images, np.zeros(n, dtype=np.uint8))
    options = {"batch_size": 4096, "threads": 2, **RAW, **options}
    return ff.Loader(dataset, augment=steps, seed=seed, **options)


def drawn(image, steps, n=N, seed=SEED, **options):
    """One epoch: image k is made from what is drawn at position k."""
    return np.concatenate([x for x, _ in loader_of(image, steps, n, seed, **options)])


# ---- tests of significance ----------------------------------------------------------


# Each gives the probability that independent draws differ from the distribution as much
# as these; or, where chi-square can tell, as little.


def has_shares(counts, shares):
    """Counts for these probabilities. Rare values are joined; what can't be must not be
    there, and what is to be expected 20 times must."""
    counts, shares = np.asarray(counts, float), np.asarray(shares, float)
    assert counts.shape == shares.shape and math.isclose(shares.sum(), 1, rel_tol=1e-9)
    assert (counts[shares == 0] == 0).all(), "a value that can't be"
    wanted = shares * counts.sum()
    assert (counts[wanted > 20] > 0).all(), "a value was never drawn"
    often = wanted >= 10
    assert often.sum() > 1
    got, want = [*counts[often], counts[~often].sum()], [*wanted[often], 0]
    want[-1] = counts.sum() - sum(want)
    if want[-1] < 10:
        joined = got.pop() + got[-1], max(0.0, want.pop()) + want[-1]
        got[-1], want[-1] = joined
    p = stats.chisquare(got, np.array(want) * (sum(got) / sum(want))).pvalue
    return min(p, 1 - p)


def uniform(values, n):
    """0, 1, ..., n - 1, equally often."""
    values = np.asarray(values, dtype=np.int64)
    assert values.min() >= 0 and values.max() < n
    return has_shares(np.bincount(values, minlength=n), np.full(n, 1 / n))


def has_probability(events, p):
    events = np.asarray(events, dtype=bool)
    return stats.binomtest(int(events.sum()), len(events), p).pvalue


def independent(a, b):
    """Pairs of whole numbers."""
    a, b = (np.unique(x, return_inverse=True)[1] for x in (a, b))
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), 1)
    assert min(table.shape) > 1 and table.mean() > 5
    p = stats.chi2_contingency(table, correction=False).pvalue
    return min(p, 1 - p)


def uncorrelated(a, b):
    a, b = a - a.mean(), b - b.mean()
    r = (a * b).mean() / math.sqrt((a * a).mean() * (b * b).mean())
    return 2 * stats.norm.sf(abs(r) * math.sqrt(len(a)))


def same_distribution(got, want):
    """Two samples of whole numbers."""
    n = 1 + max(got.max(), want.max())
    table = np.stack([np.bincount(x, minlength=n) for x in (got, want)])
    common = (table[1] / len(want) * len(got)) >= 10
    table = np.concatenate(
        [table[:, common], table[:, ~common].sum(axis=1)[:, None]], axis=1
    )
    if table[:, -1].sum() < 10:
        table = table[:, :-1]
    return stats.chi2_contingency(table, correction=False).pvalue


def readings(read, low, high):
    """The probability of every reading of a number that is uniform in [low, high)."""
    grid = low + (high - low) * (np.arange(500_000) + 0.5) / 500_000
    codes = read(grid).astype(np.int64)
    return np.bincount(codes) / len(codes)


# ---- windows ------------------------------------------------------------------------


def windows(x, padding):
    """How a stamp was cropped, then flipped left-right and top-bottom, then inverted.
    The crop has the stamp's size."""
    x = x.astype(int)
    inverted = x[:, 4, 8] >= 128
    x = np.where(inverted[:, None, None], 255 - x, x)
    here, right, below = x[:, 4, 8], x[:, 4, 9], x[:, 5, 8]
    h, v = right < here, below < here
    assert set(np.unique(abs(right - here))) == {1}
    assert set(np.unique(abs(below - here))) == {16}
    top = here // 16 - np.where(v, 3, 4) + padding
    left = here % 16 - np.where(h, 7, 8) + padding
    return SimpleNamespace(top=top, left=left, h=h, v=v, inverted=inverted)


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


def numbered(n):
    """Images whose first two pixels are their number, and the last two 0 and 255."""
    i = np.arange(n)
    columns = [i // 256, i % 256, np.zeros(n), np.full(n, 255)]
    images = np.stack(columns, axis=1).astype(np.uint8).reshape(n, 1, 4)
    return ff.Dataset.from_arrays(images, np.zeros(n, dtype=np.uint8))


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


# ---- rectangles ---------------------------------------------------------------------


def boxes(x, is_inside):
    """Top, left, height and width of the rectangle of pixels that are inside."""
    inside = is_inside(x)
    rows, columns = inside.any(axis=2), inside.any(axis=1)
    height, width = rows.sum(axis=1), columns.sum(axis=1)
    assert (inside.sum(axis=(1, 2)) == height * width).all()
    return rows.argmax(axis=1), columns.argmax(axis=1), height, width


def random_boxes(rng, n, sides, scale, ratio, fits):
    """Heights and widths as torchvision draws them; -1 where ten tries do not fit."""
    h, w = np.full(n, -1), np.full(n, -1)
    for _ in range(10):
        area = rng.uniform(*scale, n) * sides[0] * sides[1]
        aspect = np.exp(rng.uniform(*np.log(ratio), n))
        new_h, new_w = np.round(np.sqrt([area * aspect, area / aspect])).astype(int)
        take = (h < 0) & fits(new_h, new_w)
        h[take], w[take] = new_h[take], new_w[take]
    return h, w


def places_are_uniform(place, side, length, rng):
    """Uniform among side - length + 1 places, however long: spread over 0..1."""
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
def test_erased_rectangles_are_torchvisions(scale, ratio):
    sides, rng = (20, 24), np.random.default_rng(2)
    steps = [ff.RandomErasing(1.0, scale, ratio)]
    batches = [
        boxes(x, lambda x: x == 0) for x, _ in loader_of(np.full(sides, 255), steps)
    ]
    top, left, h, w = (np.concatenate(part) for part in zip(*batches))
    wanted_h, wanted_w = random_boxes(
        rng, 10 * N, sides, scale, ratio, lambda h, w: (h < sides[0]) & (w < sides[1])
    )
    is_none = wanted_h < 0
    code = np.where(is_none, 0, wanted_h * 32 + wanted_w)
    assert (
        same_distribution(h * w, np.where(is_none, 0, wanted_h * wanted_w)) > UNLIKELY
    )
    assert same_distribution(h * 32 + w, code) > UNLIKELY
    some = h > 0
    top, left, h, w = top[some], left[some], h[some], w[some]
    assert places_are_uniform(top, sides[0], h, rng) > UNLIKELY
    assert places_are_uniform(left, sides[1], w, rng) > UNLIKELY
    free = (sides[0] - h >= 9) & (sides[1] - w >= 9)
    if free.sum() > 1000:
        thirds = 3 * top[free] // (21 - h[free]), 3 * left[free] // (25 - w[free])
        assert independent(*thirds) > UNLIKELY
    for part in (h, w, top, left):
        assert uncorrelated(part[1:].astype(float), part[:-1].astype(float)) > UNLIKELY


def test_log_aspect_and_area_of_large_rectangles_are_uniform():
    """On an image of 200 x 200 a side is rounded by 1% at most."""
    steps, n = [ff.RandomErasing(1.0, (0.1, 0.3), (0.5, 2.0))], 4000
    batches = [
        boxes(x, lambda x: x == 0)
        for x, _ in loader_of(np.full((200, 200), 255), steps, n, batch_size=500)
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
    steps = [ff.RandomErasing(1.0, (0.5, 0.9), (0.8, 1.2), value="random")]
    x = drawn(np.zeros((16, 16)), steps, 3000)
    inside = (
        (x[:, :-1] > 0) & (x[:, 1:] > 0) & (np.arange(16) > 4) & (np.arange(16) < 11)
    )
    pairs = x[:, :-1][inside], x[:, 1:][inside]
    assert len(pairs[0]) > 100_000
    for values in pairs:  # 0 can't be told from what is not erased
        assert uniform(values.astype(int) - 1, 255) > UNLIKELY
    assert independent(pairs[0] // 16, pairs[1] // 16) > UNLIKELY
    right = x[:, 6, 5].astype(int), x[:, 6, 6].astype(int)
    assert independent(right[0] // 64, right[1] // 64) > UNLIKELY
    rows = x[:-1, 8, 8] // 32, x[1:, 8, 8] // 32
    assert independent(*rows) > UNLIKELY


@pytest.mark.parametrize("size", [1, 4, 5])
def test_cutouts_are_around_any_pixel(size):
    x = drawn(np.full((16, 12), 255), [ff.Cutout(size)])
    before, after = size // 2, size - size // 2
    centers = []
    for side, axis in ((16, 2), (12, 1)):
        hole = (x == 0).any(axis=axis)
        begin, n = hole.argmax(axis=1), hole.sum(axis=1)
        centers.append(np.where(begin > 0, begin + before, n - after))
        wanted = np.minimum(centers[-1] + after, side) - np.maximum(
            centers[-1] - before, 0
        )
        assert np.array_equal(n, wanted)
    assert uniform(12 * centers[0] + centers[1], 16 * 12) > UNLIKELY
    code = 12 * centers[0] + centers[1]
    assert independent(code[1:] // 24, code[:-1] // 24) > UNLIKELY


@pytest.mark.parametrize(
    "scale, ratio", [((0.08, 1.0), (3 / 4, 4 / 3)), ((0.2, 0.6), (0.3, 0.9))]
)
def test_resized_crops_are_torchvisions(scale, ratio):
    """Nearest pixels: the first and the last show where the rectangle lies."""
    sides, rng = (16, 14), np.random.default_rng(4)
    step = ff.RandomResizedCrop((16, 16), scale, ratio, "nearest")
    x = drawn(np.arange(16 * 14).reshape(sides), [step]).astype(int)
    (top, left), (bottom, right) = (divmod(x[:, k, k], 14) for k in (0, 15))
    h, w = bottom - top + 1, right - left + 1
    wanted = random_boxes(
        rng,
        10 * N,
        sides,
        scale,
        1 / np.array(ratio[::-1]),
        lambda h, w: (h <= 16) & (w <= 14),
    )
    assert (wanted[0] > 0).all(), "no fallback among these"
    assert same_distribution(h * 32 + w, wanted[0] * 32 + wanted[1]) > UNLIKELY
    assert places_are_uniform(top, 16, h, rng) > UNLIKELY
    assert places_are_uniform(left, 14, w, rng) > UNLIKELY
    assert uncorrelated(top / 1.0 + h / 2, left + w / 2) > UNLIKELY


# ---- tone, blur and noise -----------------------------------------------------------


def counts_of(values, like):
    return np.bincount(values, minlength=len(like))


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
    is_first = rng.integers(0, 2, (n, 1)) == 1
    pixels = np.array([[40, 120]])
    by_contrast = np.floor(80 + contrast * (pixels - 80))
    other = np.floor(pixels * brightness)
    other_mean = other.mean(axis=1, keepdims=True)
    other = np.floor(other_mean + contrast * (other - other_mean) + 1e-9)
    wanted = np.where(is_first, np.floor(by_contrast * brightness), other).astype(int)
    x = drawn([[40, 120]], [ff.ColorJitter((0.5, 1.0), (0.5, 1.0))])[:, 0].astype(int)
    codes = (128 * pair[:, 0] + pair[:, 1] for pair in (x, wanted))
    assert same_distribution(*codes) > UNLIKELY


def test_sigmas_of_blurs_are_uniform():
    """The weight in the middle of three tells the sigma."""

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
    if 5 * sigma < 0.5 - abs(mean):  # nothing is cut
        z = (x.ravel() + np.random.default_rng(6).uniform(-0.5, 0.5, x.size)) - 128
        assert (
            stats.kstest(z[:N], stats.norm(255 * mean, 255 * sigma).cdf).pvalue
            > UNLIKELY
        )


def test_noise_has_the_moments_of_a_normal_number_and_no_echo():
    x = drawn(np.full((16, 16), 128), [ff.GaussianNoise(sigma=0.1)], 2000)
    z = (x.reshape(2000, 256).astype(float) - 128) / 25.5
    n = z.size
    rounding = 1 / 12 / 25.5**2
    assert abs(z.mean()) < 4 / math.sqrt(n)
    assert abs((z**2).mean() - 1 - rounding) < 4 * math.sqrt(2 / n)
    assert abs((z**3).mean()) < 4 * math.sqrt(15 / n)
    assert abs((z**4).mean() - 3 - 6 * rounding) < 4 * math.sqrt(96 / n)
    # Pairs of one radius, and of one counter, stand 16 pixels apart.
    least = UNLIKELY / 100
    for lag in (*range(1, 65), 128):
        a, b = z[:, lag:].ravel(), z[:, :-lag].ravel()
        assert uncorrelated(a, b) > least
        assert uncorrelated(a**2, b**2) > least
    for a, b in ((z[1:], z[:-1]), (z[1:, 1:], z[:-1, :-1]), (z[8:], z[:-8])):
        assert uncorrelated(a.ravel(), b.ravel()) > UNLIKELY


# ---- warps --------------------------------------------------------------------------


def rounded_shares(reach, most):
    """Of a number in -reach..reach rounded to a whole one, from -most to most."""
    edges = np.clip(np.arange(-most, most + 2) - 0.5, -reach, reach)
    return np.diff(edges) / (2 * reach)


def test_translations_are_uniform_and_rounded():
    """4.8 and 2.4 pixels at most: the outermost whole pixels are rarer."""
    x = drawn(STAMP, [ff.RandomAffine(0, translate=(0.3, 0.3))])[:, 4, 8].astype(int)
    left, top = 8 - x % 16, 4 - x // 16
    across, down = rounded_shares(4.8, 5), rounded_shares(2.4, 2)
    assert across[0] < across[1] / 3 and down[0] < down[1]
    code = (left + 5) * 5 + top + 2
    shares = np.multiply.outer(across, down).ravel()
    assert has_shares(counts_of(code, shares), shares) > UNLIKELY
    # 0.5 of 16 and 8 are whole numbers: half as often as those inside.
    x = drawn(STAMP, [ff.RandomAffine(0, translate=(0.25, 0.25))])[:, 4, 8].astype(int)
    counts = np.bincount(8 - x % 16 + 4, minlength=9)
    assert has_shares(counts, np.array([0.5, *[1] * 7, 0.5]) / 8) > UNLIKELY
    counts = np.bincount(4 - x // 16 + 2, minlength=5)
    assert has_shares(counts, np.array([0.5, *[1] * 3, 0.5]) / 4) > UNLIKELY


def nearest(x):
    return np.floor(x + 0.5)


def test_scales_are_uniform():
    """The first pixel of a row of 101 shows one between it and the middle."""
    shares = readings(lambda scale: nearest(50 - 50 / scale), 1.0, 2.0)
    x = drawn([np.arange(101)], [ff.RandomAffine(0, scale=(1.0, 2.0))])[:, 0, 0]
    assert has_shares(counts_of(x, shares), shares) > UNLIKELY


@pytest.mark.parametrize("axis", [0, 1])
def test_shears_are_uniform(axis):
    """Along x, the first row moves by a multiple of the tangent; along y, columns."""
    image = np.tile(np.arange(101, dtype=np.uint8), (61, 1))
    shear = (-20, 50) if axis == 0 else (0, 0, -20, 50)
    step = [ff.RandomAffine(0, shear=shear)]

    def place(degrees):
        return nearest(50 - 30 * np.tan(np.radians(degrees)))

    shares = readings(place, -20, 50)
    x = drawn(image if axis == 0 else image.T.copy(), step, 10_000)
    x = x[:, 0, 50] if axis == 0 else x[:, 50, 0]
    assert has_shares(counts_of(x, shares), shares) > UNLIKELY


@pytest.mark.parametrize("degrees", [(-180, 180), (10, 70), (-40, 5)])
def test_angles_are_uniform(degrees):
    """A pixel 6.5 pixels from the middle shows one on a circle around it."""

    def place(angle):
        sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
        x = nearest(7.5 + 6.5 * cosine + 0.5 * sine)
        y = nearest(7.5 + 6.5 * sine - 0.5 * cosine)
        return 16 * y + x

    image = np.arange(256).reshape(16, 16)
    for step, sign in ((ff.RandomRotation(degrees), 1), (ff.RandomAffine(degrees), -1)):
        x = drawn(image, [step])[:, 7, 14]
        shares = readings(lambda angle, k=sign: place(k * angle), *degrees)
        assert has_shares(counts_of(x, shares), shares) > UNLIKELY
        if degrees == (-180, 180):
            assert independent(x[1:] // 64, x[:-1] // 64) > UNLIKELY


# ---- policies -----------------------------------------------------------------------


def one_level(fields, level, sign):
    """The ranges of a step, each at one level and sign."""
    out = dict(fields)
    for name, value in fields.items():
        if isinstance(value, dict):
            low, high, n = value["low"], value["high"], value["n_levels"]
            number = low + (high - low) * (level / (n - 1)) if n > 1 else low
            number = -number if sign and value["random_sign"] else number
            still = {"low": number, "high": number, "n_levels": 0, "random_sign": 0}
            out[name] = still
    return out


def alternatives(step, height, width):
    """Of a policy of one operation: (probability, steps) of every alternative of its
    choice at every level and with every sign."""
    steps, at, before = compile_steps(step, height, width, 1).steps, 1, 0
    while at < len(steps):
        group = steps[at][2]
        share, before = (group["until"] - before) / 2**32, group["until"]
        inner = steps[at + 1 : at + 1 + group["n_inner"]]
        ranges = [v for step in inner for v in step[2].values() if isinstance(v, dict)]
        n_levels = max([1, *(v["n_levels"] for v in ranges)])
        n_signs = 1 + any(v["random_sign"] for v in ranges)
        for level in range(n_levels):
            for sign in range(n_signs):
                fixed = [(kind, 1.0, one_level(f, level, sign)) for kind, _, f in inner]
                yield share / n_levels / n_signs, fixed
        at += 1 + group["n_inner"]


def outcomes(step, image, n_operations):
    """What so many operations of a policy make of an image by the reference, and how
    probable it is."""
    height, width = image.shape
    shares = {}
    one = list(alternatives(step, height, width))
    for parts in itertools.product(one, repeat=n_operations):
        steps = [step for _, fixed in parts for step in fixed]
        compiled = SimpleNamespace(steps=steps, height=height, width=width)
        x = reference_steps.run(compiled, image, 0, 0, 0, 0).tobytes()
        shares[x] = shares.get(x, 0) + math.prod(share for share, _ in parts)
    return shares


@pytest.mark.parametrize(
    "step, n_operations, least",
    [
        (ff.TrivialAugmentWide(), 1, 150),
        (ff.TrivialAugmentWide(4, fill=9), 1, 30),
        (ff.RandAugment(1, 20), 1, 15),
        (ff.RandAugment(2, 20), 2, 200),
    ],
    ids=repr,
)
def test_policies_draw_operations_levels_and_signs_uniformly(step, n_operations, least):
    """Two operations one after the other are independent."""
    image = np.random.default_rng(7).integers(30, 200, (8, 10)).astype(np.uint8)
    one = step
    if n_operations == 2:
        one = ff.RandAugment(1, step.magnitude)
    shares = outcomes(one, image, n_operations)
    assert len(shares) > least
    number = {x: k for k, x in enumerate(shares)}
    codes = np.array([number[x.tobytes()] for x in drawn(image, [step])])
    wanted = np.array(list(shares.values()))
    assert has_shares(np.bincount(codes, minlength=len(number)), wanted) > UNLIKELY


# ---- mixing -------------------------------------------------------------------------

CLASSES = 250


def mixed(steps, side=1, n_batches=400, seed=SEED):
    """Batches of images of all classes in order; class c has grey level c. Of all rows:
    their place, their partner's (-1: can't be seen), their own share, their pixels."""
    labels = np.tile(np.arange(CLASSES, dtype=np.uint8), n_batches)
    images = np.repeat(labels, side * side).reshape(-1, side, side)
    dataset = ff.Dataset.from_arrays(images, labels)
    options = {**RAW, "label_dtype": "onehot", "threads": 2, "seed": seed}
    rows = np.arange(CLASSES)
    out = []
    for x, soft in ff.Loader(dataset, CLASSES, augment=steps, **options):
        share = soft[rows, rows].copy()
        soft[rows, rows] = 0
        assert ((soft > 0).sum(axis=1) <= 1).all()
        rest = soft.max(axis=1)
        assert abs(share + rest - 1).max() < 1e-6
        out.append((rows, np.where(rest > 0, soft.argmax(axis=1), -1), share, x))
    return [np.concatenate(part) for part in zip(*out)]


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_of_mixup_are_beta_and_partners_uniform(alpha):
    row, partner, share, x = mixed([ff.MixUp(alpha=alpha)])
    share = share.astype(float)
    beta = stats.beta(alpha, alpha)
    # Shares are float32, with steps of 6e-8 below 1.
    edges = np.unique(np.clip(beta.ppf(np.linspace(0, 1, 61)), 1e-4, 1 - 1e-4))
    edges = np.array([0, *edges, 1 + 1e-9])
    counts = np.histogram(share, edges)[0]
    assert has_shares(counts, np.diff(beta.cdf(edges))) > UNLIKELY
    if (
        alpha >= 1
    ):  # below, shares near 1 are rounded to 1, which is no continuous number
        assert stats.kstest(share, beta.cdf).pvalue > UNLIKELY
    seen = partner >= 0
    assert seen.mean() > 0.9
    offset = (partner[seen] - row[seen]) % CLASSES
    assert uniform(offset - 1, CLASSES - 1) > UNLIKELY  # never itself
    assert independent(offset // 25, (10 * share[seen]).astype(int)) > UNLIKELY
    assert independent(offset[1:] // 25, offset[:-1] // 25) > UNLIKELY
    assert uncorrelated(share[1:], share[:-1]) > UNLIKELY
    wanted = share * row + (1 - share) * np.where(seen, partner, row)
    assert abs(x[:, 0, 0] - wanted).max() < 0.51


def test_partners_in_small_batches_are_uniform():
    dataset = numbered(3)
    dataset = ff.Dataset.from_arrays(dataset.images, np.arange(3, dtype=np.uint8))
    options = {**RAW, "label_dtype": "onehot", "seed": SEED, "threads": 1}
    loader = ff.Loader(dataset, 3, augment=[ff.MixUp(alpha=1.0)], **options)
    partners = np.stack([next(iter(loader))[1] for _ in range(3000)])
    diagonal = np.arange(3)
    partners[:, diagonal, diagonal] = 0
    partners = partners.argmax(axis=2)
    offset = (partners - diagonal) % 3 - 1
    assert uniform(offset.ravel(), 2) > UNLIKELY
    assert independent(offset[:, 0], offset[:, 1]) > UNLIKELY


@pytest.mark.parametrize("alpha", [0.3, 1.0, 4.0])
def test_rectangles_of_cutmix_are_torchvisions(alpha):
    side, rng, n = 12, np.random.default_rng(8), 10 * N
    row, partner, share, x = mixed([ff.CutMix(alpha=alpha)], side)
    top, left, h, w = boxes(x, lambda x: x != row[:, None, None])
    assert np.array_equal(h * w, np.round((1 - share.astype(float)) * side**2))
    cut = h > 0
    assert (x[cut, top[cut], left[cut]] == partner[cut]).all()
    assert uniform((partner - row)[cut] % CLASSES - 1, CLASSES - 1) > UNLIKELY
    # Yun et al.: a share of the area around a uniform centre, cut at the edges.
    half = (0.5 * np.sqrt(1 - rng.beta(alpha, alpha, n)) * side).astype(int)
    cy, cx = rng.integers(0, side, (2, n))
    ends = [(np.maximum(c - half, 0), np.minimum(c + half, side)) for c in (cy, cx)]
    (y0, y1), (x0, x1) = ends
    empty = half == 0
    assert same_distribution(h * w, (y1 - y0) * (x1 - x0)) > UNLIKELY
    mine = np.where(cut, top * side + h, 0), np.where(cut, left * side + w, 0)
    wanted = (
        np.where(empty, 0, y0 * side + y1 - y0),
        np.where(empty, 0, x0 * side + x1 - x0),
    )
    for a, b in zip(mine, wanted):
        assert same_distribution(a, b) > UNLIKELY
    far = (h == 6) & (w == 6)  # of one size, and inside: not cut at an edge
    for place in (top, left):
        far &= (place > 0) & (place < 6)
    assert independent(top[far], left[far]) > UNLIKELY
    assert uncorrelated(share[1:].astype(float), share[:-1].astype(float)) > UNLIKELY


def test_mixes_are_chosen_with_their_shares():
    mixes = [ff.MixUp(alpha=4.0), ff.CutMix(alpha=1000.0)]  # a quarter to half is cut
    choice = ff.RandomChoice(mixes, p=[0.3, 0.7])
    row, partner, share, x = mixed([ff.RandomApply([choice], p=0.6)], 12, 100)
    none = share == 1
    assert has_probability(~none, 0.6) > UNLIKELY
    whole = (x == x[:, :1, :1]).all(axis=(1, 2))
    assert whole[none].all() and (x[none, 0, 0] == row[none]).all()
    assert has_probability(whole[~none], 0.3) > UNLIKELY
    assert uniform((partner - row)[~none] % CLASSES - 1, CLASSES - 1) > UNLIKELY

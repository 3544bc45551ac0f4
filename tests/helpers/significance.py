"""Tests of significance, and images that show the random numbers drawn for them."""

import math
from types import SimpleNamespace

import numpy as np
from scipy import stats

import fmnist_fast as ff

SEED = 2**50 + 17
N = 100_000
UNLIKELY = 1e-4
RAW = {"dtype": "uint8", "normalize": None, "layout": "NHW"}
STAMP = np.arange(128, dtype=np.uint8).reshape(8, 16)
ROUGH = np.random.default_rng(0).permutation(64).astype(np.uint8).reshape(8, 8) + 50


def loader_of(image, transforms, n=N, seed=SEED, **options):
    """Return a Loader over n copies of an image."""
    images = np.repeat(np.asarray(image, dtype=np.uint8)[None], n, axis=0)
    dataset = ff.Dataset.from_arrays(images, np.zeros(n, dtype=np.uint8))
    options = {"batch_size": 4096, "threads": 2, **RAW, **options}
    return ff.Loader(dataset, augment=transforms, seed=seed, **options)


def drawn(image, transforms, n=N, seed=SEED, **options):
    """Return n augmented copies of an image. Copy k shows the draws at position k."""
    loader = loader_of(image, transforms, n, seed, **options)
    return np.concatenate([x for x, _ in loader])


# Each of the functions below returns a p-value: the probability that independent draws
# differ from the expected distribution at least as much as the given ones. For
# chi-square tests, it is also small if the draws differ less than chance allows.


def has_shares(counts, shares):
    """Return the p-value of counts of values with the given probabilities.

    Values that are expected fewer than 10 times are counted together. A value of
    probability 0 must not occur, and a value expected more than 20 times must occur.
    """
    counts, shares = np.asarray(counts, float), np.asarray(shares, float)
    assert counts.shape == shares.shape and math.isclose(shares.sum(), 1, rel_tol=1e-9)
    assert (counts[shares == 0] == 0).all(), "an impossible value occurs"
    expected = shares * counts.sum()
    assert (counts[expected > 20] > 0).all(), "a value never occurs"
    often = expected >= 10
    assert often.sum() > 1
    got, want = [*counts[often], counts[~often].sum()], [*expected[often], 0]
    want[-1] = counts.sum() - sum(want)
    if want[-1] < 10:
        joined = got.pop() + got[-1], max(0.0, want.pop()) + want[-1]
        got[-1], want[-1] = joined
    p = stats.chisquare(got, np.array(want) * (sum(got) / sum(want))).pvalue
    return min(p, 1 - p)


def uniform(values, n):
    """Return the p-value of integers that are uniform in [0, n)."""
    values = np.asarray(values, dtype=np.int64)
    assert values.min() >= 0 and values.max() < n
    return has_shares(np.bincount(values, minlength=n), np.full(n, 1 / n))


def has_probability(events, p):
    """Return the p-value of events of probability p."""
    events = np.asarray(events, dtype=bool)
    return stats.binomtest(int(events.sum()), len(events), p).pvalue


def independent(a, b):
    """Return the p-value of pairs of integers that are independent."""
    a, b = (np.unique(x, return_inverse=True)[1] for x in (a, b))
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), 1)
    assert min(table.shape) > 1 and table.mean() > 5
    p = stats.chi2_contingency(table, correction=False).pvalue
    return min(p, 1 - p)


def uncorrelated(a, b):
    """Return the p-value of pairs of numbers without a correlation."""
    a, b = a - a.mean(), b - b.mean()
    r = (a * b).mean() / math.sqrt((a * a).mean() * (b * b).mean())
    return 2 * stats.norm.sf(abs(r) * math.sqrt(len(a)))


def same_distribution(got, want):
    """Return the p-value of two sets of integers with the same distribution.

    Values that are expected fewer than 10 times are counted together.
    """
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
    """Return the probability of each result of `read`.

    The argument of `read` is an array of numbers that are uniform in [low, high). Its
    results are integers from 0 on.
    """
    grid = low + (high - low) * (np.arange(500_000) + 0.5) / 500_000
    codes = read(grid).astype(np.int64)
    return np.bincount(codes) / len(codes)


def crops_of(x, padding):
    """Return how each copy of STAMP was cropped, flipped and inverted, in this order.

    The crop has the size of the stamp. `h` and `v` say whether a copy was flipped left
    to right and top to bottom.
    """
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


def numbered(n):
    """Return a dataset of n images of 1 x 4 pixels, which show their number.

    The first two pixels are the bytes of the number, and the last two are 0 and 255.
    """
    i = np.arange(n)
    columns = [i // 256, i % 256, np.zeros(n), np.full(n, 255)]
    images = np.stack(columns, axis=1).astype(np.uint8).reshape(n, 1, 4)
    return ff.Dataset.from_arrays(images, np.zeros(n, dtype=np.uint8))


def boxes(x, is_inside):
    """Return top, left, height and width of the rectangle in each image.

    `is_inside` says which pixels lie in the rectangle.
    """
    inside = is_inside(x)
    rows, columns = inside.any(axis=2), inside.any(axis=1)
    height, width = rows.sum(axis=1), columns.sum(axis=1)
    assert (inside.sum(axis=(1, 2)) == height * width).all()
    return rows.argmax(axis=1), columns.argmax(axis=1), height, width


def counts_of(values, like):
    """Return how often each integer from 0 on occurs, in an array as long as `like`."""
    return np.bincount(values, minlength=len(like))

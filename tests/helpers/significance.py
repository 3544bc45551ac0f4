"""Tests of significance, and images that show what was drawn for them."""

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


def loader_of(image, steps, n=N, seed=SEED, **options):
    """n times the same image."""
    images = np.repeat(np.asarray(image, dtype=np.uint8)[None], n, axis=0)
    dataset = ff.Dataset.from_arrays(images, np.zeros(n, dtype=np.uint8))
    options = {"batch_size": 4096, "threads": 2, **RAW, **options}
    return ff.Loader(dataset, augment=steps, seed=seed, **options)


def drawn(image, steps, n=N, seed=SEED, **options):
    """One epoch: image k is made from what is drawn at position k."""
    return np.concatenate([x for x, _ in loader_of(image, steps, n, seed, **options)])


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


def numbered(n):
    """Images whose first two pixels are their number, and the last two 0 and 255."""
    i = np.arange(n)
    columns = [i // 256, i % 256, np.zeros(n), np.full(n, 255)]
    images = np.stack(columns, axis=1).astype(np.uint8).reshape(n, 1, 4)
    return ff.Dataset.from_arrays(images, np.zeros(n, dtype=np.uint8))


def boxes(x, is_inside):
    """Top, left, height and width of the rectangle of pixels that are inside."""
    inside = is_inside(x)
    rows, columns = inside.any(axis=2), inside.any(axis=1)
    height, width = rows.sum(axis=1), columns.sum(axis=1)
    assert (inside.sum(axis=(1, 2)) == height * width).all()
    return rows.argmax(axis=1), columns.argmax(axis=1), height, width


def counts_of(values, like):
    return np.bincount(values, minlength=len(like))

"""MixUp and CutMix follow their distributions, as test_distributions.py explains."""

import numpy as np
import pytest

import fmnist_fast as ff

stats = pytest.importorskip("scipy.stats", reason="distributions are scipy's")
from helpers.significance import (  # noqa: E402
    RAW,
    SEED,
    UNLIKELY,
    N,
    boxes,
    has_probability,
    has_shares,
    independent,
    numbered,
    same_distribution,
    uncorrelated,
    uniform,
)

CLASSES = 250


def mixed(transforms, side=1, n_batches=400, seed=SEED):
    """Return the row, the partner, the share and the pixels of mixed images.

    Each batch has one image of every class, in order; class c has gray level c. The
    partner is the row that was mixed in, or -1 where labels do not show it. The share
    is the weight of the image's own label.
    """
    labels = np.tile(np.arange(CLASSES, dtype=np.uint8), n_batches)
    images = np.repeat(labels, side * side).reshape(-1, side, side)
    dataset = ff.Dataset.from_arrays(images, labels)
    options = {**RAW, "label_dtype": "onehot", "threads": 2, "seed": seed}
    rows = np.arange(CLASSES)
    out = []
    for x, soft in ff.Loader(dataset, CLASSES, augment=transforms, **options):
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
    # Shares are float32, whose spacing below 1 is 6e-8.
    edges = np.unique(np.clip(beta.ppf(np.linspace(0, 1, 61)), 1e-4, 1 - 1e-4))
    edges = np.array([0, *edges, 1 + 1e-9])
    counts = np.histogram(share, edges)[0]
    assert has_shares(counts, np.diff(beta.cdf(edges))) > UNLIKELY
    # For smaller alpha, shares near 1 are rounded to 1, so they are not continuous.
    if alpha >= 1:
        assert stats.kstest(share, beta.cdf).pvalue > UNLIKELY
    seen = partner >= 0
    assert seen.mean() > 0.9
    offset = (partner[seen] - row[seen]) % CLASSES
    # An image is never its own partner.
    assert uniform(offset - 1, CLASSES - 1) > UNLIKELY
    assert independent(offset // 25, (10 * share[seen]).astype(int)) > UNLIKELY
    assert independent(offset[1:] // 25, offset[:-1] // 25) > UNLIKELY
    assert uncorrelated(share[1:], share[:-1]) > UNLIKELY
    expected = share * row + (1 - share) * np.where(seen, partner, row)
    assert abs(x[:, 0, 0] - expected).max() < 0.51


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
def test_rectangles_of_cutmix_equal_torchvisions(alpha):
    side, rng, n = 12, np.random.default_rng(8), 10 * N
    row, partner, share, x = mixed([ff.CutMix(alpha=alpha)], side)
    top, left, h, w = boxes(x, lambda x: x != row[:, None, None])
    assert np.array_equal(h * w, np.round((1 - share.astype(float)) * side**2))
    cut = h > 0
    assert (x[cut, top[cut], left[cut]] == partner[cut]).all()
    assert uniform((partner - row)[cut] % CLASSES - 1, CLASSES - 1) > UNLIKELY
    # Yun et al.: a share of the area around a uniform center, clipped at the edges.
    half = (0.5 * np.sqrt(1 - rng.beta(alpha, alpha, n)) * side).astype(int)
    cy, cx = rng.integers(0, side, (2, n))
    ends = [(np.maximum(c - half, 0), np.minimum(c + half, side)) for c in (cy, cx)]
    (y0, y1), (x0, x1) = ends
    empty = half == 0
    assert same_distribution(h * w, (y1 - y0) * (x1 - x0)) > UNLIKELY
    drawn = np.where(cut, top * side + h, 0), np.where(cut, left * side + w, 0)
    expected = (
        np.where(empty, 0, y0 * side + y1 - y0),
        np.where(empty, 0, x0 * side + x1 - x0),
    )
    for a, b in zip(drawn, expected):
        assert same_distribution(a, b) > UNLIKELY
    far = (h == 6) & (w == 6)  # of one size, and not clipped at an edge
    for place in (top, left):
        far &= (place > 0) & (place < 6)
    assert independent(top[far], left[far]) > UNLIKELY
    assert uncorrelated(share[1:].astype(float), share[:-1].astype(float)) > UNLIKELY


def test_mixes_are_chosen_with_their_shares():
    mixes = [ff.MixUp(alpha=4.0), ff.CutMix(alpha=1000.0)]  # cuts a quarter to a half
    choice = ff.RandomChoice(mixes, p=[0.3, 0.7])
    row, partner, share, x = mixed([ff.RandomApply([choice], p=0.6)], 12, 100)
    none = share == 1
    assert has_probability(~none, 0.6) > UNLIKELY
    whole = (x == x[:, :1, :1]).all(axis=(1, 2))
    assert whole[none].all() and (x[none, 0, 0] == row[none]).all()
    assert has_probability(whole[~none], 0.3) > UNLIKELY
    assert uniform((partner - row)[~none] % CLASSES - 1, CLASSES - 1) > UNLIKELY

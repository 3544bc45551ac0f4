"""Views of a sample draw independent random numbers, which are those of the epoch.

Each test makes 100,000 draws in each view, and reads them off the images.
"""

import numpy as np
import pytest
from reference_draws import Key

import fmnist_fast as ff

pytest.importorskip("scipy.stats", reason="distributions are scipy's")
from helpers.significance import (
    RAW,
    SEED,
    STAMP,
    UNLIKELY,
    N,
    crops_of,
    independent,
    numbered,
    uncorrelated,
    uniform,
)

CROP_FLIP = [ff.RandomCrop((8, 16), padding=2), ff.RandomHorizontalFlip()]
PAIRS = [(0, 1), (0, 2), (1, 2)]


@pytest.fixture(scope="module")
def views():
    """Return the crops of three views of N samples, as (place, is flipped)."""
    images = np.repeat(STAMP[None], N, axis=0)
    data = ff.Dataset.from_arrays(images, np.zeros(N, np.uint8))
    options = {"batch_size": 4096, "augment": CROP_FLIP, "seed": SEED, **RAW}
    batches = [x.copy() for x, _ in ff.Loader(data, views=3, **options)]
    views = [crops_of(x, 2) for x in np.concatenate(batches, axis=1)]
    return [(5 * view.top + view.left, view.h.astype(int)) for view in views]


def test_each_view_is_uniform(views):
    for place, flip in views:
        assert uniform(2 * place + flip, 50) > UNLIKELY


@pytest.mark.parametrize("a, b", PAIRS)
def test_views_are_independent(views, a, b):
    (place, flip), (other_place, other_flip) = views[a], views[b]
    assert independent(2 * place + flip, 2 * other_place + other_flip) > UNLIKELY
    assert uncorrelated(place // 5, other_place // 5) > UNLIKELY
    assert uncorrelated(place % 5, other_place % 5) > UNLIKELY
    assert uniform(2 * flip + other_flip, 4) > UNLIKELY


@pytest.mark.parametrize("a, b", PAIRS)
def test_views_of_neighbors_are_independent(views, a, b):
    first, second = (2 * views[k][0] + views[k][1] for k in (a, b))
    assert independent(first[1:], second[:-1]) > UNLIKELY
    assert independent(first[:-1], second[1:]) > UNLIKELY


def test_views_of_three_are_independent_together(views):
    flips = sum(flip << k for k, (_, flip) in enumerate(views))
    assert uniform(flips, 8) > UNLIKELY


def test_dependent_views_are_noticed(views):
    place, flip = views[0]
    assert independent(place, place // 2) < UNLIKELY
    assert independent(place, np.where(flip, place, views[1][0])) < UNLIKELY


def test_mixes_of_views_are_independent():
    """Labels show the share of a sample, and the class of its partner."""
    n = 1000
    own = np.arange(n) % 10
    data = ff.Dataset.from_arrays(numbered(n).images, own)
    options = {"batch_size": n, "label_dtype": "onehot", "seed": SEED, **RAW}
    loader = ff.Loader(data, augment=[ff.MixUp()], views=2, **options)
    shares, partners = [], []
    for _ in range(N // n):
        ((_, labels),) = loader
        share = labels[:, np.arange(n), own].copy()
        labels[:, np.arange(n), own] = 0
        is_other = (labels > 0).any(axis=2).all(axis=0)
        shares.append(share[:, is_other])
        partners.append((labels.argmax(axis=2) - own)[:, is_other] % 10)
    for a, b in (np.concatenate(x, axis=1) for x in (shares, partners)):
        assert len(a) > 0.7 * N and (a != b).any()
        assert uncorrelated(a, b) > UNLIKELY
        assert independent((10 * a).astype(int), (10 * b).astype(int)) > UNLIKELY


def test_operations_of_views_are_apart():
    """No stream of a view is one of another view, of its mix, or of the order."""
    streams = {
        Key(1, 2, 3, view).draws(i).stream[3]
        for view in range(ff._core.MAX_VIEWS)
        for i in range(ff._core.MAX_TRANSFORMS)
    }
    assert len(streams) == ff._core.MAX_VIEWS * ff._core.MAX_TRANSFORMS
    assert min(streams) == 1 and max(streams) < 2**16

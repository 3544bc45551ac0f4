"""Synthetic garments have the same bytes in each run, and classes that differ."""

import hashlib

import numpy as np
import pytest

from fmnist_fast._synthetic import garments
from fmnist_fast._synthetic.garments import draw

LABELS = np.arange(200) % 10
# Saved data and results depend on these bytes, so they must not change by accident.
SHA256 = "4821ed2e6ae5b6b6777f71d742d4fff8e1a6666bf74dc315521d36ab6594a4d7"


def test_bytes_have_the_expected_hash():
    assert hashlib.sha256(draw(LABELS, seed=0).tobytes()).hexdigest() == SHA256


def test_dtype_shape_and_layout():
    images = draw(LABELS)
    assert images.dtype == np.uint8
    assert images.shape == (200, 28, 28)
    assert images.flags.c_contiguous and images.flags.writeable


@pytest.mark.parametrize("labels", [[], np.array([], np.uint8)])
def test_without_labels_there_are_no_images(labels):
    assert draw(labels).shape == (0, 28, 28)


@pytest.mark.parametrize("kind", [list, np.uint8, np.int64, np.uint64])
def test_the_dtype_of_labels_does_not_matter(kind):
    labels = LABELS.tolist() if kind is list else LABELS.astype(kind)
    assert np.array_equal(draw(labels), draw(LABELS))


@pytest.mark.parametrize("start, stop", [(0, 1), (7, 93), (199, 200), (50, 50)])
def test_parts_equal_the_whole(start, stop):
    part = draw(LABELS[start:stop], seed=5, first=start)
    assert np.array_equal(part, draw(LABELS, seed=5)[start:stop])


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_chunk_boundaries_do_not_change_images(extra):
    labels = np.full(garments.CHUNK + extra, 5)
    images = draw(labels)
    for at in (0, garments.CHUNK - 2, labels.size - 1):
        assert np.array_equal(images[at], draw([5], first=at)[0])


def test_an_image_does_not_depend_on_the_other_labels():
    other = (LABELS + 3) % 10
    other[::7] = LABELS[::7]
    assert np.array_equal(draw(other)[::7], draw(LABELS)[::7])


def test_seeds_and_indices_give_different_images():
    same = np.full(50, 2)
    images = np.concatenate([draw(same, seed=s) for s in (0, 1, 2**64 - 1)])
    assert len(np.unique(images, axis=0)) == 150


def test_the_last_index_can_be_drawn():
    assert draw([1, 8], first=2**64 - 2).any(axis=(1, 2)).all()


def test_corners_are_black_and_garments_are_bright():
    images = draw(np.arange(2000) % 10, seed=1)
    assert not images[:, 0, 0].any() and not images[:, 0, -1].any()
    lit = (images > 0).mean(axis=(1, 2))
    assert 0.05 < lit.min() and lit.max() < 0.98
    assert 0.25 < lit.mean() < 0.65
    assert images.max(axis=(1, 2)).min() > 40


def test_classes_differ_in_the_mean():
    labels = np.arange(2000) % 10
    images = draw(labels, seed=2).astype(float)
    means = np.array([images[labels == label].mean(axis=0) for label in range(10)])
    distances = np.abs(means[:, None] - means).mean(axis=(2, 3))
    assert distances[~np.eye(10, dtype=bool)].min() > 4


def test_nearest_mean_classifier_learns():
    labels = np.random.default_rng(0).integers(0, 10, 2500)
    images = draw(labels, seed=3).reshape(2500, -1).astype(float)
    means = [images[:2000][labels[:2000] == label].mean(axis=0) for label in range(10)]
    distances = ((images[2000:, None] - np.array(means)) ** 2).sum(axis=2)
    assert (distances.argmin(axis=1) == labels[2000:]).mean() > 0.6


@pytest.mark.parametrize(
    "error, labels, options, message",
    [
        (ValueError, [1, 2, 3, 12], {}, r"in 0\.\.9, got 12 at index 3"),
        (ValueError, [0, -1], {}, r"in 0\.\.9, got -1 at index 1"),
        (ValueError, [[1, 2]], {}, r"1-D, got shape \(1, 2\)"),
        (ValueError, 3, {}, r"1-D, got shape \(\)"),
        (TypeError, [0.0, 1.0], {}, r"integers in 0\.\.9, got dtype float64"),
        (TypeError, [True], {}, "got dtype bool"),
        (ValueError, [1], {"seed": -1}, "seed must be .* got -1"),
        (ValueError, [1], {"seed": 2**64}, "seed must be .* got 18446744073709551616"),
        (TypeError, [1], {"seed": 1.5}, "seed must be an integer, got 1.5"),
        (TypeError, [1], {"first": "0"}, "first must be an integer, got '0'"),
        (ValueError, [1, 2], {"first": 2**64 - 1}, r"first must be .*614, got .*615"),
    ],
)
def test_bad_arguments_are_named(error, labels, options, message):
    with pytest.raises(error, match=message):
        draw(labels, **options)

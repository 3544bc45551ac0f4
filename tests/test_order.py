"""The keyed permutation: a bijection, the reference's, and as random as a shuffle."""

import math

import numpy as np
import pytest
import reference

from fmnist_fast import _core


def test_is_a_bijection_for_every_small_n():
    for n in range(2001):
        order = _core.order(n, seed=n, epoch=1)
        assert np.array_equal(np.sort(order), np.arange(n)), n


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 255, 256, 257, 1000, 65536, 65537])
def test_equals_reference(n, cpu_level):
    got = _core.order(n, seed=3, epoch=9)
    assert np.array_equal(got, reference.order_array(n, 3, 9))
    assert np.array_equal(got[: min(n, 99)], reference.order(n, 3, 9, 0, min(n, 99)))


@pytest.mark.parametrize("n", [2**32 - 5, 2**32, 2**32 + 1, 10**10, 2**62])
def test_equals_reference_where_sides_are_large(n, cpu_level):
    for begin in (0, n // 3, n - 300):
        got = _core.order(
            n, seed=2**64 - 1, epoch=2**32 - 1, begin=begin, end=begin + 300
        )
        want = reference.order(n, 2**64 - 1, 2**32 - 1, begin, begin + 300)
        assert np.array_equal(got, want)


def test_is_one_to_one_at_ten_billion():
    """A sample of 1.5 million positions: distinct, in range, evenly spread."""
    n = 10**10
    parts = [
        _core.order(n, seed=1, epoch=0, begin=begin, end=begin + 500_000)
        for begin in (0, n // 2, n - 500_000)
    ]
    values = np.concatenate(parts)
    assert values.max() < n
    assert len(np.unique(values)) == len(values)
    counts = np.histogram(values, bins=100, range=(0, n))[0]
    assert chi_square_z(counts, np.full(100, len(values) / 100)) < 5


def test_slices_agree_with_the_whole(cpu_level):
    whole = _core.order(10_000, seed=4)
    for begin, end in [(0, 1), (1, 400), (255, 513), (9_743, 10_000), (77, 77)]:
        assert np.array_equal(
            _core.order(10_000, seed=4, begin=begin, end=end), whole[begin:end]
        )


@pytest.mark.parametrize("begin, end, n", [(-1, 3, 5), (4, 3, 5), (0, 6, 5)])
def test_bad_range_says_so(begin, end, n):
    with pytest.raises(ValueError, match=r"need 0 <= begin <= end <= n <= 2\*\*62"):
        _core.order(n, begin=begin, end=end)


# ---- as random as a shuffle --------------------------------------------------------
# Each statistic is computed of keyed orders and of true shuffles. Bounds are five
# standard deviations; the seeds are fixed, so a pass stays a pass.


def chi_square_z(counts, expected):
    """Chi-square as standard deviations from its mean."""
    df = counts.size - 1
    return (((counts - expected) ** 2 / expected).sum() - df) / math.sqrt(2 * df)


def keyed(n, m):
    return np.array([_core.order(n, seed=s, epoch=s % 7) for s in range(m)], dtype=int)


def shuffled(n, m):
    rng = np.random.default_rng(20)
    return np.array([rng.permutation(n) for _ in range(m)])


MAKERS = pytest.mark.parametrize("make", [keyed, shuffled])


@MAKERS
@pytest.mark.parametrize("n", [3, 4, 5])
def test_every_small_permutation_is_as_likely(make, n):
    m = 40_000
    code = make(n, m) @ (n ** np.arange(n))
    values, counts = np.unique(code, return_counts=True)
    assert len(values) == math.factorial(n)
    assert abs(chi_square_z(counts, np.full(len(values), m / len(values)))) < 5


@MAKERS
@pytest.mark.parametrize("n", [16, 30, 256])
def test_every_sample_is_as_likely_at_every_position(make, n):
    m = 20_000
    orders = make(n, m)
    counts = np.zeros((n, n))
    for position in range(n):
        counts[position] = np.bincount(orders[:, position], minlength=n)
    assert abs(chi_square_z(counts.ravel(), np.full(n * n, m / n))) < 5


@MAKERS
@pytest.mark.parametrize("n", [16, 30, 256])
def test_neighbours_are_unrelated(make, n):
    orders = make(n, 20_000)
    steps = np.bincount(((orders[:, 1:] - orders[:, :-1]) % n).ravel(), minlength=n)[1:]
    assert abs(chi_square_z(steps, np.full(n - 1, steps.sum() / (n - 1)))) < 5


@MAKERS
@pytest.mark.parametrize("n", [16, 64, 256])
def test_fixed_points_cycles_and_parity(make, n):
    m = 20_000
    orders = make(n, m)
    fixed = (orders == np.arange(n)).sum(axis=1)
    assert abs(fixed.mean() - 1) < 5 / math.sqrt(m)
    assert abs(fixed.var() - 1) < 5 * math.sqrt(3 / m)

    cycles = np.array([n_cycles(order) for order in orders])
    harmonic = sum(1 / k for k in range(1, n + 1))
    variance = harmonic - sum(1 / k**2 for k in range(1, n + 1))
    assert abs(cycles.mean() - harmonic) < 5 * math.sqrt(variance / m)
    odd = ((n - cycles) % 2).mean()
    assert abs(odd - 0.5) < 5 * math.sqrt(0.25 / m)


def n_cycles(order):
    """Label every sample with the smallest one of its cycle, by doubling."""
    label, step = np.arange(len(order)), order.copy()
    for _ in range(len(order).bit_length()):
        label = np.minimum(label, label[step])
        step = step[step]
    return int((label == np.arange(len(order))).sum())


@pytest.mark.parametrize("other", [{"seed": 1}, {"epoch": 1}, {"seed": 2**32}])
def test_consecutive_seeds_and_epochs_are_unrelated(other):
    n, m = 1000, 200
    counts = np.zeros(n)
    for k in range(m):
        first = _core.order(n, seed=k, epoch=k).astype(int)
        second = _core.order(
            n, seed=k + other.get("seed", 0), epoch=k + other.get("epoch", 0)
        ).astype(int)
        counts += np.bincount((first - second) % n, minlength=n)
    assert abs(chi_square_z(counts, np.full(n, m))) < 5


def test_neighbours_in_an_epoch_of_fashion_mnist_are_unrelated():
    n, counts = 60_000, np.zeros(600)
    for seed in range(100):
        order = _core.order(n, seed=seed).astype(int)
        counts += np.histogram((order[1:] - order[:-1]) % n, bins=600, range=(0, n))[0]
    assert abs(chi_square_z(counts, np.full(600, counts.sum() / 600))) < 5

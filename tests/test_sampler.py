"""The keyed permutation: a bijection, equal to the reference, random as a shuffle."""

import hashlib
import math

import numpy as np
import pytest
import reference_sampler

from fmnist_fast import _core


def test_is_a_bijection_for_every_small_n():
    for n in range(2001):
        order = _core.order(n, seed=n, epoch=1)
        assert np.array_equal(np.sort(order), np.arange(n)), n


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 255, 256, 257, 1000, 65536, 65537])
def test_equals_reference(n, cpu_level):
    got = _core.order(n, seed=3, epoch=9)
    assert np.array_equal(got, reference_sampler.permuted(n, 3, 9))


@pytest.mark.parametrize("n", [2**32 - 5, 2**32, 2**32 + 1, 10**10, 2**62])
def test_equals_reference_at_large_sizes(n, cpu_level):
    for begin in (0, n // 3, n - 300):
        got = _core.order(
            n, seed=2**64 - 1, epoch=2**32 - 1, begin=begin, end=begin + 300
        )
        want = reference_sampler.permuted(n, 2**64 - 1, 2**32 - 1, begin, begin + 300)
        assert np.array_equal(got, want)


def test_is_one_to_one_at_ten_billion():
    """The rows at 1.5 million positions are distinct, in range and evenly spread."""
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


GOLDEN = {  # SHA-256 of the order as little-endian uint64
    256: "8081b4b0a3554dbabd09feb20cb263c688ce1038105c29b02750fb1bbe6403f5",
    60_000: "7a76eb7cdb5ebb91388b2b698f42666a8e10df47f28bfb105c2364325acb1110",
    70_001: "d1cad7dd3ad49bf6a75d7906d5149b1faa753d7201377b6c3495c955b2c4464e",
}
GOLDEN_BLOCKS = "526bbefb0dedf33f03650e0134fe314a8467ac285be0349fae76a06e7d7155ca"


def test_orders_never_change():
    """Later versions resume the runs of this version, so they need the same orders."""
    for n, digest in GOLDEN.items():
        order = _core.order(n, seed=42, epoch=3)
        assert hashlib.sha256(order.astype("<u8").tobytes()).hexdigest() == digest
    blocks = _core.order(60_000, seed=42, epoch=3, block=100).astype("<u8")
    assert hashlib.sha256(blocks.tobytes()).hexdigest() == GOLDEN_BLOCKS


@pytest.mark.parametrize("begin, end, n", [(-1, 3, 5), (4, 3, 5), (0, 6, 5)])
def test_bad_ranges_are_refused(begin, end, n):
    with pytest.raises(ValueError, match=r"must satisfy 0 <= begin .* n <= 2\*\*62"):
        _core.order(n, begin=begin, end=end)


# ---- as random as a shuffle --------------------------------------------------------
# Each statistic is computed for keyed orders and for true shuffles. The bounds are five
# standard deviations. The seeds are fixed, so every run of the tests gives the same.


def chi_square_z(counts, expected):
    """Return how many standard deviations chi-square is above its mean."""
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
def test_all_small_permutations_are_equally_likely(make, n):
    m = 40_000
    code = make(n, m) @ (n ** np.arange(n))
    values, counts = np.unique(code, return_counts=True)
    assert len(values) == math.factorial(n)
    assert abs(chi_square_z(counts, np.full(len(values), m / len(values)))) < 5


@MAKERS
@pytest.mark.parametrize("n", [16, 30, 256])
def test_all_rows_are_equally_likely_at_all_positions(make, n):
    m = 20_000
    orders = make(n, m)
    counts = np.zeros((n, n))
    for position in range(n):
        counts[position] = np.bincount(orders[:, position], minlength=n)
    assert abs(chi_square_z(counts.ravel(), np.full(n * n, m / n))) < 5


@MAKERS
@pytest.mark.parametrize("n", [16, 30, 256])
def test_neighbors_are_unrelated(make, n):
    orders = make(n, 20_000)
    gaps = (orders[:, 1:] - orders[:, :-1]) % n
    counts = np.bincount(gaps.ravel(), minlength=n)[1:]
    assert abs(chi_square_z(counts, np.full(n - 1, counts.sum() / (n - 1)))) < 5


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
    """Return the number of cycles."""
    # By doubling the jump, each row is labeled with the smallest row of its cycle.
    label, jump = np.arange(len(order)), order.copy()
    for _ in range(len(order).bit_length()):
        label = np.minimum(label, label[jump])
        jump = jump[jump]
    return int((label == np.arange(len(order))).sum())


@pytest.mark.parametrize("change", [{"seed": 1}, {"epoch": 1}, {"seed": 2**32}])
def test_consecutive_seeds_and_epochs_are_unrelated(change):
    n, m = 1000, 200
    counts = np.zeros(n)
    for k in range(m):
        first = _core.order(n, seed=k, epoch=k).astype(int)
        second = _core.order(
            n, seed=k + change.get("seed", 0), epoch=k + change.get("epoch", 0)
        ).astype(int)
        counts += np.bincount((first - second) % n, minlength=n)
    assert abs(chi_square_z(counts, np.full(n, m))) < 5


def test_neighbors_in_an_epoch_of_fashion_mnist_are_unrelated():
    n, counts = 60_000, np.zeros(600)
    for seed in range(100):
        order = _core.order(n, seed=seed).astype(int)
        counts += np.histogram((order[1:] - order[:-1]) % n, bins=600, range=(0, n))[0]
    assert abs(chi_square_z(counts, np.full(600, counts.sum() / 600))) < 5


# ---- blocks ------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, 63, 64, 65, 1000, 4097])
@pytest.mark.parametrize("block", [1, 2, 7, 64, 1000, 2**40])
def test_blocks_are_a_bijection_and_equal_reference(n, block, cpu_level):
    for epoch in range(3):
        got = _core.order(n, seed=n, epoch=epoch, block=block)
        assert np.array_equal(np.sort(got), np.arange(n))
        if n:
            assert np.array_equal(got, reference_sampler.in_blocks(n, n, epoch, block))


def test_slices_of_blocks_agree_with_the_whole(cpu_level):
    whole = _core.order(10_000, seed=4, block=31)
    for begin, end in [(0, 1), (1, 400), (1999, 2001), (255, 5513), (9_743, 10_000)]:
        part = _core.order(10_000, seed=4, begin=begin, end=end, block=31)
        assert np.array_equal(part, whole[begin:end])


def test_blocks_at_ten_billion_are_random_access():
    n, block = 10**10 + 7, 1024
    begins = 0, n // 2, n - 200_000
    parts = [
        _core.order(n, seed=1, begin=begin, end=begin + 200_000, block=block)
        for begin in begins
    ]
    values = np.concatenate(parts)
    assert values.max() < n and len(np.unique(values)) == len(values)
    # Each part meets at most five block groups, of 64 blocks and two that are cut, and
    # a block lies on at most two multiples of `block`.
    for part in parts:
        assert len(np.unique(part // block)) <= 5 * 2 * 67


@pytest.mark.parametrize("n", [1000, 1024, 70 * 16 + 5])
def test_a_block_group_reads_few_runs_of_rows(n):
    block = 16
    order = _core.order(n, seed=5, block=block).astype(int)
    groups = np.array_split(order, -(-n // (64 * block)))
    for group in groups:
        rows = np.sort(group)
        n_runs = 1 + (np.diff(rows) > 1).sum()
        assert n_runs <= 64 + 3


def test_too_large_a_block_is_refused():
    with pytest.raises(ValueError, match=r"block must be at most 2\*\*40, got"):
        _core.order(5, block=2**40 + 1)


def in_blocks(n, m, block):
    return np.array(
        [_core.order(n, seed=s, epoch=s % 7, block=block) for s in range(m)], dtype=int
    )


# One block group; two groups and a short block; several groups of few rows.
BLOCKS = pytest.mark.parametrize("n, block", [(100, 8), (130, 2), (256, 1)])


@BLOCKS
def test_in_blocks_all_rows_are_equally_likely_at_all_positions(n, block):
    m = 20_000
    orders = in_blocks(n, m, block)
    counts = np.zeros((n, n))
    for position in range(n):
        counts[position] = np.bincount(orders[:, position], minlength=n)
    assert abs(chi_square_z(counts.ravel(), np.full(n * n, m / n))) < 5


def groups_of(order, block):
    """Return the number of the block group that each row is in."""
    groups = np.array_split(order, -(-len(order) // (64 * block)))
    numbers = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    out = np.empty(len(order), int)
    out[order] = numbers
    return out


@pytest.mark.parametrize("n, block", [(1300, 4), (1000, 7), (512, 2)])
def test_all_neighbors_are_separated_equally_often(n, block):
    """The blocks of each epoch begin at different rows."""
    m = 4000
    groups = np.array([groups_of(order, block) for order in in_blocks(n, m, block)])
    separated = (groups != np.roll(groups, 1, axis=1)).mean(axis=0)
    share = separated.mean()
    assert 0.2 / block < share < 1 / block
    assert np.abs(separated - share).max() < 5 * math.sqrt(share * (1 - share) / m)


def test_any_two_rows_can_be_in_one_block_group():
    n, block = 512, 2
    are_together = np.zeros((n, n), bool)
    for order in in_blocks(n, 400, block):
        for group in np.array_split(order, 4):
            are_together[np.ix_(group, group)] = True
    assert are_together.all()


def test_block_groups_of_consecutive_epochs_are_unrelated():
    n, m, block, n_groups = 4096, 200, 4, 16
    counts = np.zeros((n_groups, n_groups))
    for k in range(m):
        orders = (_core.order(n, seed=3, epoch=e, block=block) for e in (k, k + 1))
        first, second = (groups_of(order.astype(int), block) for order in orders)
        np.add.at(counts, (first, second), 1)
    # Blocks are counted, because the rows of a block stay together.
    expected = np.full(counts.size, n * m / counts.size / block)
    assert chi_square_z(counts.ravel() / block, expected) < 5

"""The reference's weights, orders and streams, by sums of integers and by hand."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import reference
import reference_batching
import reference_sampler
from hypothesis import given
from hypothesis import strategies as st

WEIGHTS = st.lists(
    st.sampled_from([0.0, 1.0, 5e-324, 1.7e308]) | st.floats(0, 1e300),
    min_size=1,
    max_size=70,
).filter(any)
IMAGES = np.arange(10, dtype=np.uint8).reshape(10, 1, 1)
OPTIONS = {"dtype": "uint8", "normalize": None, "label_dtype": "int64"}


def epoch(**options):
    """Return the indices in each batch of an epoch of ten samples."""
    batches = reference.epoch(IMAGES, np.arange(10), **OPTIONS, **options)
    return [labels.tolist() for _, labels in batches]


def chained(lists):
    return list(itertools.chain(*lists))


# ---- weights ------------------------------------------------------------------------


@given(WEIGHTS)
def test_the_cells_of_an_index_add_up_to_its_weight(weights):
    numbers = reference_sampler.quantized(weights)
    own, other, total = reference_sampler.alias_table(numbers)
    shares = list(own)
    for cell, index in enumerate(other):
        assert 0 <= own[cell] <= total
        shares[index] += total - own[cell]
    assert shares == [len(weights) * number for number in numbers]
    assert total < 2**62


@given(WEIGHTS)
def test_quantized_weights_are_shares_of_the_largest(weights):
    numbers = reference_sampler.quantized(weights)
    bits = min(52, 62 - len(weights).bit_length())
    assert max(numbers) == 2**bits
    for weight, number in zip(weights, numbers):
        assert (number == 0) == (weight == 0)
        share = Fraction(weight) / Fraction(max(weights)) * 2**bits
        assert number == 1 or abs(share - number) <= 1 + share / 2**53


@pytest.mark.parametrize("n", [1, 1000, 1023, 1024, 2**20])
def test_products_of_quantized_weights_have_less_than_63_bits(n):
    bits = min(52, 62 - n.bit_length())
    assert n * 2**bits <= 2**62
    assert bits == (52 if n < 1024 else 62 - n.bit_length())
    if n < 2**20:
        assert reference_sampler.quantized(np.ones(n)) == [2**bits] * n


def test_tables_by_hand():
    """Index 4 fills the cells of 3, 2 and 0, and then needs some of index 1."""
    assert reference_sampler.alias_table([1, 1, 1]) == ([3, 3, 3], [0, 1, 2], 3)
    assert reference_sampler.alias_table([0, 5]) == ([0, 5], [1, 1], 5)
    own, other, total = reference_sampler.alias_table([1, 6, 2, 3, 8])
    assert (own, other, total) == ([5, 20, 10, 15, 10], [4, 1, 4, 4, 1], 20)


def test_draws_of_a_position_do_not_depend_on_others():
    weights = np.random.default_rng(0).random(500)
    whole = reference_sampler.drawn(weights, 5, 7)
    assert whole.dtype == np.uint64 and whole.max() < 500
    part = reference_sampler.drawn(weights, 5, 7, 100, 230)
    assert np.array_equal(part, whole[100:230])
    far = reference_sampler.drawn(weights, 5, 7, 2**40, 2**40 + 9)
    assert not np.array_equal(far, whole[:9])
    for other in [(6, 7), (5, 8)]:
        assert not np.array_equal(reference_sampler.drawn(weights, *other), whole)


def test_drawn_numbers_have_their_weights():
    weights = np.array([0, 1, 2, 0, 0.5, 1e-12, 6])
    counts = np.bincount(reference_sampler.drawn(weights, 1, 0, 0, 40_000), minlength=7)
    expected = 40_000 * weights / weights.sum()
    likely = expected > 1
    assert counts[~likely].sum() == 0
    deviations = (counts - expected)[likely] / np.sqrt(expected[likely])
    assert (deviations**2).sum() < 3 + 5 * math.sqrt(6)


def test_balanced_weights_give_each_class_the_same_sum():
    labels = np.repeat([3, 0, 7], [1, 40, 9])
    weights = reference_sampler.balanced(labels)
    for label in (3, 0, 7):
        assert weights[labels == label].sum() == pytest.approx(1)


# ---- orders -------------------------------------------------------------------------


def test_orders_are_what_select_takes():
    mask = np.arange(10) % 4 == 1
    for order, want in [
        ([3, 3, -1, 0], [3, 3, 9, 0]),
        (mask, [1, 5, 9]),
        (mask.tolist(), [1, 5, 9]),
        (range(2, 8, 3), [2, 5]),
        (lambda number: [number, number + 1], [4, 5]),
    ]:
        assert epoch(batch_size=10, order=order, epoch=4) == [want]


def test_repeats_are_next_to_each_other_and_draw_other_numbers():
    assert epoch(batch_size=4, order=[7, 2, 2], repeats=2) == [[7, 7, 2, 2], [2, 2]]
    once = epoch(batch_size=10, shuffle=True, seed=3)[0]
    thrice = epoch(batch_size=30, shuffle=True, seed=3, repeats=3)[0]
    assert thrice == np.repeat(once, 3).tolist()
    keys = [
        reference.Key(3, *place)
        for (place,) in reference_batching.of_epoch(0, 0, 3, 1, False)
    ]
    assert len({key.draws(0).word() for key in keys}) == 3


# ---- streams ------------------------------------------------------------------------


def test_a_stream_goes_on_over_the_ends_of_passes():
    whole = [epoch(batch_size=10, shuffle=True, epoch=e)[0] for e in range(5)]
    stream = chained(whole)
    for number in range(3):
        got = epoch(batch_size=4, steps=4, shuffle=True, epoch=number)
        assert [len(batch) for batch in got] == [4] * 4
        assert chained(got) == stream[16 * number : 16 * number + 16]


def test_positions_of_a_stream_are_places_of_passes():
    batches = list(reference_batching.of_stream(8, 2, 5, 6))
    assert batches == [
        [(1, 2), (1, 3), (1, 4), (1, 5), (2, 0)],
        [(2, 1), (2, 2), (2, 3), (2, 4), (2, 5)],
    ]


def test_ranks_of_a_stream_are_shards_of_its_batches():
    options = {"steps": 5, "shuffle": True, "position": 13}
    whole = epoch(batch_size=6, **options)
    ranks = [epoch(batch_size=2, shard=(rank, 3), **options) for rank in range(3)]
    assert [chained(parts) for parts in zip(*ranks)] == whole


def test_fields_are_those_of_the_samples():
    rows, heights = np.arange(100, 110), np.arange(10) / 4
    options = OPTIONS | {"batch_size": 3, "shuffle": True, "fields": [rows, heights]}
    for _, y, row, height in reference.epoch(IMAGES, np.arange(10), **options):
        assert np.array_equal(row, y + 100) and np.array_equal(height, y / 4)

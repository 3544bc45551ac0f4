"""Words and orders of JaxBatches equal those of Python integers and the reference."""

import functools
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import reference_draws
import reference_sampler
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fmnist_fast._core import MAX_EPOCH

jax = pytest.importorskip("jax")
from fmnist_fast.frameworks._jax import order, words  # noqa: E402
from fmnist_fast.frameworks._jax.plan import Plan  # noqa: E402

EDGES = sorted(
    {
        (1 << bits) + more & 0xFFFFFFFF
        for bits in (0, 8, 15, 16, 31, 32)
        for more in (-1, 0, 1)
    }
)
SIZE = 8  # of all arrays, so that each operation is compiled once
WORD = st.sampled_from(EDGES) | st.integers(0, 2**32 - 1)
PAIR = st.tuples(WORD, WORD)
SEED = st.sampled_from([0, 2**32 - 1, 2**32, 2**64 - 1]) | st.integers(0, 2**64 - 1)
DIVISOR = WORD.filter(bool)
few = settings(max_examples=30)


def many(strategy):
    return st.lists(strategy, min_size=SIZE, max_size=SIZE)


def array(numbers):
    return jax.numpy.array(np.array(numbers, np.uint32))


def pair(numbers):
    """Return 64-bit numbers as their lower and their upper words."""
    return array([n & 0xFFFFFFFF for n in numbers]), array([n >> 32 for n in numbers])


def joined(numbers):
    """Return the integers of pairs of words."""
    assert all(word.dtype == np.uint32 for word in numbers)
    low, upper = (np.asarray(word).tolist() for word in numbers)
    return [x | y << 32 for x, y in zip(low, upper, strict=True)]


def pairs_of_edges():
    return zip(*itertools.product(EDGES, EDGES))


def test_pairs_of_words():
    assert words.word(-1) == 2**32 - 1 and words.word(2**32) == 0
    assert words.pair(2**64 - 2) == (2**32 - 2, 2**32 - 1)
    assert {type(word) for word in words.pair(7)} == {np.uint32}


def test_products_and_sums_of_edges():
    x, y = pairs_of_edges()
    exact = [a * b for a, b in zip(x, y)]
    assert joined(words.product(array(x), array(y))) == exact
    assert words.high(array(x), array(y)).tolist() == [n >> 32 for n in exact]
    assert joined(words.add(array(x), array(y))) == [a + b for a, b in zip(x, y)]


@few
@given(many(WORD), many(WORD))
def test_products_and_sums(x, y):
    assert joined(words.product(array(x), array(y))) == [a * b for a, b in zip(x, y)]
    assert joined(words.add(array(x), array(y))) == [a + b for a, b in zip(x, y)]


@few
@given(many(WORD), DIVISOR)
def test_below(x, n):
    assert words.below(array(x), n).tolist() == [a * n >> 32 for a in x]


def halves(numbers):
    return [low | upper << 32 for low, upper in numbers]


@few
@given(many(PAIR), many(PAIR))
def test_upper_words_of_products(x, y):
    x, y = halves(x), halves(y)
    exact = [a * b >> 64 for a, b in zip(x, y)]
    assert joined(words.high_pair(pair(x), pair(y))) == exact


def test_upper_words_of_products_of_edges():
    """Sums of the middle words have each of their carries."""
    ends = [low | upper << 32 for low in EDGES for upper in EDGES[::3]]
    x, y = zip(*itertools.product(ends, ends))
    exact = [a * b >> 64 for a, b in zip(x, y)]
    assert joined(words.high_pair(pair(x), pair(y))) == exact


@few
@given(many(PAIR), many(PAIR))
def test_comparisons(x, y):
    x, y = halves(x), halves(y)
    assert words.is_less(pair(x), pair(y)).tolist() == [a < b for a, b in zip(x, y)]
    assert not words.is_less(pair(x), pair(x)).any()


@few
@given(many(WORD), many(WORD), st.sampled_from([1, 2, 2**31, 2**32]) | DIVISOR)
def test_sums_modulo(x, y, n):
    x, y = [a % n for a in x], [b % n for b in y]
    got = words.add_modulo(array(x), array(y), n)
    assert got.tolist() == [(a + b) % n for a, b in zip(x, y)]


def test_sums_modulo_of_edges():
    for n in (1, 2, 3, 2**16, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1, 2**32):
        ends = sorted({end % n for end in (0, 1, n // 2, n // 2 + 1, n - 2, n - 1)})
        x, y = zip(*itertools.product(ends, ends))
        got = words.add_modulo(array(x), array(y), n)
        assert got.tolist() == [(a + b) % n for a, b in zip(x, y)], n


@few
@given(many(WORD), many(WORD), DIVISOR)
def test_division(quotients, rests, n):
    rests = [rest % n for rest in rests]
    x = [quotient * n + rest for quotient, rest in zip(quotients, rests)]
    quotient, rest = words.divide(*pair(x), n)
    assert quotient.tolist() == quotients and rest.tolist() == rests


def test_division_of_edges():
    for n in filter(bool, EDGES):
        quotients, rests = pairs_of_edges()
        rests = [min(rest, n - 1) for rest in rests]
        x = [quotient * n + rest for quotient, rest in zip(quotients, rests)]
        quotient, rest = words.divide(*pair(x), n)
        assert quotient.tolist() == [*quotients] and rest.tolist() == rests, n


@pytest.mark.parametrize("n", [2**31 + 448, 2**31 + 114, 2**31 + 914])
def test_division_with_a_last_correction(n):
    """The first guess of the quotient is too small by 1, which is rare."""
    numbers = [(2**32 - 1 - k) * n - 1 + more for k in (0, 1) for more in (0, 1, 2)]
    quotient, rest = words.divide(*pair(numbers), n)
    want = [divmod(number, n) for number in numbers]
    assert [*zip(quotient.tolist(), rest.tolist())] == want


# ---- random words -------------------------------------------------------------------


@functools.cache
def drawing(operation, number):
    """Return a compiled function of the fields of a key."""
    return jax.jit(lambda *fields: words.Key(*fields).draw(operation, number))


OPERATIONS = [(0, 0), (0, 65535), (1, 2), (65535, 1)]


@few
@given(many(SEED), WORD, many(WORD), st.sampled_from(OPERATIONS))
def test_draws(seeds, epoch, positions, operation):
    """Each seed has one position, then the first seed has all positions."""
    draw = drawing(*operation)
    got = draw(pair(seeds), array([epoch] * SIZE), array(positions))
    shared = draw(words.pair(seeds[0]), words.word(epoch), array(positions))
    for k, (seed, position) in enumerate(zip(seeds, positions)):
        for words_of, numbers in ((got, seed), (shared, seeds[0])):
            want = reference_draws.draw(numbers, epoch, position, *operation)
            assert tuple(word[k].item() for word in words_of) == want


def test_draws_with_a_mapped_seed():
    seeds, positions = array([[0, 0], [1, 2], [2**32 - 1, 7]]), array(range(5))

    def draw(seed, position):
        return words.Key((seed[0], seed[1]), words.word(3), position).draw(2, 1)

    inner = jax.vmap(draw, in_axes=(None, 0))
    got = np.array(jax.jit(jax.vmap(inner, in_axes=(0, None)))(seeds, positions))
    for i, (low, upper) in enumerate(seeds.tolist()):
        for k in range(5):
            want = reference_draws.draw(low | upper << 32, 3, k, 2, 1)
            assert tuple(got[:, i, k].tolist()) == want


def test_unrolled_rounds_have_the_same_words():
    """Devices other than CPUs run them."""
    state = [array(range(k, k + 5)) for k in (0, 2**32 - 5, 9, 77, 2**31, 5)]
    got = words._rounds(*state)
    for x, y in zip(got, words._rounds(*state, unroll=1), strict=True):
        assert x.tolist() == y.tolist()
    counter, key = [np.asarray(x, np.uint64) for x in state[:4]], state[4:]
    want = reference_draws.philox(counter, [np.asarray(x, np.uint64) for x in key])
    assert np.array_equal(got, want)


@jax.jit
def streamed(seed, epoch, position):
    stream = words.Words(words.Key(seed, epoch, position), 3000)
    return [stream[i] for i in (9, 0, 4, 3, 8)]  # in any order


@few
@given(SEED, WORD, WORD)
def test_streams(seed, epoch, position):
    got = streamed(words.pair(seed), words.word(epoch), words.word(position))
    draws = reference_draws.Draws(seed, epoch, position, 3000)
    want = [draws.word() for _ in range(10)]
    assert [word.item() for word in got] == [want[i] for i in (9, 0, 4, 3, 8)]


def test_arrays_computed_once_are_the_same():
    first, second = array(EDGES), array([[1, 0], [5, 7]])
    for arrays in ((first,), (second, first), (first[-1:], second)):
        got = jax.jit(words.computed_once)(*arrays)
        assert all(map(np.array_equal, got, arrays)) and len(got) == len(arrays)
    rows = jax.vmap(words.computed_once)(second)
    assert np.array_equal(rows[0], second)


def test_other_devices_get_no_loops():
    """Each turn of a loop would be a launch there."""

    def made(seed, positions):
        key = words.Key((seed[0], seed[1]), words.word(0), positions)
        return words.computed_once(*key.draw(1, 0))

    traced = jax.jit(made).trace(array([1, 2]), array(range(5)))
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert "stablehlo.optimization_barrier" in text and "stablehlo.while" not in text
    text = traced.lower(lowering_platforms=("cpu",)).as_text()
    assert text.count("stablehlo.while") == 2


# ---- positions and rows -------------------------------------------------------------

SQUARE = 65534**2  # both sides of its permutation are 65534
SIZES = [1, 2, 255, 256, 257, 60000, SQUARE - 1, SQUARE, SQUARE + 1]
SIZES += [65534 * 65536, 65534 * 65536 + 1, 2**32 - 1, 2**32]


@pytest.mark.parametrize("n", SIZES)
def test_permutations(n):
    seed, epoch = 2**63 + n, 2**32 - n % 7 - 1
    key = words.Key(words.pair(seed), words.word(epoch), words.word(0))
    permuted = jax.jit(lambda positions: order.permuted(n, key, positions))
    for begin in {0, n // 2, max(n - 600, 0)}:
        positions = np.arange(begin, begin + 600) % n
        end = min(begin + 600, n)
        want = reference_sampler.permuted(n, seed, epoch, begin, end).tolist()
        assert permuted(array(positions)).tolist()[: len(want)] == want


@few
@given(st.data())
def test_weighted_rows(data):
    """Words and cells are arbitrary: thresholds may equal the drawn shares."""
    n, bits = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 62))
    capacity = data.draw(st.integers(2 ** (bits - 1), 2**bits))
    draws = [data.draw(many(WORD)) for _ in range(4)]
    shares = [(x | y << 32) * capacity >> 64 for x, y in zip(*draws[2:])]
    near = st.sampled_from(shares) | st.integers(0, capacity)
    more = st.integers(-1, 1)
    own = [max(data.draw(near) + data.draw(more), 0) for _ in range(n)]
    other = [data.draw(st.integers(0, n - 1)) for _ in range(n)]
    cells = np.zeros((9, 3), np.uint32)
    cells[:n] = np.stack([*pair(own), array(other)], axis=1)
    got = order._weighted(n, capacity, jax.numpy.array(cells), [*map(array, draws)])
    chosen = [(x | y << 32) * n >> 64 for x, y in zip(*draws[:2])]
    want = [i if share < own[i] else other[i] for i, share in zip(chosen, shares)]
    assert got.tolist() == want


def plan_of(n, batch_size, world, begin_epoch, steps=None, **fields):
    """Return the fields of a plan that positions depend on."""
    n_global = batch_size * world
    steps_per_epoch = -(-n // n_global) if steps is None else steps
    sizes = {"n": n, "n_positions": n, "repeats": 1, "n_global": n_global}
    return SimpleNamespace(
        **sizes | fields,
        batch_size=batch_size,
        begin_epoch=begin_epoch,
        steps_per_epoch=steps_per_epoch,
        is_endless=steps is not None,
    )


def last_step(plan):
    plan.last_epoch = Plan.last_epoch.fget(plan)
    return Plan.last_step.fget(plan)


def wanted_places(plan, step, rank):
    """Return the epoch and the position of each row of a batch, in Python integers."""
    offsets = [rank * plan.batch_size + k for k in range(plan.batch_size)]
    batch = plan.begin_epoch * plan.steps_per_epoch + step
    if plan.is_endless:
        return [divmod(batch * plan.n_global + k, plan.n_positions) for k in offsets]
    epoch, number = divmod(batch, plan.steps_per_epoch)
    return [(epoch, number * plan.n_global + k) for k in offsets]


def epoch_and_positions(plan, steps, ranks):
    """Return the places of several batches."""
    steps, ranks = (array(numbers)[:, None] for numbers in (steps, ranks))
    epoch, position = order.epoch_and_positions(plan, steps, ranks)
    assert epoch.dtype == position.dtype == np.uint32
    epoch = np.broadcast_to(epoch, position.shape)
    return [[*zip(*rows)] for rows in zip(epoch.tolist(), position.tolist())]


def check_places(plan, steps, ranks):
    want = [wanted_places(plan, step, rank) for step, rank in zip(steps, ranks)]
    assert epoch_and_positions(plan, steps, ranks) == want


@few
@given(st.data())
def test_places(data):
    batch_size = data.draw(st.sampled_from([1, 5]))
    world = data.draw(st.integers(1, 9) | st.integers(1, 2**31 // batch_size))
    most = 2**32 - batch_size * world
    n = data.draw(st.integers(1, 9) | st.integers(1, most) | st.just(most))
    steps = data.draw(st.none() | st.integers(1, 7) | st.integers(1, 2**20))
    last_epoch = MAX_EPOCH
    if steps is not None:
        taken = steps * batch_size * world
        last_epoch = min(MAX_EPOCH, ((MAX_EPOCH + 1) * n // taken) - 1)
    assume(last_epoch >= 0)
    begin = data.draw(st.integers(0, last_epoch) | st.sampled_from([0, last_epoch]))
    plan = plan_of(n, batch_size, world, begin, steps)
    last = last_step(plan)
    some = [data.draw(st.integers(0, last)) for _ in range(2)]
    ranks = [data.draw(st.integers(0, world - 1)) for _ in range(2)]
    check_places(plan, [0, last, *some], [*ranks, 0, world - 1])


def test_places_beyond_products_of_32_bits():
    plan = plan_of(2**31 + 5, 3, 2**29 + 3, 0, steps=1)
    steps = [0, 1, 2, 3, 2**20, 2**31, 2**32 - 1]
    check_places(plan, steps, [2**29 + 2] * len(steps))
    later = plan_of(2**31 + 5, 3, 2**29 + 3, 1, steps=1)  # the sum carries too
    check_places(later, steps[:-1], [0] * len(steps[:-1]))
    assert last_step(plan) == 2**32 - 1 and wanted_places(plan, 2**32 - 1, 0)[0][0] > 0


@pytest.mark.parametrize("begin", range(1, 6))
def test_places_of_a_sum_beyond_32_bits(begin):
    """The position in a pass of the first step is added to a product of 32 bits."""
    plan = plan_of(4 * 10**9, 3, 333_333_333, begin, steps=1)
    check_places(plan, range(6), [333_333_332] * 6)


def test_epochs_of_less_than_a_pass_end_at_the_last_epoch():
    plan = plan_of(90, 3, 1, MAX_EPOCH - 1, steps=2)
    assert last_step(plan) == 3


def test_the_last_step_is_in_the_last_epoch():
    for begin in (MAX_EPOCH, MAX_EPOCH - 4):
        plan = plan_of(6, 3, 1, begin)
        last = last_step(plan)
        assert wanted_places(plan, last, 0)[0][0] == MAX_EPOCH
        assert wanted_places(plan, last + 1, 0)[0][0] == MAX_EPOCH + 1
        check_places(plan, [last], [0])


def test_the_last_step_is_in_an_epoch_before_the_last_pass():
    """An epoch of Loader has to end in this pass."""
    last_epoch = (MAX_EPOCH + 1) * 7 // 9 - 1
    for begin in (last_epoch, last_epoch - 4):
        plan = plan_of(7, 3, 1, begin, steps=3)
        last = last_step(plan)
        assert last == 3 * (last_epoch + 1 - begin) - 1
        assert max(wanted_places(plan, last, 0))[0] <= MAX_EPOCH
        assert max(wanted_places(plan, last + 3, 0))[0] > MAX_EPOCH
        check_places(plan, [last], [0])


def indices(plan, positions, table):
    def made(positions):
        return order.indices(plan, table, words.pair(3), words.word(4), positions)

    return jax.jit(made)(array(positions)).tolist()


@pytest.mark.parametrize("repeats", [1, 3])
def test_rows_of_all_kinds(repeats):
    """The positions of a wrapped batch exceed the last one."""
    n, table = 7, [3, 1, 1, 6, 0, 2, 5]
    weights = [0.0, 1.0, 3.0, 0.5, 2.0, 0.0, 1.0]
    own, other, capacity = reference_sampler.alias_table(
        reference_sampler.quantized(weights)
    )
    cells = jax.numpy.array(np.stack([*pair(own), array(other)], axis=1))
    plan_for = functools.partial(
        plan_of, n, 4, 1, 0, repeats=repeats, n_positions=n * repeats, capacity=capacity
    )
    positions = [*range(n * repeats + 3)]
    wrapped = [p % (n * repeats) for p in positions]
    for kind, tables, options in (
        ("plain", None, {}),
        ("permuted", None, {"shuffle": True}),
        ("listed", array(table), {"order": table}),
        ("weighted", cells, {"weights": weights}),
    ):
        want = reference_sampler.indices(n, 3, 4, repeats=repeats, **options)
        plan = plan_for(kind=kind, wraps=True)
        assert indices(plan, positions, tables) == want[wrapped].tolist()
        plan = plan_for(kind=kind, wraps=False)
        assert indices(plan, wrapped[::-1], tables) == want[wrapped[::-1]].tolist()

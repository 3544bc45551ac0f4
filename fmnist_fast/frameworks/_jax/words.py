"""Random words and integer arithmetic in JAX, with the results of src/rng.h.

JAX has no 64-bit integers unless it is told to. A 64-bit number is a pair of uint32
words here, the lower one first.
"""

from __future__ import annotations

import functools
import operator
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Word: TypeAlias = Any  # an array of uint32, or a number of this type
Pair: TypeAlias = tuple[Word, Word]
_FACTORS = np.uint32(0xD2511F53), np.uint32(0xCD9E8D57)
_KEYS = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_ROUNDS = 10


def word(value: int) -> np.uint32:
    """Return the lowest 32 bits of an integer."""
    return np.uint32(value & 0xFFFFFFFF)


def pair(value: int) -> tuple[np.uint32, np.uint32]:
    """Return the two words of an integer in 0..2**64-1."""
    return word(value), word(value >> 32)


def product(x: Word, y: Word) -> Pair:
    """Return the 64 bits of x * y."""
    x0, x1, y0, y1 = x & 0xFFFF, x >> 16, y & 0xFFFF, y >> 16
    first = x1 * y0 + (x0 * y0 >> 16)
    second = x0 * y1 + (first & 0xFFFF)
    return x * y, x1 * y1 + (first >> 16) + (second >> 16)


def high(x: Word, y: Word) -> Word:
    """Return the upper 32 bits of x * y."""
    return product(x, y)[1]


def below(random: Word, n: int) -> Word:
    """Return one of 0, 1, ..., n - 1 for a random word, with n in 1..2**32-1."""
    return high(random, word(n))


def add(x: Word, y: Word) -> Pair:
    """Return the sum of two words, and its carry."""
    total = jnp.asarray(x + y)
    return total, (total < y).astype(jnp.uint32)


def high_pair(x: Pair, y: Pair) -> Pair:
    """Return the upper 64 bits of the product of two 64-bit numbers."""
    (_, h00), (l01, h01) = product(x[0], y[0]), product(x[0], y[1])
    (l10, h10), (l11, h11) = product(x[1], y[0]), product(x[1], y[1])
    middle, carry0 = add(l10, l01)
    _, carry1 = add(middle, h00)
    low, carry2 = add(l11, h10)
    low, carry3 = add(low, h01)
    low, carry4 = add(low, carry0 + carry1)
    return low, h11 + carry2 + carry3 + carry4


def is_less(x: Pair, y: Pair) -> jax.Array:
    """Return whether one 64-bit number is less than another one."""
    return jnp.asarray((x[1] < y[1]) | ((x[1] == y[1]) & (x[0] < y[0])))


def add_modulo(x: Word, y: Word, n: int) -> Word:
    """Return x + y modulo n, for x and y below n, with n in 1..2**32."""
    room = word(n) - y
    return jnp.where(x >= room, x - room, x + y)


def divide(low: Word, upper: Word, n: int) -> Pair:
    """Return the quotient and the remainder of a 64-bit number and n in 1..2**32-1.

    The quotient must fit 32 bits. Source: Möller and Granlund, "Improved division by
    invariant integers", IEEE Transactions on Computers 60, 2011, algorithm 4.
    """
    shift = 32 - n.bit_length()
    divisor, inverse = word(n << shift), word((2**64 - 1) // (n << shift))
    if shift:
        upper = upper << shift | low >> (32 - shift)
        low = low << shift
    partial, quotient = product(inverse, upper)
    partial, carry = add(partial, low)
    quotient = quotient + upper + carry + 1
    rest = low - quotient * divisor
    is_above = rest > partial
    quotient = jnp.where(is_above, quotient - 1, quotient)
    rest = jnp.where(is_above, rest + divisor, rest)
    is_large = rest >= divisor
    quotient = jnp.where(is_large, quotient + 1, quotient)
    return quotient, jnp.where(is_large, rest - divisor, rest) >> shift


class Key(NamedTuple):
    """Numbers that random words follow from: a seed, an epoch, and positions in it."""

    seed: Pair
    epoch: Word
    position: Word  # below 2**32

    def draw(self, operation: int, number: int) -> tuple[Word, ...]:
        """Return the four words of a draw.

        Source: Philox4x32-10, as in src/rng.h.
        """
        counter = self.position, word(0), self.epoch, word(operation << 16 | number)
        state = *jnp.broadcast_arrays(*counter), *self.seed
        return lax.platform_dependent(
            *state, cpu=functools.partial(_rounds, unroll=1), default=_rounds
        )


def _rounds(*state: Any, unroll: int = _ROUNDS) -> tuple[Word, ...]:
    """Return the words of a counter of four words and a key of two.

    A loop keeps compilers for CPUs from computing a word for each pixel again. On other
    devices, each turn of a loop would be a launch.
    """

    def turn(_: int, state: Any) -> Any:
        c0, c1, c2, c3, k0, k1 = state
        (l0, h0), (l1, h1) = product(_FACTORS[0], c0), product(_FACTORS[1], c2)
        state = h1 ^ c1 ^ k0, l1, h0 ^ c3 ^ k1, l0
        return *state, k0 + _KEYS[0], k1 + _KEYS[1]

    # In shard_map, a loop keeps the types of its state: all vary over an axis, or none.
    zero = functools.reduce(operator.xor, state) & 0
    state = *(c | zero for c in state[:4]), *state[4:]
    bounds = np.int32(0), np.int32(_ROUNDS)
    return lax.fori_loop(*bounds, turn, state, unroll=unroll)[:4]


def computed_once(*arrays: jax.Array) -> tuple[jax.Array, ...]:
    """Return uint32 arrays that are computed once, before their users.

    A compiler would compute an index again for each pixel that it is the index of. On
    CPUs, XLA ignores barriers, but not a loop whose number of turns it does not know:
    it is 1. Without this loop and that of `_rounds`, an epoch of crops and flips takes
    35 times as long.
    """

    def by_loop(*arrays: jax.Array) -> tuple[jax.Array, ...]:
        n_turns = jnp.minimum(arrays[0].reshape(-1)[0] | 1, 1)
        first = word(0), tuple(array & 0 for array in arrays)
        return lax.while_loop(
            lambda state: state[0] < n_turns,
            lambda state: (state[0] + 1, arrays),
            first,
        )[1]

    def by_barrier(*arrays: jax.Array) -> tuple[jax.Array, ...]:
        return lax.optimization_barrier(arrays)  # type: ignore[no-untyped-call]

    return lax.platform_dependent(*arrays, cpu=by_loop, default=by_barrier)


class Words:
    """The stream of words that a transform reads: its draws 0, 1, 2, ..."""

    def __init__(self, key: Key, operation: int) -> None:
        self._key, self._operation = key, operation
        self._draws: dict[int, tuple[Any, ...]] = {}

    def __getitem__(self, i: int) -> Any:
        draw, place = divmod(i, 4)
        if draw not in self._draws:
            self._draws[draw] = self._key.draw(self._operation, draw)
        return self._draws[draw][place]

"""The positions of a batch, and the row of the dataset at each, as in src/sampler.h."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import lax

from .words import (
    Key,
    Pair,
    Word,
    add_modulo,
    divide,
    high_pair,
    is_less,
    pair,
    product,
    word,
)

if TYPE_CHECKING:
    from .plan import Plan

_ORDER = 0  # the operation that orders draw as
_WEIGHTED_DRAW = 0xFFFF
_ROUNDS = 8  # of the permutation


def epoch_and_positions(plan: Plan, step: Word, rank: Word) -> tuple[Word, Word]:
    """Return the epoch and the positions in it of a batch, uint32 (batch_size,).

    With `steps`, a batch goes on with the next pass over the rows, so that the epoch is
    that of each position.
    """
    offsets = rank * word(plan.batch_size) + lax.iota(jnp.uint32, plan.batch_size)
    if not plan.is_endless:
        batches = word(plan.steps_per_epoch)
        epoch = word(plan.begin_epoch) + step // batches
        return epoch, step % batches * word(plan.n_global) + offsets
    n, begin = plan.n_positions, plan.begin_epoch * plan.steps_per_epoch
    quotient, rest = divmod(plan.n_global, n)  # passes of a batch
    first, first_rest = divmod(begin * plan.n_global, n)
    low, upper = product(step, word(rest))
    total = low + word(first_rest)
    upper = upper + (total < low).astype(jnp.uint32)
    passes, begin_position = divide(total, upper, n)
    epoch = word(first) + step * word(quotient) + passes
    wholes, within = offsets // word(n), offsets % word(n)
    position = add_modulo(begin_position, within, n)
    return epoch + wholes + (position < within).astype(jnp.uint32), position


def indices(plan: Plan, table: Any, seed: Pair, epoch: Word, position: Word) -> Word:
    """Return the row of the dataset at each position, uint32.

    `table` has the rows of a list, uint32 (n,), or the cells of an alias table, uint32
    (n, 3): the two words of the threshold, and the other row.
    """
    i = position
    if plan.wraps:
        i = i % word(plan.n_positions)
    if plan.repeats > 1:
        i = i // word(plan.repeats)
    if plan.kind == "permuted":
        return permuted(plan.n, Key(seed, epoch, word(0)), i)
    if plan.kind == "listed":
        return jnp.asarray(table[i])
    if plan.kind == "weighted":
        draw = Key(seed, epoch, i).draw(_ORDER, _WEIGHTED_DRAW)
        return _weighted(plan.n, plan.capacity, table, draw)
    return i


def permuted(n: int, key: Key, positions: Word) -> Word:
    """Return the values of the permutation of n, as fm_permutation_at does.

    `n` is at most 2**32, for which both sides of the network are at most 2**16.
    """
    a = _even_side(math.isqrt(n - 1) + 1)
    b = _even_side(-(-n // a))
    keys = [*key.draw(_ORDER, 0), *key.draw(_ORDER, 1)]

    def run(x: Any) -> Any:
        left, right = x % word(a), x // word(a)
        for i in range(0, _ROUNDS, 2):
            left = add_modulo(left, _round(right, keys[i], a), a)
            right = add_modulo(right, _round(left, keys[i + 1], b), b)
        return right * word(a) + left

    values = run(positions)
    if a * b == n:
        return values
    return lax.while_loop(
        lambda x: (x >= word(n)).any(),
        lambda x: jnp.where(x >= word(n), run(x), x),
        values,
    )


def _even_side(side: int) -> int:
    side = max(side, 16)
    return side + side % 2


def _round(x: Word, key: Word, side: int) -> Word:
    x = x ^ key
    x = (x ^ x >> 16) * word(0x7FEB352D)
    x = (x ^ x >> 15) * word(0x846CA68B)
    return (x >> 16) * word(side) >> 16


def _weighted(n: int, capacity: int, cells: Any, draw: tuple[Word, ...]) -> Word:
    """Return the rows that random words give, as fm_alias_at does."""
    # The upper 64 bits of a product with n, which has one word, are one word.
    i = high_pair(draw[:2], pair(n))[0]
    chosen = high_pair(draw[2:], pair(capacity))
    cell = cells[i]
    threshold = cell[..., 0], cell[..., 1]
    return jnp.where(is_less(chosen, threshold), i, cell[..., 2])

"""The sampler: the index at each position of an epoch.

Without options the two are the same. A shuffled epoch is a keyed permutation of the
indices. With `shuffle_block` it is one of blocks, and of the indices in a few blocks.
With `weights`, each position draws its index. An `order` lists
the indices. All random numbers are draws of operation 0.
"""

import functools
import math

import numpy as np
from reference_draws import MASK, draw

ROUNDS = 8  # FM_PERMUTATION_ROUNDS in src/permutation.h
GROUP_BLOCKS = 64  # blocks of a block group


def indices(
    n,
    seed,
    epoch,
    shuffle=False,
    shuffle_block=None,
    weights=None,
    order=None,
    repeats=1,
):
    """Return the index at every position of an epoch of n samples.

    The twin of fm_sampler_find (src/sampler.h). The result may be shared with other
    callers, so it must not be changed.

    Parameters
    ----------
    n, seed, epoch : int
    shuffle : bool
    shuffle_block : int or None
        Indices in a block. None is a permutation without blocks.
    weights : float array of shape (n,) or None
    order : index of an array of n elements, or a function of the epoch that returns one
    repeats : int
        Consecutive positions that have the same index.

    Returns
    -------
    uint64 array of shape (n_positions,)
    """
    if weights is not None:
        once = drawn(weights, seed, epoch)
    elif order is not None:
        rows = order(epoch) if callable(order) else order
        once = np.arange(n, dtype=np.uint64)[rows]
    elif shuffle_block:
        once = in_blocks(n, seed, epoch, shuffle_block)
    else:
        once = _whole(n, seed, epoch) if shuffle else np.arange(n, dtype=np.uint64)
    return np.repeat(once, repeats)


# ---- a permutation ------------------------------------------------------------------


def permuted(n, seed, epoch, begin=0, end=None, group=0):
    """Return the indices at positions [begin, end) of a permutation of n indices.

    The permutation is a Feistel network on [0, a) x [0, b), whose sides are even and
    near sqrt(n). A result of n or more is permuted again until it is below n (cycle
    walking). The twin of fm_permutation_fill (src/permutation.h).

    Parameters
    ----------
    n : int, at most 2**62
    seed, epoch : int
    begin, end : int
        `end` is n by default.
    group : int
        The keys are draws 0 and 1 of this position: 0 for the whole epoch, and 1 + k
        for block group k.

    Returns
    -------
    uint64 array of shape (end - begin,)
    """
    root = math.isqrt(n)
    a = _even_side(root + (root * root < n))
    b = _even_side(-(-n // a))
    keys = [word for i in range(ROUNDS // 4) for word in draw(seed, epoch, group, 0, i)]
    x = np.arange(begin, n if end is None else end, dtype=np.uint64)
    x = _feistel(x, a, b, keys)
    while (x >= n).any():
        x[x >= n] = _feistel(x[x >= n], a, b, keys)
    return x


# Tests with few images run many epochs. Cycle walking takes longest for few images,
# because both sides of the network are at least 16.
_whole = functools.lru_cache(maxsize=32)(permuted)


def _even_side(side):
    """Return the smallest even side of at least `side` and 16."""
    side = max(16, side)
    return side + side % 2


def _feistel(x, a, b, keys):
    """Return the numbers in [0, a * b) that a Feistel network maps `x` to.

    The halves of x are x % a and x // a. In each round, a value made of one half and a
    key is added to the other half, modulo its side. Source: Black and Rogaway, "Ciphers
    with arbitrary finite domains", section 5.

    Parameters
    ----------
    x : uint64 array of any shape
    a, b : int
    keys : list of ROUNDS words

    Returns
    -------
    uint64 array of the same shape
    """
    left, right = x % a, x // a
    wide = max(a, b) > 1 << 16
    for i in range(0, ROUNDS, 2):
        left = (left + _round_value(right, keys[i], a, wide)) % a
        right = (right + _round_value(left, keys[i + 1], b, wide)) % b
    return right * a + left


def _round_value(x, key, side, wide):
    """Return numbers in [0, side) made of `x` and `key`, 32 bits each.

    The mixing function is lowbias32 of C. Wellons' hash-prospector, without its last
    shift. The high half of a product takes the place of a remainder (D. Lemire, "Fast
    random integer generation in an interval", 2019). Without `wide`, only the upper 16
    bits enter the product. The twin of fm_permutation_round (src/permutation.h).
    """
    x = x ^ key
    x ^= x >> 16
    x = x * 0x7FEB352D & MASK
    x ^= x >> 15
    x = x * 0x846CA68B & MASK
    return x * side >> 32 if wide else (x >> 16) * side >> 16


# ---- a permutation of blocks --------------------------------------------------------


def in_blocks(n, seed, epoch, block):
    """Return the indices at all positions of an epoch with `shuffle_block`.

    1. All indices form a circle, which is cut at a random index and divided into blocks
       of `block` indices. The last block may be shorter.
    2. The whole blocks are shuffled. The shorter one is inserted at a random place.
    3. The result is divided evenly into block groups of at most 64 blocks, and the
       indices of each group are shuffled.

    Words 0 and 1 of draw 2 are the cut, words 2 and 3 the place of the shorter block.
    The twin of src/blocks.h.

    Returns
    -------
    uint64 array of shape (n,), a permutation of range(n)
    """
    words = draw(seed, epoch, 0, 0, 2)
    cut, short_place = words[0] | words[1] << 32, words[2] | words[3] << 32
    circle = (np.arange(n, dtype=np.uint64) + np.uint64(cut % n)) % np.uint64(n)
    n_whole = n // block
    whole = permuted(n_whole, seed, epoch).tolist()
    blocks = [circle[k * block : (k + 1) * block] for k in whole]
    if n % block:
        blocks.insert(short_place % (n_whole + 1), circle[n_whole * block :])
    n_groups = -(-n // (GROUP_BLOCKS * block))
    groups = np.array_split(np.concatenate(blocks), n_groups)
    return np.concatenate(
        [
            group[permuted(len(group), seed, epoch, group=1 + k)]
            for k, group in enumerate(groups)
        ]
    )


# ---- weights ------------------------------------------------------------------------
# Sources: A. J. Walker, "An efficient method for generating discrete random variables
# with general distributions", 1977; M. D. Vose, "A linear algorithm for generating
# random numbers with a given distribution", 1991. After the quantization, all numbers
# are integers of Python.


def drawn(weights, seed, epoch, begin=0, end=None):
    """Return the indices at positions [begin, end) of an epoch with weights.

    Words 0 and 1 of draw 0xFFFF of operation 0 choose a cell. Words 2 and 3 decide
    between the cell's own index and its other one. Both pairs are integers of 64 bits,
    and the high half of a product takes the place of a remainder. The twin of
    fm_alias_at (src/alias.h).

    Parameters
    ----------
    weights : float array of shape (n,)
    seed, epoch : int
    begin, end : int
        `end` is n by default.

    Returns
    -------
    uint64 array of shape (end - begin,)
    """
    n, (own, other, total) = len(weights), _table(tuple(np.asarray(weights).tolist()))
    positions = np.arange(begin, n if end is None else end, dtype=np.uint64)
    words = (word.tolist() for word in draw(seed, epoch, positions, 0, 0xFFFF))
    indices = []
    for w0, w1, w2, w3 in zip(*words):
        cell = (w0 | w1 << 32) * n >> 64
        share = (w2 | w3 << 32) * total >> 64
        indices.append(cell if share < own[cell] else other[cell])
    return np.array(indices, dtype=np.uint64)


def balanced(labels):
    """Return weights with which every class that has samples is equally likely."""
    return 1 / np.bincount(labels)[labels]


def quantized(weights):
    """Return the weights as integers, whose sum is below 2**62.

    The largest is 2**bits. A positive weight is at least 1.

    Returns
    -------
    list of int
    """
    weights = np.asarray(weights, dtype=np.float64).tolist()
    bits = min(52, 62 - len(weights).bit_length())
    largest = max(weights)
    return [max(int(w / largest * 2.0**bits), int(w > 0)) for w in weights]


def alias_table(numbers):
    """Return the alias table of n integers that are not all zero.

    Each cell has a share of `total` for its own index. The rest of it is the share of
    another index. Cells that are not full yet are filled from those that are too full,
    the last ones first. The twin of fm_alias_init (src/alias.h).

    Parameters
    ----------
    numbers : list of int

    Returns
    -------
    own : list of int
        Share of the own index in each cell, in 0..total.
    other : list of int
        Index that has the rest of each cell.
    total : int
        Size of a cell, which is the sum of `numbers`.
    """
    n, total = len(numbers), sum(numbers)
    own = [n * number for number in numbers]
    other = list(range(n))
    small = [i for i in range(n) if own[i] < total]
    large = [i for i in range(n) if own[i] >= total]
    while small and large:
        low, high = small.pop(), large.pop()
        other[low] = high
        own[high] -= total - own[low]
        (small if own[high] < total else large).append(high)
    assert not small and all(own[i] == total for i in large)
    return own, other, total


@functools.lru_cache(maxsize=32)
def _table(weights):
    return alias_table(quantized(weights))

"""Random words, and the numbers that transforms draw from them.

Philox gives words of 32 random bits. Everything else is made of such words with + - * /
and square roots, which IEEE 754 defines to the last bit. The order of these operations
is therefore part of each definition here: the core must give the same bits. A Python
float stands for a double of C.
"""

import math
from typing import NamedTuple

import numpy as np
from reference_real import real_exp, real_log, real_sin_cos

MASK = 0xFFFFFFFF
MAX_TRANSFORMS = 1024  # of one view


def philox(counter, key):
    """Return the four words of Philox4x32-10 for a counter and a key.

    The counter has four words, and the key has two. A word is a Python integer, or a
    uint64 array of numbers below 2**32. Source: Salmon, Moraes, Dror, Shaw, "Parallel
    random numbers: as easy as 1, 2, 3", SC 2011, section 3. The twin of the rounds in
    fm_rng_draw (src/rng.h).
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (
            (p1 >> 32) ^ c1 ^ k0,
            p1 & MASK,
            (p0 >> 32) ^ c3 ^ k1,
            p0 & MASK,
        )
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c0, c1, c2, c3


def draw(seed, epoch, position, operation, draw):
    """Return the four words of one draw.

    The key is the seed. The counter holds the position in words 0 and 1, the epoch in
    word 2, and the operation and the draw in the upper and lower half of word 3.
    Operation 0 is the order of the epoch, and all others are transforms (see `Key`).
    The twin of fm_rng_draw (src/rng.h).
    """
    counter = (position & MASK, position >> 32, epoch, operation << 16 | draw)
    return philox(counter, (seed & MASK, seed >> 32))


def words_of(key, n):
    """Return n random words for the pixels of an image, uint32 of shape (n,).

    They are a Philox stream of their own key of two words. It consists of chunks of 64
    words. In chunk c, word 16 * j + i is word j of Philox for the counter 16 * c + i.
    The twin of fm_words_fn (src/augment/words.h).
    """
    chunks = np.arange(-(-n // 64), dtype=np.uint64)
    counter = 16 * chunks[:, None] + np.arange(16, dtype=np.uint64)
    mask, zero = np.uint64(MASK), np.zeros_like(counter)
    low, high = counter & mask, counter >> np.uint64(32)
    words = philox((low, high, zero, zero), key)
    return np.stack(words, axis=1).reshape(-1)[:n].astype(np.uint32)


class Key(NamedTuple):
    """The numbers from which the random numbers of a row follow.

    A row may be augmented in up to 63 ways, its views. They draw as different
    operations: transform i of view v is operation 1 + 1024 v + i.
    """

    seed: int
    epoch: int
    position: int  # of the row in the epoch; in a wrapped batch it may exceed the last
    view: int = 0  # 0..62

    def draws(self, transform):
        """Return the stream of a transform, given its number in the flat list."""
        operation = 1 + MAX_TRANSFORMS * self.view + transform
        return Draws(self.seed, self.epoch, self.position, operation)


class Draws:
    """The stream of words that a transform draws for one sample.

    Its methods make numbers of the words. The stream has the words of draw 0, then of
    draw 1, 2, ... Every method reads the next words of the stream. A line "Words:" in
    the C headers says in which order a transform reads its numbers. The twin of struct
    fm_draws (src/augment/draws.h).

    Parameters
    ----------
    seed, epoch, position : int
        As in `draw`.
    operation : int
        Number of the transform, as in `Key`.
    """

    def __init__(self, seed, epoch, position, operation):
        self.stream = seed, epoch, position, operation
        self.n_taken = 0

    def word(self):
        """Return the next word, an integer in [0, 2**32)."""
        i, self.n_taken = self.n_taken, self.n_taken + 1
        if i % 4 == 0:
            self.words = draw(*self.stream, i // 4)
        return self.words[i % 4]

    def key(self):
        """Return the key of random words for all pixels, from two words."""
        return self.word(), self.word()

    def coin(self, p):
        """Return True with probability p, from one word."""
        return self.word() < int(p * 2**32)

    def below(self, n):
        """Return an integer in [0, n), from one word."""
        return self.word() * n >> 32

    def uniform(self, low, high):
        """Return one of 2**32 equally spaced numbers in [low, high), from one word."""
        return low + (high - low) * (self.word() * 2.0**-32)

    def range(self, limits):
        """Return a number of a range, from one word and one more for a random sign.

        `limits` has the fields of struct fm_range (src/augment/draws.h). With
        `n_levels` above 1 it is one of `n_levels` equally spaced values from `low` to
        `high`. Otherwise it is uniform. With `random_sign` half of the numbers are
        negated.
        """
        low, high = limits["low"], limits["high"]
        if limits["n_levels"] > 1:
            level = self.below(limits["n_levels"])
            value = low + (high - low) * (level / (limits["n_levels"] - 1.0))
        else:
            value = self.uniform(low, high)
        return -value if limits["random_sign"] and self.word() >> 31 else value

    def unit(self):
        """Return a number between 0 and 1, never equal to them, from one word."""
        return (self.word() + 0.5) * 2.0**-32

    def normal(self):
        """Return a standard normal number by Box and Muller (1958), from two words."""
        u = self.unit()
        _, cosine = real_sin_cos(self.word() * (360.0 * 2.0**-32))
        return math.sqrt(-2.0 * real_log(u)) * cosine

    def log_gamma(self, shape):
        """Return the logarithm of a gamma number of the given shape.

        Source: Marsaglia and Tsang, "A simple method for generating gamma variables",
        2000. A shape below 1 takes a number of shape + 1, times u**(1 / shape). The
        64th try counts even if it is not accepted, so that the loop ends.
        """
        log_power = 0.0
        if shape < 1:
            log_power = real_log(self.unit()) / shape
            shape += 1.0
        d = shape - 1.0 / 3.0
        c = 1.0 / math.sqrt(9.0 * d)
        for _ in range(64):
            x = self.normal()
            t = 1.0 + c * x
            v = t * t * t
            log_u = real_log(self.unit())
            if v > 0 and log_u < ((0.5 * x * x + d) - d * v) + d * real_log(v):
                break
        return (real_log(d) + real_log(v if v > 0 else 1.0)) + log_power

    def beta(self, alpha):
        """Return a number of the distribution Beta(alpha, alpha).

        It is the share of the first of two gamma numbers in their sum. The twin of
        fm_mix_draw_beta (src/augment/mix.h).
        """
        first, second = self.log_gamma(alpha), self.log_gamma(alpha)
        return 1.0 / (1.0 + real_exp(min(max(second - first, -700.0), 700.0)))

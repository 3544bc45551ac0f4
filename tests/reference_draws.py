"""Random numbers of the order and of transforms, in slow, obvious Python.

Philox gives words of 32 random bits. Everything else is made of such words with + - * /
and square roots, which IEEE 754 defines to the last bit. The order of these operations
is therefore part of each definition here: the core must give the same bits.

The code was written from the comments in src/augment/*.h alone, never from the C code.
A Python float stands for a double of C. A number of numpy is a float32 where no other
type is named.
"""

import math
import struct

import numpy as np

MASK = 0xFFFFFFFF


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
    Operation 0 is the order of the epoch, and operation i + 1 is core transform i. The
    twin of fm_rng_draw (src/rng.h).
    """
    counter = (position & MASK, position >> 32, epoch, operation << 16 | draw)
    return philox(counter, (seed & MASK, seed >> 32))


def fm_round(x):
    """Return the nearest integer as a float, for halves the even one."""
    return float(round(x))


def polynomial(c, x):
    """Return c[0] + c[1] x + c[2] x**2 + ..., as fm_polynomial rounds it.

    Even and odd powers are summed separately, each by Horner's rule in x**2.
    """
    even = odd = 0.0
    for a in c[::2][::-1]:
        even = even * (x * x) + a
    for a in c[1::2][::-1]:
        odd = odd * (x * x) + a
    return even + x * odd


def fm_exp(x):
    """Return exp(x), for -700 <= x <= 700.

    x is k ln 2 + r, where r is at most ln(2) / 2 in size. ln 2 is subtracted in two
    parts, of which the first has so few bits that its product with k is exact. exp(r)
    is the sum of 14 terms of the Taylor series.
    """
    k = fm_round(x * float.fromhex("0x1.71547652b82fep0"))
    r = x - k * float.fromhex("0x1.62e42fefa38p-1")
    r -= k * float.fromhex("0x1.ef35793c7673p-45")
    total = polynomial([1.0 / math.factorial(n) for n in range(14)], r)
    return total * 2.0 ** int(k)


def fm_log(x):
    """Return the natural logarithm of a normal number x > 0.

    x is 2**k m, where m lies in [sqrt(1/2), sqrt(2)). 0x3FE6A09E667F3BCD has the bits
    of sqrt(1/2). ln m is 2 artanh(s) for s = (m - 1) / (m + 1), by 11 terms of the
    series.
    """
    (bits,) = struct.unpack("<q", struct.pack("<d", x))
    k = (bits - 0x3FE6A09E667F3BCD) >> 52
    (m,) = struct.unpack("<d", struct.pack("<q", bits - (k << 52)))
    s = (m - 1.0) / (m + 1.0)
    total = polynomial([1.0 / n for n in range(1, 22, 2)], s * s)
    return float(k) * float.fromhex("0x1.62e42fefa39efp-1") + 2.0 * s * total


def fm_sin_cos(degrees):
    """Return sine and cosine of an angle in degrees, for an angle below 2**40 in size.

    Quarter turns are subtracted exactly. 9 terms of each Taylor series give sine and
    cosine of the rest, which is at most 45 degrees.
    """
    quarters = fm_round(degrees / 90.0)
    x = (degrees - quarters * 90.0) * float.fromhex("0x1.1df46a2529d39p-6")
    signs = [(-1.0) ** n for n in range(9)]
    of_sine = [sign / math.factorial(2 * n + 1) for n, sign in enumerate(signs)]
    of_cosine = [sign / math.factorial(2 * n) for n, sign in enumerate(signs)]
    s, c = x * polynomial(of_sine, x * x), polynomial(of_cosine, x * x)
    return [(s, c), (c, -s), (-s, -c), (-c, s)][int(quarters) & 3]


class Draws:
    """The stream of words that a transform draws for one sample.

    Its methods make numbers of the words. The stream has the words of draw 0, then of
    draw 1, 2, ... Every method reads the next words of the stream. A line "Words:" in
    the C headers says in which order a transform reads its numbers. The twin of struct
    fm_draws (src/augment/draw.h).

    Parameters
    ----------
    seed, epoch, position : int
        As in `draw`.
    operation : int
        Number of the transform in the flat list, counted from 1.
    """

    def __init__(self, seed, epoch, position, operation):
        self.key = seed, epoch, position, operation
        self.n_taken = 0

    def word(self):
        """Return the next word, an integer in [0, 2**32)."""
        i, self.n_taken = self.n_taken, self.n_taken + 1
        if i % 4 == 0:
            self.words = draw(*self.key, i // 4)
        return self.words[i % 4]

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

        `limits` has the fields of struct fm_range (src/augment/draw.h). With `n_levels`
        above 1 it is one of `n_levels` equally spaced values from `low` to `high`.
        Otherwise it is uniform. With `random_sign` half of the numbers are negated.
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
        _, cosine = fm_sin_cos(self.word() * (360.0 * 2.0**-32))
        return math.sqrt(-2.0 * fm_log(u)) * cosine

    def log_gamma(self, shape):
        """Return the logarithm of a gamma number of the given shape.

        Source: Marsaglia and Tsang, "A simple method for generating gamma variables",
        2000. A shape below 1 takes a number of shape + 1, times u**(1 / shape). The
        64th try counts even if it is not accepted, so that the loop ends.
        """
        log_power = 0.0
        if shape < 1:
            log_power = fm_log(self.unit()) / shape
            shape += 1.0
        d = shape - 1.0 / 3.0
        c = 1.0 / math.sqrt(9.0 * d)
        for _ in range(64):
            x = self.normal()
            t = 1.0 + c * x
            v = t * t * t
            log_u = fm_log(self.unit())
            if v > 0 and log_u < ((0.5 * x * x + d) - d * v) + d * fm_log(v):
                break
        return (fm_log(d) + fm_log(v if v > 0 else 1.0)) + log_power

    def beta(self, alpha):
        """Return a number of the distribution Beta(alpha, alpha).

        It is the share of the first of two gamma numbers in their sum. The twin of
        fm_draws_beta (src/augment/mix.h).
        """
        first, second = self.log_gamma(alpha), self.log_gamma(alpha)
        return 1.0 / (1.0 + fm_exp(min(max(second - first, -700.0), 700.0)))

    def field(self, n):
        """Return the first n words of a field, uint32 of shape (n,).

        A field is a Philox stream of its key, which is the next two words. It consists
        of chunks of 64 words. In chunk c, word 16 * j + i is word j of Philox for the
        counter 16 * c + i. The twin of fm_field_fn (src/augment/field.h).
        """
        chunks = np.arange(-(-n // 64), dtype=np.uint64)
        counter = 16 * chunks[:, None] + np.arange(16, dtype=np.uint64)
        mask, zero = np.uint64(MASK), np.zeros_like(counter)
        low, high = counter & mask, counter >> np.uint64(32)
        words = philox((low, high, zero, zero), (self.word(), self.word()))
        return np.stack(words, axis=1).reshape(-1)[:n].astype(np.uint32)

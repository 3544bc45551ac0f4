"""Random numbers, and those of one step, in slow, obvious Python, exact to the bit.

Written from the comments in src/augment/*.h alone, never from the C. Numbers of Python
are the C's double; those of numpy are float32 unless they say something else.
"""

import math
import struct

import numpy as np

MASK = 0xFFFFFFFF


def philox(counter, key):
    """Philox4x32-10 of Salmon et al., in Python integers."""
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
    """Four words: the key is the seed; the counter holds all else."""
    counter = (position & MASK, position >> 32, epoch, operation << 16 | draw)
    return philox(counter, (seed & MASK, seed >> 32))


def fm_round(x):
    return float(round(x))


def polynomial(c, x):
    """Even and odd powers each by Horner's rule."""
    even = odd = 0.0
    for a in c[::2][::-1]:
        even = even * (x * x) + a
    for a in c[1::2][::-1]:
        odd = odd * (x * x) + a
    return even + x * odd


def fm_exp(x):
    k = fm_round(x * float.fromhex("0x1.71547652b82fep0"))
    r = x - k * float.fromhex("0x1.62e42fefa38p-1")
    r -= k * float.fromhex("0x1.ef35793c7673p-45")
    total = polynomial([1.0 / math.factorial(n) for n in range(14)], r)
    return total * 2.0 ** int(k)


def fm_log(x):
    (bits,) = struct.unpack("<q", struct.pack("<d", x))
    k = (bits - 0x3FE6A09E667F3BCD) >> 52
    (m,) = struct.unpack("<d", struct.pack("<q", bits - (k << 52)))
    s = (m - 1.0) / (m + 1.0)
    total = polynomial([1.0 / n for n in range(1, 22, 2)], s * s)
    return float(k) * float.fromhex("0x1.62e42fefa39efp-1") + 2.0 * s * total


def fm_sin_cos(degrees):
    quarters = fm_round(degrees / 90.0)
    x = (degrees - quarters * 90.0) * float.fromhex("0x1.1df46a2529d39p-6")
    signs = [(-1.0) ** n for n in range(9)]
    of_sine = [sign / math.factorial(2 * n + 1) for n, sign in enumerate(signs)]
    of_cosine = [sign / math.factorial(2 * n) for n, sign in enumerate(signs)]
    s, c = x * polynomial(of_sine, x * x), polynomial(of_cosine, x * x)
    return [(s, c), (c, -s), (-s, -c), (-c, s)][int(quarters) & 3]


class Draws:
    """The words that one step draws for one sample, and numbers made of them."""

    def __init__(self, seed, epoch, position, operation):
        self.key = seed, epoch, position, operation
        self.n_taken = 0

    def word(self):
        i, self.n_taken = self.n_taken, self.n_taken + 1
        if i % 4 == 0:
            self.words = draw(*self.key, i // 4)
        return self.words[i % 4]

    def coin(self, p):
        return self.word() < int(p * 2**32)

    def below(self, n):
        return self.word() * n >> 32

    def uniform(self, low, high):
        return low + (high - low) * (self.word() * 2.0**-32)

    def range(self, limits):
        low, high = limits["low"], limits["high"]
        if limits["n_levels"] > 1:
            level = self.below(limits["n_levels"])
            value = low + (high - low) * (level / (limits["n_levels"] - 1.0))
        else:
            value = self.uniform(low, high)
        return -value if limits["random_sign"] and self.word() >> 31 else value

    def unit(self):
        """Uniform in (0, 1), never at an end."""
        return (self.word() + 0.5) * 2.0**-32

    def normal(self):
        u = self.unit()
        _, cosine = fm_sin_cos(self.word() * (360.0 * 2.0**-32))
        return math.sqrt(-2.0 * fm_log(u)) * cosine

    def log_gamma(self, shape):
        """The logarithm of a gamma number, by Marsaglia and Tsang."""
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
        first, second = self.log_gamma(alpha), self.log_gamma(alpha)
        return 1.0 / (1.0 + fm_exp(min(max(second - first, -700.0), 700.0)))

    def field(self, n):
        """n words of the stream whose key is the next two words."""
        chunks = np.arange(-(-n // 64), dtype=np.uint64)
        counter = 16 * chunks[:, None] + np.arange(16, dtype=np.uint64)
        mask, zero = np.uint64(MASK), np.zeros_like(counter)
        low, high = counter & mask, counter >> np.uint64(32)
        words = philox((low, high, zero, zero), (self.word(), self.word()))
        return np.stack(words, axis=1).reshape(-1)[:n].astype(np.uint32)

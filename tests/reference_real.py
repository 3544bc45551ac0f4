"""Exact functions of real numbers, in slow, obvious Python: the twin of src/real.h.

They use only + - * /, which IEEE 754 defines to the last bit. The order of these
operations is therefore part of each definition here: the core must give the same bits.
A Python float stands for a double of C.
"""

import math
import struct


def real_round(x):
    """Return the nearest integer as a float, for halves the even one."""
    return float(round(x))


def polynomial(c, x):
    """Return c[0] + c[1] x + c[2] x**2 + ..., as fm_real_polynomial rounds it.

    Even and odd powers are summed separately, each by Horner's rule in x**2.
    """
    even = odd = 0.0
    for a in c[::2][::-1]:
        even = even * (x * x) + a
    for a in c[1::2][::-1]:
        odd = odd * (x * x) + a
    return even + x * odd


def real_exp(x):
    """Return exp(x), for -700 <= x <= 700.

    x is k ln 2 + r, where r is at most ln(2) / 2 in size. ln 2 is subtracted in two
    parts, of which the first has so few bits that its product with k is exact. exp(r)
    is the sum of 14 terms of the Taylor series.
    """
    k = real_round(x * float.fromhex("0x1.71547652b82fep0"))
    r = x - k * float.fromhex("0x1.62e42fefa38p-1")
    r -= k * float.fromhex("0x1.ef35793c7673p-45")
    total = polynomial([1.0 / math.factorial(n) for n in range(14)], r)
    return total * 2.0 ** int(k)


def real_log(x):
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


def real_sin_cos(degrees):
    """Return sine and cosine of an angle in degrees, for an angle below 2**40 in size.

    Quarter turns are subtracted exactly. 9 terms of each Taylor series give sine and
    cosine of the rest, which is at most 45 degrees.
    """
    quarters = real_round(degrees / 90.0)
    x = (degrees - quarters * 90.0) * float.fromhex("0x1.1df46a2529d39p-6")
    signs = [(-1.0) ** n for n in range(9)]
    of_sine = [sign / math.factorial(2 * n + 1) for n, sign in enumerate(signs)]
    of_cosine = [sign / math.factorial(2 * n) for n, sign in enumerate(signs)]
    s, c = x * polynomial(of_sine, x * x), polynomial(of_cosine, x * x)
    return [(s, c), (c, -s), (-s, -c), (-c, s)][int(quarters) & 3]

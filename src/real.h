/* Functions of real numbers with the same bits on every machine: rounding, gray levels,
   exponential, logarithm, sine and cosine. They use only + - * / and square roots,
   which IEEE 754 defines to the last bit. The functions of the C library differ between
   systems, and the images would differ with them. */
#ifndef FM_REAL_H
#define FM_REAL_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "cpu.h"

/* Round to the nearest integer, and halves to the even one, for |x| < 2**51. A double
   near 1.5 * 2**52 has no bits for a fraction, so that the addition rounds. */
static inline double fm_real_round(double x)
{
    return (x + 0x1.8p52) - 0x1.8p52;
}

/* Return the largest integer that is not above x, for |x| < 2**62. */
static inline int64_t fm_real_floor(double x)
{
    int64_t whole = (int64_t)x;
    return whole - ((double)whole > x);
}

/* Return the gray level of x, clipped to 0..255 and truncated. */
FM_INLINE uint8_t fm_real_truncate_gray(float x)
{
    x = x < 0.0f ? 0.0f : x;
    return (uint8_t)(int32_t)(x > 255.0f ? 255.0f : x);
}

/* Return the gray level of x >= 0, rounded, at most 255. */
FM_INLINE uint8_t fm_real_round_gray(float x)
{
    x = x + 0.5f;
    return (uint8_t)(int32_t)(x > 255.0f ? 255.0f : x);
}

/* Return 2**exponent, for exponents of normal doubles (-1022 ... 1023). */
static inline double fm_real_exp2(int64_t exponent)
{
    double out;
    uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    memcpy(&out, &bits, sizeof out);
    return out;
}

/* Return c[0] + x (c[1] + x (c[2] + ...)), with n >= 2 coefficients. The even and the
   odd powers are summed side by side, because each product waits for the one before
   it. */
FM_INLINE double fm_real_polynomial(const double *c, int n, double x)
{
    const double square = x * x;
    double even = c[(n - 1) / 2 * 2], odd = c[n / 2 * 2 - 1];
    for (int i = (n - 1) / 2 * 2 - 2; i >= 0; i -= 2)
        even = even * square + c[i];
    for (int i = n / 2 * 2 - 3; i >= 1; i -= 2)
        odd = odd * square + c[i];
    return even + x * odd;
}

/* Return exp(x) for |x| <= 700, to 3 units in the last place. x is k ln 2 + r with
   |r| <= ln(2) / 2, where the Taylor series needs 14 terms. */
static FM_CALLED inline double fm_real_exp(double x)
{
    static const double c[14] = {1.0,           1.0,            1.0 / 2,
                                 1.0 / 6,       1.0 / 24,       1.0 / 120,
                                 1.0 / 720,     1.0 / 5040,     1.0 / 40320,
                                 1.0 / 362880,  1.0 / 3628800,  1.0 / 39916800,
                                 1.0 / 479001600, 1.0 / 6227020800.0};
    double k = fm_real_round(x * 0x1.71547652b82fep0);
    double r = (x - k * 0x1.62e42fefa38p-1) - k * 0x1.ef35793c7673p-45;
    return fm_real_polynomial(c, 14, r) * fm_real_exp2((int64_t)k);
}

/* Return ln(x) for normal x > 0, to 3e-16 of max(1, |ln x|). x is 2**k m with m in
   [sqrt(1/2), sqrt(2)), and ln m = 2 artanh((m - 1) / (m + 1)) by its series. */
static FM_CALLED inline double fm_real_log(double x)
{
    static const double c[11] = {1.0,      1.0 / 3,  1.0 / 5,  1.0 / 7,
                                 1.0 / 9,  1.0 / 11, 1.0 / 13, 1.0 / 15,
                                 1.0 / 17, 1.0 / 19, 1.0 / 21};
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int64_t k = (int64_t)(bits - 0x3FE6A09E667F3BCDu) >> 52;
    bits -= (uint64_t)k << 52;
    double m;
    memcpy(&m, &bits, sizeof m);
    double s = (m - 1.0) / (m + 1.0);
    const double series = fm_real_polynomial(c, 11, s * s);
    return (double)k * 0x1.62e42fefa39efp-1 + 2.0 * s * series;
}

/* Compute sine and cosine of an angle in degrees, |degrees| < 2**40, to 3e-16. Quarter
   turns are subtracted exactly. Taylor series compute the rest, up to 45 degrees. */
static FM_CALLED inline void fm_real_sin_cos(double degrees, double *sine,
                                             double *cosine)
{
    static const double of_sine[9] = {1.0,
                                      -1.0 / 6,
                                      1.0 / 120,
                                      -1.0 / 5040,
                                      1.0 / 362880,
                                      -1.0 / 39916800,
                                      1.0 / 6227020800.0,
                                      -1.0 / 1307674368000.0,
                                      1.0 / 355687428096000.0};
    static const double of_cosine[9] = {1.0,
                                        -1.0 / 2,
                                        1.0 / 24,
                                        -1.0 / 720,
                                        1.0 / 40320,
                                        -1.0 / 3628800,
                                        1.0 / 479001600,
                                        -1.0 / 87178291200.0,
                                        1.0 / 20922789888000.0};
    double quarters = fm_real_round(degrees / 90.0);
    double x = (degrees - quarters * 90.0) * 0x1.1df46a2529d39p-6;
    double s = x * fm_real_polynomial(of_sine, 9, x * x);
    double c = fm_real_polynomial(of_cosine, 9, x * x);
    switch ((int64_t)quarters & 3) {
    case 0:
        *sine = s, *cosine = c;
        break;
    case 1:
        *sine = c, *cosine = -s;
        break;
    case 2:
        *sine = -s, *cosine = -c;
        break;
    default:
        *sine = -c, *cosine = s;
        break;
    }
}

#endif

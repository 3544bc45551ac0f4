/* Random numbers that transforms draw: integers, real numbers and random decisions from
   Philox words (rng.h), and the few mathematical functions that they need. These use
   only + - * / and square roots, which IEEE 754 defines to the last bit. The functions
   of the C library differ between systems, and the images would differ with them.
   Each transform reads one stream of words per sample: the four words of draw 0, then
   of draw 1, 2, ... of the seed, the epoch, the position and its own operation. A line
   "Words:" at the struct of a transform lists the words that it reads, in this order.
   Word 0 is the coin, which decides whether the transform runs. */
#ifndef FM_AUGMENT_DRAW_H
#define FM_AUGMENT_DRAW_H

#include <math.h>
#include <string.h>

#include "../cpu.h"
#include "../floats.h"
#include "../rng.h"

/* One stream of words, and how far it has been read. Words of the first draws may have
   been computed in advance, in `known`; the current draw is in `words`. */
struct fm_draws {
    uint64_t seed, position;
    uint32_t epoch, operation;
    uint32_t n_taken; /* words read so far */
    uint32_t n_known; /* words in `known`, a multiple of 4 */
    const uint32_t *known; /* word i is known[i * FM_DRAWS_STRIDE] */
    uint32_t words[4];
};

#define FM_DRAWS_STRIDE 16 /* samples whose words are made together (field.h) */

/* A real number from `low` to `high`. It is uniform if n_levels is 0 or 1. Otherwise it
   is one of n_levels equally spaced values, which include both ends. With `random_sign`
   it is negated half of the time. It takes one word, and one more for the sign. */
struct fm_range {
    double low, high;
    uint32_t n_levels;
    int random_sign;
};

static inline void fm_draws_begin(struct fm_draws *draws, uint64_t seed, uint32_t epoch,
                                  uint64_t position, uint32_t operation)
{
    draws->seed = seed;
    draws->epoch = epoch;
    draws->position = position;
    draws->operation = operation;
    draws->n_taken = draws->n_known = 0;
    draws->known = NULL;
}

/* Return the next word of the stream. */
static inline uint32_t fm_draws_word(struct fm_draws *draws)
{
    uint32_t i = draws->n_taken++;
    if (i < draws->n_known)
        return draws->known[i * FM_DRAWS_STRIDE];
    if (i % 4 == 0)
        fm_rng_draw(draws->seed, draws->epoch, draws->position,
                    (enum fm_operation)draws->operation, i / 4, draws->words);
    return draws->words[i % 4];
}

/* Return true with probability threshold / 2**32. */
static inline int fm_draws_coin(struct fm_draws *draws, uint64_t threshold)
{
    return fm_draws_word(draws) < threshold;
}

/* Return one of 0, 1, ..., n - 1, for 1 <= n < 2**32. */
static inline uint32_t fm_draws_below(struct fm_draws *draws, uint64_t n)
{
    return (uint32_t)(fm_draws_word(draws) * n >> 32);
}

/* Return one of 2**32 equally spaced numbers in [low, high). */
static inline double fm_draws_uniform(struct fm_draws *draws, double low, double high)
{
    return low + (high - low) * ((double)fm_draws_word(draws) * 0x1p-32);
}

/* Return a number of the given range (struct fm_range). */
static inline double fm_draws_range(struct fm_draws *draws,
                                    const struct fm_range *range)
{
    double value;
    if (range->n_levels > 1) {
        double level = fm_draws_below(draws, range->n_levels);
        value = range->low +
                (range->high - range->low) * (level / (range->n_levels - 1.0));
    } else {
        value = fm_draws_uniform(draws, range->low, range->high);
    }
    if (range->random_sign && fm_draws_word(draws) >> 31)
        value = -value;
    return value;
}

/* ---- real numbers -------------------------------------------------------------- */

/* Round to the nearest integer, and halves to the even one, for |x| < 2**51. A double
   near 1.5 * 2**52 has no bits for a fraction, so that the addition rounds. */
static inline double fm_round(double x)
{
    return (x + 0x1.8p52) - 0x1.8p52;
}

/* Return the largest integer that is not above x, for |x| < 2**62. */
static inline int64_t fm_floor(double x)
{
    int64_t cut = (int64_t)x;
    return cut - ((double)cut > x);
}

/* Return 2**exponent, for exponents of normal doubles (-1022 ... 1023). */
static inline double fm_exp2_int(int64_t exponent)
{
    double out;
    uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    memcpy(&out, &bits, sizeof out);
    return out;
}

/* Return c[0] + x (c[1] + x (c[2] + ...)), with n >= 2 coefficients. The even and the
   odd powers are summed side by side, because each product waits for the one before
   it. */
FM_INLINE double fm_polynomial(const double *c, int n, double x)
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
static inline double fm_exp(double x)
{
    static const double c[14] = {1.0,           1.0,            1.0 / 2,
                                 1.0 / 6,       1.0 / 24,       1.0 / 120,
                                 1.0 / 720,     1.0 / 5040,     1.0 / 40320,
                                 1.0 / 362880,  1.0 / 3628800,  1.0 / 39916800,
                                 1.0 / 479001600, 1.0 / 6227020800.0};
    double k = fm_round(x * 0x1.71547652b82fep0);
    double r = (x - k * 0x1.62e42fefa38p-1) - k * 0x1.ef35793c7673p-45;
    return fm_polynomial(c, 14, r) * fm_exp2_int((int64_t)k);
}

/* Return ln(x) for normal x > 0, to 3e-16 of max(1, |ln x|). x is 2**k m with m in
   [sqrt(1/2), sqrt(2)), and ln m = 2 artanh((m - 1) / (m + 1)) by its series. */
static inline double fm_log(double x)
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
    return (double)k * 0x1.62e42fefa39efp-1 + 2.0 * s * fm_polynomial(c, 11, s * s);
}

/* Compute sine and cosine of an angle in degrees, |degrees| < 2**40, to 3e-16. Quarter
   turns are subtracted exactly. Taylor series compute the rest, up to 45 degrees. */
static inline void fm_sin_cos(double degrees, double *sine, double *cosine)
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
    double quarters = fm_round(degrees / 90.0);
    double x = (degrees - quarters * 90.0) * 0x1.1df46a2529d39p-6;
    double s = x * fm_polynomial(of_sine, 9, x * x);
    double c = fm_polynomial(of_cosine, 9, x * x);
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

/* Return a standard normal number by the method of Box and Muller (1958). It takes two
   words. */
static inline double fm_draws_normal(struct fm_draws *draws)
{
    double u = ((double)fm_draws_word(draws) + 0.5) * 0x1p-32, sine, cosine;
    fm_sin_cos((double)fm_draws_word(draws) * (360.0 * 0x1p-32), &sine, &cosine);
    return sqrt(-2.0 * fm_log(u)) * cosine;
}

#endif

/* Random numbers that transforms draw: integers, real numbers and random decisions from
   Philox words (rng.h). Each transform reads one stream of words per sample: the four
   words of draw 0, then of draw 1, 2, ... of the seed, the epoch, the position and its
   own operation. A line "Words:" at the struct of a transform lists the words that it
   reads, in this order. Word 0 is the coin: it decides whether the transform runs. */
#ifndef FM_AUGMENT_DRAWS_H
#define FM_AUGMENT_DRAWS_H

#include "../real.h"
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

#define FM_DRAWS_STRIDE 16 /* samples whose words are made together (words.h) */

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
static FM_CALLED inline uint32_t fm_draws_word(struct fm_draws *draws)
{
    uint32_t i = draws->n_taken++;
    if (i < draws->n_known)
        return draws->known[i * FM_DRAWS_STRIDE];
    if (i % 4 == 0)
        fm_rng_draw(draws->seed, draws->epoch, draws->position, draws->operation, i / 4,
                    draws->words);
    return draws->words[i % 4];
}

/* Go on with word i of the stream. */
static inline void fm_draws_seek(struct fm_draws *draws, uint32_t i)
{
    draws->n_taken = i;
    if (i >= draws->n_known && i % 4 != 0)
        fm_rng_draw(draws->seed, draws->epoch, draws->position, draws->operation, i / 4,
                    draws->words);
}

/* Return true with probability threshold / 2**32. */
static inline int fm_draws_coin(struct fm_draws *draws, uint64_t threshold)
{
    return fm_draws_word(draws) < threshold;
}

/* Return one of 0, 1, ..., n - 1, for n < 2**32; 0 if n is 0. */
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

/* Return a standard normal number by the method of Box and Muller (1958). It takes two
   words. */
static inline double fm_draws_normal(struct fm_draws *draws)
{
    double u = ((double)fm_draws_word(draws) + 0.5) * 0x1p-32, sine, cosine;
    fm_real_sin_cos((double)fm_draws_word(draws) * (360.0 * 0x1p-32), &sine, &cosine);
    return sqrt(-2.0 * fm_real_log(u)) * cosine;
}

#endif

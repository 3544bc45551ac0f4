/* Random words for every pixel, by Philox (rng.h). An image may need more words than
   the 2**16 draws of a sample's stream hold. They are therefore a stream of their own,
   whose key is two words of the sample's stream. */
#ifndef FM_AUGMENT_WORDS_H
#define FM_AUGMENT_WORDS_H

#include "draws.h"

/* The words are made in chunks of 64, from 16 counters each. */
#define FM_WORDS_CHUNK 64
#define FM_WORDS_COUNTERS (FM_WORDS_CHUNK / 4)

/* Fill one chunk. key: uint32 (2,); out: uint32 (64,).
   In numpy: out[16 * j + i] = word j of Philox for the counter 16 * chunk + i.
   Word n of the stream is word n % 64 of chunk n / 64. */
typedef void fm_words_fn(const uint32_t key[2], uint64_t chunk,
                         uint32_t out[FM_WORDS_CHUNK]);

/* Make the four words of one counter. key: uint32 (2,); out: uint32 (4,).
   In numpy: out[j] = word fm_words_place(counter, j) of the stream. */
static inline void fm_words_counter(const uint32_t key[2], uint64_t counter,
                                    uint32_t out[4])
{
    fm_rng_draw((uint64_t)key[1] << 32 | key[0], 0, counter, 0, 0, out);
}

/* Return the number that word j of a counter has in the stream. */
static inline uint64_t fm_words_place(uint64_t counter, uint32_t j)
{
    const uint64_t chunk = counter / FM_WORDS_COUNTERS;
    return chunk * FM_WORDS_CHUNK + j * FM_WORDS_COUNTERS + counter % FM_WORDS_COUNTERS;
}

/* Return the kernel for an instruction set. */
fm_words_fn *fm_words_select(enum fm_cpu_level level);

/* One draw is made for sixteen samples at once. Made one sample at a time, a draw takes
   as long as cropping a small image. */
#define FM_WORDS_LANES FM_DRAWS_STRIDE

/* Make one draw of the samples at FM_WORDS_LANES positions from `position` on. out:
   uint32 (64,).
   In numpy: out[16 * j + i] = word j of fm_rng_draw for position + i.
   Not checked: draw is below 2**16. */
typedef void fm_words_draws_fn(uint64_t seed, uint32_t epoch, uint64_t position,
                               uint32_t operation, uint32_t draw,
                               uint32_t out[FM_WORDS_CHUNK]);

/* Return the kernel for an instruction set. */
fm_words_draws_fn *fm_words_draws_select(enum fm_cpu_level level);

#endif

/* Random words for every pixel, by Philox (rng.h). An image may need more words than
   the 2**16 draws of a sample's stream hold. Each field is therefore a separate stream,
   whose key is two words of the sample's stream. */
#ifndef FM_AUGMENT_FIELD_H
#define FM_AUGMENT_FIELD_H

#include "draw.h"

/* A field consists of chunks of 64 words. */
#define FM_FIELD_CHUNK 64

/* Fill one chunk. key: uint32 (2,); out: uint32 (64,).
   In numpy: out[16 * j + i] = word j of Philox for the counter 16 * chunk + i.
   Word n of a field is word n % 64 of chunk n / 64. */
typedef void fm_field_fn(const uint32_t key[2], uint64_t chunk,
                         uint32_t out[FM_FIELD_CHUNK]);

/* Return the kernel for an instruction set. */
fm_field_fn *fm_field_select(enum fm_cpu_level level);

/* One draw is made for sixteen samples at once. Made one sample at a time, a draw takes
   as long as cropping a small image. */
#define FM_FIELD_SAMPLES FM_DRAWS_STRIDE

/* Make one draw of the samples at FM_FIELD_SAMPLES positions from `position` on. out:
   uint32 (64,).
   In numpy: out[16 * j + i] = word j of fm_rng_draw for position + i.
   Not checked: draw is below 2**16. */
typedef void fm_field_draws_fn(uint64_t seed, uint32_t epoch, uint64_t position,
                               uint32_t operation, uint32_t draw,
                               uint32_t out[FM_FIELD_CHUNK]);

/* Return the kernel for an instruction set. */
fm_field_draws_fn *fm_field_draws_select(enum fm_cpu_level level);

#endif

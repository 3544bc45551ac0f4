/* Random words for every pixel. They come from a stream of their own, whose key is two
   words of the sample's: there is room for 2**16 draws, and an image may need more. */
#ifndef FM_AUGMENT_FIELD_H
#define FM_AUGMENT_FIELD_H

#include "draw.h"

/* The field in chunks of 64 words: word 16 j + i of chunk c is word j of the counter
   16 c + i. */
#define FM_FIELD_CHUNK 64

typedef void fm_field_fn(const uint32_t key[2], uint64_t chunk,
                         uint32_t out[FM_FIELD_CHUNK]);

fm_field_fn *fm_field_select(enum fm_cpu_level level);

/* A draw of sixteen samples, from `position` on: word j of sample i at out[16 j + i].
   One at a time they take as long as cropping a small image. */
#define FM_FIELD_SAMPLES FM_DRAWS_STRIDE

typedef void fm_field_draws_fn(uint64_t seed, uint32_t epoch, uint64_t position,
                               uint32_t operation, uint32_t draw,
                               uint32_t out[FM_FIELD_CHUNK]);

fm_field_draws_fn *fm_field_draws_select(enum fm_cpu_level level);

#endif

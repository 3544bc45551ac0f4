/* Conversion of uint8 pixels to the data type of a batch, with normalization: scale and
   bias, then rounding. float16 is the binary16 of IEEE 754. */
#ifndef FM_CONVERT_H
#define FM_CONVERT_H

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "floats.h"

enum fm_dtype { FM_FLOAT32 = 0, FM_FLOAT16 = 1, FM_BFLOAT16 = 2, FM_UINT8 = 3 };

/* Bytes of a row that are prefetched. The processor's own prefetcher finds the rest of
   a larger row. */
#define FM_CONVERT_AHEAD ((size_t)1024)

/* Convert one row. in: uint8 (n,); out: (n,) of the data type that the function was
   selected for. `ahead` points to a row that is needed a few rows later; it is
   prefetched, not read.
   In numpy: in.astype(float32) * float32(scale) + float32(bias), where each of the two
   operations rounds to float32; then rounded to nearest even for float16 and bfloat16.
   uint8 is copied, without scale and bias.
   Not checked: out does not overlap in; both hold n items, at any alignment. */
typedef void fm_convert_fn(const uint8_t *restrict in, size_t n, float scale,
                           float bias, const uint8_t *ahead, void *restrict out);

fm_convert_fn *fm_convert_select(enum fm_dtype dtype, enum fm_cpu_level level);

/* Select a function that writes past the caches, for batches that would not stay in
   them. Return NULL if none exists for `dtype` and rows of `n` pixels.
   Not checked: out starts at a multiple of 32 bytes, and fm_convert_fence is called
   before another thread reads it. */
fm_convert_fn *fm_convert_select_streaming(enum fm_dtype dtype, size_t n,
                                           enum fm_cpu_level level);
void fm_convert_fence(void);

/* Return the bytes of one item. */
size_t fm_convert_item_nbytes(enum fm_dtype dtype);

#endif

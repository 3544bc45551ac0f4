/* uint8 pixels to the type that the training loop wants, normalised on the way. */
#ifndef FM_CONVERT_H
#define FM_CONVERT_H

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"

enum fm_dtype { FM_FLOAT32 = 0, FM_FLOAT16 = 1, FM_BFLOAT16 = 2, FM_UINT8 = 3 };

/* Of a row that is asked for ahead, only so many bytes: the processor finds the rest of
   a large one. */
#define FM_CONVERT_AHEAD ((size_t)1024)

/* in: uint8 (n,); out: (n,) of the dtype the function was selected for. `ahead` is
   where the row is that will be wanted next but few: not read, but asked for.
   In numpy: in.astype(float32) * float32(scale) + float32(bias), each of the two
   steps rounded to float32, then rounded to nearest even for float16 and bfloat16;
   uint8 is copied and takes no scale or bias.
   Not checked: out does not overlap in; both hold n items, at any alignment. */
typedef void fm_convert_fn(const uint8_t *restrict in, size_t n, float scale,
                           float bias, const uint8_t *ahead, void *restrict out);

fm_convert_fn *fm_convert_select(enum fm_dtype dtype, enum fm_cpu_level level);

/* The same by stores that go past the caches, for batches that would not stay there;
   NULL where there is none for `dtype` and rows of `n` pixels. Its output must start at
   a multiple of 32 bytes, and fm_convert_fence must come before another thread reads
   it. */
fm_convert_fn *fm_convert_select_streaming(enum fm_dtype dtype, size_t n,
                                           enum fm_cpu_level level);
void fm_convert_fence(void);

size_t fm_convert_item_nbytes(enum fm_dtype dtype);

#endif

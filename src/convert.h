/* Conversion of uint8 pixels to the data type of a batch, with normalization: scale and
   bias, then rounding. float16 is the binary16 of IEEE 754. */
#ifndef FM_CONVERT_H
#define FM_CONVERT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cpu.h"

enum fm_dtype { FM_FLOAT32 = 0, FM_FLOAT16 = 1, FM_BFLOAT16 = 2, FM_UINT8 = 3 };

FM_INLINE uint32_t fm_convert_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Return x as bfloat16, rounded to nearest even. By the encoding of IEEE 754, half a
   unit is added to the significand, and the carry reaches the exponent.
   Not checked: x is not NaN. */
FM_INLINE uint16_t fm_convert_bfloat16(float x)
{
    const uint32_t bits = fm_convert_bits(x);
    return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1)) >> 16);
}

/* Return x as float16, rounded to nearest even. All three cases are computed and one is
   chosen, so that loops stay vector code.
   Not checked: x is not NaN. */
FM_INLINE uint16_t fm_convert_float16(float x)
{
    const uint32_t bits = fm_convert_bits(x), sign = bits >> 16 & 0x8000u;
    const uint32_t size = bits & 0x7FFFFFFFu;
    /* At least 2**-14: change the exponent's bias from 127 to 15, round off 13 bits. */
    uint32_t half = (size - 0x38000000u + 0x0FFFu + (size >> 13 & 1)) >> 13;
    /* Below 2**-14 (subnormal): adding 0.5 leaves units of 2**-24 in the low bits. */
    float magnitude;
    memcpy(&magnitude, &size, sizeof magnitude);
    const uint32_t subnormal = fm_convert_bits(magnitude + 0.5f) - 0x3F000000u;
    half = size < 0x38800000u ? subnormal : half;
    half = size >= 0x47800000u ? 0x7C00u : half; /* at least 65536: infinity */
    return (uint16_t)(sign | half);
}

/* Write a pixel as item i of `out`, which is of data type `dtype`.
   In numpy: see fm_convert_fn. */
FM_INLINE void fm_convert_pixel(enum fm_dtype dtype, uint8_t pixel, float scale,
                                float bias, size_t i, void *out)
{
    const float x = (float)pixel * scale + bias;
    switch (dtype) {
    case FM_FLOAT32:
        ((float *)out)[i] = x;
        break;
    case FM_FLOAT16:
        ((uint16_t *)out)[i] = fm_convert_float16(x);
        break;
    case FM_BFLOAT16:
        ((uint16_t *)out)[i] = fm_convert_bfloat16(x);
        break;
    case FM_UINT8:
        ((uint8_t *)out)[i] = pixel;
        break;
    }
}

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

/* Convert one row to three channels that lie together: red, green and blue of the same
   gray level. scale, bias: (3,); out: (n, 3) of the data type that the function was
   selected for.
   In numpy: np.stack([fm_convert_fn of each channel], axis=-1).
   Not checked: as for fm_convert_fn. */
typedef void fm_convert_rgb_fn(const uint8_t *restrict in, size_t n, const float *scale,
                               const float *bias, const uint8_t *ahead,
                               void *restrict out);

fm_convert_rgb_fn *fm_convert_select_rgb(enum fm_dtype dtype, enum fm_cpu_level level);

/* As fm_convert_select_streaming. */
fm_convert_rgb_fn *fm_convert_select_rgb_streaming(enum fm_dtype dtype, size_t n,
                                                   enum fm_cpu_level level);

/* Return the bytes of one item. */
static inline size_t fm_convert_item_nbytes(enum fm_dtype dtype)
{
    switch (dtype) {
    case FM_FLOAT32:
        return 4;
    case FM_FLOAT16:
    case FM_BFLOAT16:
        return 2;
    default:
        return 1;
    }
}

#endif

/* Pixel conversion; see convert.h. Each data type has bodies, which are compiled for an
   instruction set or written by hand for it.
   The build turns off the contraction of a * b + c into one rounding, so that all of
   them give the same bits. */
#include "convert.h"

FM_INLINE void to_float32(const uint8_t *restrict in, size_t n, float scale, float bias,
                          float *restrict out)
{
    for (size_t i = 0; i < n; i++)
        fm_convert_pixel(FM_FLOAT32, in[i], scale, bias, i, out);
}

FM_INLINE void to_bfloat16(const uint8_t *restrict in, size_t n, float scale,
                           float bias, uint16_t *restrict out)
{
    for (size_t i = 0; i < n; i++)
        fm_convert_pixel(FM_BFLOAT16, in[i], scale, bias, i, out);
}

FM_INLINE void to_float16(const uint8_t *restrict in, size_t n, float scale, float bias,
                          uint16_t *restrict out)
{
    for (size_t i = 0; i < n; i++)
        fm_convert_pixel(FM_FLOAT16, in[i], scale, bias, i, out);
}

FM_INLINE void to_uint8(const uint8_t *restrict in, size_t n, float scale, float bias,
                        uint8_t *restrict out)
{
    (void)scale, (void)bias;
    memcpy(out, in, n);
}

#if FM_X86_LEVELS

FM_TARGET_AVX2
FM_INLINE __m256 eight_pixels(const uint8_t *in)
{
    return _mm256_cvtepi32_ps(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)in)));
}

/* Written by hand: compilers take 32 or 64 pixels at once, and convert the last 16 of
   28 x 28 pixels one by one. This costs a tenth of an epoch of random crops. */
FM_TARGET_AVX2
FM_INLINE void to_float32_avx2(const uint8_t *restrict in, size_t n, float scale,
                               float bias, float *restrict out)
{
    const __m256 scales = _mm256_set1_ps(scale), biases = _mm256_set1_ps(bias);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 x = eight_pixels(in + i);
        _mm256_storeu_ps(out + i, _mm256_add_ps(_mm256_mul_ps(x, scales), biases));
    }
    to_float32(in + i, n - i, scale, bias, out + i);
}

FM_TARGET_AVX512
FM_INLINE void to_float32_avx512(const uint8_t *restrict in, size_t n, float scale,
                                 float bias, float *restrict out)
{
    const __m512 scales = _mm512_set1_ps(scale), biases = _mm512_set1_ps(bias);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(in + i));
        __m512 x = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
        _mm512_storeu_ps(out + i, _mm512_add_ps(_mm512_mul_ps(x, scales), biases));
    }
    to_float32_avx2(in + i, n - i, scale, bias, out + i);
}

/* Round eight numbers, as fm_convert_bfloat16 does, into 32-bit lanes. */
FM_TARGET_AVX2
FM_INLINE __m256i bfloat16_of(__m256 x)
{
    __m256i bits = _mm256_castps_si256(x);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    bits = _mm256_add_epi32(_mm256_add_epi32(bits, odd), _mm256_set1_epi32(0x7FFF));
    return _mm256_srli_epi32(bits, 16);
}

/* Store eight numbers. */
FM_TARGET_AVX2
FM_INLINE void store_floats(int is_streaming, __m256 x, float *out)
{
    if (is_streaming)
        _mm256_stream_ps(out, x);
    else
        _mm256_storeu_ps(out, x);
}

/* F16C rounds eight numbers in one instruction. fm_convert_float16 takes fifteen. */
FM_TARGET_AVX2
FM_INLINE void store_float16(int is_streaming, __m256 x, uint16_t *out)
{
    const __m128i rounded = _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT);
    if (is_streaming)
        _mm_stream_si128((__m128i *)out, rounded);
    else
        _mm_storeu_si128((__m128i *)out, rounded);
}

/* Round sixteen numbers to bfloat16. */
FM_TARGET_AVX2
FM_INLINE void store_bfloat16(int is_streaming, __m256 low, __m256 high, uint16_t *out)
{
    /* Packing interleaves the 128-bit halves of both vectors. */
    __m256i packed = _mm256_packus_epi32(bfloat16_of(low), bfloat16_of(high));
    packed = _mm256_permute4x64_epi64(packed, 0xD8);
    if (is_streaming)
        _mm256_stream_si256((__m256i *)out, packed);
    else
        _mm256_storeu_si256((__m256i *)out, packed);
}

/* Written by hand: gcc 12's code for to_bfloat16 takes 1.5 times as long. */
FM_TARGET_AVX2
FM_INLINE void to_halves_avx2(enum fm_dtype dtype, const uint8_t *restrict in, size_t n,
                              float scale, float bias, uint16_t *restrict out)
{
    const __m256 scales = _mm256_set1_ps(scale), biases = _mm256_set1_ps(bias);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256 low = _mm256_mul_ps(eight_pixels(in + i), scales);
        __m256 high = _mm256_mul_ps(eight_pixels(in + i + 8), scales);
        low = _mm256_add_ps(low, biases);
        high = _mm256_add_ps(high, biases);
        if (dtype == FM_BFLOAT16) {
            store_bfloat16(0, low, high, out + i);
        } else {
            store_float16(0, low, out + i);
            store_float16(0, high, out + i + 8);
        }
    }
    for (; i < n; i++)
        fm_convert_pixel(dtype, in[i], scale, bias, i, out);
}

FM_TARGET_AVX2 FM_INLINE void to_float16_avx2(const uint8_t *restrict in, size_t n,
                                              float scale, float bias,
                                              uint16_t *restrict out)
{
    to_halves_avx2(FM_FLOAT16, in, n, scale, bias, out);
}

FM_TARGET_AVX2 FM_INLINE void to_bfloat16_avx2(const uint8_t *restrict in, size_t n,
                                               float scale, float bias,
                                               uint16_t *restrict out)
{
    to_halves_avx2(FM_BFLOAT16, in, n, scale, bias, out);
}

/* Plain stores first read the cache lines that they overwrite. Two threads that write
   an epoch of Fashion-MNIST, each into its own 32 MB, take 2.1 times as long with plain
   stores as with stores past the caches. Into 4 MB each, both take the same time. In
   bfloat16, an epoch in batches of 4096 takes 1.2 times as long past the caches. */
FM_TARGET_AVX2
FM_INLINE void to_float32_streaming(const uint8_t *restrict in, size_t n, float scale,
                                    float bias, float *restrict out)
{
    const __m256 scales = _mm256_set1_ps(scale), biases = _mm256_set1_ps(bias);
    for (size_t i = 0; i < n; i += 8) {
        const __m256 x = eight_pixels(in + i);
        _mm256_stream_ps(out + i, _mm256_add_ps(_mm256_mul_ps(x, scales), biases));
    }
}

#endif

/* Pixels are converted one cache line at a time, and one line of the row `ahead` is
   prefetched before each. Prefetching all lines at once fills the processor's queue of
   misses, and the stores wait in it. An epoch of Fashion-MNIST by two threads took 1.25
   times as long that way. This defines the body `name` that calls `body` for each
   line. */
#define LINE ((size_t)64)
#define PARAMETERS                                                                    \
    (const uint8_t *restrict in, size_t n, float scale, float bias,                   \
     const uint8_t *ahead, void *restrict out)
#define ARGUMENTS (in, n, scale, bias, ahead, out)
#define BY_LINES(target, name, type, body)                                            \
    target FM_INLINE void name PARAMETERS                                             \
    {                                                                                 \
        type *pixels = (type *)out;                                                   \
        size_t i = 0;                                                                 \
        for (; i + LINE <= n; i += LINE) {                                            \
            FM_PREFETCH(ahead + i % FM_CONVERT_AHEAD);                                \
            body(in + i, LINE, scale, bias, pixels + i);                              \
        }                                                                             \
        FM_PREFETCH(ahead + i % FM_CONVERT_AHEAD);                                    \
        body(in + i, n - i, scale, bias, pixels + i);                                 \
    }

BY_LINES(, float32, float, to_float32)
BY_LINES(, float16, uint16_t, to_float16)
BY_LINES(, bfloat16, uint16_t, to_bfloat16)
BY_LINES(, uint8, uint8_t, to_uint8)
#if FM_X86_LEVELS
BY_LINES(FM_TARGET_AVX2, float32_avx2, float, to_float32_avx2)
BY_LINES(FM_TARGET_AVX512, float32_avx512, float, to_float32_avx512)
BY_LINES(FM_TARGET_AVX2, float32_streaming, float, to_float32_streaming)
BY_LINES(FM_TARGET_AVX2, float16_avx2, uint16_t, to_float16_avx2)
BY_LINES(FM_TARGET_AVX2, bfloat16_avx2, uint16_t, to_bfloat16_avx2)
#endif

FM_LEVELS_OF(float32, PARAMETERS, ARGUMENTS, float32, float32_avx2, float32_avx512);
FM_LEVELS_OF(float16, PARAMETERS, ARGUMENTS, float16, float16_avx2, float16_avx2);
FM_LEVELS_OF(bfloat16, PARAMETERS, ARGUMENTS, bfloat16, bfloat16_avx2, bfloat16);
FM_LEVELS(uint8, PARAMETERS, ARGUMENTS);

fm_convert_fn *fm_convert_select(enum fm_dtype dtype, enum fm_cpu_level level)
{
    switch (dtype) {
    case FM_FLOAT32:
        return float32_levels[level];
    case FM_FLOAT16:
        return float16_levels[level];
    case FM_BFLOAT16:
        return bfloat16_levels[level];
    default:
        return uint8_levels[level];
    }
}

FM_LEVELS_OF(streaming, PARAMETERS, ARGUMENTS, float32, float32_streaming,
             float32_streaming);

fm_convert_fn *fm_convert_select_streaming(enum fm_dtype dtype, size_t n,
                                           enum fm_cpu_level level)
{
    if (dtype != FM_FLOAT32 || n % 8 != 0 || level < FM_CPU_AVX2)
        return NULL;
    return streaming_levels[level];
}

/* ---- three channels that lie together -------------------------------------------- */

#define RGB_PARAMETERS                                                                \
    (const uint8_t *restrict in, size_t n, const float *scale, const float *bias,     \
     const uint8_t *ahead, void *restrict out)
#define RGB_ARGUMENTS (in, n, scale, bias, ahead, out)

/* Convert the pixels [begin, end). */
FM_INLINE void to_rgb(enum fm_dtype dtype, const uint8_t *restrict in, size_t begin,
                      size_t end, const float *scale, const float *bias,
                      void *restrict out)
{
    for (size_t i = begin; i < end; i++)
        for (size_t c = 0; c < 3; c++)
            fm_convert_pixel(dtype, in[i], scale[c], bias[c], 3 * i + c, out);
}

/* Define the body `name`. */
#define RGB(name, dtype)                                                              \
    FM_INLINE void name RGB_PARAMETERS                                                \
    {                                                                                 \
        for (size_t i = 0; i < n; i += LINE)                                          \
            FM_PREFETCH(ahead + i % FM_CONVERT_AHEAD);                                \
        to_rgb(dtype, in, 0, n, scale, bias, out);                                    \
    }

RGB(rgb_float32, FM_FLOAT32)
RGB(rgb_float16, FM_FLOAT16)
RGB(rgb_bfloat16, FM_BFLOAT16)
RGB(rgb_uint8, FM_UINT8)

#if FM_X86_LEVELS

/* Three vectors of eight items: the pixel of each item, its scale and its bias. */
struct channels {
    __m256i picks[3];
    __m256 scales[3], biases[3];
};

FM_TARGET_AVX2
FM_INLINE void find_channels(const float *scale, const float *bias,
                             struct channels *channels)
{
    const __m256 scales = _mm256_setr_ps(scale[0], scale[1], scale[2], 0, 0, 0, 0, 0);
    const __m256 biases = _mm256_setr_ps(bias[0], bias[1], bias[2], 0, 0, 0, 0, 0);
    const __m256i orders[3] = {_mm256_setr_epi32(0, 1, 2, 0, 1, 2, 0, 1),
                               _mm256_setr_epi32(2, 0, 1, 2, 0, 1, 2, 0),
                               _mm256_setr_epi32(1, 2, 0, 1, 2, 0, 1, 2)};
    channels->picks[0] = _mm256_setr_epi32(0, 0, 0, 1, 1, 1, 2, 2);
    channels->picks[1] = _mm256_setr_epi32(2, 3, 3, 3, 4, 4, 4, 5);
    channels->picks[2] = _mm256_setr_epi32(5, 5, 6, 6, 6, 7, 7, 7);
    for (size_t k = 0; k < 3; k++) {
        channels->scales[k] = _mm256_permutevar8x32_ps(scales, orders[k]);
        channels->biases[k] = _mm256_permutevar8x32_ps(biases, orders[k]);
    }
}

/* Normalize the items of vector k. */
FM_TARGET_AVX2
FM_INLINE __m256 channel_items(const struct channels *channels, __m256 pixels, size_t k)
{
    const __m256 x = _mm256_permutevar8x32_ps(pixels, channels->picks[k]);
    return _mm256_add_ps(_mm256_mul_ps(x, channels->scales[k]), channels->biases[k]);
}

/* Eight pixels become three vectors. By plain loops of gcc 12, float32 takes 2.1 times
   as long. */
FM_TARGET_AVX2
FM_INLINE void to_rgb_avx2(enum fm_dtype dtype, int is_streaming,
                           const uint8_t *restrict in, size_t n, const float *scale,
                           const float *bias, const uint8_t *ahead, void *restrict out)
{
    struct channels channels;
    find_channels(scale, bias, &channels);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 pixels = eight_pixels(in + i);
        if (i % LINE == 0)
            FM_PREFETCH(ahead + i % FM_CONVERT_AHEAD);
        for (size_t k = 0; k < 3; k++) {
            const __m256 x = channel_items(&channels, pixels, k);
            if (dtype == FM_FLOAT32)
                store_floats(is_streaming, x, (float *)out + 3 * i + 8 * k);
            else
                store_float16(is_streaming, x, (uint16_t *)out + 3 * i + 8 * k);
        }
    }
    to_rgb(dtype, in, i, n, scale, bias, out);
}

/* Sixteen pixels become six vectors, of which two are packed into one at a time. By
   plain loops of gcc 12, this takes 1.6 times as long. */
FM_TARGET_AVX2
FM_INLINE void to_rgb_bfloat16(int is_streaming, const uint8_t *restrict in, size_t n,
                               const float *scale, const float *bias,
                               const uint8_t *ahead, void *restrict out)
{
    struct channels channels;
    find_channels(scale, bias, &channels);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256 x[6];
        if (i % LINE == 0)
            FM_PREFETCH(ahead + i % FM_CONVERT_AHEAD);
        for (size_t k = 0; k < 6; k++)
            x[k] = channel_items(&channels, eight_pixels(in + i + k / 3 * 8), k % 3);
        for (size_t k = 0; k < 6; k += 2)
            store_bfloat16(is_streaming, x[k], x[k + 1],
                           (uint16_t *)out + 3 * i + 8 * k);
    }
    to_rgb(FM_BFLOAT16, in, i, n, scale, bias, out);
}

/* Define the body `name` for AVX2. */
#define RGB_AVX2(name, dtype, is_streaming)                                           \
    FM_TARGET_AVX2 FM_INLINE void name RGB_PARAMETERS                                 \
    {                                                                                 \
        if (dtype == FM_BFLOAT16)                                                     \
            to_rgb_bfloat16(is_streaming, in, n, scale, bias, ahead, out);            \
        else                                                                          \
            to_rgb_avx2(dtype, is_streaming, in, n, scale, bias, ahead, out);         \
    }

RGB_AVX2(rgb_float32_avx2, FM_FLOAT32, 0)
RGB_AVX2(rgb_float32_streaming, FM_FLOAT32, 1)
RGB_AVX2(rgb_float16_avx2, FM_FLOAT16, 0)
RGB_AVX2(rgb_float16_streaming, FM_FLOAT16, 1)
RGB_AVX2(rgb_bfloat16_avx2, FM_BFLOAT16, 0)
RGB_AVX2(rgb_bfloat16_streaming, FM_BFLOAT16, 1)

/* Sixteen pixels become three vectors. */
FM_TARGET_AVX2
FM_INLINE void rgb_uint8_avx2 RGB_PARAMETERS
{
    const __m128i picks[3] = {
        _mm_setr_epi8(0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5),
        _mm_setr_epi8(5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10),
        _mm_setr_epi8(10, 11, 11, 11, 12, 12, 12, 13, 13, 13, 14, 14, 14, 15, 15, 15)};
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        if (i % LINE == 0)
            FM_PREFETCH(ahead + i % FM_CONVERT_AHEAD);
        const __m128i pixels = _mm_loadu_si128((const __m128i *)(in + i));
        for (size_t k = 0; k < 3; k++)
            _mm_storeu_si128((__m128i *)((uint8_t *)out + 3 * i + 16 * k),
                             _mm_shuffle_epi8(pixels, picks[k]));
    }
    to_rgb(FM_UINT8, in, i, n, scale, bias, out);
}

#endif

FM_LEVELS_OF(rgb_float32, RGB_PARAMETERS, RGB_ARGUMENTS, rgb_float32, rgb_float32_avx2,
             rgb_float32_avx2);
FM_LEVELS_OF(rgb_float16, RGB_PARAMETERS, RGB_ARGUMENTS, rgb_float16, rgb_float16_avx2,
             rgb_float16_avx2);
FM_LEVELS_OF(rgb_bfloat16, RGB_PARAMETERS, RGB_ARGUMENTS, rgb_bfloat16,
             rgb_bfloat16_avx2, rgb_bfloat16_avx2);
FM_LEVELS_OF(rgb_uint8, RGB_PARAMETERS, RGB_ARGUMENTS, rgb_uint8, rgb_uint8_avx2,
             rgb_uint8_avx2);

fm_convert_rgb_fn *fm_convert_select_rgb(enum fm_dtype dtype, enum fm_cpu_level level)
{
    switch (dtype) {
    case FM_FLOAT32:
        return rgb_float32_levels[level];
    case FM_FLOAT16:
        return rgb_float16_levels[level];
    case FM_BFLOAT16:
        return rgb_bfloat16_levels[level];
    default:
        return rgb_uint8_levels[level];
    }
}

FM_LEVELS_OF(rgb_float32_past, RGB_PARAMETERS, RGB_ARGUMENTS, rgb_float32,
             rgb_float32_streaming, rgb_float32_streaming);
FM_LEVELS_OF(rgb_float16_past, RGB_PARAMETERS, RGB_ARGUMENTS, rgb_float16,
             rgb_float16_streaming, rgb_float16_streaming);
FM_LEVELS_OF(rgb_bfloat16_past, RGB_PARAMETERS, RGB_ARGUMENTS, rgb_bfloat16,
             rgb_bfloat16_streaming, rgb_bfloat16_streaming);

/* Return whether rows of n pixels are written past the caches, at multiples of 32. */
static int has_streaming(enum fm_dtype dtype, size_t n, enum fm_cpu_level level)
{
    return dtype != FM_UINT8 && n * fm_convert_item_nbytes(dtype) % 32 == 0 &&
           level >= FM_CPU_AVX2;
}

fm_convert_rgb_fn *fm_convert_select_rgb_streaming(enum fm_dtype dtype, size_t n,
                                                   enum fm_cpu_level level)
{
    if (!has_streaming(dtype, n, level))
        return NULL;
    if (dtype == FM_FLOAT16)
        return rgb_float16_past_levels[level];
    return dtype == FM_BFLOAT16 ? rgb_bfloat16_past_levels[level]
                                : rgb_float32_past_levels[level];
}

void fm_convert_fence(void)
{
#if FM_X86_LEVELS
    _mm_sfence();
#endif
}

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

/* Written by hand: compilers take 32 or 64 pixels at once, and convert the last 16 of
   28 x 28 pixels one by one. This costs a tenth of an epoch of random crops. */
FM_TARGET_AVX2
FM_INLINE void to_float32_avx2(const uint8_t *restrict in, size_t n, float scale,
                               float bias, float *restrict out)
{
    const __m256 scales = _mm256_set1_ps(scale), biases = _mm256_set1_ps(bias);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m128i bytes = _mm_loadl_epi64((const __m128i *)(in + i));
        __m256 x = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
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

/* F16C rounds eight values in one instruction, and fm_convert_float16 takes fifteen. */
FM_TARGET_AVX2
FM_INLINE void to_float16_f16c(const uint8_t *restrict in, size_t n, float scale,
                               float bias, uint16_t *restrict out)
{
    const __m256 scales = _mm256_set1_ps(scale), biases = _mm256_set1_ps(bias);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m128i bytes = _mm_loadl_epi64((const __m128i *)(in + i));
        __m256 x = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
        x = _mm256_add_ps(_mm256_mul_ps(x, scales), biases);
        __m128i rounded = _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128((__m128i *)(out + i), rounded);
    }
    to_float16(in + i, n - i, scale, bias, out + i);
}

/* Convert eight pixels, as fm_convert_bfloat16 does, into 32-bit lanes. */
FM_TARGET_AVX2
FM_INLINE __m256i bfloat16_lanes(const uint8_t *in, __m256 scales, __m256 biases)
{
    __m256 x = _mm256_cvtepi32_ps(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)in)));
    __m256i bits =
        _mm256_castps_si256(_mm256_add_ps(_mm256_mul_ps(x, scales), biases));
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    bits = _mm256_add_epi32(_mm256_add_epi32(bits, odd), _mm256_set1_epi32(0x7FFF));
    return _mm256_srli_epi32(bits, 16);
}

/* Written by hand: gcc 12's code for to_bfloat16 takes 1.5 times as long. */
FM_TARGET_AVX2
FM_INLINE void to_bfloat16_avx2(const uint8_t *restrict in, size_t n, float scale,
                                float bias, uint16_t *restrict out)
{
    const __m256 scales = _mm256_set1_ps(scale), biases = _mm256_set1_ps(bias);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i packed =
            _mm256_packus_epi32(bfloat16_lanes(in + i, scales, biases),
                                bfloat16_lanes(in + i + 8, scales, biases));
        /* Packing interleaved the 128-bit halves of both vectors. */
        packed = _mm256_permute4x64_epi64(packed, 0xD8);
        _mm256_storeu_si256((__m256i *)(out + i), packed);
    }
    to_bfloat16(in + i, n - i, scale, bias, out + i);
}

/* Plain stores first read the cache lines that they overwrite. Two threads that write
   an epoch of Fashion-MNIST, each into its own 32 MB, take 2.1 times as long with plain
   stores as with stores past the caches. Into 4 MB each, both take the same time. */
FM_TARGET_AVX2
FM_INLINE void to_float32_streaming(const uint8_t *restrict in, size_t n, float scale,
                                    float bias, float *restrict out)
{
    const __m256 scales = _mm256_set1_ps(scale), biases = _mm256_set1_ps(bias);
    for (size_t i = 0; i < n; i += 8) {
        __m128i bytes = _mm_loadl_epi64((const __m128i *)(in + i));
        __m256 x = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
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
BY_LINES(FM_TARGET_AVX2, float16_f16c, uint16_t, to_float16_f16c)
BY_LINES(FM_TARGET_AVX2, bfloat16_avx2, uint16_t, to_bfloat16_avx2)
#endif

FM_LEVELS_OF(float32, PARAMETERS, ARGUMENTS, float32, float32_avx2, float32_avx512);
FM_LEVELS_OF(float16, PARAMETERS, ARGUMENTS, float16, float16_f16c, float16_f16c);
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

void fm_convert_fence(void)
{
#if FM_X86_LEVELS
    _mm_sfence();
#endif
}

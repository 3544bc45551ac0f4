/* Pixel conversion; see convert.h. Each output type has a body, which is compiled for
   each instruction set or written by hand for one.
   The build turns off the contraction of a * b + c into one rounding, so that all of
   them give the same bits. Without F16C, rounding to float16 uses the encoding of IEEE
   754: add half a unit to the significand, and let the carry reach the exponent. */
#include "convert.h"

#include <string.h>

#if FM_X86_LEVELS
#include <immintrin.h>
#endif

FM_INLINE void to_float32(const uint8_t *restrict in, size_t n, float scale, float bias,
                          float *restrict out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)in[i] * scale + bias;
}

FM_INLINE uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

FM_INLINE uint16_t bfloat16_of(float x)
{
    uint32_t bits = bits_of(x);
    return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1)) >> 16);
}

FM_INLINE void to_bfloat16(const uint8_t *restrict in, size_t n, float scale,
                           float bias, uint16_t *restrict out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = bfloat16_of((float)in[i] * scale + bias);
}

/* Compute all three cases and choose one, so that loops stay vector code. */
FM_INLINE uint16_t float16_of(float x)
{
    uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000u, size = bits & 0x7FFFFFFFu;
    /* At least 2**-14: change the exponent's bias from 127 to 15, round off 13 bits. */
    uint32_t half = (size - 0x38000000u + 0x0FFFu + (size >> 13 & 1)) >> 13;
    /* Below 2**-14 (subnormal): adding 0.5 leaves units of 2**-24 in the low bits. */
    float magnitude;
    memcpy(&magnitude, &size, sizeof magnitude);
    uint32_t subnormal = bits_of(magnitude + 0.5f) - 0x3F000000u;
    half = size < 0x38800000u ? subnormal : half;
    half = size >= 0x47800000u ? 0x7C00u : half; /* at least 65536: infinity */
    return (uint16_t)(sign | half);
}

FM_INLINE void to_float16(const uint8_t *restrict in, size_t n, float scale, float bias,
                          uint16_t *restrict out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = float16_of((float)in[i] * scale + bias);
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

/* F16C rounds eight values in one instruction; float16_of takes fifteen. */
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

FM_TARGET_AVX2
FM_INLINE __m256i bfloat16_words(const uint8_t *in, __m256 scales, __m256 biases)
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
            _mm256_packus_epi32(bfloat16_words(in + i, scales, biases),
                                bfloat16_words(in + i + 8, scales, biases));
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

/* A kernel converts one cache line of pixels at a time, and prefetches one line of the
   row `ahead` before each. Prefetching all lines at once fills the processor's queue of
   misses, and the stores wait in it. An epoch of Fashion-MNIST by two threads took 1.25
   times as long that way. */
#define LINE ((size_t)64)
#define KERNEL(name, target, type, body)                                              \
    target static void name(const uint8_t *restrict in, size_t n, float scale,        \
                            float bias, const uint8_t *ahead, void *restrict out)     \
    {                                                                                 \
        type *pixels = out;                                                           \
        size_t i = 0;                                                                 \
        for (; i + LINE <= n; i += LINE) {                                            \
            FM_PREFETCH(ahead + i % FM_CONVERT_AHEAD);                                \
            body(in + i, LINE, scale, bias, pixels + i);                              \
        }                                                                             \
        FM_PREFETCH(ahead + i % FM_CONVERT_AHEAD);                                    \
        body(in + i, n - i, scale, bias, pixels + i);                                 \
    }

KERNEL(float32_baseline, , float, to_float32)
KERNEL(float16_baseline, , uint16_t, to_float16)
KERNEL(bfloat16_baseline, , uint16_t, to_bfloat16)
KERNEL(uint8_baseline, , uint8_t, to_uint8)

#if FM_X86_LEVELS

KERNEL(float32_avx2, FM_TARGET_AVX2, float, to_float32_avx2)
KERNEL(float32_avx512, FM_TARGET_AVX512, float, to_float32_avx512)
KERNEL(float32_streaming, FM_TARGET_AVX2, float, to_float32_streaming)
KERNEL(float16_f16c, FM_TARGET_AVX2, uint16_t, to_float16_f16c)
KERNEL(bfloat16_avx2, FM_TARGET_AVX2, uint16_t, to_bfloat16_avx2)
KERNEL(bfloat16_avx512, FM_TARGET_AVX512, uint16_t, to_bfloat16)
KERNEL(uint8_avx2, FM_TARGET_AVX2, uint8_t, to_uint8)

fm_convert_fn *fm_convert_select_streaming(enum fm_dtype dtype, size_t n,
                                           enum fm_cpu_level level)
{
    if (dtype != FM_FLOAT32 || n % 8 != 0 || level < FM_CPU_AVX2)
        return NULL;
    return float32_streaming;
}

void fm_convert_fence(void)
{
    _mm_sfence();
}

static fm_convert_fn *const kernels[4][3] = {
    [FM_FLOAT32] = {float32_baseline, float32_avx2, float32_avx512},
    [FM_FLOAT16] = {float16_baseline, float16_f16c, float16_f16c},
    [FM_BFLOAT16] = {bfloat16_baseline, bfloat16_avx2, bfloat16_avx512},
    [FM_UINT8] = {uint8_baseline, uint8_avx2, uint8_avx2},
};

#else

fm_convert_fn *fm_convert_select_streaming(enum fm_dtype dtype, size_t n,
                                           enum fm_cpu_level level)
{
    (void)dtype, (void)n, (void)level;
    return NULL;
}

void fm_convert_fence(void)
{
}

static fm_convert_fn *const kernels[4][3] = {
    [FM_FLOAT32] = {float32_baseline, float32_baseline, float32_baseline},
    [FM_FLOAT16] = {float16_baseline, float16_baseline, float16_baseline},
    [FM_BFLOAT16] = {bfloat16_baseline, bfloat16_baseline, bfloat16_baseline},
    [FM_UINT8] = {uint8_baseline, uint8_baseline, uint8_baseline},
};

#endif

fm_convert_fn *fm_convert_select(enum fm_dtype dtype, enum fm_cpu_level level)
{
    return kernels[dtype][level];
}

size_t fm_convert_item_nbytes(enum fm_dtype dtype)
{
    static const size_t item_nbytes[4] = {4, 2, 2, 1};
    return item_nbytes[dtype];
}

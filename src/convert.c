/* Pixel conversion: a body for each output type, compiled for each instruction set or
   by hand.
   The build turns contraction of a * b + c into one rounding off, so that all of them
   give the same bits. float16 rounding without F16C follows the IEEE 754 encoding:
   add half a unit to the significand and let the carry reach the exponent. */
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

/* All three cases are computed and one is chosen, so that loops stay vector code. */
FM_INLINE uint16_t float16_of(float x)
{
    uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000u, size = bits & 0x7FFFFFFFu;
    /* 2**-14 and more: move the exponent's bias from 127 to 15, round 13 bits off. */
    uint32_t half = (size - 0x38000000u + 0x0FFFu + (size >> 13 & 1)) >> 13;
    /* Below 2**-14, subnormal: adding 0.5 leaves units of 2**-24 in the low bits. */
    float magnitude;
    memcpy(&magnitude, &size, sizeof magnitude);
    uint32_t subnormal = bits_of(magnitude + 0.5f) - 0x3F000000u;
    half = size < 0x38800000u ? subnormal : half;
    half = size >= 0x47800000u ? 0x7C00u : half; /* 65536 and more: infinity */
    return (uint16_t)(sign | half);
}

FM_INLINE void to_float16(const uint8_t *restrict in, size_t n, float scale, float bias,
                          uint16_t *restrict out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = float16_of((float)in[i] * scale + bias);
}

static void uint8_any(const uint8_t *restrict in, size_t n, float scale, float bias,
                      void *restrict out)
{
    (void)scale, (void)bias;
    memcpy(out, in, n);
}

#define WRAPPER(name, target, body)                                                   \
    target static void name(const uint8_t *restrict in, size_t n, float scale,        \
                            float bias, void *restrict out)                           \
    {                                                                                 \
        body(in, n, scale, bias, out);                                                \
    }

WRAPPER(float32_baseline, , to_float32)
WRAPPER(bfloat16_baseline, , to_bfloat16)
WRAPPER(float16_baseline, , to_float16)

#if FM_X86_LEVELS

/* By hand: compilers take 32 or 64 pixels at once and leave the last 16 of 28 x 28 to
   single floats, which costs a tenth of an epoch of random crops. */
FM_TARGET_AVX2
static void float32_avx2(const uint8_t *restrict in, size_t n, float scale, float bias,
                         void *restrict out)
{
    float *pixels = out;
    const __m256 scales = _mm256_set1_ps(scale), biases = _mm256_set1_ps(bias);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m128i bytes = _mm_loadl_epi64((const __m128i *)(in + i));
        __m256 x = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
        _mm256_storeu_ps(pixels + i, _mm256_add_ps(_mm256_mul_ps(x, scales), biases));
    }
    for (; i < n; i++)
        pixels[i] = (float)in[i] * scale + bias;
}

FM_TARGET_AVX512
static void float32_avx512(const uint8_t *restrict in, size_t n, float scale,
                           float bias, void *restrict out)
{
    float *pixels = out;
    const __m512 scales = _mm512_set1_ps(scale), biases = _mm512_set1_ps(bias);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(in + i));
        __m512 x = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
        _mm512_storeu_ps(pixels + i, _mm512_add_ps(_mm512_mul_ps(x, scales), biases));
    }
    float32_avx2(in + i, n - i, scale, bias, pixels + i);
}

WRAPPER(bfloat16_avx2, FM_TARGET_AVX2, to_bfloat16)
WRAPPER(bfloat16_avx512, FM_TARGET_AVX512, to_bfloat16)

/* F16C rounds eight values in one instruction, where the bits above take fifteen. */
FM_TARGET_AVX2
static void float16_f16c(const uint8_t *restrict in, size_t n, float scale, float bias,
                         void *restrict out)
{
    uint16_t *half = out;
    const __m256 scales = _mm256_set1_ps(scale), biases = _mm256_set1_ps(bias);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m128i bytes = _mm_loadl_epi64((const __m128i *)(in + i));
        __m256 x = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
        x = _mm256_add_ps(_mm256_mul_ps(x, scales), biases);
        __m128i rounded = _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128((__m128i *)(half + i), rounded);
    }
    to_float16(in + i, n - i, scale, bias, half + i);
}

/* Plain stores first read the lines that they overwrite. Two threads take 17 ms for an
   epoch of Fashion-MNIST into 32 MB each, and 8 ms past the caches; into 4 MB it is
   7 ms either way. */
FM_TARGET_AVX2
static void float32_streaming(const uint8_t *restrict in, size_t n, float scale,
                              float bias, void *restrict out)
{
    float *pixels = out;
    const __m256 scales = _mm256_set1_ps(scale), biases = _mm256_set1_ps(bias);
    for (size_t i = 0; i < n; i += 8) {
        __m128i bytes = _mm_loadl_epi64((const __m128i *)(in + i));
        __m256 x = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
        _mm256_stream_ps(pixels + i, _mm256_add_ps(_mm256_mul_ps(x, scales), biases));
    }
}

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
    [FM_UINT8] = {uint8_any, uint8_any, uint8_any},
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
    [FM_UINT8] = {uint8_any, uint8_any, uint8_any},
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

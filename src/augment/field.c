/* Random words for every pixel; see field.h. */
#include "field.h"

#if FM_X86_LEVELS
#include <immintrin.h>
#endif

#define N_COUNTERS 16 /* of a chunk; a chunk's first is a multiple of it: no carries */

static void field_any(const uint32_t key[2], uint64_t chunk,
                      uint32_t out[FM_FIELD_CHUNK])
{
    uint32_t *c0 = out, *c1 = out + 16, *c2 = out + 32, *c3 = out + 48;
    uint32_t k0 = key[0], k1 = key[1];
    for (uint32_t i = 0; i < N_COUNTERS; i++) {
        c0[i] = (uint32_t)(N_COUNTERS * chunk) + i;
        c1[i] = (uint32_t)(N_COUNTERS * chunk >> 32);
        c2[i] = c3[i] = 0;
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < N_COUNTERS; i++)
            fm_philox_round(&c0[i], &c1[i], &c2[i], &c3[i], k0, k1);
        k0 += FM_PHILOX_KEY_0;
        k1 += FM_PHILOX_KEY_1;
    }
}

#if FM_X86_LEVELS

/* High and low halves of eight products. */
FM_TARGET_AVX2
static inline void multiply(__m256i x, uint32_t factor, __m256i *high, __m256i *low)
{
    const __m256i factors = _mm256_set1_epi32((int)factor);
    __m256i even = _mm256_mul_epu32(x, factors);
    __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), factors);
    *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    *low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
}

FM_TARGET_AVX2
static void field_avx2(const uint32_t key[2], uint64_t chunk,
                       uint32_t out[FM_FIELD_CHUNK])
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i c[2][4]; /* two times eight counters */
    for (int i = 0; i < 2; i++) {
        uint32_t first = (uint32_t)(N_COUNTERS * chunk) + 8 * (uint32_t)i;
        c[i][0] = _mm256_add_epi32(lane, _mm256_set1_epi32((int)first));
        c[i][1] = _mm256_set1_epi32((int)(N_COUNTERS * chunk >> 32));
        c[i][2] = c[i][3] = _mm256_setzero_si256();
    }
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const __m256i keys[2] = {_mm256_set1_epi32((int)k0),
                                 _mm256_set1_epi32((int)k1)};
        for (int i = 0; i < 2; i++) {
            __m256i high[2], low[2];
            multiply(c[i][0], FM_PHILOX_FACTOR_0, &high[0], &low[0]);
            multiply(c[i][2], FM_PHILOX_FACTOR_1, &high[1], &low[1]);
            c[i][0] = _mm256_xor_si256(_mm256_xor_si256(high[1], c[i][1]), keys[0]);
            c[i][2] = _mm256_xor_si256(_mm256_xor_si256(high[0], c[i][3]), keys[1]);
            c[i][1] = low[1];
            c[i][3] = low[0];
        }
        k0 += FM_PHILOX_KEY_0;
        k1 += FM_PHILOX_KEY_1;
    }
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++)
            _mm256_storeu_si256((__m256i *)(out + 16 * j + 8 * i), c[i][j]);
}

fm_field_fn *fm_field_select(enum fm_cpu_level level)
{
    return level >= FM_CPU_AVX2 ? field_avx2 : field_any;
}

#else

fm_field_fn *fm_field_select(enum fm_cpu_level level)
{
    (void)level;
    return field_any;
}

#endif

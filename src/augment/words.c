/* Random words for every pixel, declared in words.h, by Philox4x32-10 (rng.h). */
#include "words.h"

/* Run the ten rounds on sixteen counters, in place; key (k0, k1). Word j of counter i
   is out[16 * j + i]. */
FM_INLINE void rounds(uint32_t k0, uint32_t k1, uint32_t out[FM_WORDS_CHUNK])
{
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < FM_WORDS_COUNTERS; i++)
            fm_rng_round(&out[i], &out[16 + i], &out[32 + i], &out[48 + i], k0, k1);
        k0 += FM_PHILOX_KEY_0;
        k1 += FM_PHILOX_KEY_1;
    }
}

#if FM_X86_LEVELS

/* Compute the high and low halves of eight products. */
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
FM_INLINE void rounds_avx2(uint32_t k0, uint32_t k1, uint32_t out[FM_WORDS_CHUNK])
{
    __m256i c[2][4]; /* two times eight counters */
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++)
            c[i][j] = _mm256_loadu_si256((const __m256i *)(out + 16 * j + 8 * i));
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

/* Each word of a counter takes 64 bits here. Multiplications ignore the upper half, so
   that no word has to be moved back into place between rounds. */
FM_TARGET_AVX512
FM_INLINE void rounds_avx512(uint32_t k0, uint32_t k1, uint32_t out[FM_WORDS_CHUNK])
{
    const __m512i factor_0 = _mm512_set1_epi64(FM_PHILOX_FACTOR_0);
    const __m512i factor_1 = _mm512_set1_epi64(FM_PHILOX_FACTOR_1);
    __m512i c[2][4]; /* two times eight counters */
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++)
            c[i][j] = _mm512_cvtepu32_epi64(
                _mm256_loadu_si256((const __m256i *)(out + 16 * j + 8 * i)));
    for (int round = 0; round < 10; round++) {
        const __m512i key_0 = _mm512_set1_epi64(k0), key_1 = _mm512_set1_epi64(k1);
        for (int i = 0; i < 2; i++) {
            __m512i p0 = _mm512_mul_epu32(c[i][0], factor_0);
            __m512i p1 = _mm512_mul_epu32(c[i][2], factor_1);
            c[i][0] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p1, 32), c[i][1],
                                                key_0, 0x96); /* a ^ b ^ c */
            c[i][2] = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p0, 32), c[i][3],
                                                key_1, 0x96);
            c[i][1] = p1;
            c[i][3] = p0;
        }
        k0 += FM_PHILOX_KEY_0;
        k1 += FM_PHILOX_KEY_1;
    }
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++)
            _mm256_storeu_si256((__m256i *)(out + 16 * j + 8 * i),
                                _mm512_cvtepi64_epi32(c[i][j]));
}

#endif

/* Set sixteen counters: their first two words count up from `first`. */
FM_INLINE void fill_counters(uint64_t first, uint32_t c2, uint32_t c3,
                             uint32_t out[FM_WORDS_CHUNK])
{
    for (uint32_t i = 0; i < FM_WORDS_COUNTERS; i++) {
        out[i] = (uint32_t)(first + i);
        out[16 + i] = (uint32_t)((first + i) >> 32);
        out[32 + i] = c2;
        out[48 + i] = c3;
    }
}

/* Define the bodies of both kernels from the ten rounds for one instruction set. */
#define BODIES(target, words, draws, rounds)                                          \
    target FM_INLINE void words(const uint32_t key[2], uint64_t chunk,                \
                                uint32_t out[FM_WORDS_CHUNK])                         \
    {                                                                                 \
        fill_counters(FM_WORDS_COUNTERS * chunk, 0, 0, out);                          \
        rounds(key[0], key[1], out);                                                  \
    }                                                                                 \
    target FM_INLINE void draws(uint64_t seed, uint32_t epoch, uint64_t position,     \
                                uint32_t operation, uint32_t draw,                    \
                                uint32_t out[FM_WORDS_CHUNK])                         \
    {                                                                                 \
        fill_counters(position, epoch, operation << 16 | draw, out);                  \
        rounds((uint32_t)seed, (uint32_t)(seed >> 32), out);                          \
    }

BODIES(, fill_words, fill_draws, rounds)
#if FM_X86_LEVELS
BODIES(FM_TARGET_AVX2, fill_words_avx2, fill_draws_avx2, rounds_avx2)
BODIES(FM_TARGET_AVX512, fill_words_avx512, fill_draws_avx512, rounds_avx512)
#endif

FM_LEVELS_OF(fill_words,
             (const uint32_t key[2], uint64_t chunk, uint32_t out[FM_WORDS_CHUNK]),
             (key, chunk, out), fill_words, fill_words_avx2, fill_words_avx512);

FM_LEVELS_OF(fill_draws,
             (uint64_t seed, uint32_t epoch, uint64_t position, uint32_t operation,
              uint32_t draw, uint32_t out[FM_WORDS_CHUNK]),
             (seed, epoch, position, operation, draw, out), fill_draws,
             fill_draws_avx2, fill_draws_avx512);

fm_words_fn *fm_words_select(enum fm_cpu_level level)
{
    return fill_words_levels[level];
}

fm_words_draws_fn *fm_words_draws_select(enum fm_cpu_level level)
{
    return fill_draws_levels[level];
}

/* Sums of pixels and of their squares; see stats.h. */
#include "stats.h"

/* 255**2 * 66051 < 2**32: so many squares fit a 32-bit sum, in which the compiler's
   vectors are twice as wide as in a 64-bit one. */
#define BLOCK 65536

FM_INLINE void stats_fill(const uint8_t *restrict pixels, size_t n,
                          uint64_t *restrict sum, uint64_t *restrict sum_of_squares)
{
    uint64_t sums = 0, squares = 0;
    for (size_t done = 0; done < n; done += BLOCK) {
        size_t count = n - done < BLOCK ? n - done : BLOCK;
        uint32_t block_sum = 0, block_squares = 0;
        for (size_t i = 0; i < count; i++) {
            uint32_t pixel = pixels[done + i];
            block_sum += pixel;
            block_squares += pixel * pixel;
        }
        sums += block_sum;
        squares += block_squares;
    }
    *sum = sums;
    *sum_of_squares = squares;
}

static void stats_baseline(const uint8_t *restrict pixels, size_t n,
                           uint64_t *restrict sum, uint64_t *restrict sum_of_squares)
{
    stats_fill(pixels, n, sum, sum_of_squares);
}

#if FM_X86_LEVELS

FM_TARGET_AVX2
static void stats_avx2(const uint8_t *restrict pixels, size_t n, uint64_t *restrict sum,
                       uint64_t *restrict sum_of_squares)
{
    stats_fill(pixels, n, sum, sum_of_squares);
}

FM_TARGET_AVX512
static void stats_avx512(const uint8_t *restrict pixels, size_t n,
                         uint64_t *restrict sum, uint64_t *restrict sum_of_squares)
{
    stats_fill(pixels, n, sum, sum_of_squares);
}

fm_stats_fn *fm_stats_select(enum fm_cpu_level level)
{
    if (level >= FM_CPU_AVX512)
        return stats_avx512;
    return level >= FM_CPU_AVX2 ? stats_avx2 : stats_baseline;
}

#else

fm_stats_fn *fm_stats_select(enum fm_cpu_level level)
{
    (void)level;
    return stats_baseline;
}

#endif

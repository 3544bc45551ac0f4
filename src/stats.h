/* Exact sums over pixels, from which mean and standard deviation follow. */
#ifndef FM_STATS_H
#define FM_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"

/* pixels: uint8 (n,); *sum and *sum_of_squares are set.
   In numpy: pixels.sum(dtype=uint64), (pixels.astype(uint64) ** 2).sum().
   Integers, so that no order of summation and no number of threads changes them.
   Not checked: n < 2**47, so that the squares fit. */
typedef void fm_stats_fn(const uint8_t *restrict pixels, size_t n,
                         uint64_t *restrict sum, uint64_t *restrict sum_of_squares);

fm_stats_fn *fm_stats_select(enum fm_cpu_level level);

#endif

/* Exact sums over pixels, which give the mean and the standard deviation. The sums are
   integers, so they depend neither on the order of summation nor on the threads. */
#ifndef FM_STATS_H
#define FM_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"

/* Sum pixels and their squares. pixels: uint8 (n,); sum, sum_of_squares: uint64.
   In numpy: pixels.sum(dtype=uint64), (pixels.astype(uint64) ** 2).sum().
   Not checked: n < 2**47, so that the sum of squares is below 2**63. */
typedef void fm_stats_fn(const uint8_t *restrict pixels, size_t n,
                         uint64_t *restrict sum, uint64_t *restrict sum_of_squares);

fm_stats_fn *fm_stats_select(enum fm_cpu_level level);

#endif

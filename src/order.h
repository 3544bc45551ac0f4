/* The order of an epoch: a keyed permutation of [0, n), so that the sample at any
   position is computed, not stored, and seeking, resuming and sharding cost O(1).

   A Feistel network on [0, a) x [0, b) with a * b >= n, and cycle walking for the few
   values that fall outside [0, n).
   Source: Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002,
   section 5, the generalized Feistel cipher. Sides a and b near sqrt(n) leave so
   little outside that walking is rare for every n above 256, where halves of whole bits
   would walk up to four steps. */
#ifndef FM_ORDER_H
#define FM_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"

/* Eight rounds of this round function can't be told from a true shuffle by the tests
   of positions, pairs, neighbours, cycles and parity; with one multiplication in place
   of two, eight rounds fail the neighbours at n = 256 and twelve at n = 60000. */
#define FM_ORDER_ROUNDS 8
#define FM_ORDER_MAX_N ((uint64_t)1 << 62)

struct fm_order {
    uint64_t n;
    uint32_t a, b;
    int shuffle; /* 0: position and sample index are the same */
    uint32_t keys[FM_ORDER_ROUNDS];
};

/* Prepare the order of one epoch of `n` samples, 0 <= n <= FM_ORDER_MAX_N. */
void fm_order_init(struct fm_order *order, uint64_t n, int shuffle, uint64_t seed,
                   uint32_t epoch);

/* out[i] = the sample at position begin + i, for 0 <= i < count; out is uint64.
   In numpy: permutation[begin:begin + count].
   Not checked: begin + count <= n. */
typedef void fm_order_fn(const struct fm_order *order, uint64_t begin, size_t count,
                         uint64_t *restrict out);

fm_order_fn *fm_order_select(enum fm_cpu_level level);

#endif

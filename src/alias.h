/* Weighted draws in constant time: a table with a cell for each index. A draw chooses a
   cell, and then its own index or the one other index that shares the cell. All numbers
   are integers, so that every machine makes the same table and the same draws.
   Sources: A. J. Walker, "An efficient method for generating discrete random variables
   with general distributions", ACM TOMS 3, 1977; M. D. Vose, "A linear algorithm for
   generating random numbers with a given distribution", IEEE TSE 17, 1991. */
#ifndef FM_ALIAS_H
#define FM_ALIAS_H

#include <stddef.h>
#include <stdint.h>

#include "integer.h"

/* Cell i has the index i for draws below the threshold, and `other` from there on. */
struct fm_alias_cell {
    uint64_t threshold; /* at most the capacity */
    uint64_t other;
};

/* Make the table. weights: uint64 (n,), whose sum is `capacity`, the size of each cell;
   work: uint64 (n,); cells: (n,). Index i gets n * weights[i] of the n * capacity
   possible draws, so that a weight of 0 gets none.
   In numpy: tests/reference_sampler.py, alias_table.
   Not checked: n > 0; 0 < capacity; n * weights[i] < 2**63. */
void fm_alias_init(const uint64_t *restrict weights, uint64_t n, uint64_t capacity,
                   uint64_t *restrict work, struct fm_alias_cell *restrict cells);

/* Return the index that the random words give. */
static inline uint64_t fm_alias_at(const struct fm_alias_cell *cells, uint64_t n,
                                   uint64_t capacity, uint32_t word0, uint32_t word1,
                                   uint32_t word2, uint32_t word3)
{
    const uint64_t i = fm_integer_high(word0 | (uint64_t)word1 << 32, n);
    const uint64_t draw = fm_integer_high(word2 | (uint64_t)word3 << 32, capacity);
    /* Both are read, because a branch would be mispredicted half of the time. */
    const uint64_t is_own = (uint64_t)0 - (draw < cells[i].threshold);
    return (i & is_own) | (cells[i].other & ~is_own);
}

#endif

/* The order of an epoch: a keyed permutation of [0, n), or of blocks. The row at any
   position is computed, not stored, so that seeking, resuming and sharding cost O(1).
   Source: see permutation.h. */
#ifndef FM_ORDER_H
#define FM_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "permutation.h"

#define FM_ORDER_MAX_N ((uint64_t)1 << 62)

/* Blocks in a block group, whose rows are shuffled together. 64 blocks of 1024 images
   of 784 bytes are 51 MB, which fit into any memory. 64 is also small enough that the
   table of the blocks' places stays in the L1 cache. */
#define FM_ORDER_WINDOW_BLOCKS 64

/* The order of one epoch. With `block`, it suits files that are read better in long
   runs: 1. All rows form a circle. It is cut into blocks from a random row on, and the
   last block may be short. 2. The blocks are shuffled and laid end to end, which gives
   each row a place. 3. The places are divided evenly into block groups of at most
   FM_ORDER_WINDOW_BLOCKS blocks (a `window` in the names below), and shuffled inside
   each group. Every epoch draws all of this again, so that every row is equally likely
   at every position, and any two rows can meet in a batch. */
struct fm_order {
    uint64_t n;
    int shuffle; /* 0: position and row are the same */
    struct fm_permutation whole; /* of the rows, or of the blocks of full length */
    uint64_t block;              /* rows in a block; 0: no blocks, the rest is unused */
    uint64_t n_windows;          /* number of block groups */
    uint64_t cut;                /* the row that the first block starts with */
    uint64_t short_slot;         /* number of blocks that come before the short one */
    uint64_t seed;
    uint32_t epoch;
};

/* Prepare the order of one epoch of `n` rows. A `block` above 0 requires `shuffle`.
   Not checked: n <= FM_ORDER_MAX_N, block <= FM_ORDER_MAX_BLOCK. */
#define FM_ORDER_MAX_BLOCK ((uint64_t)1 << 40)
void fm_order_init(struct fm_order *order, uint64_t n, int shuffle, uint64_t block,
                   uint64_t seed, uint32_t epoch);

/* Set out[i] to the row at position begin + i. out: uint64 (count,).
   In numpy: permutation[begin:begin + count].
   Not checked: begin + count <= n. */
typedef void fm_order_fn(const struct fm_order *order, uint64_t begin, size_t count,
                         uint64_t *restrict out);

fm_order_fn *fm_order_select(enum fm_cpu_level level);

/* Return the first position of block group `window`.
   Not checked: block > 0, n > 0, window <= n_windows. */
uint64_t fm_order_window_begin(const struct fm_order *order, uint64_t window);

/* Return the number of the block group that has `position`.
   Not checked: block > 0, position < n. */
uint64_t fm_order_window_at(const struct fm_order *order, uint64_t position);

/* The rows [begin, end) of the dataset. */
struct fm_run {
    uint64_t begin, end;
};

/* Write the rows of block group `window` to `out` as runs, and return the number of
   runs. They are at most 4 more than the blocks of a group: the group may begin and end
   inside a block, one block may be short, and one may wrap around the circle.
   Not checked: block > 0, window < n_windows. */
#define FM_ORDER_MAX_RUNS (FM_ORDER_WINDOW_BLOCKS + 4)
size_t fm_order_runs(const struct fm_order *order, uint64_t window,
                     struct fm_run out[FM_ORDER_MAX_RUNS]);

#endif

/* The order of an epoch: a keyed permutation of [0, n), so that the sample at any
   position is computed, not stored, and seeking, resuming and sharding cost O(1). */
#ifndef FM_ORDER_H
#define FM_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "permutation.h"

#define FM_ORDER_MAX_N ((uint64_t)1 << 62)

/* Blocks whose samples are shuffled among themselves: of 1024 images of 784 bytes they
   are 51 MB, which fit any memory, and few enough to look their places up in L1. */
#define FM_ORDER_WINDOW_BLOCKS 64

/* With `block`, an order for files that are read better in long runs. The samples stand
   in a circle that is cut into blocks at a random place, the last of which may be short.
   The blocks are shuffled, which gives each sample a place; the places are divided
   evenly into windows of at most FM_ORDER_WINDOW_BLOCKS blocks, and shuffled inside
   each. As everything is drawn anew in every epoch, every sample is as likely at every
   position, and any two may meet. */
struct fm_order {
    uint64_t n;
    int shuffle; /* 0: position and sample index are the same */
    struct fm_permutation whole; /* of the samples; or of the whole blocks */
    uint64_t block;              /* samples of a block; 0: no blocks. What follows ... */
    uint64_t n_windows;          /* ... is for blocks alone */
    uint64_t cut;                /* the sample that the first block starts with */
    uint64_t short_slot;         /* whole blocks that the short one comes behind */
    uint64_t seed;
    uint32_t epoch;
};

/* Prepare the order of one epoch of `n` samples, 0 <= n <= FM_ORDER_MAX_N. `block`
   goes with `shuffle`, and is at most FM_ORDER_MAX_BLOCK. */
#define FM_ORDER_MAX_BLOCK ((uint64_t)1 << 40)
void fm_order_init(struct fm_order *order, uint64_t n, int shuffle, uint64_t block,
                   uint64_t seed, uint32_t epoch);

/* out[i] = the sample at position begin + i, for 0 <= i < count; out is uint64.
   In numpy: permutation[begin:begin + count].
   Not checked: begin + count <= n. */
typedef void fm_order_fn(const struct fm_order *order, uint64_t begin, size_t count,
                         uint64_t *restrict out);

fm_order_fn *fm_order_select(enum fm_cpu_level level);

/* The first position of a window, for window <= n_windows; and the window that has a
   position. Not checked: block > 0. */
uint64_t fm_order_window_begin(const struct fm_order *order, uint64_t window);
uint64_t fm_order_window_at(const struct fm_order *order, uint64_t position);

/* Samples [begin, end). */
struct fm_run {
    uint64_t begin, end;
};

/* Which samples a window has, as runs of which at most FM_ORDER_MAX_RUNS are written to
   `out`; returns their number. A window may begin and end inside a block, one block is
   short, and one goes around the circle. Not checked: window < n_windows. */
#define FM_ORDER_MAX_RUNS (FM_ORDER_WINDOW_BLOCKS + 4)
size_t fm_order_runs(const struct fm_order *order, uint64_t window,
                     struct fm_run out[FM_ORDER_MAX_RUNS]);

#endif

/* The order of an epoch in which blocks of samples stay together, for files that are
   read better in long runs:
   1. All indices form a circle. It is cut into blocks from a random index on, and the
      last block may be short.
   2. The blocks are shuffled and laid end to end, which gives each index a place.
   3. The places are divided evenly into groups of at most FM_BLOCKS_IN_GROUP blocks,
      and shuffled inside each group.
   Every epoch draws all of this again, so that every index is equally likely at every
   position, and any two samples can meet in a batch. Nothing is stored for an index. */
#ifndef FM_BLOCKS_H
#define FM_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "permutation.h"

/* Blocks in a group. 64 blocks of 1024 images of 784 bytes are 51 MB, which fit into
   any memory. 64 is also small enough that the table of the blocks' places stays in the
   L1 cache. */
#define FM_BLOCKS_IN_GROUP 64

#define FM_BLOCKS_MAX_SIZE ((uint64_t)1 << 40)

struct fm_blocks {
    uint64_t n;
    uint64_t size;        /* indices in a block */
    uint64_t n_groups;
    uint64_t cut;         /* the index that the first block starts with */
    uint64_t short_place; /* number of blocks that come before the short one */
    struct fm_permutation whole; /* of the blocks of full length */
    uint64_t seed;
    uint32_t epoch;
};

/* Prepare the order of one epoch of the indices [0, n) in blocks of `size`.
   Not checked: n <= 2**62, 0 < size <= FM_BLOCKS_MAX_SIZE. */
void fm_blocks_init(struct fm_blocks *blocks, uint64_t n, uint64_t size, uint64_t seed,
                    uint32_t epoch);

/* Set out[i] to the index at position begin + i. out: uint64 (count,).
   In numpy: order[begin:begin + count]; see in_blocks in tests/reference_sampler.py.
   Not checked: begin + count <= n. */
void fm_blocks_find(const struct fm_blocks *blocks, uint64_t begin, size_t count,
                    enum fm_cpu_level level, uint64_t *restrict out);

/* Return the first position of a group.
   Not checked: n > 0, group <= n_groups. */
uint64_t fm_blocks_group_begin(const struct fm_blocks *blocks, uint64_t group);

/* Return the number of the group that has `position`.
   Not checked: position < n. */
uint64_t fm_blocks_group_at(const struct fm_blocks *blocks, uint64_t position);

/* The indices [begin, end). */
struct fm_run {
    uint64_t begin, end;
};

/* Write the indices of a group to `out` as runs, and return the number of runs. They
   are at most 4 more than the blocks of a group: the group may begin and end inside a
   block, one block may be short, and one may wrap around the circle.
   Not checked: group < n_groups. */
#define FM_BLOCKS_MAX_RUNS (FM_BLOCKS_IN_GROUP + 4)
size_t fm_blocks_runs(const struct fm_blocks *blocks, uint64_t group,
                      struct fm_run out[FM_BLOCKS_MAX_RUNS]);

#endif

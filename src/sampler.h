/* The sampler: the index at each position of an epoch. Indices are computed, not
   stored, so that seeking, resuming and sharding cost O(1). */
#ifndef FM_SAMPLER_H
#define FM_SAMPLER_H

#include "blocks.h"

#define FM_SAMPLER_MAX_N ((uint64_t)1 << 62)

enum fm_sampler_kind {
    FM_SAMPLER_PLAIN = 0,    /* position and index are the same */
    FM_SAMPLER_PERMUTED = 1, /* a keyed permutation; see permutation.h */
    FM_SAMPLER_BLOCKS = 2,   /* a permutation in blocks; see blocks.h */
};

/* The sampler of one epoch. Its positions are [0, n_positions). */
struct fm_sampler {
    enum fm_sampler_kind kind;
    uint64_t n_positions;
    struct fm_permutation permutation; /* if PERMUTED */
    struct fm_blocks blocks;           /* if BLOCKS */
};

/* The values that all rows of an epoch share. */
struct fm_epoch {
    struct fm_sampler sampler;
    uint64_t seed;
    uint32_t number;
};

/* Prepare the sampler of one epoch of the indices [0, n). Each of the kinds above has
   every index once, so that n_positions is n, too. `block` is the size of a block.
   Not checked: n <= FM_SAMPLER_MAX_N, 0 < block <= FM_BLOCKS_MAX_SIZE if BLOCKS. */
void fm_sampler_init(struct fm_sampler *sampler, enum fm_sampler_kind kind, uint64_t n,
                     uint64_t block, uint64_t seed, uint32_t epoch);

/* Prepare a sampler as fm_sampler_init does, of a kind without blocks. */
static inline void fm_sampler_init_unblocked(struct fm_sampler *sampler,
                                             enum fm_sampler_kind kind, uint64_t n,
                                             uint64_t seed, uint32_t epoch)
{
    sampler->kind = kind;
    sampler->n_positions = n;
    if (kind == FM_SAMPLER_PERMUTED)
        fm_permutation_init(&sampler->permutation, n, seed, epoch, 0);
}

/* Set out[i] to the index at position begin + i. After the last position, the epoch
   starts over. out: uint64 (count,).
   In numpy: order[arange(begin, begin + count) % n_positions].
   Not checked: n_positions > 0 if count > 0. */
void fm_sampler_find(const struct fm_sampler *sampler, uint64_t begin, size_t count,
                     enum fm_cpu_level level, uint64_t *restrict out);

/* Return the index at `position`. After the last position, the epoch starts over.
   In numpy: order[position % n_positions].
   Not checked: kind is not FM_SAMPLER_BLOCKS; n_positions > 0. */
static inline uint64_t fm_sampler_at(const struct fm_sampler *sampler,
                                     uint64_t position)
{
    const uint64_t n = sampler->n_positions;
    const uint64_t first = position < n ? position : position % n;
    if (sampler->kind == FM_SAMPLER_PLAIN)
        return first;
    return fm_permutation_at(&sampler->permutation, first);
}

#endif

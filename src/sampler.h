/* The sampler: the index at each position of an epoch. Indices are computed, or looked
   up in a table that all epochs share, so that seeking, resuming and sharding cost
   O(1). */
#ifndef FM_SAMPLER_H
#define FM_SAMPLER_H

#include "alias.h"
#include "blocks.h"

#define FM_SAMPLER_MAX_N ((uint64_t)1 << 62)

/* Weighted draws have this number, and other orders have smaller ones (rng.h). */
#define FM_SAMPLER_WEIGHTED_DRAW 0xFFFF

enum fm_sampler_kind {
    FM_SAMPLER_PLAIN = 0,    /* position and index are the same */
    FM_SAMPLER_PERMUTED = 1, /* a keyed permutation; see permutation.h */
    FM_SAMPLER_BLOCKS = 2,   /* a permutation in blocks; see blocks.h */
    FM_SAMPLER_LISTED = 3,   /* the indices of a list */
    FM_SAMPLER_WEIGHTED = 4  /* draws with replacement; see alias.h */
};

/* The values that the samplers of all epochs share. */
struct fm_sampling {
    enum fm_sampler_kind kind;
    uint64_t n;         /* indices of an epoch, before they are repeated */
    uint64_t n_repeats; /* consecutive positions with the same index, at least 1 */
    uint64_t block;     /* if BLOCKS: indices in a block */
    const void *table;  /* if LISTED: uint64, with the indices of epoch e from item
                           (e - list_epoch) * list_stride on; if WEIGHTED: struct
                           fm_alias_cell (n,) */
    uint64_t list_epoch, list_stride; /* 0 and 0 if all epochs have the same indices */
    uint64_t capacity; /* if WEIGHTED: the size of a cell */
};

/* The sampler of one epoch. Its positions are [0, n_positions). */
struct fm_sampler {
    struct fm_sampling sampling;
    uint64_t n_positions;
    uint64_t seed;
    uint32_t epoch;
    struct fm_permutation permutation; /* if PERMUTED */
    struct fm_blocks blocks;           /* if BLOCKS */
};

/* Prepare the sampler of one epoch.
   Not checked: n * n_repeats <= FM_SAMPLER_MAX_N; 0 < block <= FM_BLOCKS_MAX_SIZE if
   BLOCKS; the table has the epoch. */
void fm_sampler_init(struct fm_sampler *sampler, const struct fm_sampling *sampling,
                     uint64_t seed, uint32_t epoch);

/* Prepare a sampler as fm_sampler_init does, without blocks, as on a device. */
static inline void fm_sampler_init_unblocked(struct fm_sampler *sampler,
                                             const struct fm_sampling *sampling,
                                             uint64_t seed, uint32_t epoch)
{
    sampler->sampling = *sampling;
    sampler->n_positions = sampling->n * sampling->n_repeats;
    sampler->seed = seed;
    sampler->epoch = epoch;
    if (sampling->kind == FM_SAMPLER_PERMUTED)
        fm_permutation_init(&sampler->permutation, sampling->n, seed, epoch, 0);
}

/* Set out[i] to the index at position begin + i. After the last position, the epoch
   starts over. out: uint64 (count,).
   In numpy: order[arange(begin, begin + count) % n_positions].
   Not checked: n_positions > 0 if count > 0. */
void fm_sampler_find(const struct fm_sampler *sampler, uint64_t begin, size_t count,
                     enum fm_cpu_level level, uint64_t *restrict out);

/* Return the indices of a listed sampler. */
static inline const uint64_t *fm_sampler_list(const struct fm_sampler *sampler)
{
    const struct fm_sampling *sampling = &sampler->sampling;
    return (const uint64_t *)sampling->table +
           (sampler->epoch - sampling->list_epoch) * sampling->list_stride;
}

/* Return the index at `position`. After the last position, the epoch starts over.
   In numpy: order[position % n_positions].
   Not checked: kind is not FM_SAMPLER_BLOCKS; n_positions > 0. */
static inline uint64_t fm_sampler_at(const struct fm_sampler *sampler,
                                     uint64_t position)
{
    const struct fm_sampling *sampling = &sampler->sampling;
    const uint64_t n = sampler->n_positions;
    const uint64_t first = position < n ? position : position % n;
    const uint64_t i =
        sampling->n_repeats == 1 ? first : first / sampling->n_repeats;
    uint32_t words[4];
    switch (sampling->kind) {
    case FM_SAMPLER_PERMUTED:
        return fm_permutation_at(&sampler->permutation, i);
    case FM_SAMPLER_LISTED:
        return fm_sampler_list(sampler)[i];
    case FM_SAMPLER_WEIGHTED:
        fm_rng_draw(sampler->seed, sampler->epoch, i, FM_DRAW_ORDER,
                    FM_SAMPLER_WEIGHTED_DRAW, words);
        return fm_alias_at((const struct fm_alias_cell *)sampling->table, sampling->n,
                           sampling->capacity, words[0], words[1], words[2], words[3]);
    case FM_SAMPLER_PLAIN:
    case FM_SAMPLER_BLOCKS:
        break;
    }
    return i;
}

#endif

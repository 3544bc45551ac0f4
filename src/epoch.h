/* The values that all rows of an epoch share, and the epochs that follow it where
   batches go on over its end. */
#ifndef FM_EPOCH_H
#define FM_EPOCH_H

#include "batching.h"
#include "sampler.h"

struct fm_epoch {
    struct fm_sampler sampler;
    uint64_t seed; /* of the transforms */
    uint32_t number;
};

/* Return the number of epochs from the first one to the one that has *position, and
   make *position the position there. Without FM_LAST_NEXT, return 0.
   Not checked: n_positions > 0. */
static inline uint64_t fm_epoch_find(const struct fm_epoch *first, enum fm_last last,
                                     uint64_t *position)
{
    const uint64_t n = first->sampler.n_positions;
    if (last != FM_LAST_NEXT || *position < n)
        return 0;
    const uint64_t n_later = *position / n;
    *position %= n;
    return n_later;
}

/* Return an epoch that comes `n_later` epochs after the first one, of a kind without
   blocks. It is the first one, or is written to *out. */
static inline const struct fm_epoch *
fm_epoch_later_unblocked(const struct fm_epoch *first, uint64_t n_later,
                         struct fm_epoch *out)
{
    const struct fm_sampler *sampler = &first->sampler;
    if (n_later == 0)
        return first;
    out->seed = first->seed;
    out->number = first->number + (uint32_t)n_later;
    fm_sampler_init_unblocked(&out->sampler, &sampler->sampling, sampler->seed,
                              out->number);
    return out;
}

#endif

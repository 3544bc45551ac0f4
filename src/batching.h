/* How an epoch is divided into batches, and these among ranks. A global batch is
   `batch_size * world` consecutive positions of the epoch; rank r gets its r-th
   shard. */
#ifndef FM_BATCHING_H
#define FM_BATCHING_H

#include <stdint.h>

#include "integer.h"

/* How the last global batch of an epoch is treated if it is short. */
enum fm_last {
    FM_LAST_SHORT = 0, /* it stays short: shards differ by at most one row, and a rank
                          whose shard would be empty has one batch less */
    FM_LAST_DROP = 1,  /* it is left out */
    FM_LAST_WRAP = 2,  /* it is filled up with positions from `end` on, where the
                          sampler starts over */
    FM_LAST_NEXT = 3   /* batches go on with the positions of the next epoch, up to
                          `end`, which no batch crosses */
};

/* The batches of one rank. */
struct fm_batching {
    uint64_t begin, end; /* positions, from 0 at the start of the epoch; end <= 2**62 */
    uint64_t batch_size; /* at least 1; batch_size * world < 2**63 */
    uint64_t rank, world;
    enum fm_last last;
};

/* Return the number of batches of this rank. */
static inline uint64_t fm_batching_count(const struct fm_batching *batching)
{
    uint64_t n = batching->end - batching->begin;
    uint64_t stride = batching->batch_size * batching->world;
    uint64_t rest = n % stride;
    switch (batching->last) {
    case FM_LAST_SHORT:
        return n / stride + (rest > batching->rank);
    case FM_LAST_DROP:
    case FM_LAST_NEXT:
        return n / stride;
    case FM_LAST_WRAP:
        return n / stride + (rest > 0);
    }
    return 0;
}

/* Get the positions [*begin, *begin + *n_rows) of the global batch number `batch`.
   Not checked: batch < fm_batching_count(batching). */
static inline void fm_batching_global(const struct fm_batching *batching,
                                      uint64_t batch, uint64_t *begin, uint64_t *n_rows)
{
    uint64_t stride = batching->batch_size * batching->world;
    *begin = batching->begin + batch * stride;
    *n_rows = stride;
    if (batching->last == FM_LAST_SHORT || batching->last == FM_LAST_DROP)
        *n_rows = fm_integer_min(stride, batching->end - *begin);
}

/* Return where the shard of `rank` begins among `n` rows. The first n % world shards
   have one row more. */
static inline uint64_t fm_batching_shard_begin(uint64_t n, uint64_t rank,
                                               uint64_t world)
{
    return n / world * rank + fm_integer_min(n % world, rank);
}

/* Get the positions of this rank's batch number `batch`.
   Not checked: batch < fm_batching_count(batching). */
static inline void fm_batching_rows(const struct fm_batching *batching, uint64_t batch,
                                    uint64_t *begin, uint64_t *n_rows)
{
    uint64_t rank = batching->rank, world = batching->world, first, n;
    fm_batching_global(batching, batch, &first, &n);
    *begin = first + fm_batching_shard_begin(n, rank, world);
    *n_rows = first + fm_batching_shard_begin(n, rank + 1, world) - *begin;
}

#endif

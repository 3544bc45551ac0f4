/* How an epoch is divided into batches, and these among ranks. A global batch is
   `batch_size * world` consecutive positions of the epoch; rank r gets its r-th
   shard. */
#ifndef FM_BATCHING_H
#define FM_BATCHING_H

#include <stdint.h>

/* How the last global batch of an epoch is treated if it is short. */
enum fm_last {
    FM_LAST_SHORT = 0, /* it stays short: shards differ by at most one row, and a rank
                          whose shard would be empty has one batch less */
    FM_LAST_DROP = 1,  /* it is left out */
    FM_LAST_WRAP = 2   /* it is filled up with positions from `end` on, where the
                          sampler starts over */
};

/* The batches of one rank. */
struct fm_batching {
    uint64_t begin, end; /* positions of the epoch, end <= FM_SAMPLER_MAX_N */
    uint64_t batch_size; /* at least 1; batch_size * world < 2**63 */
    uint64_t rank, world;
    enum fm_last last;
};

/* Return the number of batches of this rank. */
uint64_t fm_batching_count(const struct fm_batching *batching);

/* Get the positions [*begin, *begin + *n_rows) of this rank's batch number `batch`.
   Not checked: batch < fm_batching_count(batching). */
void fm_batching_rows(const struct fm_batching *batching, uint64_t batch,
                      uint64_t *begin, uint64_t *n_rows);

/* Get the positions of the whole global batch number `batch`.
   Not checked: batch < fm_batching_count(batching). */
void fm_batching_global(const struct fm_batching *batching, uint64_t batch,
                        uint64_t *begin, uint64_t *n_rows);

#endif

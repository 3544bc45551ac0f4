/* The positions of every batch of a rank; see batching.h. */
#include "batching.h"

#include "integer.h"

/* Return where the shard of `rank` begins among `n` rows. The first n % world shards
   have one row more. */
static uint64_t shard_begin(uint64_t n, uint64_t rank, uint64_t world)
{
    return n / world * rank + fm_integer_min(n % world, rank);
}

uint64_t fm_batching_count(const struct fm_batching *batching)
{
    uint64_t n = batching->end - batching->begin;
    uint64_t stride = batching->batch_size * batching->world;
    uint64_t rest = n % stride;
    switch (batching->last) {
    case FM_LAST_SHORT:
        return n / stride + (rest > batching->rank);
    case FM_LAST_DROP:
        return n / stride;
    case FM_LAST_WRAP:
        return n / stride + (rest > 0);
    }
    return 0;
}

void fm_batching_rows(const struct fm_batching *batching, uint64_t batch,
                      uint64_t *begin, uint64_t *n_rows)
{
    uint64_t rank = batching->rank, world = batching->world, first, n;
    fm_batching_global(batching, batch, &first, &n);
    *begin = first + shard_begin(n, rank, world);
    *n_rows = first + shard_begin(n, rank + 1, world) - *begin;
}

void fm_batching_global(const struct fm_batching *batching, uint64_t batch,
                        uint64_t *begin, uint64_t *n_rows)
{
    uint64_t stride = batching->batch_size * batching->world;
    *begin = batching->begin + batch * stride;
    *n_rows = stride;
    if (batching->last != FM_LAST_WRAP)
        *n_rows = fm_integer_min(stride, batching->end - *begin);
}

/* The index at each position of an epoch; see sampler.h. */
#include "sampler.h"

#include "integer.h"

void fm_sampler_init(struct fm_sampler *sampler, enum fm_sampler_kind kind, uint64_t n,
                     uint64_t block, uint64_t seed, uint32_t epoch)
{
    fm_sampler_init_unblocked(sampler, kind, n, seed, epoch);
    if (kind == FM_SAMPLER_BLOCKS)
        fm_blocks_init(&sampler->blocks, n, block, seed, epoch);
}

FM_INLINE void count_up(uint64_t begin, size_t count, uint64_t *restrict out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = begin + i;
}

FM_LEVELS(count_up, (uint64_t begin, size_t count, uint64_t *restrict out),
          (begin, count, out));

FM_INLINE void permute(const struct fm_permutation *permutation, uint64_t begin,
                       size_t count, uint64_t *restrict out)
{
    for (size_t done = 0; done < count; done += FM_PERMUTATION_BLOCK)
        fm_permutation_fill(permutation, begin + done,
                            fm_permutation_at_once(count - done), out + done);
}

FM_LEVELS(permute,
          (const struct fm_permutation *permutation, uint64_t begin, size_t count,
           uint64_t *restrict out),
          (permutation, begin, count, out));

void fm_sampler_find(const struct fm_sampler *sampler, uint64_t begin, size_t count,
                     enum fm_cpu_level level, uint64_t *restrict out)
{
    const uint64_t n = sampler->n_positions;
    while (count > 0) {
        const uint64_t first = begin < n ? begin : begin % n;
        const size_t run = (size_t)fm_integer_min(count, n - first);
        switch (sampler->kind) {
        case FM_SAMPLER_PLAIN:
            count_up_levels[level](first, run, out);
            break;
        case FM_SAMPLER_PERMUTED:
            permute_levels[level](&sampler->permutation, first, run, out);
            break;
        case FM_SAMPLER_BLOCKS:
            fm_blocks_find(&sampler->blocks, first, run, level, out);
            break;
        }
        begin += run;
        out += run;
        count -= run;
    }
}

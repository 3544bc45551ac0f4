/* The index at each position of an epoch; see sampler.h. */
#include "sampler.h"

#include <string.h>

#include "augment/words.h"
#include "integer.h"

void fm_sampler_init(struct fm_sampler *sampler, const struct fm_sampling *sampling,
                     uint64_t seed, uint32_t epoch)
{
    fm_sampler_init_unblocked(sampler, sampling, seed, epoch);
    if (sampling->kind == FM_SAMPLER_BLOCKS)
        fm_blocks_init(&sampler->blocks, sampling->n, sampling->block, seed, epoch);
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

/* Make the draws of sixteen positions at once. */
static void draw_weighted(const struct fm_sampler *sampler, uint64_t begin,
                          size_t count, enum fm_cpu_level level, uint64_t *restrict out)
{
    const struct fm_sampling *sampling = &sampler->sampling;
    const struct fm_alias_cell *cells = (const struct fm_alias_cell *)sampling->table;
    fm_words_draws_fn *const draws = fm_words_draws_select(level);
    uint32_t words[4][FM_WORDS_LANES];
    for (size_t done = 0; done < count; done += FM_WORDS_LANES) {
        const size_t n = (size_t)fm_integer_min(count - done, FM_WORDS_LANES);
        draws(sampler->seed, sampler->epoch, begin + done, FM_DRAW_ORDER,
              FM_SAMPLER_WEIGHTED_DRAW, words[0]);
        for (size_t i = 0; i < n; i++)
            out[done + i] =
                fm_alias_at(cells, sampling->n, sampling->capacity, words[0][i],
                            words[1][i], words[2][i], words[3][i]);
    }
}

/* Find the indices of positions [begin, begin + count) of an epoch without repeats. */
static void find(const struct fm_sampler *sampler, uint64_t begin, size_t count,
                 enum fm_cpu_level level, uint64_t *restrict out)
{
    switch (sampler->sampling.kind) {
    case FM_SAMPLER_PLAIN:
        count_up_levels[level](begin, count, out);
        break;
    case FM_SAMPLER_PERMUTED:
        permute_levels[level](&sampler->permutation, begin, count, out);
        break;
    case FM_SAMPLER_BLOCKS:
        fm_blocks_find(&sampler->blocks, begin, count, level, out);
        break;
    case FM_SAMPLER_LISTED:
        memcpy(out, fm_sampler_list(sampler) + begin, count * sizeof *out);
        break;
    case FM_SAMPLER_WEIGHTED:
        draw_weighted(sampler, begin, count, level, out);
        break;
    }
}

void fm_sampler_find(const struct fm_sampler *sampler, uint64_t begin, size_t count,
                     enum fm_cpu_level level, uint64_t *restrict out)
{
    const uint64_t n = sampler->n_positions, k = sampler->sampling.n_repeats;
    while (count > 0) {
        const uint64_t first = begin < n ? begin : begin % n;
        const size_t run = (size_t)fm_integer_min(count, n - first);
        if (k == 1) {
            find(sampler, first, run, level, out);
        } else {
            const size_t skipped = (size_t)(first % k);
            find(sampler, first / k, (size_t)((skipped + run - 1) / k + 1), level, out);
            for (size_t i = run; i-- > 0;) /* an index moves up, or stays */
                out[i] = out[(skipped + i) / k];
        }
        begin += run;
        out += run;
        count -= run;
    }
}

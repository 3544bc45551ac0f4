/* The order of an epoch in blocks, declared in blocks.h. permutation.h names the source
   of the permutations. */
#include "blocks.h"

void fm_blocks_init(struct fm_blocks *blocks, uint64_t n, uint64_t size, uint64_t seed,
                    uint32_t epoch)
{
    const uint64_t group_size = size * FM_BLOCKS_IN_GROUP, n_whole = n / size;
    uint32_t words[4];
    fm_permutation_init(&blocks->whole, n_whole, seed, epoch, 0);
    fm_rng_draw(seed, epoch, 0, FM_DRAW_ORDER, FM_PERMUTATION_ROUNDS / 4, words);
    blocks->n = n;
    blocks->size = size;
    blocks->n_groups = n / group_size + (n % group_size > 0);
    blocks->cut = n ? (words[0] | (uint64_t)words[1] << 32) % n : 0;
    blocks->short_place = n_whole;
    if (n % size)
        blocks->short_place = (words[2] | (uint64_t)words[3] << 32) % (n_whole + 1);
    blocks->seed = seed;
    blocks->epoch = epoch;
}

uint64_t fm_blocks_group_begin(const struct fm_blocks *blocks, uint64_t group)
{
    const uint64_t rest = blocks->n % blocks->n_groups;
    return blocks->n / blocks->n_groups * group + fm_integer_min(group, rest);
}

uint64_t fm_blocks_group_at(const struct fm_blocks *blocks, uint64_t position)
{
    const uint64_t n_each = blocks->n / blocks->n_groups;
    const uint64_t rest = blocks->n % blocks->n_groups; /* groups with one more */
    if (position < rest * (n_each + 1))
        return position / (n_each + 1);
    return rest + (position - rest * (n_each + 1)) / n_each;
}

/* ---- places --------------------------------------------------------------------- */

/* Block number b of the shuffled sequence has the places [block_begin(b),
   block_begin(b + 1)). */
FM_INLINE uint64_t block_begin(const struct fm_blocks *blocks, uint64_t block)
{
    if (block <= blocks->short_place)
        return block * blocks->size;
    return (block - 1) * blocks->size + blocks->n % blocks->size;
}

FM_INLINE uint64_t block_at(const struct fm_blocks *blocks, uint64_t place)
{
    const uint64_t n_short = blocks->n % blocks->size;
    const uint64_t begin = blocks->short_place * blocks->size;
    if (place < begin)
        return place / blocks->size;
    if (place < begin + n_short)
        return blocks->short_place;
    return (place - n_short) / blocks->size + (n_short > 0);
}

/* One group: its places [begin, end), and its blocks, from number `first` of the
   shuffled sequence on. The index at `place`, in block first + i, is
   (place + shifts[i]) % n. */
struct group {
    uint64_t begin, end, first;
    size_t n_blocks;
    uint64_t shifts[FM_BLOCKS_MAX_RUNS];
};

FM_INLINE void group_init(const struct fm_blocks *blocks, uint64_t number,
                          struct group *group)
{
    uint64_t shuffled[FM_BLOCKS_MAX_RUNS];
    group->begin = fm_blocks_group_begin(blocks, number);
    group->end = fm_blocks_group_begin(blocks, number + 1);
    group->first = block_at(blocks, group->begin);
    group->n_blocks = (size_t)(block_at(blocks, group->end - 1) - group->first + 1);
    /* blocks->whole numbers the blocks without the short one, so subtract it if it
       comes earlier. */
    const uint64_t begin = group->first - (group->first > blocks->short_place);
    const uint64_t n_whole = fm_integer_min(group->n_blocks, blocks->whole.n - begin);
    fm_permutation_fill(&blocks->whole, begin, (size_t)n_whole, shuffled);
    for (size_t i = 0, whole = 0; i < group->n_blocks; i++) {
        const uint64_t number_of = group->first + i;
        const int is_short = number_of == blocks->short_place;
        const uint64_t block = is_short ? blocks->whole.n : shuffled[whole++];
        group->shifts[i] =
            blocks->cut + block * blocks->size - block_begin(blocks, number_of);
    }
}

FM_INLINE uint64_t index_at(const struct fm_blocks *blocks, const struct group *group,
                            uint64_t place)
{
    const size_t i = (size_t)(block_at(blocks, place) - group->first);
    const uint64_t index = place + group->shifts[i];
    return index < blocks->n ? index : index - blocks->n;
}

size_t fm_blocks_runs(const struct fm_blocks *blocks, uint64_t number,
                      struct fm_run out[FM_BLOCKS_MAX_RUNS])
{
    struct group group;
    size_t n_runs = 0;
    group_init(blocks, number, &group);
    for (uint64_t place = group.begin; place < group.end; n_runs++) {
        const uint64_t block_end = block_begin(blocks, block_at(blocks, place) + 1);
        const uint64_t end = fm_integer_min(block_end, group.end);
        const uint64_t index = index_at(blocks, &group, place);
        const uint64_t room = blocks->n - index; /* up to the end of the circle */
        const uint64_t length = fm_integer_min(end - place, room);
        out[n_runs].begin = index;
        out[n_runs].end = index + length;
        place += length;
    }
    return n_runs;
}

/* ---- for each instruction set --------------------------------------------------- */

FM_INLINE void find(const struct fm_blocks *blocks, uint64_t begin, size_t count,
                    uint64_t *restrict out)
{
    for (size_t done = 0; done < count;) {
        const uint64_t number = fm_blocks_group_at(blocks, begin + done);
        struct fm_permutation inner;
        struct group group;
        group_init(blocks, number, &group);
        fm_permutation_init(&inner, group.end - group.begin, blocks->seed,
                            blocks->epoch, 1 + number);
        const uint64_t left = fm_integer_min(group.end - (begin + done), count - done);
        for (const size_t until = done + (size_t)left; done < until;) {
            const size_t n = fm_permutation_at_once(until - done);
            fm_permutation_fill(&inner, begin + done - group.begin, n, out + done);
            for (size_t i = done; i < done + n; i++)
                out[i] = index_at(blocks, &group, group.begin + out[i]);
            done += n;
        }
    }
}

FM_LEVELS(find,
          (const struct fm_blocks *blocks, uint64_t begin, size_t count,
           uint64_t *restrict out),
          (blocks, begin, count, out));

void fm_blocks_find(const struct fm_blocks *blocks, uint64_t begin, size_t count,
                    enum fm_cpu_level level, uint64_t *restrict out)
{
    find_levels[level](blocks, begin, count, out);
}

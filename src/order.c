/* The order of an epoch. order.h describes it; permutation.h names the source of the
   permutations. */
#include "order.h"

void fm_order_init(struct fm_order *order, uint64_t n, int shuffle, uint64_t block,
                   uint64_t seed, uint32_t epoch)
{
    order->n = n;
    order->shuffle = shuffle;
    order->block = block;
    order->seed = seed;
    order->epoch = epoch;
    fm_permutation_init(&order->whole, block ? n / block : n, seed, epoch, 0);
    if (block == 0 || n == 0)
        return;
    const uint64_t window = block * FM_ORDER_WINDOW_BLOCKS, n_whole = n / block;
    uint32_t words[4];
    fm_rng_draw(seed, epoch, 0, FM_DRAW_ORDER, FM_PERMUTATION_ROUNDS / 4, words);
    order->n_windows = n / window + (n % window > 0);
    order->cut = (words[0] | (uint64_t)words[1] << 32) % n;
    order->short_slot = n_whole;
    if (n % block)
        order->short_slot = (words[2] | (uint64_t)words[3] << 32) % (n_whole + 1);
}

/* Return how many of the next `count` positions are permuted together. */
FM_INLINE size_t at_once(size_t count)
{
    return count < FM_PERMUTATION_BLOCK ? count : FM_PERMUTATION_BLOCK;
}

/* ---- blocks --------------------------------------------------------------------- */

uint64_t fm_order_window_begin(const struct fm_order *order, uint64_t window)
{
    const uint64_t rest = order->n % order->n_windows;
    return order->n / order->n_windows * window + (window < rest ? window : rest);
}

uint64_t fm_order_window_at(const struct fm_order *order, uint64_t position)
{
    const uint64_t n_each = order->n / order->n_windows;
    const uint64_t rest = order->n % order->n_windows; /* groups with one more */
    if (position < rest * (n_each + 1))
        return position / (n_each + 1);
    return rest + (position - rest * (n_each + 1)) / n_each;
}

/* `slot` in the names below is the place of a block in the shuffled sequence of blocks.
   The rows of the block at place s have the places [slot_begin(s), slot_begin(s + 1))
   in the sequence of rows. */
FM_INLINE uint64_t slot_begin(const struct fm_order *order, uint64_t slot)
{
    if (slot <= order->short_slot)
        return slot * order->block;
    return (slot - 1) * order->block + order->n % order->block;
}

FM_INLINE uint64_t slot_at(const struct fm_order *order, uint64_t place)
{
    const uint64_t n_short = order->n % order->block;
    const uint64_t begin = order->short_slot * order->block;
    if (place < begin)
        return place / order->block;
    if (place < begin + n_short)
        return order->short_slot;
    return (place - n_short) / order->block + (n_short > 0);
}

/* One block group: the places [begin, end) of its rows, and its blocks, from place
   `first` of a block on. The row at `place`, in the block at place first + i, is row
   (place + shifts[i]) % n of the dataset. */
struct window {
    uint64_t begin, end, first;
    size_t n_slots;
    uint64_t shifts[FM_ORDER_MAX_RUNS];
};

FM_INLINE void window_init(const struct fm_order *order, uint64_t number,
                           struct window *window)
{
    uint64_t blocks[FM_ORDER_MAX_RUNS];
    window->begin = fm_order_window_begin(order, number);
    window->end = fm_order_window_begin(order, number + 1);
    window->first = slot_at(order, window->begin);
    window->n_slots = (size_t)(slot_at(order, window->end - 1) - window->first + 1);
    /* order->whole numbers the blocks without the short one, so subtract it if it comes
       earlier. */
    const uint64_t begin = window->first - (window->first > order->short_slot);
    const uint64_t left = order->whole.n - begin;
    const size_t n_blocks = left < window->n_slots ? (size_t)left : window->n_slots;
    fm_permutation_fill(&order->whole, begin, n_blocks, blocks);
    for (size_t i = 0, whole = 0; i < window->n_slots; i++) {
        const uint64_t slot = window->first + i;
        const int is_short = slot == order->short_slot;
        const uint64_t block = is_short ? order->whole.n : blocks[whole++];
        window->shifts[i] = order->cut + block * order->block - slot_begin(order, slot);
    }
}

FM_INLINE uint64_t sample_at(const struct fm_order *order, const struct window *window,
                             uint64_t place)
{
    const size_t i = (size_t)(slot_at(order, place) - window->first);
    const uint64_t sample = place + window->shifts[i];
    return sample < order->n ? sample : sample - order->n;
}

FM_INLINE void fill_windows(const struct fm_order *order, uint64_t begin, size_t count,
                            uint64_t *restrict out)
{
    for (size_t done = 0; done < count;) {
        const uint64_t number = fm_order_window_at(order, begin + done);
        struct fm_permutation inner;
        struct window window;
        window_init(order, number, &window);
        fm_permutation_init(&inner, window.end - window.begin, order->seed,
                            order->epoch, 1 + number);
        const uint64_t left = window.end - (begin + done);
        const size_t until = left < count - done ? done + (size_t)left : count;
        while (done < until) {
            const size_t n = at_once(until - done);
            fm_permutation_fill(&inner, begin + done - window.begin, n, out + done);
            for (size_t i = done; i < done + n; i++)
                out[i] = sample_at(order, &window, window.begin + out[i]);
            done += n;
        }
    }
}

size_t fm_order_runs(const struct fm_order *order, uint64_t window,
                     struct fm_run out[FM_ORDER_MAX_RUNS])
{
    struct window found;
    size_t n_runs = 0;
    window_init(order, window, &found);
    for (uint64_t place = found.begin; place < found.end;) {
        const uint64_t slot_end = slot_begin(order, slot_at(order, place) + 1);
        const uint64_t end = slot_end < found.end ? slot_end : found.end;
        const uint64_t sample = sample_at(order, &found, place);
        const uint64_t room = order->n - sample; /* up to the end of the circle */
        const uint64_t run = end - place < room ? end - place : room;
        out[n_runs++] = (struct fm_run){sample, sample + run};
        place += run;
    }
    return n_runs;
}

/* ---- for each instruction set --------------------------------------------------- */

FM_INLINE void order_fill(const struct fm_order *order, uint64_t begin, size_t count,
                          uint64_t *restrict out)
{
    if (!order->shuffle) {
        for (size_t i = 0; i < count; i++)
            out[i] = begin + i;
        return;
    }
    if (order->block) {
        fill_windows(order, begin, count, out);
        return;
    }
    for (size_t done = 0; done < count; done += FM_PERMUTATION_BLOCK)
        fm_permutation_fill(&order->whole, begin + done, at_once(count - done),
                            out + done);
}

static void order_fill_baseline(const struct fm_order *order, uint64_t begin,
                                size_t count, uint64_t *restrict out)
{
    order_fill(order, begin, count, out);
}

#if FM_X86_LEVELS

FM_TARGET_AVX2
static void order_fill_avx2(const struct fm_order *order, uint64_t begin, size_t count,
                            uint64_t *restrict out)
{
    order_fill(order, begin, count, out);
}

FM_TARGET_AVX512
static void order_fill_avx512(const struct fm_order *order, uint64_t begin,
                              size_t count, uint64_t *restrict out)
{
    order_fill(order, begin, count, out);
}

fm_order_fn *fm_order_select(enum fm_cpu_level level)
{
    if (level >= FM_CPU_AVX512)
        return order_fill_avx512;
    return level >= FM_CPU_AVX2 ? order_fill_avx2 : order_fill_baseline;
}

#else

fm_order_fn *fm_order_select(enum fm_cpu_level level)
{
    (void)level;
    return order_fill_baseline;
}

#endif

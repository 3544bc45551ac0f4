/* The keyed permutation; see order.h for what it is and where it comes from. */
#include "order.h"

#include "rng.h"

#define BLOCK 256 /* positions at a time: two 1 KiB arrays, which stay in L1 */

/* Sides below this mix badly in so few rounds. */
#define MIN_SIDE 16

static uint64_t ceil_sqrt(uint64_t n)
{
    uint64_t root = 0;
    for (int bit = 31; bit >= 0; bit--) {
        uint64_t next = root | (uint64_t)1 << bit;
        if (next * next <= n)
            root = next;
    }
    return root * root < n ? root + 1 : root;
}

/* The smallest even side of at least `side`. Even, because adding an odd number
   modulo an odd side is an even permutation: all orders would be even ones. */
static uint32_t even_side(uint64_t side)
{
    if (side < MIN_SIDE)
        side = MIN_SIDE;
    return (uint32_t)(side + (side & 1));
}

void fm_order_init(struct fm_order *order, uint64_t n, int shuffle, uint64_t seed,
                   uint32_t epoch)
{
    order->n = n;
    order->shuffle = shuffle;
    order->a = even_side(ceil_sqrt(n));
    order->b = even_side((n + order->a - 1) / order->a);
    for (uint32_t i = 0; i < FM_ORDER_ROUNDS; i += 4)
        fm_rng_draw(seed, epoch, 0, FM_DRAW_ORDER, i / 4, order->keys + i);
}

/* A number in [0, side) from `x` and `key`: two multiply-xorshift steps, and the high
   half of a product in place of a remainder. Sides up to 2**16, which is n up to 2**32,
   make do with the upper 16 bits and a product of 32: a quarter faster, as vectors have
   no instruction for the high half of a 64-bit product.
   Source: C. Wellons, "hash-prospector", lowbias32; D. Lemire, "Fast random integer
   generation in an interval", ACM TOMACS 29, 2019. */
FM_INLINE uint32_t round_value(uint32_t x, uint32_t key, uint32_t side, int wide)
{
    x ^= key;
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    return wide ? (uint32_t)((uint64_t)x * side >> 32) : (x >> 16) * side >> 16;
}

/* x + y modulo side, for x, y < side, without leaving 32 bits. */
FM_INLINE uint32_t add_modulo(uint32_t x, uint32_t y, uint32_t side)
{
    uint32_t room = side - y;
    return x >= room ? x - room : x + y;
}

/* One pass of the network over `count` pairs, a round at a time so that each inner
   loop is plain vector code. */
FM_INLINE void permute_rounds(const struct fm_order *order, uint32_t *restrict left,
                              uint32_t *restrict right, size_t count, int wide)
{
    const uint32_t a = order->a, b = order->b;
    for (int round = 0; round < FM_ORDER_ROUNDS; round += 2) {
        const uint32_t key0 = order->keys[round], key1 = order->keys[round + 1];
        for (size_t i = 0; i < count; i++) {
            uint32_t x = add_modulo(left[i], round_value(right[i], key0, a, wide), a);
            left[i] = x;
            right[i] = add_modulo(right[i], round_value(x, key1, b, wide), b);
        }
    }
}

FM_INLINE void permute_pairs(const struct fm_order *order, uint32_t *restrict left,
                             uint32_t *restrict right, size_t count)
{
    if (order->a <= 65536 && order->b <= 65536)
        permute_rounds(order, left, right, count, 0);
    else
        permute_rounds(order, left, right, count, 1);
}

/* left[i], right[i] = (begin + i) % a, (begin + i) / a: counting costs less than
   dividing, and a run in which only left changes is vector code. */
FM_INLINE void split_positions(uint64_t begin, size_t count, uint32_t a,
                               uint32_t *restrict left, uint32_t *restrict right)
{
    uint32_t quotient = (uint32_t)(begin / a), remainder = (uint32_t)(begin % a);
    for (size_t i = 0; i < count; quotient++, remainder = 0) {
        size_t run = a - remainder < count - i ? a - remainder : count - i;
        for (size_t j = 0; j < run; j++) {
            left[i + j] = remainder + (uint32_t)j;
            right[i + j] = quotient;
        }
        i += run;
    }
}

FM_INLINE void fill_block(const struct fm_order *order, uint64_t begin, size_t count,
                          uint64_t *restrict out)
{
    uint32_t left[BLOCK], right[BLOCK];
    const uint32_t a = order->a;
    split_positions(begin, count, a, left, right);
    permute_pairs(order, left, right, count);
    int outside = 0;
    for (size_t i = 0; i < count; i++) {
        out[i] = (uint64_t)right[i] * a + left[i];
        outside |= out[i] >= order->n;
    }
    for (size_t i = 0; outside && i < count; i++) { /* cycle walking */
        while (out[i] >= order->n) {
            uint32_t l = (uint32_t)(out[i] % a), r = (uint32_t)(out[i] / a);
            permute_pairs(order, &l, &r, 1);
            out[i] = (uint64_t)r * a + l;
        }
    }
}

FM_INLINE void order_fill(const struct fm_order *order, uint64_t begin, size_t count,
                          uint64_t *restrict out)
{
    if (!order->shuffle) {
        for (size_t i = 0; i < count; i++)
            out[i] = begin + i;
        return;
    }
    for (size_t done = 0; done < count; done += BLOCK) {
        size_t n = count - done < BLOCK ? count - done : BLOCK;
        fill_block(order, begin + done, n, out + done);
    }
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

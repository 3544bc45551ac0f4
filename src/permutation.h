/* A keyed permutation of [0, n). Any of its values is computed, not stored.
   It is a Feistel network on [0, a) x [0, b) with a * b >= n, and cycle walking for the
   few values that fall outside [0, n).
   Source: Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002,
   section 5, the generalized Feistel cipher.

   Sides a and b near sqrt(n) leave few values outside, so that walking is rare for
   every n above 256. Two halves of whole bits would walk up to four times. */
#ifndef FM_PERMUTATION_H
#define FM_PERMUTATION_H

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "integer.h"
#include "rng.h"

/* Tests of positions, pairs, neighbors, cycles and parity can't tell eight rounds of
   this round function from a true shuffle. With one multiplication instead of two, the
   test of neighbors fails: at n = 256 with eight rounds, at n = 60000 even with
   twelve. */
#define FM_PERMUTATION_ROUNDS 8

struct fm_permutation {
    uint64_t n;
    uint32_t a, b;
    uint32_t keys[FM_PERMUTATION_ROUNDS];
};

/* Positions that are permuted together. Their two arrays of 1 KiB stay in L1. */
#define FM_PERMUTATION_BLOCK 256

/* Return how many of the next `count` positions are permuted together. */
static inline size_t fm_permutation_at_once(size_t count)
{
    return (size_t)fm_integer_min(count, FM_PERMUTATION_BLOCK);
}

/* Smaller sides mix badly in eight rounds. */
#define FM_PERMUTATION_MIN_SIDE 16

/* Return the square root of n, rounded up. */
static inline uint64_t fm_permutation_ceil_sqrt(uint64_t n)
{
    uint64_t root = 0;
    for (int bit = 31; bit >= 0; bit--) {
        uint64_t next = root | (uint64_t)1 << bit;
        if (next * next <= n)
            root = next;
    }
    return root * root < n ? root + 1 : root;
}

/* Return the smallest even side of at least `side`. With an odd side, every addition
   modulo the side is an even permutation, so every order would be even too. */
static inline uint32_t fm_permutation_even_side(uint64_t side)
{
    if (side < FM_PERMUTATION_MIN_SIDE)
        side = FM_PERMUTATION_MIN_SIDE;
    return (uint32_t)(side + (side & 1));
}

/* Prepare a permutation of [0, n), 0 <= n <= 2**62. Its keys are draws 0 and 1 of
   `position`. */
static inline void fm_permutation_init(struct fm_permutation *permutation, uint64_t n,
                                       uint64_t seed, uint32_t epoch,
                                       uint64_t position)
{
    permutation->n = n;
    permutation->a = fm_permutation_even_side(fm_permutation_ceil_sqrt(n));
    const uint64_t quotient = (n + permutation->a - 1) / permutation->a;
    permutation->b = fm_permutation_even_side(quotient);
    for (uint32_t i = 0; i < FM_PERMUTATION_ROUNDS; i += 4)
        fm_rng_draw(seed, epoch, position, FM_DRAW_ORDER, i / 4, permutation->keys + i);
}

/* Return a number in [0, side) made of `x` and `key`. It xorshifts and multiplies
   twice, then takes the high half of a product instead of a remainder. Sides up to
   2**16, for n up to 2**32, use the upper 16 bits and a 32-bit product. This is a
   quarter faster, because vectors have no instruction for the high half of a 64-bit
   product.
   Source: C. Wellons, "hash-prospector", lowbias32; D. Lemire, "Fast random integer
   generation in an interval", ACM TOMACS 29, 2019. */
FM_INLINE uint32_t fm_permutation_round(uint32_t x, uint32_t key, uint32_t side,
                                        int wide)
{
    x ^= key;
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    return wide ? (uint32_t)((uint64_t)x * side >> 32) : (x >> 16) * side >> 16;
}

/* Return x + y modulo side, for x, y < side, within 32 bits. */
FM_INLINE uint32_t fm_permutation_add_modulo(uint32_t x, uint32_t y, uint32_t side)
{
    uint32_t room = side - y;
    return x >= room ? x - room : x + y;
}

/* Run the network once over `count` pairs, two rounds at a time, so that the inner loop
   is plain vector code. */
FM_INLINE void fm_permutation_run(const struct fm_permutation *p,
                                  uint32_t *restrict left, uint32_t *restrict right,
                                  size_t count, int wide)
{
    const uint32_t a = p->a, b = p->b;
    for (int round = 0; round < FM_PERMUTATION_ROUNDS; round += 2) {
        const uint32_t key0 = p->keys[round], key1 = p->keys[round + 1];
        for (size_t i = 0; i < count; i++) {
            uint32_t x = fm_permutation_round(right[i], key0, a, wide);
            left[i] = fm_permutation_add_modulo(left[i], x, a);
            x = fm_permutation_round(left[i], key1, b, wide);
            right[i] = fm_permutation_add_modulo(right[i], x, b);
        }
    }
}

FM_INLINE void fm_permutation_run_pairs(const struct fm_permutation *p,
                                        uint32_t *restrict left,
                                        uint32_t *restrict right, size_t count)
{
    if (p->a <= 65536 && p->b <= 65536)
        fm_permutation_run(p, left, right, count, 0);
    else
        fm_permutation_run(p, left, right, count, 1);
}

/* Set left[i], right[i] to (begin + i) % a, (begin + i) / a. Counting costs less than
   dividing, and a run in which only `left` changes is vector code. */
FM_INLINE void fm_permutation_split(uint64_t begin, size_t count, uint32_t a,
                                    uint32_t *restrict left, uint32_t *restrict right)
{
    uint32_t quotient = (uint32_t)(begin / a), remainder = (uint32_t)(begin % a);
    for (size_t i = 0; i < count; quotient++, remainder = 0) {
        const size_t run = (size_t)fm_integer_min(a - remainder, count - i);
        for (size_t j = 0; j < run; j++) {
            left[i + j] = remainder + (uint32_t)j;
            right[i + j] = quotient;
        }
        i += run;
    }
}

/* Return the value that `position` is mapped to. A value outside [0, n) is mapped again
   until it is inside: this is cycle walking.
   In numpy: permutation[position].
   Not checked: position < n, or `position` is such a value outside. */
FM_INLINE uint64_t fm_permutation_at(const struct fm_permutation *p, uint64_t position)
{
    do {
        uint32_t left = (uint32_t)(position % p->a);
        uint32_t right = (uint32_t)(position / p->a);
        fm_permutation_run_pairs(p, &left, &right, 1);
        position = (uint64_t)right * p->a + left;
    } while (position >= p->n);
    return position;
}

/* Set out[i] to the value that begin + i is mapped to. out: uint64 (count,).
   In numpy: permutation[begin:begin + count].
   Not checked: count <= FM_PERMUTATION_BLOCK, begin + count <= n. */
FM_INLINE void fm_permutation_fill(const struct fm_permutation *p, uint64_t begin,
                                   size_t count, uint64_t *restrict out)
{
    uint32_t left[FM_PERMUTATION_BLOCK], right[FM_PERMUTATION_BLOCK];
    const uint32_t a = p->a;
    fm_permutation_split(begin, count, a, left, right);
    fm_permutation_run_pairs(p, left, right, count);
    int outside = 0;
    for (size_t i = 0; i < count; i++) {
        out[i] = (uint64_t)right[i] * a + left[i];
        outside |= out[i] >= p->n;
    }
    for (size_t i = 0; outside && i < count; i++)
        if (out[i] >= p->n)
            out[i] = fm_permutation_at(p, out[i]);
}

#endif

/* Philox4x32-10, a counter-based random number generator. The same counter and key give
   the same four words on every machine, in any order and from any thread.
   Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3",
   SC 2011, section 3. */
#ifndef FM_RNG_H
#define FM_RNG_H

#include <stdint.h>

/* The purpose of a draw. The value is part of the counter, so that two uses of the same
   seed, epoch and position never see the same words. Transforms draw as the numbers
   from FM_DRAW_AUGMENT on: see fm_program_operation (program.h). */
enum fm_operation { FM_DRAW_ORDER = 0, FM_DRAW_AUGMENT = 1 };

/* Each round multiplies two words of the counter by these factors. */
#define FM_PHILOX_FACTOR_0 0xD2511F53u
#define FM_PHILOX_FACTOR_1 0xCD9E8D57u

/* The two words of the key grow by these amounts from round to round. */
#define FM_PHILOX_KEY_0 0x9E3779B9u
#define FM_PHILOX_KEY_1 0xBB67AE85u

/* Apply one of the ten rounds to a counter of four words. */
static inline void fm_rng_round(uint32_t *c0, uint32_t *c1, uint32_t *c2,
                                uint32_t *c3, uint32_t k0, uint32_t k1)
{
    uint64_t p0 = (uint64_t)FM_PHILOX_FACTOR_0 * *c0;
    uint64_t p1 = (uint64_t)FM_PHILOX_FACTOR_1 * *c2;
    *c0 = (uint32_t)(p1 >> 32) ^ *c1 ^ k0;
    *c1 = (uint32_t)p1;
    *c2 = (uint32_t)(p0 >> 32) ^ *c3 ^ k1;
    *c3 = (uint32_t)p0;
}

/* Compute the four words of one draw of one sample. out: uint32 (4,).
   The key is the seed. The counter holds the position in words 0 and 1, the epoch in
   word 2, and the operation and the draw in the halves of word 3.
   In numpy: tests/reference_draws.py, draw.
   Not checked: operation and draw are below 2**16. */
static inline void fm_rng_draw(uint64_t seed, uint32_t epoch, uint64_t position,
                               uint32_t operation, uint32_t draw,
                               uint32_t out[4])
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    out[0] = (uint32_t)position;
    out[1] = (uint32_t)(position >> 32);
    out[2] = epoch;
    out[3] = (operation << 16) | (draw & 0xFFFFu);
    for (int round = 0; round < 10; round++) {
        fm_rng_round(&out[0], &out[1], &out[2], &out[3], k0, k1);
        k0 += FM_PHILOX_KEY_0;
        k1 += FM_PHILOX_KEY_1;
    }
}

#endif

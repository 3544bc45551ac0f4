/* Philox4x32-10, a counter-based random number generator: the same counter and key
   give the same four words on every machine, in any order, from any thread.
   Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3",
   SC 2011, section 3. */
#ifndef FM_RNG_H
#define FM_RNG_H

#include <stdint.h>

/* Who draws. The value is part of the counter, so that no two uses of the same seed,
   epoch and position ever see the same words. */
enum fm_operation { FM_DRAW_ORDER = 0 };

/* Four words for one draw of one sample.
   The key is the seed; the counter holds (position, epoch, operation and draw). */
static inline void fm_rng_draw(uint64_t seed, uint32_t epoch, uint64_t position,
                               enum fm_operation operation, uint32_t draw,
                               uint32_t out[4])
{
    uint32_t c0 = (uint32_t)position, c1 = (uint32_t)(position >> 32);
    uint32_t c2 = epoch, c3 = ((uint32_t)operation << 16) | (draw & 0xFFFFu);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

#endif

/* Arithmetic of integers: alignment, limits and reflection. */
#ifndef FM_INTEGER_H
#define FM_INTEGER_H

#include <stdint.h>

#include "cpu.h"

/* Return the next multiple of `alignment` that is at least n. */
FM_INLINE uint64_t fm_integer_align_up(uint64_t n, uint64_t alignment)
{
    return (n + alignment - 1) / alignment * alignment;
}

FM_INLINE uint64_t fm_integer_min(uint64_t x, uint64_t y)
{
    return x < y ? x : y;
}

FM_INLINE uint64_t fm_integer_max(uint64_t x, uint64_t y)
{
    return x > y ? x : y;
}

FM_INLINE int64_t fm_integer_clip(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

#ifndef FM_INTEGER_128 /* the tests set it to 0 to compile the other machines' code */
#if defined(__SIZEOF_INT128__)
#define FM_INTEGER_128 1
#else
#define FM_INTEGER_128 0
#endif
#endif

/* Return the upper 64 bits of the product x * y. */
FM_INLINE uint64_t fm_integer_high(uint64_t x, uint64_t y)
{
#if FM_INTEGER_128
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)((wide)x * y >> 64);
#else
    const uint64_t x0 = (uint32_t)x, x1 = x >> 32, y0 = (uint32_t)y, y1 = y >> 32;
    const uint64_t middle = x1 * y0 + (x0 * y0 >> 32);
    return x1 * y1 + (middle >> 32) + ((x0 * y1 + (uint32_t)middle) >> 32);
#endif
}

/* Mirror index i, which is outside [0, n), at the end that it is beyond. The first and
   the last index are not repeated: -1 becomes 1, and n becomes n - 2.
   Not checked: -n < i < 2 n - 1. */
FM_INLINE int64_t fm_integer_mirror(int64_t i, int64_t n)
{
    return i < 0 ? -i : 2 * (n - 1) - i;
}

/* Reflect index i into [0, n): mirror it if it is outside. As an unsigned number, a
   negative index is above n, too.
   Not checked: -n < i < 2 n - 1. */
FM_INLINE int64_t fm_integer_reflect(int64_t i, int64_t n)
{
    return (uint64_t)i < (uint64_t)n ? i : fm_integer_mirror(i, n);
}

#endif

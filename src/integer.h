/* Arithmetic of integers: alignment, limits and reflection. */
#ifndef FM_INTEGER_H
#define FM_INTEGER_H

#include <stddef.h>
#include <stdint.h>

/* Return the next multiple of `alignment` that is at least n. */
static inline uint64_t fm_integer_align_up(uint64_t n, uint64_t alignment)
{
    return (n + alignment - 1) / alignment * alignment;
}

static inline uint64_t fm_integer_min(uint64_t x, uint64_t y)
{
    return x < y ? x : y;
}

static inline uint64_t fm_integer_max(uint64_t x, uint64_t y)
{
    return x > y ? x : y;
}

static inline int64_t fm_integer_clip(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

#endif

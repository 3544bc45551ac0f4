/* Vectors of floats, for loops that keep sums in registers. Compilers unroll such loops
   over arrays into single floats instead. GCC and clang turn these vectors into those
   of the instruction set that a function is compiled for.
   Source: GCC manual, "Vector Extensions". */
#ifndef FM_LANES_H
#define FM_LANES_H

#include <string.h>

#include "cpu.h"
#include "floats.h"

/* Devices compute with single floats, in many threads: see device/machine.h. */
#ifndef FM_LANES_COUNT
#define FM_LANES_COUNT 8
#endif

#if FM_LANES_COUNT == 1

typedef float fm_lanes;

#define fm_lanes_load(from) (*(from))
#define fm_lanes_store(to, x) ((void)(*(to) = (x)))
#define fm_lanes_add(x, y) ((x) + (y))
#define fm_lanes_sub(x, y) ((x) - (y))
#define fm_lanes_scale(x, factor) ((x) * (factor))

#elif defined(__GNUC__) || defined(__clang__)

typedef float fm_lanes __attribute__((vector_size(4 * FM_LANES_COUNT)));
/* The same vector in memory, at any address of a float. */
typedef float fm_lanes_memory
    __attribute__((vector_size(4 * FM_LANES_COUNT), aligned(4), may_alias));

#define fm_lanes_load(from) ((fm_lanes) * (const fm_lanes_memory *)(from))
#define fm_lanes_store(to, x) ((void)(*(fm_lanes_memory *)(to) = (x)))
#define fm_lanes_add(x, y) ((x) + (y))
#define fm_lanes_sub(x, y) ((x) - (y))
#define fm_lanes_scale(x, factor) ((x) * (factor))

#else

typedef struct {
    float at[FM_LANES_COUNT];
} fm_lanes;

FM_INLINE fm_lanes fm_lanes_load(const float *from)
{
    fm_lanes out;
    memcpy(&out, from, sizeof out);
    return out;
}

FM_INLINE void fm_lanes_store(float *to, fm_lanes x)
{
    memcpy(to, &x, sizeof x);
}

FM_INLINE fm_lanes fm_lanes_add(fm_lanes x, fm_lanes y)
{
    for (int i = 0; i < FM_LANES_COUNT; i++)
        x.at[i] += y.at[i];
    return x;
}

FM_INLINE fm_lanes fm_lanes_sub(fm_lanes x, fm_lanes y)
{
    for (int i = 0; i < FM_LANES_COUNT; i++)
        x.at[i] -= y.at[i];
    return x;
}

FM_INLINE fm_lanes fm_lanes_scale(fm_lanes x, float factor)
{
    for (int i = 0; i < FM_LANES_COUNT; i++)
        x.at[i] *= factor;
    return x;
}

#endif

/* Return sum + x * weight, with two roundings. */
#define fm_lanes_weigh(sum, x, weight) fm_lanes_add(sum, fm_lanes_scale(x, weight))

#endif

/* A source image laid out for warps, and reading it at places between its pixels: for
   every place the four pixels around it stand in one 32-bit word, a quad, so that a
   pixel takes one load. Outside the source there is `fill`. */
#ifndef FM_AUGMENT_QUADS_H
#define FM_AUGMENT_QUADS_H

#include <stddef.h>
#include <stdint.h>

#include "../cpu.h"

enum fm_interpolation { FM_NEAREST = 0, FM_BILINEAR = 1 };

/* A pixel, in the fixed point of places. */
#define FM_QUADS_ONE 65536

struct fm_quads {
    const uint32_t *words; /* quad (y, x), from -1 to height or width, at ... */
    size_t stride;         /* ... (y + 1) * stride + x + 1 */
    int32_t max_x, max_y;  /* width and height, in fixed point */
    int nearest;
    enum fm_cpu_level level;
};

/* Where the rows of a lattice of places begin, and how far apart places are. */
struct fm_lattice {
    int64_t x, y;           /* of the first row */
    int64_t row_x, row_y;   /* from row to row */
    int64_t step_x, step_y; /* from column to column */
};

/* What fm_quads_make takes for `work`, in bytes: a multiple of 64. */
size_t fm_quads_nbytes(size_t height, size_t width);

#define FM_QUADS_MAX_SIDE 16384 /* places must fit 32 bits */

/* in: uint8 (height, width), which is not needed any more afterwards.
   Not checked: sides up to FM_QUADS_MAX_SIDE. */
struct fm_quads fm_quads_make(const uint8_t *restrict in, size_t height, size_t width,
                              enum fm_interpolation interpolation, uint8_t fill,
                              enum fm_cpu_level level, uint8_t *restrict work);

/* out[i] = the source at place (x[i], y[i]), i < n, clipped to the fill around it.
   Up to 15 places more are read, whatever they are, and as many pixels written. */
void fm_quads_read(const struct fm_quads *quads, const int32_t *restrict x,
                   const int32_t *restrict y, size_t n, uint8_t *restrict out);

/* out: uint8 (n_rows, width), with room for 15 bytes behind. work: int32 (2, width +
   15), for places. */
void fm_quads_read_lattice(const struct fm_quads *quads, struct fm_lattice at,
                           size_t n_rows, size_t width, int32_t *restrict work,
                           uint8_t *restrict out);

#endif

/* A source image prepared for warps, and reading it at points between its pixels. For
   every point, the four pixels around it are in one 32-bit word, a quad, so that an
   output pixel takes one load. Outside the source all pixels are `fill`. */
#ifndef FM_AUGMENT_QUADS_H
#define FM_AUGMENT_QUADS_H

#include <stddef.h>
#include <stdint.h>

#include "../cpu.h"

enum fm_interpolation { FM_NEAREST = 0, FM_BILINEAR = 1 };

/* One pixel, in the fixed-point coordinates of points: 16 bits are the fraction. */
#define FM_QUADS_ONE 65536

/* A prepared source. From the lowest byte on, quad (y, x) holds the pixels (y, x), (y,
   x + 1), (y + 1, x) and (y + 1, x + 1), each xor 128. */
struct fm_quads {
    const uint32_t *words; /* quad (y, x), -1 <= y <= height, -1 <= x <= width, */
    size_t stride;         /* is words[(y + 1) * stride + x + 1] */
    int32_t max_x, max_y;  /* width and height, in fixed point */
    int nearest;
    enum fm_cpu_level level;
};

/* A lattice of points, one for each output pixel. */
struct fm_lattice {
    int64_t x, y;           /* the first point */
    int64_t row_x, row_y;   /* from row to row */
    int64_t step_x, step_y; /* from column to column */
};

/* Return the bytes that fm_quads_make needs at `work`. The number is a multiple of
   64. */
uint64_t fm_quads_nbytes(size_t height, size_t width);

#define FM_QUADS_MAX_SIDE 16384 /* coordinates must fit 32 bits */

/* Prepare a source. in: uint8 (height, width), which is not read after this call; work:
   fm_quads_nbytes bytes, which the result points into.
   In numpy: p = uint32(np.pad(in, (1, 2), constant_values=fill) ^ 128); words =
   p[:-1, :-1] | p[:-1, 1:] << 8 | p[1:, :-1] << 16 | p[1:, 1:] << 24.
   Not checked: sides are at most FM_QUADS_MAX_SIDE; work is aligned to 4 bytes. */
struct fm_quads fm_quads_make(const uint8_t *restrict in, size_t height, size_t width,
                              enum fm_interpolation interpolation, uint8_t fill,
                              enum fm_cpu_level level, uint8_t *restrict work);

/* Read n points. x, y: int32 (n,), in fixed point; out: uint8 (n,). Up to 15 more
   points are read, whatever their values, and as many pixels are written.
   In numpy: out[i] = the source at (x[i], y[i]), clipped to the fill around it; see
   tests/reference_geometry.py.
   Not checked: room for the 15 more points and pixels. */
void fm_quads_read(const struct fm_quads *quads, const int32_t *restrict x,
                   const int32_t *restrict y, size_t n, uint8_t *restrict out);

/* Read the points of a lattice. out: uint8 (n_rows, width), with room for 15 bytes
   after it; work: int32 (2, width + 15), for coordinates.
   In numpy: fm_quads_read with x = at.x + at.row_x * row + at.step_x * column, y alike.
   Not checked: room for the 15 more pixels. */
void fm_quads_read_lattice(const struct fm_quads *quads, struct fm_lattice at,
                           size_t n_rows, size_t width, int32_t *restrict work,
                           uint8_t *restrict out);

#endif

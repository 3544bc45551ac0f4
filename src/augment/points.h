/* Reading a prepared source (quads.h) at points between its pixels. */
#ifndef FM_AUGMENT_POINTS_H
#define FM_AUGMENT_POINTS_H

#include "quads.h"

/* Read rows of points. x, y: int32 (n_rows, width), in fixed point, rows `stride`
   apart; out: uint8 (n_rows, width). Up to 15 more points of a row are read, whatever
   their values, and as many pixels are written.
   In numpy: out = the source at (x, y), clipped to the fill around it; see
   tests/reference_geometry.py.
   Not checked: room for the 15 more points and pixels. */
void fm_points_read(const struct fm_quads *quads, const int32_t *restrict x,
                    const int32_t *restrict y, size_t stride, size_t n_rows,
                    size_t width, uint8_t *restrict out);

/* A lattice of points, one for each output pixel. */
struct fm_lattice {
    int64_t x, y;               /* the first point */
    int64_t row_x, row_y;       /* from row to row */
    int64_t column_x, column_y; /* from column to column */
};

/* Return coordinate first + step * i of a lattice, clipped to at least one pixel before
   the image and at most `most`. It is clipped in 64 bits, because points far outside do
   not fit into 32 bits. */
FM_INLINE int32_t fm_points_coordinate(int64_t first, int64_t step, size_t i,
                                       int32_t most)
{
    const int64_t coordinate = first + step * (int64_t)i;
    return (int32_t)fm_integer_clip(coordinate, -FM_QUADS_ONE, most);
}

/* Read the points of a lattice. out: uint8 (n_rows, width), with room for 15 bytes
   after it; work: int32 (2, width + 15), for coordinates.
   In numpy: fm_points_read with x = at.x + at.row_x * row + at.column_x * column, y
   alike.
   Not checked: room for the 15 more pixels. */
void fm_points_read_lattice(const struct fm_quads *quads, struct fm_lattice at,
                            size_t n_rows, size_t width, int32_t *restrict work,
                            uint8_t *restrict out);

#endif

/* Perspective maps, as in torchvision.transforms.v2.RandomPerspective: every output
   pixel is read at a point of the source image, by bilinear interpolation or from the
   nearest pixel (quads.h). Outside the source all pixels are `fill`.

   A map is made in doubles, and applied in float32 with one division for a pixel. The
   numbers are measured from the center of the image, where they are smallest. For
   images of 28x28 a point is off by less than 2**-13 pixel, and for sides of
   FM_QUADS_MAX_SIDE by less than 1/16 pixel (tests/test_perspective.py). Reading it
   rounds it to 1/128 pixel. */
#ifndef FM_AUGMENT_PERSPECTIVE_H
#define FM_AUGMENT_PERSPECTIVE_H

#include "draws.h"
#include "points.h"

/* A map from output to source, both measured from the center of the image. The output
   is in pixels, and the source in fixed point, before it is rounded:
   x' = (m[0] x + m[1] y + m[2]) / (m[6] x + m[7] y + m[8]),
   y' = (m[3] x + m[4] y + m[5]) / (m[6] x + m[7] y + m[8]). */
struct fm_perspective_map {
    float m[9];
};

/* A map that moves the corners of the image inwards, each by fewer than n_x columns and
   n_y rows. Both are at most half a side, plus one.
   Words: coin; x and y of the top left corner, then of the top right, the bottom right
   and the bottom left one. A right corner is at width - n_x + the number drawn below
   n_x, and y is alike. */
struct fm_perspective {
    uint32_t n_x, n_y;
    enum fm_interpolation interpolation;
    uint8_t fill;
};

/* Return twice the area of a triangle, with a sign: positive if its corners come
   clockwise, where y points down. */
FM_INLINE double fm_perspective_area(const double a[2], const double b[2],
                                     const double c[2])
{
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}

/* Set `line` to the coefficients of x, y and 1 in factor * the area of (a, b, (x, y)),
   which is 0 on the line through a and b. */
FM_INLINE void fm_perspective_line(const double a[2], const double b[2], double factor,
                                   double line[3])
{
    const double dx = b[0] - a[0], dy = b[1] - a[1];
    line[0] = -dy * factor;
    line[1] = dx * factor;
    line[2] = (dy * a[0] - dx * a[1]) * factor;
}

/* Find the map whose source has its corners where the output has the points `at`: the
   x and y of the top left one, then clockwise, measured from the center. Corners of an
   image are those of torchvision: (0, 0), (width - 1, 0), (width - 1, height - 1) and
   (0, height - 1), if pixel (0, 0) reaches from (0, 0) to (1, 1). If three of the
   points lie on a line, there is no such map. All m are then 0, so that no pixel has a
   point (fm_perspective_point).

   Let u and v of a point of the output be its places in the square of the points `at`,
   0 to 1. Both are quotients of linear functions with one denominator w. Then u w is 0
   on the left edge, v w on the top edge, and (1 - u) w on the right edge. Each is a
   factor times the area of a triangle between the edge and the point. With `area[i]`
   of the triangle of all corners but i, the products below are these factors, because
   u, v and 1 - u are 1 in the corners opposite to these edges. */
static FM_CALLED inline void fm_perspective_find(const double at[4][2], size_t height,
                                                 size_t width,
                                                 struct fm_perspective_map *out)
{
    const double area[4] = {
        fm_perspective_area(at[1], at[2], at[3]),
        fm_perspective_area(at[0], at[2], at[3]),
        fm_perspective_area(at[0], at[1], at[3]),
        fm_perspective_area(at[0], at[1], at[2]),
    };
    const double half_x = (double)width / 2, half_y = (double)height / 2;
    double left[3], top[3], right[3], w[3]; /* u w, v w, (1 - u) w and w */
    fm_perspective_line(at[3], at[0], area[0] * area[3], left);
    fm_perspective_line(at[0], at[1], area[0] * area[1], top);
    fm_perspective_line(at[1], at[2], area[1] * area[2], right);
    for (int k = 0; k < 3; k++)
        w[k] = left[k] + right[k];
    /* Let w be at most 1 in the image. */
    const double most = fabs(w[0]) * half_x + fabs(w[1]) * half_y + fabs(w[2]);
    const int is_map = area[0] * area[1] * area[2] * area[3] != 0;
    const double scale = is_map ? 1 / most : 0, unit = scale * FM_QUADS_ONE;
    for (int k = 0; k < 3; k++) {
        out->m[k] = (float)((left[k] * ((double)width - 1) - w[k] * half_x) * unit);
        out->m[3 + k] = (float)((top[k] * ((double)height - 1) - w[k] * half_y) * unit);
        out->m[6 + k] = (float)(w[k] * scale);
    }
}

/* Draw the map of a perspective transform, whose coin has been read. */
static inline void fm_perspective_draw(const struct fm_perspective *perspective,
                                       size_t height, size_t width,
                                       struct fm_draws *draws,
                                       struct fm_perspective_map *out)
{
    double at[4][2];
    for (int i = 0; i < 4; i++) {
        const size_t x = fm_draws_below(draws, perspective->n_x);
        const size_t y = fm_draws_below(draws, perspective->n_y);
        const int is_right = i == 1 || i == 2, is_bottom = i >= 2;
        at[i][0] = (double)(x + (is_right ? width - perspective->n_x : 0)) -
                   (double)width / 2;
        at[i][1] = (double)(y + (is_bottom ? height - perspective->n_y : 0)) -
                   (double)height / 2;
    }
    fm_perspective_find(at, height, width, out);
}

/* Return the coordinate of the middle of a side, in fixed point from the middle of its
   first pixel. */
FM_INLINE int32_t fm_perspective_center(size_t side)
{
    return (int32_t)(side - 1) * (FM_QUADS_ONE / 2);
}

/* Return the place of pixel i of a side, measured from its middle in pixels. */
FM_INLINE float fm_perspective_place(int32_t i, int32_t side)
{
    return (float)(2 * i - (side - 1)) * 0.5f;
}

/* Return a coordinate of a point, in fixed point: center + numerator * inverse, which
   is truncated. It is clipped so that the sum fits 32 bits. NaN is clipped to the lower
   bound, which is outside the image. */
FM_INLINE int32_t fm_perspective_coordinate(float numerator, float inverse,
                                            int32_t center)
{
    const float most = (float)(1 << 30);
    float x = numerator * inverse;
    x = x > -most ? x : -most;
    return center + (int32_t)(x < most ? x : most);
}

/* Find the source point of the pixel at (x, y) (fm_perspective_place), in fixed point.
   In numpy, in float32: inverse = 1 / ((m[7] * y + m[8]) + m[6] * x);
   source_x = center_x + trunc(clip(((m[1] * y + m[2]) + m[0] * x) * inverse, -2**30,
   2**30)), where NaN counts as -2**30; source_y alike. */
FM_INLINE void fm_perspective_point(const struct fm_perspective_map *map, float x,
                                    float y, int32_t center_x, int32_t center_y,
                                    int32_t *source_x, int32_t *source_y)
{
    const float *m = map->m;
    const float inverse = 1.0f / ((m[7] * y + m[8]) + m[6] * x);
    const float across = (m[1] * y + m[2]) + m[0] * x;
    const float down = (m[4] * y + m[5]) + m[3] * x;
    *source_x = fm_perspective_coordinate(across, inverse, center_x);
    *source_y = fm_perspective_coordinate(down, inverse, center_y);
}

/* Return the bytes that fm_perspective_apply needs at `work`. */
uint64_t fm_perspective_work_nbytes(size_t height, size_t width);

/* Warp. in, out: uint8 (height, width), out with room for 15 bytes after it. work:
   fm_perspective_work_nbytes bytes from a multiple of 64 on.
   In numpy: as fm_warp_apply, with the points of fm_perspective_point.
   Not checked: sides are at most FM_QUADS_MAX_SIDE; out does not overlap in. */
void fm_perspective_apply(const uint8_t *restrict in, size_t height, size_t width,
                          const struct fm_perspective_map *map,
                          enum fm_interpolation interpolation, uint8_t fill,
                          enum fm_cpu_level level, void *restrict work,
                          uint8_t *restrict out);

#endif

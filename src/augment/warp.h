/* Affine warps: every output pixel is taken from some place in the source image, by
   bilinear interpolation or from the nearest pixel. Outside the source there is `fill`.

   Places are in fixed point, 16 bits behind the point; bilinear weights have 7, so that
   a place is off by at most 1/256 pixel in each direction, and a pixel by less than one
   grey level for each. An affine map's coefficients are rounded to 2**-16, which moves
   the far corner by at most (height + width) * 2**-17 pixels more. */
#ifndef FM_AUGMENT_WARP_H
#define FM_AUGMENT_WARP_H

#include "draw.h"
#include "quads.h"

/* From output to source, both measured from the centre of the image, in pixels:
   x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5]. */
struct fm_map {
    double m[6];
};

/* As torchvision.transforms.v2.RandomAffine draws it: rotate by `angle` degrees
   (clockwise, or the other way with `counter_clockwise`), scale, shear by degrees (or
   by the tangent itself with `shear_tangent`), all about the centre, then move by whole
   pixels (rounded, or cut with `truncate`). The centre is measured from the image's.
   Words: coin, angle, translate_x, translate_y, scale, shear_x, shear_y. */
struct fm_affine {
    struct fm_range angle, translate_x, translate_y, scale, shear_x, shear_y;
    int counter_clockwise, shear_tangent, truncate;
    double center_x, center_y;
    enum fm_interpolation interpolation;
    uint8_t fill;
};

/* The map of an affine step; its coin has been read. */
void fm_affine_draw(const struct fm_affine *affine, struct fm_draws *draws,
                    struct fm_map *out);

/* first, then second: out(p) = first(second(p)), as maps go from output to source. */
void fm_map_compose(const struct fm_map *first, const struct fm_map *second,
                    struct fm_map *out);

/* What the kernel below takes for `work`, in bytes, from a multiple of 64 on. */
size_t fm_warp_work_nbytes(size_t height, size_t width);

/* in, out: uint8 (height, width), out with room for 15 bytes behind.
   In numpy: x, y = places(map), clipped to -1..width and -1..height;
   bilinear(np.pad(in, 2, constant_values=fill), x, y), see tests/reference_geometry.py.
   Not checked: sides up to FM_QUADS_MAX_SIDE; out does not overlap in. */
void fm_warp_affine(const uint8_t *restrict in, size_t height, size_t width,
                    const struct fm_map *map, enum fm_interpolation interpolation,
                    uint8_t fill, enum fm_cpu_level level, void *restrict work,
                    uint8_t *restrict out);

#endif

/* Affine warps, as in torchvision.transforms.v2.RandomAffine: every output pixel is
   read at a point of the source image, by bilinear interpolation or from the nearest
   pixel. Outside the source all pixels are `fill`.

   Points are in fixed point, with 16 bits for the fraction; bilinear weights have 7
   bits. A point is therefore off by at most 1/256 pixel in each direction, and a pixel
   by less than one gray level for each direction. The coefficients of an affine map are
   rounded to 2**-16, which moves the far corner by at most (height + width) * 2**-17
   pixels more. */
#ifndef FM_AUGMENT_WARP_H
#define FM_AUGMENT_WARP_H

#include "draws.h"
#include "points.h"

/* A map from output to source, both measured from the center of the image, in pixels:
   x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5]. */
struct fm_map {
    double m[6];
};

/* Parameters of an affine map, drawn as torchvision.transforms.v2.RandomAffine does.
   The image is rotated by `angle` degrees, clockwise or with `counter_clockwise` the
   other way, then scaled and sheared, all about the center. Shear is in degrees, or
   with `shear_tangent` it is the tangent itself. Then the image is moved by whole
   pixels, rounded, or truncated with `truncate`. The center is measured from the center
   of the image.
   Words: coin, angle, translate_x, translate_y, scale, shear_x, shear_y. */
struct fm_affine {
    struct fm_range angle, translate_x, translate_y, scale, shear_x, shear_y;
    int counter_clockwise, shear_tangent, truncate;
    double center_x, center_y;
    enum fm_interpolation interpolation;
    uint8_t fill;
};

/* Draw the map of an affine transform, whose coin has been read. */
void fm_warp_draw(const struct fm_affine *affine, struct fm_draws *draws,
                  struct fm_map *out);

/* Compose two maps: `first` changes the image first, and `second` changes the result.
   In numpy: out(p) = first(second(p)), because maps go from output to source. */
void fm_warp_compose(const struct fm_map *first, const struct fm_map *second,
                     struct fm_map *out);

/* Return the bytes that fm_warp_apply needs at `work`. */
uint64_t fm_warp_work_nbytes(size_t height, size_t width);

/* Warp. in, out: uint8 (height, width), out with room for 15 bytes after it. work:
   fm_warp_work_nbytes bytes from a multiple of 64 on.
   In numpy: x, y = the map of every pixel, in fixed point, clipped to -1..width and
   -1..height; bilinear(np.pad(in, 2, constant_values=fill), x, y), see
   tests/reference_geometry.py.
   Not checked: sides are at most FM_QUADS_MAX_SIDE; out does not overlap in. */
void fm_warp_apply(const uint8_t *restrict in, size_t height, size_t width,
                   const struct fm_map *map, enum fm_interpolation interpolation,
                   uint8_t fill, enum fm_cpu_level level, void *restrict work,
                   uint8_t *restrict out);

#endif

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

/* Return the tangent of `value` degrees, or `value` if it is the tangent. */
static inline double fm_warp_tangent(double value, int is_tangent)
{
    double sine, cosine;
    if (is_tangent)
        return value;
    fm_real_sin_cos(value, &sine, &cosine);
    return sine / cosine;
}

/* Draw the map of an affine transform, whose coin has been read. */
static inline void fm_warp_draw(const struct fm_affine *affine, struct fm_draws *draws,
                                struct fm_map *out)
{
    double angle = fm_draws_range(draws, &affine->angle);
    double tx = fm_draws_range(draws, &affine->translate_x);
    double ty = fm_draws_range(draws, &affine->translate_y);
    double scale = fm_draws_range(draws, &affine->scale);
    double tan_x = fm_warp_tangent(fm_draws_range(draws, &affine->shear_x),
                                   affine->shear_tangent);
    double tan_y = fm_warp_tangent(fm_draws_range(draws, &affine->shear_y),
                                   affine->shear_tangent);
    double sine, cosine;
    tx = affine->truncate ? trunc(tx) : fm_real_round(tx);
    ty = affine->truncate ? trunc(ty) : fm_real_round(ty);
    fm_real_sin_cos(affine->counter_clockwise ? -angle : angle, &sine, &cosine);
    /* Rotation times shear is [a b; c d], and the map is its inverse. */
    double a = cosine + sine * tan_y, b = -a * tan_x - sine;
    double c = sine - cosine * tan_y, d = -c * tan_x + cosine;
    const double cx = affine->center_x, cy = affine->center_y;
    double *m = out->m;
    m[0] = d / scale;
    m[1] = -b / scale;
    m[3] = -c / scale;
    m[4] = a / scale;
    m[2] = m[0] * (-cx - tx) + m[1] * (-cy - ty) + cx;
    m[5] = m[3] * (-cx - tx) + m[4] * (-cy - ty) + cy;
}

/* Compose two maps: `first` changes the image first, and `second` changes the result.
   In numpy: out(p) = first(second(p)), because maps go from output to source. */
static inline void fm_warp_compose(const struct fm_map *first,
                                   const struct fm_map *second, struct fm_map *out)
{
    const double *f = first->m, *s = second->m;
    struct fm_map map; /* `out` may be one of the two */
    for (int i = 0; i < 6; i += 3) {
        map.m[i] = f[i] * s[0] + f[i + 1] * s[3];
        map.m[i + 1] = f[i] * s[1] + f[i + 1] * s[4];
        map.m[i + 2] = f[i] * s[2] + f[i + 1] * s[5] + f[i + 2];
    }
    *out = map;
}

/* Round to fixed point, within +-2**45. NaN becomes -2**45. */
static inline int64_t fm_warp_fixed_point(double x)
{
    const double most = 0x1p45;
    x = x * FM_QUADS_ONE + 0.5;
    return fm_real_floor(x > -most ? (x < most ? x : most) : -most);
}

/* Return the source points of the pixels of an image. */
static inline struct fm_lattice fm_warp_lattice(const struct fm_map *map, size_t height,
                                                size_t width)
{
    const double *m = map->m;
    const double cx = ((double)width - 1) / 2, cy = ((double)height - 1) / 2;
    const struct fm_lattice at = {
        .x = fm_warp_fixed_point(m[0] * -cx + m[1] * -cy + m[2] + cx),
        .y = fm_warp_fixed_point(m[3] * -cx + m[4] * -cy + m[5] + cy),
        .row_x = fm_warp_fixed_point(m[1]),
        .row_y = fm_warp_fixed_point(m[4]),
        .column_x = fm_warp_fixed_point(m[0]),
        .column_y = fm_warp_fixed_point(m[3]),
    };
    return at;
}

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

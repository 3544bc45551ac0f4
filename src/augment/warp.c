/* Affine maps, declared in warp.h, as torchvision.transforms.v2.RandomAffine draws
   them. */
#include "warp.h"

#define ONE FM_QUADS_ONE

static double tangent_of(double value, int is_tangent)
{
    double sine, cosine;
    if (is_tangent)
        return value;
    fm_real_sin_cos(value, &sine, &cosine);
    return sine / cosine;
}

void fm_warp_draw(const struct fm_affine *affine, struct fm_draws *draws,
                  struct fm_map *out)
{
    double angle = fm_draws_range(draws, &affine->angle);
    double tx = fm_draws_range(draws, &affine->translate_x);
    double ty = fm_draws_range(draws, &affine->translate_y);
    double scale = fm_draws_range(draws, &affine->scale);
    double tan_x = tangent_of(fm_draws_range(draws, &affine->shear_x),
                              affine->shear_tangent);
    double tan_y = tangent_of(fm_draws_range(draws, &affine->shear_y),
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

void fm_warp_compose(const struct fm_map *first, const struct fm_map *second,
                     struct fm_map *out)
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
static int64_t fixed_point(double x)
{
    const double most = 0x1p45;
    x = x * ONE + 0.5;
    return fm_real_floor(x > -most ? (x < most ? x : most) : -most);
}

uint64_t fm_warp_work_nbytes(size_t height, size_t width)
{
    return fm_quads_nbytes(height, width) + 2 * sizeof(int32_t) * (width + 16);
}

void fm_warp_apply(const uint8_t *restrict in, size_t height, size_t width,
                   const struct fm_map *map, enum fm_interpolation interpolation,
                   uint8_t fill, enum fm_cpu_level level, void *restrict work,
                   uint8_t *restrict out)
{
    uint8_t *memory = (uint8_t *)work;
    const struct fm_quads quads =
        fm_quads_make(in, height, width, interpolation, fill, level, memory);
    int32_t *coordinates = (int32_t *)(memory + fm_quads_nbytes(height, width));
    const double *m = map->m;
    const double cx = ((double)width - 1) / 2, cy = ((double)height - 1) / 2;
    const struct fm_lattice at = {
        .x = fixed_point(m[0] * -cx + m[1] * -cy + m[2] + cx),
        .y = fixed_point(m[3] * -cx + m[4] * -cy + m[5] + cy),
        .row_x = fixed_point(m[1]),
        .row_y = fixed_point(m[4]),
        .column_x = fixed_point(m[0]),
        .column_y = fixed_point(m[3]),
    };
    fm_points_read_lattice(&quads, at, height, width, coordinates, out);
}

/* Affine warps, declared in warp.h. */
#include "warp.h"

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
    fm_points_read_lattice(&quads, fm_warp_lattice(map, height, width), height, width,
                           coordinates, out);
}

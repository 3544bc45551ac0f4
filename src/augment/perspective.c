/* Perspective maps, declared in perspective.h. */
#include "perspective.h"

#define LANES 16
#define STRIP_POINTS 2048 /* coordinates of a strip of rows stay in the first cache */

/* Return the points from one row to the next. */
static size_t stride_of(size_t width)
{
    return (size_t)fm_integer_align_up(width, LANES);
}

/* Return the rows of a strip. */
static size_t strip_rows(size_t height, size_t width)
{
    const size_t n = STRIP_POINTS / stride_of(width);
    return n < 1 ? 1 : n < height ? n : height;
}

uint64_t fm_perspective_work_nbytes(size_t height, size_t width)
{
    const uint64_t n_points = (uint64_t)strip_rows(height, width) * stride_of(width);
    return fm_quads_nbytes(height, width) + 2 * sizeof(int32_t) * n_points;
}

/* Find the points of rows y to y + n_rows - 1. xs, ys: int32 (n_rows, stride).
   In numpy: fm_perspective_point for each pixel, also of the columns behind the last
   one. */
FM_INLINE void fill_points(const struct fm_perspective_map *map, size_t height,
                           size_t width, size_t y, size_t n_rows, int32_t *restrict xs,
                           int32_t *restrict ys)
{
    const struct fm_perspective_map copy = *map;
    const int32_t center_x = fm_perspective_center(width);
    const int32_t center_y = fm_perspective_center(height);
    const int32_t stride = (int32_t)stride_of(width);
    for (size_t row = y; row < y + n_rows; row++, xs += stride, ys += stride) {
        const float place = fm_perspective_place((int32_t)row, (int32_t)height);
        for (int32_t x = 0; x < stride; x++)
            fm_perspective_point(&copy, fm_perspective_place(x, (int32_t)width), place,
                                 center_x, center_y, xs + x, ys + x);
    }
}

#if FM_X86_LEVELS

/* Find eight coordinates along one axis: see fm_perspective_coordinate. For NaN,
   _mm256_max_ps returns its second argument. GCC makes comparisons of the clipping,
   with which finding the points took twice as long. */
FM_TARGET_AVX2
static inline __m256i coordinates_avx2(__m256 numerator, __m256 inverse, __m256i center)
{
    const __m256 most = _mm256_set1_ps((float)(1 << 30));
    const __m256 least = _mm256_set1_ps(-(float)(1 << 30));
    __m256 x = _mm256_mul_ps(numerator, inverse);
    x = _mm256_min_ps(_mm256_max_ps(x, least), most);
    return _mm256_add_epi32(center, _mm256_cvttps_epi32(x));
}

/* Return m[0] * x + row in each lane. */
FM_TARGET_AVX2
static inline __m256 line_avx2(const float *m, __m256 x, float y)
{
    const __m256 row = _mm256_set1_ps(m[1] * y + m[2]);
    return _mm256_add_ps(row, _mm256_mul_ps(_mm256_set1_ps(m[0]), x));
}

/* Eight points at once. */
FM_TARGET_AVX2
FM_INLINE void fill_points_avx2(const struct fm_perspective_map *map, size_t height,
                                size_t width, size_t y, size_t n_rows,
                                int32_t *restrict xs, int32_t *restrict ys)
{
    const struct fm_perspective_map copy = *map;
    const __m256i center_x = _mm256_set1_epi32(fm_perspective_center(width));
    const __m256i center_y = _mm256_set1_epi32(fm_perspective_center(height));
    const __m256 one = _mm256_set1_ps(1.0f), eight = _mm256_set1_ps(8.0f);
    const __m256 first = _mm256_add_ps(
        _mm256_set1_ps(fm_perspective_place(0, (int32_t)width)),
        _mm256_setr_ps(0.0f, 1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f, 7.0f));
    const size_t stride = stride_of(width);
    for (size_t row = y; row < y + n_rows; row++) {
        const float place = fm_perspective_place((int32_t)row, (int32_t)height);
        __m256 x = first;
        for (size_t i = 0; i < stride; i += 8, xs += 8, ys += 8) {
            const __m256 inverse = _mm256_div_ps(one, line_avx2(copy.m + 6, x, place));
            const __m256 across = line_avx2(copy.m, x, place);
            const __m256 down = line_avx2(copy.m + 3, x, place);
            _mm256_storeu_si256((__m256i *)xs,
                                coordinates_avx2(across, inverse, center_x));
            _mm256_storeu_si256((__m256i *)ys,
                                coordinates_avx2(down, inverse, center_y));
            x = _mm256_add_ps(x, eight); /* exact: see fm_perspective_place */
        }
    }
}

#endif

FM_LEVELS_OF(fill_points,
             (const struct fm_perspective_map *map, size_t height, size_t width,
              size_t y, size_t n_rows, int32_t *restrict xs, int32_t *restrict ys),
             (map, height, width, y, n_rows, xs, ys), fill_points, fill_points_avx2,
             fill_points_avx2);

void fm_perspective_apply(const uint8_t *restrict in, size_t height, size_t width,
                          const struct fm_perspective_map *map,
                          enum fm_interpolation interpolation, uint8_t fill,
                          enum fm_cpu_level level, void *restrict work,
                          uint8_t *restrict out)
{
    uint8_t *memory = (uint8_t *)work;
    const struct fm_quads quads =
        fm_quads_make(in, height, width, interpolation, fill, level, memory);
    const size_t stride = stride_of(width), most_rows = strip_rows(height, width);
    int32_t *xs = (int32_t *)(memory + fm_quads_nbytes(height, width));
    int32_t *ys = xs + most_rows * stride;
    for (size_t y = 0; y < height; y += most_rows) {
        const size_t n_rows = most_rows < height - y ? most_rows : height - y;
        fill_points_levels[level](map, height, width, y, n_rows, xs, ys);
        fm_points_read(&quads, xs, ys, stride, n_rows, width, out + y * width);
    }
}

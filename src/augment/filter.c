/* Neighborhood filters, declared in filter.h. Vectors run over the ends of rows, into
   the next row or the room after the last, so that short rows need no code for their
   tails. */
#include "filter.h"

#include "../lanes.h"

#define LANES FM_LANES_COUNT

static size_t padded(size_t n)
{
    return (size_t)fm_integer_align_up(n, LANES);
}

/* Return the floats from one row to the next where each row has its reflections around
   it. The first pixel of a row is at a multiple of LANES. */
static size_t reflecting_stride(size_t width, size_t half)
{
    return 2 * padded(half) + padded(width);
}

uint64_t fm_filter_work_nbytes(size_t height, size_t width)
{
    const size_t half = (size_t)fm_integer_min(width, FM_BLUR_MAX_SIZE / 2);
    /* The image as floats, later the means; then rows with their reflections. */
    return 4 * ((uint64_t)padded(height * width) + LANES +
                (uint64_t)height * reflecting_stride(width, half));
}

/* Blur with a kernel of size_y weights `down` and size_x weights `across`. in, out:
   uint8 (height, width); image: float32, the work memory.
   All columns are filtered before all rows. A load that does not match a recent store
   has to wait for it, and filtering row by row was twice as slow.
   In numpy: see fm_filter_blur. */
FM_INLINE void correlate_sizes(const uint8_t *restrict in, size_t height, size_t width,
                               const float *across, size_t size_x, const float *down,
                               size_t size_y, float *restrict image,
                               uint8_t *restrict out)
{
    const size_t n = height * width, half = size_x / 2;
    const size_t stride = reflecting_stride(width, half);
    float *const rows = image + padded(n) + LANES + padded(half);
    for (size_t i = 0; i < n; i++)
        image[i] = in[i];
    for (size_t i = n; i < n + LANES; i++)
        image[i] = 0.0f;
    for (size_t y = 0; y < height; y++) {
        const float *sources[FM_BLUR_MAX_SIZE];
        float *const row = rows + y * stride;
        for (size_t k = 0; k < size_y; k++) {
            int64_t from = (int64_t)(y + k) - (int64_t)(size_y / 2);
            from = fm_integer_reflect(from, (int64_t)height);
            sources[k] = image + (size_t)from * width;
        }
        for (size_t x = 0; x < width; x += LANES) {
            fm_lanes sum = {0};
            for (size_t k = 0; k < size_y; k++) {
                fm_lanes source = fm_lanes_load(sources[k] + x);
                sum = fm_lanes_weigh(sum, source, down[k]);
            }
            fm_lanes_store(row + x, sum);
        }
        for (size_t k = 1; k <= half; k++) {
            *(row - k) = row[k];
            row[width - 1 + k] = row[width - 1 - k];
        }
    }
    float *const means = image; /* the pixels are not needed any more */
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x += LANES) {
            fm_lanes sum = {0};
            for (size_t k = 0; k < size_x; k++) {
                fm_lanes source = fm_lanes_load(rows + y * stride - half + x + k);
                sum = fm_lanes_weigh(sum, source, across[k]);
            }
            fm_lanes_store(means + y * width + x, sum);
        }
    for (size_t i = 0; i < n; i++)
        out[i] = fm_real_round_gray(means[i]);
}

/* Blur, with the usual sizes as constants for the compiler. */
FM_INLINE void correlate(const uint8_t *restrict in, size_t height, size_t width,
                         const float *across, size_t size_x, const float *down,
                         size_t size_y, float *restrict image, uint8_t *restrict out)
{
    if (size_x == 3 && size_y == 3)
        correlate_sizes(in, height, width, across, 3, down, 3, image, out);
    else if (size_x == 5 && size_y == 5)
        correlate_sizes(in, height, width, across, 5, down, 5, image, out);
    else
        correlate_sizes(in, height, width, across, size_x, down, size_y, image, out);
}

FM_LEVELS(correlate,
          (const uint8_t *restrict in, size_t height, size_t width, const float *across,
           size_t size_x, const float *down, size_t size_y, float *restrict image,
           uint8_t *restrict out),
          (in, height, width, across, size_x, down, size_y, image, out));

void fm_filter_blur(const uint8_t *restrict in, size_t height, size_t width,
                    const struct fm_blur *blur, double sigma, enum fm_cpu_level level,
                    void *restrict work, uint8_t *restrict out)
{
    double values[FM_BLUR_MAX_SIZE];
    float across[FM_BLUR_MAX_SIZE], down[FM_BLUR_MAX_SIZE];
    const size_t size_x = fm_filter_weights(blur->size_x, sigma, values, across);
    size_t size_y = size_x;
    if (blur->size_y == blur->size_x)
        memcpy(down, across, size_x * sizeof *down);
    else
        size_y = fm_filter_weights(blur->size_y, sigma, values, down);
    correlate_levels[level](in, height, width, across, size_x, down, size_y,
                            (float *)work, out);
}

/* Sharpen or smooth. in, out: uint8 (height, width); rest: 1 - factor.
   In numpy: see fm_filter_sharpen. */
FM_INLINE void sharpen(const uint8_t *restrict in, size_t height, size_t width,
                       float rest, uint8_t *restrict out)
{
    memcpy(out, in, height * width);
    if (height <= 2 || width <= 2)
        return;
    /* One run covers everything from the first to the last inner pixel, because it is
       longer than any row. The outermost pixels get their values back below. */
    const size_t begin = width + 1, end = (height - 1) * width - 1;
    for (size_t i = begin; i < end; i++)
        out[i] = fm_filter_smooth(in + i - width, in + i, in + i + width);
    for (size_t i = begin; i < end; i++)
        out[i] = fm_filter_sharp(in[i], out[i], rest);
    for (size_t y = 1; y + 1 < height; y++) {
        out[y * width] = in[y * width];
        out[y * width + width - 1] = in[y * width + width - 1];
    }
}

FM_LEVELS(sharpen,
          (const uint8_t *restrict in, size_t height, size_t width, float rest,
           uint8_t *restrict out),
          (in, height, width, rest, out));

void fm_filter_sharpen(const uint8_t *restrict in, size_t height, size_t width,
                       double factor, enum fm_cpu_level level, uint8_t *restrict out)
{
    sharpen_levels[level](in, height, width, (float)(1.0 - factor), out);
}

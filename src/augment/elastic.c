/* Elastic warps; see elastic.h. Both fields lie side by side in rows of floats, dx in
   the first half of a row, so that one pass filters both. */
#include "elastic.h"

#include "../lanes.h"
#include "field.h"
#include "transpose.h"

#define ONE FM_QUADS_ONE
#define LANES FM_ELASTIC_LANES
_Static_assert(LANES % FM_TRANSPOSE_SIDE == 0 && LANES % FM_LANES_COUNT == 0 &&
                   FM_FIELD_CHUNK % LANES == 0,
               "rows are whole vectors, and whole parts of chunks");

static size_t align_up(size_t n)
{
    return (n + LANES - 1) / LANES * LANES;
}

/* From row to row of both fields: a cache line more than they have, as rows of 4 KiB
   would share the same few places of the cache. */
static size_t stride_of(size_t side)
{
    return 2 * align_up(side) + 16;
}

static size_t fields_count(size_t height, size_t width)
{
    const size_t columns = align_up(width) * stride_of(height);
    const size_t rows = align_up(height) * stride_of(width);
    return columns > rows ? columns : rows;
}

size_t fm_elastic_work_nbytes(size_t height, size_t width)
{
    return fm_quads_nbytes(height, width) +
           2 * sizeof(float) * fields_count(height, width);
}

/* ---- noise --------------------------------------------------------------------- */

/* out: float32 (width, stride of 2 * across), whose rows are columns of the image. */
FM_INLINE void fill_noise(const uint32_t key[2], fm_field_fn *field, size_t width,
                          size_t across, float *restrict out)
{
    uint32_t words[FM_FIELD_CHUNK];
    size_t y = 0;
    for (size_t p = 0; p < width * across; p += LANES) {
        const size_t part = p % (2 * FM_FIELD_CHUNK);
        if (part == 0)
            field(key, p / (2 * FM_FIELD_CHUNK), words);
        const uint32_t *from = words + part % FM_FIELD_CHUNK;
        const int shift = part < FM_FIELD_CHUNK ? 0 : 8;
        float *dx = out + y, *dy = dx + across;
        for (int i = 0; i < LANES; i++) {
            const uint32_t word = from[i] >> shift;
            dx[i] = (float)(int32_t)(word & 255) * 0x1p-7f - 255.0f / 256.0f;
            dy[i] = (float)(int32_t)(word >> 16 & 255) * 0x1p-7f - 255.0f / 256.0f;
        }
        y += LANES;
        if (y == across) {
            y = 0;
            out += stride_of(across);
        }
    }
}

FM_LEVELS(fill_noise,
          (const uint32_t key[2], fm_field_fn *field, size_t width, size_t across,
           float *restrict out),
          (key, field, width, across, out));

/* ---- smoothing ----------------------------------------------------------------- */

/* Index i folded into a side of n, as a mirror that does not repeat the edge does. */
FM_INLINE size_t reflected(int64_t i, int64_t n)
{
    const int64_t period = 2 * (n - 1);
    i = i < 0 ? -i : i;
    if (i > period) /* rare, and a division is slow */
        i = n > 1 ? i % period : 0;
    return (size_t)(i < n ? i : period - i);
}

/* An extended box: the mean of 2 r + 1 neighbours and of the next one on each side with
   weight `edge`. */
struct box_filter {
    int64_t radius;
    float edge, scale;
};

static struct box_filter box_of(double sigma)
{
    const double v = sigma * sigma / FM_ELASTIC_PASSES;
    const double r = (double)fm_floor(0.5 * sqrt(12.0 * v + 1.0) - 0.5);
    const double edge = (2.0 * r + 1.0) * (r * (r + 1.0) - 3.0 * v) /
                        (6.0 * (v - (r + 1.0) * (r + 1.0)));
    return (struct box_filter){(int64_t)r, (float)edge,
                               (float)(1.0 / (2.0 * r + 1.0 + 2.0 * edge))};
}

/* Filter columns: in, out float32 (n, n_lanes) with rows of stride_of. Four sums at
   once, as each waits for its own last value. */
FM_INLINE void box_columns(const float *restrict in, size_t n, size_t n_lanes,
                           struct box_filter box, float *restrict out)
{
    enum { SUMS = LANES / FM_LANES_COUNT };
    const int64_t r = box.radius, side = (int64_t)n;
    const size_t stride = stride_of(n_lanes / 2);
    for (size_t lane = 0; lane < n_lanes; lane += LANES) {
        fm_lanes sums[SUMS];
        for (int k = 0; k < SUMS; k++)
            sums[k] = fm_lanes_zero();
        for (int64_t i = -1 - r; i < r; i++) {
            const float *row = in + lane + reflected(i, side) * stride;
            for (int k = 0; k < SUMS; k++)
                sums[k] =
                    fm_lanes_add(sums[k], fm_lanes_load(row + k * FM_LANES_COUNT));
        }
        for (int64_t i = 0; i < side; i++) {
            const float *first = in + lane + reflected(i - r - 1, side) * stride;
            const float *last = in + lane + reflected(i + r, side) * stride;
            const float *next = in + lane + reflected(i + r + 1, side) * stride;
            float *to = out + lane + (size_t)i * stride;
            for (int k = 0; k < SUMS; k++) {
                const int at = k * FM_LANES_COUNT;
                fm_lanes before = fm_lanes_load(first + at);
                fm_lanes edges = fm_lanes_add(before, fm_lanes_load(next + at));
                sums[k] = fm_lanes_add(
                    sums[k], fm_lanes_sub(fm_lanes_load(last + at), before));
                fm_lanes sum = fm_lanes_add(sums[k], fm_lanes_scale(edges, box.edge));
                fm_lanes_store(to + at, fm_lanes_scale(sum, box.scale));
            }
        }
    }
}

FM_LEVELS(box_columns,
          (const float *restrict in, size_t n, size_t n_lanes, struct box_filter box,
           float *restrict out),
          (in, n, n_lanes, box, out));

/* Smooth the columns of buffers[0], float32 (n, n_lanes), by way of buffers[1]; the
   result is in buffers[0], which may have changed places with the other. */
static void smooth(float *buffers[2], size_t n, size_t n_lanes, double sigma,
                   enum fm_cpu_level level)
{
    if (sigma == 0)
        return;
    const struct box_filter box = box_of(sigma);
    for (int pass = 0; pass < FM_ELASTIC_PASSES; pass++) {
        float *from = buffers[0];
        box_columns_levels[level](from, n, n_lanes, box, buffers[1]);
        buffers[0] = buffers[1];
        buffers[1] = from;
    }
}

/* ---- places -------------------------------------------------------------------- */

FM_INLINE int32_t whole(float x)
{
    const float bound = (float)(1 << 29); /* with FM_QUADS_MAX_SIDE below 2**31 */
    x = x < -bound ? -bound : x;
    return (int32_t)(x > bound ? bound : x);
}

/* Where pixels are plus their displacements: fields, out (height, 2 * along) with rows
   of stride_of. */
FM_INLINE void displace(const float *restrict fields, size_t height, size_t along,
                        float scale_x, float scale_y, int32_t *restrict out)
{
    const size_t stride = stride_of(along);
    for (size_t y = 0; y < height; y++, fields += stride, out += stride) {
        const float *dx = fields, *dy = fields + along;
        int32_t *xs = out, *ys = out + along;
        for (size_t begin = 0; begin < along; begin += LANES)
            for (size_t x = begin; x < begin + LANES; x++) {
                xs[x] = (int32_t)x * ONE + whole(dx[x] * scale_x);
                ys[x] = (int32_t)y * ONE + whole(dy[x] * scale_y);
            }
    }
}

FM_LEVELS(displace,
          (const float *restrict fields, size_t height, size_t along, float scale_x,
           float scale_y, int32_t *restrict out),
          (fields, height, along, scale_x, scale_y, out));

void fm_elastic_apply(const uint8_t *restrict in, size_t height, size_t width,
                      const struct fm_elastic *elastic, struct fm_draws *draws,
                      enum fm_cpu_level level, void *restrict work,
                      uint8_t *restrict out)
{
    const struct fm_quads quads = fm_quads_make(
        in, height, width, elastic->interpolation, elastic->fill, level, work);
    const size_t across = align_up(height), along = align_up(width);
    float *fields = (float *)((uint8_t *)work + fm_quads_nbytes(height, width));
    float *buffers[2] = {fields, fields + fields_count(height, width)};
    uint32_t key[2];
    key[0] = fm_draws_word(draws);
    key[1] = fm_draws_word(draws);
    fill_noise_levels[level](key, fm_field_select(level), width, across, buffers[0]);
    smooth(buffers, width, 2 * across, elastic->sigma_x, level);
    /* Columns that the image does not have become lanes that nobody looks at. */
    memset(buffers[0] + stride_of(across) * width, 0,
           stride_of(across) * (along - width) * sizeof(float));
    for (size_t i = 0; i < 2; i++)
        fm_transpose(buffers[0] + i * across, stride_of(across), along, across,
                     stride_of(along), level, buffers[1] + i * along);
    float *spare = buffers[0];
    buffers[0] = buffers[1];
    buffers[1] = spare;
    smooth(buffers, height, 2 * along, elastic->sigma_y, level);
    int32_t *places = (int32_t *)buffers[1];
    displace_levels[level](buffers[0], height, along,
                           (float)(elastic->alpha_x / 2 * ONE),
                           (float)(elastic->alpha_y / 2 * ONE), places);
    for (size_t y = 0; y < height; y++, places += stride_of(along))
        fm_quads_read(&quads, places, places + along, width, out + y * width);
}

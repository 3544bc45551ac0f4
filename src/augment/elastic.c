/* Elastic warps, declared in elastic.h, with the filter of Gwosdek et al. named there.
   Both fields lie side by side in rows of floats, dx in the first half of a row, so
   that one pass filters both. */
#include "elastic.h"

#include "../lanes.h"
#include "words.h"
#include "transpose.h"

#define ONE FM_QUADS_ONE
#define LANES FM_ELASTIC_LANES
_Static_assert(LANES % FM_TRANSPOSE_SIDE == 0 && LANES % FM_LANES_COUNT == 0 &&
                   FM_WORDS_CHUNK % LANES == 0,
               "rows are whole vectors, and whole parts of chunks");

static size_t align_up(size_t n)
{
    return (n + LANES - 1) / LANES * LANES;
}

/* Return the floats from one row of both fields to the next. The 16 extra floats are a
   cache line: rows 4 KiB apart would compete for the same few cache sets. */
static size_t stride_of(size_t side)
{
    return 2 * align_up(side) + 16;
}

static uint64_t fields_count(size_t height, size_t width)
{
    const uint64_t columns = (uint64_t)align_up(width) * stride_of(height);
    const uint64_t rows = (uint64_t)align_up(height) * stride_of(width);
    return columns > rows ? columns : rows;
}

uint64_t fm_elastic_work_nbytes(size_t height, size_t width)
{
    return fm_quads_nbytes(height, width) +
           2 * sizeof(float) * fields_count(height, width);
}

/* ---- noise --------------------------------------------------------------------- */

/* Fill both fields with noise. out: float32 (width, 2 * across), rows stride_of(across)
   apart, one row for each column of the image.
   In numpy: (2 * bytes - 255) / 256, with bytes of the field as elastic.h assigns them.
   Not checked: across is a multiple of LANES. */
FM_INLINE void fill_noise(const uint32_t key[2], fm_words_fn *field, size_t width,
                          size_t across, float *restrict out)
{
    uint32_t words[FM_WORDS_CHUNK];
    size_t y = 0;
    for (size_t p = 0; p < width * across; p += LANES) {
        const size_t part = p % (2 * FM_WORDS_CHUNK);
        if (part == 0)
            field(key, p / (2 * FM_WORDS_CHUNK), words);
        const uint32_t *from = words + part % FM_WORDS_CHUNK;
        const int shift = part < FM_WORDS_CHUNK ? 0 : 8;
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
          (const uint32_t key[2], fm_words_fn *field, size_t width, size_t across,
           float *restrict out),
          (key, field, width, across, out));

/* ---- smoothing ----------------------------------------------------------------- */

/* Reflect index i into a side of n pixels, without repeating the edge pixel. */
FM_INLINE size_t reflected(int64_t i, int64_t n)
{
    const int64_t period = 2 * (n - 1);
    i = i < 0 ? -i : i;
    if (i > period) /* rare, and a division is slow */
        i = n > 1 ? i % period : 0;
    return (size_t)(i < n ? i : period - i);
}

/* An extended box filter: the mean of 2 r + 1 neighbors, and of the next neighbor on
   each side with weight `edge`. */
struct box_filter {
    int64_t radius;
    float edge, scale;
};

/* Return the filter whose FM_ELASTIC_PASSES passes smooth by sigma (Gwosdek et al.). */
static struct box_filter box_of(double sigma)
{
    const double v = sigma * sigma / FM_ELASTIC_PASSES;
    const double r = (double)fm_real_floor(0.5 * sqrt(12.0 * v + 1.0) - 0.5);
    const double edge = (2.0 * r + 1.0) * (r * (r + 1.0) - 3.0 * v) /
                        (6.0 * (v - (r + 1.0) * (r + 1.0)));
    return (struct box_filter){(int64_t)r, (float)edge,
                               (float)(1.0 / (2.0 * r + 1.0 + 2.0 * edge))};
}

/* Filter columns. in, out: float32 (n, n_lanes), rows stride_of(n_lanes / 2) apart.
   Four sums are kept at once, because each sum waits for its own previous value.
   In numpy: one pass of the filter in elastic.h, along axis 0.
   Not checked: n_lanes is a multiple of LANES. */
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

/* Smooth the columns of buffers[0], float32 (n, n_lanes), with buffers[1] as the second
   buffer. Each pass swaps the two pointers, so that the result is in buffers[0]. */
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

/* ---- points ---------------------------------------------------------------------- */

/* Truncate x, clipped so that the sum with a coordinate fits 32 bits. */
FM_INLINE int32_t whole(float x)
{
    const float bound = (float)(1 << 29); /* plus the largest side 2**30: below 2**31 */
    x = x < -bound ? -bound : x;
    return (int32_t)(x > bound ? bound : x);
}

/* Add displacements to the coordinates of the pixels. fields: float32, out: int32, both
   (height, 2 * along) with rows stride_of(along) apart, x in their first half.
   In numpy: x * ONE + trunc(clip(dx * scale_x, -2**29, 2**29)); the same for y.
   Not checked: along is a multiple of LANES. */
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
                      const struct fm_elastic *elastic, const uint32_t key[2],
                      enum fm_cpu_level level, void *restrict work,
                      uint8_t *restrict out)
{
    const struct fm_quads quads = fm_quads_make(
        in, height, width, elastic->interpolation, elastic->fill, level, work);
    const size_t across = align_up(height), along = align_up(width);
    float *fields = (float *)((uint8_t *)work + fm_quads_nbytes(height, width));
    float *buffers[2] = {fields, fields + (size_t)fields_count(height, width)};
    fill_noise_levels[level](key, fm_words_select(level), width, across, buffers[0]);
    smooth(buffers, width, 2 * across, elastic->sigma_x, level);
    /* Padding columns are still unset. They become lanes whose results are ignored. */
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

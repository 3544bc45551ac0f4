/* Elastic warps, declared in elastic.h, with the filter of Gwosdek et al. named there.
   Both displacements lie side by side in rows of floats, dx in the first half of a row,
   so that one pass filters both. */
#include "elastic.h"

#include "transpose.h"

#define LANES FM_ELASTIC_LANES
_Static_assert(LANES % FM_TRANSPOSE_SIDE == 0 && LANES % FM_LANES_COUNT == 0 &&
                   FM_WORDS_CHUNK % LANES == 0,
               "rows are whole vectors, and whole parts of chunks");
_Static_assert(LANES / FM_LANES_COUNT <= FM_ELASTIC_MAX_SUMS, "sums have room");

static size_t padded(size_t side)
{
    return (size_t)fm_integer_align_up(side, LANES);
}

/* Return the floats from one row of both displacements to the next. The 16 extra floats
   are a cache line: rows 4 KiB apart would compete for the same few cache sets. */
static size_t stride_of(size_t side)
{
    return 2 * padded(side) + 16;
}

/* Return the floats of both displacements, in rows or in columns. */
static uint64_t buffer_count(size_t height, size_t width)
{
    return fm_integer_max((uint64_t)padded(width) * stride_of(height),
                          (uint64_t)padded(height) * stride_of(width));
}

uint64_t fm_elastic_work_nbytes(size_t height, size_t width)
{
    return fm_quads_nbytes(height, width) +
           2 * sizeof(float) * buffer_count(height, width);
}

/* ---- noise --------------------------------------------------------------------- */

/* Fill both displacements with noise. out: float32 (width, 2 * across), rows
   stride_of(across) apart, one row for each column of the image.
   In numpy: (2 * bytes - 255) / 256, with bytes of words as elastic.h assigns them.
   Not checked: across is a multiple of LANES. */
FM_INLINE void fill_noise(const uint32_t key[2], fm_words_fn *fill_words, size_t width,
                          size_t across, float *restrict out)
{
    uint32_t words[FM_WORDS_CHUNK];
    size_t y = 0;
    for (size_t p = 0; p < width * across; p += LANES) {
        const size_t part = p % (2 * FM_WORDS_CHUNK);
        if (part == 0)
            fill_words(key, p / (2 * FM_WORDS_CHUNK), words);
        const uint32_t *from = words + part % FM_WORDS_CHUNK;
        const int shift = part < FM_WORDS_CHUNK ? 0 : 8;
        float *dx = out + y, *dy = dx + across;
        for (int i = 0; i < LANES; i++) {
            const uint32_t word = from[i] >> shift;
            dx[i] = fm_elastic_noise(word & 255);
            dy[i] = fm_elastic_noise(word >> 16 & 255);
        }
        y += LANES;
        if (y == across) {
            y = 0;
            out += stride_of(across);
        }
    }
}

FM_LEVELS(fill_noise,
          (const uint32_t key[2], fm_words_fn *fill_words, size_t width, size_t across,
           float *restrict out),
          (key, fill_words, width, across, out));

/* ---- smoothing ----------------------------------------------------------------- */

/* Filter columns. in, out: float32 (n, n_lanes), rows stride_of(n_lanes / 2) apart.
   In numpy: one pass of the filter in elastic.h, along axis 0.
   Not checked: n_lanes is a multiple of LANES. */
FM_INLINE void box_columns(const float *restrict in, size_t n, size_t n_lanes,
                           struct fm_elastic_box box, float *restrict out)
{
    const size_t stride = stride_of(n_lanes / 2);
    for (size_t lane = 0; lane < n_lanes; lane += LANES)
        fm_elastic_smooth(in + lane, n, stride, LANES / FM_LANES_COUNT, box,
                          out + lane);
}

FM_LEVELS(box_columns,
          (const float *restrict in, size_t n, size_t n_lanes,
           struct fm_elastic_box box, float *restrict out),
          (in, n, n_lanes, box, out));

/* Smooth the columns of buffers[0], float32 (n, n_lanes), with buffers[1] as the second
   buffer. Each pass swaps the two pointers, so that the result is in buffers[0]. */
static void smooth(float *buffers[2], size_t n, size_t n_lanes, double sigma,
                   enum fm_cpu_level level)
{
    if (sigma == 0)
        return;
    const struct fm_elastic_box box = fm_elastic_find_box(sigma);
    for (int pass = 0; pass < FM_ELASTIC_PASSES; pass++) {
        float *from = buffers[0];
        box_columns_levels[level](from, n, n_lanes, box, buffers[1]);
        buffers[0] = buffers[1];
        buffers[1] = from;
    }
}

/* ---- points ---------------------------------------------------------------------- */

/* Add displacements to the coordinates of the pixels. in: float32, out: int32, both
   (height, 2 * along) with rows stride_of(along) apart, x in their first half.
   In numpy: x * FM_QUADS_ONE + trunc(clip(dx * scale_x, -2**29, 2**29)); y alike.
   Not checked: along is a multiple of LANES. */
FM_INLINE void displace(const float *restrict in, size_t height, size_t along,
                        float scale_x, float scale_y, int32_t *restrict out)
{
    const size_t stride = stride_of(along);
    for (size_t y = 0; y < height; y++, in += stride, out += stride) {
        const float *dx = in, *dy = in + along;
        int32_t *xs = out, *ys = out + along;
        for (size_t begin = 0; begin < along; begin += LANES)
            for (size_t x = begin; x < begin + LANES; x++) {
                xs[x] = fm_elastic_displace((int32_t)x, dx[x] * scale_x);
                ys[x] = fm_elastic_displace((int32_t)y, dy[x] * scale_y);
            }
    }
}

FM_LEVELS(displace,
          (const float *restrict in, size_t height, size_t along, float scale_x,
           float scale_y, int32_t *restrict out),
          (in, height, along, scale_x, scale_y, out));

void fm_elastic_apply(const uint8_t *restrict in, size_t height, size_t width,
                      const struct fm_elastic *elastic, const uint32_t key[2],
                      enum fm_cpu_level level, void *restrict work,
                      uint8_t *restrict out)
{
    uint8_t *memory = (uint8_t *)work;
    const struct fm_quads quads = fm_quads_make(
        in, height, width, elastic->interpolation, elastic->fill, level, memory);
    const size_t across = padded(height), along = padded(width);
    float *buffer = (float *)(memory + fm_quads_nbytes(height, width));
    float *columns[2] = {buffer, buffer + (size_t)buffer_count(height, width)};
    fill_noise_levels[level](key, fm_words_select(level), width, across, columns[0]);
    smooth(columns, width, 2 * across, elastic->sigma_x, level);
    /* Padding columns are still unset. They become lanes whose results are ignored. */
    memset(columns[0] + stride_of(across) * width, 0,
           stride_of(across) * (along - width) * sizeof(float));
    float *rows[2] = {columns[1], columns[0]};
    for (size_t i = 0; i < 2; i++)
        fm_transpose_levels[level](columns[0] + i * across, stride_of(across), along,
                                   across, stride_of(along), rows[0] + i * along);
    smooth(rows, height, 2 * along, elastic->sigma_y, level);
    int32_t *points = (int32_t *)rows[1];
    displace_levels[level](rows[0], height, along, fm_elastic_scale(elastic->alpha_x),
                           fm_elastic_scale(elastic->alpha_y), points);
    fm_points_read(&quads, points, points + along, stride_of(along), height, width,
                   out);
}

/* Resizing, declared in resample.h, as torchvision's resize does on tensors. */
#include "resample.h"

#include "transpose.h"

_Static_assert(FM_TRANSPOSE_SIDE % FM_LANES_COUNT == 0, "rows are whole vectors");

/* Weights of one axis: output i of n_out is the sum over k < n_taps of
   weights[k * n_out + i] * in[begins[i] + k]. Where an output needs fewer than n_taps
   pixels, its other weights are 0, and pixels from n_in on are not read. */
struct axis {
    size_t n_in, n_out, n_taps;
    int32_t *begins;
    float *weights;
};

static size_t padded(size_t side)
{
    return (size_t)fm_integer_align_up(side, FM_TRANSPOSE_SIDE);
}

/* Return the bytes of begins, weights, and the sums of weights, for any filter. */
static uint64_t axis_nbytes(size_t n_in, size_t n_out)
{
    return 4 * (uint64_t)n_out * (2 + fm_resample_n_taps(n_in, n_out, FM_BICUBIC, 1));
}

uint64_t fm_resample_work_nbytes(size_t height, size_t width, size_t out_height,
                                 size_t out_width)
{
    const uint64_t columns = padded(width), rows = padded(out_height);
    /* Both axes; the image, and the results of the passes (see weigh). */
    return axis_nbytes(height, out_height) + axis_nbytes(width, out_width) +
           4 * (columns * (height + rows) + rows * (columns + padded(out_width)));
}

/* Divide weights by their sums. totals: float32 (n_out,); weights: float32 (n_taps,
   n_out).
   In numpy: weights *= 1 / totals, in float32. */
FM_INLINE void normalize(size_t n_out, size_t n_taps, float *restrict totals,
                         float *restrict weights)
{
    for (size_t i = 0; i < n_out; i++)
        totals[i] = 1.0f / totals[i];
    for (size_t k = 0; k < n_taps; k++)
        for (size_t i = 0; i < n_out; i++)
            weights[k * n_out + i] *= totals[i];
}

/* Compute the weights of one axis, bilinear. begins: int32 (n_out,); totals: float32
   (n_out,), for the sums; weights: float32 (n_taps, n_out).
   In numpy: heights = float32(maximum(1 - abs(begins + k + 0.5 - center) / support,
   0)), 0 outside the input; weights = heights * (1 / heights.sum(0)), in float32. */
FM_INLINE void fill_weights(size_t n_in, size_t n_out, size_t n_taps, double support,
                            int32_t *restrict begins, float *restrict totals,
                            float *restrict weights)
{
    const double scale = (double)n_in / (double)n_out, inverse = 1.0 / support;
    const int32_t n = (int32_t)n_in;
    for (size_t i = 0; i < n_out; i++) {
        begins[i] = fm_resample_begin(fm_resample_center(i, scale), support);
        totals[i] = 0.0f;
    }
    for (int32_t k = 0; k < (int32_t)n_taps; k++)
        for (size_t i = 0; i < n_out; i++) {
            const double center = fm_resample_center(i, scale);
            const float height = fm_resample_weight(begins[i] + k, n, center, inverse);
            totals[i] += height;
            weights[(size_t)k * n_out + i] = height;
        }
    normalize(n_out, n_taps, totals, weights);
}

FM_LEVELS(fill_weights,
          (size_t n_in, size_t n_out, size_t n_taps, double support,
           int32_t *restrict begins, float *restrict totals, float *restrict weights),
          (n_in, n_out, n_taps, support, begins, totals, weights));

/* Compute the weights of one axis, bicubic. The arrays are those of fill_weights.
   In numpy: heights = float32(cubic(abs(begins + k + 0.5 - center) / stretch));
   weights = heights * (1 / heights.sum(0)), in float32. With antialias, heights are 0
   outside the input. Without, fm_resample_fold adds the weights of pixels outside. */
FM_INLINE void fill_cubic(size_t n_in, size_t n_out, size_t n_taps, int antialias,
                          int32_t *restrict begins, float *restrict totals,
                          float *restrict weights)
{
    const double scale = (double)n_in / (double)n_out;
    const double stretch = fm_resample_stretch(n_in, n_out, antialias);
    const double support = 2.0 * stretch, inverse = 1.0 / stretch;
    const double a = fm_resample_cubic_a(antialias);
    const int32_t n = (int32_t)n_in, end = antialias ? n : n + (int32_t)n_taps;
    for (size_t i = 0; i < n_out; i++) {
        const double center = fm_resample_center(i, scale);
        begins[i] = antialias ? fm_resample_begin(center, support)
                              : fm_resample_begin_cubic(center);
        totals[i] = 0.0f;
    }
    for (int32_t k = 0; k < (int32_t)n_taps; k++)
        for (size_t i = 0; i < n_out; i++) {
            const double center = fm_resample_center(i, scale);
            const float height =
                fm_resample_weight_cubic(begins[i] + k, end, center, inverse, a);
            totals[i] += height;
            weights[(size_t)k * n_out + i] = height;
        }
    normalize(n_out, n_taps, totals, weights);
    if (antialias)
        return;
    for (size_t i = 0; i < n_out; i++)
        if (begins[i] < 0 || begins[i] + (int32_t)n_taps > n)
            begins[i] = fm_resample_fold(begins[i], n, (int32_t)n_taps, weights + i,
                                         n_out);
}

FM_LEVELS(fill_cubic,
          (size_t n_in, size_t n_out, size_t n_taps, int antialias,
           int32_t *restrict begins, float *restrict totals, float *restrict weights),
          (n_in, n_out, n_taps, antialias, begins, totals, weights));

/* Prepare at `memory` the axis that makes n_out pixels from n_in. Return its end. */
static uint8_t *axis_init(struct axis *axis, size_t n_in, size_t n_out,
                          const struct fm_resize *resize, enum fm_cpu_level level,
                          uint8_t *memory)
{
    const enum fm_interpolation interpolation = resize->interpolation;
    const int antialias = resize->antialias;
    float *totals = (float *)memory;
    axis->n_taps = fm_resample_n_taps(n_in, n_out, interpolation, antialias);
    axis->n_in = n_in;
    axis->n_out = n_out;
    axis->begins = (int32_t *)(totals + n_out);
    axis->weights = (float *)(axis->begins + n_out);
    if (interpolation == FM_BICUBIC)
        fill_cubic_levels[level](n_in, n_out, axis->n_taps, antialias, axis->begins,
                                 totals, axis->weights);
    else
        fill_weights_levels[level](
            n_in, n_out, axis->n_taps,
            fm_resample_support(n_in, n_out, interpolation, antialias), axis->begins,
            totals, axis->weights);
    return (uint8_t *)(axis->weights + n_out * axis->n_taps);
}

/* Resize by the nearest pixel. */
static void nearest(const uint8_t *restrict in, size_t width, const struct fm_box *box,
                    const struct fm_resize *resize, uint8_t *restrict out)
{
    for (size_t y = 0; y < resize->height; y++, out += resize->width) {
        const size_t from = fm_resample_nearest(y, box->height, resize->height);
        const uint8_t *row = in + (box->top + from) * width + box->left;
        for (size_t x = 0; x < resize->width; x++)
            out[x] = row[fm_resample_nearest(x, box->width, resize->width)];
    }
}

/* Run one pass, down the columns. in: float32 (n_in, stride); out: float32
   (axis->n_out, stride).
   In numpy: weights @ in, in float32, summed from the first weight to the last.
   Not checked: stride is a multiple of FM_LANES_COUNT. */
FM_INLINE void weigh_columns(const float *restrict in, size_t stride,
                             const struct axis *axis, float *restrict out)
{
    for (size_t i = 0; i < axis->n_out; i++, out += stride) {
        const float *row = in + (size_t)axis->begins[i] * stride;
        const size_t n_taps =
            fm_resample_n_inside(axis->begins[i], axis->n_in, axis->n_taps);
        for (size_t x = 0; x < stride; x += FM_LANES_COUNT)
            fm_resample_sum(row + x, stride, axis->weights + i, axis->n_out, n_taps,
                            out + x);
    }
}

FM_LEVELS(weigh_columns,
          (const float *restrict in, size_t stride, const struct axis *axis,
           float *restrict out),
          (in, stride, axis, out));

/* Copy the box as floats. in: uint8, rows of `width`; out: float32 (box->height,
   stride).
   In numpy: np.pad(float32(in[box]), ((0, 0), (0, stride - box->width))). */
FM_INLINE void spread(const uint8_t *restrict in, size_t width,
                      const struct fm_box *box, size_t stride, float *restrict out)
{
    in += box->top * width + box->left;
    for (size_t y = 0; y < box->height; y++, out += stride, in += width) {
        for (size_t x = 0; x < box->width; x++)
            out[x] = in[x];
        for (size_t x = box->width; x < stride; x++)
            out[x] = 0.0f;
    }
}

FM_LEVELS(spread,
          (const uint8_t *restrict in, size_t width, const struct fm_box *box,
           size_t stride, float *restrict out),
          (in, width, box, stride, out));

/* Round to pixels, and turn columns into rows. in: float32 (n_columns, stride), both
   sides padded to multiples of FM_TRANSPOSE_SIDE; out: uint8 (n_rows, n_columns).
   In numpy: clip(in[:n_columns, :n_rows].T + 0.5, 0, 255), truncated. */
FM_INLINE void gather(const float *restrict in, size_t stride, size_t n_rows,
                      size_t n_columns, uint8_t *restrict out)
{
    for (size_t y = 0; y < n_rows; y++)
        for (size_t x = 0; x < n_columns; x++)
            out[y * n_columns + x] = fm_real_truncate_gray(in[x * stride + y] + 0.5f);
}

#if FM_X86_LEVELS

/* Eight columns at once, from the last to the first. A store that runs over the end of
   a row overwrites the first columns of the next row, which are written later. Packing
   clips numbers below 0. */
FM_TARGET_AVX2
FM_INLINE void gather_avx2(const float *restrict in, size_t stride, size_t n_rows,
                           size_t n_columns, uint8_t *restrict out)
{
    const __m256 half = _mm256_set1_ps(0.5f), most = _mm256_set1_ps(255.0f);
    for (size_t y = 0; y < n_rows; y += 8)
        for (size_t x = padded(n_columns); x > 0;) {
            __m256 rows[8];
            x -= 8;
            for (size_t i = 0; i < 8; i++)
                rows[i] = _mm256_loadu_ps(in + (x + i) * stride + y);
            fm_transpose_rows_avx2(rows);
            for (size_t i = 0; i < 8 && y + i < n_rows; i++) {
                __m256 mean = _mm256_min_ps(_mm256_add_ps(rows[i], half), most);
                __m256i whole = _mm256_cvttps_epi32(mean);
                __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(whole),
                                                 _mm256_extracti128_si256(whole, 1));
                _mm_storel_epi64((__m128i *)(out + (y + i) * n_columns + x),
                                 _mm_packus_epi16(words, words));
            }
        }
}

#endif

FM_LEVELS_OF(gather,
             (const float *restrict in, size_t stride, size_t n_rows, size_t n_columns,
              uint8_t *restrict out),
             (in, stride, n_rows, n_columns, out), gather, gather_avx2, gather_avx2);

/* Resize by weights: a pass down the columns, a transpose, a second pass, and back. */
static void weigh(const uint8_t *restrict in, size_t width, const struct fm_box *box,
                  const struct axis *rows, const struct axis *columns,
                  enum fm_cpu_level level, float *restrict memory,
                  uint8_t *restrict out)
{
    const size_t height = rows->n_out, n_out = columns->n_out;
    const size_t stride = padded(box->width), turned = padded(height);
    float *down = memory + box->height * stride, *across = down + turned * stride;
    float *both = across + stride * turned;
    spread_levels[level](in, width, box, stride, memory);
    weigh_columns_levels[level](memory, stride, rows, down);
    memset(down + height * stride, 0, (turned - height) * stride * sizeof *down);
    /* Rows become columns, so that the second pass is the same as the first. */
    fm_transpose_levels[level](down, stride, turned, stride, turned, across);
    weigh_columns_levels[level](across, turned, columns, both);
    memset(both + n_out * turned, 0, (padded(n_out) - n_out) * turned * sizeof *both);
    gather_levels[level](both, turned, height, n_out, out);
}

void fm_resample_apply(const uint8_t *restrict in, size_t width,
                       const struct fm_box *box, const struct fm_resize *resize,
                       enum fm_cpu_level level, void *restrict work,
                       uint8_t *restrict out)
{
    struct axis rows, columns;
    if (resize->interpolation == FM_NEAREST) {
        nearest(in, width, box, resize, out);
        return;
    }
    uint8_t *memory = (uint8_t *)work;
    memory = axis_init(&rows, box->height, resize->height, resize, level, memory);
    columns = rows;
    if (box->width != box->height || resize->width != resize->height)
        memory = axis_init(&columns, box->width, resize->width, resize, level, memory);
    weigh(in, width, box, &rows, &columns, level, (float *)memory, out);
}

/* Operations with planes of floats; see planes.h. */
#include "planes.h"

/* Return the floats from one row of a plane to the next. */
static uint32_t padded(uint64_t side)
{
    return (uint32_t)fm_integer_align_up(side, FM_PLANES_PADDING);
}

/* ---- resizing -------------------------------------------------------------------- */

/* The weights of one axis, as in ../augment/resample.c. */
struct axis {
    uint32_t n_in, n_out, n_taps;
    int32_t *begins;
    float *weights;
};

/* Return the floats of an axis, for any box whose side is at most n_in pixels. */
static uint64_t axis_count(uint64_t n_in, uint64_t n_out,
                           enum fm_interpolation interpolation)
{
    return n_out * (1 + fm_resample_n_taps(n_in, n_out, interpolation, 1));
}

/* Return the floats of the image between the passes along both axes. */
static uint64_t resize_plane_count(uint64_t width, const struct fm_resize *resize)
{
    return width * resize->height;
}

/* Compute the weights of output i of an axis. In numpy: see fill_weights and fill_cubic
   in ../augment/resample.c. */
static FM_CALLED void fill_weights(const struct axis *axis, uint32_t i,
                                   const struct fm_resize *resize)
{
    const uint32_t n_out = axis->n_out, n_taps = axis->n_taps;
    const int is_cubic = resize->interpolation == FM_BICUBIC;
    const int antialias = resize->antialias, is_folded = is_cubic && !antialias;
    const double stretch = fm_resample_stretch(axis->n_in, n_out, antialias);
    const double inverse = 1.0 / stretch, a = fm_resample_cubic_a(antialias);
    const double center =
        fm_resample_center(i, (double)axis->n_in / (double)n_out);
    const int32_t n = (int32_t)axis->n_in, end = is_folded ? n + (int32_t)n_taps : n;
    const int32_t begin =
        is_folded ? fm_resample_begin_cubic(center)
                  : fm_resample_begin(center, is_cubic ? 2.0 * stretch : stretch);
    float *weights = axis->weights + i, total = 0.0f;
    for (uint32_t k = 0; k < n_taps; k++) {
        const int32_t tap = begin + (int32_t)k;
        weights[k * n_out] =
            is_cubic ? fm_resample_weight_cubic(tap, end, center, inverse, a)
                     : fm_resample_weight(tap, end, center, inverse);
        total += weights[k * n_out];
    }
    total = 1.0f / total;
    for (uint32_t k = 0; k < n_taps; k++)
        weights[k * n_out] *= total;
    axis->begins[i] =
        is_folded ? fm_resample_fold(begin, n, (int32_t)n_taps, weights, n_out) : begin;
}

/* Prepare at `memory` the axis that makes n_out pixels from n_in. Return its end. The
   caller waits. */
static FM_CALLED float *axis_init(const struct fm_thread_block *block, uint32_t n_in,
                                  uint32_t n_out, const struct fm_resize *resize,
                                  float *memory, struct axis *axis)
{
    axis->n_in = n_in;
    axis->n_out = n_out;
    axis->n_taps = (uint32_t)fm_resample_n_taps(n_in, n_out, resize->interpolation,
                                                resize->antialias);
    axis->begins = (int32_t *)memory;
    axis->weights = memory + n_out;
    FM_EACH(block, i, n_out)
        fill_weights(axis, i, resize);
    return axis->weights + n_out * axis->n_taps;
}

/* Return how many taps of output i are pixels of the input. */
static uint32_t n_inside(const struct axis *axis, uint32_t i)
{
    return (uint32_t)fm_resample_n_inside(axis->begins[i], axis->n_in, axis->n_taps);
}

/* Run the pass down the columns of a box. in: its first pixel, in rows of `in_stride`;
   out: float32 (axis->n_out, width). */
static FM_CALLED void weigh_rows(const struct fm_thread_block *block, const uint8_t *in,
                                 uint32_t in_stride, uint32_t width,
                                 const struct axis *axis, float *out)
{
    FM_EACH(block, i, axis->n_out * width) {
        const uint32_t y = i / width, x = i % width;
        const uint8_t *from = in + (uint32_t)axis->begins[y] * in_stride + x;
        out[i] = fm_resample_sum_pixels(from, in_stride, axis->weights + y, axis->n_out,
                                        n_inside(axis, y));
    }
    fm_machine_wait(block);
}

/* Transpose a plane. in: float32 (n_rows, in_stride); out: float32 (in_stride,
   out_stride), with zeros from column n_rows on. */
static void transpose(const struct fm_thread_block *block, const float *in,
                      uint32_t n_rows, uint32_t in_stride, uint32_t out_stride,
                      float *out)
{
    FM_EACH(block, i, in_stride * out_stride) {
        const uint32_t x = i / out_stride, y = i % out_stride;
        out[i] = y < n_rows ? in[y * in_stride + x] : 0.0f;
    }
    fm_machine_wait(block);
}

static void resize_nearest(struct fm_canvas *canvas, const struct fm_box *box,
                           const struct fm_resize *resize)
{
    uint8_t *out = fm_canvas_other(canvas);
    const uint8_t *in = canvas->pixels + box->top * canvas->width + box->left;
    const uint32_t height = resize->height, width = resize->width;
    FM_EACH(canvas->block, i, height * width) {
        const size_t y = fm_resample_nearest(i / width, box->height, height);
        const size_t x = fm_resample_nearest(i % width, box->width, width);
        out[i] = in[y * canvas->width + x];
    }
    fm_canvas_replace(canvas, out, height, width);
}

/* Copy a box of the image as floats. out: float32 (box->height, stride), with zeros
   from column box->width on. The caller waits. */
static void spread(const struct fm_canvas *canvas, const struct fm_box *box,
                   uint32_t stride, float *out)
{
    const uint8_t *in = canvas->pixels + box->top * canvas->width + box->left;
    FM_EACH(canvas->block, i, (uint32_t)box->height * stride) {
        const uint32_t y = i / stride, x = i % stride;
        out[i] = x < box->width ? (float)in[y * canvas->width + x] : 0.0f;
    }
}

void fm_planes_resize(struct fm_canvas *canvas, const struct fm_box *box,
                      const struct fm_resize *resize)
{
    const struct fm_thread_block *block = canvas->block;
    if (resize->interpolation == FM_NEAREST) {
        resize_nearest(canvas, box, resize);
        return;
    }
    uint8_t *out = fm_canvas_other(canvas);
    const uint8_t *in = canvas->pixels + box->top * canvas->width + box->left;
    const uint32_t height = resize->height, width = resize->width;
    const uint32_t in_width = (uint32_t)box->width;
    struct axis rows, columns;
    float *memory = (float *)canvas->work;
    memory = axis_init(block, (uint32_t)box->height, height, resize, memory, &rows);
    memory = axis_init(block, in_width, width, resize, memory, &columns);
    fm_machine_wait(block);
    weigh_rows(block, in, canvas->width, in_width, &rows, memory);
    FM_EACH(block, i, height * width) {
        const uint32_t y = i / width, x = i % width;
        const float *from = memory + y * in_width + columns.begins[x];
        const float sum = fm_resample_sum_row(from, columns.weights + x, width,
                                              n_inside(&columns, x));
        out[i] = fm_real_truncate_gray(sum + 0.5f);
    }
    fm_canvas_replace(canvas, out, height, width);
}

/* ---- blurring -------------------------------------------------------------------- */

/* Return the floats of the weights of both axes and of the memory to compute them. */
static uint64_t weights_count(const struct fm_blur *blur)
{
    const uint64_t size = fm_integer_max(blur->size_x, blur->size_y);
    return fm_integer_align_up(2 * size + blur->size_x + blur->size_y + 2, 2);
}

static uint64_t blur_count(uint64_t height, uint64_t width, const struct fm_blur *blur)
{
    return weights_count(blur) +
           height * (2 * (uint64_t)padded(width) + 2 * padded(blur->size_x / 2));
}

/* Filter along x, and make the result the image. means: pixel 0 of row 0 of float32
   (height, stride), with size / 2 reflected pixels at both ends of each row. */
static void blur_rows(struct fm_canvas *canvas, const float *means, uint32_t stride,
                      const float *weights, uint32_t size)
{
    uint8_t *out = fm_canvas_other(canvas);
    const uint32_t height = canvas->height, width = canvas->width;
    const uint32_t n_strips = padded(width) / FM_LANES_COUNT;
    FM_EACH(canvas->block, strip, height * n_strips) {
        const uint32_t y = strip / n_strips, x = strip % n_strips * FM_LANES_COUNT;
        const float *from = means + y * stride + x - size / 2;
        float sums[FM_LANES_COUNT];
        fm_lanes sum = {0};
        for (uint32_t k = 0; k < size; k++)
            sum = fm_lanes_weigh(sum, fm_lanes_load(from + k), weights[k]);
        fm_lanes_store(sums, sum);
        for (uint32_t i = 0; i < FM_LANES_COUNT && x + i < width; i++)
            out[y * width + x + i] = fm_real_round_gray(sums[i]);
    }
    fm_canvas_replace(canvas, out, height, width);
}

/* Filter along y. in: float32 (height, padded width); means: as in blur_rows, with
   `half` reflected pixels. */
static void blur_columns(const struct fm_canvas *canvas, const float *in,
                         const float *weights, uint32_t size, uint32_t half,
                         uint32_t stride, float *means)
{
    const uint32_t height = canvas->height, width = canvas->width;
    const uint32_t in_stride = padded(width), n_strips = in_stride / FM_LANES_COUNT;
    FM_EACH(canvas->block, strip, height * n_strips) {
        const uint32_t y = strip / n_strips, x = strip % n_strips * FM_LANES_COUNT;
        fm_lanes sum = {0};
        for (uint32_t k = 0; k < size; k++) {
            const int64_t from = (int64_t)(y + k) - (int64_t)(size / 2);
            const int64_t row = fm_integer_reflect(from, height);
            sum = fm_lanes_weigh(sum, fm_lanes_load(in + row * in_stride + x),
                                 weights[k]);
        }
        fm_lanes_store(means + y * stride + x, sum);
    }
    fm_machine_wait(canvas->block);
    FM_EACH(canvas->block, i, height * half) {
        float *row = means + i / half * stride;
        const uint32_t k = 1 + i % half;
        *(row - k) = row[k];
        row[width - 1 + k] = row[width - 1 - k];
    }
    fm_machine_wait(canvas->block);
}

void fm_planes_blur(struct fm_canvas *canvas, const struct fm_blur *blur, double sigma)
{
    double *values = (double *)canvas->work;
    float *across = (float *)(values + fm_integer_max(blur->size_x, blur->size_y));
    float *down = across + blur->size_x;
    uint32_t *sizes = (uint32_t *)(down + blur->size_y);
    float *image = (float *)canvas->work + weights_count(blur);
    const uint32_t height = canvas->height, width = canvas->width;
    const struct fm_box whole = {.top = 0, .left = 0, .height = height, .width = width};
    spread(canvas, &whole, padded(width), image);
    if (canvas->block->thread == 0) { /* the weights have one sum, in their order */
        sizes[0] = (uint32_t)fm_filter_weights(blur->size_x, sigma, values, across);
        sizes[1] = (uint32_t)fm_filter_weights(blur->size_y, sigma, values, down);
    }
    fm_machine_wait(canvas->block);
    const uint32_t half = sizes[0] / 2, stride = padded(width) + 2 * padded(half);
    float *means = image + height * padded(width) + padded(half);
    blur_columns(canvas, image, down, sizes[1], half, stride, means);
    blur_rows(canvas, means, stride, across, sizes[0]);
}

/* ---- elastic warps --------------------------------------------------------------- */

/* Return the floats of a plane that holds the image or its transpose. */
static uint32_t plane_count(uint64_t height, uint64_t width)
{
    return padded(height) * padded(width);
}

/* Fill both displacements with noise. dx, dy: float32 (width, stride), one row for each
   column of the image.
   In numpy: (2 * bytes - 255) / 256, with bytes of words as elastic.h assigns them. */
static void fill_noise(const struct fm_canvas *canvas, const uint32_t key[2],
                       float *dx, float *dy)
{
    const uint32_t width = canvas->width, stride = padded(canvas->height);
    const uint32_t across =
        (uint32_t)fm_integer_align_up(canvas->height, FM_ELASTIC_LANES);
    const uint32_t n_chunks = (width * across + 2 * FM_WORDS_CHUNK - 1) /
                              (2 * FM_WORDS_CHUNK);
    FM_EACH(canvas->block, counter, n_chunks * FM_WORDS_COUNTERS) {
        uint32_t words[4];
        fm_words_counter(key, counter, words);
        for (uint32_t i = 0; i < 8; i++) { /* two pixels for each word */
            const uint32_t byte = i % 2, word = words[i / 2] >> (8 * byte);
            const uint32_t n = (uint32_t)fm_words_place(counter, i / 2);
            const uint32_t pixel = fm_elastic_pixel(n, byte);
            const uint32_t x = pixel / across, y = pixel % across;
            if (x < width && y < stride) {
                dx[x * stride + y] = fm_elastic_noise(word & 255);
                dy[x * stride + y] = fm_elastic_noise(word >> 16 & 255);
            }
        }
    }
    fm_machine_wait(canvas->block);
}

/* Smooth the columns of planes[0], float32 (n, stride), with planes[1] as the second
   plane. Each pass swaps the two, so that the result is in planes[0]. A strip of
   columns stays with one thread, which waits for no other. */
static FM_CALLED void smooth(const struct fm_thread_block *block, float *planes[2],
                             uint32_t n, uint32_t stride, double sigma)
{
    if (sigma == 0)
        return;
    const struct fm_elastic_box box = fm_elastic_find_box(sigma);
    for (int pass = 0; pass < FM_ELASTIC_PASSES; pass++) {
        float *from = planes[0], *to = planes[1];
        FM_EACH(block, strip, stride / FM_LANES_COUNT)
            fm_elastic_smooth(from + strip * FM_LANES_COUNT, n, stride, 1, box,
                              to + strip * FM_LANES_COUNT);
        planes[0] = to;
        planes[1] = from;
    }
    fm_machine_wait(block);
}

/* Smooth a displacement along both axes. planes[0]: as fill_noise fills it; the result,
   float32 (height, padded width), is in planes[0]. */
static FM_CALLED void smooth_both(const struct fm_canvas *canvas,
                                  const struct fm_elastic *elastic, float *planes[2])
{
    const uint32_t height = canvas->height, width = canvas->width;
    const uint32_t stride = padded(height);
    smooth(canvas->block, planes, width, stride, elastic->sigma_x);
    float *from = planes[0];
    transpose(canvas->block, from, width, stride, padded(width), planes[1]);
    planes[0] = planes[1];
    planes[1] = from;
    smooth(canvas->block, planes, height, padded(width), elastic->sigma_y);
}

void fm_planes_warp(struct fm_canvas *canvas, const struct fm_elastic *elastic,
                    const uint32_t key[2])
{
    uint8_t *out = fm_canvas_other(canvas);
    const uint32_t height = canvas->height, width = canvas->width;
    const uint32_t stride = padded(width), n = plane_count(height, width);
    float *first = (float *)canvas->work, *second = first + n;
    float *along_x[2] = {first, second + n}, *along_y[2] = {second, NULL};
    const float scale_x = fm_elastic_scale(elastic->alpha_x);
    const float scale_y = fm_elastic_scale(elastic->alpha_y);
    fill_noise(canvas, key, along_x[0], along_y[0]);
    smooth_both(canvas, elastic, along_x);
    along_y[1] = along_x[1]; /* free now */
    smooth_both(canvas, elastic, along_y);
    FM_EACH(canvas->block, i, height * width) {
        const uint32_t y = i / width, x = i % width;
        const float dx = along_x[0][y * stride + x], dy = along_y[0][y * stride + x];
        out[i] = fm_quads_pixel_of(canvas->pixels, height, width, elastic->fill,
                                   elastic->interpolation == FM_NEAREST,
                                   fm_elastic_displace((int32_t)x, dx * scale_x),
                                   fm_elastic_displace((int32_t)y, dy * scale_y));
    }
    fm_canvas_replace(canvas, out, height, width);
}

/* ---- memory ---------------------------------------------------------------------- */

uint64_t fm_planes_work_nbytes(const struct fm_transform *transform)
{
    uint64_t height = transform->height, width = transform->width;
    const struct fm_resize *resize;
    switch (transform->kind) {
    case FM_TRANSFORM_RESIZE:
    case FM_TRANSFORM_RESIZED_CROP:
    case FM_TRANSFORM_ZOOM_OUT:
        resize = fm_transform_resize(transform);
        if (resize->interpolation == FM_NEAREST)
            return 0;
        if (transform->kind == FM_TRANSFORM_ZOOM_OUT) { /* of its largest canvas */
            height = fm_resample_canvas(height, transform->zoom_out.side.high);
            width = fm_resample_canvas(width, transform->zoom_out.side.high);
        }
        return 4 * (axis_count(height, resize->height, resize->interpolation) +
                    axis_count(width, resize->width, resize->interpolation) +
                    resize_plane_count(width, resize));
    case FM_TRANSFORM_BLUR:
        return 4 * blur_count(height, width, &transform->blur);
    case FM_TRANSFORM_ELASTIC:
        return 12 * (uint64_t)plane_count(height, width);
    default:
        return 0;
    }
}

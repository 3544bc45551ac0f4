/* Resizing; see resample.h. */
#include "resample.h"

#include "../lanes.h"

#define N_TRIES 10

/* Weights of one axis: output i of n_out is the sum over k < n_taps of
   weights[k * n_out + i] * in[begins[i] + k]. Weights beyond those that an output has
   are 0. */
struct axis {
    size_t n_out, n_taps;
    uint32_t *begins;
    float *weights;
};

static double support_of(size_t n_in, size_t n_out, int antialias)
{
    double scale = (double)n_in / (double)n_out;
    return antialias && scale > 1.0 ? scale : 1.0;
}

static size_t align_up(size_t n)
{
    return (n + FM_LANES_COUNT - 1) / FM_LANES_COUNT * FM_LANES_COUNT;
}

static double triangle(double x, double support)
{
    const double height = 1.0 - fabs(support == 1.0 ? x : x / support);
    return height < 0.0 ? 0.0 : height;
}

/* As many as an interval of twice the support can hold; 2 when enlarging. */
static size_t n_taps_of(size_t n_in, size_t n_out, int antialias)
{
    return (size_t)ceil(2.0 * support_of(n_in, n_out, antialias));
}

static size_t axis_nbytes(size_t n_in, size_t n_out)
{
    return n_out * (4 + 4 * n_taps_of(n_in, n_out, 1));
}

size_t fm_resample_work_nbytes(size_t height, size_t width, size_t out_height,
                               size_t out_width)
{
    /* both axes; the image, and what the passes make of it (see weigh) */
    return axis_nbytes(height, out_height) + axis_nbytes(width, out_width) +
           4 * (align_up(width) * (height + out_height) +
                align_up(out_height) * (width + out_width));
}

/* Prepare the axis that makes n_out pixels of n_in, at `memory`; returns its end. */
static uint8_t *axis_init(struct axis *axis, size_t n_in, size_t n_out, int antialias,
                          uint8_t *memory)
{
    const double scale = (double)n_in / (double)n_out;
    const double support = support_of(n_in, n_out, antialias);
    axis->n_taps = n_taps_of(n_in, n_out, antialias);
    axis->n_out = n_out;
    axis->begins = (uint32_t *)memory;
    axis->weights = (float *)(axis->begins + n_out);
    for (size_t i = 0; i < n_out; i++) {
        const double center = ((double)i + 0.5) * scale;
        const int64_t first = fm_floor(center - support + 0.5);
        const int64_t next = fm_floor(center + support + 0.5);
        const size_t begin = first < 0 ? 0 : (size_t)first;
        const size_t end = next > (int64_t)n_in ? n_in : (size_t)next;
        double total = 0.0;
        for (size_t k = begin; k < end; k++)
            total += triangle((double)k + 0.5 - center, support);
        for (size_t k = 0; k < axis->n_taps; k++) {
            double x = (double)(begin + k) + 0.5 - center;
            axis->weights[k * n_out + i] =
                begin + k < end ? (float)(triangle(x, support) / total) : 0.0f;
        }
        axis->begins[i] = (uint32_t)begin;
    }
    return (uint8_t *)(axis->weights + n_out * axis->n_taps);
}

static void nearest(const uint8_t *restrict in, size_t width, const struct fm_box *box,
                    const struct fm_resize *resize, uint8_t *restrict out)
{
    for (size_t y = 0; y < resize->height; y++, out += resize->width) {
        const uint8_t *row =
            in + (box->top + y * box->height / resize->height) * width + box->left;
        for (size_t x = 0; x < resize->width; x++)
            out[x] = row[x * box->width / resize->width];
    }
}

/* One pass, down the columns of `in`: float32 (n_in, stride) to (axis->n_out, stride),
   with rows of zeros behind those that an output has. */
FM_INLINE void weigh_columns(const float *restrict in, size_t stride,
                             const struct axis *axis, float *restrict out)
{
    for (size_t i = 0; i < axis->n_out; i++, out += stride) {
        const float *row = in + axis->begins[i] * stride;
        for (size_t x = 0; x < stride; x += FM_LANES_COUNT) {
            const float *from = row + x;
            fm_lanes sum = fm_lanes_scale(fm_lanes_load(from), axis->weights[i]);
            for (size_t k = 1; k < axis->n_taps; k++) {
                const float weight = axis->weights[k * axis->n_out + i];
                if (weight == 0.0f) /* there may be no such row */
                    break;
                from += stride;
                sum = fm_lanes_add(sum, fm_lanes_scale(fm_lanes_load(from), weight));
            }
            fm_lanes_store(out + x, sum);
        }
    }
}

FM_INLINE void weigh(const uint8_t *restrict in, size_t width, const struct fm_box *box,
                     const struct axis *rows, const struct axis *columns,
                     float *restrict memory, uint8_t *restrict out)
{
    const size_t height = rows->n_out, n_out = columns->n_out;
    const size_t stride = align_up(box->width), turned = align_up(height);
    float *image = memory, *down = image + box->height * stride;
    float *across = down + height * stride, *both = across + box->width * turned;
    in += box->top * width + box->left;
    for (size_t y = 0; y < box->height; y++, image += stride, in += width)
        for (size_t x = 0; x < stride; x++)
            image[x] = x < box->width ? in[x] : 0.0f;
    weigh_columns(memory, stride, rows, down);
    /* Rows become columns, so that the second pass is the same as the first. */
    for (size_t x = 0; x < box->width; x++)
        for (size_t y = 0; y < turned; y++)
            across[x * turned + y] = y < height ? down[y * stride + x] : 0.0f;
    weigh_columns(across, turned, columns, both);
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < n_out; x++) {
            float mean = both[x * turned + y] + 0.5f;
            out[y * n_out + x] = (uint8_t)(int32_t)(mean > 255.0f ? 255.0f : mean);
        }
}

FM_LEVELS(weigh,
          (const uint8_t *restrict in, size_t width, const struct fm_box *box,
           const struct axis *rows, const struct axis *columns, float *restrict memory,
           uint8_t *restrict out),
          (in, width, box, rows, columns, memory, out));

void fm_resample(const uint8_t *restrict in, size_t width, const struct fm_box *box,
                 const struct fm_resize *resize, enum fm_cpu_level level,
                 void *restrict work, uint8_t *restrict out)
{
    struct axis rows, columns;
    if (resize->interpolation == FM_NEAREST) {
        nearest(in, width, box, resize, out);
        return;
    }
    uint8_t *memory = work;
    memory = axis_init(&rows, box->height, resize->height, resize->antialias, memory);
    memory = axis_init(&columns, box->width, resize->width, resize->antialias, memory);
    weigh_levels[level](in, width, box, &rows, &columns, (float *)memory, out);
}

void fm_resized_crop_draw(const struct fm_resized_crop *crop, size_t height,
                          size_t width, struct fm_draws *draws, struct fm_box *out)
{
    const double n_pixels = (double)(height * width);
    for (int i = 0; i < N_TRIES; i++) {
        double area = fm_draws_range(draws, &crop->scale) * n_pixels;
        double aspect = fm_exp(fm_draws_range(draws, &crop->log_ratio));
        out->width = (size_t)fm_round(sqrt(area * aspect));
        out->height = (size_t)fm_round(sqrt(area / aspect));
        if (0 < out->width && out->width <= width && 0 < out->height &&
            out->height <= height) {
            out->top = fm_draws_below(draws, height - out->height + 1);
            out->left = fm_draws_below(draws, width - out->width + 1);
            return;
        }
    }
    out->height = crop->fallback_height;
    out->width = crop->fallback_width;
    out->top = (height - out->height) / 2;
    out->left = (width - out->width) / 2;
}

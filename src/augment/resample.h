/* Resizing a whole image or a box in it, as torchvision's resize does on tensors.
   Bilinear: an output pixel is the weighted mean of the pixels that it covers. The
   weights are a triangle filter, which is wider when shrinking with `antialias`. At the
   edges an output pixel covers fewer pixels. Bicubic: the weights are a cubic filter of
   twice that width, with negative parts. Nearest: an output pixel is one of the pixels.
   Source of the cubic: Keys, "Cubic convolution interpolation for digital image
   processing", IEEE Transactions on Acoustics, Speech, and Signal Processing 29,
   1981. */
#ifndef FM_AUGMENT_RESAMPLE_H
#define FM_AUGMENT_RESAMPLE_H

#include "../lanes.h"
#include "crop.h"
#include "quads.h"

/* Words: coin. */
struct fm_resize {
    uint32_t height, width; /* output size */
    enum fm_interpolation interpolation;
    int antialias;
};

/* A box of random area, `scale` as a fraction of the image, and random aspect ratio
   width / height, log-uniform between exp(log_ratio.low) and exp(log_ratio.high). It is
   resized to one size. After ten tries that do not fit, the box is fallback_height x
   fallback_width in the center.
   Words: coin; for each try the scale, the log ratio, and, if it fits, the top and the
   left. */
struct fm_resized_crop {
    struct fm_range scale, log_ratio;
    uint32_t fallback_height, fallback_width;
    struct fm_resize resize;
};

/* The image at a random place of a canvas of `fill`, which is resized to the image's
   size. Each side of the canvas is the image's times a factor from side.low, at least
   1, to side.high, and is truncated.
   Words: coin, factor, left, top. Left and top are drawn below the canvas's side less
   the image's; they are 0 if these are equal. */
struct fm_zoom_out {
    struct fm_range side;
    uint8_t fill;
    struct fm_resize resize;
};

#define FM_RESAMPLE_TRIES 10 /* as in torchvision's RandomResizedCrop */

/* Draw the box to resize. */
static inline void fm_resample_draw(const struct fm_resized_crop *crop, size_t height,
                                    size_t width, struct fm_draws *draws,
                                    struct fm_box *out)
{
    const double n_pixels = (double)(height * width);
    for (int i = 0; i < FM_RESAMPLE_TRIES; i++) {
        double area = fm_draws_range(draws, &crop->scale) * n_pixels;
        double aspect = fm_real_exp(fm_draws_range(draws, &crop->log_ratio));
        out->width = (size_t)fm_real_round(sqrt(area * aspect));
        out->height = (size_t)fm_real_round(sqrt(area / aspect));
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

/* Return a side of the canvas of struct fm_zoom_out. */
static inline size_t fm_resample_canvas(size_t side, double factor)
{
    return (size_t)((double)side * factor);
}

/* Return the input pixels that a filter is stretched to for each unit of its width. */
static inline double fm_resample_stretch(size_t n_in, size_t n_out, int antialias)
{
    double scale = (double)n_in / (double)n_out;
    return antialias && scale > 1.0 ? scale : 1.0;
}

/* Return half the width of the triangle or the cubic, in input pixels. */
static inline double fm_resample_support(size_t n_in, size_t n_out,
                                         enum fm_interpolation interpolation,
                                         int antialias)
{
    const double radius = interpolation == FM_BICUBIC ? 2.0 : 1.0;
    return radius * fm_resample_stretch(n_in, n_out, antialias);
}

/* Return how many pixels an interval of twice the support can hold. When enlarging,
   these are 2, or 4 for bicubic. */
static inline size_t fm_resample_n_taps(size_t n_in, size_t n_out,
                                        enum fm_interpolation interpolation,
                                        int antialias)
{
    return (size_t)ceil(
        2.0 * fm_resample_support(n_in, n_out, interpolation, antialias));
}

/* Return the center of output pixel i, in input pixels; scale: n_in / n_out. */
FM_INLINE double fm_resample_center(size_t i, double scale)
{
    return ((double)(int32_t)i + 0.5) * scale;
}

/* Return the first input pixel that an output pixel covers. */
FM_INLINE int32_t fm_resample_begin(double center, double support)
{
    const double first = center - support + 0.5;
    return (int32_t)(first < 0.0 ? 0.0 : first);
}

/* Return the height of the triangle at input pixel i of n; inverse: 1 / support. It is
   the weight of the pixel, before the weights are normalized. */
FM_INLINE float fm_resample_weight(int32_t i, int32_t n, double center, double inverse)
{
    const double x = (double)i + 0.5 - center;
    double height = 1.0 - fabs(x) * inverse;
    height = height < 0.0 ? 0.0 : height;
    return (float)(i < n ? height : 0.0);
}

/* Return the first of the four input pixels around a center, without antialias. It may
   be -2 or -1, and the last one may be beyond the last pixel of the input. */
FM_INLINE int32_t fm_resample_begin_cubic(double center)
{
    return (int32_t)(center + 0.5) - 2;
}

/* Return the `a` of the cubic. It is that of Pillow with antialias, and that of OpenCV
   without, as in PyTorch. */
FM_INLINE double fm_resample_cubic_a(int antialias)
{
    return antialias ? -0.5 : -0.75;
}

/* Return the height of the cubic at input pixel i, or 0 from pixel n on; inverse: 1 /
   stretch. It is the weight of the pixel, before the weights are normalized. */
FM_INLINE float fm_resample_weight_cubic(int32_t i, int32_t n, double center,
                                         double inverse, double a)
{
    const double x = fabs((double)i + 0.5 - center) * inverse;
    const double inner = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    const double outer = (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    const double height = x < 1.0 ? inner : x < 2.0 ? outer : 0.0;
    return (float)(i < n ? height : 0.0);
}

/* Add the weights of pixels outside an input of n pixels to the pixel at its edge, from
   the first weight to the last. Return the pixel that the first weight is now for.
   Weight k is weights[k * step], and before that it is for pixel begin + k. A weight
   moves to an earlier place, or stays. */
FM_INLINE int32_t fm_resample_fold(int32_t begin, int32_t n, int32_t n_taps,
                                   float *weights, size_t step)
{
    const int32_t first = (int32_t)fm_integer_clip(begin, 0, n - 1);
    for (int32_t k = 0; k < n_taps; k++) {
        const int32_t i = (int32_t)fm_integer_clip(begin + k, 0, n - 1);
        const float weight = weights[(size_t)k * step];
        weights[(size_t)k * step] = 0.0f;
        weights[(size_t)(i - first) * step] += weight;
    }
    return first;
}

/* Return how many of n_taps pixels from `begin` on are in an input of n pixels. */
FM_INLINE size_t fm_resample_n_inside(int32_t begin, size_t n, size_t n_taps)
{
    return (size_t)fm_integer_min(n_taps, n - (size_t)begin);
}

/* Compute the weighted sums of FM_LANES_COUNT columns of n_taps rows, which are
   `stride` apart. Weight k is weights[k * step].
   In numpy: out = weights @ rows, in float32, summed from the first weight to the last.
   Not checked: n_taps > 0. */
FM_INLINE void fm_resample_sum(const float *from, size_t stride, const float *weights,
                               size_t step, size_t n_taps, float *out)
{
    fm_lanes sum = fm_lanes_scale(fm_lanes_load(from), weights[0]);
    for (size_t k = 1; k < n_taps; k++) {
        from += stride;
        sum = fm_lanes_weigh(sum, fm_lanes_load(from), weights[k * step]);
    }
    fm_lanes_store(out, sum);
}

/* Return the weighted sum of one column of pixels, as fm_resample_sum does for floats.
   Pixels are `stride` apart. */
FM_INLINE float fm_resample_sum_pixels(const uint8_t *from, size_t stride,
                                       const float *weights, size_t step, size_t n_taps)
{
    float sum = (float)*from * weights[0];
    for (size_t k = 1; k < n_taps; k++) {
        from += stride;
        sum = sum + (float)*from * weights[k * step];
    }
    return sum;
}

/* Return the weighted sum of one row of floats, as fm_resample_sum does for columns. */
FM_INLINE float fm_resample_sum_row(const float *from, const float *weights,
                                    size_t step, size_t n_taps)
{
    float sum = from[0] * weights[0];
    for (size_t k = 1; k < n_taps; k++)
        sum = sum + from[k] * weights[k * step];
    return sum;
}

/* Return the input pixel that is nearest to output pixel i. */
FM_INLINE size_t fm_resample_nearest(size_t i, size_t n_in, size_t n_out)
{
    return (size_t)((uint64_t)i * n_in / n_out);
}

/* Return the bytes that fm_resample_apply needs at `work` for any box of an image. */
uint64_t fm_resample_work_nbytes(size_t height, size_t width, size_t out_height,
                                 size_t out_width);

/* in: uint8, rows of `width` pixels; out: uint8 (resize->height, resize->width), with
   room for 7 bytes after it. work: fm_resample_work_nbytes bytes, aligned to 4.
   In numpy: (rows @ in[box] @ cols.T + 0.5), truncated and clipped to 0..255, with the
   two weight matrices in float32, summed from left to right, vertically first. A weight
   is the height of the triangle or the cubic, rounded to float32, times 1 / the float32
   sum of these heights from left to right. Bicubic without antialias: a pixel outside
   the box is the one at its edge, which gets the sum of their weights. Nearest:
   in[box][y * box.height // out.height, x * box.width // out.width].
   Not checked: the box is not empty and lies in the image; out does not overlap in. */
void fm_resample_apply(const uint8_t *restrict in, size_t width,
                       const struct fm_box *box, const struct fm_resize *resize,
                       enum fm_cpu_level level, void *restrict work,
                       uint8_t *restrict out);

#endif

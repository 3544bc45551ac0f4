/* Resizing a whole image or a box in it, as torchvision's resize does on tensors.
   Bilinear: an output pixel is the weighted mean of the pixels that it covers. The
   weights are a triangle filter, which is wider when shrinking with `antialias`. At the
   edges an output pixel covers fewer pixels. Nearest: an output pixel is one of the
   pixels. */
#ifndef FM_AUGMENT_RESAMPLE_H
#define FM_AUGMENT_RESAMPLE_H

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

/* Draw the box to resize. */
void fm_resample_draw(const struct fm_resized_crop *crop, size_t height, size_t width,
                      struct fm_draws *draws, struct fm_box *out);

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
   In numpy: (rows @ in[box] @ cols.T + 0.5), truncated, with the two weight matrices in
   float32, summed from left to right, vertically first. A weight is the height of the
   triangle, rounded to float32, times 1 / the float32 sum of these heights from left to
   right. Nearest: in[box][y * box.height // out.height, x * box.width // out.width].
   Not checked: the box is not empty and lies in the image; out does not overlap in. */
void fm_resample_apply(const uint8_t *restrict in, size_t width,
                       const struct fm_box *box, const struct fm_resize *resize,
                       enum fm_cpu_level level, void *restrict work,
                       uint8_t *restrict out);

#endif

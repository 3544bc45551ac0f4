/* Resizing, of whole images or of a part: every output pixel is a weighted mean of the
   pixels it covers (triangle filter, wider when shrinking with `antialias`), or one of
   them. As torchvision's resize on tensors; at the edges there are fewer of them. */
#ifndef FM_AUGMENT_RESAMPLE_H
#define FM_AUGMENT_RESAMPLE_H

#include "quads.h"
#include "window.h"

/* Words: coin. */
struct fm_resize {
    size_t height, width; /* of the output */
    enum fm_interpolation interpolation;
    int antialias;
};

/* A part of the image of random area (share `scale`) and aspect ratio (log-uniform
   between exp(log_ratio.low) and exp(log_ratio.high)), resized. After ten tries that do
   not fit, fallback_height x fallback_width in the centre.
   Words: coin; for each try scale, log ratio, and if it fits top, left. */
struct fm_resized_crop {
    struct fm_range scale, log_ratio;
    size_t fallback_height, fallback_width;
    struct fm_resize resize;
};

void fm_resized_crop_draw(const struct fm_resized_crop *crop, size_t height,
                          size_t width, struct fm_draws *draws, struct fm_box *out);

size_t fm_resample_work_nbytes(size_t height, size_t width, size_t out_height,
                               size_t out_width);

/* in: uint8, rows of `width` pixels; out: uint8 (resize->height, resize->width), with
   room for 7 bytes behind.
   In numpy: (rows @ in[box] @ cols.T + 0.5) with the two weight matrices in float32,
   summed from left to right, vertically first. A weight is the height of the triangle,
   rounded to float32, times 1 / the float32 sum of these from left to right.
   Not checked: the box is not empty and lies in the image. */
void fm_resample(const uint8_t *restrict in, size_t width, const struct fm_box *box,
                 const struct fm_resize *resize, enum fm_cpu_level level,
                 void *restrict work, uint8_t *restrict out);

#endif

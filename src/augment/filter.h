/* Neighbourhood filters: Gaussian blur and sharpening, as torchvision's. */
#ifndef FM_AUGMENT_FILTER_H
#define FM_AUGMENT_FILTER_H

#include "draw.h"
#include <stddef.h>

#define FM_BLUR_MAX_SIZE 255

/* Odd kernel sizes up to FM_BLUR_MAX_SIZE, half of them less than the side; edges are
   reflected. Words: coin, sigma. */
struct fm_blur {
    size_t size_x, size_y;
    struct fm_range sigma;
};

/* Factor 0 smooths, 1 does nothing, 2 sharpens. Words: coin, factor. */
struct fm_sharpness {
    struct fm_range factor;
};

size_t fm_filter_work_nbytes(size_t height, size_t width);

/* in, out: uint8 (height, width). work starts at a multiple of 64.
   In numpy: weights = exp(-x**2 / (2 sigma**2)), normalised, as float32; correlate the
   columns, then the rows, in float32 from the first weight to the last; + 0.5, cut. */
void fm_blur_apply(const uint8_t *restrict in, size_t height, size_t width,
                   const struct fm_blur *blur, double sigma, enum fm_cpu_level level,
                   void *restrict work, uint8_t *restrict out);

/* In numpy: v + (smooth - v) * float32(1 - factor), clipped to 0..255 and cut, where
   smooth is the rounded mean over 3 x 3 with weight 5 in the middle; the outermost
   pixels stay, and images with a side of 1 or 2. */
void fm_sharpness_apply(const uint8_t *restrict in, size_t height, size_t width,
                        double factor, enum fm_cpu_level level, uint8_t *restrict out);

#endif

/* Neighborhood filters: Gaussian blur and sharpening, as torchvision's GaussianBlur and
   adjust_sharpness compute them. */
#ifndef FM_AUGMENT_FILTER_H
#define FM_AUGMENT_FILTER_H

#include <stddef.h>

#include "../integer.h"
#include "draws.h"

#define FM_BLUR_MAX_SIZE 255

/* Kernel sizes are odd and at most FM_BLUR_MAX_SIZE, and half a kernel is less than the
   side. Edges are reflected, without repeating the edge pixel.
   Words: coin, sigma. */
struct fm_blur {
    uint32_t size_x, size_y;
    struct fm_range sigma;
};

/* Factor 0 smooths, factor 1 changes nothing, factor 2 sharpens.
   Words: coin, factor. */
struct fm_sharpness {
    struct fm_range factor;
};

/* Return the weight of a Gaussian at distance x, before the weights are normalized. */
static inline double fm_filter_gaussian(double x, double sigma)
{
    const double power = -(x * x) / (2.0 * sigma * sigma);
    return fm_real_exp(power < -700.0 ? -700.0 : power);
}

/* Weights below this are left out. A product of two other weights and a pixel is then a
   normal float: at least 2**-126. Denormal products made a blur of size 23 and sigma
   0.7 take twice as long. All that is left out is below 255 * 255 * 2**-63 < 2e-14 gray
   levels in each direction. */
#define FM_FILTER_LEAST_WEIGHT 0x1p-63

/* Compute the `size` weights of a Gaussian, which sum to one. Return how many are left
   without the smallest ones at both ends. values: float64 (size,), for the work;
   weights: float32 (size,). */
static inline size_t fm_filter_weights(size_t size, double sigma, double *values,
                                       float *weights)
{
    double total = 0.0;
    for (size_t k = 0; k < size; k++) {
        const double x = (double)k - (double)(size / 2);
        values[k] = k > size / 2 ? values[size - 1 - k] : fm_filter_gaussian(x, sigma);
        total += values[k];
    }
    size_t begin = 0;
    while (begin < size / 2 && values[begin] / total < FM_FILTER_LEAST_WEIGHT)
        begin++;
    for (size_t k = begin; k < size - begin; k++)
        weights[k - begin] = (float)(values[k] / total);
    return size - 2 * begin;
}

/* Return the rounded mean over 3 x 3 pixels with weight 5 in the middle, from pointers
   to the middle of each row. The sums have 16 bits, for twice as many lanes. */
FM_INLINE uint8_t fm_filter_smooth(const uint8_t *above, const uint8_t *row,
                                   const uint8_t *below)
{
    uint16_t sum = (uint16_t)(above[-1] + above[0] + above[1]);
    sum = (uint16_t)(sum + row[-1] + 5 * row[0] + row[1]);
    sum = (uint16_t)(sum + below[-1] + below[0] + below[1]);
    return (uint8_t)((uint16_t)(2 * sum + 13) / 26);
}

/* Return a sharper pixel from it and its smooth mean; rest: 1 - factor. */
FM_INLINE uint8_t fm_filter_sharp(uint8_t pixel, uint8_t smooth, float rest)
{
    return fm_real_truncate_gray((float)pixel + ((float)smooth - (float)pixel) * rest);
}

/* Return the bytes that fm_filter_blur needs at `work`. */
uint64_t fm_filter_work_nbytes(size_t height, size_t width);

/* Blur. in, out: uint8 (height, width). work: fm_filter_work_nbytes bytes from a
   multiple of 64 on.
   In numpy: weights = exp(-x**2 / (2 sigma**2)), normalized, as float32; correlate
   along y, then along x, in float32, summed from the first weight to the last; + 0.5,
   truncated.
   Not checked: kernel sizes, as above; sigma > 0; out does not overlap in. */
void fm_filter_blur(const uint8_t *restrict in, size_t height, size_t width,
                    const struct fm_blur *blur, double sigma, enum fm_cpu_level level,
                    void *restrict work, uint8_t *restrict out);

/* Sharpen or smooth. in, out: uint8 (height, width).
   In numpy: v + (smooth - v) * float32(1 - factor), clipped to 0..255 and truncated,
   where smooth is the rounded mean over 3 x 3 pixels with weight 5 in the middle. The
   outermost pixels stay, and so do images with a side of 1 or 2.
   Not checked: out does not overlap in. */
void fm_filter_sharpen(const uint8_t *restrict in, size_t height, size_t width,
                       double factor, enum fm_cpu_level level, uint8_t *restrict out);

#endif

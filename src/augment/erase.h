/* Rectangles that are painted over, with random bytes or with one value as the hole of
   a crop (crop.h): RandomErasing (Zhong et al., arXiv:1708.04896) and Cutout (DeVries
   and Taylor, arXiv:1708.04552). */
#ifndef FM_AUGMENT_ERASE_H
#define FM_AUGMENT_ERASE_H

#include "crop.h"

/* A rectangle of random area, `scale` as a fraction of the image, and random aspect
   ratio height / width, log-uniform. It is smaller than the image in both directions.
   After ten tries that do not fit, nothing is painted.
   Words: coin; for each try the scale, the log ratio, and, if it fits, the top and the
   left; then, with `random`, two that are the key of the pixels. Byte b of word i
   is pixel 4 i + b of the rectangle (words.h). */
struct fm_erasing {
    struct fm_range scale, log_ratio;
    int random;
    uint8_t value;
};

/* A square of `size` pixels around a random pixel of the image, clipped at the edges.
   Its rows are y - size / 2 + (0 ... size - 1), where y is the row of that pixel. Its
   columns follow from x in the same way.
   Words: coin, y, x. */
struct fm_cutout {
    uint64_t size;
    uint8_t value;
};

#define FM_ERASE_TRIES 10 /* as in torchvision's RandomErasing */

/* Draw the box to paint. Return 0 if none of the tries fits. */
static inline int fm_erase_draw(const struct fm_erasing *erasing, size_t height,
                                size_t width, struct fm_draws *draws,
                                struct fm_box *out)
{
    const double n_pixels = (double)(height * width);
    for (int i = 0; i < FM_ERASE_TRIES; i++) {
        double area = fm_draws_range(draws, &erasing->scale) * n_pixels;
        double aspect = fm_real_exp(fm_draws_range(draws, &erasing->log_ratio));
        out->height = (size_t)fm_real_round(sqrt(area * aspect));
        out->width = (size_t)fm_real_round(sqrt(area / aspect));
        if (out->height < height && out->width < width) {
            out->top = fm_draws_below(draws, height - out->height + 1);
            out->left = fm_draws_below(draws, width - out->width + 1);
            return 1;
        }
    }
    return 0;
}

/* Draw the middle of `size` pixels of a side. Return the first of them inside the side,
   and set *length to their number. */
static inline size_t fm_erase_draw_span(struct fm_draws *draws, int64_t size,
                                        size_t side, size_t *length)
{
    const int64_t n = (int64_t)side;
    const int64_t begin = (int64_t)fm_draws_below(draws, side) - size / 2;
    const int64_t first = fm_integer_clip(begin, 0, n);
    *length = (size_t)(fm_integer_clip(begin + size, 0, n) - first);
    return (size_t)first;
}

/* Draw the box to paint. */
static inline void fm_erase_draw_cutout(const struct fm_cutout *cutout, size_t height,
                                        size_t width, struct fm_draws *draws,
                                        struct fm_box *out)
{
    const int64_t size = (int64_t)cutout->size;
    out->top = fm_erase_draw_span(draws, size, height, &out->height);
    out->left = fm_erase_draw_span(draws, size, width, &out->width);
}

/* Paint the box in place with random bytes. pixels: uint8, rows of `width` pixels.
   In numpy: pixels[box] = words(key).astype("<u4").view(uint8)[:box.size], row by row.
   Not checked: the box lies in the image. */
void fm_erase_random(const struct fm_box *box, const uint32_t key[2], size_t width,
                     enum fm_cpu_level level, uint8_t *pixels);

#endif

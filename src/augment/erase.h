/* Rectangles painted over, with random bytes or as holes of a window (window.h): RandomErasing (Zhong et al., arXiv:1708.04896) and Cutout
   (DeVries and Taylor, arXiv:1708.04552). */
#ifndef FM_AUGMENT_ERASE_H
#define FM_AUGMENT_ERASE_H

#include "window.h"

/* A rectangle of random area (share `scale`) and aspect ratio height / width
   (log-uniform), smaller than the image both ways; nothing after ten tries.
   Words: coin; for each try scale, log ratio, and if it fits top, left; then, with
   `random`, two that are the key of the pixels: byte b of word i of the field is pixel
   4 i + b of the rectangle. */
struct fm_erasing {
    struct fm_range scale, log_ratio;
    int random;
    uint8_t value;
};

/* A square of `size` pixels around a pixel that may be any of the image, cut at the
   edges: rows centre - size / 2 to centre - size / 2 + size. Words: coin, y, x. */
struct fm_cutout {
    uint64_t size;
    uint8_t value;
};

/* The box to paint; 0 where there is none. */
int fm_erasing_draw(const struct fm_erasing *erasing, size_t height, size_t width,
                    struct fm_draws *draws, struct fm_box *out);
void fm_cutout_draw(const struct fm_cutout *cutout, size_t height, size_t width,
                    struct fm_draws *draws, struct fm_box *out);

/* pixels: uint8, rows of `width`; the box is painted in place with random bytes.
   Not checked: the box lies in the image. */
void fm_erase_random(const struct fm_box *box, const uint32_t key[2], size_t width,
                     enum fm_cpu_level level, uint8_t *pixels);

#endif

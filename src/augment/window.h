/* Crops, pads and flips: exact copies of pixels. */
#ifndef FM_AUGMENT_WINDOW_H
#define FM_AUGMENT_WINDOW_H

#include "draw.h"
#include <stddef.h>

enum fm_padding_mode {
    FM_PAD_CONSTANT = 0,
    FM_PAD_EDGE = 1,      /* a a a|a b c|c c c */
    FM_PAD_REFLECT = 2,   /* . c b|a b c|b a . */
    FM_PAD_SYMMETRIC = 3, /* c b a|a b c|c b a */
};

/* A rectangle that lies in an image. */
struct fm_box {
    size_t top, left, height, width;
};

/* A rectangle of an image, which may reach over its edges, turned over perhaps, and
   then with a hole: a box of one value, none if its height is 0. */
struct fm_window {
    int64_t top, left;
    size_t height, width;
    int flip_y, flip_x;
    enum fm_padding_mode mode;
    uint8_t fill, hole_value;
    struct fm_box hole;
};

/* A window of height x width, its place one of n_tops x n_lefts from (top, left) on.
   Words: coin, top, left. */
struct fm_crop {
    int64_t top, left;
    uint64_t n_tops, n_lefts;
    size_t height, width;
    enum fm_padding_mode mode;
    uint8_t fill;
};

/* Words: coin. Alternating: no coin; `sample` is flipped in every second epoch, from
   epoch 0 on if the highest bit of word 0 of (epoch 0, position `sample`) is 1. */
struct fm_flip {
    int vertical, alternating;
};

/* Bytes before and behind an image that whole vectors read, to throw them away. */
#define FM_WINDOW_AROUND 31

/* in: uint8 (height, width), around which FM_WINDOW_AROUND bytes may be read; out:
   uint8 (window->height, window->width), with room for 31 bytes behind.
   In numpy: padded = np.pad(in, ..., mode); padded[rows, cols], reversed for a flip;
   out[hole] = hole_value.
   Not checked: reflect reaches over an edge by less than the side, symmetric by at most
   the side; out does not overlap in. */
typedef void fm_window_fn(const uint8_t *restrict in, size_t height, size_t width,
                          const struct fm_window *window, uint8_t *restrict out);

fm_window_fn *fm_window_select(enum fm_cpu_level level);

/* In numpy: pixels[box] = value, uint8 with rows of `width`. */
void fm_window_paint(const struct fm_box *box, uint8_t value, size_t width,
                     uint8_t *pixels);

#endif

/* Crops, padding and flips: exact copies of pixels. Padding modes are those of
   numpy.pad. */
#ifndef FM_AUGMENT_CROP_H
#define FM_AUGMENT_CROP_H

#include <stddef.h>

#include "../integer.h"
#include "draws.h"

enum fm_padding_mode {
    FM_PAD_CONSTANT = 0,
    FM_PAD_EDGE = 1,      /* a a a|a b c|c c c */
    FM_PAD_REFLECT = 2,   /* . c b|a b c|b a . */
    FM_PAD_SYMMETRIC = 3, /* c b a|a b c|c b a */
};

/* A rectangle that lies inside an image. */
struct fm_box {
    size_t top, left, height, width;
};

/* A row or a column, which may lie outside an image. Devices compute with 32 bits: see
   machine.h. */
#ifndef FM_CROP_PLACE
#define FM_CROP_PLACE int64_t
#endif
typedef FM_CROP_PLACE fm_crop_place;

/* Return whether pixel (y, x) is in a box. Before the box, the difference of unsigned
   numbers is above any size. */
FM_INLINE int fm_crop_is_in(const struct fm_box *box, uint32_t y, uint32_t x)
{
    return y - (uint32_t)box->top < (uint32_t)box->height &&
           x - (uint32_t)box->left < (uint32_t)box->width;
}

/* A crop: a rectangle of an image, which may reach over its edges into the padding.
   After that it may be flipped, and then it may have a hole: a box filled with one
   value. Height 0 means no hole. */
struct fm_cut {
    int64_t top, left;
    size_t height, width;
    int flip_y, flip_x;
    enum fm_padding_mode mode;
    uint8_t fill, hole_value;
    struct fm_box hole;
};

/* The crop transform: a crop of height x width, its top left corner at one of n_tops x
   n_lefts pixels from (top, left) on.
   Words: coin, top, left. */
struct fm_crop {
    int64_t top, left;
    uint64_t n_tops, n_lefts;
    uint32_t height, width;
    enum fm_padding_mode mode;
    uint8_t fill;
};

/* Words: coin. With `alternating` there is no coin, and a sample is flipped in every
   second epoch. The first such epoch is 0 if the highest bit of word 0 of (epoch 0, the
   sample's index in place of the position) is 1, and 1 otherwise. */
struct fm_flip {
    int vertical, alternating;
};

/* Set a cut to the whole image. Members are set one by one: copying a struct waits for
   what was just stored in smaller pieces. For crop + flip the wait was 28 % of the walk
   through the list of transforms. */
FM_INLINE void fm_crop_set_whole(struct fm_cut *cut, size_t height, size_t width)
{
    cut->top = cut->left = 0;
    cut->height = height;
    cut->width = width;
    cut->flip_y = cut->flip_x = 0;
    cut->mode = FM_PAD_CONSTANT;
    cut->fill = cut->hole_value = 0;
    cut->hole.top = cut->hole.left = cut->hole.height = cut->hole.width = 0;
}

/* Return the source index that `mode` puts at index i of a side of n pixels, or -1 for
   fill.
   Not checked: reflect reaches over an edge by less than n, symmetric by at most n. */
FM_INLINE fm_crop_place fm_crop_source_index(fm_crop_place i, fm_crop_place n,
                                             enum fm_padding_mode mode)
{
    if (0 <= i && i < n)
        return i;
    switch (mode) {
    case FM_PAD_EDGE:
        return i < 0 ? 0 : n - 1;
    case FM_PAD_REFLECT:
        return (fm_crop_place)fm_integer_mirror(i, n);
    case FM_PAD_SYMMETRIC:
        return i < 0 ? -1 - i : 2 * n - 1 - i;
    default:
        return -1;
    }
}

/* Return the index that comes to i of n in a flip: a flip is its own inverse. */
FM_INLINE fm_crop_place fm_crop_flip(fm_crop_place i, fm_crop_place n, int flip)
{
    return flip ? n - 1 - i : i;
}

/* Return the row of a source of `height` rows that row y of a crop is copied from, or
   -1 for fill. */
FM_INLINE fm_crop_place fm_crop_source_row(const struct fm_cut *cut,
                                           fm_crop_place height, fm_crop_place y)
{
    const fm_crop_place n = (fm_crop_place)cut->height;
    const fm_crop_place row = (fm_crop_place)cut->top + fm_crop_flip(y, n, cut->flip_y);
    return fm_crop_source_index(row, height, cut->mode);
}

/* Return the column of a source of `width` columns that column x of a crop is copied
   from, or -1 for fill. */
FM_INLINE fm_crop_place fm_crop_source_column(const struct fm_cut *cut,
                                              fm_crop_place width, fm_crop_place x)
{
    const fm_crop_place n = (fm_crop_place)cut->width;
    const fm_crop_place column =
        (fm_crop_place)cut->left + fm_crop_flip(x, n, cut->flip_x);
    return fm_crop_source_index(column, width, cut->mode);
}

/* Return whether pixel (y, x) of a crop is a copy of one of the source: that in `row`
   and `column`, the results of the functions above. Otherwise set *value to its
   value. */
FM_INLINE int fm_crop_is_copied(const struct fm_cut *cut, uint32_t y, uint32_t x,
                                fm_crop_place row, fm_crop_place column,
                                uint8_t *value)
{
    const int is_painted = fm_crop_is_in(&cut->hole, y, x);
    *value = is_painted ? cut->hole_value : cut->fill;
    return !is_painted && row >= 0 && column >= 0;
}

/* Return pixel (y, x) of a crop. in: uint8 (height, width).
   In numpy: out[y, x], see fm_crop_fn.
   Not checked: as there. */
FM_INLINE uint8_t fm_crop_pixel(const uint8_t *in, uint32_t height, uint32_t width,
                                const struct fm_cut *cut, uint32_t y, uint32_t x)
{
    const fm_crop_place row = fm_crop_source_row(cut, height, y);
    const fm_crop_place column = fm_crop_source_column(cut, width, x);
    uint8_t value;
    if (fm_crop_is_copied(cut, y, x, row, column, &value))
        value = in[(uint32_t)row * width + (uint32_t)column];
    return value;
}

/* Bytes before and after an image that whole vectors read and ignore. A load of 32
   bytes that includes one pixel reaches at most 31 bytes beyond it. */
#define FM_CROP_AROUND 31

/* Copy a crop. in: uint8 (height, width), around which FM_CROP_AROUND bytes may be
   read; out: uint8 (cut->height, cut->width), with room for 31 bytes after it.
   In numpy: out = np.pad(in, ..., mode)[rows, columns], reversed for a flip; out[hole]
   = hole_value.
   Not checked: reflect reaches over an edge by less than the side, symmetric by at most
   the side; the hole lies in the crop; out does not overlap in. */
typedef void fm_crop_fn(const uint8_t *restrict in, size_t height, size_t width,
                        const struct fm_cut *cut, uint8_t *restrict out);

/* Return the kernel for an instruction set. */
fm_crop_fn *fm_crop_select(enum fm_cpu_level level);

/* Fill a box with one value. pixels: uint8, rows of `width` pixels.
   In numpy: pixels[box] = value.
   Not checked: the box lies in the image. */
void fm_crop_paint(const struct fm_box *box, uint8_t value, size_t width,
                   uint8_t *pixels);

#endif

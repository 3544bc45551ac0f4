/* What is looked for in a whole photograph; all that follows has few pixels. */
#ifndef FM_PHOTOS_H
#define FM_PHOTOS_H

#include <stddef.h>
#include <stdint.h>

/* Where a picture is left when its edges of one colour are trimmed. */
struct fm_photos_box {
    size_t top, bottom, left, right; /* rows [top, bottom), columns [left, right) */
};

/* pixels: uint8 (height, width, 3). The first row and the first column with a pixel
   that isn't close to the top left one, the last column with one not close to the top
   right one, the last row with one not close to the bottom left one. Two colours are
   close if the squares of their three differences sum to at most limit. Where all are
   close, a begin is the side and an end is 0.
   In numpy: far = ((pixels - corner) ** 2).sum(axis=2) > limit for each corner, and
   the first or last True of far.any(axis=0) or far.any(axis=1).
   Not checked: height and width are at least 1. */
void fm_photos_trim(const uint8_t *restrict pixels, size_t height, size_t width,
                    int limit, struct fm_photos_box *restrict box);

#endif

/* The search for the edges of a photograph. It is in C because it reads the whole
   photograph; the conversion steps after it have few pixels.
   Source: Xiao, Rasul, Vollgraf, arXiv:1708.07747, section 2; -fuzz 5% -trim of
   ImageMagick 6. */
#ifndef FM_PHOTOS_H
#define FM_PHOTOS_H

#include <stddef.h>
#include <stdint.h>

/* The rectangle that remains when edges of one color are trimmed. */
struct fm_photos_box {
    size_t top, bottom, left, right; /* rows [top, bottom), columns [left, right) */
};

/* Find the edges of the picture. pixels: uint8 (height, width, 3).
   The top and left edges are the first row and column that have a pixel not close to
   the top left pixel. The right edge is behind the last column that has a pixel not
   close to the top right pixel. The bottom edge is behind the last row that has a pixel
   not close to the bottom left pixel. Two colors are close if their three differences,
   squared, sum to at most `limit`. If all pixels are close, top is height, left is
   width, and bottom and right are 0.
   In numpy: far = ((pixels - corner) ** 2).sum(axis=2) > limit for each corner, and
   the first or last True of far.any(axis=0) or far.any(axis=1).
   Not checked: height and width are at least 1. */
void fm_photos_trim(const uint8_t *restrict pixels, size_t height, size_t width,
                    int limit, struct fm_photos_box *restrict box);

#endif

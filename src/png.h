/* The filters of PNG, undone: 8-bit grayscale rows as they come out of inflate.
   Source: PNG (W3C Recommendation, third edition), section 9, "Filtering". */
#ifndef FM_PNG_H
#define FM_PNG_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* Undo the filter of each row of `filtered`, shape (height, 1 + width), whose first
   byte names the filter, into `out`, shape (height, width).
   Returns FM_PNG_BAD_FILTER at a row whose first byte isn't 0 to 4; what `out` holds
   then is not defined.
   In numpy: tests/reference.py, png_unfilter.
   Not checked: the arrays have these sizes and don't overlap. */
enum fm_status fm_png_unfilter(const uint8_t *restrict filtered, size_t height,
                               size_t width, uint8_t *restrict out);

#endif

/* The filters of PNG, undone for 8-bit grayscale rows that inflate has decompressed.
   Source: PNG (W3C Recommendation, third edition), section 9, "Filtering". */
#ifndef FM_PNG_H
#define FM_PNG_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* Undo the filter of each row. filtered: uint8 (height, 1 + width), the first byte of a
   row is its filter type; out: uint8 (height, width).
   Return FM_OK, or FM_PNG_BAD_FILTER if a filter type is not 0 to 4. The content of
   `out` is then undefined.
   In numpy: tests/reference_files.py, png_unfilter.
   Not checked: the arrays have these sizes and don't overlap. */
enum fm_status fm_png_unfilter(const uint8_t *restrict filtered, size_t height,
                               size_t width, uint8_t *restrict out);

#endif

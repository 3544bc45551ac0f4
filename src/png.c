/* The filters of PNG, undone; png.h names the specification. */
#include "png.h"

#include <stdlib.h>
#include <string.h>

enum { NONE, SUB, UP, AVERAGE, PAETH };

/* Return the one of left, above and corner that is closest to left + above - corner. In
   a tie, the first in this order wins (section 9.4, filter type 4). */
static uint8_t paeth(int left, int above, int corner)
{
    int to_left = abs(above - corner);
    int to_above = abs(left - corner);
    int to_corner = abs(left + above - 2 * corner);
    if (to_left <= to_above && to_left <= to_corner)
        return (uint8_t)left;
    return (uint8_t)(to_above <= to_corner ? above : corner);
}

/* Return the filter's prediction for pixel `x`. Pixels outside the image count as 0;
   `above` is NULL in the first row. */
static uint8_t predicted(int filter, const uint8_t *above, const uint8_t *row, size_t x)
{
    int left = x ? row[x - 1] : 0;
    int up = above ? above[x] : 0;
    switch (filter) {
    case SUB:
        return (uint8_t)left;
    case UP:
        return (uint8_t)up;
    case AVERAGE:
        return (uint8_t)((left + up) / 2);
    default:
        return paeth(left, up, above && x ? above[x - 1] : 0);
    }
}

enum fm_status fm_png_unfilter(const uint8_t *restrict filtered, size_t height,
                               size_t width, uint8_t *restrict out)
{
    for (size_t y = 0; y < height; y++) {
        const uint8_t *source = filtered + y * (1 + width);
        const uint8_t *above = y ? out + (y - 1) * width : NULL;
        uint8_t *row = out + y * width;
        int filter = *source++;
        if (filter > PAETH)
            return FM_PNG_BAD_FILTER;
        if (filter == NONE) {
            memcpy(row, source, width);
            continue;
        }
        for (size_t x = 0; x < width; x++)
            row[x] = (uint8_t)(source[x] + predicted(filter, above, row, x));
    }
    return FM_OK;
}

/* Looking for the edges of a photograph; see photos.h. Every pixel of a margin is seen
   at most three times, and none of what lies inside. */
#include "photos.h"

static int is_far(const uint8_t *pixel, const uint8_t *corner, int limit)
{
    const int red = pixel[0] - corner[0];
    const int green = pixel[1] - corner[1];
    const int blue = pixel[2] - corner[2];
    return red * red + green * green + blue * blue > limit;
}

static int row_is_far(const uint8_t *row, size_t width, const uint8_t *corner,
                      int limit)
{
    for (size_t x = 0; x < width; x++)
        if (is_far(row + 3 * x, corner, limit))
            return 1;
    return 0;
}

void fm_photos_trim(const uint8_t *restrict pixels, size_t height, size_t width,
                    int limit, struct fm_photos_box *restrict box)
{
    const size_t row_nbytes = 3 * width;
    const uint8_t *const top_left = pixels;
    const uint8_t *const top_right = pixels + row_nbytes - 3;
    const uint8_t *const bottom_left = pixels + (height - 1) * row_nbytes;
    size_t top = 0, bottom = height, left = width, right = 0;
    while (top < height &&
           !row_is_far(pixels + top * row_nbytes, width, top_left, limit))
        top++;
    while (bottom > 0 &&
           !row_is_far(pixels + (bottom - 1) * row_nbytes, width, bottom_left, limit))
        bottom--;
    for (size_t y = 0; y < height; y++) {
        const uint8_t *const row = pixels + y * row_nbytes;
        for (size_t x = 0; x < left; x++)
            if (is_far(row + 3 * x, top_left, limit))
                left = x;
        for (size_t x = width; x > right; x--)
            if (is_far(row + 3 * (x - 1), top_right, limit))
                right = x;
    }
    box->top = top;
    box->bottom = bottom;
    box->left = left;
    box->right = right;
}

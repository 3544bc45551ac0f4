"""The search for the edges of a photo, in slow, obvious numpy."""

import numpy as np


def photo_box(pixels, limit):
    """Return the rectangle of a photo that remains when edges of one color are trimmed.

    The top and left edges are the first row and column that have a pixel far from the
    top left pixel. The bottom edge is behind the last row that has a pixel far from the
    bottom left pixel, and the right edge is behind the last column that has a pixel far
    from the top right pixel. Two colors are far from each other if their squared
    differences sum to more than `limit`. The twin of fm_photos_trim (src/photos.h).

    Parameters
    ----------
    pixels : uint8 array of shape (height, width, 3)
    limit : int

    Returns
    -------
    tuple (top, bottom, left, right)
        Rows [top, bottom) and columns [left, right). If no pixel is far, the result is
        (height, 0, width, 0).
    """
    height, width = pixels.shape[:2]

    def far(corner):
        return ((pixels.astype(int) - corner.astype(int)) ** 2).sum(axis=2) > limit

    def first(mask, default):
        return int(np.flatnonzero(mask)[0]) if mask.any() else default

    def last(mask):
        return int(np.flatnonzero(mask)[-1]) + 1 if mask.any() else 0

    from_top_left = far(pixels[0, 0])
    return (
        first(from_top_left.any(axis=1), height),
        last(far(pixels[-1, 0]).any(axis=1)),
        first(from_top_left.any(axis=0), width),
        last(far(pixels[0, -1]).any(axis=0)),
    )

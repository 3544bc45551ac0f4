"""Looking for the margins of a photo, in slow numpy."""

import numpy as np


def photo_box(pixels, limit):
    """The first and last rows and columns that are far from their corner's colour."""
    height, width = pixels.shape[:2]

    def far(corner):
        return ((pixels.astype(int) - corner.astype(int)) ** 2).sum(axis=2) > limit

    def first(mask, none):
        return int(np.flatnonzero(mask)[0]) if mask.any() else none

    def last(mask):
        return int(np.flatnonzero(mask)[-1]) + 1 if mask.any() else 0

    from_top_left = far(pixels[0, 0])
    return (
        first(from_top_left.any(axis=1), height),
        last(far(pixels[-1, 0]).any(axis=1)),
        first(from_top_left.any(axis=0), width),
        last(far(pixels[0, -1]).any(axis=0)),
    )

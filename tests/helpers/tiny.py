"""Six 4x3 images in three classes, each pixel different from its neighbors."""

import numpy as np

IMAGES = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)
LABELS = np.array([2, 0, 1, 2, 0, 2], np.uint8)


def is_row(image, row):
    """Return whether a Pillow image has the pixels of a row."""
    return (
        image.mode == "L"
        and image.size == (3, 4)
        and np.array_equal(np.asarray(image), IMAGES[row])
    )

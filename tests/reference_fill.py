"""Filling a row: a list of operations carried out on an image, one after another.

Operations that move pixels are in reference_geometry.py, and those that change their
values in reference_pixels.py. The core may carry out several operations at once, such
as a crop and a flip. The pixels are the same.
"""

import numpy as np
import reference_geometry as geometry
import reference_operations as operations
import reference_pixels as pixels

FUNCTIONS = {
    operations.Cut: geometry.cut,
    operations.Warp: geometry.warp,
    operations.Elastic: geometry.elastic,
    operations.Perspective: geometry.perspective,
    operations.Resize: geometry.resize,
    operations.Tone: pixels.tone,
    operations.Blur: pixels.blur,
    operations.Sharpness: pixels.sharpness,
    operations.Noise: pixels.noise,
    operations.Paint: pixels.paint,
    operations.PaintRandom: pixels.paint_random,
    operations.User: pixels.user,
    operations.SaltPepper: pixels.salt_pepper,
}


def fill(planned, image):
    """Return the image after a list of operations.

    The twin of src/fill.h.

    Parameters
    ----------
    planned : list of operations
        Result of `plan` (reference_plan.py).
    image : uint8 array of shape (height, width)

    Returns
    -------
    uint8 array of shape (height, width) after the last operation
    """
    for operation in planned:
        image = FUNCTIONS[type(operation)](image, operation)
        assert image.dtype == np.uint8
    return image

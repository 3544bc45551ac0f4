"""Parsers of files: the end of a gzip member, and the filtered rows of a PNG."""

import numpy as np


def gzip_ends_after(content, isize):
    """Return whether only zeros follow the first place of `isize` in `content`.

    `isize` takes four bytes, the lowest first (RFC 1952, section 2.3). The twin of
    fm_gzip_ends_after (src/gzip.h).

    Parameters
    ----------
    content : bytes
    isize : int in 0..2**32-1
    """
    _, found, rest = content.partition(isize.to_bytes(4, "little"))
    return bool(found) and not rest.strip(b"\0")


def png_unfilter(filtered, height, width):
    """Return the pixels of an 8-bit grayscale PNG whose rows are still filtered.

    The first byte of a row is its filter type: 0 None, 1 Sub, 2 Up, 3 Average, 4 Paeth.
    Each filter has stored the pixel minus a prediction from its left, above and upper
    left neighbors, modulo 256. Pixels outside the image count as 0. Source: PNG (W3C
    Recommendation, third edition), section 9. The twin of fm_png_unfilter (src/png.h).

    Parameters
    ----------
    filtered : uint8 array of shape (height, 1 + width)

    Returns
    -------
    uint8 array of shape (height, width)
    """
    out = np.zeros((height + 1, width + 1), int)  # a border of zeros above and left
    for y in range(height):
        for x in range(width):
            left, above, corner = out[y + 1, x], out[y, x + 1], out[y, x]
            slope = left + above - corner
            paeth = min((left, above, corner), key=lambda pixel: abs(slope - pixel))
            prediction = [0, left, above, (left + above) // 2, paeth][filtered[y, 0]]
            out[y + 1, x + 1] = (int(filtered[y, 1 + x]) + prediction) % 256
    return out[1:, 1:].astype(np.uint8)

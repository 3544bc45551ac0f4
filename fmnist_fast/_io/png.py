"""Reading and writing of 8-bit grayscale PNG, the usual format of small gray images.

Pillow takes about 30 us for an image of 28x28. Nearly all of that is Python code under
the GIL, so threads don't help. This module takes a third of the time. It leaves all
other kinds of PNG to Pillow.

Source: PNG (W3C Recommendation, third edition), sections 5 and 11.
"""

from __future__ import annotations

import struct

import numpy as np

from .. import _core

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHUNK = struct.Struct(">I4s")
_U32 = struct.Struct(">I")
_HEADER = struct.Struct(">II5B")  # width, height and the five values of _KIND
_KIND = (8, 0, 0, 0, 0)  # depth, grayscale, deflate, adaptive filters, not interlaced
_MAX_INFLATED_NBYTES = 1 << 28  # Pillow decides about images with larger headers
_MAX_RATIO = 1032  # deflate expands a byte to at most 1032, so a larger size is false


def read_png(content: bytes | memoryview, source: str) -> np.ndarray | None:
    """Return the pixels of a plain grayscale PNG, or None if Pillow must decide.

    The result is None for other bit depths and colors, interlaced images, damaged files
    and other formats. It is also None if there are optional chunks, because one of them
    might rotate the image. An unknown filter type raises a FormatError that names
    `source`.
    """
    import deflate

    header_and_data = _find_pixels(content)
    if header_and_data is None:
        return None
    height, width, packed = header_and_data
    nbytes = height * (1 + width)
    if not 0 < nbytes <= min(_MAX_INFLATED_NBYTES, _MAX_RATIO * len(packed)):
        return None
    try:
        filtered = deflate.zlib_decompress(packed, nbytes)
    except (deflate.DeflateError, ValueError):
        return None
    if len(filtered) != nbytes or width == 0:
        return None
    pixels = np.empty((height, width), np.uint8)
    _core.png_unfilter(filtered, pixels, source)
    return pixels


def _find_pixels(content: bytes | memoryview) -> tuple[int, int, bytes] | None:
    """Return height, width and compressed rows of a plain, undamaged PNG, or None."""
    from deflate import crc32

    if content[:8] != _SIGNATURE:
        return None
    size, packed, begin, last = None, b"", 8, len(content) - 12
    while begin <= last:
        nbytes, kind = _CHUNK.unpack_from(content, begin)
        end = begin + 8 + nbytes
        if end > len(content) - 4:
            return None
        if crc32(content[begin + 4 : end]) != _U32.unpack_from(content, end)[0]:
            return None
        if kind == b"IHDR" and size is None and nbytes == _HEADER.size:
            width, height, *rest = _HEADER.unpack_from(content, begin + 8)
            if tuple(rest) != _KIND:
                return None
            size = height, width
        elif kind == b"IDAT" and size is not None:
            packed += content[begin + 8 : end]
        elif kind == b"IEND" and size is not None:
            return *size, packed
        else:
            return None
        begin = end + 4
    return None


def write_png(image: np.ndarray) -> bytes:
    """Return the PNG file of an image, uint8 (height, width) and not empty."""
    import deflate

    height, width = image.shape
    rows = np.zeros((height, 1 + width), np.uint8)  # filter type 0: no filter
    rows[:, 1:] = image
    chunks = [
        (b"IHDR", _HEADER.pack(width, height, *_KIND)),
        (b"IDAT", bytes(deflate.zlib_compress(rows.tobytes(), 6))),
        (b"IEND", b""),
    ]
    parts = [_SIGNATURE]
    for kind, data in chunks:
        checksum = _U32.pack(deflate.crc32(kind + data))
        parts += [_CHUNK.pack(len(data), kind), data, checksum]
    return b"".join(parts)

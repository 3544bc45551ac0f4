"""8-bit grayscale PNG, the kind that image datasets of this family are kept in.

Pillow needs about 30 us for an image of 28x28, nearly all of it in Python under the
GIL, so that threads don't help; this needs a third. What isn't the plain kind is left
to Pillow. Source: PNG (W3C Recommendation, third edition), sections 5 and 11.
"""

from __future__ import annotations

import struct

import numpy as np

from .. import _core

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHUNK = struct.Struct(">I4s")
_U32 = struct.Struct(">I")
_HEADER = struct.Struct(">II5B")  # width, height and the five below
_KIND = (8, 0, 0, 0, 0)  # depth, grayscale, deflate, adaptive filters, not interlaced
_MAX_INFLATED_NBYTES = 1 << 28  # larger ones, or what claims to be, are for Pillow
_MAX_RATIO = 1032  # deflate can't blow up a byte to more: a bomb's size is a lie


def read_png(content: bytes | memoryview, source: str) -> np.ndarray | None:
    """Return the pixels of a plain grayscale PNG, or None for a full decoder's work.

    None stands for other depths and colors, interlaced images, other chunks than the
    required ones (one might turn the image around), damage, and other formats. A row
    with a filter that PNG doesn't know is a FormatError, which names `source`.
    """
    import deflate

    found = _find_pixels(content)
    if found is None:
        return None
    height, width, packed = found
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
    """Height, width and the compressed rows, or None for what isn't plain and whole."""
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
    """The PNG file of an image, uint8 (height, width) and not empty."""
    import deflate

    height, width = image.shape
    rows = np.zeros((height, 1 + width), np.uint8)  # filter 0: none
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

"""PNG: filters compared with the reference, and files compared with Pillow."""

import io
import itertools
import struct
import zlib

import numpy as np
import pytest
import reference_files

from fmnist_fast import FormatError, _core
from fmnist_fast._io.png import read_png, write_png

IMAGE = np.random.default_rng(0).integers(0, 256, (5, 7), np.uint8)
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind, data):
    return (
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data))
    )


def png_of(rows, width, kind=(8, 0, 0, 0, 0), *, parts=1, more=b"", end=True):
    """Return a PNG of filtered rows in `parts` IDAT chunks, `more` after the header."""
    packed = zlib.compress(rows)
    cuts = [len(packed) * i // parts for i in range(parts + 1)]
    body = b"".join(chunk(b"IDAT", packed[a:b]) for a, b in itertools.pairwise(cuts))
    header = struct.pack(">II5B", width, len(rows) // (1 + width), *kind)
    return (
        SIGNATURE
        + chunk(b"IHDR", header)
        + more
        + body
        + (chunk(b"IEND", b"") if end else b"")
    )


def unfiltered(image):
    return b"".join(b"\0" + row.tobytes() for row in image)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (6, 5), (28, 28)])
@pytest.mark.parametrize("filter_", [0, 1, 2, 3, 4, "mixed"])
def test_filters_equal_reference(size, filter_):
    height, width = size
    rng = np.random.default_rng(1)
    filtered = rng.integers(0, 256, (height, 1 + width), np.uint8)
    filtered[:, 0] = rng.integers(0, 5, height) if filter_ == "mixed" else filter_
    got = read_png(png_of(filtered.tobytes(), width), "a")
    assert np.array_equal(got, reference_files.png_unfilter(filtered, height, width))


@pytest.mark.parametrize("filter_", [5, 255])
def test_unknown_filters_are_refused(filter_):
    rows = bytearray(unfiltered(IMAGE))
    rows[3 * 8] = filter_
    with pytest.raises(FormatError, match="row 3: the filter type of a PNG row must"):
        read_png(png_of(bytes(rows), 7), "row 3")


def test_files_of_pillow_are_read():
    pillow = pytest.importorskip("PIL.Image")
    yy, xx = np.mgrid[:28, :28]
    for image in (IMAGE, (yy * 9).astype(np.uint8), (xx * yy // 3).astype(np.uint8)):
        file = io.BytesIO()
        pillow.fromarray(image).save(file, "PNG")
        assert np.array_equal(read_png(file.getvalue(), "a"), image)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (28, 28), (300, 200)])
def test_written_files_are_read_by_pillow(size):
    pillow = pytest.importorskip("PIL.Image")
    image = np.random.default_rng(2).integers(0, 256, size, np.uint8)
    with pillow.open(io.BytesIO(write_png(image))) as read:
        assert read.mode == "L" and read.format == "PNG"
        assert np.array_equal(np.asarray(read), image)
    assert np.array_equal(read_png(memoryview(write_png(image)), "a"), image)


def test_pixels_in_several_chunks():
    content = png_of(unfiltered(IMAGE), 7, parts=5)
    assert np.array_equal(read_png(content, "a"), IMAGE)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a" + bytes(40),
        SIGNATURE,
        SIGNATURE + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b""),
        png_of(unfiltered(IMAGE), 7, more=chunk(b"tEXt", b"a\0b")),
        png_of(unfiltered(IMAGE), 7, more=chunk(b"eXIf", bytes(8))),
        png_of(unfiltered(IMAGE), 7, kind=(16, 0, 0, 0, 0)),
        png_of(unfiltered(IMAGE), 7, kind=(8, 2, 0, 0, 0)),
        png_of(unfiltered(IMAGE), 7, kind=(8, 0, 0, 0, 1)),
        png_of(unfiltered(IMAGE), 7, end=False),
        png_of(unfiltered(IMAGE) + b"\0", 7),
        png_of(unfiltered(IMAGE)[:-8], 8),
        png_of(b"", 7),
        png_of(bytes(5), 0),
    ],
    ids=lambda content: f"{len(content)} bytes",
)
def test_other_files_are_left_to_pillow(content):
    assert read_png(content, "a") is None


def test_every_shortened_or_changed_file_is_left_to_pillow():
    content = write_png(IMAGE)
    for n in range(len(content)):
        assert read_png(content[:n], "a") is None
        changed = bytearray(content)
        changed[n] ^= 1
        assert read_png(bytes(changed), "a") is None, n


def test_a_size_that_the_bytes_can_not_fill_is_not_allocated():
    header = struct.pack(">II5B", 2**14, 2**13, 8, 0, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    assert read_png(SIGNATURE + chunk(b"IHDR", header) + body, "a") is None


@pytest.mark.parametrize(
    "nbytes, out, message",
    [
        (40, np.zeros((5, 7)), r"out must be .* uint8 .* got float64 \(5, 7\)"),
        (40, np.zeros((5, 14), np.uint8)[:, ::2], "out must be C-contiguous"),
        (40, np.zeros(35, np.uint8), r"got uint8 \(35,\)"),
        (0, np.zeros((0, 7), np.uint8), r"got uint8 \(0, 7\)"),
        (39, np.zeros((5, 7), np.uint8), "must have 40 bytes for 5x7 pixels, got 39"),
    ],
)
def test_bad_arrays_are_refused(nbytes, out, message):
    with pytest.raises(ValueError, match=message):
        _core.png_unfilter(bytes(nbytes), out, "a")

"""IDX files made byte by byte, and a slow parser to compare `fmnist_fast.idx` with."""

import gzip
import struct

import numpy as np
import pytest

from fmnist_fast import idx

BIG_ENDIAN = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2",
              0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}  # fmt: skip
DTYPES = ("uint8", "int8", "int16", "int32", "float32", "float64")
UINT32_MAX = 2**32 - 1


def header_of(type_, *dims):
    """Return the header of an IDX file, with any type byte and dimensions."""
    return struct.pack(f">BBBB{len(dims)}I", 0, 0, type_, len(dims), *dims)


def slow_parse(content):
    """Return the big-endian items of a plain IDX file, as `struct` reads it."""
    ndim = content[3]
    dims = struct.unpack(f">{ndim}I", content[4 : 4 + 4 * ndim])
    items = np.frombuffer(content, BIG_ENDIAN[content[2]], offset=4 + 4 * ndim)
    return items.reshape(dims)


def random_array(dtype, shape, seed=0):
    """Return an array of random values, over the whole range of integer types."""
    rng = np.random.default_rng(seed)
    if dtype.startswith("float"):
        return rng.normal(size=shape).astype(dtype)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return np.asarray(rng.integers(low, high, shape, dtype, endpoint=True))


def members(*pieces):
    """Return a gzip file with a member for each piece."""
    return b"".join(gzip.compress(piece, mtime=0) for piece in pieces)


def assert_same(array, expected):
    """Compare two arrays bit for bit, so that NaNs with one payload are equal."""
    assert array.dtype == expected.dtype.newbyteorder("=") and array.dtype.isnative
    assert array.shape == expected.shape
    assert array.tobytes() == expected.astype(array.dtype).tobytes()


@pytest.fixture(params=["at once", "carefully"])
def way(request, monkeypatch):
    """Decompress at once with libdeflate, and in counted chunks with zlib."""
    if request.param == "carefully":
        monkeypatch.setattr(idx, "_SUSPICIOUS_RATIO", 0)


@pytest.fixture
def content():
    """Return a plain IDX file that is longer than a chunk of the decompression."""
    return header_of(0x0B, 300, 250) + random_array("int16", 75000).tobytes()

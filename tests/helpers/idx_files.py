"""IDX files made by hand, and a slow parser to compare `fmnist_fast.idx` with."""

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
    """Return an array of any values that its type can have."""
    rng = np.random.default_rng(seed)
    if dtype.startswith("float"):
        return rng.normal(size=shape).astype(dtype)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return np.asarray(rng.integers(low, high, shape, dtype, endpoint=True))


def members(*pieces):
    """Return a gzip file with a member for each piece."""
    return b"".join(gzip.compress(piece, mtime=0) for piece in pieces)


def assert_same(found, wanted):
    """Compare bit for bit: NaN with the same payload is the same."""
    assert found.dtype == wanted.dtype.newbyteorder("=") and found.dtype.isnative
    assert found.shape == wanted.shape
    assert found.tobytes() == wanted.astype(found.dtype).tobytes()


@pytest.fixture(params=["at once", "carefully"])
def way(request, monkeypatch):
    """Both ways to inflate: libdeflate at once, and zlib with counting."""
    if request.param == "carefully":
        monkeypatch.setattr(idx, "_SUSPICIOUS_RATIO", 0)


@pytest.fixture
def content():
    """A plain IDX file that is longer than a chunk of the inflater."""
    return header_of(0x0B, 300, 250) + random_array("int16", 75000).tobytes()

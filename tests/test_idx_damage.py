"""Damaged and hostile IDX files raise FormatError and cost no memory."""

import gzip
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from helpers.idx_files import (
    UINT32_MAX,
    assert_same,
    header_of,
    members,
    random_array,
    slow_parse,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnist_fast import FormatError, idx, read_idx, write_idx
from fmnist_fast._io import files

SMALL = header_of(0x0B, 2, 3) + bytes(range(12))


def with_isize(packed, isize):
    """Return gzip data with another ISIZE, its last field (RFC 1952, section 2.3.1)."""
    return packed[:-4] + struct.pack("<I", isize)


# ---- damage ------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [bytes, members], ids=["plain", "gzip"])
@pytest.mark.parametrize("from_file", [True, False])
def test_truncated_at_every_byte(tmp_path, way, pack, from_file):
    packed, path = pack(SMALL), tmp_path / "cut"
    for n in range(len(packed)):
        path.write_bytes(packed[:n])
        with pytest.raises(FormatError, match="cut" if from_file else "IDX bytes"):
            read_idx(path if from_file else packed[:n])


@pytest.mark.parametrize("pack", [bytes, members], ids=["plain", "gzip"])
def test_truncated_says_what_is_missing(tmp_path, way, pack):
    path = tmp_path / "cut"
    path.write_bytes(pack(SMALL[:-5]))
    message = r"cut: truncated: .* have 12 bytes .* int16 \(2, 3\), got 7$"
    with pytest.raises(FormatError, match=message):
        read_idx(path)


@pytest.mark.parametrize("n", [2, 9, 17, 18, 100, -9, -1])
def test_truncated_gzip_ends_early(content, way, n):
    with pytest.raises(FormatError, match="truncated: the gzip data ends early"):
        read_idx(members(content)[:n])


@pytest.mark.parametrize("pack", [bytes, members], ids=["plain", "gzip"])
@pytest.mark.parametrize("n", [1, 2, 1000])
def test_trailing_bytes(tmp_path, way, pack, n):
    path = tmp_path / "long"
    path.write_bytes(pack(SMALL + bytes(n)))
    message = rf"long: trailing bytes: .* have 12 bytes .* got at least {12 + n}$"
    with pytest.raises(FormatError, match=message):
        read_idx(path)


@pytest.mark.parametrize("pack", [bytes, members], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    "content, message",
    [
        (b"", r"is an empty file"),
        (b"\0\0\x08", r"ends inside the IDX header \(.* with 00 00 08\)"),
        (header_of(0x08, 1, 2)[:-1], "ends inside the IDX header"),
        (b"\x89QNG\r\n\x1a\n", r"two zero bytes \(.* starts with 89 51 4E 47\)"),
        (b"\0\1\x08\1\0\0\0\1x", r"two zero bytes \(.* starts with 00 01 08 01\)"),
        (b"\1\0\x08\1\0\0\0\1x", "an IDX file must start with two zero bytes"),
        (header_of(0x00, 1) + b"x", "type byte must be 08, 09, 0B, 0C, 0D or 0E"),
        (header_of(0x0A, 1) + b"x", r"type byte .* starts with 00 00 0A 01\)"),
        (header_of(0x0F, 1) + b"x", "type byte"),
        (header_of(0xFF, 1) + b"x", "type byte"),
        (header_of(0x08, *[UINT32_MAX] * 2), r"multiply to at most 2\*\*62"),
        (header_of(0x0E, *[UINT32_MAX] * 3), r"multiply to at most 2\*\*62"),
        (header_of(0x08, *[UINT32_MAX] * 255), r"multiply to at most 2\*\*62"),
        (header_of(0x08, *[2] * 255) + b"x", r"multiply to at most 2\*\*62"),
        (header_of(0x08, 2**31, 2**31, 2), r"multiply to at most 2\*\*62"),
        (header_of(0x08, 2**31, 2**31), "truncated: .* 4611686018427387904 bytes"),
        (header_of(0x0E, UINT32_MAX), "truncated: .* 34359738360 bytes"),
        (header_of(0x08, *[1] * 65) + b"x", "at most 64 dimensions, got 65"),
        (header_of(0x08, *[1] * 255) + b"x", "at most 64 dimensions, got 255"),
        (header_of(0x08, *[0] * 255), "at most 64 dimensions, got 255"),
        (header_of(0x08, 0, *[UINT32_MAX] * 3), "uint8 .0, 4294967295.* too big"),
        (header_of(0x0E, *[UINT32_MAX] * 3, 0), "float64 .* too big"),
    ],
)
def test_bad_headers(tmp_path, pack, content, message):
    path = tmp_path / "bad"
    path.write_bytes(pack(content))
    with pytest.raises(FormatError, match=f"bad.*{message}"):
        read_idx(path)


@pytest.mark.parametrize("isize", [0, 5, 150011, 150013, UINT32_MAX])
def test_gzip_with_a_wrong_size(content, isize):
    with pytest.raises(FormatError, match="data is damaged: its length is wrong"):
        read_idx(with_isize(members(content), isize))


@pytest.mark.parametrize("n", [12, 70000, 140000, 150011])
def test_gzip_size_that_agrees_with_a_header_for_more_items(way, content, n):
    with pytest.raises(FormatError, match="data is damaged: its length is wrong"):
        read_idx(with_isize(members(content[:n]), len(content)))


@pytest.mark.parametrize("n", [1, 70000])
def test_gzip_size_that_agrees_with_a_header_for_fewer_items(way, content, n):
    with pytest.raises(FormatError, match=r"trailing bytes|its length is wrong"):
        read_idx(with_isize(members(content + bytes(n)), len(content)))


def test_damaged_checksum(way, content):
    packed = bytearray(members(content))
    packed[-5] ^= 0x10
    with pytest.raises(FormatError, match="data is damaged: its checksum is wrong"):
        read_idx(packed)


def test_faults_of_gzip_are_said_in_plain_words(tmp_path, content):
    """No message has zlib's own wording, and each says what to do."""
    good, path = members(content), tmp_path / "a"
    wrong_crc = good[:-5] + bytes([good[-5] ^ 1]) + good[-4:]
    for packed, fault in [
        (good[:-9], "truncated: the gzip data ends early"),
        (wrong_crc, "the gzip data is damaged: its checksum is wrong"),
        (good[:2] + b"\x07" + good[3:], r"it can't be inflated \(unknown compress"),
        (good + b"xyz01", "may follow the gzip data, got 0x78 0x79 0x7A 0x30"),
        (good + b"x", "may follow the gzip data, got 0x78"),
    ]:
        path.write_bytes(packed)
        with pytest.raises(FormatError, match=fault) as caught:
            read_idx(path)
        first, advice = str(caught.value).split("\n")
        assert first.startswith(f"{path}: ") and first.endswith(".")
        assert "Error" not in first
        assert advice == "Replace the file with an undamaged copy."


@pytest.mark.parametrize("level", [0, 6])
@pytest.mark.parametrize("place", [0.001, 0.3, 0.9, 0.999])
def test_damaged_body(way, content, level, place):
    packed = bytearray(gzip.compress(content, level))
    at = int(place * len(packed))
    packed[at : at + 8] = bytes(byte ^ 0xA5 for byte in packed[at : at + 8])
    with pytest.raises(FormatError, match="IDX bytes"):
        read_idx(packed)


FLIPPED = members(header_of(0x0B, 3, 4) + bytes(range(100, 124)))


@settings(max_examples=500)
@given(
    st.dictionaries(
        st.integers(0, len(FLIPPED) - 1), st.integers(1, 255), min_size=1, max_size=4
    )
)
def test_flipped_bits_never_give_a_wrong_array(flips):
    packed = bytearray(FLIPPED)
    for at, bits in flips.items():
        packed[at] ^= bits
    try:
        array = read_idx(packed)
    except FormatError:
        return
    assert_same(array, slow_parse(gzip.decompress(FLIPPED)))


@settings(max_examples=300)
@given(st.binary(max_size=60), st.sampled_from([b"", b"\0\0", b"\x1f\x8b\x08"]))
def test_any_bytes_give_an_array_or_a_format_error(content, start):
    try:
        array = read_idx(start + content)
    except FormatError:
        return
    assert_same(array, slow_parse(start + content))


def test_file_that_shrinks_while_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "shrinking"
    write_idx(path, np.arange(10000, dtype=np.int32))

    def read(file, offset, out):
        os.truncate(path, 5000)
        return files.read_into(file, offset, out)

    monkeypatch.setattr(idx, "read_into", read)
    with pytest.raises(FormatError, match=r"shrinking: truncated: .*, got 4992$"):
        read_idx(path)


# ---- costs -------------------------------------------------------------------------


MEASURE = """
import sys, tracemalloc
import fmnist_fast as ff
import deflate, gzip, zlib

def peak():
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

ff.read_idx(gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 1, 7])))
before = peak()
tracemalloc.start()
try:
    ff.read_idx(sys.argv[1])
except ff.FormatError as error:
    print(tracemalloc.get_traced_memory()[1], peak() - before, error)
"""


@pytest.mark.parametrize("n", [0, 1000, 4 << 20], ids="{}B".format)
@pytest.mark.parametrize("dims", [(10**6, 1000, 1000), (2**32 - 1,), (10**8,)], ids=str)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_hostile_header_costs_no_memory(tmp_path, dims, n, packed):
    content = header_of(0x08, *dims) + random_array("uint8", n).tobytes()
    path = tmp_path / "hostile"
    path.write_bytes(gzip.compress(content, 0) if packed else content)
    check_cost(path)


def test_hostile_header_that_agrees_with_gzip_costs_no_memory(tmp_path):
    packed = gzip.compress(header_of(0x08, 10**8) + bytes(1000), 0)
    (tmp_path / "hostile").write_bytes(with_isize(packed, 10**8 + 8))
    check_cost(tmp_path / "hostile", "damaged")


@pytest.mark.parametrize("isize, error", [(0, "truncated"), (1, "damaged")])
def test_a_gzip_bomb_costs_no_memory(tmp_path, isize, error):
    packed = gzip.compress(header_of(0x08, 10**8) + bytes(10**8 - 1), 1)
    (tmp_path / "hostile").write_bytes(with_isize(packed, 10**8 + 7 + isize))
    check_cost(tmp_path / "hostile", error)


READERS = {
    "read_idx": "",
    "load": "ff.read_idx = lambda path: ff.load('train', path.rpartition('/')[0])",
    "load_files": "ff.read_idx = ff.load_files",
}


@pytest.mark.parametrize("pack", [bytes, members], ids=["plain", "gzip"])
@pytest.mark.parametrize("reader", READERS)
def test_a_sparse_tail_costs_no_memory(tmp_path, reader, pack):
    """The header is compared with the file's size before the rest is read."""
    path = tmp_path / ("train-images-idx3-ubyte" + ".gz" * (pack is members))
    path.write_bytes(pack(header_of(0x08, 5, 28, 28) + bytes(3920)))
    content = pack(header_of(0x08, 5) + bytes(5))
    path.with_name(path.name.replace("images-idx3", "labels-idx1")).write_bytes(content)
    os.truncate(path, 1 << 40)
    prepare = "import os\nos.environ['FMNIST_FAST_CACHE'] = 'off'\n" + READERS[reader]
    message = f"{path}: trailing bytes: the {'gzip ' * (pack is members)}data must have"
    check_cost(path, message, size=1 << 21, prepare=prepare)


def check_cost(path, message="truncated", *, size=None, prepare=""):
    """Check that reading a file fails and takes at most 1 MiB more than its size."""
    size = path.stat().st_size if size is None else size
    script = MEASURE.replace("before = peak()", f"{prepare}\nbefore = peak()")
    result = subprocess.run(
        [sys.executable, "-c", script, path],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    traced, resident, error = result.stdout.split(maxsplit=2)
    assert message in error
    assert int(traced) <= size + (1 << 20)
    assert int(resident) <= size + (1 << 20)

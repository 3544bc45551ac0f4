"""IDX in and out: the same items as a slow parser's, and a FormatError for the rest."""

import gzip
import itertools
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from fmnist_fast import FormatError, _core, idx, read_idx, write_idx
from fmnist_fast._io import files

BIG_ENDIAN = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2",
              0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}  # fmt: skip
DTYPES = ("uint8", "int8", "int16", "int32", "float32", "float64")
SHAPES = [(), (7,), (0,), (3, 5), (3, 0), (2, 3, 4), (0, 3, 4), (2, 1, 3, 2),
          (2, 0, 3, 2), (2, 3, 1, 2, 2), (1, 2, 0, 2, 0)]  # fmt: skip
UINT32_MAX = 2**32 - 1


def header_of(type_, *dims):
    return struct.pack(f">BBBB{len(dims)}I", 0, 0, type_, len(dims), *dims)


def slow_parse(content):
    ndim = content[3]
    dims = struct.unpack(f">{ndim}I", content[4 : 4 + 4 * ndim])
    items = np.frombuffer(content, BIG_ENDIAN[content[2]], offset=4 + 4 * ndim)
    return items.reshape(dims)


def random_array(dtype, shape, seed=0):
    rng = np.random.default_rng(seed)
    if dtype.startswith("float"):
        return rng.normal(size=shape).astype(dtype)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return np.asarray(rng.integers(low, high, shape, dtype, endpoint=True))


def members(*pieces):
    return b"".join(gzip.compress(piece, mtime=0) for piece in pieces)


def assert_same(found, wanted):
    """Equal bit for bit: NaN with the same payload is the same."""
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


# ---- round trips ----------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_written_is_read(tmp_path, monkeypatch, dtype, shape, suffix):
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # 132 files; tested below
    array, path = random_array(dtype, shape), tmp_path / f"a{suffix}"
    write_idx(path, array)
    assert_same(read_idx(path), array)
    stored = path.read_bytes()
    assert_same(array, slow_parse(gzip.decompress(stored) if suffix else stored))


@pytest.mark.parametrize("suffix", ["", ".gz"])
@settings(max_examples=60)
@given(
    array=st.sampled_from(DTYPES).flatmap(
        lambda dtype: st_numpy.arrays(
            np.dtype(dtype), st_numpy.array_shapes(min_dims=0, min_side=0, max_side=6)
        )
    )
)
def test_any_small_array_survives(tmp_path, suffix, array):
    path = tmp_path / f"a{suffix}"
    write_idx(path, array)
    assert_same(read_idx(path), array)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("kind", [str, Path, bytes, bytearray, memoryview])
def test_kinds_of_source(tmp_path, content, pack, kind):
    source = pack(content)
    if kind in (str, Path):
        (tmp_path / "a").write_bytes(source)
        source = tmp_path / "a"
    assert_same(read_idx(kind(source)), slow_parse(content))


def test_memoryview_of_wide_items_is_bytes():
    content = header_of(0x08, 8) + bytes(8)
    view = memoryview(np.frombuffer(content, np.uint32).reshape(2, 2).copy()[:1])
    with pytest.raises(FormatError, match=r"truncated: .* only 0 are there"):
        read_idx(view)


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
def test_writes_big_endian_arrays(tmp_path, dtype):
    array = random_array(dtype, (4, 5))
    write_idx(tmp_path / "a", array.astype(array.dtype.newbyteorder(">")))
    assert_same(read_idx(tmp_path / "a"), array)


@pytest.mark.parametrize(
    "rearrange",
    [lambda a: a.T, lambda a: a[::2, ::-1], lambda a: a[:, 1:3], np.asfortranarray],
    ids=["transposed", "strided", "inner", "fortran"],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_writes_non_contiguous_arrays(tmp_path, rearrange, suffix):
    array = rearrange(random_array("int16", (6, 5)))
    write_idx(tmp_path / f"a{suffix}", array)
    assert_same(read_idx(tmp_path / f"a{suffix}"), array)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("source", ["file", "bytes", "gzip"])
def test_result_is_native_aligned_and_writeable(tmp_path, dtype, source):
    array, path = random_array(dtype, (3, 5, 7)), tmp_path / "a.idx"
    write_idx(path, array)
    content = path.read_bytes()
    given = {"file": path, "bytes": content, "gzip": gzip.compress(content)}[source]
    found = read_idx(given)
    assert found.dtype.isnative and found.dtype == dtype
    assert found.flags.aligned and found.flags.writeable and found.flags.c_contiguous


def test_result_is_no_view_of_the_source():
    content = bytearray(header_of(0x08, 4) + b"abcd")
    found = read_idx(content)
    content[-1] = 0
    assert found.tobytes() == b"abcd"


def test_64_dimensions_are_read():
    assert read_idx(header_of(0x08, *[1] * 64) + b"\7").shape == (1,) * 64


def test_plain_file_is_read_in_parts_by_several_threads(tmp_path, monkeypatch):
    array = random_array("int32", (1237, 11))
    write_idx(tmp_path / "a", array)
    threads = set()

    def read(task):
        threads.add(threading.get_ident())
        barrier.wait(5)
        return task()

    barrier = threading.Barrier(3)
    monkeypatch.setattr(files, "_PART_NBYTES", 1000)
    monkeypatch.setattr(files, "usable_cores", lambda: 3)
    together = files.run_together
    monkeypatch.setattr(
        files,
        "run_together",
        lambda tasks: together([lambda task=task: read(task) for task in tasks]),
    )
    assert_same(read_idx(tmp_path / "a"), array)
    assert len(threads) == 3


if hasattr(os, "mkfifo"):

    @pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
    def test_a_pipe_is_read_to_its_end(tmp_path, content, pack):
        os.mkfifo(tmp_path / "pipe")
        feed = (tmp_path / "pipe").write_bytes
        thread = threading.Thread(target=feed, args=(pack(content),))
        thread.start()
        assert_same(read_idx(tmp_path / "pipe"), slow_parse(content))
        thread.join()


# ---- out= -----------------------------------------------------------------------


@pytest.mark.parametrize("source", ["file", "bytes", "gzip", "members"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_out_is_filled_and_returned(tmp_path, dtype, source):
    array, path = random_array(dtype, (3, 5, 7)), tmp_path / "a.idx"
    write_idx(path, array)
    content = path.read_bytes()
    given = {
        "file": path,
        "bytes": content,
        "gzip": gzip.compress(content),
        "members": members(content[:9], content[9:]),
    }[source]
    out = np.zeros_like(array)
    assert read_idx(given, out=out) is out
    assert_same(out, array)


def test_unaligned_out_is_filled():
    array = random_array("float64", (3, 2))
    content = header_of(0x0E, 3, 2) + array.astype(">f8").tobytes()
    out = np.zeros(49, np.uint8)[1:].view(np.float64).reshape(3, 2)
    read_idx(content, out=out)
    assert out.tobytes() == array.tobytes()


def readonly(shape, dtype):
    out = np.zeros(shape, dtype)
    out.flags.writeable = False
    return out


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    "out, found",
    [
        (np.zeros((3, 2), np.int16), r"int16 \(3, 2\)"),
        (np.zeros(6, np.int16), r"int16 \(6,\)"),
        (np.zeros((2, 3), np.uint16), r"uint16 \(2, 3\)"),
        (np.zeros((2, 3), ">i2"), r">i2 \(2, 3\)"),
        (readonly((2, 3), np.int16), r"int16 \(2, 3\) that is not both"),
        (np.zeros((3, 2), np.int16).T, r"int16 \(2, 3\) that is not both"),
        (np.zeros((2, 6), np.int16)[:, ::2], r"int16 \(2, 3\) that is not both"),
        (bytearray(12), "bytearray"),
        ([[0] * 3] * 2, "list"),
    ],
)
def test_out_that_does_not_fit(pack, out, found):
    content = pack(header_of(0x0B, 2, 3) + bytes(range(12)))
    wanted = r"out must be C-contiguous and writable int16 of shape \(2, 3\), got "
    with pytest.raises(ValueError, match=wanted + found) as caught:
        read_idx(content, out=out)
    assert not isinstance(caught.value, FormatError)
    assert not np.any(np.frombuffer(out, np.uint8) if type(out) is bytearray else out)


# ---- gzip -----------------------------------------------------------------------


def test_gzip_is_told_by_content_not_by_name(tmp_path, content):
    (tmp_path / "plain.gz").write_bytes(content)
    (tmp_path / "packed").write_bytes(gzip.compress(content))
    assert_same(read_idx(tmp_path / "plain.gz"), slow_parse(content))
    assert_same(read_idx(tmp_path / "packed"), slow_parse(content))


def test_one_member_is_inflated_at_once(content, monkeypatch):
    monkeypatch.setattr(idx, "_check_nbytes", None)  # only the careful way counts
    assert_same(read_idx(gzip.compress(content)), slow_parse(content))


@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_all_levels_of_compression(way, content, level):
    assert_same(read_idx(gzip.compress(content, level)), slow_parse(content))


def test_gzip_with_a_file_name_and_a_time(tmp_path, way, content):
    with gzip.GzipFile(tmp_path / "named.gz", "wb", mtime=1e9) as file:
        file.write(content)
    assert_same(read_idx(tmp_path / "named.gz"), slow_parse(content))


@pytest.mark.parametrize(
    "cuts",
    [
        (0,),  # an empty first member
        (0, 0, 0),
        (2,),  # inside the magic
        (4,),
        (7,),  # inside a dimension
        (12,),  # right behind the header
        (13,),  # inside an item
        (1, 2, 3, 5, 8, 13, 21),
        (65536,),  # chunks of the inflater
        (65536, 131072),
        (70001,),
        (150011,),  # all but the last byte
        (150012,),  # an empty last member
        (0, 100, 100, 150012),
    ],
    ids=str,
)
def test_several_members(tmp_path, content, cuts):
    assert len(content) == 150012
    ends = (0, *cuts, len(content))
    packed = members(*(content[a:b] for a, b in itertools.pairwise(ends)))
    (tmp_path / "a.gz").write_bytes(packed)
    assert_same(read_idx(tmp_path / "a.gz"), slow_parse(content))
    assert_same(read_idx(packed), slow_parse(content))


def test_members_of_one_byte():
    content = header_of(0x0C, 2, 2) + bytes(range(16))
    packed = members(*(bytes([byte]) for byte in content))
    assert_same(read_idx(packed), slow_parse(content))


def test_tens_of_thousands_of_empty_members(content):
    packed = members(b"") * 20000 + members(content)
    assert_same(read_idx(packed), slow_parse(content))


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("more", [b"x", b"a" * 100000, "itself"], ids=len)
def test_a_member_after_a_complete_one(way, content, small, more):
    content = header_of(0x08, 3) + b"abc" if small else content
    packed = members(content, content if more == "itself" else more)
    with pytest.raises(FormatError, match="IDX bytes: trailing bytes: the header says"):
        read_idx(packed)


def test_the_trailing_bytes_of_a_bomb_are_not_counted():
    packed = gzip.compress(header_of(0x08, 3) + bytes(1 << 20))
    with pytest.raises(FormatError, match=r"3 bytes of data, but at least 655.. are"):
        read_idx(packed)


@pytest.mark.parametrize("junk", [b"\n", b"\0" * 8, b"junk" * 1000, b"\x1f\x8b"])
def test_junk_after_gzip(way, content, junk):
    for packed in (members(content), members(content[:9], content[9:])):
        with pytest.raises(FormatError, match=r"damaged gzip|gzip data ends early"):
            read_idx(packed + junk)


def test_much_from_little_is_read_right(tmp_path):
    array = np.zeros((50, 1000, 1000), np.uint8)
    array[-1, -1, -1] = 7
    packed = gzip.compress(header_of(0x08, 50, 1000, 1000) + array.tobytes(), 1)
    assert array.nbytes > idx._SUSPICIOUS_RATIO * len(packed)
    (tmp_path / "a.gz").write_bytes(packed)
    assert np.array_equal(read_idx(tmp_path / "a.gz"), array)


# ---- damage ---------------------------------------------------------------------

SMALL = header_of(0x0B, 2, 3) + bytes(range(12))


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
    message = r"cut: truncated: .* int16 \(2, 3\), which is 12 bytes .* only 7 are"
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
    message = rf"long: trailing bytes: .* is 12 bytes .* at least {12 + n} are there"
    with pytest.raises(FormatError, match=message):
        read_idx(path)


@pytest.mark.parametrize("pack", [bytes, members], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    "content, message",
    [
        (b"", r"starts with nothing\): the file ends inside the IDX header"),
        (b"\0\0\x08", r"starts with 00 00 08\): the file ends inside"),
        (header_of(0x08, 1, 2)[:-1], "ends inside the IDX header"),
        (b"\x89PNG\r\n\x1a\n", r"starts with 89 50 4E 47\): .* two zero bytes"),
        (b"\0\1\x08\1\0\0\0\1x", r"\(starts with 00 01 08 01\): .* two zero bytes"),
        (b"\1\0\x08\1\0\0\0\1x", "starts with two zero bytes"),
        (header_of(0x00, 1) + b"x", "type byte must be 08, 09, 0B, 0C, 0D or 0E"),
        (header_of(0x0A, 1) + b"x", r"starts with 00 00 0A 01\): .* type byte"),
        (header_of(0x0F, 1) + b"x", "type byte"),
        (header_of(0xFF, 1) + b"x", "type byte"),
        (header_of(0x08, *[UINT32_MAX] * 2), r"multiply to more than 2\*\*62"),
        (header_of(0x0E, *[UINT32_MAX] * 3), r"multiply to more than 2\*\*62"),
        (header_of(0x08, *[UINT32_MAX] * 255), r"multiply to more than 2\*\*62"),
        (header_of(0x08, *[2] * 255) + b"x", r"multiply to more than 2\*\*62"),
        (header_of(0x08, 2**31, 2**31, 2), r"multiply to more than 2\*\*62"),
        (header_of(0x08, 2**31, 2**31), "truncated: .* 4611686018427387904 bytes"),
        (header_of(0x0E, UINT32_MAX), "truncated: .* 34359738360 bytes"),
        (header_of(0x08, *[1] * 65) + b"x", "65 dimensions; numpy has at most 64"),
        (header_of(0x08, *[1] * 255) + b"x", "255 dimensions; numpy has at most 64"),
        (header_of(0x08, *[0] * 255), "255 dimensions; numpy has at most 64"),
        (header_of(0x08, 0, *[UINT32_MAX] * 3), "uint8 .0, 4294967295.* too big"),
        (header_of(0x0E, *[UINT32_MAX] * 3, 0), "float64 .* too big"),
    ],
)
def test_bad_headers(tmp_path, pack, content, message):
    path = tmp_path / "bad"
    path.write_bytes(pack(content))
    with pytest.raises(FormatError, match=f"bad.*{message}"):
        read_idx(path)


def with_isize(packed, isize):
    return packed[:-4] + struct.pack("<I", isize)


@pytest.mark.parametrize("isize", [0, 5, 150011, 150013, UINT32_MAX])
def test_gzip_that_lies_about_its_size(content, isize):
    with pytest.raises(FormatError, match=r"damaged gzip data: .* length check"):
        read_idx(with_isize(members(content), isize))


@pytest.mark.parametrize("n", [12, 70000, 140000, 150011])
def test_gzip_that_confirms_a_header_that_says_too_much(way, content, n):
    with pytest.raises(FormatError, match=r"damaged gzip data: .* length check"):
        read_idx(with_isize(members(content[:n]), len(content)))


@pytest.mark.parametrize("n", [1, 70000])
def test_gzip_that_confirms_a_header_that_says_too_little(way, content, n):
    with pytest.raises(FormatError, match=r"trailing bytes|length check"):
        read_idx(with_isize(members(content + bytes(n)), len(content)))


def test_damaged_checksum(way, content):
    packed = bytearray(members(content))
    packed[-5] ^= 0x10
    with pytest.raises(FormatError, match=r"damaged gzip data: .* data check"):
        read_idx(packed)


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
        found = read_idx(packed)
    except FormatError:
        return
    assert_same(found, slow_parse(gzip.decompress(FLIPPED)))


@settings(max_examples=300)
@given(st.binary(max_size=60), st.sampled_from([b"", b"\0\0", b"\x1f\x8b\x08"]))
def test_any_bytes_give_an_array_or_a_format_error(content, start):
    try:
        found = read_idx(start + content)
    except FormatError:
        return
    assert_same(found, slow_parse(start + content))


def test_file_that_shrinks_while_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "shrinking"
    write_idx(path, np.arange(10000, dtype=np.int32))

    def read(file, offset, out):
        os.truncate(path, 5000)
        return files.read_into(file, offset, out)

    monkeypatch.setattr(idx, "read_into", read)
    with pytest.raises(FormatError, match=r"shrinking: truncated: .* only 4992 are"):
        read_idx(path)


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


def test_hostile_header_that_gzip_confirms_costs_no_memory(tmp_path):
    packed = gzip.compress(header_of(0x08, 10**8) + bytes(1000), 0)
    (tmp_path / "hostile").write_bytes(with_isize(packed, 10**8 + 8))
    check_cost(tmp_path / "hostile", "damaged")


@pytest.mark.parametrize("isize, error", [(0, "truncated"), (1, "damaged")])
def test_bomb_costs_no_memory(tmp_path, isize, error):
    packed = gzip.compress(header_of(0x08, 10**8) + bytes(10**8 - 1), 1)
    (tmp_path / "hostile").write_bytes(with_isize(packed, 10**8 + 7 + isize))
    check_cost(tmp_path / "hostile", error)


def check_cost(path, message="truncated"):
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, path],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    traced, resident, error = result.stdout.split(maxsplit=2)
    assert message in error
    assert int(traced) <= path.stat().st_size + (1 << 20)
    assert int(resident) <= path.stat().st_size + (1 << 20)


# ---- the system's errors --------------------------------------------------------


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")


def test_folder_is_the_systems_error(tmp_path):
    with pytest.raises(IsADirectoryError):
        read_idx(tmp_path)


def test_path_through_a_file_is_the_systems_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        read_idx(tmp_path / "file" / "a")


@pytest.mark.parametrize("source", [None, 3, np.zeros(3, np.uint8)])
def test_source_of_another_type(source):
    with pytest.raises(TypeError, match="PathLike"):
        read_idx(source)


# ---- writing --------------------------------------------------------------------


@pytest.mark.parametrize(
    "array, found",
    [
        (np.zeros(3, bool), "bool"),
        (np.zeros(3, np.int64), "int64"),
        (np.zeros(3, np.uint16), "uint16"),
        (np.zeros(3, np.uint32), "uint32"),
        (np.zeros(3, np.uint64), "uint64"),
        (np.zeros(3, np.float16), "float16"),
        (np.zeros(3, complex), "complex128"),
        (np.array([None]), "object"),
        (np.array(["a"]), "<U1"),
        (np.zeros(3, "M8[s]"), "datetime64"),
        (np.zeros(3, "u1,u1"), "f0"),
        ([1.5, None], "object"),
    ],
)
def test_unsupported_dtype(tmp_path, array, found):
    message = f"a.idx: .* uint8, int8, int16, int32, float32, float64, got .*{found}"
    with pytest.raises(TypeError, match=message):
        write_idx(tmp_path / "a.idx", array)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(2**32, 0), (0, 2**32 + 5)])
def test_side_too_long(tmp_path, shape):
    with pytest.raises(ValueError, match=rf"below 2\*\*32, got {max(shape)}"):
        write_idx(tmp_path / "a", np.empty(shape, np.uint8))
    assert not list(tmp_path.iterdir())


def test_longest_side(tmp_path):
    write_idx(tmp_path / "a", np.empty((UINT32_MAX, 0), np.uint8))
    assert read_idx(tmp_path / "a").shape == (UINT32_MAX, 0)


def test_scalars_and_lists_are_arrays(tmp_path):
    write_idx(tmp_path / "a", np.float32(1.5))
    assert read_idx(tmp_path / "a") == 1.5
    write_idx(tmp_path / "a", [np.int16(1), np.int16(2)])
    assert read_idx(tmp_path / "a").tolist() == [1, 2]


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failure_leaves_the_old_file_alone(tmp_path, monkeypatch, suffix, step):
    def fail(*args):
        raise OSError("disk full")

    path = tmp_path / f"a{suffix}"
    write_idx(path, np.arange(3, dtype=np.uint8))
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="disk full"):
        write_idx(path, np.zeros(100, np.uint8))
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert read_idx(path).tolist() == [0, 1, 2]


def test_failure_of_the_compressor_leaves_nothing(tmp_path, monkeypatch):
    def fail(*args):
        raise MemoryError

    monkeypatch.setattr("deflate.gzip_compress", fail)
    with pytest.raises(MemoryError):
        write_idx(tmp_path / "a.gz", np.zeros(100, np.uint8))
    assert not list(tmp_path.iterdir())


def test_existing_file_is_replaced(tmp_path):
    path = tmp_path / "a"
    write_idx(path, np.zeros(1000, np.float64))
    write_idx(path, np.arange(3, dtype=np.uint8))
    assert path.read_bytes() == header_of(0x08, 3) + b"\0\1\2"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_is_not_replaced(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError):
        write_idx(tmp_path / "a", np.zeros(3, np.uint8))
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_idx(tmp_path / "nowhere" / "a", np.zeros(3, np.uint8))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_same_array_gives_the_same_bytes(tmp_path, suffix):
    array = random_array("int16", (100, 30))
    for name in ("a", "another-name"):
        write_idx(tmp_path / f"{name}{suffix}", array)
    first, second = (path.read_bytes() for path in tmp_path.iterdir())
    assert first == second


def test_gzip_keeps_no_name_and_no_time(tmp_path):
    write_idx(tmp_path / "a.gz", np.zeros(3, np.uint8))
    packed = (tmp_path / "a.gz").read_bytes()
    assert packed[:4] == b"\x1f\x8b\x08\0" and packed[4:8] == bytes(4)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_any_new_file(tmp_path, mask):
    before = os.umask(mask)
    try:
        (tmp_path / "any").touch()
        write_idx(tmp_path / "a", np.zeros(3, np.uint8))
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "any").stat().st_mode


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_idx(tmp_path / "no" / "images", np.zeros(3, np.uint8))
    assert caught.value.filename == str(tmp_path / "no" / "images")


def test_a_path_in_bytes(tmp_path):
    path = os.fsencode(tmp_path / "items")
    write_idx(path, np.arange(3, dtype=np.uint8))
    (entry,) = os.scandir(os.fsencode(tmp_path))
    assert read_idx(entry).tolist() == [0, 1, 2]


def test_swapping_what_can_not_be_swapped():
    with pytest.raises(ValueError, match="items must be C-contiguous and writable"):
        _core.idx_swap(np.zeros((4, 4), np.int16)[:, ::2])

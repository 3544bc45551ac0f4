"""IDX in gzip: one or many members, decompressed at once or with counting."""

import gzip
import itertools
import random
import struct
import zlib

import numpy as np
import pytest
from helpers.idx_files import assert_same, header_of, members, slow_parse
from helpers.server import content as answer
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnist_fast import FormatError, idx, load_files, read_idx, write_idx


def test_gzip_is_recognized_by_content_not_by_name(tmp_path, content):
    (tmp_path / "plain.gz").write_bytes(content)
    (tmp_path / "packed").write_bytes(gzip.compress(content))
    assert_same(read_idx(tmp_path / "plain.gz"), slow_parse(content))
    assert_same(read_idx(tmp_path / "packed"), slow_parse(content))


def test_one_member_is_decompressed_at_once(content, monkeypatch):
    # Only decompression with counting calls this function.
    monkeypatch.setattr(idx, "check_nbytes", None)
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
        (12,),  # directly after the header
        (13,),  # inside an item
        (1, 2, 3, 5, 8, 13, 21),
        (65536,),  # chunks of the decompressor
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
def test_members_after_the_last_item(way, content, small, more):
    content = header_of(0x08, 3) + b"abc" if small else content
    packed = members(content, content if more == "itself" else more)
    with pytest.raises(FormatError, match="IDX bytes: trailing bytes: the data must"):
        read_idx(packed)


def test_the_trailing_bytes_of_a_bomb_are_not_counted():
    packed = gzip.compress(header_of(0x08, 3) + bytes(1 << 20))
    with pytest.raises(FormatError, match=r"have 3 bytes .*, got at least 655..$"):
        read_idx(packed)


@pytest.mark.parametrize(
    "junk", [b"\n", b"\0\0\n", b"junk" * 1000, bytes(70000) + b"\1", b"\x1f\x8b"]
)
def test_junk_after_gzip(tmp_path, way, content, junk):
    path, reason = tmp_path / "junk.gz", "trailing bytes: only zeros may follow"
    if junk[0] == 0x1F:
        reason = "(the gzip data is damaged|truncated: the gzip data ends early)"
    for packed in (members(content), members(content[:9], content[9:])):
        # An end that repeats the size must not hide what is before it.
        for end in (b"", packed[-4:], packed[-4:] + bytes(9)):
            path.write_bytes(packed + junk + end)
            with pytest.raises(FormatError, match=rf"junk\.gz: {reason}"):
                read_idx(path)


@pytest.mark.parametrize("n", [1, 512, 65535, 65536, 200000])
def test_zeros_after_gzip(way, content, n):
    for packed in (members(content), members(content[:9], content[9:])):
        assert_same(read_idx(packed + bytes(n)), slow_parse(content))
        between = packed + bytes(n) + members(b"")
        assert_same(read_idx(between), slow_parse(content))


def test_zeros_after_gzip_in_commands_and_at_urls(tmp_path, run, http, downloads):
    images, labels = np.ones((3, 2, 2), np.uint8), np.zeros(3, np.uint8)
    for stem, array in (("images-idx3", images), ("labels-idx1", labels)):
        path = tmp_path / f"part-{stem}-ubyte.gz"
        write_idx(path, array)
        path.write_bytes(path.read_bytes() + bytes(512))
        assert run("verify", path)[0] == 0
        assert run("convert-idx", path, tmp_path / f"{stem}.idx")[0] == 0
        assert_same(read_idx(tmp_path / f"{stem}.idx"), array)
        url = http.serve(f"/{path.name}", answer(path.read_bytes(), etag='"1"'))
    dataset = load_files(url.replace("labels-idx1", "images-idx3"))
    assert_same(np.asarray(dataset.images), images)


def test_zeros_after_one_member_do_not_prevent_decompression_at_once(
    content, monkeypatch
):
    # The size's own upper byte is zero.
    assert members(content)[-1] == 0
    monkeypatch.setattr(idx, "check_nbytes", None)
    assert_same(read_idx(members(content) + bytes(512)), slow_parse(content))


def test_a_size_that_occurs_in_the_data_is_no_end():
    """The file's first member has its size among the bytes that are not compressed."""
    content = header_of(0x08, 60) + b"\x44\0\0\0" * 15
    for packed in (gzip.compress(content, 0), members(content[:-9], content[-9:])):
        assert_same(read_idx(packed), slow_parse(content))
        with pytest.raises(
            FormatError, match=r"gzip data, got 0x6A 0x75 0x6E 0x6B\.\n"
        ):
            read_idx(packed + b"junk" + packed[-4:])


def inflated(packed):
    """Return the data of all members, or None where zlib finds a fault."""
    data = b""
    while packed:
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            data += member.decompress(packed)
        except zlib.error:
            return None
        if not member.eof:
            return None
        packed = member.unused_data.lstrip(b"\0")
    return data


def assert_as_zlib(packed):
    """Check that `read_idx` accepts and returns what zlib does."""
    try:
        plain = read_idx(inflated(packed) or b"")
    except FormatError:
        with pytest.raises(FormatError):
            read_idx(packed)
    else:
        assert_same(read_idx(packed), plain)


SHORT = header_of(0x08, 5) + b"\x0d\0\0\0\x0d"  # its size is 13
PIECES = st.one_of(
    st.sampled_from([SHORT, SHORT[:7], SHORT[7:], b"", b"\x0d\0\0\0"]).flatmap(
        lambda data: st.sampled_from([gzip.compress(data, level) for level in (0, 9)])
    ),
    st.sampled_from([b"\0", b"\x0d\0\0\0", b"\x1f\x8b", b"x"]),
    st.integers(1, 4).map(bytes),
)


@settings(max_examples=1000)
@given(
    st.sampled_from([SHORT, SHORT[:7], b""]),
    st.lists(PIECES, max_size=4),
    st.sampled_from([*range(6), 8, 17]),
)
def test_gzip_is_accepted_exactly_if_zlib_accepts_it(way, first, pieces, cut):
    packed = gzip.compress(first) + b"".join(pieces)
    assert_as_zlib(packed[: len(packed) - cut])


def member(data, random, flags=0):
    """Return a member with the fields that `flags` has (RFC 1952, section 2.3)."""
    header = b"\x1f\x8b\x08" + bytes([flags]) + random.randbytes(6)
    if flags & 4:  # FEXTRA
        extra = random.randbytes(random.choice([0, 1, 300]))
        header += struct.pack("<H", len(extra)) + extra
    header += b"name\0" * (flags >> 3 & 1) + b"\0" * (flags >> 4 & 1)
    if flags & 2:  # FHCRC
        header += struct.pack("<H", zlib.crc32(header) & 0xFFFF)
    level, strategy = random.choice([0, 1, 9]), random.choice([0, zlib.Z_FIXED])
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, 9, strategy)
    half = len(data) // 2
    body = packer.compress(data[:half])
    body += packer.flush(random.choice([zlib.Z_NO_FLUSH, zlib.Z_FULL_FLUSH]))
    body += packer.compress(data[half:]) + packer.flush()
    return header + body + struct.pack("<II", zlib.crc32(data), len(data))


@pytest.mark.parametrize("flags", range(32))
def test_all_fields_of_a_member(way, content, flags):
    packed = member(content, random.Random(flags), flags)
    assert_same(read_idx(packed), slow_parse(content))


@pytest.mark.parametrize("flag", [0x20, 0x40, 0x80])
def test_reserved_flags_are_refused(way, content, flag):
    with pytest.raises(FormatError, match="unknown header flags set"):
        read_idx(member(content, random.Random(0), flag))


@pytest.mark.parametrize("flags", [0, 0b11110])
def test_each_flipped_bit_is_refused_if_zlib_refuses_it(way, flags):
    packed = member(SHORT, random.Random(4), flags)
    for bit in range(16, 8 * len(packed)):
        flipped = bytearray(packed)
        flipped[bit // 8] ^= 1 << bit % 8
        assert_as_zlib(bytes(flipped))


def test_reserved_symbols_give_no_wrong_items(monkeypatch):
    """libdeflate reads 286 and 287 as 285, the longest match. zlib refuses them."""
    monkeypatch.setattr(idx, "_SUSPICIOUS_RATIO", 1000)
    content = header_of(0x08, 100000) + bytes(100000)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31, 9, zlib.Z_FIXED)
    packed = packer.compress(content) + packer.flush()
    for bit in range(4000, 4300):  # after the first chunk, which zlib checks
        flipped = bytearray(packed)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            items = read_idx(flipped)
        except FormatError:
            assert inflated(bytes(flipped)) != content
        else:
            assert_same(items, slow_parse(content))


@pytest.mark.parametrize("seed", range(4))
def test_damaged_members_are_refused_if_zlib_refuses_them(way, seed):
    random_ = random.Random(seed)
    for _ in range(50):
        data = random_.choice([SHORT, header_of(0x08, 70000) + bytes(70000)])
        cuts = sorted(random_.choices(range(len(data) + 1), k=random_.randrange(3)))
        packed = b""
        for begin, end in itertools.pairwise([0, *cuts, len(data)]):
            packed += member(data[begin:end], random_, random_.randrange(32))
            packed += bytes(random_.choice([0, 0, 1, 512]))
        damaged, at = bytearray(packed), random_.randrange(2, len(packed))
        kind = random_.randrange(5)
        if kind == 0:
            damaged[at] ^= 1 << random_.randrange(8)
        elif kind == 1:
            del damaged[at:]
        elif kind == 2:
            damaged[at:at] = random_.randbytes(2)
        elif kind == 3:
            damaged += random_.choice([b"\x1f", b"\0\0\x1f\x8b", packed[-4:], b"x"])
        assert_as_zlib(bytes(damaged))


def test_published_files_are_decompressed_at_once(real_root, monkeypatch):
    monkeypatch.setattr(idx, "check_nbytes", None)
    for path in sorted(real_root.glob("*.gz")):
        assert len(read_idx(path)) in (10000, 60000)


def test_a_high_compression_ratio_is_read_correctly(tmp_path):
    array = np.zeros((50, 1000, 1000), np.uint8)
    array[-1, -1, -1] = 7
    packed = gzip.compress(header_of(0x08, 50, 1000, 1000) + array.tobytes(), 1)
    assert array.nbytes > idx._SUSPICIOUS_RATIO * len(packed)
    (tmp_path / "a.gz").write_bytes(packed)
    assert np.array_equal(read_idx(tmp_path / "a.gz"), array)

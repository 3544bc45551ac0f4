"""IDX in gzip: one or many members, decompressed at once or with counting."""

import gzip
import itertools

import numpy as np
import pytest
from helpers.idx_files import assert_same, header_of, members, slow_parse

from fmnist_fast import FormatError, idx, read_idx


def test_gzip_is_recognized_by_content_not_by_name(tmp_path, content):
    (tmp_path / "plain.gz").write_bytes(content)
    (tmp_path / "packed").write_bytes(gzip.compress(content))
    assert_same(read_idx(tmp_path / "plain.gz"), slow_parse(content))
    assert_same(read_idx(tmp_path / "packed"), slow_parse(content))


def test_one_member_is_decompressed_at_once(content, monkeypatch):
    # Only decompression with counting calls this function.
    monkeypatch.setattr(idx, "_check_nbytes", None)
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


@pytest.mark.parametrize("junk", [b"\n", b"\0" * 8, b"junk" * 1000, b"\x1f\x8b"])
def test_junk_after_gzip(way, content, junk):
    for packed in (members(content), members(content[:9], content[9:])):
        with pytest.raises(FormatError, match=r"damaged gzip|gzip data ends early"):
            read_idx(packed + junk)


def test_a_high_compression_ratio_is_read_correctly(tmp_path):
    array = np.zeros((50, 1000, 1000), np.uint8)
    array[-1, -1, -1] = 7
    packed = gzip.compress(header_of(0x08, 50, 1000, 1000) + array.tobytes(), 1)
    assert array.nbytes > idx._SUSPICIOUS_RATIO * len(packed)
    (tmp_path / "a.gz").write_bytes(packed)
    assert np.array_equal(read_idx(tmp_path / "a.gz"), array)

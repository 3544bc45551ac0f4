"""The search for the end of a gzip member agrees with the reference."""

import gzip
import random

import pytest
import reference_files
from hypothesis import given
from hypothesis import strategies as st

from fmnist_fast import _core

BLOCK = 4096  # BLOCK_NBYTES in src/gzip.c
WORD = b"\x01\x02\x03\x04"
ISIZE = int.from_bytes(WORD, "little")


def check(content, isize):
    expected = reference_files.gzip_ends_after(content, isize)
    assert _core.gzip_ends_after(content, isize) == expected
    return expected


@pytest.mark.parametrize("nbytes", [0, 3, BLOCK - 4, BLOCK, 2 * BLOCK])
def test_words_around_the_ends_of_blocks_equal_reference(nbytes):
    for n in range(nbytes, nbytes + 9):
        assert check(b"\1" * n + WORD, ISIZE)
        assert check(b"\1" * n + WORD + bytes(3), ISIZE)
        assert not check(b"\1" * n + WORD + b"\0\0\1", ISIZE)
        assert not check(b"\1" * n + WORD[:3], ISIZE)
        assert not check(b"\1" * n, ISIZE)


@given(st.text("\0\1", max_size=12), st.text("\0\1", min_size=4, max_size=4))
def test_short_contents_equal_reference(content, word):
    check(content.encode(), int.from_bytes(word.encode(), "little"))


def test_long_contents_equal_reference():
    noise = random.Random(0)
    for n in (BLOCK + 2, BLOCK + 3, 3 * BLOCK + 5):
        content = bytes(noise.choice(b"\0\1\2") for _ in range(n))
        for at in range(n - 40, n - 3):
            check(content, int.from_bytes(content[at : at + 4], "little"))


@pytest.mark.parametrize("isize", [0, 255, 256, 2**32 - 1])
def test_all_bytes_of_the_size_count(isize):
    content = b"\5" * 10 + isize.to_bytes(4, "little")
    assert check(content, isize)
    for other in (1, 1 << 8, 1 << 16, 1 << 24):
        assert not check(content, isize ^ other)


def test_a_member_written_by_gzip_is_the_last():
    packed = gzip.compress(b"x" * 100)
    assert _core.gzip_ends_after(packed, 100)
    assert _core.gzip_ends_after(packed + bytes(512), 100)
    assert not _core.gzip_ends_after(packed + packed, 100)
    assert not _core.gzip_ends_after(packed + b"junk" + packed[-4:], 100)

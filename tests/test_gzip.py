"""The search for gzip members agrees with the reference."""

import gzip
import random

import pytest
import reference

from fmnist_fast import _core

HEADER = b"\x1f\x8b\x08\x00\0\0\0\0\x02\xff"


def test_headers_with_a_changed_byte_equal_reference():
    """The test sets each byte to all values, also bytes that the search ignores."""
    for place in range(len(HEADER)):
        for value in range(256):
            content = bytearray(b"\x1f\x1f" + HEADER + b"\x1f")
            content[2 + place] = value
            is_found = _core.find_gzip_member(bytes(content), 0)
            assert is_found == reference.has_gzip_header(bytes(content)), (place, value)


@pytest.mark.parametrize("nbytes", [0, 1, 9, 10, 11, 40])
def test_headers_at_every_place_equal_reference(nbytes):
    noise = random.Random(nbytes)
    for at in range(nbytes + 1):
        content = bytes(noise.choice(b"\x1f\x8b\x08\0") for _ in range(nbytes))
        content = (content[:at] + HEADER + content[at:])[: nbytes + 5]
        for begin in (0, 1, at, at + 1, len(content), len(content) + 3):
            is_found = _core.find_gzip_member(content, begin)
            assert is_found == reference.has_gzip_header(content[begin:])


def test_members_written_by_gzip_are_found():
    packed = gzip.compress(b"x" * 100)
    assert not _core.find_gzip_member(packed, 1)
    assert _core.find_gzip_member(packed + packed, 1)

"""Philox: its published test vectors, and the layout of key and counter."""

import pytest
import reference_draws

from fmnist_fast import _core

# Test vectors of philox4x32-10 from the file kat_vectors of Random123.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF,) * 2,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize("counter, key, answer", KNOWN)
def test_known_answers(counter, key, answer):
    assert reference_draws.philox(counter, key) == answer
    c0, c1, epoch, c3 = counter
    words = _core.draw(
        key[1] << 32 | key[0], epoch, c1 << 32 | c0, c3 >> 16, c3 & 0xFFFF
    )
    assert words == answer


@pytest.mark.parametrize("part", ["seed", "epoch", "position", "operation", "draw"])
def test_every_part_of_the_counter_matters(part):
    base = {"seed": 5, "epoch": 6, "position": 7, "operation": 1, "draw": 2}
    other = base | {part: base[part] + 1}
    assert _core.draw(**base) == reference_draws.draw(**base)
    assert _core.draw(**other) == reference_draws.draw(**other)
    assert not set(_core.draw(**base)) & set(_core.draw(**other))

"""Integers of the core: the code of machines without 128-bit products."""

import ctypes
import random

import pytest
from helpers.compilers import build
from helpers.prose import ROOT

CODE = """
#include "integer.h"
uint64_t high(uint64_t x, uint64_t y) { return fm_integer_high(x, y); }
"""


@pytest.mark.parametrize("options", [[], ["-DFM_INTEGER_128=0"]])
def test_upper_half_of_a_product(compiler, tmp_path, options):
    source, library = tmp_path / "high.c", tmp_path / "high.so"
    source.write_text(CODE)
    exact = ["-std=c11", "-ffp-contract=off", f"-I{ROOT / 'src'}"]
    build(compiler, source, library, *exact, *options)
    high = ctypes.CDLL(str(library)).high
    high.argtypes, high.restype = [ctypes.c_uint64] * 2, ctypes.c_uint64
    numbers = [0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 2**32, 2**64 - 1]
    rng = random.Random(0)
    numbers += [rng.getrandbits(64) for _ in range(100)]
    for x in numbers:
        assert [high(x, y) for y in numbers] == [x * y >> 64 for y in numbers]

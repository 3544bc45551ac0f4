"""The blur computes with normal floats alone, because denormal ones are slow."""

import ctypes
import platform
from pathlib import Path

import numpy as np
import pytest
from helpers.compilers import build
from helpers.float_states import float_state, get_state, linux_only

SOURCE = Path(__file__).parents[1] / "src"
# Flags of denormal operands and of results that are too small for a normal number.
TOO_SMALL = {"x86_64": 0x12, "aarch64": 0x88}


class Blur(ctypes.Structure):
    """Stand for struct fm_blur, whose range of sigma fm_filter_blur does not read."""

    _fields_ = [
        ("size_x", ctypes.c_size_t),
        ("size_y", ctypes.c_size_t),
        ("sigma", ctypes.c_double * 3),
    ]


@pytest.fixture(scope="module")
def blur(compiler, tmp_path_factory):
    """Return the function of filter.c, which the core calls with hidden flags."""
    out = tmp_path_factory.mktemp("filter") / "filter.so"
    options = "-std=c11", "-ffp-contract=off", "-fno-trapping-math"
    build(compiler, SOURCE / "augment" / "filter.c", out, *options, "-lm")
    function = ctypes.CDLL(str(out)).fm_filter_blur
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    arguments = pointer, size, size, pointer, ctypes.c_double, ctypes.c_int
    function.argtypes = *arguments, pointer, pointer
    return function


@linux_only
@pytest.mark.parametrize("sigma", [1e-3, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 1000.0])
def test_blur_has_no_denormal_numbers(blur, sigma):
    rng = np.random.default_rng(0)
    image = rng.integers(1, 256, (28, 28), dtype=np.uint8)
    image[rng.random(image.shape) < 0.7] = 0
    image[5:] //= 100
    out, work = np.empty_like(image), np.zeros(1 << 17, np.uint8)
    aligned = -(-work.ctypes.data // 64) * 64
    pixels = image.ctypes.data, 28, 28
    with float_state("up"):  # any state: it clears the flags
        for sizes in (23, 23), (55, 55), (3, 55):
            memory = aligned, out.ctypes.data
            blur(*pixels, ctypes.byref(Blur(*sizes)), sigma, 0, *memory)
        flags = get_state()[1]
    assert not flags & TOO_SMALL[platform.machine()]

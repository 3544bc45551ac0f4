"""Sums over pixels, for every instruction set and lengths with every remainder."""

import numpy as np
import pytest

from fmnist_fast import _core


@pytest.mark.parametrize("n", [0, 1, 31, 32, 33, 63, 65, 65535, 65536, 65537, 200_003])
def test_sums_equal_numpy(n, cpu_level):
    pixels = np.random.default_rng(n).integers(0, 256, n, dtype=np.uint8)
    wide = pixels.astype(np.uint64)
    assert _core.pixel_sums(pixels) == (int(wide.sum()), int((wide**2).sum()))


def test_white_pixels_do_not_overflow(cpu_level):
    """A 32-bit sum of squares overflows after 66,051 white pixels."""
    n = 3_000_000
    assert _core.pixel_sums(np.full(n, 255, np.uint8)) == (255 * n, 255**2 * n)


def test_unaligned_start(cpu_level):
    pixels = np.arange(1000, dtype=np.int64).astype(np.uint8)
    wide = pixels[3:].astype(np.uint64)
    assert _core.pixel_sums(pixels[3:]) == (int(wide.sum()), int((wide**2).sum()))


@pytest.mark.parametrize("pixels", [np.zeros(4), np.zeros((4, 4), np.uint8)[:, ::2]])
def test_other_arrays_are_refused(pixels):
    with pytest.raises(ValueError, match="pixels must be C-contiguous uint8"):
        _core.pixel_sums(pixels)

"""Compiled forms of transforms that resize, and sizes on 32-bit machines."""

import math
import platform
import subprocess
from pathlib import Path

import pytest
from helpers.transforms import compiled, drawn, only

from fmnist_fast._core import MAX_SHARED_NBYTES, Program
from fmnist_fast.augment import (
    RandomResizedCrop,
    RandomZoomOut,
    Resize,
)


@pytest.mark.parametrize(
    "transform, size",
    [
        (Resize(14), (14, 28)),
        (Resize((14, 20)), (14, 20)),
        (Resize(15, max_size=20), (10, 20)),
        (Resize(None, max_size=14), (7, 14)),
        (Resize(30, max_size=61), (30, 60)),
    ],
)
def test_resize_follows_the_shorter_side(transform, size):
    for expected, height, width in ((size, 20, 40), (size[::-1], 40, 20)):
        if isinstance(transform.size, tuple):
            expected = size
        out = compiled(transform, height=height, width=width)
        assert (out.height, out.width) == expected
        fields = {"height": expected[0], "width": expected[1]}
        fields |= {"interpolation": 1, "antialias": 1}
        assert out.transforms == (("resize", 1.0, fields),)


def test_resize_never_makes_an_empty_image():
    with pytest.raises(ValueError, match="got 0x50 from an image of 1x100"):
        compiled(Resize(None, max_size=50), height=1, width=100)


@pytest.mark.parametrize(
    "interpolation, antialias, expected",
    [
        ("bilinear", True, (1, 1)),
        ("bilinear", False, (1, 0)),
        ("bilinear", None, (1, 0)),
        ("nearest", True, (0, 0)),
        ("bicubic", True, (2, 1)),
        ("bicubic", False, (2, 0)),
    ],
)
def test_antialias_does_nothing_with_nearest(interpolation, antialias, expected):
    transform = Resize(5, interpolation, antialias=antialias)
    fields = only(transform)[2]
    assert (fields["interpolation"], fields["antialias"]) == expected
    transform = RandomResizedCrop(5, interpolation=interpolation, antialias=antialias)
    fields = only(transform)[2]["resize"]
    assert (fields["interpolation"], fields["antialias"]) == expected


@pytest.mark.parametrize(
    "ratio, sides, fallback",
    [
        ((3 / 4, 4 / 3), (28, 28), (28, 28)),
        ((3 / 4, 4 / 3), (28, 60), (28, 37)),  # 28 * 4 / 3 = 37.3
        ((3 / 4, 4 / 3), (60, 28), (37, 28)),
        ((2, 3), (28, 28), (14, 28)),
        ((3, 4), (1, 1), (1, 1)),
    ],
)
def test_random_resized_crop(ratio, sides, fallback):
    transform = RandomResizedCrop((20, 24), (0.5, 1), ratio)
    kind, p, fields = only(transform, *sides)
    assert (kind, p) == ("resized_crop", 1.0)
    assert (fields["fallback_height"], fields["fallback_width"]) == fallback
    assert fields["scale"] == drawn(0.5, 1.0)
    low, high = fields["log_ratio"]["low"], fields["log_ratio"]["high"]
    assert (math.exp(low), math.exp(high)) == pytest.approx(ratio, rel=1e-11)
    assert fields["resize"] == {
        "height": 20,
        "width": 24,
        "interpolation": 1,
        "antialias": 1,
    }
    assert compiled(transform, height=sides[0], width=sides[1]).width == 24


def test_random_zoom_out():
    resize = {"height": 20, "width": 30, "interpolation": 1, "antialias": 1}
    fields = {"side": drawn(1.0, 4.0), "fill": 0, "resize": resize}
    assert only(RandomZoomOut(), 20, 30) == ("zoom_out", 0.5, fields)
    fields |= {"side": drawn(1.5, 2.0), "fill": 7}
    fields |= {"resize": resize | {"interpolation": 0, "antialias": 0}}
    transform = RandomZoomOut(7, (1.5, 2), 1, "nearest")
    assert only(transform, 20, 30) == ("zoom_out", 1.0, fields)
    transform = RandomZoomOut(7, (1.5, 2), 1, antialias=None)
    fields |= {"resize": resize | {"antialias": 0}}
    assert only(transform, 20, 30) == ("zoom_out", 1.0, fields)


def test_the_largest_canvas_has_a_maximum_size():
    assert compiled(RandomZoomOut(side_range=(1, 32)), height=2048, width=1).width == 1
    with pytest.raises(
        ValueError,
        match=r"^RandomZoomOut: the largest canvas must have sides of at most 65536, "
        r"got 65568x32 from an image of 2049x1\.\nPass a smaller side_range\.$",
    ):
        compiled(RandomZoomOut(side_range=(1, 32)), height=2049, width=1)


def test_a_device_has_memory_for_the_default_canvas():
    program = Program(compiled(RandomZoomOut()), 28, 28)
    assert program.shared_nbytes <= MAX_SHARED_NBYTES
    program = Program(compiled(RandomZoomOut(side_range=(1, 6))), 28, 28)
    assert program.shared_nbytes > MAX_SHARED_NBYTES


ROOT = Path(__file__).parents[1]
LARGE_SIZES = """
#include "augment/resample.h"

#define IN 70000
#define OUT 65536

static uint8_t in[IN], out[OUT + 7];

int main(void)
{
    struct fm_box box = {0, 0, 1, IN};
    struct fm_resize resize = {1, OUT, FM_NEAREST, 0};
    for (size_t x = 0; x < IN; x++)
        in[x] = (uint8_t)(x % 251);
    fm_resample_apply(in, IN, &box, &resize, FM_CPU_BASELINE, NULL, out);
    for (uint64_t x = 0; x < OUT; x++)
        if (out[x] != x * IN / OUT % 251)
            return 1;
    const uint64_t nbytes = fm_resample_work_nbytes(OUT, OUT, OUT, OUT);
    return nbytes < (uint64_t)4 * 4 * OUT * OUT ? 2 : 0;
}
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs x86-64")
def test_sizes_on_32_bit_machines(compiler, tmp_path):
    options = "-m32 -msse2 -mfpmath=sse -std=c11 -ffp-contract=off".split()
    code, program = tmp_path / "main.c", tmp_path / "main"
    command = [compiler, *options, f"-I{ROOT / 'src'}", code, "-o", program]
    code.write_text("#include <math.h>\nint main(void) { return 0; }\n")
    if subprocess.run(command, capture_output=True, timeout=60).returncode != 0:
        pytest.skip("needs a compiler and a C library for 32-bit x86")
    code.write_text(LARGE_SIZES)
    command += [ROOT / "src" / "augment" / "resample.c", "-lm"]
    subprocess.run(command, check=True, timeout=60)
    assert subprocess.run([program], timeout=60).returncode == 0

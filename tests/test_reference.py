"""Numbers and pixels of the reference, compared with numpy, Pillow and math."""

import itertools
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import reference_draws
import reference_geometry
import reference_operations as operations
import reference_pixels
import reference_real
import reference_transforms
from helpers.against_reference import dataset_of
from PIL import Image, ImageOps
from reference_fill import fill

ROOT = Path(__file__).parents[1]


def always(value):
    return {"low": value, "high": value, "n_levels": 0, "random_sign": 0}


def test_functions_of_real_numbers_are_exact_to_1e_14():
    for x in np.linspace(-700, 700, 2001).tolist():
        assert math.isclose(reference_real.real_exp(x), math.exp(x), rel_tol=1e-14)
    for x in (10 ** np.linspace(-300, 300, 2001)).tolist():
        want = math.log(x)
        assert abs(reference_real.real_log(x) - want) < 1e-14 * max(1, abs(want))
    for x in np.linspace(-721, 721, 2001).tolist():
        sine, cosine = reference_real.real_sin_cos(x)
        assert abs(sine - math.sin(math.radians(x))) < 1e-14
        assert abs(cosine - math.cos(math.radians(x))) < 1e-14
    assert [reference_real.real_sin_cos(90.0 * k) for k in range(4)] == [
        (0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0)
    ]  # fmt: skip


def test_words_of_pixels_are_those_of_their_counters():
    draws = reference_draws.Draws(1, 2, 3, 4)
    words = reference_draws.words_of(draws.key(), 200)
    key = reference_draws.draw(1, 2, 3, 4, 0)[:2]
    for c, j, i in itertools.product(range(3), range(4), range(16)):
        assert (
            words[64 * c + 16 * j + i]
            == (reference_draws.philox((16 * c + i, 0, 0, 0), key)[j])
        )


def test_normal_and_beta_numbers_have_their_moments():
    draws = reference_draws.Draws(5, 0, 0, 1)
    words = reference_draws.words_of(draws.key(), 2**16)
    pixels = reference_pixels.normals(words).astype(float)
    doubles = np.array([draws.normal() for _ in range(4000)])
    for numbers in (pixels, doubles):
        error = 5 / math.sqrt(len(numbers))
        assert abs(numbers.mean()) < error
        assert abs((numbers**2).mean() - 1) < error * math.sqrt(2)
        assert abs((numbers**4).mean() - 3) < error * math.sqrt(96)
    for alpha in (0.2, 1.0, 5.0):
        shares = np.array([draws.beta(alpha) for _ in range(2000)])
        variance = 1 / (4 * (2 * alpha + 1))
        assert abs(shares.mean() - 0.5) < 5 * math.sqrt(variance / 2000)
        assert abs(shares.var() / variance - 1) < 0.2


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
def test_crops_of_the_reference_equal_numpy(mode):
    image = dataset_of(6, 9, 4).images[0]
    number = ["constant", "edge", "reflect", "symmetric"].index(mode)
    got = fill([operations.Cut(-5, -5, 16, 19, number)], image)
    assert np.array_equal(got, np.pad(image, 5, mode=mode))


def test_tones_of_the_reference_equal_pillow():
    for image in dataset_of(20, 30, 4).images:
        photo = Image.fromarray(image)
        for kind, value, want in [
            (operations.INVERT, 0, ImageOps.invert(photo)),
            (operations.POSTERIZE, 3, ImageOps.posterize(photo, 3)),
            (operations.SOLARIZE, 99, ImageOps.solarize(photo, 99)),
            (operations.EQUALIZE, 0, ImageOps.equalize(photo)),
        ]:
            got = fill([operations.Tone(kind, value)], image)
            assert np.array_equal(got, want), kind
        got = fill([operations.Tone(operations.AUTOCONTRAST, 0)], image).astype(int)
        assert abs(got - np.array(ImageOps.autocontrast(photo))).max() <= 1


@pytest.mark.parametrize("height, width", [(41, 60), (7, 12), (20, 30)])
def test_resizing_of_the_reference_equals_pillow(height, width):
    image = dataset_of(20, 30, 4).images[0]
    want = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    resize = operations.Resize((0, 0, 20, 30), height, width, 1, 1)
    got = fill([resize], image).astype(int)
    assert abs(got - np.array(want)).max() <= 1


def test_rotation_of_the_reference_by_quarters_is_exact():
    image = dataset_of(13, 13, 4).images[0]
    zero = always(0.0)
    parts = {"translate_x": zero, "translate_y": zero, "shear_x": zero, "shear_y": zero}
    switches = {"shear_tangent": 0, "truncate": 0, "center_x": 0.0, "center_y": 0.0}
    for quarters in range(-2, 4):
        fields = {"angle": always(90.0 * quarters), "scale": always(1.0)}
        fields |= parts | switches | {"counter_clockwise": 1}
        draws = reference_draws.Draws(1, 2, 3, 4)
        transform = SimpleNamespace(**fields)
        m = reference_transforms.affine_map(transform, draws)
        for interpolation in (0, 1):
            got = fill([operations.Warp(m, interpolation, 0)], image)
            assert np.array_equal(got, np.rot90(image, quarters))


def test_extended_boxes_have_the_variance_of_the_gaussian():
    for sigma in (0.3, 1.0, 2.5, 8.0):
        side = math.ceil(6 * sigma) + 3
        row = np.zeros((2 * side + 1, 1), dtype=np.float32)
        row[side] = 1
        for _ in range(3):
            row = reference_geometry.extended_box(row, sigma)
        x = np.arange(-side, side + 1)
        assert abs(row.sum() - 1) < 1e-5
        assert abs((row[:, 0] * x**2).sum() / sigma**2 - 1) < 1e-3


def test_the_reference_names_functions_of_the_c_headers():
    for path in sorted((ROOT / "tests").glob("reference*.py")):
        text = " ".join(path.read_text(encoding="utf-8").split())
        for name, header in re.findall(r"(?:(fm_\w+) \()?(src/[\w/]+\.h)", text):
            words = re.findall(r"\w+", (ROOT / header).read_text(encoding="utf-8"))
            assert not name or name in words, f"{path.name}: {name}"


def test_the_c_headers_name_functions_of_the_reference():
    for path in sorted((ROOT / "src").rglob("*.h")):
        text = " ".join(path.read_text(encoding="utf-8").split())
        for name, function in re.findall(r"(tests/\w+\.py)(?:, (\w+)\.)?", text):
            words = re.findall(r"def (\w+)", (ROOT / name).read_text(encoding="utf-8"))
            assert not function or function in words, f"{path.name}: {function}"

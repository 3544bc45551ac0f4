"""The seven conversion steps, compared with slow numpy and with ImageMagick."""

import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.photos import GROUND, by_imagemagick, picture
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference_photos import photo_box

import fmnist_fast as ff
from fmnist_fast import _core
from fmnist_fast.photos import convert as photos
from fmnist_fast.photos.filmstrip import draw_filmstrip


@pytest.fixture(scope="module")
def pillow():
    return pytest.importorskip("PIL.Image")


def real_photos():
    """Yield at least 50 photos, whole and in parts, from packages that have some."""
    Image = pytest.importorskip("PIL.Image")
    folders = {
        name: Path(pytest.importorskip(name).__file__).parent
        for name in ("skimage", "sklearn", "matplotlib")
    }
    names = {
        "skimage": "data/{}",
        "sklearn": "datasets/images/{}",
        "matplotlib": "mpl-data/sample_data/{}",
    }
    files = {
        "skimage": "astronaut.png camera.png chelsea.png coffee.png coins.png ihc.png "
        "moon.png hubble_deep_field.jpg retina.jpg rocket.jpg motorcycle_left.png "
        "grass.png brick.png gravel.png",
        "sklearn": "china.jpg flower.jpg",
        "matplotlib": "grace_hopper.jpg",
    }
    for package, listed in files.items():
        for file in listed.split():
            path = folders[package] / names[package].format(file)
            if not path.exists():  # versions of a package have different photos
                continue
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))
            height, width = (2 * side // 3 for side in pixels.shape[:2])
            yield file, pixels
            yield f"{file}, top left", pixels[:height, :width]
            yield f"{file}, bottom right", pixels[-height:, -width:]
            framed = np.full((height + 90, width + 50, 3), GROUND, np.uint8)
            framed[30:-60, 40:-10] = pixels[-height:, :width]
            yield f"{file}, with margins", framed


def test_real_photos_are_converted_as_by_imagemagick():
    operations = (
        "-fuzz 5% -trim +repage -sample 28x28 -adaptive-sharpen 1x1 -background white "
        "-gravity center -extent 28x28 -negate -colorspace Gray -depth 8"
    ).split()
    differences = {}
    for name, pixels in real_photos():
        expected = by_imagemagick(*operations, pixels=pixels).astype(int)
        differences[name] = np.abs(ff.convert(pixels) - expected).mean()
    assert len(differences) >= 50
    worst = max(differences, key=differences.get)
    assert differences[worst] <= 3, worst
    assert np.mean(list(differences.values())) < 0.6


def test_each_step_gets_the_result_of_the_one_before(pillow):
    pixels = picture()
    results = list(photos.convert_in_steps(pixels))
    assert [name for name, _ in results] == [name for name, _ in photos.STEPS]
    want = pixels
    for (_, step), (_, got) in zip(photos.STEPS, results):
        want = step(want)
        assert np.array_equal(got, want)
        assert got.dtype == np.uint8
    shapes = [image.shape for _, image in results]
    assert shapes == [(60, 40, 3), (38, 28, 3), (28, 21, 3), (28, 21, 3)] + [
        (28, 28, 3)
    ] * 2 + [(28, 28)]
    assert np.array_equal(ff.convert(pixels), want)
    assert np.array_equal(ff.convert(pillow.fromarray(pixels)), want)


def test_input_is_not_changed(pillow):
    pixels = picture()
    before = pixels.copy()
    ff.convert(pixels)
    assert np.array_equal(pixels, before)


@given(
    hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 7), st.integers(1, 7), st.just(3)),
        elements=st.sampled_from([0, 12, 13, 100, 255]),
    ),
    st.integers(0, 600),
)
def test_photo_box_equals_numpy(pixels, limit):
    assert _core.photo_box(pixels, limit) == photo_box(pixels, limit)


@given(
    st.integers(1, 4),
    st.integers(1, 70),
    st.sampled_from([0, 5, 12, 250, 255]),
    st.integers(0, 600),
    st.lists(st.tuples(*[st.integers(0, 69)] * 2, st.integers(0, 255)), max_size=4),
)
def test_photo_box_of_wide_rows_equals_numpy(height, width, level, limit, dots):
    """Rows of more pixels than the core compares together differ in single pixels."""
    pixels = np.full((height, width, 3), level, np.uint8)
    for y, x, value in dots:
        pixels[y % height, x % width, value % 3] = value
    assert _core.photo_box(pixels, limit) == photo_box(pixels, limit)


def test_photo_box_of_any_two_colors():
    """Differences up to 24 levels are compared with limits, on many backgrounds."""
    for level in range(0, 256, 3):
        for limit in (0, 2, 3, 487, 100_000, 3 * 255**2):
            for value in range(max(0, level - 24), min(256, level + 25)):
                pixels = np.full((1, 17, 3), level, np.uint8)
                pixels[0, 8] = (level, value, value)
                is_far = 2 * (value - level) ** 2 > limit
                want = (0, 1, 8, 9) if is_far else (1, 0, 17, 0)
                assert _core.photo_box(pixels, limit) == want


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 0, 3), (4, 4, 4)])
def test_photo_box_needs_rgb(shape):
    with pytest.raises(ValueError, match=r"pixels must have shape \(height, width, 3"):
        _core.photo_box(np.zeros(shape, np.uint8), 487)


@pytest.mark.parametrize(
    "difference, kept",
    [((12, 13, 13), False), ((13, 13, 13), True), ((0, 23, 0), True)],
)
def test_five_percent_of_the_diagonal_of_rgb(difference, kept):
    """ImageMagick's -fuzz 5% separates the same colors."""
    pixels = np.full((9, 9, 3), 100, np.uint8)
    pixels[0:9:8, 4] = 200
    pixels[4, 2] += np.array(difference, np.uint8)
    assert photos.trim(pixels).shape == (9, 3 if kept else 1, 3)


def test_each_edge_is_compared_with_its_corner():
    pixels = np.full((20, 30, 3), 255, np.uint8)
    pixels[:, 18:] = 0  # the background changes: the right margin is black
    pixels[5:9, 12:22] = 128
    assert photos.trim(pixels).shape == (20, 10, 3)


def test_an_image_of_two_plain_halves_is_kept():
    pixels = np.zeros((6, 8, 3), np.uint8)
    pixels[:, 4:] = 255
    assert photos.trim(pixels).shape == (6, 8, 3)
    assert photos.trim(pixels.swapaxes(0, 1)).shape == (8, 6, 3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (50, 30, 3), (3, 3, 4)])
def test_blank_images_are_refused(shape):
    with pytest.raises(ValueError, match=r"blank: all of its \d+x\d+ pixels"):
        ff.convert(np.full(shape, 200, np.uint8))


def test_rows_and_columns_are_skipped():
    """The middle row and column of each part are kept, as by ImageMagick's -sample."""
    row = np.arange(84, dtype=np.uint8)
    pixels = np.broadcast_to(row[None, :, None], (42, 84, 3))
    kept = photos.subsample(pixels)
    assert kept.shape == (14, 28, 3)
    assert kept[0, :, 0].tolist() == list(range(1, 84, 3))
    even = photos.subsample(np.broadcast_to(row[None, :56, None], (56, 56, 3)))
    assert even[0, :, 0].tolist() == list(range(0, 56, 2))


@pytest.mark.parametrize(
    "size, kept",
    [
        ((1000, 762), (28, 21)),
        ((57, 100), (16, 28)),
        ((9, 5), (28, 16)),
        ((3, 1000), (1, 28)),
        ((1, 2), (14, 28)),
        ((28, 28), (28, 28)),
    ],
)
def test_the_longest_edge_becomes_28(size, kept):
    assert photos.subsample(np.zeros((*size, 3), np.uint8)).shape == (*kept, 3)


def test_only_outlines_are_sharpened():
    pixels = np.full((28, 28, 3), 180, np.uint8)
    pixels[:, 14:] = 80
    sharp = photos.sharpen(pixels).astype(int)
    changed = np.flatnonzero((sharp != pixels).any(axis=(0, 2)))
    assert changed.tolist() == [13, 14]
    assert (sharp[:, 13] > 180).all() and (sharp[:, 14] < 80).all()


def test_sharpening_stays_in_8_bits_and_keeps_plain_areas():
    plain = np.full((5, 6, 3), 77, np.uint8)
    assert np.array_equal(photos.sharpen(plain), plain)
    checks = np.zeros((8, 8, 3), np.uint8)
    checks[::2, ::2] = 255
    assert set(np.unique(photos.sharpen(checks))) == {0, 255}


@pytest.mark.parametrize(
    "size, corner", [((28, 21), (0, 4)), ((28, 26), (0, 1)), ((1, 28), (14, 0))]
)
def test_center(size, corner):
    """ImageMagick's -gravity center -extent 28x28 puts the corner there too."""
    canvas = photos.center(np.full((*size, 3), 9, np.uint8))
    rows, columns = np.nonzero(canvas[..., 0] == 9)
    assert canvas.shape == (28, 28, 3)
    assert (rows.min(), columns.min()) == corner
    assert len(rows) == size[0] * size[1]
    assert ((canvas == 9) | (canvas == 255)).all()


def test_center_refuses_larger_images():
    with pytest.raises(ValueError, match=r"at most 28x28 .* got 29x3"):
        photos.center(np.zeros((3, 29, 3), np.uint8))


def test_negate_and_gray():
    colors = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255] * 3]], np.uint8)
    assert photos.to_gray(colors).tolist() == [[54, 182, 18, 255]]
    assert photos.to_gray(photos.negate(colors)).tolist() == [[201, 73, 237, 0]]
    grays = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    assert photos.to_gray(grays)[0].tolist() == list(range(256))


@pytest.mark.parametrize("step", [step for _, step in photos.STEPS[1:]])
@pytest.mark.parametrize(
    "pixels",
    [np.zeros((3, 3)), np.zeros((3, 3), np.uint8), np.zeros((0, 3, 3), np.uint8)],
)
def test_steps_need_rgb(step, pixels):
    with pytest.raises(ValueError, match=r"pixels must be uint8 .*\(height, width, 3"):
        step(pixels)


def test_filmstrip_of_a_generator_of_steps(pillow):
    steps = list(photos.convert_in_steps(picture()))
    strip = draw_filmstrip(photos.convert_in_steps(picture()))
    assert strip.tobytes() == draw_filmstrip(steps).tobytes()
    assert strip.width == 12 + 7 * 236


def test_filmstrip_without_pillow_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"pictures require Pillow .* install pillow"):
        draw_filmstrip(photos.convert_in_steps(picture()))


def test_gray_frames_of_any_size_fit_into_the_filmstrip(pillow):
    for size in ((1, 1), (224, 224), (225, 3), (3, 1000), (1000, 1)):
        strip = draw_filmstrip([("a", np.zeros(size, np.uint8))])
        frame = np.asarray(strip)[12 : 12 + 224, 12 : 12 + 224]
        rows, columns = np.nonzero((frame < 100).all(axis=2))
        extent = 1 + max(np.ptp(rows), np.ptp(columns))
        assert extent == 224 // max(size) * max(size) if max(size) <= 224 else 224

"""The seven steps: against slow numpy, against ImageMagick, and on odd images."""

import io
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reference_photos import photo_box

import fmnist_fast as ff
from fmnist_fast import _core
from fmnist_fast.photos import convert as photos
from fmnist_fast.photos.filmstrip import draw_filmstrip

GROUND = 253  # #fdfdfd, what the paper's photos have


@pytest.fixture(scope="module")
def pillow():
    return pytest.importorskip("PIL.Image")


def picture(height=60, width=40, seed=0):
    """Random colours on a light ground, with margins of 10, 12, 5 and 7 pixels."""
    pixels = np.full((height, width, 3), GROUND, np.uint8)
    inner = pixels[10 : height - 12, 5 : width - 7]
    inner[:] = np.random.default_rng(seed).integers(0, 200, inner.shape, np.uint8)
    return pixels


def real_photos():
    """At least 50 photographs, whole and in parts, from packages that carry some."""
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
            if not path.exists():  # later versions may carry others
                continue
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))
            height, width = (2 * side // 3 for side in pixels.shape[:2])
            yield file, pixels
            yield f"{file}, top left", pixels[:height, :width]
            yield f"{file}, bottom right", pixels[-height:, -width:]
            framed = np.full((height + 90, width + 50, 3), GROUND, np.uint8)
            framed[30:-60, 40:-10] = pixels[-height:, :width]
            yield f"{file}, on a ground", framed


def by_imagemagick(*words, pixels=None):
    """What Debian's ImageMagick makes of RGB pixels, or of a file that `words` name."""
    program = Path("/usr/bin/convert")
    if not program.exists():
        pytest.skip("ImageMagick is not installed at /usr/bin/convert")
    content = None
    if pixels is not None:
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        words = ("-size", size, "-depth", "8", "rgb:-", *words)
        content = np.ascontiguousarray(pixels).tobytes()
    done = subprocess.run(
        [program, *words, "pnm:-"], input=content, capture_output=True, check=True
    )
    from PIL import Image

    with Image.open(io.BytesIO(done.stdout)) as image:
        return np.asarray(image)


# ---- the whole --------------------------------------------------------------------


def test_real_photos_are_as_imagemagick_makes_them():
    operations = (
        "-fuzz 5% -trim +repage -sample 28x28 -adaptive-sharpen 1x1 -background white "
        "-gravity center -extent 28x28 -negate -colorspace Gray -depth 8"
    ).split()
    differences = {}
    for name, pixels in real_photos():
        theirs = by_imagemagick(*operations, pixels=pixels).astype(int)
        differences[name] = np.abs(ff.convert(pixels) - theirs).mean()
    assert len(differences) >= 50
    worst = max(differences, key=differences.get)
    assert differences[worst] <= 3, worst
    assert np.mean(list(differences.values())) < 0.6


def test_steps_follow_each_other(pillow):
    pixels = picture()
    found = list(photos.convert_in_steps(pixels))
    assert [name for name, _ in found] == [name for name, _ in photos.STEPS]
    want = pixels
    for (_, step), (_, made) in zip(photos.STEPS, found):
        want = step(want)
        assert np.array_equal(made, want)
        assert made.dtype == np.uint8
    shapes = [made.shape for _, made in found]
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


# ---- trim -------------------------------------------------------------------------


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
    """Rows longer than what is looked at together, with single pixels that differ."""
    pixels = np.full((height, width, 3), level, np.uint8)
    for y, x, value in dots:
        pixels[y % height, x % width, value % 3] = value
    assert _core.photo_box(pixels, limit) == photo_box(pixels, limit)


def test_photo_box_of_any_two_colours():
    """Around the limit of each channel, for every level of the ground."""
    for level in range(0, 256, 3):
        for limit in (0, 2, 3, 487, 100_000, 3 * 255**2):
            for value in range(max(0, level - 24), min(256, level + 25)):
                pixels = np.full((1, 17, 3), level, np.uint8)
                pixels[0, 8] = (level, value, value)
                far = 2 * (value - level) ** 2 > limit
                want = (0, 1, 8, 9) if far else (1, 0, 17, 0)
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
    """ImageMagick's -fuzz 5% parts the same colours."""
    pixels = np.full((9, 9, 3), 100, np.uint8)
    pixels[0:9:8, 4] = 200
    pixels[4, 2] += np.array(difference, np.uint8)
    assert photos.trim(pixels).shape == (9, 3 if kept else 1, 3)


def test_each_edge_is_compared_with_its_corner():
    pixels = np.full((20, 30, 3), 255, np.uint8)
    pixels[:, 18:] = 0  # a ground that changes: the right margin is black
    pixels[5:9, 12:22] = 128
    assert photos.trim(pixels).shape == (20, 10, 3)


def test_two_grounds_that_meet_are_kept():
    pixels = np.zeros((6, 8, 3), np.uint8)
    pixels[:, 4:] = 255
    assert photos.trim(pixels).shape == (6, 8, 3)
    assert photos.trim(pixels.swapaxes(0, 1)).shape == (8, 6, 3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (50, 30, 3), (3, 3, 4)])
def test_blank_images_are_refused(shape):
    with pytest.raises(ValueError, match=r"blank: all of its \d+x\d+ pixels"):
        ff.convert(np.full(shape, 200, np.uint8))


# ---- the other steps --------------------------------------------------------------


def test_rows_and_columns_are_skipped():
    """Those that ImageMagick's -sample keeps: the middle one of each part."""
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


def test_sharpening_keeps_to_8_bits_and_leaves_plain_ground():
    plain = np.full((5, 6, 3), 77, np.uint8)
    assert np.array_equal(photos.sharpen(plain), plain)
    checks = np.zeros((8, 8, 3), np.uint8)
    checks[::2, ::2] = 255
    assert set(np.unique(photos.sharpen(checks))) == {0, 255}


@pytest.mark.parametrize(
    "size, corner", [((28, 21), (0, 4)), ((28, 26), (0, 1)), ((1, 28), (14, 0))]
)
def test_center(size, corner):
    """The corner is where -gravity center -extent 28x28 puts it."""
    canvas = photos.center(np.full((*size, 3), 9, np.uint8))
    rows, columns = np.nonzero(canvas[..., 0] == 9)
    assert canvas.shape == (28, 28, 3)
    assert (rows.min(), columns.min()) == corner
    assert len(rows) == size[0] * size[1]
    assert ((canvas == 9) | (canvas == 255)).all()


def test_center_does_not_cut():
    with pytest.raises(ValueError, match=r"at most 28x28 .* got 29x3"):
        photos.center(np.zeros((3, 29, 3), np.uint8))


def test_negate_and_gray():
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255] * 3]], np.uint8)
    assert photos.to_gray(colours).tolist() == [[54, 182, 18, 255]]
    assert photos.to_gray(photos.negate(colours)).tolist() == [[201, 73, 237, 0]]
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


# ---- what images there are --------------------------------------------------------


def saved(pillow, image, format, **options):
    """An image as it comes out of a file."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return pillow.open(io.BytesIO(file.getvalue()))


def test_gray_arrays_are_rgb_with_equal_channels():
    gray = picture()[..., 0]
    want = ff.convert(np.repeat(gray[..., None], 3, axis=2))
    assert np.array_equal(ff.convert(gray), want)


def test_transparency_shows_white(pillow):
    """The array's way and Pillow's give the same for every level and alpha."""
    levels, alpha = np.meshgrid(np.arange(256), np.arange(256))
    rgba = np.stack([levels, levels, 255 - levels, alpha], axis=2).astype(np.uint8)
    found = photos.to_rgb(rgba)
    want = 255 + (rgba[..., :3].astype(float) - 255) * alpha[..., None] / 255
    assert np.abs(found - want).max() <= 0.5
    assert np.array_equal(found, photos.to_rgb(pillow.fromarray(rgba)))


@pytest.mark.parametrize("mode", ["LA", "PA", "P", "L", "RGB"])
def test_transparency_of_other_modes(pillow, mode):
    image = pillow.new("RGBA", (3, 2), (0, 0, 0, 255))
    image.putpixel((1, 1), (255, 0, 0, 0))
    if mode in ("LA", "PA"):
        image = image.convert(mode)
    else:
        key = image.convert("RGB").convert(mode)
        colour = key.getpixel((1, 1))
        image = saved(pillow, key, "PNG", transparency=colour)
        assert image.mode == mode
    found = photos.to_rgb(image)
    assert found[1, 1].tolist() == [255] * 3
    assert (np.delete(found.reshape(6, 3), 4, axis=0) == 0).all()


@pytest.mark.parametrize("format", ["PNG", "PPM", "TIFF"])
def test_16_bits_are_scaled_not_cut(pillow, format):
    wide = np.array([[0, 128, 129, 257], [32768, 65406, 65407, 65535]], np.uint16)
    image = saved(pillow, pillow.fromarray(wide), format)
    found = photos.to_rgb(image)
    assert found[..., 0].tolist() == [[0, 0, 1, 1], [128, 254, 255, 255]]


def test_16_bits_with_a_transparent_level(pillow):
    wide = np.array([[1000, 65535, 30000]], np.uint16)
    image = saved(pillow, pillow.fromarray(wide), "PNG", transparency=30000)
    assert photos.to_rgb(image)[0, :, 0].tolist() == [4, 255, 255]


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bits_are_refused(pillow, mode):
    with pytest.raises(ValueError, match=f"got 32 .*mode '{mode}'.*scale its values"):
        ff.convert(pillow.new(mode, (4, 4)))


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV"])
def test_other_modes_are_as_in_rgb(pillow, mode):
    image = pillow.fromarray(picture()).convert(mode)
    assert np.array_equal(photos.to_rgb(image), np.asarray(image.convert("RGB")))


def test_cmyk_jpeg(pillow):
    image = pillow.new("CMYK", (32, 32), (0, 255, 255, 0))
    found = photos.to_rgb(saved(pillow, image, "JPEG", quality=95))
    assert np.abs(found.astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(pillow, orientation):
    pixels = picture()
    upright = pillow.fromarray(pixels)
    turns = {
        2: [pillow.Transpose.FLIP_LEFT_RIGHT],
        3: [pillow.Transpose.ROTATE_180],
        4: [pillow.Transpose.FLIP_TOP_BOTTOM],
        5: [pillow.Transpose.TRANSPOSE],
        6: [pillow.Transpose.ROTATE_90],  # the tag says: turn it back
        7: [pillow.Transpose.TRANSVERSE],
        8: [pillow.Transpose.ROTATE_270],
    }
    turned = upright
    for turn in turns.get(orientation, []):
        turned = turned.transpose(turn)
    exif = pillow.Exif()
    exif[0x0112] = orientation
    image = saved(pillow, turned, "PNG", exif=exif)
    assert np.array_equal(photos.to_rgb(image), pixels)


@pytest.mark.parametrize(
    "mode, suffix",
    [
        ("RGBA", "png"),
        ("RGBA", "webp"),
        ("LA", "png"),
        ("P", "gif"),
        ("P", "png"),
        ("1", "png"),
        ("I;16", "png"),
        ("I;16", "tif"),
        ("CMYK", "jpg"),
        ("CMYK", "tif"),
        ("turned", "jpg"),
    ],
)
def test_files_are_decoded_as_by_imagemagick(pillow, tmp_path, mode, suffix):
    path = tmp_path / f"a.{suffix}"
    options = {"lossless": True, "exact": True} if suffix == "webp" else {}
    colours = np.random.default_rng(0).integers(0, 256, (6, 8, 4), np.uint8)
    image = pillow.fromarray(colours).resize((48, 36))
    if mode == "I;16":
        image = pillow.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 250)
    elif mode == "turned":
        options["exif"] = pillow.Exif()
        options["exif"][0x0112] = 5
        image = image.convert("RGB")
    else:
        image = (image if "A" in mode else image.convert("RGB")).convert(mode)
    image.save(path, **options)
    ground = "-background white -flatten -colorspace sRGB -type TrueColor -depth 8"
    theirs = by_imagemagick(path, "-auto-orient", "+repage", *ground.split())
    with pillow.open(path) as opened:
        found = photos.to_rgb(opened)
    assert found.shape == theirs.shape
    assert np.abs(found.astype(int) - theirs).max() <= 1


def test_the_first_frame_of_an_animation(pillow):
    frames = [pillow.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    image = saved(pillow, frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert image.n_frames == 2
    assert photos.to_rgb(image)[0, 0].tolist() == [255, 0, 0]


def test_one_row_of_pixels():
    row = np.zeros((1, 40), np.uint8)
    row[0, 5:30] = 255
    image = ff.convert(row)
    assert image.shape == (28, 28)
    assert image[:14].max() == 0 and image[15:].max() == 0


@pytest.mark.parametrize(
    "image, error, message",
    [
        ("photo.jpg", TypeError, "a Pillow image or an ndarray, got str"),
        ([[0]], TypeError, "got list"),
        (np.zeros((4, 4), np.uint16), ValueError, r"uint8 .* got uint16 \(4, 4\)"),
        (np.zeros((4, 4, 3)), ValueError, r"got float64 \(4, 4, 3\)"),
        (np.zeros((4, 4, 2), np.uint8), ValueError, r"got uint8 \(4, 4, 2\)"),
        (np.zeros(4, np.uint8), ValueError, r"got uint8 \(4,\)"),
        (np.zeros((4, 0, 3), np.uint8), ValueError, "must not be empty, got 0x4"),
    ],
)
def test_other_things_are_refused(image, error, message):
    with pytest.raises(error, match=message):
        ff.convert(image)


def test_too_many_pixels_are_refused_before_they_are_decoded(pillow, monkeypatch):
    monkeypatch.setattr(photos, "MAX_PIXELS", 100)
    image = saved(pillow, pillow.new("RGB", (11, 10)), "PNG")
    with pytest.raises(ValueError, match="at most 100 pixels, got 11x10"):
        ff.convert(image)
    assert image.fp is not None  # not loaded


def test_filmstrip_of_what_yields_the_steps(pillow):
    steps = list(photos.convert_in_steps(picture()))
    strip = draw_filmstrip(photos.convert_in_steps(picture()))
    assert strip.tobytes() == draw_filmstrip(steps).tobytes()
    assert strip.width == 12 + 7 * 236

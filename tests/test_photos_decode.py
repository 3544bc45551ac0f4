"""Photos as RGB: arrays, modes and files, some of them compared with ImageMagick."""

import numpy as np
import pytest
from helpers.photos import by_imagemagick, picture, saved

import fmnist_fast as ff
from fmnist_fast.photos import convert as photos


@pytest.fixture(scope="module")
def pillow():
    return pytest.importorskip("PIL.Image")


def test_gray_arrays_are_rgb_with_equal_channels():
    gray = picture()[..., 0]
    want = ff.convert(np.repeat(gray[..., None], 3, axis=2))
    assert np.array_equal(ff.convert(gray), want)


def test_transparency_shows_white(pillow):
    """Arrays and Pillow images give the same result for every level and alpha."""
    levels, alpha = np.meshgrid(np.arange(256), np.arange(256))
    rgba = np.stack([levels, levels, 255 - levels, alpha], axis=2).astype(np.uint8)
    got = photos.to_rgb(rgba)
    want = 255 + (rgba[..., :3].astype(float) - 255) * alpha[..., None] / 255
    assert np.abs(got - want).max() <= 0.5
    assert np.array_equal(got, photos.to_rgb(pillow.fromarray(rgba)))


@pytest.mark.parametrize("mode", ["LA", "PA", "P", "L", "RGB"])
def test_transparency_of_other_modes(pillow, mode):
    image = pillow.new("RGBA", (3, 2), (0, 0, 0, 255))
    image.putpixel((1, 1), (255, 0, 0, 0))
    if mode in ("LA", "PA"):
        image = image.convert(mode)
    else:
        key = image.convert("RGB").convert(mode)
        color = key.getpixel((1, 1))
        image = saved(pillow, key, "PNG", transparency=color)
        assert image.mode == mode
    got = photos.to_rgb(image)
    assert got[1, 1].tolist() == [255] * 3
    assert (np.delete(got.reshape(6, 3), 4, axis=0) == 0).all()


@pytest.mark.parametrize("format", ["PNG", "PPM", "TIFF"])
def test_16_bits_are_scaled_not_cut(pillow, format):
    wide = np.array([[0, 128, 129, 257], [32768, 65406, 65407, 65535]], np.uint16)
    image = saved(pillow, pillow.fromarray(wide), format)
    got = photos.to_rgb(image)
    assert got[..., 0].tolist() == [[0, 0, 1, 1], [128, 254, 255, 255]]


def test_16_bits_with_a_transparent_level(pillow):
    wide = np.array([[1000, 65535, 30000]], np.uint16)
    image = saved(pillow, pillow.fromarray(wide), "PNG", transparency=30000)
    assert photos.to_rgb(image)[0, :, 0].tolist() == [4, 255, 255]


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bits_are_refused(pillow, mode):
    with pytest.raises(ValueError, match=f"got 32 .*mode '{mode}'.*Scale its values"):
        ff.convert(pillow.new(mode, (4, 4)))


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV"])
def test_other_modes_are_converted_as_by_pillow(pillow, mode):
    image = pillow.fromarray(picture()).convert(mode)
    assert np.array_equal(photos.to_rgb(image), np.asarray(image.convert("RGB")))


def test_cmyk_jpeg(pillow):
    image = pillow.new("CMYK", (32, 32), (0, 255, 255, 0))
    got = photos.to_rgb(saved(pillow, image, "JPEG", quality=95))
    assert np.abs(got.astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(pillow, orientation):
    pixels = picture()
    upright = pillow.fromarray(pixels)
    turns = {
        2: [pillow.Transpose.FLIP_LEFT_RIGHT],
        3: [pillow.Transpose.ROTATE_180],
        4: [pillow.Transpose.FLIP_TOP_BOTTOM],
        5: [pillow.Transpose.TRANSPOSE],
        6: [pillow.Transpose.ROTATE_90],  # the tag tells a viewer to turn it back
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
    colors = np.random.default_rng(0).integers(0, 256, (6, 8, 4), np.uint8)
    image = pillow.fromarray(colors).resize((48, 36))
    if mode == "I;16":
        image = pillow.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 250)
    elif mode == "turned":
        options["exif"] = pillow.Exif()
        options["exif"][0x0112] = 5
        image = image.convert("RGB")
    else:
        image = (image if "A" in mode else image.convert("RGB")).convert(mode)
    image.save(path, **options)
    words = "-background white -flatten -colorspace sRGB -type TrueColor -depth 8"
    expected = by_imagemagick(path, "-auto-orient", "+repage", *words.split())
    with pillow.open(path) as opened:
        got = photos.to_rgb(opened)
    assert got.shape == expected.shape
    assert np.abs(got.astype(int) - expected).max() <= 1


def test_the_first_frame_of_an_animation(pillow):
    frames = [pillow.new("RGB", (8, 8), color) for color in ("red", "blue")]
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
def test_other_inputs_are_refused(image, error, message):
    with pytest.raises(error, match=message):
        ff.convert(image)


def test_too_many_pixels_are_refused_before_they_are_decoded(pillow, monkeypatch):
    monkeypatch.setattr(photos, "MAX_PIXELS", 100)
    image = saved(pillow, pillow.new("RGB", (11, 10)), "PNG")
    with pytest.raises(ValueError, match="at most 100 pixels, got 11x10"):
        ff.convert(image)
    assert image.fp is not None  # not loaded

"""Pixels and captions that are restored from batches of every kind."""

import numpy as np
import pytest

import fmnist_fast as ff

DTYPES = ["float32", "float16", "bfloat16", "uint8"]
LAYOUTS = ["NCHW", "NHWC", "NHW", "flat"]


@pytest.fixture
def tones():
    """Return 256 images of 2x3, one for each gray level, in two alternating classes."""
    images = np.repeat(np.arange(256, dtype=np.uint8), 6).reshape(256, 2, 3)
    labels = np.arange(256, dtype=np.uint8) % 2
    return ff.Dataset.from_arrays(images, labels, classes=["even", "odd"])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_gray_level_is_restored(sheets, tones, dtype, layout):
    loader = ff.Loader(tones, 256, dtype=dtype, layout=layout, threads=1)
    loader.show(next(iter(loader)), count=256)
    ((images, captions, options),) = sheets
    assert images.dtype == np.uint8 and images.shape == tones.images.shape
    # bfloat16 has 8 bits, and the mean has moved the values. The error is up to half
    # a level near zero, and one level for the largest values.
    tolerance = 1 if dtype == "bfloat16" else 0
    assert np.abs(images.astype(int) - tones.images).max() <= tolerance
    assert captions == ["even", "odd"] * 128
    assert options["title"] == "arrays: 256 of a batch of 256"


@pytest.mark.parametrize("normalize", ["unit", None, (0.3, 0.01), (-5, 20)])
def test_every_normalization_is_undone(sheets, tones, normalize):
    loader = ff.Loader(tones, 256, normalize=normalize, threads=1)
    loader.show(next(iter(loader)), count=256)
    assert np.array_equal(sheets[0][0], tones.images)


def test_bits_of_bfloat16_without_ml_dtypes(sheets, tones):
    loader = ff.Loader(tones, 256, dtype="bfloat16", normalize=None, threads=1)
    images, labels = next(iter(loader))
    loader.show((images.view(np.uint16), labels), count=256)
    assert np.array_equal(sheets[0][0], tones.images)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_resized_batches_have_their_new_size(sheets, small, layout):
    loader = ff.Loader(small, 40, layout=layout, augment=ff.Resize((14, 20)), threads=1)
    assert loader.image_sides == (14, 20)
    assert ff.Loader(small).image_sides == (28, 28)
    loader.show(next(iter(loader)), columns=5, zoom=1)
    ((images, _, options),) = sheets
    assert images.shape == (32, 14, 20)
    assert (options["columns"], options["zoom"]) == (5, 1)
    with ff.Loader(small, augment=ff.Resize((14, 20)), dtype="uint8") as plain:
        want = next(iter(plain))[0][:32, 0]
    assert np.array_equal(images, want)


def test_values_beyond_black_and_white_are_clipped(sheets, tones):
    loader = ff.Loader(tones, normalize="unit", threads=1)
    images = np.array([-7, 0, 0.5, 1, 9e9], np.float32).reshape(5, 1, 1, 1)
    loader.show((images, np.zeros(5, int)))
    assert sheets[0][0].ravel().tolist() == [0, 0, 128, 255, 255]


def test_captions_of_mixed_labels_are_percentages(sheets, small):
    loader = ff.Loader(small, 4, label_dtype="onehot", threads=1)
    images, labels = next(iter(loader))
    labels[:] = 0
    labels[0, 8], labels[0, 4] = 0.7, 0.3
    labels[1, 9] = 1
    labels[2, [1, 2, 3]] = 0.2, 0.5, 0.3
    loader.show((images, labels))
    captions = sheets[0][1]
    assert captions[:2] == ["Bag 70%, Coat 30%", "Ankle boot"]
    assert captions[2] == "Pullover 50%, Dress 30%"


@pytest.mark.parametrize(
    "batch, error, message",
    [
        (None, TypeError, r"a pair \(images, labels\) .* got NoneType"),
        ([1, 2, 3], TypeError, "a pair .* got list"),
        ((1, 2), ValueError, r"images of shape \(\) and labels of shape \(\)"),
        (
            (np.zeros((2, 1, 2, 3)), np.zeros(3, int)),
            ValueError,
            r"one label for each sample, .* \(2, 1, 2, 3\) and labels of shape \(3,\)",
        ),
        (
            (np.zeros((2, 2, 3)), np.zeros(2, int)),
            ValueError,
            r"the loader's layout, NCHW of 2x3 pixels, got shape \(2, 2, 3\)",
        ),
        (
            (np.zeros((2, 3, 2, 3)), np.zeros(2, int)),
            ValueError,
            r"NCHW of 2x3 pixels, got shape \(2, 3, 2, 3\)",
        ),
        (
            (np.full((2, 1, 2, 3), np.nan), np.zeros(2, int)),
            ValueError,
            "images of a batch must be finite, got nan or inf",
        ),
        (
            (np.zeros((2, 1, 2, 3)), np.array([0, 2])),
            ValueError,
            r"labels of a batch must be in 0\.\.1, got 0 to 2",
        ),
        (
            (np.zeros((2, 1, 2, 3)), np.zeros((2, 3))),
            ValueError,
            r"integers or of shape \(n, 2\), got float64 \(2, 3\)",
        ),
        (
            (np.zeros((2, 1, 2, 3)), np.zeros(2)),
            ValueError,
            r"integers or of shape \(n, 2\), got float64 \(2,\)",
        ),
        (
            (np.zeros((0, 1, 2, 3)), np.zeros(0, int)),
            ValueError,
            r"must have images .*, got images of shape \(0, 1, 2, 3\)",
        ),
        (
            (np.zeros((2, 1, 0, 0)), np.zeros(2, int)),
            ValueError,
            r"must have images .*, got images of shape \(2, 1, 0, 0\)",
        ),
    ],
)
def test_bad_batches(sheets, tones, batch, error, message):
    with pytest.raises(error, match=message):
        ff.Loader(tones).show(batch)


def test_bad_count_of_a_batch(tones):
    loader = ff.Loader(tones, threads=1)
    with pytest.raises(ValueError, match=r"count must be in 1\.\.10000, got 0"):
        loader.show(next(iter(loader)), count=0)

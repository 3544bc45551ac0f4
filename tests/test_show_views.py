"""Pictures of batches with views and channels: where each view is, and its colors."""

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast._show.contact_sheet import contact_sheet

DTYPES = ["float32", "float16", "bfloat16", "uint8"]
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture
def tones():
    """Return 256 images of 2x3, one for each gray level, in two alternating classes."""
    images = np.repeat(np.arange(256, dtype=np.uint8), 6).reshape(256, 2, 3)
    labels = np.arange(256, dtype=np.uint8) % 2
    return ff.Dataset.from_arrays(images, labels, classes=["even", "odd"])


def options_for(dtype):
    return {"dtype": dtype, "channels": 3} | (
        {} if dtype == "uint8" else {"normalize": IMAGENET}
    )


# ---- what is drawn ------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "flat"])
@pytest.mark.parametrize("views", [None, 2])
def test_equal_channels_are_drawn_gray(sheets, tones, dtype, layout, views):
    """bfloat16 is one level off, not in all channels alike."""
    loader = ff.Loader(tones, 256, layout=layout, views=views, **options_for(dtype))
    loader.show(next(iter(loader)), count=256)
    ((images, captions, options),) = sheets
    assert images.dtype == np.uint8 and images.shape == (256 * (views or 1), 2, 3)
    want = tones.images.repeat(views or 1, axis=0)
    tolerance = 1 if dtype == "bfloat16" else 0
    assert np.abs(images.astype(int) - want).max() <= tolerance
    assert captions[:: views or 1] == ["even", "odd"] * 128
    assert options["group"] == (views or 1)


def test_channels_of_bfloat16_that_are_rounded_by_themselves(sheets, tones):
    """A negative mean leaves fewer bits to the pixels of the first channel."""
    normalize = (-1, 0.5, 0.2), (1, 1, 1)
    options = {"dtype": "bfloat16", "channels": 3, "normalize": normalize}
    loader = ff.Loader(tones, 256, **options)
    loader.show(next(iter(loader)), count=256)
    errors = np.abs(sheets[0][0].astype(int) - tones.images)
    assert errors.shape == (256, 2, 3) and errors.max() == 1


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "flat"])
def test_other_channels_are_drawn_in_color(sheets, tones, layout):
    loader = ff.Loader(tones, 256, layout=layout, **options_for("float32"))
    images, labels = next(iter(loader))
    axis, scale = {"NCHW": 1, "NHWC": 3, "flat": 1}[layout], 1 / (0.224 * 255)
    parts = np.split(images, 3, axis)
    parts[1] += 3 * scale  # three levels more of green
    loader.show((np.concatenate(parts, axis), labels), count=256)
    drawn = sheets[0][0]
    assert drawn.shape == (256, 2, 3, 3)
    assert np.array_equal(drawn[..., 0], tones.images)
    assert np.array_equal(drawn[..., 1], np.minimum(tones.images, 252) + 3)
    assert np.array_equal(drawn[..., 2], tones.images)


def test_views_of_a_sample_are_neighbors(sheets, small):
    views = [None, [ff.RandomInvert(p=1.0)], [ff.RandomHorizontalFlip(p=1.0)]]
    loader = ff.Loader(small, 40, views=views)
    loader.show(next(iter(loader)), count=5, columns=7, zoom=1)
    ((images, captions, options),) = sheets
    want = small.images[:5]
    assert np.array_equal(images[0::3], want)
    assert np.array_equal(images[1::3], 255 - want)
    assert np.array_equal(images[2::3], want[..., ::-1])
    names = [small.classes[label] for label in small.labels[:5]]
    assert captions == [text for name in names for text in (name, "", "")]
    assert options["title"].endswith(": 5 of a batch of 40, 3 views each")
    assert (options["columns"], options["group"]) == (7, 3)


def test_a_single_view(sheets, small):
    loader = ff.Loader(small, 40, views=1)
    loader.show(next(iter(loader)), count=50)
    ((images, _, options),) = sheets
    assert images.shape == (40, 28, 28) and options["group"] == 1
    assert options["title"].endswith(": 40 of a batch of 40, 1 view each")


def test_each_view_has_its_own_mixed_label(sheets, small):
    views = [None, [ff.CutMix()]]
    loader = ff.Loader(small, 40, views=views, label_dtype="onehot")
    images, labels = next(iter(loader))
    assert labels.shape == (2, 40, 10)
    labels[:] = 0
    labels[0, :, 8] = 1
    labels[1, :, 8], labels[1, :, 4] = 0.7, 0.3
    loader.show((images, labels), count=3)
    assert sheets[0][1] == ["Bag", "Bag 70%, Coat 30%"] * 3


def test_one_hot_labels_that_views_share(sheets, small):
    loader = ff.Loader(small, 40, views=2, label_dtype="onehot")
    loader.show(next(iter(loader)), count=3)
    names = [small.classes[label] for label in small.labels[:3]]
    assert sheets[0][1] == [names[0], "", names[1], "", names[2], ""]


def test_colors_of_a_function(sheets, small):
    def redden(images, labels, rng):
        images = images.copy()
        images[:, :, 1:] = 0
        return images, labels

    options = {"channels": 3, "dtype": "uint8", "views": 2, "augment": [redden]}
    loader = ff.Loader(small, 40, **options)
    loader.show(next(iter(loader)), count=4)
    drawn = sheets[0][0]
    assert drawn.shape == (8, 28, 28, 3) and not drawn[..., 1:].any()
    assert np.array_equal(drawn[::2, ..., 0], small.images[:4])


@pytest.mark.parametrize(
    "images, labels, message",
    [
        ((3, 4, 3, 2, 3), (4,), r"begin with the loader's axis of 2 views, got shape "),
        ((4, 3, 2, 3), (4,), r"axis of 2 views, got shape \(4, 3, 2, 3\)"),
        ((2, 4, 3, 2, 3), (2,), r"one label for each sample, .* of shape \(2,\)"),
        ((2, 4, 3, 2, 3), (4, 2, 2), r"one label for each sample, .*\(4, 2, 2\)"),
        ((2,), (4,), "one label for each sample"),
        (
            (2, 4, 1, 2, 3),
            (4,),
            r"layout, NCHW of 2x3 pixels in 3 channels, got shape \(2, 4, 1, 2, 3\)",
        ),
    ],
)
def test_bad_batches(sheets, tones, images, labels, message):
    loader = ff.Loader(tones, views=2, channels=3)
    batch = np.zeros(images), np.zeros(labels, int)
    with pytest.raises(ValueError, match=message):
        loader.show(batch)


# ---- where it is drawn --------------------------------------------------------------


def boxes(sheet):
    """Return the left and upper sides of white images on a sheet."""
    white = (np.asarray(sheet) == 255).all(axis=-1)
    rows = np.flatnonzero(np.diff(white.any(axis=1).astype(int), prepend=0) == 1)
    return [
        (np.flatnonzero(np.diff(white[y].astype(int), prepend=0) == 1).tolist(), int(y))
        for y in rows
    ]


@pytest.mark.parametrize(
    "columns, n_groups", [(1, 1), (3, 1), (5, 1), (6, 2), (8, 2), (100, 4)]
)
def test_no_line_splits_a_group(columns, n_groups):
    pytest.importorskip("PIL.Image")
    images = np.full((12, 10, 10), 255, np.uint8)
    sheet = contact_sheet(images, [""] * 12, columns=columns, zoom=1, group=3)
    lines = boxes(sheet)
    assert len(lines) == -(-4 // n_groups)
    for lefts, _ in lines[:-1]:
        assert len(lefts) == 3 * n_groups
    assert sum(len(lefts) for lefts, _ in lines) == 12
    gaps = np.diff(lines[0][0]) - 10
    assert [gaps[k] for k in range(len(gaps)) if k % 3 != 2] == [8] * (2 * n_groups)
    assert all(gaps[2::3] == 24)
    assert sheet.width == lines[0][0][-1] + 10 + 8


def test_a_group_of_one_is_no_group():
    pytest.importorskip("PIL.Image")
    images = np.full((5, 10, 10), 255, np.uint8)
    plain, grouped = (
        contact_sheet(images, ["a"] * 5, columns=3, **options)
        for options in ({}, {"group": 1})
    )
    assert plain == grouped


def test_colors_are_drawn():
    pytest.importorskip("PIL.Image")
    image = np.random.default_rng(0).integers(0, 256, (1, 5, 7, 3), np.uint8)
    pixels = np.asarray(contact_sheet(image, ["a"], zoom=3))
    wanted = image[0].repeat(3, axis=0).repeat(3, axis=1)
    assert np.array_equal(pixels[8 : 8 + 15, 8 : 8 + 21], wanted)


def test_a_sheet_of_the_real_functions(small):
    pytest.importorskip("PIL.Image")
    loader = ff.Loader(small, 40, views=2, augment="standard", channels=3)
    sheet = loader.show(next(iter(loader)), count=4)
    assert sheet.mode == "RGB" and sheet.width > sheet.height

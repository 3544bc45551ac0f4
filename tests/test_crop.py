"""Crops, padding and flips: the core transforms that they compile to, and pixels."""

import numpy as np
import pytest
from helpers.against_reference import RAW
from helpers.transforms import compiled, only
from reference_draws import Draws

import fmnist_fast as ff
from fmnist_fast.augment import (
    CenterCrop,
    ElasticTransform,
    GaussianBlur,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    RandomVerticalFlip,
    Resize,
)


def crop(top, left, height, width, n_tops=1, n_lefts=1, mode=0, fill=0):
    names = ("top", "left", "height", "width", "n_tops", "n_lefts", "mode", "fill")
    values = (top, left, height, width, n_tops, n_lefts, mode, fill)
    return "crop", 1.0, dict(zip(names, values))


@pytest.mark.parametrize(
    "transform, expected",
    [
        (RandomCrop(28, padding=4), crop(-4, -4, 28, 28, 9, 13)),
        (RandomCrop(20), crop(0, 0, 20, 20, 9, 13)),
        (RandomCrop((28, 10)), crop(0, 0, 28, 10, 1, 23)),
        (RandomCrop((28, 32), (1, 2)), crop(-2, -1, 28, 32, 5, 3)),
        (RandomCrop(28, (1, 2, 3, 4)), crop(-2, -1, 28, 28, 7, 9)),
        # The height lacks 2 pixels, which are padded on each side.
        (RandomCrop(30, None, True, 5, "edge"), crop(-2, 0, 30, 30, 3, 3, 1, 5)),
        # The padded height is 28 + 2, and lacks 4 pixels.
        (RandomCrop(34, 1, True), crop(-5, -1, 34, 34, 5, 1)),
        (RandomCrop(28, 27, padding_mode="reflect"), crop(-27, -27, 28, 28, 55, 59, 2)),
        (
            RandomCrop(28, 28, padding_mode="symmetric"),
            crop(-28, -28, 28, 28, 57, 61, 3),
        ),
        (CenterCrop(28), crop(0, 2, 28, 28)),
        (CenterCrop((25, 27)), crop(2, 2, 25, 27)),  # 1.5 and 2.5 round to the even 2
        (CenterCrop((31, 10)), crop(-1, 11, 31, 10)),
        (Pad((1, 2, 3, 4), 9), crop(-2, -1, 34, 36, fill=9)),
        (Pad(3, padding_mode="edge"), crop(-3, -3, 34, 38, mode=1)),
    ],
)
def test_crops(transform, expected):
    out = compiled(transform, height=28, width=32)
    assert out.transforms == (expected,)
    assert (out.height, out.width) == (expected[2]["height"], expected[2]["width"])


@pytest.mark.parametrize(
    "transform, message",
    [
        (
            RandomCrop(32),
            r"RandomCrop: size must be at most the image's 28x30, got 32x32\.\n"
            r"Pass a larger padding or pad_if_needed=True\.",
        ),
        (RandomCrop((28, 33), 1), r"28x30 \(30x32 with padding\), got 28x33\.\nPass"),
        (
            RandomCrop(28, 28, padding_mode="reflect"),
            "RandomCrop: padding must be at most 27 with padding_mode='reflect' and an "
            "image of 28x30, got 28",
        ),
        (
            Pad((30, 0), padding_mode="reflect"),
            "Pad: padding must be at most 29 with .*'reflect' .* 28x30, got 30",
        ),
        (Pad((0, 0, 0, 29), 0, "symmetric"), "padding must be at most 28 .*, got 29"),
        (
            RandomCrop(90, pad_if_needed=True, padding_mode="symmetric"),
            "must be at most 30 with padding_mode='symmetric' .* 28x30, got 60",
        ),
        (
            Pad(65000),
            "Pad: the result must have sides in 1..65536, got 130028x130030 from an",
        ),
        (
            Resize(65000),
            "Resize: the result .* 1..65536, got 65000x69642 from an image of 28x30",
        ),
        (
            GaussianBlur((61, 3)),
            r"GaussianBlur: half of kernel_size .* \(61, 3\) \(x, y",
        ),
        (GaussianBlur((3, 57)), "must be less than the image's sides, .* 28x30"),
    ],
)
def test_transforms_that_do_not_fit_are_refused(transform, message):
    with pytest.raises(ValueError, match=message):
        compiled(transform, height=28, width=30)


def test_transforms_that_just_fit():
    assert only(GaussianBlur((59, 55)), 28, 30)[2]["size_x"] == 59
    assert only(ElasticTransform(1, (7.49, 6.99)), 28, 30)[2]["sigma_x"] == 7.49
    assert only(ElasticTransform(1, 0), 1, 1)[2]["sigma_x"] == 0


@pytest.mark.parametrize(
    "transform, p, vertical, alternating",
    [
        (RandomHorizontalFlip(), 0.5, 0, 0),
        (RandomHorizontalFlip(0.25), 0.25, 0, 0),
        (RandomVerticalFlip(1), 1.0, 1, 0),
        (RandomHorizontalFlip(mode="alternating"), 0.5, 0, 1),
        (RandomVerticalFlip(0.5, "alternating"), 0.5, 1, 1),
    ],
)
def test_flips(transform, p, vertical, alternating):
    fields = {"vertical": vertical, "alternating": alternating}
    assert only(transform) == ("flip", p, fields)


# ---- pixels -------------------------------------------------------------------------


def drawn_places(n, epoch, n_tops, n_lefts):
    """Return the top and the left that RandomCrop draws for n images, int64 (n,)."""
    tops, lefts = np.empty((2, n), dtype=np.int64)
    for i in range(n):
        draws = Draws(0, epoch, i, 1)
        draws.coin(1)
        tops[i], lefts[i] = draws.below(n_tops), draws.below(n_lefts)
    return tops, lefts


@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric"])
@pytest.mark.parametrize(
    "shape, size, padding",
    [
        ((28, 28), (28, 28), (4, 4)),
        ((28, 28), (28, 32), (27, 27)),
        ((28, 28), (28, 33), (4, 9)),
        ((3, 90), (5, 32), (2, 60)),  # all columns in the padding, far from column 0
        ((4, 2), (7, 4), (3, 1)),
        ((2, 2), (1, 1), (1, 1)),
    ],
    ids=str,
)
def test_padded_crops_are_windows_of_numpys(shape, size, padding, mode, cpu_level):
    images = np.random.default_rng(3).integers(0, 256, (200, *shape), dtype=np.uint8)
    dataset = ff.Dataset.from_arrays(images, np.zeros(200, dtype=np.uint8))
    (y, x), (height, width) = padding, size
    crop = RandomCrop(size, (x, y), padding_mode=mode)
    ((got, _),) = ff.Loader(dataset, 200, augment=crop, **RAW)
    padded = np.pad(images, ((0, 0), (y, y), (x, x)), mode)
    tops, lefts = drawn_places(
        200, 0, padded.shape[1] - height + 1, padded.shape[2] - width + 1
    )
    for image, whole, top, left in zip(got, padded, tops, lefts):
        assert np.array_equal(image, whole[top : top + height, left : left + width])


def batch_crop(images, tops, lefts):
    """Return a window of each image, which is reflected by 4 pixels. Tensors (n, ...).

    The way of airbench: K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU",
    arXiv:2404.00498, section 3.
    """
    torch = pytest.importorskip("torch")
    height, width = images.shape[1:]
    padded = torch.nn.functional.pad(images[:, None], (4, 4, 4, 4), "reflect")[:, 0]
    rows = tops[:, None] + torch.arange(height)
    columns = lefts[:, None] + torch.arange(width)
    n = torch.arange(len(images))
    return padded[n[:, None, None], rows[:, :, None], columns[:, None, :]]


def test_the_augmentation_of_airbench(real_train, cpu_level):
    """Half of the images are flipped in epoch 0, and the other half in epoch 1."""
    torch = pytest.importorskip("torch")
    dataset = real_train.select(range(300))
    transforms = [
        RandomCrop(28, padding=4, padding_mode="reflect"),
        RandomHorizontalFlip(mode="alternating"),
    ]
    loader = ff.Loader(dataset, 128, augment=transforms, **RAW)
    images = torch.from_numpy(np.asarray(dataset.images).astype(np.float32))
    is_flipped = torch.tensor([Draws(0, 0, i, 2).word() >> 31 == 1 for i in range(300)])
    assert 100 < is_flipped.sum() < 200
    for epoch in range(3):
        places = map(torch.from_numpy, drawn_places(300, epoch, 9, 9))
        want = batch_crop(images, *places)
        want = torch.where(is_flipped[:, None, None], want.flip(2), want)
        got = np.concatenate([x for x, _ in loader])
        assert np.array_equal(got, want.numpy())
        is_flipped = ~is_flipped

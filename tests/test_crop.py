"""Crops, padding and flips: what they compile to."""

import pytest
from helpers.transforms import compiled, only

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
    "step, wanted",
    [
        (RandomCrop(28, padding=4), crop(-4, -4, 28, 28, 9, 13)),
        (RandomCrop(20), crop(0, 0, 20, 20, 9, 13)),
        (RandomCrop((28, 10)), crop(0, 0, 28, 10, 1, 23)),
        (RandomCrop((28, 32), (1, 2)), crop(-2, -1, 28, 32, 5, 3)),
        (RandomCrop(28, (1, 2, 3, 4)), crop(-2, -1, 28, 28, 7, 9)),
        # Two are missing in height, on either side.
        (RandomCrop(30, None, True, 5, "edge"), crop(-2, 0, 30, 30, 3, 3, 1, 5)),
        # 28 + 2 are there, 4 are missing.
        (RandomCrop(34, 1, True), crop(-5, -1, 34, 34, 5, 1)),
        (RandomCrop(28, 27, padding_mode="reflect"), crop(-27, -27, 28, 28, 55, 59, 2)),
        (
            RandomCrop(28, 28, padding_mode="symmetric"),
            crop(-28, -28, 28, 28, 57, 61, 3),
        ),
        (CenterCrop(28), crop(0, 2, 28, 28)),
        (CenterCrop((25, 27)), crop(2, 2, 25, 27)),  # 1.5 and 2.5 to the even 2
        (CenterCrop((31, 10)), crop(-1, 11, 31, 10)),
        (Pad((1, 2, 3, 4), 9), crop(-2, -1, 34, 36, fill=9)),
        (Pad(3, padding_mode="edge"), crop(-3, -3, 34, 38, mode=1)),
    ],
)
def test_windows(step, wanted):
    out = compiled(step, height=28, width=32)
    assert out.transforms == (wanted,)
    assert (out.height, out.width) == (wanted[2]["height"], wanted[2]["width"])


@pytest.mark.parametrize(
    "step, message",
    [
        (
            RandomCrop(32),
            "RandomCrop: a crop of 32x32 is larger than the image, 28x30: pad more, or "
            "set pad_if_needed=True",
        ),
        (RandomCrop((28, 33), 1), "the image, 28x30, 30x32 with padding: pad more"),
        (
            RandomCrop(28, 28, padding_mode="reflect"),
            "RandomCrop: reflect padding of this image, 28x30, must be at most 27, got",
        ),
        (
            Pad((30, 0), padding_mode="reflect"),
            "Pad: reflect padding of this image, 28x30, must be at most 29, got 30",
        ),
        (Pad((0, 0, 0, 29), 0, "symmetric"), "must be at most 28, got 29"),
        (
            RandomCrop(90, pad_if_needed=True, padding_mode="symmetric"),
            "symmetric padding of this image, 28x30, must be at most 30, got 60",
        ),
        (
            Pad(65000),
            "Pad: images have sides of 1..65536, this would make 130028x130030 of",
        ),
        (
            Resize(65000),
            "Resize: images have sides of 1..65536, .* 65000x69642 of 28x30",
        ),
        (
            GaussianBlur((61, 3)),
            r"GaussianBlur: half of kernel_size .* \(61, 3\) \(x, y",
        ),
        (GaussianBlur((3, 57)), "must be less than the image's sides, .* 28x30"),
    ],
)
def test_what_does_not_fit_is_refused(step, message):
    with pytest.raises(ValueError, match=message):
        compiled(step, height=28, width=30)


def test_what_just_fits():
    assert only(GaussianBlur((59, 55)), 28, 30)[2]["size_x"] == 59
    assert only(ElasticTransform(1, (7.49, 6.99)), 28, 30)[2]["sigma_x"] == 7.49
    assert only(ElasticTransform(1, 0), 1, 1)[2]["sigma_x"] == 0


@pytest.mark.parametrize(
    "step, p, vertical, alternating",
    [
        (RandomHorizontalFlip(), 0.5, 0, 0),
        (RandomHorizontalFlip(0.25), 0.25, 0, 0),
        (RandomVerticalFlip(1), 1.0, 1, 0),
        (RandomHorizontalFlip(mode="alternating"), 0.5, 0, 1),
        (RandomVerticalFlip(0.5, "alternating"), 0.5, 1, 1),
    ],
)
def test_flips(step, p, vertical, alternating):
    fields = {"vertical": vertical, "alternating": alternating}
    assert only(step) == ("flip", p, fields)

"""Compiled forms of tones, filters, noise and erasing."""

import math

import pytest
from helpers.transforms import drawn, only

from fmnist_fast.augment import (
    ColorJitter,
    Cutout,
    GaussianBlur,
    GaussianNoise,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomEqualize,
    RandomErasing,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
    SaltAndPepperNoise,
)


@pytest.mark.parametrize(
    "transform, kind, value, p",
    [
        (RandomInvert(0.1), 0, 0.0, 0.1),
        (RandomPosterize(3, 0.2), 1, 3.0, 0.2),
        (RandomSolarize(127.5, 0.3), 2, 127.5, 0.3),
        (RandomAutocontrast(), 5, 0.0, 0.5),
        (RandomEqualize(1), 6, 0.0, 1.0),
    ],
)
def test_tones(transform, kind, value, p):
    assert only(transform) == ("tone", p, {"kind": kind, "value": drawn(value, value)})


@pytest.mark.parametrize(
    "transform, brightness, contrast",
    [
        (ColorJitter(), (1, 1), (1, 1)),
        (ColorJitter(0.5), (0.5, 1.5), (1, 1)),
        (ColorJitter(2, (0.5, 0.75)), (0, 3), (0.5, 0.75)),
        (ColorJitter(saturation=0.5, hue=0.5), (1, 1), (1, 1)),
    ],
)
def test_jitter(transform, brightness, contrast):
    fields = {"brightness": drawn(*brightness), "contrast": drawn(*contrast)}
    assert only(transform) == ("jitter", 1.0, fields)


@pytest.mark.parametrize(
    "transform, expected",
    [
        (
            GaussianBlur((3, 5)),
            ("blur", 1.0, {"size_x": 3, "size_y": 5, "sigma": drawn(0.1, 2.0)}),
        ),
        (
            GaussianBlur(7, 1.5),
            ("blur", 1.0, {"size_x": 7, "size_y": 7, "sigma": drawn(1.5, 1.5)}),
        ),
        (
            RandomAdjustSharpness(2, 0.25),
            ("sharpness", 0.25, {"factor": drawn(2.0, 2.0)}),
        ),
        (GaussianNoise(0.5, 0.25), ("noise", 1.0, {"mean": 0.5, "sigma": 0.25})),
        (Cutout(8, 3), ("cutout", 1.0, {"size": 8, "value": 3})),
        (
            SaltAndPepperNoise(),
            ("salt_pepper", 1.0, {"amount": drawn(0.05, 0.05), "salt_vs_pepper": 0.5}),
        ),
        (
            SaltAndPepperNoise((0, 0.5), 1, 0.25),
            ("salt_pepper", 0.25, {"amount": drawn(0.0, 0.5), "salt_vs_pepper": 1.0}),
        ),
    ],
)
def test_filters_and_noise(transform, expected):
    assert only(transform) == expected


def test_erasing():
    kind, p, fields = only(RandomErasing())
    assert (kind, p, fields["random"], fields["value"]) == ("erasing", 0.5, 0, 0)
    assert fields["scale"] == drawn(0.02, 0.33)
    low, high = fields["log_ratio"]["low"], fields["log_ratio"]["high"]
    assert (math.exp(low), math.exp(high)) == pytest.approx((0.3, 3.3), rel=1e-11)
    assert low == round(low, 12), "the last bits depend on the C library"
    fields = only(RandomErasing(value="random"))[2]
    assert (fields["random"], fields["value"]) == (1, 0)
    assert only(RandomErasing(value=9))[2]["value"] == 9

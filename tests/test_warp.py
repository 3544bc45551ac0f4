"""Rotations, affine maps and elastic fields: what they compile to."""

import pytest
from helpers.transforms import affine, compiled, drawn, only

from fmnist_fast.augment import (
    ElasticTransform,
    RandAugment,
    RandomAffine,
    RandomRotation,
    TrivialAugmentWide,
)


@pytest.mark.parametrize(
    "step",
    [
        RandomRotation(1),
        RandomAffine(1),
        ElasticTransform(sigma=0.2),
        TrivialAugmentWide(),
        RandAugment(),
    ],
)
def test_warps_have_a_largest_image(step):
    name = type(step).__name__
    assert compiled(step, height=16384, width=1).height == 16384
    with pytest.raises(
        ValueError, match=f"{name}: warps take sides up to 16384, .*1x16"
    ):
        compiled(step, height=1, width=16385)


@pytest.mark.parametrize(
    "step, wanted",
    [
        (RandomRotation(10), affine(angle=drawn(-10, 10), counter_clockwise=1)),
        (
            RandomRotation((90, 90), "bilinear", False, (0, 20), 7),
            affine(
                angle=drawn(90, 90),
                counter_clockwise=1,
                interpolation=1,
                center_x=-20.0,
                center_y=5.0,
                fill=7,
            ),
        ),
        (RandomAffine(0), affine()),
        (RandomAffine((5, 15)), affine(angle=drawn(5, 15))),
        (
            RandomAffine(0, (0.1, 0.5), (0.5, 2)),
            affine(
                translate_x=drawn(-4, 4),
                translate_y=drawn(-15, 15),
                scale=drawn(0.5, 2),
            ),
        ),
        (RandomAffine(0, shear=10), affine(shear_x=drawn(-10, 10))),
        (RandomAffine(0, shear=(5, 10)), affine(shear_x=drawn(5, 10))),
        (
            RandomAffine(0, shear=(1, 2, 3, 4)),
            affine(shear_x=drawn(1, 2), shear_y=drawn(3, 4)),
        ),
        (
            RandomAffine(0, None, None, None, "bilinear", 9, (20, 20)),
            affine(interpolation=1, fill=9, center_x=0.0, center_y=5.0),
        ),
    ],
)
def test_affine_maps(step, wanted):
    assert only(step, height=30, width=40) == wanted


def test_elastic():
    fields = {"alpha_x": 50.0, "alpha_y": 50.0, "sigma_x": 5.0, "sigma_y": 5.0}
    rest = {"interpolation": 1, "fill": 0}
    assert only(ElasticTransform()) == ("elastic", 1.0, fields | rest)
    fields = {"alpha_x": 1.0, "alpha_y": 2.0, "sigma_x": 3.0, "sigma_y": 4.0}
    rest = {"interpolation": 0, "fill": 5}
    step = ElasticTransform((1, 2), (3, 4), "nearest", 5)
    assert only(step) == ("elastic", 1.0, fields | rest)

"""Rotations, affine, perspective and elastic maps are compiled for the core."""

import pytest
from helpers.transforms import affine, compiled, drawn, only

from fmnist_fast.augment import (
    AutoAugment,
    ElasticTransform,
    RandAugment,
    RandomAffine,
    RandomPerspective,
    RandomRotation,
    TrivialAugmentWide,
)


@pytest.mark.parametrize(
    "transform",
    [
        RandomRotation(1),
        RandomAffine(1),
        ElasticTransform(sigma=0.2),
        RandomPerspective(),
        TrivialAugmentWide(),
        RandAugment(),
        AutoAugment(),
    ],
)
def test_warps_have_a_maximum_size(transform):
    name = type(transform).__name__
    assert compiled(transform, height=16384, width=1).height == 16384
    with pytest.raises(
        ValueError, match=f"{name}: .*image must have sides of at most 16384, got 1x1"
    ):
        compiled(transform, height=1, width=16385)


@pytest.mark.parametrize(
    "transform, expected",
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
def test_rotations_and_affine_maps(transform, expected):
    assert only(transform, height=30, width=40) == expected


def test_elastic():
    fields = {"alpha_x": 50.0, "alpha_y": 50.0, "sigma_x": 5.0, "sigma_y": 5.0}
    rest = {"interpolation": 1, "fill": 0}
    assert only(ElasticTransform()) == ("elastic", 1.0, fields | rest)
    fields = {"alpha_x": 1.0, "alpha_y": 2.0, "sigma_x": 3.0, "sigma_y": 4.0}
    rest = {"interpolation": 0, "fill": 5}
    transform = ElasticTransform((1, 2), (3, 4), "nearest", 5)
    assert only(transform) == ("elastic", 1.0, fields | rest)


@pytest.mark.parametrize(
    "distortion_scale, n_x, n_y",
    [(0, 1, 1), (0.5, 8, 6), (0.99, 14, 10), (1, 15, 11)],
)
def test_corners_move_by_whole_pixels(distortion_scale, n_x, n_y):
    """They stay in their quarters of an image of 21x28."""
    fields = {"n_x": n_x, "n_y": n_y, "interpolation": 0, "fill": 5}
    transform = RandomPerspective(distortion_scale, 0.25, "nearest", 5)
    assert only(transform, height=21, width=28) == ("perspective", 0.25, fields)
    fields = {"n_x": 1, "n_y": 1, "interpolation": 1, "fill": 0}
    transform = RandomPerspective(distortion_scale, fill=None)
    assert only(transform, height=1, width=1) == ("perspective", 0.5, fields)

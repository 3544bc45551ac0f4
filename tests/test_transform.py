"""Transforms as values: compared, hashed, pickled, printed."""

import copy
import dataclasses
import doctest
import enum
import importlib
import pickle
import pkgutil

import numpy as np
import pytest
from helpers.transforms import EVERY

import fmnist_fast as ff
from fmnist_fast import augment
from fmnist_fast.augment import (
    ColorJitter,
    RandomAffine,
    RandomCrop,
    RandomErasing,
    RandomHorizontalFlip,
    RandomInvert,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
    TrivialAugmentWide,
)
from fmnist_fast.augment._text import TRANSFORMS


@pytest.mark.parametrize(
    "transform", EVERY, ids=lambda transform: type(transform).__name__
)
def test_a_transform_is_a_value(transform):
    again = eval(repr(transform), vars(augment).copy())
    assert again == transform and again is not transform
    assert hash(again) == hash(transform)
    assert pickle.loads(pickle.dumps(transform)) == transform
    assert copy.deepcopy(transform) == transform
    assert transform not in [other for other in EVERY if other is not transform]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(transform, dataclasses.fields(transform)[0].name, None)


def test_every_transform_is_tested():
    assert {type(transform).__name__ for transform in EVERY} == set(TRANSFORMS)
    assert set(TRANSFORMS) <= set(augment.__all__) & set(ff.__all__)


def test_equal_meanings_are_equal_values():
    assert RandomCrop(28, 4) == RandomCrop((28, 28), [4, 4, 4, 4])
    assert RandomCrop(28, fill=None) == RandomCrop(28, fill=0.0)
    assert RandomRotation(5) == RandomRotation((-5, 5))
    assert ColorJitter(2) == ColorJitter((0, 3))
    assert Resize([28]) == Resize(28) != Resize((28, 28))
    assert Resize(28, antialias=None) == Resize(28, antialias=False)
    assert TrivialAugmentWide(fill=None) == TrivialAugmentWide(fill=0)
    assert RandomHorizontalFlip() != RandomVerticalFlip()
    assert RandomCrop(28, fill=[3]) == RandomCrop(28, fill=(3.0,))
    assert RandomErasing(1, value=[3]) == RandomErasing(1.0, value=3)
    assert Resize(28, 0) == Resize(28, "nearest") != Resize(28, 2) == Resize(28)
    assert RandomResizedCrop(9, interpolation=3) == RandomResizedCrop(
        9, interpolation="bicubic"
    )


def test_numpy_numbers_are_accepted():
    transform = RandomCrop(np.int64(28), np.uint8(4), fill=np.float32(3))
    assert repr(transform) == repr(RandomCrop(28, 4, fill=3))
    assert repr(RandomInvert(np.float64(0.25))) == "RandomInvert(p=0.25)"
    assert RandomRotation(np.array([-5, 5])) == RandomRotation(5)
    assert RandomRotation(5, np.int64(2)) == RandomRotation(5, "bilinear")
    assert Resize(np.array([3, 4])) == Resize((3, 4))
    affine = {"translate": (0, 0.5), "scale": (1, 2), "shear": (0, 0, 1, 2)}
    arrays = {name: np.array(value) for name, value in affine.items()}
    assert RandomAffine(0, **arrays) == RandomAffine(0, **affine)


def test_an_enum_member_can_replace_its_value():
    mode = enum.Enum("InterpolationMode", {"BILINEAR": "bilinear", "CUBIC": "bicubic"})
    assert Resize(28, mode.BILINEAR) == Resize(28, "bilinear")
    assert Resize(28, mode.CUBIC) == Resize(28, "bicubic")
    with pytest.raises(ValueError, match="must be one of nearest, bilinear, got"):
        RandomRotation(9, mode.CUBIC)


def test_the_examples_run():
    attempted = 0
    for module in pkgutil.iter_modules(augment.__path__, f"{augment.__name__}."):
        results = doctest.testmod(importlib.import_module(module.name))
        assert not results.failed
        attempted += results.attempted
    assert attempted >= 5

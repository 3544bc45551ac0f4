"""compile_transforms: functions, empty lists and invalid values of augment=."""

import re

import pytest
from helpers.transforms import brighten, compiled

from fmnist_fast.augment import (
    Compose,
    MixUp,
    RandomInvert,
    compile_transforms,
)


def test_python_functions_come_last():
    out = compiled(RandomInvert(), MixUp(num_classes=10), brighten, Compose([max]))
    assert out.functions == (brighten, max)
    assert len(out.transforms) == 1 and out.mix is not None
    assert compile_transforms(brighten, 28, 28, 10).functions == (brighten,)


@pytest.mark.parametrize(
    "augment, message",
    [
        (3, "augment must be a list of transforms, a transform, a function, the n"),
        ([RandomInvert(), 3], "augment must contain only transforms, got 3"),
        ([RandomInvert(), "standard"], "must contain only transforms, got 'standard'"),
        (
            [RandomInvert],
            r"got the class RandomInvert\.\nCall it: RandomInvert\(",
        ),
        (
            RandomInvert,
            r"got the class RandomInvert\.\nCall it: RandomInvert\(",
        ),
        ({RandomInvert()}, "augment must be a list of transforms"),
    ],
)
def test_other_values_are_refused(augment, message):
    with pytest.raises(TypeError, match=message):
        compile_transforms(augment, 28, 28, 10)


@pytest.mark.parametrize("empty", [[], ()])
def test_an_empty_list_is_refused(empty):
    message = f"augment must not be empty, got {empty}. Pass augment=None to turn"
    with pytest.raises(ValueError, match=re.escape(message)):
        compile_transforms(empty, 28, 28, 10)
    out = compile_transforms(None, 28, 30, 10)
    assert (out.transforms, out.mix, out.functions) == ((), None, ())
    assert (out.height, out.width) == (28, 30)

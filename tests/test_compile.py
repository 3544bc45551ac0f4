"""What augment= takes besides single transforms, and what it refuses."""

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
    "given, message",
    [
        (3, "augment must be a list of steps, a step, the name of a recipe or None"),
        ([RandomInvert(), 3], "augment must be made of steps, got 3"),
        ([RandomInvert(), "standard"], "augment must be made of steps, got 'standard'"),
        ([RandomInvert], r"RandomInvert is a class, give an instance: RandomInvert\("),
        (RandomInvert, r"RandomInvert is a class, give an instance: RandomInvert\("),
        ({RandomInvert()}, "augment must be a list of steps"),
    ],
)
def test_what_is_no_step_is_refused(given, message):
    with pytest.raises(TypeError, match=message):
        compile_transforms(given, 28, 28, 10)


@pytest.mark.parametrize("empty", [[], ()])
def test_an_empty_list_is_refused(empty):
    message = "augment must not be empty; augment=None turns augmentation off"
    with pytest.raises(ValueError, match=message):
        compile_transforms(empty, 28, 28, 10)
    out = compile_transforms(None, 28, 30, 10)
    assert (out.transforms, out.mix, out.functions) == ((), None, ())
    assert (out.height, out.width) == (28, 30)

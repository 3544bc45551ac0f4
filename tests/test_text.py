"""Recipes, and transforms written as text."""

import pytest
from helpers.transforms import EVERY

from fmnist_fast.augment import (
    RECIPES,
    Cutout,
    MixUp,
    Pad,
    RandomApply,
    RandomChoice,
    RandomCrop,
    RandomErasing,
    RandomHorizontalFlip,
    RandomInvert,
    RandomRotation,
    TrivialAugmentWide,
    compile_transforms,
    parse_transforms,
)


@pytest.mark.parametrize(
    "name, wanted",
    [
        ("standard", [RandomCrop((30, 40), 4), RandomHorizontalFlip()]),
        (
            "standard+erasing",
            [RandomCrop((30, 40), 4), RandomHorizontalFlip(), RandomErasing()],
        ),
        (
            "strong",
            [
                TrivialAugmentWide(),
                RandomCrop((30, 40), 4),
                RandomHorizontalFlip(),
                Cutout(15),
            ],
        ),
    ],
)
def test_recipes(name, wanted):
    assert compile_transforms(name, 30, 40, 10) == compile_transforms(
        wanted, 30, 40, 10
    )
    assert parse_transforms(f" {name}\n") == name
    assert compile_transforms(name, 1, 1, 2).height == 1


def test_every_recipe_is_tried():
    assert set(RECIPES) == {"standard", "standard+erasing", "strong"}


@pytest.mark.parametrize(
    "name, near",
    [
        ("standart", "; did you mean 'standard'"),
        ("standard+erase", r"; did you mean 'standard\+erasing' or 'standard'\?"),
        ("stong", r"; did you mean 'strong'\?"),
        ("x", "$"),
        ("", "$"),
    ],
)
def test_an_unknown_recipe_names_the_near_ones(name, near):
    message = (
        r"augment must be one of the recipes standard, standard\+erasing, strong, got "
        f"'{name.replace('+', '[+]')}'{near}"
    )
    with pytest.raises(ValueError, match=message):
        compile_transforms(name, 28, 28, 10)
    with pytest.raises(ValueError, match=message):
        parse_transforms(name)


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("RandomInvert()", (RandomInvert(),)),
        ("RandomInvert(),", (RandomInvert(),)),
        ("RandomInvert(),\n    Pad(\n1)", (RandomInvert(), Pad(1))),
        ("[RandomInvert(0.1), Pad(1)]", (RandomInvert(0.1), Pad(1))),
        (
            "RandomCrop(28, padding=4), RandomHorizontalFlip()",
            (RandomCrop(28, 4), RandomHorizontalFlip()),
        ),
        (
            "RandomRotation((-10, 5.5), 'bilinear', fill=None)",
            (RandomRotation((-10, 5.5), "bilinear"),),
        ),
        (
            "RandomChoice([RandomInvert(), RandomApply((Cutout(3),), p=.1)], [1, 2])",
            (RandomChoice([RandomInvert(), RandomApply([Cutout(3)], 0.1)], [1, 2]),),
        ),
        ("\nMixUp(alpha=.2)", (MixUp(alpha=0.2),)),
        *((repr(step), (step,)) for step in EVERY),
    ],
)
def test_steps_of_text(text, wanted):
    assert parse_transforms(text) == wanted


@pytest.mark.parametrize(
    "text, message",
    [
        ("RandomCorp(28)", "unknown step 'RandomCorp'; did you mean 'RandomCrop'"),
        ("open('x')", "augment: unknown step 'open'$"),
        ("CFunction(5)", "unknown step 'CFunction'"),
        ("RandomInvert", r"wanted a step like RandomInvert\(\), got 'RandomInvert'"),
        ("os.system('x')", "wanted a step like .*, got \"os.system\\('x'\\)\""),
        ("RandomInvert()()", "wanted a step like"),
        ("RandomInvert() + 1", r"wanted a step like .*, got 'RandomInvert\(\) \+ 1'"),
        ("RandomInvert(), 3", "wanted a step like .*, got '3'"),
        ("[RandomInvert() for i in (1,)]", "wanted a step like"),
        ("RandomInvert(p)", "wanted a plain value, got 'p'"),
        ("RandomInvert(1 / 2)", "wanted a plain value, got '1 / 2'"),
        ("RandomInvert(*[1])", r"wanted a plain value, got '\*\[1\]'"),
        ("RandomInvert(p={[]: 1})", "wanted a plain value"),
        ("RandomInvert(**{'p': 1})", "arguments must have names of their own, got"),
        ("RandomInvert(p=(lambda: 1))", "wanted a plain value, got 'lambda: 1'"),
        ("RandomInvert(p=eval('1'))", "unknown step 'eval'"),
        ("RandomCrop()", r"augment: RandomCrop\(\): .* missing .*'size'"),
        ("RandomInvert(q=1)", r"augment: RandomInvert\(q=1\): .*unexpected keyword"),
        ("RandomInvert('1')", "RandomInvert: p must be a number, got '1'"),
        ("RandomInvert(2)", r"RandomInvert: p must be a number in 0\.\.1, got 2"),
        ("RandomInvert(", "augment is not a list of steps: 'RandomInvert\\(': "),
        ("RandomInvert(p=1, p=2)", "arguments must have names of their own, got"),
        ("RandomInvert(); 1", "augment is not a list of steps: "),
        ("RandomInvert(\0)", "augment is not a list of steps: "),
        (
            "RandomInvert(" + "-" * 9000 + "1)",
            "augment.*(not a list|too many brackets)",
        ),
        (
            "RandomInvert(" + "[" * 150 + "]" * 150 + ")",
            "RandomInvert: p must be a numb",
        ),
        ("RandomInvert(" + " " * 10_000 + ")", "must have at most 10,000 characters"),
    ],
)
def test_other_text_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_transforms(text)

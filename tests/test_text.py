"""Recipes, and transforms that are read from text."""

import pytest
from helpers.transforms import EVERY

from fmnist_fast.augment import (
    RECIPES,
    ColorJitter,
    Cutout,
    MixUp,
    Pad,
    RandomAdjustSharpness,
    RandomAffine,
    RandomApply,
    RandomAutocontrast,
    RandomChoice,
    RandomCrop,
    RandomEqualize,
    RandomErasing,
    RandomHorizontalFlip,
    RandomInvert,
    RandomPosterize,
    RandomRotation,
    compile_transforms,
    parse_transforms,
)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("standard", [RandomCrop((30, 40), 4), RandomHorizontalFlip()]),
        (
            "standard+erasing",
            [RandomCrop((30, 40), 4), RandomHorizontalFlip(), RandomErasing()],
        ),
        (
            "strong",
            [
                RandomChoice(
                    [
                        RandomRotation(135),
                        RandomAffine(0, shear=(-45, 45)),
                        RandomAffine(0, shear=(0, 0, -45, 45)),
                        RandomAffine(0, translate=(0.25, 0.25)),
                        ColorJitter(brightness=(0.4, 2)),
                        ColorJitter(contrast=(0.2, 2)),
                        RandomAdjustSharpness(2),
                        RandomPosterize(3, p=1),
                        RandomAutocontrast(p=1),
                        RandomEqualize(p=1),
                    ]
                ),
                RandomCrop((30, 40), 4),
                RandomHorizontalFlip(),
                Cutout(15),
            ],
        ),
    ],
)
def test_recipes(name, expected):
    assert compile_transforms(name, 30, 40, 10) == compile_transforms(
        expected, 30, 40, 10
    )
    assert parse_transforms(f" {name}\n") == name
    assert compile_transforms(name, 1, 1, 2).height == 1


def test_every_recipe_is_tested():
    assert set(RECIPES) == {"standard", "standard+erasing", "strong"}


@pytest.mark.parametrize(
    "name, near",
    [
        ("standart", ". Did you mean 'standard'"),
        ("standard+erase", r". Did you mean 'standard\+erasing' or 'standard'\?"),
        ("stong", r". Did you mean 'strong'\?"),
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
    "text, expected",
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
        *((repr(transform), (transform,)) for transform in EVERY),
    ],
)
def test_transforms_of_text(text, expected):
    assert parse_transforms(text) == expected


@pytest.mark.parametrize(
    "text, message",
    [
        ("RandomCorp(28)", "unknown transform 'RandomCorp'. Did you mean 'RandomCro"),
        ("open('x')", "augment: unknown transform 'open'$"),
        ("CFunction(5)", "unknown transform 'CFunction'"),
        ("RandomInvert", r"a call such as RandomInvert\(\), got 'RandomInvert'"),
        ("os.system('x')", "must be a call such as .*, got \"os.system\\('x'\\)\""),
        ("RandomInvert()()", "must be a call such as"),
        (
            "RandomInvert() + 1",
            r"must be a call such as .*, got 'RandomInvert\(\) \+ 1'",
        ),
        ("RandomInvert(), 3", "must be a call such as .*, got '3'"),
        ("[RandomInvert() for i in (1,)]", "must be a call such as"),
        ("RandomInvert(p)", "a literal value or a transform, got 'p'"),
        ("RandomInvert(1 / 2)", "a literal value or a transform, got '1 / 2'"),
        ("RandomInvert(*[1])", r"a literal value or a transform, got '\*\[1\]'"),
        ("RandomInvert(p={[]: 1})", "must be a literal value or a transform"),
        ("RandomInvert(**{'p': 1})", "must have a name and appear once, got"),
        (
            "RandomInvert(p=(lambda: 1))",
            "a literal value or a transform, got 'lambda: 1'",
        ),
        ("RandomInvert(p=eval('1'))", "unknown transform 'eval'"),
        ("RandomCrop()", r"augment: RandomCrop\(\): .* missing .*'size'"),
        ("RandomInvert(q=1)", r"augment: RandomInvert\(q=1\): .*unexpected keyword"),
        ("RandomInvert('1')", "RandomInvert: p must be a number, got '1'"),
        ("RandomInvert(2)", r"RandomInvert: p must be a number in 0\.\.1, got 2"),
        (
            "RandomInvert(",
            r"augment must be a list of transforms, got 'RandomInvert\(': [^<]*$",
        ),
        ("RandomInvert(p=1, p=2)", "must have a name and appear once, got"),
        ("RandomInvert(); 1", "augment must be a list of transforms, got "),
        ("RandomInvert(\0)", "augment must be a list of transforms, got "),
        (
            "RandomInvert(" + "-" * 9000 + "1)",
            "augment.*(must be a list|fewer nested brackets)",
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

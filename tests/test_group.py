"""Lists, groups and choices: their core transforms, and invalid ones."""

import pytest
from helpers.transforms import ALL, compiled

from fmnist_fast.augment import (
    CenterCrop,
    Compose,
    MixUp,
    Pad,
    RandAugment,
    RandomApply,
    RandomChoice,
    RandomCrop,
    RandomEqualize,
    RandomHorizontalFlip,
    RandomInvert,
    RandomOrder,
    Resize,
    TrivialAugmentWide,
    compile_transforms,
)


def shape(*items):
    """Return the kinds, with p, n_inner and until of groups and choices."""
    return [
        (kind, p, fields["n_inner"], fields.get("until"))
        if "n_inner" in fields
        else kind
        for kind, p, fields in compiled(*items).transforms
    ]


def test_a_list_and_compose_are_flat():
    invert, flip = RandomInvert(), RandomHorizontalFlip()
    kinds = ["tone", "flip", "tone"]
    assert shape(invert, flip, invert) == kinds
    assert shape(Compose([invert, Compose([flip])]), invert) == kinds
    assert compile_transforms(flip, 28, 28, 10) == compiled(flip)


def test_random_apply_is_a_group():
    inner = RandomApply([RandomInvert(), RandomEqualize()], 0.25)
    assert shape(inner) == [("group", 0.25, 2, ALL), "tone", "tone"]
    assert shape(RandomApply([inner, RandomInvert()]), RandomInvert()) == [
        ("group", 0.5, 4, ALL),
        ("group", 0.25, 2, ALL),
        "tone",
        "tone",
        "tone",
        "tone",
    ]


def test_random_choice_is_a_choice_of_groups():
    both = Compose([RandomInvert(), RandomEqualize()])
    transform = RandomChoice(
        [both, RandomInvert(), RandomApply([RandomInvert()])], [1, 2, 1]
    )
    assert shape(transform) == [
        ("choice", 1.0, 8, None),
        ("group", 1.0, 2, ALL // 4),
        "tone",
        "tone",
        ("group", 1.0, 1, 3 * ALL // 4),
        "tone",
        ("group", 1.0, 2, ALL),
        ("group", 0.5, 1, ALL),
        "tone",
    ]


@pytest.mark.parametrize(
    "p, untils",
    [
        (None, [round(ALL / 3), round(2 * ALL / 3), ALL]),
        ([0, 1, 0], [0, ALL, ALL]),
        ([1, 0, 0], [ALL, ALL, ALL]),
        ([0.1, 0.2, 0.7], [round(0.1 * ALL), round(0.3 * ALL), ALL]),
    ],
)
def test_shares_of_a_choice(p, untils):
    flat = compiled(RandomChoice([RandomInvert()] * 3, p)).transforms
    groups = [fields["until"] for kind, _, fields in flat if kind == "group"]
    assert groups == untils


def test_alternatives_of_a_choice_must_return_one_size():
    transform = RandomChoice([RandomCrop(24), CenterCrop(28), RandomInvert()])
    message = (
        "RandomChoice: transforms must all return the same size for an image of 28x28, "
        "got RandomCrop 24x24, CenterCrop 28x28, RandomInvert 28x28"
    )
    with pytest.raises(ValueError, match=message):
        compiled(transform)
    out = compiled(RandomChoice([RandomCrop(24), Resize(24)]), Pad(1))
    assert (out.height, out.width) == (26, 26)


def test_random_order_is_an_order_of_groups():
    both = Compose([RandomInvert(), RandomEqualize()])
    transform = RandomOrder([both, RandomInvert(), RandomApply([RandomInvert()])])
    assert shape(transform) == [
        ("order", 1.0, 8, None),
        ("group", 1.0, 2, ALL),
        "tone",
        "tone",
        ("group", 1.0, 1, ALL),
        "tone",
        ("group", 1.0, 2, ALL),
        ("group", 0.5, 1, ALL),
        "tone",
    ]


def test_random_order_keeps_the_size():
    out = compiled(RandomOrder([Compose([Pad(2), RandomCrop(28)]), RandomInvert()]))
    assert (out.height, out.width) == (28, 28)
    message = (
        "RandomOrder: transforms must keep the size 28x28, got 24x24 from RandomCrop.\n"
        "In another order, the others would get images of another size."
    )
    for items in ([RandomInvert(), RandomCrop(24)], [RandomCrop(24), CenterCrop(24)]):
        with pytest.raises(ValueError, match=f"^{message}$"):
            compiled(RandomOrder(items))


def test_random_apply_keeps_the_size():
    out = compiled(RandomApply([Pad(2), RandomCrop(28)]))
    assert (out.height, out.width) == (28, 28)
    message = r"RandomApply: transforms must keep the size 28x28 with p=0\.5, got 24x24"
    with pytest.raises(ValueError, match=message):
        compiled(RandomApply([RandomCrop(24)]))
    assert compiled(RandomApply([RandomCrop(24)], 1)).height == 24


def test_each_transform_gets_the_size_after_the_one_before():
    out = compiled(Pad(2), RandomCrop(30), Resize(15), RandomCrop((15, 9)))
    assert (out.height, out.width) == (15, 9)
    assert out.transforms[1][2]["n_tops"] == 3
    message = "size must be at most the image's 15x15, got 16x16"
    with pytest.raises(ValueError, match=message):
        compiled(Resize(15), RandomCrop(16))


def test_the_number_of_core_transforms_has_a_limit():
    most = [RandomInvert()] * 1024
    assert len(compiled(*most).transforms) == 1024
    message = "augment must have at most 1,024 core transforms, got 1,025 or more"
    for items in ([*most, RandomInvert()], [RandomApply(most)]):
        with pytest.raises(ValueError, match=message):
            compiled(*items)
    assert len(compiled(RandAugment(32)).transforms) == 1024
    items = [RandomInvert()] * 32
    assert len(compiled(RandomOrder(items)).transforms) == 65
    message = (
        "got 1,056 or more.\nMost .* TrivialAugmentWide are 32, and .* is up to 76.$"
    )
    with pytest.raises(ValueError, match=message):
        compiled(RandAugment(32), TrivialAugmentWide())


def test_a_mix_counts_as_one_of_the_core_transforms():
    most = [RandomInvert()] * 1023
    assert len(compiled(*most, MixUp()).transforms) == 1023
    message = "augment must have at most 1,023 core transforms and a mix, got 1,024"
    with pytest.raises(ValueError, match=message):
        compiled(*most, RandomInvert(), MixUp())

"""Mixes: their compiled form, and the places where they may be."""

import pytest
from helpers.transforms import ALL, brighten, compiled

from fmnist_fast.augment import (
    Compose,
    CutMix,
    MixUp,
    Pad,
    RandomApply,
    RandomChoice,
    RandomInvert,
)


@pytest.mark.parametrize(
    "transform, p, kinds",
    [
        (MixUp(alpha=0.2), 1.0, [(0, 0.2, ALL)]),
        (CutMix(), 1.0, [(1, 1.0, ALL)]),
        (RandomApply([MixUp()], 0.25), 0.25, [(0, 1.0, ALL)]),
        (RandomApply([RandomApply([MixUp()])], 0.5), 0.25, [(0, 1.0, ALL)]),
        (
            RandomChoice([MixUp(alpha=0.2), CutMix()]),
            1.0,
            [(0, 0.2, ALL // 2), (1, 1.0, ALL)],
        ),
        (
            RandomApply([RandomChoice([MixUp(), CutMix()], [3, 1])], 0.5),
            0.5,
            [(0, 1.0, 3 * ALL // 4), (1, 1.0, ALL)],
        ),
        # MixUp half of the time, CutMix a quarter of the time, otherwise nothing.
        (
            RandomChoice([MixUp(), RandomApply([Compose([CutMix()])])]),
            0.75,
            [(0, 1.0, round(ALL * 2 / 3)), (1, 1.0, ALL)],
        ),
        (RandomApply([RandomChoice([MixUp(), CutMix()])], 0), 0.0, None),
        (RandomChoice([RandomApply([MixUp()], 0)]), 0.0, None),
        (RandomChoice([MixUp()] * 7 + [CutMix()]), 1.0, None),
    ],
)
def test_mixes(transform, p, kinds):
    out = compiled(RandomInvert(), transform)
    assert len(out.transforms) == 1
    assert out.mix[0] == p
    if kinds is not None:
        assert out.mix[1] == {"kinds": kinds}
    assert out.mix[1]["kinds"][-1][2] == ALL


def test_without_a_mix():
    assert compiled(RandomInvert()).mix is None


@pytest.mark.parametrize(
    "transforms, message",
    [
        ([MixUp(), RandomInvert()], "augment: RandomInvert must come before MixUp"),
        (
            [brighten, RandomInvert()],
            r"RandomInvert must come before brighten\.\nPass transforms",
        ),
        ([brighten, CutMix()], "augment: CutMix must come before brighten"),
        ([Compose([RandomInvert(), MixUp()]), Pad(1)], "Pad must come before MixUp"),
        (
            [MixUp(), CutMix()],
            r"augment must have at most one mix, got MixUp and CutMix\.\nPass Ra",
        ),
        (
            [RandomApply([MixUp(), CutMix()])],
            "RandomApply: transforms must have at most one mix, got 2",
        ),
        (
            [RandomChoice([MixUp(), Compose([MixUp(), CutMix()])])],
            r"Compose: transforms must have at most one mix, got 2\.\nPass Random",
        ),
        ([RandomChoice([MixUp()] * 9)], "at most 8 mixes to choose from, got 9"),
        (
            [MixUp(num_classes=12)],
            "MixUp: num_classes must be 10, the dataset's .*, got 12",
        ),
        (
            [RandomChoice([MixUp(num_classes=10), CutMix(num_classes=9)])],
            "CutMix: num_classes must be 10, the dataset's .*, got 9",
        ),
    ],
)
def test_misplaced_mixes_are_refused(transforms, message):
    with pytest.raises(ValueError, match=message):
        compiled(*transforms)

"""Mixes: what they compile to, and where they may stand."""

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
    "step, p, kinds",
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
        # Half of the time MixUp, a quarter CutMix, a quarter nothing.
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
def test_mixes(step, p, kinds):
    out = compiled(RandomInvert(), step)
    assert len(out.transforms) == 1
    assert out.mix[0] == p
    if kinds is not None:
        assert out.mix[1] == {"kinds": kinds}
    assert out.mix[1]["kinds"][-1][2] == ALL


def test_without_a_mix():
    assert compiled(RandomInvert()).mix is None


@pytest.mark.parametrize(
    "items, message",
    [
        ([MixUp(), RandomInvert()], "augment: RandomInvert must come before MixUp"),
        (
            [brighten, RandomInvert()],
            "RandomInvert must come before brighten: steps for",
        ),
        ([brighten, CutMix()], "augment: CutMix must come before brighten"),
        ([Compose([RandomInvert(), MixUp()]), Pad(1)], "Pad must come before MixUp"),
        (
            [MixUp(), CutMix()],
            "augment: a batch is mixed once, got MixUp and CutMix: Ra",
        ),
        (
            [RandomApply([MixUp(), CutMix()])],
            "RandomApply: a batch is mixed once, got 2",
        ),
        (
            [RandomChoice([MixUp(), Compose([MixUp(), CutMix()])])],
            "Compose: a batch is mixed once, got 2 mixes",
        ),
        ([RandomChoice([MixUp()] * 9)], "one of at most 8 mixes is drawn, got 9"),
        (
            [MixUp(num_classes=12)],
            "MixUp: num_classes must be the dataset's, 10, got 12",
        ),
        (
            [RandomChoice([MixUp(num_classes=10), CutMix(num_classes=9)])],
            "CutMix: num_classes must be the dataset's, 10, got 9",
        ),
    ],
)
def test_mixes_have_their_place(items, message):
    with pytest.raises(ValueError, match=message):
        compiled(*items)

"""Steps, policies, mixes and recipes: what they refuse, and what they compile to."""

import copy
import ctypes
import dataclasses
import doctest
import enum
import importlib
import math
import pickle
import pkgutil
from types import SimpleNamespace

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import augment
from fmnist_fast.augment import (
    RECIPES,
    CenterCrop,
    CFunction,
    ColorJitter,
    Compose,
    CutMix,
    Cutout,
    ElasticTransform,
    GaussianBlur,
    GaussianNoise,
    MixUp,
    Pad,
    RandAugment,
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
    RandomResizedCrop,
    RandomRotation,
    RandomSolarize,
    RandomVerticalFlip,
    Resize,
    TrivialAugmentWide,
    compile_steps,
    parse_steps,
)
from fmnist_fast.augment._text import STEPS

SIGNATURE = "void (uint8_t *, int64_t, int64_t, uint32_t const *, void *)"
ALL = 2**32
NAN, INF = math.nan, math.inf


def compiled(*items, height=28, width=28, n_classes=10):
    return compile_steps(list(items), height, width, n_classes)


def drawn(low, high, n_levels=0, random_sign=0):
    return {"low": low, "high": high, "n_levels": n_levels, "random_sign": random_sign}


def only(step, height=28, width=28):
    """Kind, p and parameters of a step that compiles to one."""
    (flat,) = compiled(step, height=height, width=width).steps
    return flat


def brighten(images, labels, rng):
    return images, labels


# ---- bad arguments --------------------------------------------------------------

NUMBER = "must be a number, got"
WHOLE = r"must be a whole number in 0\.\.255, got 0\.5"
SIDE = r"must be in 1\.\.65536, got"
SEQUENCE = "must be a sequence of"
MODES = "must be one of constant, edge, reflect, symmetric, got"
KINDS = "must be one of nearest, bilinear, got"

BAD = [
    (lambda: RandomCrop(0), ValueError, f"RandomCrop: size {SIDE} 0"),
    (lambda: RandomCrop(-28), ValueError, f"size {SIDE} -28"),
    (lambda: RandomCrop(65537), ValueError, f"size {SIDE} 65537"),
    (lambda: RandomCrop(28.0), TypeError, "size must be an integer, got 28.0"),
    (lambda: RandomCrop(True), TypeError, "size must be an integer, got True"),
    (lambda: RandomCrop("28"), TypeError, "size must be an integer, got '28'"),
    (lambda: RandomCrop((1, 2, 3)), ValueError, f"size {SEQUENCE} 1 or 2, got"),
    (lambda: RandomCrop(()), ValueError, f"size {SEQUENCE} 1 or 2, got"),
    (lambda: RandomCrop(28, -1), ValueError, r"padding must be in 0\.\.65536, got -1"),
    (lambda: RandomCrop(28, (1, 2, 3)), ValueError, f"padding {SEQUENCE} 1 or 2 or 4"),
    (lambda: RandomCrop(28, 1, 1), TypeError, "pad_if_needed must be True or False"),
    (
        lambda: RandomCrop(28, fill=256),
        ValueError,
        r"fill must be a number in 0\.\.255",
    ),
    (lambda: RandomCrop(28, fill=-1), ValueError, r"fill .* in 0\.\.255, got -1"),
    (lambda: RandomCrop(28, fill=0.5), ValueError, f"fill {WHOLE}"),
    (lambda: RandomCrop(28, fill=NAN), ValueError, r"fill .* in 0\.\.255, got nan"),
    (lambda: RandomCrop(28, fill=True), TypeError, f"fill {NUMBER} True"),
    (lambda: RandomCrop(28, fill=(0,)), TypeError, rf"fill {NUMBER} \(0,\)"),
    (lambda: RandomCrop(28, padding_mode="wrap"), ValueError, f"mode {MODES} 'wrap'"),
    (lambda: CenterCrop(0), ValueError, f"CenterCrop: size {SIDE} 0"),
    (lambda: Pad(-1), ValueError, r"Pad: padding must be in 0\.\.65536, got -1"),
    (lambda: Pad(None), TypeError, "padding must be an integer, got None"),
    (lambda: Pad(1, 300), ValueError, "fill must be a number in"),
    (lambda: Pad(1, 0, "circular"), ValueError, f"padding_mode {MODES} 'circular'"),
    (lambda: Resize(0), ValueError, f"Resize: size {SIDE} 0"),
    (lambda: Resize((1, 2, 3)), ValueError, f"size {SEQUENCE} 1 or 2"),
    (lambda: Resize(28, "bicubic"), ValueError, f"interpolation {KINDS} 'bicubic'"),
    (lambda: Resize(28, antialias=1), TypeError, "antialias must be True or False"),
    (
        lambda: Resize(None),
        ValueError,
        "max_size must be an integer where size is None",
    ),
    (lambda: Resize((2, 3), max_size=9), ValueError, "max_size goes with one size or"),
    (lambda: Resize(9, max_size=9), ValueError, "max_size must be larger than size"),
    (lambda: Resize(9, max_size=0), ValueError, f"max_size {SIDE} 0"),
    (lambda: RandomResizedCrop(0), ValueError, f"RandomResizedCrop: size {SIDE} 0"),
    (lambda: RandomResizedCrop(9, (0, 1)), ValueError, r"scale .* in 1e-06\.\.1e\+06"),
    (lambda: RandomResizedCrop(9, (1, 0.5)), ValueError, "scale .* low <= high, got"),
    (lambda: RandomResizedCrop(9, (1,)), ValueError, f"scale {SEQUENCE} 2, got"),
    (lambda: RandomResizedCrop(9, 0.5), TypeError, f"scale {SEQUENCE} 2, got 0.5"),
    (lambda: RandomResizedCrop(9, ratio=(-1, 1)), ValueError, "ratio must be a number"),
    (lambda: RandomResizedCrop(9, ratio=(2, 1)), ValueError, "ratio .* low <= high"),
    (lambda: RandomResizedCrop(9, interpolation=2), ValueError, f"{KINDS} 2"),
    (lambda: RandomResizedCrop(9, antialias="no"), TypeError, "antialias must be True"),
    (lambda: RandomHorizontalFlip(1.1), ValueError, r"Flip: p .* in 0\.\.1, got 1\.1"),
    (lambda: RandomHorizontalFlip(-0.1), ValueError, r"p .* in 0\.\.1, got -0\.1"),
    (lambda: RandomHorizontalFlip(NAN), ValueError, r"p .* in 0\.\.1, got nan"),
    (lambda: RandomHorizontalFlip("1"), TypeError, f"p {NUMBER} '1'"),
    (lambda: RandomHorizontalFlip(True), TypeError, f"p {NUMBER} True"),
    (lambda: RandomHorizontalFlip(np.True_), TypeError, f"p {NUMBER} "),
    (lambda: RandomHorizontalFlip(1j), TypeError, f"p {NUMBER} 1j"),
    (
        lambda: RandomHorizontalFlip(mode="odd"),
        ValueError,
        "one of random, alternating",
    ),
    (
        lambda: RandomHorizontalFlip(0.4, "alternating"),
        ValueError,
        "p must be 0.5, got",
    ),
    (lambda: RandomVerticalFlip(2), ValueError, r"RandomVerticalFlip: p .* got 2"),
    (lambda: RandomVerticalFlip(1, "alternating"), ValueError, "p must be 0.5, got 1"),
    (lambda: RandomRotation(NAN), ValueError, "degrees must be a number in .* got nan"),
    (lambda: RandomRotation((0, INF)), ValueError, "degrees .* got inf"),
    (lambda: RandomRotation(-1), ValueError, r"degrees .* in 0\.\.1e\+06, got -1"),
    (lambda: RandomRotation((9, -9)), ValueError, "degrees must be low, high with low"),
    (lambda: RandomRotation((1, 2, 3)), ValueError, f"degrees {SEQUENCE} 2, got"),
    (lambda: RandomRotation("9"), TypeError, f"degrees {NUMBER} '9'"),
    (lambda: RandomRotation(9, "cubic"), ValueError, f"{KINDS} 'cubic'"),
    (lambda: RandomRotation(9, expand=True), ValueError, "a batch needs images of one"),
    (lambda: RandomRotation(9, expand=0), TypeError, "expand must be True or False"),
    (lambda: RandomRotation(9, center=14), TypeError, f"center {SEQUENCE} 2, got 14"),
    (lambda: RandomRotation(9, center=(1, NAN)), ValueError, "center .* got nan"),
    (lambda: RandomRotation(9, fill=999), ValueError, "fill must be a number in"),
    (lambda: RandomAffine(NAN), ValueError, "RandomAffine: degrees .* got nan"),
    (lambda: RandomAffine(0, (0, 2)), ValueError, r"translate .* in 0\.\.1, got 2"),
    (lambda: RandomAffine(0, 0.5), TypeError, f"translate {SEQUENCE} 2, got 0.5"),
    (lambda: RandomAffine(0, scale=(0, 1)), ValueError, "scale must be a number in"),
    (lambda: RandomAffine(0, scale=(2, 1)), ValueError, "scale .* low <= high"),
    (lambda: RandomAffine(0, shear=90), ValueError, r"shear .* in 0\.\.89, got 90"),
    (lambda: RandomAffine(0, shear=(1, 2, 3)), ValueError, f"shear {SEQUENCE} 2 or 4"),
    (lambda: RandomAffine(0, shear=(0, 1, 3, 2)), ValueError, "shear .* low <= high"),
    (lambda: RandomAffine(0, interpolation="area"), ValueError, f"{KINDS} 'area'"),
    (lambda: RandomAffine(0, fill=0.5), ValueError, f"fill {WHOLE}"),
    (lambda: RandomAffine(0, center=(1,)), ValueError, f"center {SEQUENCE} 2"),
    (lambda: ElasticTransform(INF), ValueError, "ElasticTransform: alpha .* got inf"),
    (lambda: ElasticTransform((1, 2, 3)), ValueError, f"alpha {SEQUENCE} 1 or 2"),
    (lambda: ElasticTransform(1, -1), ValueError, r"sigma .* in 0\.\.1000, got -1"),
    (lambda: ElasticTransform(interpolation=0), ValueError, f"{KINDS} 0"),
    (lambda: ElasticTransform(fill=-1), ValueError, "fill must be a number in"),
    (lambda: ColorJitter(-0.1), ValueError, "ColorJitter: brightness .* got -0.1"),
    (lambda: ColorJitter(contrast=(2, 1)), ValueError, "contrast .* low <= high"),
    (lambda: ColorJitter(saturation=NAN), ValueError, "saturation .* got nan"),
    (lambda: ColorJitter(hue=0.6), ValueError, r"hue .* in 0\.\.0\.5, got 0\.6"),
    (lambda: ColorJitter(hue=(-1, 0)), ValueError, r"hue .* in -0\.5\.\.0\.5, got -1"),
    (lambda: RandomInvert(3), ValueError, "RandomInvert: p .* got 3"),
    (lambda: RandomPosterize(9), ValueError, r"bits must be in 0\.\.8, got 9"),
    (lambda: RandomPosterize(2.0), TypeError, r"bits must be an integer, got 2\.0"),
    (lambda: RandomPosterize(2, 3), ValueError, "RandomPosterize: p .* got 3"),
    (lambda: RandomSolarize(256), ValueError, r"threshold .* in 0\.\.255, got 256"),
    (lambda: RandomSolarize(1, 3), ValueError, "RandomSolarize: p .* got 3"),
    (lambda: RandomAutocontrast(3), ValueError, "RandomAutocontrast: p .* got 3"),
    (lambda: RandomEqualize(3), ValueError, "RandomEqualize: p .* got 3"),
    (
        lambda: GaussianBlur(4),
        ValueError,
        "GaussianBlur: kernel_size must be odd, got 4",
    ),
    (lambda: GaussianBlur((3, 2)), ValueError, "kernel_size must be odd, got 2"),
    (
        lambda: GaussianBlur(257),
        ValueError,
        r"kernel_size must be in 1\.\.255, got 257",
    ),
    (lambda: GaussianBlur(3, 0), ValueError, r"sigma .* in 0\.001\.\.1000, got 0"),
    (lambda: GaussianBlur(3, (2, 1)), ValueError, "sigma .* low <= high"),
    (lambda: RandomAdjustSharpness(-1), ValueError, "sharpness_factor .* got -1"),
    (lambda: RandomAdjustSharpness(1, 3), ValueError, "Sharpness: p .* got 3"),
    (lambda: GaussianNoise(NAN), ValueError, "GaussianNoise: mean .* got nan"),
    (lambda: GaussianNoise(0, -0.1), ValueError, "sigma .* got -0.1"),
    (lambda: GaussianNoise(clip=False), ValueError, "clip must be True, got False"),
    (lambda: GaussianNoise(clip=1), TypeError, "clip must be True or False"),
    (lambda: RandomErasing(3), ValueError, "RandomErasing: p .* got 3"),
    (
        lambda: RandomErasing(scale=(0, 1.1)),
        ValueError,
        r"scale .* in 0\.\.1, got 1\.1",
    ),
    (lambda: RandomErasing(scale=(0.3, 0.2)), ValueError, "scale .* low <= high"),
    (lambda: RandomErasing(ratio=(0, 1)), ValueError, "ratio must be a number in"),
    (lambda: RandomErasing(ratio=(2, 1)), ValueError, "ratio .* low <= high"),
    (lambda: RandomErasing(value="noise"), ValueError, "value must be one of random"),
    (lambda: RandomErasing(value=256), ValueError, "value must be a number in"),
    (lambda: RandomErasing(inplace=0), TypeError, "inplace must be True or False"),
    (lambda: Cutout(0), ValueError, f"Cutout: size {SIDE} 0"),
    (lambda: Cutout((8, 8)), TypeError, "size must be an integer, got"),
    (lambda: Cutout(8, 256), ValueError, "fill must be a number in"),
    (lambda: MixUp(alpha=0), ValueError, "MixUp: alpha must be a number in"),
    (lambda: CutMix(alpha=INF), ValueError, "CutMix: alpha .* got inf"),
    (lambda: MixUp(num_classes=0), ValueError, "num_classes must be in"),
    (lambda: MixUp(0.2), TypeError, "positional argument"),
    (lambda: TrivialAugmentWide(1), ValueError, r"num_magnitude_bins .* 2\.\.65536"),
    (lambda: TrivialAugmentWide(31, "area"), ValueError, f"{KINDS} 'area'"),
    (lambda: TrivialAugmentWide(fill=-1), ValueError, "fill must be a number in"),
    (lambda: RandAugment(-1), ValueError, r"num_ops must be in 0\.\.1000, got -1"),
    (lambda: RandAugment(2, 31), ValueError, r"magnitude must be in 0\.\.30, got 31"),
    (lambda: RandAugment(2, -1), ValueError, r"magnitude must be in 0\.\.30, got -1"),
    (lambda: RandAugment(2, 0, 1), ValueError, "num_magnitude_bins must be in"),
    (lambda: RandAugment(interpolation="area"), ValueError, f"{KINDS} 'area'"),
    (lambda: RandAugment(fill=0.5), ValueError, f"fill {WHOLE}"),
    (lambda: Compose([]), ValueError, "Compose: transforms must not be empty"),
    (lambda: Compose(RandomInvert()), TypeError, "transforms must be a list of steps"),
    (lambda: Compose([3]), TypeError, "transforms must be made of steps, got 3"),
    (lambda: Compose([RandomInvert]), TypeError, "is a class, give an instance"),
    (lambda: RandomApply([]), ValueError, "RandomApply: transforms must not be empty"),
    (lambda: RandomApply([RandomInvert()], 2), ValueError, "RandomApply: p .* got 2"),
    (
        lambda: RandomApply([brighten]),
        ValueError,
        "RandomApply: a Python function gets",
    ),
    (
        lambda: RandomChoice([RandomInvert(), Compose([brighten])]),
        ValueError,
        "RandomChoice: a Python function gets the finished batch",
    ),
    (
        lambda: RandomApply([RandomInvert(), MixUp()]),
        ValueError,
        "RandomApply: MixUp mixes .* can't stand together with RandomInvert",
    ),
    (
        lambda: RandomChoice([Compose([CutMix()]), Cutout(4)]),
        ValueError,
        "RandomChoice: CutMix mixes .* can't stand together with Cutout",
    ),
    (
        lambda: RandomChoice([]),
        ValueError,
        "RandomChoice: transforms must not be empty",
    ),
    (lambda: RandomChoice([Pad(1)], [1, 2]), ValueError, f"p {SEQUENCE} 1, got"),
    (lambda: RandomChoice([Pad(1)], [-1]), ValueError, "p must be a number in"),
    (lambda: RandomChoice([Pad(1)], [0]), ValueError, "p must have a sum above 0, got"),
]


@pytest.mark.parametrize("make, error, message", BAD)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_nesting_has_an_end():
    step = RandomInvert()
    for _ in range(32):
        step = RandomApply([step])
    assert len(compiled(step).steps) == 33
    with pytest.raises(ValueError, match="Compose: steps stand at most 32 deep"):
        Compose([step])


# ---- steps as values ------------------------------------------------------------

EVERY = [
    RandomCrop(28, padding=4),
    RandomCrop([28], [1, 2], True, 7, "edge"),
    CenterCrop((20, 24)),
    Pad([1, 2, 3, 4], 9, "symmetric"),
    Resize(28, max_size=40),
    Resize([14, 20], "nearest"),
    RandomResizedCrop(28, [0.5, 1]),
    RandomHorizontalFlip(mode="alternating"),
    RandomVerticalFlip(1),
    RandomRotation(10, center=[3, 4]),
    RandomAffine([-5, 10], [0.1, 0.2], [0.9, 1.1], [1, 2, 3, 4], "bilinear", 3),
    ElasticTransform([1, 2], [3]),
    ColorJitter(0.2, [0.5, 1.5], 0.1, 0.1),
    RandomInvert(),
    RandomPosterize(3),
    RandomSolarize(127.5),
    RandomAutocontrast(0.1),
    RandomEqualize(1),
    GaussianBlur(3),
    GaussianBlur([3, 5], [1, 2]),
    RandomAdjustSharpness(2),
    GaussianNoise(0.1, 0.2),
    RandomErasing(value="random"),
    Cutout(8, 3),
    MixUp(alpha=0.2),
    CutMix(num_classes=10),
    TrivialAugmentWide(),
    RandAugment(3, 5),
    Compose([RandomInvert(), Pad(1)]),
    RandomApply([RandomInvert(), RandomEqualize()], 0.3),
    RandomChoice([RandomInvert(), Compose([RandomEqualize()])], [1, 2]),
]


@pytest.mark.parametrize("step", EVERY, ids=lambda step: type(step).__name__)
def test_a_step_is_a_value(step):
    again = eval(repr(step), vars(augment).copy())
    assert again == step and again is not step
    assert hash(again) == hash(step)
    assert pickle.loads(pickle.dumps(step)) == step
    assert copy.deepcopy(step) == step
    assert step not in [other for other in EVERY if other is not step]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(step, dataclasses.fields(step)[0].name, None)


def test_every_step_is_tried():
    assert {type(step).__name__ for step in EVERY} == set(STEPS)
    assert set(STEPS) <= set(augment.__all__) & set(ff.__all__)


def test_equal_meanings_are_equal_values():
    assert RandomCrop(28, 4) == RandomCrop((28, 28), [4, 4, 4, 4])
    assert RandomCrop(28, fill=None) == RandomCrop(28, fill=0.0)
    assert RandomRotation(5) == RandomRotation((-5, 5))
    assert ColorJitter(2) == ColorJitter((0, 3))
    assert Resize([28]) == Resize(28) != Resize((28, 28))
    assert Resize(28, antialias=None) == Resize(28, antialias=False)
    assert TrivialAugmentWide(fill=None) == TrivialAugmentWide(fill=0)
    assert RandomHorizontalFlip() != RandomVerticalFlip()


def test_numbers_of_numpy_are_numbers():
    step = RandomCrop(np.int64(28), np.uint8(4), fill=np.float32(3))
    assert repr(step) == repr(RandomCrop(28, 4, fill=3))
    assert repr(RandomInvert(np.float64(0.25))) == "RandomInvert(p=0.25)"


def test_an_enum_with_the_name_will_do():
    mode = enum.Enum("InterpolationMode", {"BILINEAR": "bilinear", "CUBIC": "bicubic"})
    assert Resize(28, mode.BILINEAR) == Resize(28, "bilinear")
    with pytest.raises(ValueError, match="must be one of nearest, bilinear, got"):
        Resize(28, mode.CUBIC)


# ---- geometry -------------------------------------------------------------------


def crop(top, left, height, width, n_tops=1, n_lefts=1, mode=0, fill=0):
    names = ("top", "left", "height", "width", "n_tops", "n_lefts", "mode", "fill")
    values = (top, left, height, width, n_tops, n_lefts, mode, fill)
    return "crop", 1.0, dict(zip(names, values))


@pytest.mark.parametrize(
    "step, wanted",
    [
        (RandomCrop(28, padding=4), crop(-4, -4, 28, 28, 9, 13)),
        (RandomCrop(20), crop(0, 0, 20, 20, 9, 13)),
        (RandomCrop((28, 10)), crop(0, 0, 28, 10, 1, 23)),
        (RandomCrop((28, 32), (1, 2)), crop(-2, -1, 28, 32, 5, 3)),
        (RandomCrop(28, (1, 2, 3, 4)), crop(-2, -1, 28, 28, 7, 9)),
        # Two are missing in height, on either side.
        (RandomCrop(30, None, True, 5, "edge"), crop(-2, 0, 30, 30, 3, 3, 1, 5)),
        # 28 + 2 are there, 4 are missing.
        (RandomCrop(34, 1, True), crop(-5, -1, 34, 34, 5, 1)),
        (RandomCrop(28, 27, padding_mode="reflect"), crop(-27, -27, 28, 28, 55, 59, 2)),
        (
            RandomCrop(28, 28, padding_mode="symmetric"),
            crop(-28, -28, 28, 28, 57, 61, 3),
        ),
        (CenterCrop(28), crop(0, 2, 28, 28)),
        (CenterCrop((25, 27)), crop(2, 2, 25, 27)),  # 1.5 and 2.5 to the even 2
        (CenterCrop((31, 10)), crop(-1, 11, 31, 10)),
        (Pad((1, 2, 3, 4), 9), crop(-2, -1, 34, 36, fill=9)),
        (Pad(3, padding_mode="edge"), crop(-3, -3, 34, 38, mode=1)),
    ],
)
def test_windows(step, wanted):
    out = compiled(step, height=28, width=32)
    assert out.steps == (wanted,)
    assert (out.height, out.width) == (wanted[2]["height"], wanted[2]["width"])


@pytest.mark.parametrize(
    "step, message",
    [
        (
            RandomCrop(32),
            "RandomCrop: a crop of 32x32 is larger than the image, 28x30: pad more, or "
            "set pad_if_needed=True",
        ),
        (RandomCrop((28, 33), 1), "the image, 28x30, 30x32 with padding: pad more"),
        (
            RandomCrop(28, 28, padding_mode="reflect"),
            "RandomCrop: reflect padding of this image, 28x30, must be at most 27, got",
        ),
        (
            Pad((30, 0), padding_mode="reflect"),
            "Pad: reflect padding of this image, 28x30, must be at most 29, got 30",
        ),
        (Pad((0, 0, 0, 29), 0, "symmetric"), "must be at most 28, got 29"),
        (
            RandomCrop(90, pad_if_needed=True, padding_mode="symmetric"),
            "symmetric padding of this image, 28x30, must be at most 30, got 60",
        ),
        (
            Pad(65000),
            "Pad: images have sides of 1..65536, this would make 130028x130030 of",
        ),
        (Resize(65000), "Resize: images have sides of 1..65536, .* 65000x69642 of 28x30"),
        (
            GaussianBlur((61, 3)),
            r"GaussianBlur: half of kernel_size .* \(61, 3\) \(x, y",
        ),
        (GaussianBlur((3, 57)), "must be less than the image's sides, .* 28x30"),
    ],
)
def test_what_does_not_fit_is_refused(step, message):
    with pytest.raises(ValueError, match=message):
        compiled(step, height=28, width=30)


def test_what_just_fits():
    assert only(GaussianBlur((59, 55)), 28, 30)[2]["size_x"] == 59
    assert only(ElasticTransform(1, (7.49, 6.99)), 28, 30)[2]["sigma_x"] == 7.49
    assert only(ElasticTransform(1, 0), 1, 1)[2]["sigma_x"] == 0


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
    "step, size",
    [
        (Resize(14), (14, 28)),
        (Resize((14, 20)), (14, 20)),
        (Resize(15, max_size=20), (10, 20)),
        (Resize(None, max_size=14), (7, 14)),
        (Resize(30, max_size=61), (30, 60)),
    ],
)
def test_resize_follows_the_shorter_side(step, size):
    for wanted, height, width in ((size, 20, 40), (size[::-1], 40, 20)):
        if isinstance(step.size, tuple):
            wanted = size
        out = compiled(step, height=height, width=width)
        assert (out.height, out.width) == wanted
        fields = {"height": wanted[0], "width": wanted[1]}
        fields |= {"interpolation": 1, "antialias": 1}
        assert out.steps == (("resize", 1.0, fields),)


def test_resize_never_makes_an_empty_image():
    with pytest.raises(ValueError, match="this would make 0x50 of 1x100"):
        compiled(Resize(None, max_size=50), height=1, width=100)


@pytest.mark.parametrize(
    "interpolation, antialias, wanted",
    [
        ("bilinear", True, (1, 1)),
        ("bilinear", False, (1, 0)),
        ("bilinear", None, (1, 0)),
        ("nearest", True, (0, 0)),
    ],
)
def test_antialias_is_for_bilinear(interpolation, antialias, wanted):
    step = Resize(5, interpolation, antialias=antialias)
    assert (only(step)[2]["interpolation"], only(step)[2]["antialias"]) == wanted
    step = RandomResizedCrop(5, interpolation=interpolation, antialias=antialias)
    fields = only(step)[2]["resize"]
    assert (fields["interpolation"], fields["antialias"]) == wanted


@pytest.mark.parametrize(
    "ratio, sides, fallback",
    [
        ((3 / 4, 4 / 3), (28, 28), (28, 28)),
        ((3 / 4, 4 / 3), (28, 60), (28, 37)),  # 28 * 4 / 3 = 37.3
        ((3 / 4, 4 / 3), (60, 28), (37, 28)),
        ((2, 3), (28, 28), (14, 28)),
        ((3, 4), (1, 1), (1, 1)),
    ],
)
def test_random_resized_crop(ratio, sides, fallback):
    step = RandomResizedCrop((20, 24), (0.5, 1), ratio)
    kind, p, fields = only(step, *sides)
    assert (kind, p) == ("resized_crop", 1.0)
    assert (fields["fallback_height"], fields["fallback_width"]) == fallback
    assert fields["scale"] == drawn(0.5, 1.0)
    low, high = fields["log_ratio"]["low"], fields["log_ratio"]["high"]
    assert (math.exp(low), math.exp(high)) == pytest.approx(ratio, rel=1e-11)
    assert fields["resize"] == {
        "height": 20,
        "width": 24,
        "interpolation": 1,
        "antialias": 1,
    }
    assert compiled(step, height=sides[0], width=sides[1]).width == 24


@pytest.mark.parametrize(
    "step, p, vertical, alternating",
    [
        (RandomHorizontalFlip(), 0.5, 0, 0),
        (RandomHorizontalFlip(0.25), 0.25, 0, 0),
        (RandomVerticalFlip(1), 1.0, 1, 0),
        (RandomHorizontalFlip(mode="alternating"), 0.5, 0, 1),
        (RandomVerticalFlip(0.5, "alternating"), 0.5, 1, 1),
    ],
)
def test_flips(step, p, vertical, alternating):
    fields = {"vertical": vertical, "alternating": alternating}
    assert only(step) == ("flip", p, fields)


def affine(**fields):
    zero = drawn(0.0, 0.0)
    still = {
        "angle": zero,
        "translate_x": zero,
        "translate_y": zero,
        "scale": drawn(1.0, 1.0),
        "shear_x": zero,
        "shear_y": zero,
        "counter_clockwise": 0,
        "shear_tangent": 0,
        "truncate": 0,
        "center_x": 0.0,
        "center_y": 0.0,
        "interpolation": 0,
        "fill": 0,
    }
    assert set(fields) <= set(still)
    return "affine", 1.0, still | fields


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


# ---- pixels ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "step, kind, value, p",
    [
        (RandomInvert(0.1), 0, 0.0, 0.1),
        (RandomPosterize(3, 0.2), 1, 3.0, 0.2),
        (RandomSolarize(127.5, 0.3), 2, 127.5, 0.3),
        (RandomAutocontrast(), 5, 0.0, 0.5),
        (RandomEqualize(1), 6, 0.0, 1.0),
    ],
)
def test_tones(step, kind, value, p):
    assert only(step) == ("tone", p, {"kind": kind, "value": drawn(value, value)})


@pytest.mark.parametrize(
    "step, brightness, contrast",
    [
        (ColorJitter(), (1, 1), (1, 1)),
        (ColorJitter(0.5), (0.5, 1.5), (1, 1)),
        (ColorJitter(2, (0.5, 0.75)), (0, 3), (0.5, 0.75)),
        (ColorJitter(saturation=0.5, hue=0.5), (1, 1), (1, 1)),
    ],
)
def test_jitter(step, brightness, contrast):
    fields = {"brightness": drawn(*brightness), "contrast": drawn(*contrast)}
    assert only(step) == ("jitter", 1.0, fields)


@pytest.mark.parametrize(
    "step, wanted",
    [
        (
            GaussianBlur((3, 5)),
            ("blur", 1.0, {"size_x": 3, "size_y": 5, "sigma": drawn(0.1, 2.0)}),
        ),
        (
            GaussianBlur(7, 1.5),
            ("blur", 1.0, {"size_x": 7, "size_y": 7, "sigma": drawn(1.5, 1.5)}),
        ),
        (
            RandomAdjustSharpness(2, 0.25),
            ("sharpness", 0.25, {"factor": drawn(2.0, 2.0)}),
        ),
        (GaussianNoise(0.5, 0.25), ("noise", 1.0, {"mean": 0.5, "sigma": 0.25})),
        (Cutout(8, 3), ("cutout", 1.0, {"size": 8, "value": 3})),
    ],
)
def test_filters_and_noise(step, wanted):
    assert only(step) == wanted


def test_erasing():
    kind, p, fields = only(RandomErasing())
    assert (kind, p, fields["random"], fields["value"]) == ("erasing", 0.5, 0, 0)
    assert fields["scale"] == drawn(0.02, 0.33)
    low, high = fields["log_ratio"]["low"], fields["log_ratio"]["high"]
    assert (math.exp(low), math.exp(high)) == pytest.approx((0.3, 3.3), rel=1e-11)
    assert low == round(low, 12), "the last bits would be the C library's"
    fields = only(RandomErasing(value="random"))[2]
    assert (fields["random"], fields["value"]) == (1, 0)
    assert only(RandomErasing(value=9))[2]["value"] == 9


# ---- structure ------------------------------------------------------------------


def shape(*items):
    """Kinds, with p, n_inner and until of groups and choices."""
    return [
        (kind, p, fields["n_inner"], fields.get("until"))
        if "n_inner" in fields
        else kind
        for kind, p, fields in compiled(*items).steps
    ]


def test_a_list_and_compose_are_flat():
    invert, flip = RandomInvert(), RandomHorizontalFlip()
    wanted = ["tone", "flip", "tone"]
    assert shape(invert, flip, invert) == wanted
    assert shape(Compose([invert, Compose([flip])]), invert) == wanted
    assert compile_steps(flip, 28, 28, 10) == compiled(flip)


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
    pairs = Compose([RandomInvert(), RandomEqualize()])
    step = RandomChoice(
        [pairs, RandomInvert(), RandomApply([RandomInvert()])], [1, 2, 1]
    )
    assert shape(step) == [
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
    flat = compiled(RandomChoice([RandomInvert()] * 3, p)).steps
    groups = [fields["until"] for kind, _, fields in flat if kind == "group"]
    assert groups == untils


def test_inside_a_choice_every_image_keeps_one_size():
    step = RandomChoice([RandomCrop(24), CenterCrop(28), RandomInvert()])
    message = (
        "RandomChoice: all steps must make images of one size, of 28x28 got RandomCrop "
        "24x24, CenterCrop 28x28, RandomInvert 28x28"
    )
    with pytest.raises(ValueError, match=message):
        compiled(step)
    out = compiled(RandomChoice([RandomCrop(24), Resize(24)]), Pad(1))
    assert (out.height, out.width) == (26, 26)


def test_random_apply_keeps_the_size():
    out = compiled(RandomApply([Pad(2), RandomCrop(28)]))
    assert (out.height, out.width) == (28, 28)
    with pytest.raises(
        ValueError, match=r"RandomApply: its steps make 24x24 of 28x28; with p=0\.5"
    ):
        compiled(RandomApply([RandomCrop(24)]))
    assert compiled(RandomApply([RandomCrop(24)], 1)).height == 24


def test_sizes_follow_the_steps():
    out = compiled(Pad(2), RandomCrop(30), Resize(15), RandomCrop((15, 9)))
    assert (out.height, out.width) == (15, 9)
    assert out.steps[1][2]["n_tops"] == 3
    with pytest.raises(
        ValueError, match="a crop of 16x16 is larger than the image, 15x"
    ):
        compiled(Resize(15), RandomCrop(16))


def test_the_number_of_steps_has_an_end():
    most = [RandomInvert()] * 65_000
    assert len(compiled(*most).steps) == 65_000
    message = "augment must be at most 65,000 steps of the core, got 65,001 or more"
    for items in ([*most, RandomInvert()], [RandomApply(most)]):
        with pytest.raises(ValueError, match=message):
            compiled(*items)
    with pytest.raises(ValueError, match="augment must be at most 65,000 steps"):
        compiled(*[RandAugment(1000)] * 3)


# ---- policies -------------------------------------------------------------------


def operations(step, height=30, width=40):
    """The share of each alternative of a policy's choice, of 26, and its step."""
    (kind, p, fields), *rest = compiled(step, height=height, width=width).steps
    assert (kind, p, fields["n_inner"]) == ("choice", 1.0, len(rest))
    out, before = [], 0
    while rest:
        kind, p, fields = rest.pop(0)
        assert (kind, p) == ("group", 1.0)
        inner = [rest.pop(0) for _ in range(fields["n_inner"])]
        share = (fields["until"] - before) * 26 / ALL
        assert share == pytest.approx(round(share), abs=1e-7)
        before = fields["until"]
        out.append((round(share), inner))
    assert before == ALL
    return out


def tone(kind, *value):
    return "tone", 1.0, {"kind": kind, "value": drawn(*value)}


def sharpness(*value):
    return "sharpness", 1.0, {"factor": drawn(*value)}


CORNER = {"shear_tangent": 1, "center_x": -20.0, "center_y": -15.0}


def test_trivial_augment():
    found = operations(TrivialAugmentWide(11, "bilinear", 5))
    warp = {"interpolation": 1, "fill": 5}
    assert found == [
        (2, []),
        (2, [affine(shear_x=drawn(0.0, 0.99, 11, 1), **CORNER, **warp)]),
        (2, [affine(shear_y=drawn(0.0, 0.99, 11, 1), **CORNER, **warp)]),
        (2, [affine(translate_x=drawn(0.0, 32.0, 11, 1), truncate=1, **warp)]),
        (2, [affine(translate_y=drawn(0.0, 32.0, 11, 1), truncate=1, **warp)]),
        (2, [affine(angle=drawn(0.0, 135.0, 11, 1), counter_clockwise=1, **warp)]),
        (1, [tone(3, 1.0, 1.99, 11)]),
        (1, [tone(3, 1.0, 1.0 - 0.99, 11)]),
        (1, [tone(4, 1.0, 1.99, 11)]),
        (1, [tone(4, 1.0, 1.0 - 0.99, 11)]),
        (1, [sharpness(1.0, 1.99, 11)]),
        (1, [sharpness(1.0, 1.0 - 0.99, 11)]),
        (2, [tone(1, 8.0, 2, 11)]),
        (2, [tone(2, 255.0, 0.0, 11)]),
        (2, [tone(5, 0.0, 0.0)]),
        (2, [tone(6, 0.0, 0.0)]),
    ]


def test_rand_augment():
    found = operations(RandAugment(1, 5, 11))  # half of everything
    x, y = 75 / 331 * 40, 75 / 331 * 30
    assert found == [
        (2, []),
        (2, [affine(shear_x=drawn(0.15, 0.15, 0, 1), **CORNER)]),
        (2, [affine(shear_y=drawn(0.15, 0.15, 0, 1), **CORNER)]),
        (2, [affine(translate_x=drawn(x, x, 0, 1), truncate=1)]),
        (2, [affine(translate_y=drawn(y, y, 0, 1), truncate=1)]),
        (2, [affine(angle=drawn(15.0, 15.0, 0, 1), counter_clockwise=1)]),
        (1, [tone(3, 1.45, 1.45)]),
        (1, [tone(3, 0.55, 0.55)]),
        (1, [tone(4, 1.45, 1.45)]),
        (1, [tone(4, 0.55, 0.55)]),
        (1, [sharpness(1.45, 1.45)]),
        (1, [sharpness(0.55, 0.55)]),
        (2, [tone(1, 6.0, 6.0)]),
        (2, [tone(2, 127.5, 127.5)]),
        (2, [tone(5, 0.0, 0.0)]),
        (2, [tone(6, 0.0, 0.0)]),
    ]


def test_rand_augment_repeats():
    once = compiled(RandAugment(1)).steps
    assert compiled(RandAugment(3)).steps == once * 3
    assert compiled(RandAugment(0)).steps == ()


# ---- mixes ----------------------------------------------------------------------


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
    assert len(out.steps) == 1
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


# ---- functions ------------------------------------------------------------------


def test_python_functions_come_last():
    out = compiled(RandomInvert(), MixUp(num_classes=10), brighten, Compose([max]))
    assert out.functions == (brighten, max)
    assert len(out.steps) == 1 and out.mix is not None
    assert compile_steps(brighten, 28, 28, 10).functions == (brighten,)


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
        compile_steps(given, 28, 28, 10)


@pytest.mark.parametrize("empty", [[], ()])
def test_an_empty_list_is_refused(empty):
    message = "augment must not be empty; augment=None turns augmentation off"
    with pytest.raises(ValueError, match=message):
        compile_steps(empty, 28, 28, 10)
    out = compile_steps(None, 28, 30, 10)
    assert (out.steps, out.mix, out.functions) == ((), None, ())
    assert (out.height, out.width) == (28, 30)


FUNCTION = ctypes.CFUNCTYPE(
    None,
    ctypes.POINTER(ctypes.c_uint8),
    ctypes.c_int64,
    ctypes.c_int64,
    ctypes.POINTER(ctypes.c_uint32),
    ctypes.c_void_p,
)


def capsule(address, name):
    new = ctypes.PYFUNCTYPE(
        ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
    )(("PyCapsule_New", ctypes.pythonapi))
    name = None if name is None else ctypes.create_string_buffer(name.encode())
    NAMES.append(name)  # a capsule only points to its name
    return new(address, name, None)


NAMES = []


def test_a_ctypes_function():
    function = FUNCTION(lambda *arguments: None)
    address = ctypes.cast(function, ctypes.c_void_p).value
    fields = {"function": address, "data": 0}
    out = compiled(CFunction(function))
    assert out.steps == (("user", 1.0, fields),)
    assert out.source[0].function is function
    assert compiled(RandomApply([CFunction(function)])).steps[1][2] == fields


@pytest.mark.parametrize(
    "name",
    [
        SIGNATURE,
        "void (uint8_t *, int64_t, int64_t, const uint32_t *, void *)",
        "void (uint8_t *, int64_t, int64_t, uint32_t *, void *)",
        "void (uint8_t*,int64_t,int64_t,uint32_t*,void*) noexcept nogil",
        "void (__pyx_t_5numpy_uint8_t *, __pyx_t_5numpy_int64_t, int64_t, "
        "__pyx_t_5numpy_uint32_t const *, void *)",
    ],
)
def test_a_capsule_named_as_cython_does(name):
    step = CFunction(capsule(4096, name), capsule(8192, "anything"))
    assert only(step) == ("user", 1.0, {"function": 4096, "data": 8192})


@pytest.mark.parametrize(
    "name, found",
    [
        ("void (uint8_t *, int64_t)", r"void \(uint8_t \*, int64_t\)"),
        ("int (uint8_t *, int64_t, int64_t, uint32_t const *, void *)", "int"),
        ("void (int8_t *, int64_t, int64_t, uint32_t const *, void *)", "void .int8_t"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_capsule_of_another_function_is_refused(name, found):
    wanted = "a capsule must be named 'void .uint8_t .*, void .*', got '"
    with pytest.raises(ValueError, match=wanted + found):
        CFunction(capsule(4096, name))


def test_an_object_with_an_address():
    step = CFunction(SimpleNamespace(address=4096), 5)
    assert only(step)[2] == {"function": 4096, "data": 5}


def test_data_is_the_memory_of_a_ctypes_object():
    function = SimpleNamespace(address=4096)
    array = (ctypes.c_int * 3)(1, 2, 3)
    step = CFunction(function, array)
    assert only(step)[2]["data"] == ctypes.addressof(array)
    assert step.data is array
    number = ctypes.c_double(2)
    assert only(CFunction(function, number))[2]["data"] == ctypes.addressof(number)
    for pointer in (ctypes.pointer(array), ctypes.cast(array, ctypes.c_void_p)):
        assert only(CFunction(function, pointer))[2]["data"] == ctypes.addressof(array)


@pytest.mark.parametrize(
    "function, data, error, message",
    [
        (
            brighten,
            None,
            TypeError,
            "function must be a capsule, a ctypes function or a",
        ),
        (4096, None, TypeError, "function must be a capsule"),
        (SimpleNamespace(address=True), None, TypeError, "function must be a capsule"),
        (
            SimpleNamespace(address=0),
            None,
            ValueError,
            "address of function can't be 0",
        ),
        (SimpleNamespace(address=1), -1, ValueError, "address of data can't be -1"),
        (SimpleNamespace(address=1), 2**64, ValueError, "address of data can't be 184"),
        (
            SimpleNamespace(address=1),
            "x",
            TypeError,
            "data must be None, an address, a",
        ),
        (SimpleNamespace(address=1), True, TypeError, "data must be None, an address"),
        (FUNCTION(), None, ValueError, "address of function can't be 0"),
        (
            ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda pixels: None),
            None,
            ValueError,
            "function must take 5 arguments, void .*, got 1",
        ),
    ],
)
def test_bad_c_functions_are_refused(function, data, error, message):
    with pytest.raises(error, match=f"CFunction: .*{message}"):
        CFunction(function, data)


def test_a_c_function_is_itself_alone():
    step = CFunction(SimpleNamespace(address=4096))
    assert step != CFunction(step.function) and step == step
    assert hash(Compose([step])) == hash(Compose([step]))
    for act in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError, match="CFunction can't be pickled: an address"):
            act(step)


# ---- recipes and text -----------------------------------------------------------


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
    assert compile_steps(name, 30, 40, 10) == compile_steps(wanted, 30, 40, 10)
    assert parse_steps(f" {name}\n") == name
    assert compile_steps(name, 1, 1, 2).height == 1


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
        compile_steps(name, 28, 28, 10)
    with pytest.raises(ValueError, match=message):
        parse_steps(name)


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
    assert parse_steps(text) == wanted


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
        parse_steps(text)


def test_the_examples_run():
    attempted = 0
    for module in pkgutil.iter_modules(augment.__path__, f"{augment.__name__}."):
        found = doctest.testmod(importlib.import_module(module.name))
        assert not found.failed
        attempted += found.attempted
    assert attempted >= 5

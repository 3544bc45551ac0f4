"""Invalid arguments of transforms, and the messages for them."""

import math

import numpy as np
import pytest
from helpers.transforms import brighten, compiled

from fmnist_fast.augment import (
    AutoAugment,
    CenterCrop,
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
    RandomOrder,
    RandomPerspective,
    RandomPosterize,
    RandomResizedCrop,
    RandomRotation,
    RandomSolarize,
    RandomVerticalFlip,
    RandomZoomOut,
    Resize,
    SaltAndPepperNoise,
    TrivialAugmentWide,
)

NAN, INF = math.nan, math.inf
NUMBER = "must be a number, got"
WHOLE = r"must be a whole number in 0\.\.255, got 0\.5"
SIDE = r"must be in 1\.\.65536, got"
SEQUENCE = "must be a sequence of length"
MODES = "must be one of constant, edge, reflect, symmetric, got"
KINDS = "must be one of nearest, bilinear, got"
RESAMPLING = "must be one of nearest, bilinear, bicubic, got"

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
    (lambda: RandomCrop(28, fill=(0, 0)), TypeError, rf"fill {NUMBER} \(0, 0\)"),
    (lambda: RandomCrop(28, fill=[300]), ValueError, r"fill .* 0\.\.255, got 300"),
    (lambda: RandomCrop(28, padding_mode="wrap"), ValueError, f"mode {MODES} 'wrap'"),
    (lambda: CenterCrop(0), ValueError, f"CenterCrop: size {SIDE} 0"),
    (lambda: Pad(-1), ValueError, r"Pad: padding must be in 0\.\.65536, got -1"),
    (lambda: Pad(None), TypeError, "padding must be an integer, got None"),
    (lambda: Pad(1, 300), ValueError, "fill must be a number in"),
    (lambda: Pad(1, 0, "circular"), ValueError, f"padding_mode {MODES} 'circular'"),
    (lambda: Resize(0), ValueError, f"Resize: size {SIDE} 0"),
    (lambda: Resize((1, 2, 3)), ValueError, f"size {SEQUENCE} 1 or 2"),
    (lambda: Resize(28, "lanczos"), ValueError, f"{RESAMPLING} 'lanczos'"),
    (lambda: Resize(28, antialias=1), TypeError, "antialias must be True or False"),
    (
        lambda: Resize(None),
        ValueError,
        "size=None requires max_size, got max_size=None",
    ),
    (
        lambda: Resize((2, 3), max_size=9),
        ValueError,
        r"max_size requires size to be an integer or None, got size=\(2, 3\) and max",
    ),
    (lambda: Resize(9, max_size=9), ValueError, "max_size must be larger than size"),
    (lambda: Resize(9, max_size=0), ValueError, f"max_size {SIDE} 0"),
    (lambda: RandomResizedCrop(0), ValueError, f"RandomResizedCrop: size {SIDE} 0"),
    (lambda: RandomResizedCrop(9, (0, 1)), ValueError, r"scale .* in 1e-06\.\.1e\+06"),
    (lambda: RandomResizedCrop(9, (1, 0.5)), ValueError, "scale .* low <= high.*, got"),
    (lambda: RandomResizedCrop(9, (1,)), ValueError, f"scale {SEQUENCE} 2, got"),
    (lambda: RandomResizedCrop(9, 0.5), TypeError, f"scale {SEQUENCE} 2, got 0.5"),
    (lambda: RandomResizedCrop(9, ratio=(-1, 1)), ValueError, "ratio must be a number"),
    (lambda: RandomResizedCrop(9, ratio=(2, 1)), ValueError, "ratio .* low <= high"),
    (lambda: RandomResizedCrop(9, interpolation=1), ValueError, "bicubic, got 'lanc"),
    (lambda: RandomResizedCrop(9, interpolation=6), ValueError, f"{RESAMPLING} 6"),
    (lambda: Resize(9, -1), ValueError, f"{RESAMPLING} -1"),
    (lambda: Resize(9, True), ValueError, f"{RESAMPLING} True"),
    (lambda: Resize(9, "nearest-exact"), ValueError, "exact'\\.\nPass 'nearest'"),
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
        "mode='alternating' requires p=0.5, got 0.4",
    ),
    (lambda: RandomVerticalFlip(2), ValueError, r"RandomVerticalFlip: p .* got 2"),
    (lambda: RandomVerticalFlip(1, "alternating"), ValueError, "requires p=0.5, got 1"),
    (lambda: RandomRotation(NAN), ValueError, "degrees must be a number in .* got nan"),
    (lambda: RandomRotation((0, INF)), ValueError, "degrees .* got inf"),
    (lambda: RandomRotation(-1), ValueError, r"degrees .* in 0\.\.1e\+06, got -1"),
    (lambda: RandomRotation((9, -9)), ValueError, "degrees must have low <= high in"),
    (lambda: RandomRotation((1, 2, 3)), ValueError, f"degrees {SEQUENCE} 2, got"),
    (lambda: RandomRotation("9"), TypeError, f"degrees {NUMBER} '9'"),
    (lambda: RandomRotation(9, "cubic"), ValueError, f"{KINDS} 'cubic'"),
    (
        lambda: RandomRotation(9, expand=True),
        ValueError,
        r"expand must be False, got True\. All images of a batch must have the same si",
    ),
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
    (lambda: ElasticTransform(interpolation=1), ValueError, f"{KINDS} 'lanczos'"),
    (lambda: ElasticTransform(fill=-1), ValueError, "fill must be a number in"),
    (
        lambda: RandomPerspective(1.5),
        ValueError,
        r"RandomPerspective: distortion_scale must be a number in 0\.\.1, got 1\.5",
    ),
    (lambda: RandomPerspective("1"), TypeError, f"distortion_scale {NUMBER} '1'"),
    (lambda: RandomPerspective(p=2), ValueError, r"p .* in 0\.\.1, got 2"),
    (lambda: RandomPerspective(1, 1, "bicubic"), ValueError, f"{KINDS} 'bicubic'"),
    (lambda: RandomPerspective(fill=0.5), ValueError, f"fill {WHOLE}"),
    (lambda: RandomZoomOut(256), ValueError, "RandomZoomOut: fill must be a number in"),
    (
        lambda: RandomZoomOut(0, (0.9, 2)),
        ValueError,
        r"side_range .* 1\.\.32, got 0\.9",
    ),
    (lambda: RandomZoomOut(0, (1, 33)), ValueError, r"side_range .* 1\.\.32, got 33"),
    (lambda: RandomZoomOut(0, (3, 2)), ValueError, "side_range .* low <= high"),
    (lambda: RandomZoomOut(0, 2.0), TypeError, f"side_range {SEQUENCE} 2, got 2.0"),
    (lambda: RandomZoomOut(p=-1), ValueError, r"p .* in 0\.\.1, got -1"),
    (lambda: RandomZoomOut(interpolation="area"), ValueError, f"{KINDS} 'area'"),
    (lambda: RandomZoomOut(antialias=1), TypeError, "antialias must be True or False"),
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
    (
        lambda: SaltAndPepperNoise(1.1),
        ValueError,
        r"SaltAndPepperNoise: amount .* in 0\.\.1, got 1\.1",
    ),
    (lambda: SaltAndPepperNoise("a"), TypeError, "amount must be a number, got 'a'"),
    (lambda: SaltAndPepperNoise((0.2, 0.1)), ValueError, "amount .* low <= high"),
    (lambda: SaltAndPepperNoise((1, 1, 1)), ValueError, f"amount {SEQUENCE} 1 or 2"),
    (lambda: SaltAndPepperNoise(0.1, -1), ValueError, r"salt_vs_pepper .* got -1"),
    (
        lambda: SaltAndPepperNoise(0.1, (0, 1)),
        TypeError,
        "salt_vs_pepper must be a num",
    ),
    (lambda: SaltAndPepperNoise(p=2), ValueError, "SaltAndPepperNoise: p .* got 2"),
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
    (lambda: RandAugment(-1), ValueError, r"num_ops must be in 0\.\.32, got -1"),
    (lambda: RandAugment(33), ValueError, r"num_ops must be in 0\.\.32, got 33"),
    (lambda: RandAugment(2, 31), ValueError, r"magnitude must be in 0\.\.30, got 31"),
    (lambda: RandAugment(2, -1), ValueError, r"magnitude must be in 0\.\.30, got -1"),
    (lambda: RandAugment(2, 0, 1), ValueError, "num_magnitude_bins must be in"),
    (lambda: RandAugment(interpolation="area"), ValueError, f"{KINDS} 'area'"),
    (lambda: RandAugment(fill=0.5), ValueError, f"fill {WHOLE}"),
    (
        lambda: AutoAugment("mnist"),
        ValueError,
        "AutoAugment: policy must be one of imagenet, cifar10, svhn, got 'mnist'",
    ),
    (lambda: AutoAugment(3), ValueError, "policy must be one of .*, svhn, got 3"),
    (lambda: AutoAugment(interpolation="area"), ValueError, f"{KINDS} 'area'"),
    (lambda: AutoAugment(fill=256), ValueError, "fill must be a number in"),
    (lambda: Compose([]), ValueError, "Compose: transforms must not be empty"),
    (lambda: Compose(RandomInvert()), TypeError, "must be a list of transforms, got"),
    (lambda: Compose([3]), TypeError, "must contain only transforms, got 3"),
    (
        lambda: Compose([RandomInvert]),
        TypeError,
        r"got the class RandomInvert\.\nCall it: RandomInvert\(\.\.\.\)$",
    ),
    (lambda: RandomApply([]), ValueError, "RandomApply: transforms must not be empty"),
    (lambda: RandomApply([RandomInvert()], 2), ValueError, "RandomApply: p .* got 2"),
    (
        lambda: RandomApply([brighten]),
        ValueError,
        "RandomApply: transforms must not contain Python functions, got <function bri",
    ),
    (
        lambda: RandomChoice([RandomInvert(), Compose([brighten])]),
        ValueError,
        "RandomChoice: transforms must not .*\nPass functions at the end of the list",
    ),
    (
        lambda: RandomApply([RandomInvert(), MixUp()]),
        ValueError,
        "RandomApply: transforms must be either .*, got MixUp and RandomInvert",
    ),
    (
        lambda: RandomChoice([Compose([CutMix()]), Cutout(4)]),
        ValueError,
        "RandomChoice: transforms must be either .*, got CutMix and Cutout",
    ),
    (
        lambda: RandomChoice([]),
        ValueError,
        "RandomChoice: transforms must not be empty",
    ),
    (lambda: RandomChoice([Pad(1)], [1, 2]), ValueError, f"p {SEQUENCE} 1, got"),
    (lambda: RandomChoice([Pad(1)], [-1]), ValueError, "p must be a number in"),
    (lambda: RandomChoice([Pad(1)], [0]), ValueError, "p must have a sum above 0, got"),
    (lambda: RandomOrder([]), ValueError, "RandomOrder: transforms must not be empty"),
    (lambda: RandomOrder(RandomInvert()), TypeError, "must be a list of transforms"),
    (
        lambda: RandomOrder([RandomInvert()] * 33),
        ValueError,
        r"RandomOrder: transforms must have at most 32 elements, got 33\.\nPass Comp",
    ),
    (
        lambda: RandomOrder([RandomInvert(), brighten]),
        ValueError,
        "RandomOrder: transforms must not contain Python functions, got <function bri",
    ),
    (
        lambda: RandomOrder([RandomInvert(), MixUp()]),
        ValueError,
        "RandomOrder: transforms must be either .*, got MixUp and RandomInvert",
    ),
    (
        lambda: RandomOrder([CutMix(), MixUp()]),
        ValueError,
        r"RandomOrder: .* must be transforms of single images, got CutMix\.\nPass Rand",
    ),
]


@pytest.mark.parametrize("make, error, message", BAD)
def test_bad_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    "around",
    [
        lambda inner: inner,
        lambda inner: Compose([RandomInvert(), inner]),
        lambda inner: RandomApply([inner]),
        lambda inner: RandomChoice([RandomInvert(), Compose([RandomApply([inner])])]),
    ],
)
def test_an_order_is_not_inside_another_one(around):
    inner = around(RandomOrder([RandomInvert(), RandomEqualize()]))
    message = "RandomOrder: transforms must not contain another RandomOrder, at any dep"
    with pytest.raises(ValueError, match=message):
        RandomOrder([RandomInvert(), inner])
    kinds = [kind for kind, _, _ in compiled(inner, inner).transforms]
    assert kinds.count("order") == 2


def test_nesting_has_a_limit():
    transform = RandomInvert()
    for _ in range(32):
        transform = RandomApply([transform])
    assert len(compiled(transform).transforms) == 33
    message = "Compose: transforms must be nested at most 32 deep, got 33"
    with pytest.raises(ValueError, match=message):
        Compose([transform])

"""Transforms of every class, and the core transforms of a few."""

from fmnist_fast.augment import (
    AutoAugment,
    CenterCrop,
    ColorJitter,
    Compose,
    CutMix,
    Cutout,
    ElasticTransform,
    FiveCrop,
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
    TenCrop,
    TrivialAugmentWide,
    compile_transforms,
)

ALL = 2**32


def compiled(*items, height=28, width=28, n_classes=10):
    return compile_transforms(list(items), height, width, n_classes)


def drawn(low, high, n_levels=0, random_sign=0):
    return {"low": low, "high": high, "n_levels": n_levels, "random_sign": random_sign}


def only(transform, height=28, width=28):
    """Return kind, p and parameters of a transform that is one core transform."""
    (flat,) = compiled(transform, height=height, width=width).transforms
    return flat


def brighten(images, labels, rng):
    return images, labels


def affine(**fields):
    zero = drawn(0.0, 0.0)
    defaults = {
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
    assert set(fields) <= set(defaults)
    return "affine", 1.0, defaults | fields


def one_level(fields, level, sign):
    """Return the fields of a core transform, with ranges fixed to a level and sign."""
    out = dict(fields)
    for name, value in fields.items():
        if isinstance(value, dict):
            low, high, n = value["low"], value["high"], value["n_levels"]
            number = low + (high - low) * (level / (n - 1)) if n > 1 else low
            number = -number if sign and value["random_sign"] else number
            fixed = {"low": number, "high": number, "n_levels": 0, "random_sign": 0}
            out[name] = fixed
    return out


EVERY = [
    RandomCrop(28, padding=4),
    RandomCrop([28], [1, 2], True, 7, "edge"),
    CenterCrop((20, 24)),
    Pad([1, 2, 3, 4], 9, "symmetric"),
    FiveCrop((20, 24)),
    TenCrop(20, True),
    Resize(28, max_size=40),
    Resize([14, 20], "nearest"),
    RandomResizedCrop(28, [0.5, 1]),
    RandomHorizontalFlip(mode="alternating"),
    RandomVerticalFlip(1),
    RandomRotation(10, center=[3, 4]),
    RandomAffine([-5, 10], [0.1, 0.2], [0.9, 1.1], [1, 2, 3, 4], "bilinear", 3),
    ElasticTransform([1, 2], [3]),
    RandomPerspective(0.25, 1, "nearest", 3),
    RandomZoomOut(9, [1, 2.5], 1, "nearest", None),
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
    RandomOrder([RandomInvert(), Compose([RandomEqualize(), RandomRotation(5)])]),
    SaltAndPepperNoise([0.1, 0.2], 0.25),
    AutoAugment("svhn", "bilinear", 7),
]

"""The functions of torchvision for a transform, with the numbers that the core draws.

`theirs` calls them for each image. tests/test_program.py shows that the reference draws
the numbers of the core.
"""

import inspect
import math
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

import reference_geometry
from reference_draws import words_of
from reference_pixels import normals
from reference_transforms import moved_corners

from fmnist_fast.augment import compile_transforms

from .against_torchvision import EPOCH, SEED, Draws, F, torch, torchvision_each, v2


class Call(NamedTuple):
    """A transform `t` of the image, a uint8 tensor (1, height, width).

    `fill` is what the class of torchvision passes to its function. The core transforms
    of `t`, `flat`, begin at `begin` in the program.
    """

    t: Any
    image: torch.Tensor
    fill: int | None
    i: int
    begin: int
    flat: list
    seed: int = SEED

    def draws(self, k=0):
        """Return the draws of core transform k of `flat`, after its coin."""
        draws = Draws(self.seed, EPOCH, self.i, 1 + self.begin + k)
        draws.is_run = draws.coin(self.flat[k][1])
        return draws


def theirs(images, transforms, fill=(), seed=SEED):
    """Return the images after functions of torchvision, with the numbers of the core.

    Parameters
    ----------
    images : ndarray, uint8 (n, height, width)
        Image i has position i, as in `augmented`.
    transforms : list of Transform
    fill : int or None, optional
        Fill of torchvision's classes. By default, it is their default. None and 0
        differ there, and do not differ in the attributes of `transforms`.
    seed : int, optional
        Seed of the numbers, as in `augmented`.

    Returns
    -------
    ndarray, uint8 (n, new height, new width)
    """

    def change(image, i):
        begin = 0
        for t in transforms:
            name = type(t).__name__
            flat = compile_transforms(t, *image.shape[1:], 1).transforms
            passed = fill
            if fill == ():
                of_class = inspect.signature(getattr(v2, name)).parameters.get("fill")
                passed = of_class and of_class.default
            image = FUNCTIONS[name](Call(t, image, passed, i, begin, flat, seed))
            begin += len(flat)
        return image

    return torchvision_each(images, change)


def simple(function):
    """Return the way to call `function(t, image, draws)`, if the coin says so."""

    def call(it):
        draws = it.draws()
        return function(it.t, it.image, draws) if draws.is_run else it.image

    return call


# ---- places -------------------------------------------------------------------------


def _crop(t, image, draws):
    if t.padding is not None:
        image = _pad(t, image, draws)
    height, width = t.size
    top = draws.below(image.shape[-2] - height + 1)
    left = draws.below(image.shape[-1] - width + 1)
    return F.crop(image, top, left, height, width)


def _pad(t, image, draws):
    return F.pad(image, list(t.padding), fill=t.fill, padding_mode=t.padding_mode)


def _resize(t, image, draws):
    size = [t.size] if isinstance(t.size, int) else t.size and list(t.size)
    return F.resize(image, size, t.interpolation, t.max_size, t.antialias)


def _resized_crop(t, image, draws):
    height, width = image.shape[-2:]
    for _ in range(10):
        w, h = _box_sides(t, image, draws)
        if 0 < w <= width and 0 < h <= height:
            top, left = draws.below(height - h + 1), draws.below(width - w + 1)
            break
    else:
        h = round(width / max(t.ratio[0], width / height))
        w = round(height * min(t.ratio[1], width / height))
        top, left = (height - h) // 2, (width - w) // 2
    return F.resized_crop(
        image, top, left, h, w, list(t.size), t.interpolation, t.antialias
    )


def _box_sides(t, image, draws):
    area = draws.uniform(*t.scale) * (image.shape[-2] * image.shape[-1])
    aspect = math.exp(draws.uniform(*map(math.log, t.ratio)))
    return round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))


def _zoom_out(it):
    draws, (height, width) = it.draws(), it.image.shape[-2:]
    if not draws.is_run:
        return it.image
    factor = draws.range(it.flat[0][2]["side"])
    right, bottom = int(width * factor) - width, int(height * factor) - height
    left, top = draws.below(right), draws.below(bottom)
    padding = [left, top, right - left, bottom - top]
    canvas = F.pad(it.image, padding, fill=it.t.fill)
    options = {"interpolation": it.t.interpolation, "antialias": it.t.antialias}
    return F.resize(canvas, [height, width], **options)


# ---- warps --------------------------------------------------------------------------


def _warp(function):
    """Return the way to call a function, with the options that warps share."""

    def call(it):
        options = {"interpolation": it.t.interpolation, "fill": it.fill}
        return function(it.t, it.image, it.draws(), options)

    return call


def _rotate(t, image, draws, options):
    return F.rotate(image, draws.uniform(*t.degrees), center=t.center, **options)


def _affine(t, image, draws, options):
    height, width = image.shape[-2:]
    angle = draws.uniform(*t.degrees)
    x, y = t.translate or (0, 0)
    moves = draws.uniform(-x * width, x * width), draws.uniform(-y * height, y * height)
    scale = draws.uniform(*t.scale or (1, 1))
    shear = (*(t.shear or (0, 0)), 0, 0)
    shear = [draws.uniform(*shear[:2]), draws.uniform(*shear[2:4])]
    moves = [round(move) for move in moves]
    return F.affine(image, angle, moves, scale, shear, center=t.center, **options)


def _elastic(t, image, draws, options):
    shape = image.shape[-2:]
    noise = reference_geometry.elastic_noise(draws.key(), *shape)
    fields = [
        # The coordinates of torchvision go from -1 to 1 over the width and the height.
        reference_geometry.displacement(field, alpha, *t.sigma) * (2.0**-15 / side)
        for field, alpha, side in zip(noise, t.alpha, shape[::-1])
    ]
    displacement = torch.stack(list(map(torch.from_numpy, fields)), dim=2)
    return F.elastic(image, displacement[None], **options)


def _perspective(it):
    draws, (height, width) = it.draws(), it.image.shape[-2:]
    if not draws.is_run:
        return it.image
    fields = SimpleNamespace(**it.flat[0][2])
    ends = list(map(list, moved_corners(fields, draws, (height, width))))
    corners = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
    options = {"interpolation": it.t.interpolation, "fill": it.fill}
    return F.perspective(it.image, corners, ends, **options)


# ---- pixels -------------------------------------------------------------------------


def _jitter(t, image, draws):
    contrast_first = draws.word() >> 31
    brightness = draws.uniform(*t.brightness or (1, 1))
    contrast = draws.uniform(*t.contrast or (1, 1))
    if contrast_first and t.contrast:
        image = F.adjust_contrast(image, contrast)
    if t.brightness:
        image = F.adjust_brightness(image, brightness)
    if t.contrast and not contrast_first:
        image = F.adjust_contrast(image, contrast)
    return image


def _blur(t, image, draws):
    return F.gaussian_blur(image, list(t.kernel_size), [draws.uniform(*t.sigma)] * 2)


def _noise(t, image, draws):
    n = image.numel()
    numbers = normals(words_of(draws.key(), -(-n // 64) * 64))[:n]
    numbers = torch.from_numpy(numbers).reshape(image.shape)
    with mock.patch.object(torch, "randn_like", lambda *_, **__: numbers):
        return F.gaussian_noise(image, t.mean, t.sigma, t.clip)


def _erase(t, image, draws):
    height, width = image.shape[-2:]
    for _ in range(10):
        h, w = _box_sides(t, image, draws)
        if h < height and w < width:
            break
    else:
        return image
    top, left = draws.below(height - h + 1), draws.below(width - w + 1)
    return F.erase(image, top, left, h, w, torch.tensor(t.value, dtype=torch.uint8))


# ---- policies -----------------------------------------------------------------------

# Operations in the order of the choice. The sign is 0 if the operation draws it, or has
# none. The factors 1 + m and 1 - m are two operations.
OPERATIONS = [
    ("Identity", 0),
    *((name, 0) for name in ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")),
    *(
        (name, sign)
        for name in ("Brightness", "Contrast", "Sharpness")
        for sign in (1, -1)
    ),
    *((name, 0) for name in ("Posterize", "Solarize", "AutoContrast", "Equalize")),
]
AFFINE = ("angle", "translate_x", "translate_y", "scale", "shear_x", "shear_y")


def _policy(it):
    """Apply operations with the magnitudes in the tables of torchvision."""
    policy = getattr(v2, type(it.t).__name__)(
        interpolation=it.t.interpolation, fill=it.fill
    )
    image, n_ops = it.image, getattr(it.t, "num_ops", 1)
    for begin in range(0, len(it.flat), len(it.flat) // n_ops):
        at, k = chosen(it, begin)
        name, sign = OPERATIONS[k]
        level = 0
        if it.flat[at][2]["n_inner"]:
            level, drawn_sign = strength(it.flat[at + 1][2], it.draws(at + 1))
            sign = sign or drawn_sign
        level = getattr(it.t, "magnitude", level)
        n_levels = it.t.num_magnitude_bins
        image = _operation(policy, image, name, sign or 1, level, n_levels)
    return image


def _auto_augment(it):
    """Apply a pair of torchvision's policy, with the magnitudes in its tables."""
    known = {policy.value: policy for policy in v2.AutoAugmentPolicy}
    policy = v2.AutoAugment(known[it.t.policy], it.t.interpolation, it.fill)
    image = it.image
    at, k = chosen(it, 0)
    for name, _, level in policy._policies[k]:
        if name == "Color":  # nothing to grayscale images, and not in `flat`
            continue
        at += 1
        draws = it.draws(at)
        if draws.is_run:
            fields = it.flat[at][2]
            drawn_level, sign = strength(fields, draws)
            if fields.get("value", fields.get("factor", {})).get("n_levels"):
                sign = 1 if drawn_level else -1  # of the two factors
            image = _operation(policy, image, name, sign or 1, level, 10)
    return image


def chosen(it, begin):
    """Return the place of the group that a choice takes, and its number."""
    word, at, k = it.draws(begin).word(), begin + 1, 0
    while word >= it.flat[at][2]["until"]:
        at, k = at + 1 + it.flat[at][2]["n_inner"], k + 1
    return at, k


def strength(fields, draws):
    """Return the level and the sign that a core transform draws, or 0 for none."""
    level = sign = 0
    for name in AFFINE if "angle" in fields else ("value", "factor"):
        if name in fields:
            limits, word = fields[name], draws.word()
            if limits["n_levels"]:
                level = word * limits["n_levels"] >> 32
            if limits["random_sign"]:
                sign = -1 if draws.word() >> 31 else 1
    return level, sign


def _operation(policy, image, name, sign, level, n_levels):
    table = policy._AUGMENTATION_SPACE[name][0](n_levels, *image.shape[1:])
    magnitude = 0.0 if table is None else float(table[level]) * sign
    options = {"interpolation": policy.interpolation, "fill": policy._fill}
    return policy._apply_image_or_video_transform(image, name, magnitude, **options)


SIMPLE = {
    "RandomCrop": _crop,
    "CenterCrop": lambda t, image, _: F.center_crop(image, list(t.size)),
    "Pad": _pad,
    "RandomHorizontalFlip": lambda t, image, _: F.horizontal_flip(image),
    "RandomVerticalFlip": lambda t, image, _: F.vertical_flip(image),
    "Resize": _resize,
    "RandomResizedCrop": _resized_crop,
    "ColorJitter": _jitter,
    "RandomInvert": lambda t, image, _: F.invert(image),
    "RandomPosterize": lambda t, image, _: F.posterize(image, t.bits),
    "RandomSolarize": lambda t, image, _: F.solarize(image, t.threshold),
    "RandomAutocontrast": lambda t, image, _: F.autocontrast(image),
    "RandomEqualize": lambda t, image, _: F.equalize(image),
    "GaussianBlur": _blur,
    "RandomAdjustSharpness": lambda t, image, _: F.adjust_sharpness(
        image, t.sharpness_factor
    ),
    "GaussianNoise": _noise,
    "RandomErasing": _erase,
}
WARPS = {"RandomRotation": _rotate, "RandomAffine": _affine}
FUNCTIONS = {name: simple(function) for name, function in SIMPLE.items()}
FUNCTIONS |= {name: _warp(function) for name, function in WARPS.items()}
FUNCTIONS |= {
    "ElasticTransform": _warp(_elastic),
    "RandomPerspective": _perspective,
    "RandomZoomOut": _zoom_out,
    "TrivialAugmentWide": _policy,
    "RandAugment": _policy,
    "AutoAugment": _auto_augment,
}

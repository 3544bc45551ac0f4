"""Transforms give the images of torchvision's functions for the same parameters.

The parameters come from a range with one value, or from the draws of the reference.
tests/test_program.py shows that the core draws the same numbers.

Copies of pixels are equal, and so are tones except contrast. Contrast, resized images,
blur and sharpness are within one gray level, and warps within two. Bilinear weights
have 7 bits here (src/augment/warp.h), and 15 bits in torchvision's resizing. The sum of
a blur is in float32, in another order.
"""

import importlib.util
import inspect
import math

import numpy as np
import pytest
from reference_draws import words_of

import fmnist_fast as ff
from fmnist_fast.augment import Transform

torch = pytest.importorskip("torch", reason="torchvision needs torch")
if importlib.util.find_spec("torchvision") is None:
    pytest.skip("torchvision is not installed", allow_module_level=True)
from helpers import against_torchvision  # noqa: E402
from helpers.against_torchvision import (  # noqa: E402
    INTERPOLATIONS,
    MODES,
    F,
    augmented,
    draws_of,
    share,
    torchvision_all,
    torchvision_each,
    v2,
)

images = against_torchvision.images


def test_flips_are_equal(images):
    got = augmented(images, ff.RandomHorizontalFlip(1.0))
    assert share(got, torchvision_all(images, F.horizontal_flip)) == 1
    got = augmented(images, ff.RandomVerticalFlip(1.0))
    assert share(got, torchvision_all(images, F.vertical_flip)) == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", [3, [5, 0], [1, 7, 12, 4]], ids=str)
def test_pads_are_equal(images, padding, mode):
    got = augmented(images, ff.Pad(padding, fill=77, padding_mode=mode))
    want = torchvision_all(images, F.pad, padding, fill=77, padding_mode=mode)
    assert share(got, want) == 1


@pytest.mark.parametrize("size", [1, 13, 20, 33, [5, 40], [60, 2]], ids=str)
def test_center_crops_are_equal(images, size):
    want = torchvision_all(
        images, F.center_crop, [size] if isinstance(size, int) else size
    )
    assert share(augmented(images, ff.CenterCrop(size)), want) == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", [None, 4, [2, 3], [1, 7, 12, 4]], ids=str)
@pytest.mark.parametrize("size", [(21, 28), (11, 17)], ids=str)
def test_crops_are_equal(images, size, padding, mode):
    def crop(image, i):
        if padding is not None:
            image = F.pad(image, padding, fill=9, padding_mode=mode)
        draws = draws_of(i)
        top = draws.below(image.shape[-2] - size[0] + 1)
        left = draws.below(image.shape[-1] - size[1] + 1)
        return F.crop(image, top, left, *size)

    transform = ff.RandomCrop(size, padding, fill=9, padding_mode=mode)
    assert share(augmented(images, transform), torchvision_each(images, crop)) == 1


def test_crops_that_pad_if_needed_are_equal(images):
    def crop(image, i):
        x, y = (max(0, 40 - n) for n in (image.shape[-1], image.shape[-2]))
        image = F.pad(image, [x, y, x, y], fill=9)
        draws = draws_of(i)
        top, left = (draws.below(n - 40 + 1) for n in image.shape[1:])
        return F.crop(image, top, left, 40, 40)

    transform = ff.RandomCrop(40, pad_if_needed=True, fill=9)
    assert share(augmented(images, transform), torchvision_each(images, crop)) == 1


@pytest.mark.parametrize("value", [0, 200, "random"])
@pytest.mark.parametrize(
    "scale, ratio", [((0.02, 0.33), (0.3, 3.3)), ((0.5, 1), (1, 2))]
)
def test_erasing_is_equal(images, scale, ratio, value):
    n_erased = 0

    def erase(image, i):
        nonlocal n_erased
        height, width = image.shape[-2:]
        draws = draws_of(i)
        for _ in range(10):
            area = draws.uniform(*scale) * height * width
            aspect = math.exp(draws.uniform(*map(math.log, ratio)))
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if h < height and w < width:
                break
        else:
            return image
        top, left = draws.below(height - h + 1), draws.below(width - w + 1)
        n_erased += 1
        v = torch.tensor(value if value != "random" else 0, dtype=torch.uint8)
        if value == "random":
            noise = words_of(draws.key(), -(-h * w // 4)).view(np.uint8)[: h * w]
            v = torch.from_numpy(noise.reshape(1, h, w))
        return F.erase(image, top, left, h, w, v)

    transform = ff.RandomErasing(1.0, scale, ratio, value)
    assert share(augmented(images, transform), torchvision_each(images, erase)) == 1
    assert n_erased > len(images) / 10


# ---- tones --------------------------------------------------------------------------


def test_inverting_autocontrast_and_equalizing_are_equal(images):
    dull = images // 3 + 50
    for transform, function in [
        (ff.RandomInvert(1.0), F.invert),
        (ff.RandomAutocontrast(1.0), F.autocontrast),
        (ff.RandomEqualize(1.0), F.equalize),
    ]:
        for x in (images, dull):
            assert share(augmented(x, transform), torchvision_all(x, function)) == 1


@pytest.mark.parametrize("bits", range(9))
def test_posterizing_is_equal(images, bits):
    got = augmented(images, ff.RandomPosterize(bits, p=1.0))
    assert share(got, torchvision_all(images, F.posterize, bits)) == 1


def test_solarizing_is_equal_for_every_threshold(images):
    for threshold in (*range(256), 0.5, 99.5, 127.999):
        got = augmented(images[:5], ff.RandomSolarize(threshold, p=1.0))
        assert share(got, torchvision_all(images[:5], F.solarize, threshold)) == 1


FACTORS = [0.0, 0.1, 0.5, 0.77, 1.0, 1.3, 1.9, 2.5, 7.0]


@pytest.mark.parametrize("factor", FACTORS)
def test_brightness_is_equal(images, factor):
    got = augmented(images, ff.ColorJitter(brightness=(factor, factor)))
    assert share(got, torchvision_all(images, F.adjust_brightness, factor)) == 1


@pytest.mark.parametrize("factor", FACTORS)
def test_sharpness_differs_by_at_most_one_level(images, factor):
    """torch rounds a fused multiply-add once, and the core rounds twice.

    Two roundings are possible on every instruction set. The results differ where a new
    level is nearly an integer, because it is truncated.
    """
    got = augmented(images, ff.RandomAdjustSharpness(factor, p=1.0))
    want = torchvision_all(images, F.adjust_sharpness, factor)
    assert share(got, want, 1) == 1
    assert share(got, want) >= (1 if factor in (0, 0.5, 1, 2.5, 7) else 0.995)


@pytest.mark.parametrize("factor", FACTORS)
def test_contrast_differs_by_at_most_one_level(images, factor):
    """The core multiplies the difference from the mean, which rounds differently.

    The mean is equal, because float32 holds sums below 2**24 exactly.
    """
    got = augmented(images, ff.ColorJitter(contrast=(factor, factor)))
    want = torchvision_all(images, F.adjust_contrast, factor)
    assert share(got, want, 1) == 1 and share(got, want) >= 0.9999


def test_jitter_is_equal(images):
    def jitter(image, i):
        draws = draws_of(i)
        contrast_first = draws.word() >> 31
        brightness, contrast = draws.uniform(0.4, 1.6), draws.uniform(0.2, 1.8)
        if contrast_first:
            image = F.adjust_contrast(image, contrast)
        image = F.adjust_brightness(image, brightness)
        return image if contrast_first else F.adjust_contrast(image, contrast)

    got, want = (
        augmented(images, ff.ColorJitter(0.6, 0.8)),
        torchvision_each(images, jitter),
    )
    assert share(got, want) == 1


def test_saturation_and_hue_do_nothing_to_grayscale(images):
    got = augmented(images, ff.ColorJitter(saturation=0.5, hue=0.3))
    assert share(got, images) == 1
    assert share(torchvision_all(images, F.adjust_saturation, 0.5), images) == 1
    assert share(torchvision_all(images, F.adjust_hue, 0.3), images) == 1


# ---- neighborhood and size ----------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.1, 0.4, 1.0, 2.0, 30.0])
@pytest.mark.parametrize("kernel", [1, 3, 5, (9, 3), (1, 23)])
def test_blur_is_close(images, kernel, sigma):
    transform = ff.GaussianBlur(kernel, (sigma, sigma))
    want = torchvision_all(
        images, F.gaussian_blur, list(transform.kernel_size), [sigma, sigma]
    )
    assert share(augmented(images, transform), want, 1) == 1


NEAREST, BICUBIC = v2.InterpolationMode.NEAREST, v2.InterpolationMode.BICUBIC
SIZES = [(28, 28), (14, 14), (32, 32), (56, 61), (9, 50), (64, 11), (1, 1)]


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_resizing_is_close(images, size, antialias):
    transform = ff.Resize(size, antialias=antialias)
    want = torchvision_all(images, F.resize, list(size), antialias=antialias)
    assert share(augmented(images, transform), want, 1) == 1


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_resizing_by_nearest_pixels_is_equal(images, size):
    transform = ff.Resize(size, interpolation="nearest")
    want = torchvision_all(images, F.resize, list(size), interpolation=NEAREST)
    assert share(augmented(images, transform), want) == 1


def of_floats(function):
    """Return a function of tensors that computes in float32, then rounds and clips.

    torchvision does so for tensors that it can't resize as bytes.
    """

    def rounded(image, *arguments, **named):
        result = function(image.to(torch.float32), *arguments, **named)
        return (result + 0.5).floor().clip(0, 255).to(torch.uint8)

    return rounded


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_bicubic_resizing_is_close(images, size, antialias):
    """Bytes of torchvision are rounded and clipped after each axis, and ours once.

    The difference is large where a pixel between the passes is below 0 or above 255.
    """
    transform = ff.Resize(size, "bicubic", antialias=antialias)
    options = {"interpolation": BICUBIC, "antialias": antialias}
    got = augmented(images, transform)
    want = torchvision_all(images, of_floats(F.resize), list(size), **options)
    assert share(got, want, 1) == 1 and share(got, want) >= 0.999
    want = torchvision_all(images, F.resize, list(size), **options)
    assert share(got, want, 50) == 1 and share(got, want, 1) >= 0.85


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("side", [14, 20, 32, 64])
def test_bicubic_garments_are_close_to_resized_bytes(real_train, side, antialias):
    images = real_train.images[:500].copy()
    transform = ff.Resize(side, "bicubic", antialias=antialias)
    options = {"interpolation": BICUBIC, "antialias": antialias}
    got = augmented(images, transform)
    want = torchvision_all(images, F.resize, [side, side], **options)
    assert share(got, want, 40) == 1 and 1 > share(got, want, 1) > 0.97


@pytest.mark.parametrize(
    "size, max_size", [(14, None), (35, None), (20, 23), (None, 17)]
)
def test_sizes_of_one_side_are_torchvisions(images, size, max_size):
    transform = ff.Resize(size, max_size=max_size)
    want = torchvision_all(images, F.resize, size and [size], max_size=max_size)
    assert share(augmented(images, transform), want, 1) == 1


@pytest.mark.parametrize("interpolation", [*INTERPOLATIONS, "bicubic"])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize(
    "scale, ratio", [((0.08, 1.0), (3 / 4, 4 / 3)), ((0.3, 1.0), (0.2, 0.3))]
)
def test_resized_crops_are_close(images, scale, ratio, antialias, interpolation):
    def resized_crop(image, i):
        height, width = image.shape[-2:]
        draws = draws_of(i)
        for _ in range(10):
            area = draws.uniform(*scale) * height * width
            aspect = math.exp(draws.uniform(*map(math.log, ratio)))
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                top, left = draws.below(height - h + 1), draws.below(width - w + 1)
                break
        else:
            w, h = width, height
            if width / height < ratio[0]:
                h = round(width / ratio[0])
            elif width / height > ratio[1]:
                w = round(height * ratio[1])
            top, left = (height - h) // 2, (width - w) // 2
        options = {"interpolation": interpolation, "antialias": antialias}
        return crop(image, top, left, h, w, [20, 25], **options)

    is_cubic = interpolation == "bicubic"
    crop = of_floats(F.resized_crop) if is_cubic else F.resized_crop
    transform = ff.RandomResizedCrop((20, 25), scale, ratio, interpolation, antialias)
    want = torchvision_each(images, resized_crop)
    got = augmented(images, transform)
    if interpolation == "nearest":
        assert share(got, want) == 1
    else:
        assert share(got, want, 1) == 1


# ---- orders -------------------------------------------------------------------------


def test_orders_are_equal(images, monkeypatch):
    """torchvision gets the orders that the reference draws."""
    names = ["RandomInvert", "RandomHorizontalFlip", "RandomAutocontrast"]
    ours, theirs = ([getattr(m, name)(p=1.0) for name in names] for m in (ff, v2))
    ours.append(
        ff.Compose([ff.RandomSolarize(99, p=1.0), ff.RandomPosterize(3, p=1.0)])
    )
    theirs.append(
        v2.Compose([v2.RandomSolarize(99, p=1.0), v2.RandomPosterize(3, p=1.0)])
    )
    orders = []

    def in_order(image, i):
        draws, left, order = draws_of(i), [0, 1, 2, 3], []
        while left:
            order.append(left.pop(draws.below(len(left)) if len(left) > 1 else 0))
        orders.append(tuple(order))
        monkeypatch.setattr(torch, "randperm", lambda n: torch.tensor(order[:n]))
        return v2.RandomOrder(theirs)(image)

    want = torchvision_each(images, in_order)
    assert share(augmented(images, ff.RandomOrder(ours)), want) == 1
    assert len(set(orders)) > 15


# ---- signatures ---------------------------------------------------------------------

EXTRA = {"RandomHorizontalFlip": ["mode"], "RandomVerticalFlip": ["mode"]}
EXTRA["RandomZoomOut"] = ["interpolation", "antialias"]
MISSING = {"MixUp": ["labels_getter"], "CutMix": ["labels_getter"]}
NOT_IN_TORCHVISION = {"Cutout", "CFunction", "SaltAndPepperNoise"}
PUBLIC = {name: getattr(ff, name) for name in ff.__all__}
NAMES = sorted(
    name
    for name, value in PUBLIC.items()
    if inspect.isclass(value)
    and issubclass(value, Transform)
    and name not in NOT_IN_TORCHVISION
)


def parameters_of(cls):
    """Return name, default and whether it is keyword-only, for each parameter."""
    return [
        (p.name, p.default, p.kind == p.KEYWORD_ONLY)
        for p in inspect.signature(cls).parameters.values()
    ]


def test_all_transforms_are_compared():
    assert len(NAMES) == 33


@pytest.mark.parametrize("name", NAMES)
def test_signatures_are_torchvisions(name):
    got, want = parameters_of(getattr(ff, name)), parameters_of(getattr(v2, name))
    want = [(p[0], getattr(p[1], "value", p[1]), p[2]) for p in want]  # of an enum
    extra, missing = EXTRA.get(name, []), MISSING.get(name, [])
    assert [p[0] for p in got][len(got) - len(extra) :] == extra
    assert [p[0] for p in want][len(want) - len(missing) :] == missing
    assert got[: len(got) - len(extra)] == want[: len(want) - len(missing)]

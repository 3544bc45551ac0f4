"""Every step against torchvision.transforms.v2's functional form, which gets the same
parameters: those of a range that holds one value, or those that the reference draws
(tests/test_steps.py shows that the core draws the same).

Copies of pixels and tones are equal. Whatever is interpolated is within one grey level
on 99.5% of the pixels: bilinear weights have 7 bits here (src/augment/warp.h), those of
torchvision's resizing 15, and a blur's sum is in float32 in another order."""

import importlib.util
import inspect
import math
from types import SimpleNamespace

import numpy as np
import pytest
import reference_steps

import fmnist_fast as ff
from fmnist_fast import _core
from fmnist_fast.augment import Step, compile_steps

torch = pytest.importorskip("torch", reason="torchvision needs torch")
if importlib.util.find_spec("torchvision") is None:
    pytest.skip("torchvision is not installed", allow_module_level=True)
import helpers.any_torchvision  # noqa: E402, F401
from torchvision.transforms import v2  # noqa: E402

F = v2.functional
torch.set_num_threads(1)  # its threads would wait for each other, not for work

SEED, EPOCH = 11, 2
RAW = {"dtype": "uint8", "normalize": None, "layout": "NHW"}
MODES = ["constant", "edge", "reflect", "symmetric"]


@pytest.fixture(params=["real", "synthetic", "noise", "oblong"], scope="module")
def images(request):
    """uint8 (n, height, width)."""
    if request.param == "real":
        return request.getfixturevalue("real_train").images[:60].copy()
    if request.param == "synthetic":
        return request.getfixturevalue("small").images[:60].copy()
    shape = (60, 28, 28) if request.param == "noise" else (60, 21, 34)
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def ours(images, steps, threads=2):
    """The images, in their order, augmented: image i has position i."""
    dataset = ff.Dataset.from_arrays(images, np.zeros(len(images), dtype=np.uint8))
    steps = steps if isinstance(steps, list) else [steps]
    options = {"batch_size": 128, "seed": SEED, "threads": threads, **RAW}
    loader = ff.Loader(dataset, augment=steps, **options)
    loader.set_epoch(EPOCH)
    return np.concatenate([x for x, _ in loader])


def theirs(images, function, *arguments, **named):
    return function(torch.from_numpy(images[:, None]), *arguments, **named)[
        :, 0
    ].numpy()


def theirs_each(images, function):
    """function(image, i) of images one by one, as uint8 (1, height, width)."""
    one_by_one = [
        function(torch.from_numpy(images[i : i + 1].copy()), i)
        for i in range(len(images))
    ]
    return torch.cat(one_by_one).numpy()


class Draws(reference_steps.Draws):
    """The words come from the core itself, which is quicker."""

    def word(self):
        i, self.n_taken = self.n_taken, self.n_taken + 1
        return _core.draw(*self.key, i // 4)[i % 4]


def draws_of(i, operation=1):
    """What step `operation` draws for image i, after its coin."""
    draws = Draws(SEED, EPOCH, i, operation)
    draws.word()
    return draws


def share(got, want, levels=0):
    """Of the pixels that differ by so many grey levels at most."""
    assert (got.shape, got.dtype) == (want.shape, want.dtype) and got.dtype == np.uint8
    return float((abs(got.astype(int) - want) <= levels).mean())


# ---- copies -------------------------------------------------------------------------


def test_flips_are_equal(images):
    got = ours(images, ff.RandomHorizontalFlip(1.0))
    assert share(got, theirs(images, F.horizontal_flip)) == 1
    got = ours(images, ff.RandomVerticalFlip(1.0))
    assert share(got, theirs(images, F.vertical_flip)) == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", [3, [5, 0], [1, 7, 12, 4]], ids=str)
def test_pads_are_equal(images, padding, mode):
    got = ours(images, ff.Pad(padding, fill=77, padding_mode=mode))
    want = theirs(images, F.pad, padding, fill=77, padding_mode=mode)
    assert share(got, want) == 1


@pytest.mark.parametrize("size", [1, 13, 20, 33, [5, 40], [60, 2]], ids=str)
def test_center_crops_are_equal(images, size):
    want = theirs(images, F.center_crop, [size] if isinstance(size, int) else size)
    assert share(ours(images, ff.CenterCrop(size)), want) == 1


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

    step = ff.RandomCrop(size, padding, fill=9, padding_mode=mode)
    assert share(ours(images, step), theirs_each(images, crop)) == 1


def test_crops_that_pad_if_needed_are_equal(images):
    def crop(image, i):
        x, y = (max(0, 40 - n) for n in (image.shape[-1], image.shape[-2]))
        image = F.pad(image, [x, y, x, y], fill=9)
        draws = draws_of(i)
        top, left = (draws.below(n - 40 + 1) for n in image.shape[1:])
        return F.crop(image, top, left, 40, 40)

    step = ff.RandomCrop(40, pad_if_needed=True, fill=9)
    assert share(ours(images, step), theirs_each(images, crop)) == 1


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
            noise = draws.field(-(-h * w // 4)).view(np.uint8)[: h * w]
            v = torch.from_numpy(noise.reshape(1, h, w))
        return F.erase(image, top, left, h, w, v)

    step = ff.RandomErasing(1.0, scale, ratio, value)
    assert share(ours(images, step), theirs_each(images, erase)) == 1
    assert n_erased > len(images) / 10


# ---- tones --------------------------------------------------------------------------


def test_inverting_autocontrast_and_equalizing_are_equal(images):
    dull = images // 3 + 50
    for step, function in [
        (ff.RandomInvert(1.0), F.invert),
        (ff.RandomAutocontrast(1.0), F.autocontrast),
        (ff.RandomEqualize(1.0), F.equalize),
    ]:
        for x in (images, dull):
            assert share(ours(x, step), theirs(x, function)) == 1


@pytest.mark.parametrize("bits", range(9))
def test_posterizing_is_equal(images, bits):
    got = ours(images, ff.RandomPosterize(bits, p=1.0))
    assert share(got, theirs(images, F.posterize, bits)) == 1


def test_solarizing_is_equal_for_every_threshold(images):
    for threshold in (*range(256), 0.5, 99.5, 127.999):
        got = ours(images[:5], ff.RandomSolarize(threshold, p=1.0))
        assert share(got, theirs(images[:5], F.solarize, threshold)) == 1


FACTORS = [0.0, 0.1, 0.5, 0.77, 1.0, 1.3, 1.9, 2.5, 7.0]


@pytest.mark.parametrize("factor", FACTORS)
def test_brightness_is_equal(images, factor):
    got = ours(images, ff.ColorJitter(brightness=(factor, factor)))
    assert share(got, theirs(images, F.adjust_brightness, factor)) == 1


@pytest.mark.parametrize("factor", FACTORS)
def test_sharpness_is_equal_but_for_a_level_where_it_is_cut(images, factor):
    """torch adds a multiple in one rounding (fused multiply-add), the core in two, as
    every instruction set can. That decides where a new level is nearly whole."""
    got = ours(images, ff.RandomAdjustSharpness(factor, p=1.0))
    want = theirs(images, F.adjust_sharpness, factor)
    assert share(got, want, 1) == 1
    assert share(got, want) >= (1 if factor in (0, 0.5, 1, 2.5, 7) else 0.995)


@pytest.mark.parametrize("factor", FACTORS)
def test_contrast_is_equal(images, factor):
    """The mean as well: a float32 holds the sum of images below 2**24 exactly."""
    got = ours(images, ff.ColorJitter(contrast=(factor, factor)))
    assert share(got, theirs(images, F.adjust_contrast, factor)) == 1


def test_jitter_is_equal(images):
    def jitter(image, i):
        draws = draws_of(i)
        contrast_first = draws.word() >> 31
        brightness, contrast = draws.uniform(0.4, 1.6), draws.uniform(0.2, 1.8)
        if contrast_first:
            image = F.adjust_contrast(image, contrast)
        image = F.adjust_brightness(image, brightness)
        return image if contrast_first else F.adjust_contrast(image, contrast)

    got, want = ours(images, ff.ColorJitter(0.6, 0.8)), theirs_each(images, jitter)
    assert share(got, want) == 1


def test_saturation_and_hue_do_nothing_to_grayscale(images):
    got = ours(images, ff.ColorJitter(saturation=0.5, hue=0.3))
    assert share(got, images) == 1
    assert share(theirs(images, F.adjust_saturation, 0.5), images) == 1
    assert share(theirs(images, F.adjust_hue, 0.3), images) == 1


# ---- warps --------------------------------------------------------------------------

INTERPOLATIONS = ["nearest", "bilinear"]


def tied(step, shape, i=0):
    """Where the nearest pixel of image i is one of two: places come within 2**-10 pixel
    of the middle between them. Half a pixel goes up here, to the even pixel there, and
    float32 decides before that."""
    return tied_map(compile_steps(step, *shape, 1).steps[0][2], draws_of(i), shape)


def tied_map(fields, draws, shape):
    m = reference_steps.affine_map(SimpleNamespace(**fields), draws)
    x, y = reference_steps.places(m, *shape)
    return (abs(x % 65536 - 32768) < 64) | (abs(y % 65536 - 32768) < 64)


def is_close(got, want, interpolation, is_tied):
    """Bilinear within a level; nearest pixels equal where they are not tied."""
    if interpolation == "bilinear":
        return share(got, want, 1) >= 0.995
    free = ~np.broadcast_to(is_tied, got.shape)
    return free.mean() > 0.4 and share(got[free], want[free]) == 1


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("angle", [30, -17.3, 123.4, 5, 90, 180, -90, 359.9])
def test_rotations_are_close(images, angle, interpolation):
    for center in (None, (3, 20)):
        step = ff.RandomRotation((angle, angle), interpolation, center=center)
        named = {"interpolation": interpolation, "center": center}
        want = theirs(images, F.rotate, angle, **named)
        is_tied = tied(step, images.shape[1:])
        if interpolation == "nearest" and is_tied.all():
            # Turned by a quarter about the middle, rows fall between columns.
            assert center is None and angle % 180 == 90 and sum(is_tied.shape) % 2
            continue
        assert is_close(ours(images, step), want, interpolation, is_tied)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(
    "scale, shear",
    [
        ((0.9, 0.9), None),
        ((1.7, 1.7), None),
        (None, (20, 20)),
        (None, (9, 9, -25, -25)),
    ],
)
def test_scale_and_shear_are_close(images, scale, shear, interpolation):
    for center in (None, (3, 20)):
        step = ff.RandomAffine(0, None, scale, shear, interpolation, center=center)
        both = (*(shear or (0, 0)), 0, 0)
        want = theirs(
            images,
            F.affine,
            angle=0,
            translate=[0, 0],
            scale=scale[0] if scale else 1.0,
            shear=[both[0], both[2]],
            interpolation=interpolation,
            center=center,
        )
        is_tied = tied(step, images.shape[1:])
        assert is_close(ours(images, step), want, interpolation, is_tied)


def affine_parameters(step, draws, height, width):
    """What torchvision's functional form takes, in the order that the core draws it."""
    angle = draws.uniform(*step.degrees)
    x, y = step.translate
    translate = [draws.uniform(-x * width, x * width)]
    translate += [draws.uniform(-y * height, y * height)]
    scale = draws.uniform(*step.scale)
    shear = [draws.uniform(*step.shear[:2]), draws.uniform(*step.shear[2:])]
    return {
        "angle": angle,
        "translate": [round(t) for t in translate],
        "scale": scale,
        "shear": shear,
    }


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("center", [None, (5, 9)])
def test_affine_maps_are_close(images, center, interpolation):
    step = ff.RandomAffine(
        (-170, 120),
        translate=(0.2, 0.3),
        scale=(0.6, 1.6),
        shear=(-20, 30, -15, 10),
        interpolation=interpolation,
        center=center,
    )

    def affine(image, i):
        named = affine_parameters(step, draws_of(i), *image.shape[-2:])
        named |= {"interpolation": interpolation, "center": center}
        return F.affine(image, **named)

    want = theirs_each(images, affine)
    is_tied = [tied(step, images.shape[1:], i) for i in range(len(images))]
    assert is_close(ours(images, step), want, interpolation, np.array(is_tied))


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_translations_are_equal(images, interpolation):
    """Whole pixels; one way to see that the rounding of the draws is torchvision's."""
    step = ff.RandomAffine(0, (0.4, 0.3), interpolation=interpolation, fill=3)

    def translate(image, i):
        parts = {"scale": (1, 1), "shear": (0, 0, 0, 0), "degrees": (0, 0)}
        parts = SimpleNamespace(translate=step.translate, **parts)
        named = affine_parameters(parts, draws_of(i), *image.shape[-2:])
        return F.affine(image, **named, interpolation=interpolation, fill=3)

    got, want = ours(images, step), theirs_each(images, translate)
    if interpolation == "nearest":
        assert share(got, want) == 1
    else:  # float32 places of torchvision are a little off the whole pixels
        assert share(got, want, 1) == 1


@pytest.mark.parametrize("fill", [40, 255])
def test_fill_is_weighed_once_here_and_twice_in_torchvision(images, fill):
    """At the border a pixel is a mean of `n` of four that lie inside, which have a
    share `mask` of the weights, and of the fill. It should be

        inside + (1 - mask) * fill,

    where `inside` is the sum over those inside; ours is. In torchvision `inside`, which
    has the weights in it, is multiplied by the mask once more:

        mask * inside + (1 - mask) * fill.

    Without a fill both have black outside, and are the same (see above)."""
    angle = 33.0
    step = ff.RandomRotation((angle, angle), "bilinear", fill=fill)
    got = ours(images, step)
    named = {"angle": angle, "interpolation": "bilinear"}
    inside = theirs(images.astype(np.float32), F.rotate, **named)
    mask = theirs(np.ones_like(images, dtype=np.float32), F.rotate, **named)
    once = np.round(inside + (1 - mask) * fill).astype(np.uint8)
    twice = np.round(mask * inside + (1 - mask) * fill).astype(np.uint8)
    filled = theirs(images, F.rotate, **named, fill=fill)
    assert share(got, once, 1) >= 0.995
    assert share(filled, twice, 1) == 1
    whole, border = (mask > 0.9999) | (mask == 0), (mask > 0.05) & (mask < 0.95)
    assert share(got[whole], filled[whole], 1) >= 0.995
    assert border.mean() > 0.02
    lit = border & (inside > 40)
    assert (got[lit] > filled[lit]).mean() > 0.9


@pytest.mark.parametrize("fill", [40, 255])
def test_fill_of_nearest_pixels_is_close(images, fill):
    step = ff.RandomAffine((30, 30), scale=(0.7, 0.7), fill=fill)
    named = {"translate": [0, 0], "shear": [0, 0], "fill": fill}
    want = theirs(images, F.affine, angle=30, scale=0.7, **named)
    is_tied = tied(step, images.shape[1:])
    assert is_close(ours(images, step), want, "nearest", is_tied)


ELASTIC = [(50.0, 5.0), (90.0, 4.0), ((20.0, 60.0), (2.0, 5.0)), (8.0, 0.0)]


def our_displacement(step, shape, i):
    """That of image i, in pixels: float64 (height, width, 2)."""
    noise = reference_steps.elastic_noise(draws_of(i), *shape)
    fields = [
        reference_steps.displacement(each, alpha, *step.sigma)
        for each, alpha in zip(noise, step.alpha)
    ]
    return np.stack(fields, axis=2) * 2.0**-16


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("alpha, sigma", ELASTIC)
def test_elastic_warps_are_close(images, alpha, sigma, interpolation):
    step = ff.ElasticTransform(alpha, sigma, interpolation)
    images, shape = images[:25], images.shape[1:]

    def elastic(image, i):
        # torchvision counts from -1 to 1 over the width or height.
        normalized = our_displacement(step, shape, i) * (2 / shape[1], 2 / shape[0])
        displacement = torch.from_numpy(normalized[None])
        return F.elastic(image, displacement, interpolation=interpolation)

    want, got = theirs_each(images, elastic), ours(images, step)
    if interpolation == "nearest":  # few places are in the middle between two pixels
        assert share(got, want) >= 0.995
    else:
        assert share(got, want, 1) >= 0.995


@pytest.mark.parametrize("alpha, sigma", [(50, 5), (90, 4), ((20.0, 60.0), 2)])
def test_displacements_are_as_large_and_as_smooth_as_torchvisions(alpha, sigma):
    """Three extended boxes instead of a Gaussian that is cut at 4 sigma. (With two
    sigmas, torchvision cuts both directions at 4 times the one of them.)"""
    shape, n = (64, 72), 60
    step = ff.ElasticTransform(alpha, sigma)
    torch.manual_seed(1)
    image, transform = torch.zeros(1, *shape), v2.ElasticTransform(alpha, sigma)
    want = np.stack(
        [transform.make_params([image])["displacement"][0].numpy() for _ in range(n)]
    ) * (shape[1] / 2, shape[0] / 2)
    got = np.stack([our_displacement(step, shape, i) for i in range(n)])
    for x, y in zip(np.moveaxis(got, 3, 0), np.moveaxis(want, 3, 0)):
        assert abs(x.std() / y.std() - 1) < 0.12
        for k in (1, 3, 6):
            assert (
                abs((x[:, k:] - x[:, :-k]).std() / (y[:, k:] - y[:, :-k]).std() - 1)
                < 0.12
            )
            across = (x[:, :, k:] - x[:, :, :-k]).std()
            assert abs(across / (y[:, :, k:] - y[:, :, :-k]).std() - 1) < 0.12
        # Noise that is reflected at the edges moves them farther, in both.
        assert abs(x[:, 0].std() / y[:, 0].std() - 1) < 0.3


# ---- neighbourhood and size ---------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.1, 0.4, 1.0, 2.0, 30.0])
@pytest.mark.parametrize("kernel", [1, 3, 5, (9, 3), (1, 23)])
def test_blur_is_close(images, kernel, sigma):
    step = ff.GaussianBlur(kernel, (sigma, sigma))
    want = theirs(images, F.gaussian_blur, list(step.kernel_size), [sigma, sigma])
    assert share(ours(images, step), want, 1) == 1


NEAREST = v2.InterpolationMode.NEAREST
SIZES = [(28, 28), (14, 14), (32, 32), (56, 61), (9, 50), (64, 11), (1, 1)]


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_resizing_is_close(images, size, antialias):
    step = ff.Resize(size, antialias=antialias)
    want = theirs(images, F.resize, list(size), antialias=antialias)
    assert share(ours(images, step), want, 1) >= 0.995


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_resizing_by_nearest_pixels_is_equal(images, size):
    step = ff.Resize(size, interpolation="nearest")
    want = theirs(images, F.resize, list(size), interpolation=NEAREST)
    assert share(ours(images, step), want) == 1


@pytest.mark.parametrize(
    "size, max_size", [(14, None), (35, None), (20, 23), (None, 17)]
)
def test_sizes_that_follow_are_torchvisions(images, size, max_size):
    step = ff.Resize(size, max_size=max_size)
    want = theirs(images, F.resize, size and [size], max_size=max_size)
    assert share(ours(images, step), want, 1) >= 0.995


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
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
        how = {"interpolation": interpolation, "antialias": antialias}
        return F.resized_crop(image, top, left, h, w, [20, 25], **how)

    step = ff.RandomResizedCrop((20, 25), scale, ratio, interpolation, antialias)
    want = theirs_each(images, resized_crop)
    got = ours(images, step)
    if interpolation == "nearest":
        assert share(got, want) == 1
    else:
        assert share(got, want, 1) >= 0.995


# ---- policies -----------------------------------------------------------------------

# In the order of the choice, with the sign where it belongs to the alternative: the
# factors 1 + m and 1 - m are two.
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
# Their largest magnitudes; 8 - bits of Posterize, and Solarize counts down from 1.
WIDE = {"Shear": 0.99, "Translate": 32, "Rotate": 135, "Posterize": 6, "Solarize": 1}
NARROW = {"Shear": 0.3, "Rotate": 30, "Posterize": 4, "Solarize": 1}


def policy_draw(steps, i):
    """Which operation image i gets, which level and sign, and its place in the list."""
    word, at, k = draws_of(i).word(), 1, 0
    while word >= steps[at][2]["until"]:
        at, k = at + 1 + steps[at][2]["n_inner"], k + 1
    name, sign = OPERATIONS[k]
    if steps[at][2]["n_inner"] == 0:
        return name, 0, 1, None
    _, _, fields = steps[at + 1]
    draws = draws_of(i, at + 2)
    names = ("angle", "translate_x", "translate_y", "scale", "shear_x", "shear_y")
    level = 0
    for field in names if "angle" in fields else ("value", "factor"):
        limits = fields.get(field)
        if limits is None:
            continue
        drawn = draws.word()
        if limits["n_levels"]:
            level = drawn * limits["n_levels"] >> 32
        if limits["random_sign"]:
            sign = -1 if draws.word() >> 31 else 1
    return name, level, sign or 1, at + 1


def exact_magnitude(name, level, sign, n_levels, largest):
    """What torchvision's tables hold, in float64."""
    if name in ("Identity", "AutoContrast", "Equalize"):
        return 0.0
    magnitude = largest[name] * (level / (n_levels - 1))
    if name == "Posterize":
        return round(8 - magnitude)
    return 1 - magnitude if name == "Solarize" else sign * magnitude


# Warps are close, sharpness is cut another way for a few pixels (see above).
WARPS = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")


def policy_is_torchvisions(images, step, transform, largest, level=None):
    """One after the other, images[k] augmented many times, each operation of each level
    and sign against torchvision's. Returns the operations seen, and those of them whose
    magnitude, a float32 there that is cut or compared with levels, makes another
    image."""
    shape, n_levels = images.shape[1:], step.num_magnitude_bins
    steps = compile_steps(step, *shape, 1).steps
    found = {}
    for i in range(8000 if level is None else 400):
        name, drawn, sign, place = policy_draw(steps, i)
        drawn = drawn if level is None or name == "Identity" else level
        found.setdefault((name, drawn, sign), (place, []))[1].append(i)
    n = 1 + max(max(numbers) for _, numbers in found.values())
    differ = set()
    for image in images:
        got = ours(np.repeat(image[None], n, axis=0), step)
        tensor = torch.from_numpy(image[None])
        for key, (place, numbers) in found.items():
            name, drawn, sign = key
            mine = got[numbers]
            assert (mine == mine[0]).all(), key
            mine = mine[:1]

            def apply(magnitude, name=name, tensor=tensor):
                how = {"interpolation": step.interpolation, "fill": transform._fill}
                return transform._apply_image_or_video_transform(
                    tensor, name, magnitude, **how
                ).numpy()

            magnitude = exact_magnitude(name, drawn, sign, n_levels, largest)
            want = apply(magnitude)
            if name in WARPS and step.interpolation == "bilinear":
                assert share(mine, want, 1) >= 0.995, key
            elif name in WARPS:
                draws = draws_of(numbers[0], place + 1)
                free = ~tied_map(steps[place][2], draws, shape)
                if free.any():
                    assert share(mine[0][free], want[0][free]) == 1, key
                else:
                    assert name == "Rotate" and magnitude % 90 == 0, key
            else:
                assert share(mine, want, 1) == 1, key
                assert share(mine, want) >= (0.99 if name == "Sharpness" else 1), key
            table = transform._AUGMENTATION_SPACE[name][0](n_levels, *shape)
            if table is not None:
                rounded = float(table[drawn]) * sign
                assert math.isclose(rounded, magnitude, rel_tol=1e-5, abs_tol=1e-6)
                is_cut = name.startswith(("Translate", "Posterize", "Solarize"))
                if is_cut and share(apply(rounded), want) < 1:
                    differ.add((name, drawn))
    return set(found), differ


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_every_operation_of_trivial_augment_is_torchvisions(images, interpolation):
    step = ff.TrivialAugmentWide(interpolation=interpolation)
    transform = v2.TrivialAugmentWide(
        interpolation=v2.InterpolationMode(interpolation), fill=None
    )
    largest = {
        f"{name}{axis}": WIDE[name] for name in ("Shear", "Translate") for axis in "XY"
    }
    largest |= WIDE | dict.fromkeys(("Brightness", "Contrast", "Sharpness"), 0.99)
    seen, differ = policy_is_torchvisions(images[8:11], step, transform, largest)
    assert len(seen) == 3 + 5 * 62 + 3 * 62 + 2 * 31
    # In float32, 32 * 15 / 30 is 15.999999, which is cut to 15, and three thresholds
    # are just above the grey level that they should be.
    moves = {("TranslateX", 15), ("TranslateY", 15)}
    assert moves <= differ
    assert differ <= moves | {("Solarize", level) for level in (16, 18, 24)}


@pytest.mark.parametrize("magnitude", [0, 1, 9, 17, 30])
def test_every_operation_of_rand_augment_is_torchvisions(images, magnitude):
    step = ff.RandAugment(1, magnitude, interpolation="bilinear")
    height, width = images.shape[1:]
    largest = NARROW | dict.fromkeys(("Brightness", "Contrast", "Sharpness"), 0.9)
    largest |= {"ShearX": 0.3, "ShearY": 0.3}
    largest |= {"TranslateX": 150 / 331 * width, "TranslateY": 150 / 331 * height}
    transform = v2.RandAugment(1, magnitude, interpolation="bilinear", fill=None)
    seen, differ = policy_is_torchvisions(
        images[8:12], step, transform, largest, magnitude
    )
    assert len(seen) == 3 + 5 * 2 + 3 * 2 + 2
    assert not differ


# ---- signatures ---------------------------------------------------------------------

EXTRA = {"RandomHorizontalFlip": ["mode"], "RandomVerticalFlip": ["mode"]}
MISSING = {"MixUp": ["labels_getter"], "CutMix": ["labels_getter"]}
OURS_ALONE = {"Cutout", "CFunction"}
PUBLIC = {name: getattr(ff, name) for name in ff.__all__}
NAMES = sorted(
    name
    for name, value in PUBLIC.items()
    if inspect.isclass(value) and issubclass(value, Step) and name not in OURS_ALONE
)


def parameters_of(cls):
    """(name, default, whether it is given by name alone) of each."""
    return [
        (p.name, p.default, p.kind == p.KEYWORD_ONLY)
        for p in inspect.signature(cls).parameters.values()
    ]


def test_all_steps_are_compared():
    assert len(NAMES) == 27


@pytest.mark.parametrize("name", NAMES)
def test_signatures_are_torchvisions(name):
    mine, other = parameters_of(getattr(ff, name)), parameters_of(getattr(v2, name))
    extra, missing = EXTRA.get(name, []), MISSING.get(name, [])
    assert [p[0] for p in mine][len(mine) - len(extra) :] == extra
    assert [p[0] for p in other][len(other) - len(missing) :] == missing
    assert mine[: len(mine) - len(extra)] == other[: len(other) - len(missing)]

"""Every operation of a policy gives the image of torchvision (test_torchvision.py)."""

import importlib.util
import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import _core
from fmnist_fast.augment import compile_transforms
from fmnist_fast.augment._policies import pairs_of

torch = pytest.importorskip("torch", reason="torchvision needs torch")
if importlib.util.find_spec("torchvision") is None:
    pytest.skip("torchvision is not installed", allow_module_level=True)
from helpers import against_torchvision  # noqa: E402
from helpers.against_torchvision import (  # noqa: E402
    INTERPOLATIONS,
    augmented,
    draws_of,
    share,
    tied_map,
    v2,
)
from helpers.torchvision_functions import (  # noqa: E402
    OPERATIONS,
    Call,
    chosen,
    strength,
)
from helpers.transforms import one_level  # noqa: E402

images = against_torchvision.images


# The largest magnitude of each operation. Posterize keeps 8 - magnitude bits, and the
# threshold of Solarize is 1 - magnitude.
WIDE = {"Shear": 0.99, "Translate": 32, "Rotate": 135, "Posterize": 6, "Solarize": 1}
NARROW = {"Shear": 0.3, "Rotate": 30, "Posterize": 4, "Solarize": 1}


def policy_draw(transform, flat, i):
    """Return operation, level and sign of image i, and the operation's place.

    The place is None if the operation is no core transform.
    """
    call = Call(transform, None, None, i, 0, flat)
    at, k = chosen(call, 0)
    name, sign = OPERATIONS[k]
    if flat[at][2]["n_inner"] == 0:
        return name, 0, 1, None
    level, drawn_sign = strength(flat[at + 1][2], call.draws(at + 1))
    return name, level, sign or drawn_sign or 1, at + 1


def exact_magnitude(name, level, sign, n_levels, largest):
    """Return the magnitude in float64. The tables of torchvision hold float32."""
    if name in ("Identity", "AutoContrast", "Equalize"):
        return 0.0
    magnitude = largest[name] * (level / (n_levels - 1))
    if name == "Posterize":
        return round(8 - magnitude)
    return 1 - magnitude if name == "Solarize" else sign * magnitude


# Warps are close to torchvision's, and all other operations except sharpness are equal
# (test_torchvision.py).
WARPS = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
FACTORS = ("Brightness", "Contrast", "Sharpness")


def policy_is_torchvisions(images, transform, policy, largest, level=None):
    """Compare every operation, level and sign that occurs with torchvision's.

    Each image is augmented many times. Returns the set of operations that occurred, and
    the set of operations for which torchvision's image changes with the rounding of the
    magnitude to float32, because it is truncated or compared with gray levels.
    """
    shape, n_levels = images.shape[1:], transform.num_magnitude_bins
    transforms = compile_transforms(transform, *shape, 1).transforms
    occurrences = {}  # place and images of each operation, level and sign
    for i in range(8000 if level is None else 400):
        name, drawn, sign, place = policy_draw(transform, transforms, i)
        drawn = drawn if level is None or name == "Identity" else level
        occurrences.setdefault((name, drawn, sign), (place, []))[1].append(i)
    n = 1 + max(max(numbers) for _, numbers in occurrences.values())
    differ = set()
    for image in images:
        got = augmented(np.repeat(image[None], n, axis=0), transform)
        tensor = torch.from_numpy(image[None])
        for key, (place, numbers) in occurrences.items():
            name, drawn, sign = key
            repeats = got[numbers]
            assert (repeats == repeats[0]).all(), key
            first = repeats[:1]

            def apply(magnitude, name=name, tensor=tensor):
                options = {"interpolation": transform.interpolation}
                options["fill"] = policy._fill
                return policy._apply_image_or_video_transform(
                    tensor, name, magnitude, **options
                ).numpy()

            magnitude = exact_magnitude(name, drawn, sign, n_levels, largest)
            want = apply(magnitude)
            if name in WARPS and transform.interpolation == "bilinear":
                assert share(first, want, 1) >= 0.995, key
            elif name in WARPS:
                draws = draws_of(numbers[0], place + 1)
                free = ~tied_map(transforms[place][2], draws, shape)
                if free.any():
                    assert share(first[0][free], want[0][free]) == 1, key
                else:
                    assert name == "Rotate" and magnitude % 90 == 0, key
            else:
                assert share(first, want, 1) == 1, key
                assert share(first, want) >= (0.99 if name == "Sharpness" else 1), key
            table = policy._AUGMENTATION_SPACE[name][0](n_levels, *shape)
            if table is not None:
                rounded = float(table[drawn]) * sign
                assert math.isclose(rounded, magnitude, rel_tol=1e-5, abs_tol=1e-6)
                is_rounded = name.startswith(("Translate", "Posterize", "Solarize"))
                if is_rounded and share(apply(rounded), want) < 1:
                    differ.add((name, drawn))
    return set(occurrences), differ


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_every_operation_of_trivial_augment_is_torchvisions(images, interpolation):
    transform = ff.TrivialAugmentWide(interpolation=interpolation)
    policy = v2.TrivialAugmentWide(
        interpolation=v2.InterpolationMode(interpolation), fill=None
    )
    largest = {
        f"{name}{axis}": WIDE[name] for name in ("Shear", "Translate") for axis in "XY"
    }
    largest |= WIDE | dict.fromkeys(("Brightness", "Contrast", "Sharpness"), 0.99)
    occurred, differ = policy_is_torchvisions(images[8:11], transform, policy, largest)
    assert len(occurred) == 3 + 5 * 62 + 3 * 62 + 2 * 31
    # In float32, 32 * 15 / 30 is 15.999999, which is truncated to 15. Three thresholds
    # are just above the gray level that they should be.
    moves = {("TranslateX", 15), ("TranslateY", 15)}
    assert moves <= differ
    assert differ <= moves | {("Solarize", level) for level in (16, 18, 24)}


@pytest.mark.parametrize("magnitude", [0, 1, 9, 17, 30])
def test_every_operation_of_rand_augment_is_torchvisions(images, magnitude):
    transform = ff.RandAugment(1, magnitude, interpolation="bilinear")
    height, width = images.shape[1:]
    largest = NARROW | dict.fromkeys(("Brightness", "Contrast", "Sharpness"), 0.9)
    largest |= {"ShearX": 0.3, "ShearY": 0.3}
    largest |= {"TranslateX": 150 / 331 * width, "TranslateY": 150 / 331 * height}
    policy = v2.RandAugment(1, magnitude, interpolation="bilinear", fill=None)
    occurred, differ = policy_is_torchvisions(
        images[8:12], transform, policy, largest, magnitude
    )
    assert len(occurred) == 3 + 5 * 2 + 3 * 2 + 2
    assert not differ


# ---- AutoAugment --------------------------------------------------------------------

POLICY_NAMES = ["imagenet", "cifar10", "svhn"]


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_the_pairs_of_auto_augment_are_torchvisions(name):
    known = next(policy for policy in v2.AutoAugmentPolicy if policy.value == name)
    want = [
        [(operation, p, (level or 0) / 9) for operation, p, level in pair]
        for pair in v2.AutoAugment(known)._policies
    ]
    assert pairs_of(name) == want and len(want) == 25
    assert ff.AutoAugment(known) == ff.AutoAugment(name)


def test_the_policies_of_auto_augment_are_torchvisions():
    assert [policy.value for policy in v2.AutoAugmentPolicy] == POLICY_NAMES


@pytest.mark.parametrize("name", POLICY_NAMES)
def test_auto_augment_is_a_choice_of_its_pairs(name):
    """Color does nothing to grayscale images, and is left out."""
    policy = ff.AutoAugment(name, "bilinear", 9)
    space = policy._space(21, 34)
    first, *rest = compile_transforms(policy, 21, 34, 1).transforms
    assert first == ("choice", 1.0, {"n_inner": len(rest)})
    for k, pair in enumerate(pairs_of(name)):
        want = [
            (space[operation](strength)[0], p, space[operation](strength)[2])
            for operation, p, strength in pair
            if operation != "Color"
        ]
        until = round(2**32 * ((k + 1) / 25))
        group = "group", 1.0, {"n_inner": len(want), "until": until}
        assert [rest.pop(0) for _ in range(len(want) + 1)] == [group, *want]
    assert not rest


def images_of(core, images):
    """Return images after a core transform without random numbers."""
    height, width = images.shape[1:]
    compiled = SimpleNamespace(transforms=[core], mix=None, height=height, width=width)
    program = _core.Program(compiled, height, width)
    done = [program.run(x, seed=0, epochs=[0], position=0) for x in images]
    return np.concatenate(done)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_every_operation_of_auto_augment_is_torchvisions(images, interpolation):
    """Compare all ten strengths with both signs, also those that no policy has."""
    images, shape = images[8:12], images.shape[1:]
    space = ff.AutoAugment(interpolation=interpolation)._space(*shape)
    policy = v2.AutoAugment(interpolation=v2.InterpolationMode(interpolation))
    assert {*space, "Color"} == set(policy._AUGMENTATION_SPACE)
    n_compared = 0
    for name, (magnitudes, is_signed) in policy._AUGMENTATION_SPACE.items():
        table = magnitudes(10, *shape)
        for level, sign in itertools.product(range(10), (1, -1)):
            if name == "Color" or (sign < 0 and not is_signed):
                continue
            kind, _, fields = space[name](level / 9)
            factor = "value" if kind == "tone" else "factor"
            choices = fields.get(factor, {"n_levels": 0})["n_levels"]
            assert choices == (2 if is_signed and kind != "affine" else 0)
            fields = one_level(fields, int(sign > 0), sign < 0)
            got = images_of((kind, 1.0, fields), images)
            magnitude = 0.0 if table is None else float(table[level]) * sign
            if name in FACTORS:  # 0.4 in place of 0.39999998
                magnitude = round(magnitude, 6)
            options = {"interpolation": interpolation, "fill": policy._fill}
            want = policy._apply_image_or_video_transform(
                torch.from_numpy(images[:, None]), name, magnitude, **options
            ).numpy()[:, 0]
            key = name, level, sign
            if name in WARPS and interpolation == "bilinear":
                assert share(got, want, 1) >= 0.995, key
            elif name in WARPS:
                free = ~tied_map(fields, draws_of(0), shape)
                assert share(got[:, free], want[:, free]) == 1, key
                assert free.mean() > 0.4, key
            else:
                assert share(got, want, 1) == 1, key
                assert share(got, want) >= (0.98 if name == "Sharpness" else 1), key
            n_compared += 1
    assert n_compared == 8 * 20 + 5 * 10

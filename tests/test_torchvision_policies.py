"""Every operation of a policy gives the image of torchvision (test_torchvision.py)."""

import importlib.util
import math

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast.augment import compile_transforms

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

images = against_torchvision.images


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
# The largest magnitude of each operation. Posterize keeps 8 - magnitude bits, and the
# threshold of Solarize is 1 - magnitude.
WIDE = {"Shear": 0.99, "Translate": 32, "Rotate": 135, "Posterize": 6, "Solarize": 1}
NARROW = {"Shear": 0.3, "Rotate": 30, "Posterize": 4, "Solarize": 1}


def policy_draw(transforms, i):
    """Return operation, level and sign of image i, and the operation's place."""
    word, at, k = draws_of(i).word(), 1, 0
    while word >= transforms[at][2]["until"]:
        at, k = at + 1 + transforms[at][2]["n_inner"], k + 1
    name, sign = OPERATIONS[k]
    if transforms[at][2]["n_inner"] == 0:
        return name, 0, 1, None
    _, _, fields = transforms[at + 1]
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
        name, drawn, sign, place = policy_draw(transforms, i)
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

"""Warps against torchvision's, with the same draws: see test_torchvision.py."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
import reference_geometry

import fmnist_fast as ff

torch = pytest.importorskip("torch", reason="torchvision needs torch")
if importlib.util.find_spec("torchvision") is None:
    pytest.skip("torchvision is not installed", allow_module_level=True)
from helpers import against_torchvision  # noqa: E402
from helpers.against_torchvision import (  # noqa: E402
    INTERPOLATIONS,
    F,
    draws_of,
    is_close,
    ours,
    share,
    theirs,
    theirs_each,
    tied,
    v2,
)

images = against_torchvision.images


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
    noise = reference_geometry.elastic_noise(draws_of(i), *shape)
    fields = [
        reference_geometry.displacement(each, alpha, *step.sigma)
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

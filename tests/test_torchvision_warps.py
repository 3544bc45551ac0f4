"""Warps give the images of torchvision for the same draws (test_torchvision.py)."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
import reference_geometry
from PIL import Image

import fmnist_fast as ff

torch = pytest.importorskip("torch", reason="torchvision needs torch")
if importlib.util.find_spec("torchvision") is None:
    pytest.skip("torchvision is not installed", allow_module_level=True)
from helpers import against_torchvision  # noqa: E402
from helpers.against_torchvision import (  # noqa: E402
    INTERPOLATIONS,
    F,
    augmented,
    draws_of,
    is_close,
    share,
    tied,
    torchvision_all,
    torchvision_each,
    v2,
)
from helpers.torchvision_functions import theirs  # noqa: E402
from reference_transforms import moved_corners, perspective_map  # noqa: E402

images = against_torchvision.images


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("angle", [30, -17.3, 123.4, 5, 90, 180, -90, 359.9])
def test_rotations_are_close(images, angle, interpolation):
    for center in (None, (3, 20)):
        transform = ff.RandomRotation((angle, angle), interpolation, center=center)
        named = {"interpolation": interpolation, "center": center}
        want = torchvision_all(images, F.rotate, angle, **named)
        is_tied = tied(transform, images.shape[1:])
        if interpolation == "nearest" and is_tied.all():
            # After a quarter turn about the center, rows lie between columns.
            assert center is None and angle % 180 == 90 and sum(is_tied.shape) % 2
            continue
        assert is_close(augmented(images, transform), want, interpolation, is_tied)


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
        transform = ff.RandomAffine(0, None, scale, shear, interpolation, center=center)
        both = (*(shear or (0, 0)), 0, 0)
        want = torchvision_all(
            images,
            F.affine,
            angle=0,
            translate=[0, 0],
            scale=scale[0] if scale else 1.0,
            shear=[both[0], both[2]],
            interpolation=interpolation,
            center=center,
        )
        is_tied = tied(transform, images.shape[1:])
        assert is_close(augmented(images, transform), want, interpolation, is_tied)


def affine_parameters(transform, draws, height, width):
    """Return the arguments of F.affine, drawn in the order of the core."""
    angle = draws.uniform(*transform.degrees)
    x, y = transform.translate
    translate = [draws.uniform(-x * width, x * width)]
    translate += [draws.uniform(-y * height, y * height)]
    scale = draws.uniform(*transform.scale)
    shear = [draws.uniform(*transform.shear[:2]), draws.uniform(*transform.shear[2:])]
    return {
        "angle": angle,
        "translate": [round(t) for t in translate],
        "scale": scale,
        "shear": shear,
    }


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("center", [None, (5, 9)])
def test_affine_maps_are_close(images, center, interpolation):
    transform = ff.RandomAffine(
        (-170, 120),
        translate=(0.2, 0.3),
        scale=(0.6, 1.6),
        shear=(-20, 30, -15, 10),
        interpolation=interpolation,
        center=center,
    )

    def affine(image, i):
        named = affine_parameters(transform, draws_of(i), *image.shape[-2:])
        named |= {"interpolation": interpolation, "center": center}
        return F.affine(image, **named)

    want = torchvision_each(images, affine)
    is_tied = [tied(transform, images.shape[1:], i) for i in range(len(images))]
    assert is_close(
        augmented(images, transform), want, interpolation, np.array(is_tied)
    )


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_translations_are_equal(images, interpolation):
    """Translations are by whole pixels, which are rounded as in torchvision."""
    transform = ff.RandomAffine(0, (0.4, 0.3), interpolation=interpolation, fill=3)

    def translate(image, i):
        parts = {"scale": (1, 1), "shear": (0, 0, 0, 0), "degrees": (0, 0)}
        parts = SimpleNamespace(translate=transform.translate, **parts)
        named = affine_parameters(parts, draws_of(i), *image.shape[-2:])
        return F.affine(image, **named, interpolation=interpolation, fill=3)

    got, want = augmented(images, transform), torchvision_each(images, translate)
    if interpolation == "nearest":
        assert share(got, want) == 1
    else:  # torchvision's float32 points are slightly off the whole pixels
        assert share(got, want, 1) == 1


@pytest.mark.parametrize("fill", [0, 40, 255])
def test_fill_is_weighted_once_here_and_twice_in_torchvision(images, fill):
    """torchvision multiplies border pixels by the weights inside the image twice.

    At the border, a pixel is the mean of pixels inside the image, whose weights sum to
    `mask`, and of the fill. The core computes

        inside + (1 - mask) * fill,

    where `inside` is the weighted sum of the pixels inside the image. torchvision
    multiplies `inside`, which already has the weights, by the mask again:

        mask * inside + (1 - mask) * fill.

    Both are equal without a fill, where the outside is black (tests above). A fill of
    0, which is the default of torchvision's classes, counts as a fill.
    """
    angle = 33.0
    transform = ff.RandomRotation((angle, angle), "bilinear", fill=fill)
    got = augmented(images, transform)
    named = {"angle": angle, "interpolation": "bilinear"}
    inside = torchvision_all(images.astype(np.float32), F.rotate, **named)
    mask = torchvision_all(np.ones_like(images, dtype=np.float32), F.rotate, **named)
    once = np.round(inside + (1 - mask) * fill).astype(np.uint8)
    twice = np.round(mask * inside + (1 - mask) * fill).astype(np.uint8)
    filled = torchvision_all(images, F.rotate, **named, fill=fill)
    assert share(got, once, 1) >= 0.995
    assert share(filled, twice, 1) == 1
    whole, border = (mask > 0.9999) | (mask == 0), (mask > 0.05) & (mask < 0.95)
    assert share(got[whole], filled[whole], 1) >= 0.995
    assert border.mean() > 0.02
    lit = border & (inside > 40)
    assert (got[lit] > filled[lit]).mean() > 0.9


@pytest.mark.parametrize("fill", [40, 255])
def test_fill_of_nearest_pixels_is_close(images, fill):
    transform = ff.RandomAffine((30, 30), scale=(0.7, 0.7), fill=fill)
    named = {"translate": [0, 0], "shear": [0, 0], "fill": fill}
    want = torchvision_all(images, F.affine, angle=30, scale=0.7, **named)
    is_tied = tied(transform, images.shape[1:])
    assert is_close(augmented(images, transform), want, "nearest", is_tied)


ELASTIC = [(50.0, 5.0), (90.0, 4.0), ((20.0, 60.0), (2.0, 5.0)), (8.0, 0.0)]


def displacement_of(transform, shape, i):
    """Return the displacement of image i in pixels, float64 (height, width, 2)."""
    noise = reference_geometry.elastic_noise(draws_of(i).key(), *shape)
    fields = [
        reference_geometry.displacement(field, alpha, *transform.sigma)
        for field, alpha in zip(noise, transform.alpha)
    ]
    return np.stack(fields, axis=2) * 2.0**-16


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("alpha, sigma", ELASTIC)
def test_elastic_warps_are_close(images, alpha, sigma, interpolation):
    transform = ff.ElasticTransform(alpha, sigma, interpolation)
    images, shape = images[:25], images.shape[1:]

    def elastic(image, i):
        # The coordinates of torchvision go from -1 to 1 over the width and height.
        scale = 2 / shape[1], 2 / shape[0]
        normalized = displacement_of(transform, shape, i) * scale
        displacement = torch.from_numpy(normalized[None])
        return F.elastic(image, displacement, interpolation=interpolation)

    want, got = torchvision_each(images, elastic), augmented(images, transform)
    if interpolation == "nearest":  # few points are in the middle between two pixels
        assert share(got, want) >= 0.995
    else:
        assert share(got, want, 2) == 1 and share(got, want, 1) >= 0.995


# ---- perspective maps ---------------------------------------------------------------


def tied_points(images, transform):
    """Return where a point of a perspective map is between two pixels (`tied`)."""
    shape, is_tied = images.shape[1:], []
    fields = against_torchvision.fields_of(transform, shape)
    y, x = np.ogrid[: shape[0], : shape[1]]
    for i in range(len(images)):
        m = perspective_map(moved_corners(fields, draws_of(i), shape), shape)
        points = reference_geometry.perspective_points(m, shape, x, y)
        px, py = (abs(p % 65536 - 32768) < 64 for p in points)
        is_tied.append(px | py)
    return np.array(is_tied)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("distortion_scale", [0.1, 0.5, 0.8])
def test_perspective_maps_are_close(images, distortion_scale, interpolation):
    transform = ff.RandomPerspective(distortion_scale, 0.9, interpolation)
    got, want = augmented(images, transform), theirs(images, [transform], None)
    is_tied = tied_points(images, transform)
    assert is_close(got, want, interpolation, is_tied)
    assert 0.02 < share(got, images) < 0.9


@pytest.mark.parametrize("fill", [40, 255])
def test_fill_around_a_perspective_map(images, fill):
    """Nearest pixels are torchvision's. Its mask makes bilinear borders darker."""
    transform = ff.RandomPerspective(0.6, 1.0, "nearest", fill)
    got, want = augmented(images, transform), theirs(images, [transform], fill)
    assert is_close(got, want, "nearest", tied_points(images, transform))
    black = [ff.RandomPerspective(0.6, 1.0)]
    masked, unmasked = theirs(images, black, 0), theirs(images, black, None)
    assert (masked <= unmasked).all() and 0.9 < share(masked, unmasked) < 0.995


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("antialias", [True, False])
def test_zoomed_out_images_are_close(images, antialias, interpolation):
    transform = ff.RandomZoomOut(60, (1.0, 4.0), 0.9, interpolation, antialias)
    got, want = augmented(images, transform), theirs(images, [transform])
    if interpolation == "bilinear":
        assert share(got, want, 1) == 1
    else:  # torchvision rounds the ratio of both sizes to float32
        assert share(got, want) > 0.998
    assert (got == 60).mean() > 0.3


def test_other_seeds_draw_other_maps(images):
    for t in (ff.RandomPerspective(0.5, 1.0), ff.RandomZoomOut(0, (1, 3), 1.0)):
        first, second = (augmented(images, t, seed=seed) for seed in (3, 4))
        want = theirs(images, [t], None, seed=4)
        assert share(first, second) < 0.9 and share(second, want, 2) > 0.99


@pytest.mark.parametrize("angle", [-161.7, -26, 45, 77.7])
def test_two_levels_are_rare(real_train, angle):
    """Images and warps are others than those of docs/augmentation.md."""
    images = real_train.images[:3000].copy()
    got = augmented(images, ff.RandomRotation((angle, angle), "bilinear"))
    want = torchvision_all(images, F.rotate, angle, interpolation="bilinear")
    assert share(got, want, 2) == 1 and share(got, want, 1) >= 0.9999
    named = {"translate": [0, 0], "scale": 0.6, "shear": [30, -20]}
    transform = ff.RandomAffine(
        (angle, angle), None, (0.6, 0.6), (30, 30, -20, -20), "bilinear"
    )
    got = augmented(images, transform)
    named["interpolation"] = "bilinear"
    want = torchvision_all(images, F.affine, angle=angle, **named)
    assert share(got, want, 2) == 1 and share(got, want, 1) >= 0.9999


@pytest.mark.parametrize("angle", [90, 270, 10, 45, 67.5])
@pytest.mark.parametrize("shape", [(28, 28), (27, 28), (21, 34)], ids=str)
def test_nearest_rotations_are_pillows(shape, angle):
    """Pillow decides where a point is between two pixels, as after a quarter turn."""
    image = np.random.default_rng(2).integers(0, 256, (1, *shape), dtype=np.uint8)
    got = augmented(image, ff.RandomRotation((angle, angle)))[0]
    assert np.array_equal(got, np.asarray(Image.fromarray(image[0]).rotate(angle)))


@pytest.mark.parametrize("alpha, sigma", [(50, 5), (90, 4), ((20.0, 60.0), 2)])
def test_displacements_are_as_large_and_as_smooth_as_torchvisions(alpha, sigma):
    """Three extended boxes replace torchvision's Gaussian, which ends at 4 sigma.

    The two sigmas are equal here, because torchvision ends both directions at 4 times
    the same sigma.
    """
    shape, n = (64, 72), 60
    transform = ff.ElasticTransform(alpha, sigma)
    torch.manual_seed(1)
    image, elastic = torch.zeros(1, *shape), v2.ElasticTransform(alpha, sigma)
    want = np.stack(
        [elastic.make_params([image])["displacement"][0].numpy() for _ in range(n)]
    ) * (shape[1] / 2, shape[0] / 2)
    got = np.stack([displacement_of(transform, shape, i) for i in range(n)])
    for x, y in zip(np.moveaxis(got, 3, 0), np.moveaxis(want, 3, 0)):
        assert abs(x.std() / y.std() - 1) < 0.12
        for k in (1, 3, 6):
            assert (
                abs((x[:, k:] - x[:, :-k]).std() / (y[:, k:] - y[:, :-k]).std() - 1)
                < 0.12
            )
            across = (x[:, :, k:] - x[:, :, :-k]).std()
            assert abs(across / (y[:, :, k:] - y[:, :, :-k]).std() - 1) < 0.12
        # Both reflect the noise at the edges, so that edges move farther.
        assert abs(x[:, 0].std() / y[:, 0].std() - 1) < 0.3

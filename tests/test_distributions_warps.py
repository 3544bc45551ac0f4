"""Warps and policies follow their distributions, as test_distributions.py explains."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import reference
import reference_geometry
from reference_draws import Key
from reference_operations import Perspective
from reference_transforms import perspective_map

import fmnist_fast as ff
from fmnist_fast.augment import compile_transforms

stats = pytest.importorskip("scipy.stats", reason="distributions are scipy's")
from helpers.significance import (  # noqa: E402
    ROUGH,
    STAMP,
    UNLIKELY,
    N,
    boxes,
    counts_of,
    drawn,
    has_probability,
    has_shares,
    independent,
    readings,
    same_distribution,
    uncorrelated,
)
from helpers.transforms import one_level  # noqa: E402


def rounded_shares(reach, most):
    """Return shares of -most..most for a number uniform in -reach..reach, rounded."""
    edges = np.clip(np.arange(-most, most + 2) - 0.5, -reach, reach)
    return np.diff(edges) / (2 * reach)


def test_translations_are_uniform_and_rounded():
    """Images move by at most 4.8 and 2.4 pixels, so the outermost shifts are rarer."""
    x = drawn(STAMP, [ff.RandomAffine(0, translate=(0.3, 0.3))])[:, 4, 8].astype(int)
    left, top = 8 - x % 16, 4 - x // 16
    across, down = rounded_shares(4.8, 5), rounded_shares(2.4, 2)
    assert across[0] < across[1] / 3 and down[0] < down[1]
    code = (left + 5) * 5 + top + 2
    shares = np.multiply.outer(across, down).ravel()
    assert has_shares(counts_of(code, shares), shares) > UNLIKELY
    # A quarter of 16 and of 8 is a whole number. The outermost shifts are half as
    # frequent as the inner ones.
    x = drawn(STAMP, [ff.RandomAffine(0, translate=(0.25, 0.25))])[:, 4, 8].astype(int)
    counts = np.bincount(8 - x % 16 + 4, minlength=9)
    assert has_shares(counts, np.array([0.5, *[1] * 7, 0.5]) / 8) > UNLIKELY
    counts = np.bincount(4 - x // 16 + 2, minlength=5)
    assert has_shares(counts, np.array([0.5, *[1] * 3, 0.5]) / 4) > UNLIKELY


def nearest(x):
    """Return the nearest whole numbers, with halves rounded up."""
    return np.floor(x + 0.5)


def test_scales_are_uniform():
    """The first pixel of a row of 101 shows a pixel between it and the middle."""
    shares = readings(lambda scale: nearest(50 - 50 / scale), 1.0, 2.0)
    x = drawn([np.arange(101)], [ff.RandomAffine(0, scale=(1.0, 2.0))])[:, 0, 0]
    assert has_shares(counts_of(x, shares), shares) > UNLIKELY


@pytest.mark.parametrize("axis", [0, 1])
def test_shears_are_uniform(axis):
    """A shear moves the first row or column by a multiple of its tangent."""
    image = np.tile(np.arange(101, dtype=np.uint8), (61, 1))
    shear = (-20, 50) if axis == 0 else (0, 0, -20, 50)
    transforms = [ff.RandomAffine(0, shear=shear)]

    def place(degrees):
        return nearest(50 - 30 * np.tan(np.radians(degrees)))

    shares = readings(place, -20, 50)
    x = drawn(image if axis == 0 else image.T.copy(), transforms, 10_000)
    x = x[:, 0, 50] if axis == 0 else x[:, 50, 0]
    assert has_shares(counts_of(x, shares), shares) > UNLIKELY


@pytest.mark.parametrize("degrees", [(-180, 180), (10, 70), (-40, 5)])
def test_angles_are_uniform(degrees):
    """A pixel at distance 6.5 from the middle shows a pixel of the circle around it."""

    def place(angle):
        sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
        x = nearest(7.5 + 6.5 * cosine + 0.5 * sine)
        y = nearest(7.5 + 6.5 * sine - 0.5 * cosine)
        return 16 * y + x

    image = np.arange(256).reshape(16, 16)
    for transform, sign in (
        (ff.RandomRotation(degrees), 1),
        (ff.RandomAffine(degrees), -1),
    ):
        x = drawn(image, [transform])[:, 7, 14]
        shares = readings(lambda angle, k=sign: place(k * angle), *degrees)
        assert has_shares(counts_of(x, shares), shares) > UNLIKELY
        if degrees == (-180, 180):
            assert independent(x[1:] // 64, x[:-1] // 64) > UNLIKELY


@pytest.mark.parametrize("p", [1.0, 0.3])
def test_corners_are_uniform_and_independent(p):
    """Each corner has two places along each axis, which the image shows."""
    transform = ff.RandomPerspective(0.25, p)
    fields = transform._fields(8, 8)
    assert (fields["n_x"], fields["n_y"]) == (2, 2)
    shares = {}
    for offsets in itertools.product(range(2), repeat=8):
        x, y = offsets[::2], offsets[1::2]
        corners = [
            (x[0], y[0]),
            (6 + x[1], y[1]),
            (6 + x[2], 6 + y[2]),
            (x[3], 6 + y[3]),
        ]
        m = perspective_map(corners, (8, 8))
        image = reference_geometry.perspective(ROUGH, Perspective(m, 1, 0)).tobytes()
        shares[image] = shares.get(image, 0) + p / 256
    assert len(shares) == 256
    shares[ROUGH.tobytes()] += 1 - p
    number = {image: k for k, image in enumerate(shares)}
    codes = np.array([number[x.tobytes()] for x in drawn(ROUGH, [transform])])
    expected = np.array(list(shares.values()))
    assert has_shares(np.bincount(codes, minlength=256), expected) > UNLIKELY
    if p == 1:
        assert independent(codes[1:] // 16, codes[:-1] // 16) > UNLIKELY


@pytest.mark.parametrize("side_range", [(1.0, 4.0), (1.5, 2.0)])
def test_canvases_and_places_are_uniform(side_range):
    """With "nearest", the white box shows the canvas and the image's place on it."""
    (height, width), n, rng = (14, 16), 10 * N, np.random.default_rng(6)
    transform = ff.RandomZoomOut(0, side_range, 1.0, "nearest")
    got = boxes(drawn(np.full((height, width), 255), [transform]), lambda x: x == 255)
    factor = rng.uniform(*side_range, n)
    expected = []
    for side in (height, width):
        canvas = (side * factor).astype(int)
        first = ((canvas - side) * rng.uniform(size=n)).astype(int)
        place = np.arange(side) * canvas[:, None] // side
        is_white = (place >= first[:, None]) & (place < first[:, None] + side)
        expected.append((is_white.argmax(axis=1), is_white.sum(axis=1)))
    (top, left), (h, w) = zip(*expected)
    for parts in itertools.combinations(zip(got, (top, left, h, w)), 2):
        codes = [17 * a + b for a, b in zip(*parts)]
        assert same_distribution(*codes) > UNLIKELY
    area = got[2] * got[3]
    assert uncorrelated(area[1:] * 1.0, area[:-1] * 1.0) > UNLIKELY


def test_images_are_zoomed_out_with_probability_p():
    x = drawn([[255] * 9], [ff.RandomZoomOut(0, (2, 2), 0.3)])
    assert has_probability((x[:, 0] != 255).any(axis=1), 0.3) > UNLIKELY


# ---- policies -----------------------------------------------------------------------


def ways(core):
    """Yield what a core transform may do: a probability and a list of one or none.

    It is skipped, or runs at each of its levels, with each sign.
    """
    kind, p, fields = core
    ranges = [value for value in fields.values() if isinstance(value, dict)]
    n_levels = max([1, *(value["n_levels"] for value in ranges)])
    n_signs = 1 + any(value["random_sign"] for value in ranges)
    for level in range(n_levels):
        for sign in range(n_signs):
            yield p / n_levels / n_signs, [(kind, 1.0, one_level(fields, level, sign))]
    if p < 1:
        yield 1 - p, []


def alternatives(transform, height, width):
    """Yield all that a policy may do, if each of its alternatives is drawn once.

    Each is a pair of a probability and a list of core transforms.
    """
    core_transforms, at, before = (
        compile_transforms(transform, height, width, 1).transforms,
        1,
        0,
    )
    while at < len(core_transforms):
        group = core_transforms[at][2]
        share, before = (group["until"] - before) / 2**32, group["until"]
        inner = core_transforms[at + 1 : at + 1 + group["n_inner"]]
        for parts in itertools.product(*map(ways, inner)):
            done = [core for _, cores in parts for core in cores]
            yield share * math.prod(part for part, _ in parts), done
        at += 1 + group["n_inner"]


def outcomes(transform, image, n_operations):
    """Return the probability of each image that the reference's policy can return.

    The keys are the bytes of the images. The policy runs `n_operations` operations.
    """
    height, width = image.shape
    shares = {}
    choices = list(alternatives(transform, height, width))
    for parts in itertools.product(choices, repeat=n_operations):
        core_transforms = [core for _, cores in parts for core in cores]
        compiled = SimpleNamespace(
            transforms=core_transforms, height=height, width=width
        )
        x = reference.augmented(compiled, image, Key(0, 0, 0), 0).tobytes()
        shares[x] = shares.get(x, 0) + math.prod(share for share, _ in parts)
    return shares


@pytest.mark.parametrize(
    "policy, n_operations, least",
    [
        (ff.TrivialAugmentWide(), 1, 150),
        (ff.TrivialAugmentWide(4, fill=9), 1, 30),
        (ff.RandAugment(1, 20), 1, 15),
        (ff.RandAugment(2, 20), 2, 200),
    ],
    ids=repr,
)
def test_policies_draw_operations_levels_and_signs_uniformly(
    policy, n_operations, least
):
    """Two consecutive operations are independent."""
    image = np.random.default_rng(7).integers(30, 200, (8, 10)).astype(np.uint8)
    single = policy
    if n_operations == 2:
        single = ff.RandAugment(1, policy.magnitude)
    shares = outcomes(single, image, n_operations)
    assert len(shares) > least
    assert has_outcomes(policy, image, shares) > UNLIKELY


def has_outcomes(policy, image, shares):
    """Return the p-value of a policy, given the probability of each image."""
    number = {x: k for k, x in enumerate(shares)}
    codes = np.array([number[x.tobytes()] for x in drawn(image, [policy])])
    expected = np.array(list(shares.values()))
    return has_shares(np.bincount(codes, minlength=len(number)), expected)


@pytest.mark.parametrize("name", ["imagenet", "cifar10", "svhn"])
def test_auto_augment_draws_pairs_their_operations_and_signs(name):
    """Each pair has the probability 1/25, and each operation its own.

    Equalize changes images with more pixels than gray levels.
    """
    image = np.random.default_rng(7).integers(30, 200, (16, 20)).astype(np.uint8)
    policy = ff.AutoAugment(name, fill=9)
    shares = outcomes(policy, image, 1)
    assert len(shares) >= {"imagenet": 38, "cifar10": 70, "svhn": 85}[name]
    assert has_outcomes(policy, image, shares) > UNLIKELY

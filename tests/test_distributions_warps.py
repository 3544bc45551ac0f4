"""Warps and policies follow their distributions, as test_distributions.py explains."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import reference
from reference_draws import Key

import fmnist_fast as ff
from fmnist_fast.augment import compile_transforms

stats = pytest.importorskip("scipy.stats", reason="distributions are scipy's")
from helpers.significance import (  # noqa: E402
    STAMP,
    UNLIKELY,
    counts_of,
    drawn,
    has_shares,
    independent,
    readings,
)


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


# ---- policies -----------------------------------------------------------------------


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


def alternatives(transform, height, width):
    """Yield all alternatives of a policy of one operation, at all levels and signs.

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
        ranges = [v for core in inner for v in core[2].values() if isinstance(v, dict)]
        n_levels = max([1, *(v["n_levels"] for v in ranges)])
        n_signs = 1 + any(v["random_sign"] for v in ranges)
        for level in range(n_levels):
            for sign in range(n_signs):
                fixed = [(kind, 1.0, one_level(f, level, sign)) for kind, _, f in inner]
                yield share / n_levels / n_signs, fixed
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
    number = {x: k for k, x in enumerate(shares)}
    codes = np.array([number[x.tobytes()] for x in drawn(image, [policy])])
    expected = np.array(list(shares.values()))
    assert has_shares(np.bincount(codes, minlength=len(number)), expected) > UNLIKELY

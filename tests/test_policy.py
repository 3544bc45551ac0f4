"""Compiled forms of policies."""

import pytest
from helpers.transforms import ALL, affine, compiled, drawn

from fmnist_fast.augment import (
    RandAugment,
    TrivialAugmentWide,
)


def operations(transform, height=30, width=40):
    """Return the share of each alternative, in 26ths, and its core transforms."""
    flat = compiled(transform, height=height, width=width).transforms
    (kind, p, fields), *rest = flat
    assert (kind, p, fields["n_inner"]) == ("choice", 1.0, len(rest))
    out, before = [], 0
    while rest:
        kind, p, fields = rest.pop(0)
        assert (kind, p) == ("group", 1.0)
        inner = [rest.pop(0) for _ in range(fields["n_inner"])]
        share = (fields["until"] - before) * 26 / ALL
        assert share == pytest.approx(round(share), abs=1e-7)
        before = fields["until"]
        out.append((round(share), inner))
    assert before == ALL
    return out


def tone(kind, *value):
    return "tone", 1.0, {"kind": kind, "value": drawn(*value)}


def sharpness(*value):
    return "sharpness", 1.0, {"factor": drawn(*value)}


CORNER = {"shear_tangent": 1, "center_x": -20.0, "center_y": -15.0}


def test_trivial_augment():
    got = operations(TrivialAugmentWide(11, "bilinear", 5))
    warp = {"interpolation": 1, "fill": 5}
    assert got == [
        (2, []),
        (2, [affine(shear_x=drawn(0.0, 0.99, 11, 1), **CORNER, **warp)]),
        (2, [affine(shear_y=drawn(0.0, 0.99, 11, 1), **CORNER, **warp)]),
        (2, [affine(translate_x=drawn(0.0, 32.0, 11, 1), truncate=1, **warp)]),
        (2, [affine(translate_y=drawn(0.0, 32.0, 11, 1), truncate=1, **warp)]),
        (2, [affine(angle=drawn(0.0, 135.0, 11, 1), counter_clockwise=1, **warp)]),
        (1, [tone(3, 1.0, 1.99, 11)]),
        (1, [tone(3, 1.0, 1.0 - 0.99, 11)]),
        (1, [tone(4, 1.0, 1.99, 11)]),
        (1, [tone(4, 1.0, 1.0 - 0.99, 11)]),
        (1, [sharpness(1.0, 1.99, 11)]),
        (1, [sharpness(1.0, 1.0 - 0.99, 11)]),
        (2, [tone(1, 8.0, 2, 11)]),
        (2, [tone(2, 255.0, 0.0, 11)]),
        (2, [tone(5, 0.0, 0.0)]),
        (2, [tone(6, 0.0, 0.0)]),
    ]


def test_rand_augment():
    # Magnitude 5 of 0 to 10 is half of each range.
    got = operations(RandAugment(1, 5, 11))
    x, y = 75 / 331 * 40, 75 / 331 * 30
    assert got == [
        (2, []),
        (2, [affine(shear_x=drawn(0.15, 0.15, 0, 1), **CORNER)]),
        (2, [affine(shear_y=drawn(0.15, 0.15, 0, 1), **CORNER)]),
        (2, [affine(translate_x=drawn(x, x, 0, 1), truncate=1)]),
        (2, [affine(translate_y=drawn(y, y, 0, 1), truncate=1)]),
        (2, [affine(angle=drawn(15.0, 15.0, 0, 1), counter_clockwise=1)]),
        (1, [tone(3, 1.45, 1.45)]),
        (1, [tone(3, 0.55, 0.55)]),
        (1, [tone(4, 1.45, 1.45)]),
        (1, [tone(4, 0.55, 0.55)]),
        (1, [sharpness(1.45, 1.45)]),
        (1, [sharpness(0.55, 0.55)]),
        (2, [tone(1, 6.0, 6.0)]),
        (2, [tone(2, 127.5, 127.5)]),
        (2, [tone(5, 0.0, 0.0)]),
        (2, [tone(6, 0.0, 0.0)]),
    ]


def test_rand_augment_repeats():
    once = compiled(RandAugment(1)).transforms
    assert compiled(RandAugment(3)).transforms == once * 3
    assert compiled(RandAugment(0)).transforms == ()

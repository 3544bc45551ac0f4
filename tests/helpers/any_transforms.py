"""Hypothesis strategies for `augment=`: any transforms, in any order, for any size."""

import functools

from hypothesis import strategies as st

import fmnist_fast as ff
from fmnist_fast.augment import RECIPES, compile_transforms

LEVEL, SHARE = st.integers(0, 255), st.floats(0, 1, width=16)
MODE, SIDES = st.sampled_from(["nearest", "bilinear"]), st.integers(1, 48)
RESAMPLING = st.sampled_from(["nearest", "bilinear", "bicubic"])
STRENGTH = st.floats(0, 9, width=16)


def ranges(low, high):
    """Return a strategy for pairs of numbers, the lower one first."""
    number = st.floats(low, high)
    return st.tuples(number, number).map(sorted).map(tuple)


def paddings(height, width):
    """Return a strategy for the keywords of a padding that fits the size."""
    few = st.integers(0, 9)
    inside = [st.integers(0, min(9, side - 1)) for side in (width, height)]
    free = {"padding": st.tuples(few, few, few, few), "fill": LEVEL}
    tied = {"padding": st.tuples(*inside, *inside)}
    return st.one_of(
        st.fixed_dictionaries(free),
        st.fixed_dictionaries(
            tied | {"padding_mode": st.sampled_from(["edge", "reflect", "symmetric"])}
        ),
    )


def single(height, width):
    """Return the strategies for transforms that keep the size, by no group."""
    kernels = [st.integers(0, min(9, side - 1)) for side in (width, height)]
    odd = st.tuples(*(half.map(lambda n: 2 * n + 1) for half in kernels))
    turn = {"interpolation": MODE, "fill": st.sampled_from([0, 9])}
    flips = st.sampled_from(["random", "alternating"])
    yield st.builds(ff.RandomHorizontalFlip, SHARE)
    yield flips.map(lambda mode: ff.RandomHorizontalFlip(mode=mode))
    yield st.builds(ff.RandomVerticalFlip, SHARE)
    yield paddings(height, width).map(lambda k: ff.RandomCrop((height, width), **k))
    yield st.builds(ff.RandomRotation, st.integers(0, 180), **turn)
    yield st.builds(
        ff.RandomAffine,
        st.integers(0, 90),
        translate=st.none() | st.tuples(SHARE, SHARE),
        scale=st.none() | ranges(0.1, 3),
        shear=st.none() | st.integers(0, 60),
        center=st.none() | st.tuples(st.integers(-9, 60), st.integers(0, 30)),
        **turn,
    )
    smooth = st.just(0.0) | st.floats(0.1, 9)
    yield st.builds(
        ff.ElasticTransform, st.floats(0, 99), st.tuples(smooth, smooth), **turn
    )
    yield st.builds(ff.RandomPerspective, SHARE, SHARE, **turn)
    canvas = {"side_range": ranges(1, 4), "interpolation": MODE}
    canvas |= {"antialias": st.booleans()}
    yield st.builds(ff.RandomZoomOut, LEVEL, p=SHARE, **canvas)
    yield st.builds(ff.ColorJitter, SHARE, SHARE)
    yield st.builds(ff.ColorJitter, ranges(0, 3), ranges(0, 3))
    yield st.builds(ff.RandomInvert, SHARE)
    yield st.builds(ff.RandomPosterize, st.integers(1, 8), SHARE)
    yield st.builds(ff.RandomSolarize, LEVEL, SHARE)
    yield st.builds(ff.RandomAutocontrast, SHARE)
    yield st.builds(ff.RandomEqualize, SHARE)
    yield st.builds(ff.GaussianBlur, odd, ranges(0.05, 20))
    yield st.builds(ff.RandomAdjustSharpness, STRENGTH, SHARE)
    yield st.builds(ff.GaussianNoise, st.floats(-0.5, 0.5), st.floats(0, 1))
    value = LEVEL | st.just("random")
    yield st.builds(ff.RandomErasing, SHARE, ranges(0, 1), ranges(0.1, 9), value)
    yield st.builds(ff.Cutout, st.integers(1, 12), LEVEL)
    share = st.sampled_from([0.0, 0.3, 1.0])
    yield st.builds(ff.SaltAndPepperNoise, SHARE | ranges(0, 1), share, SHARE)
    policy = {"interpolation": MODE, "fill": LEVEL}
    yield st.builds(ff.TrivialAugmentWide, **policy)
    yield st.builds(
        ff.RandAugment, st.integers(1, 3), magnitude=st.integers(0, 30), **policy
    )
    known = st.sampled_from(["imagenet", "cifar10", "svhn"])
    yield st.builds(ff.AutoAugment, known, **policy)


def resized(height, width):
    """Return a strategy for transforms that return images of one size."""
    size, crop = (height, width), ff.RandomCrop((height, width), pad_if_needed=True)
    ways = st.sampled_from([ff.CenterCrop(size), crop])
    ways |= st.builds(ff.Resize, st.just(size), RESAMPLING, antialias=st.booleans())
    scaled = {"scale": ranges(0.05, 1), "ratio": ranges(0.2, 5)}
    scaled |= {"interpolation": RESAMPLING, "antialias": st.booleans()}
    return ways | st.builds(ff.RandomResizedCrop, st.just(size), **scaled)


@functools.cache
def any_transform(height, width):
    """Return a strategy for one transform, which may be nested or change the size."""
    one = st.one_of(*single(height, width))
    nested = st.recursive(
        one,
        lambda transform: st.one_of(
            st.builds(ff.RandomApply, lists(transform), SHARE),
            st.builds(ff.Compose, lists(transform)),
            choices(transform),
        ),
        max_leaves=5,
    )
    parts = st.one_of(
        one, st.builds(ff.RandomApply, lists(one)), st.builds(ff.Compose, lists(one))
    )
    order = st.builds(
        ff.RandomOrder, st.lists(parts | choices(one), min_size=1, max_size=5)
    )
    order |= st.builds(ff.RandomApply, lists(order)) | choices(one | order)
    same_size = st.sampled_from([one, one, nested, nested, order]).flatmap(lambda s: s)
    other = st.tuples(SIDES, SIDES).map(lambda size: resized(*size))
    other_size = st.one_of(
        paddings(height, width).map(lambda keywords: ff.Pad(**keywords)),
        other.flatmap(lambda ways: ways),
        other.flatmap(choices),
    )
    return st.integers(0, 4).flatmap(lambda k: other_size if k == 0 else same_size)


def lists(transform):
    return st.lists(transform, min_size=1, max_size=3)


def choices(transform):
    """Return a strategy for choices among transforms of one strategy."""
    weights = st.sampled_from([0.25, 1, 3])
    return lists(transform).flatmap(
        lambda items: st.builds(
            ff.RandomChoice,
            st.just(items),
            st.none() | st.tuples(*[weights] * len(items)),
        )
    )


@st.composite
def transforms(draw, height, width):
    """Draw a list of transforms, each for images of the size after those before it."""
    items = []
    for _ in range(draw(st.integers(1, 7))):
        items.append(draw(any_transform(height, width)))
        after = compile_transforms(items[-1:], height, width, 10)
        height, width = after.height, after.width
    return items


def mixes():
    """Return a strategy for MixUp, CutMix, and groups and choices of them."""
    alpha = st.sampled_from([1.0, 0.2, 1e-3, 50.0])
    one = st.builds(ff.MixUp, alpha=alpha) | st.builds(ff.CutMix, alpha=alpha)
    group = st.builds(ff.RandomApply, st.lists(one, min_size=1, max_size=1), SHARE)
    return st.one_of(one, group, choices(one | group))


def augments(height, width):
    """Return a strategy for all that `augment` takes, except for functions."""
    plain = st.sampled_from([None, *RECIPES])
    some = transforms(height, width)
    mixed = st.builds(lambda items, mix: [*items, mix], some | st.just([]), mixes())
    ways = [plain, mixed, mixed, *[some] * 5]
    return st.integers(0, len(ways) - 1).flatmap(ways.__getitem__)

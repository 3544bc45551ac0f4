"""Every step of an augmentation against the reference, bit for bit: for each
instruction set, size of image, number of threads, batch size and shard."""

import ctypes
import functools
import itertools
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import reference
import reference_steps
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

import fmnist_fast as ff
from fmnist_fast.augment import compile_steps

SEED = 2**63 + 5
RAW = {"dtype": "uint8", "normalize": None, "layout": "NHW", "label_dtype": "onehot"}


def dataset_of(height, width, n):
    """Grey levels of every sort: smooth, rough, dull, and of one value."""
    rng = np.random.default_rng([height, width])
    images = rng.integers(0, 256, (n, height, width), dtype=np.uint8)
    ramp = np.arange(height * width).reshape(height, width) * 255 // (height * width)
    images[1::4] = ramp
    images[2::4] = images[2::4] // 5 + 90
    images[3] = 77
    return ff.Dataset.from_arrays(images, np.arange(n) % 3)


def wanted(dataset, augment, **options):
    n_classes = len(dataset.classes)
    compiled = compile_steps(augment, *dataset.images.shape[1:], n_classes)
    options = {"n_classes": n_classes, "augment": compiled, **options}
    return reference.epoch(dataset.images, dataset.labels, **options)


def same(got, want, note=None):
    """Whether two lists of batches are equal bit for bit."""
    assert len(got) == len(want), note
    for k, (ours, theirs) in enumerate(zip(got, want)):
        for x, y in zip(ours, theirs):
            assert (x.shape, x.dtype) == (y.shape, y.dtype), (note, k)
            differ = [
                i for i in range(len(x)) if x[i].tobytes() != y[i].tobytes()
            ]  # by their bits: signs of zeros count
            assert not differ, (note, f"batch {k}, rows {differ} differ")
    return True


# ---- each step ----------------------------------------------------------------------


def windows(h, w):
    least = h // 2 + 1, w // 2 + 1
    return {
        "crop": [ff.RandomCrop((h, w), padding=4)],
        "crop fill": [ff.RandomCrop((h, w), padding=(1, 2, 30, 4), fill=201)],
        "crop edge": [ff.RandomCrop((h, w), padding=(3, 40), padding_mode="edge")],
        "crop reflect": [
            ff.RandomCrop((h, w), padding=(w - 1, h - 1), padding_mode="reflect")
        ],
        "crop symmetric": [
            ff.RandomCrop((h, w), padding=(w, h), padding_mode="symmetric")
        ],
        "crop to less": [ff.RandomCrop(least)],
        "crop to more": [ff.RandomCrop((h + 5, w + 33), padding=35, fill=3)],
        "center crop": [ff.CenterCrop(least)],
        "pad": [ff.Pad(3, fill=9)],
        "pad edge": [ff.Pad((1, 2, 3, 70), padding_mode="edge")],
        "pad reflect": [ff.Pad((w - 1, h - 1, 0, h - 1), padding_mode="reflect")],
        "pad symmetric": [ff.Pad((0, h, w, 0), padding_mode="symmetric")],
        "flip": [ff.RandomHorizontalFlip()],
        "flip always": [ff.RandomHorizontalFlip(p=1.0)],
        "flip never": [ff.RandomHorizontalFlip(p=0.0)],
        "flip alternating": [ff.RandomHorizontalFlip(mode="alternating")],
        "flip vertical": [ff.RandomVerticalFlip(0.3)],
        "flip both": [ff.RandomVerticalFlip(), ff.RandomHorizontalFlip(0.7)],
        "crop, flip": [ff.RandomCrop((h, w), padding=3), ff.RandomHorizontalFlip()],
        "crop edge, flip both": [
            ff.RandomCrop((h + 2, w + 1), padding=(5, 2, 1, 9), padding_mode="edge"),
            ff.RandomVerticalFlip(0.4),
            ff.RandomHorizontalFlip(),
        ],
        "as many flips as are looked ahead for": [
            *[ff.RandomHorizontalFlip(0.6), ff.RandomVerticalFlip()] * 2,
        ],
        "one flip more": [
            *[ff.RandomHorizontalFlip(0.6), ff.RandomVerticalFlip()] * 2,
            ff.RandomHorizontalFlip(),
        ],
        "flip, crop": [
            ff.RandomHorizontalFlip(),
            ff.RandomCrop(least, padding=2, fill=8),
            ff.RandomVerticalFlip(),
        ],
        "crop, crop": [
            ff.RandomCrop((h, w), padding=4, fill=1),
            ff.RandomHorizontalFlip(),
            ff.RandomCrop((h, w), padding=5, fill=2),
            ff.RandomVerticalFlip(),
        ],
        "pad, flip, pad": [
            ff.Pad((min(2, w), min(3, h)), padding_mode="symmetric"),
            ff.RandomHorizontalFlip(),
            ff.Pad(3, padding_mode="edge"),
            ff.RandomCrop((h, w)),
        ],
    }


def warps(h, w):
    turn = ff.RandomRotation(20, interpolation="bilinear")
    shift = ff.RandomAffine(0, translate=(0.2, 0.3), interpolation="bilinear")
    return {
        "rotation": [ff.RandomRotation(15)],
        "rotation bilinear": [turn],
        "rotation all around": [
            ff.RandomRotation(180, interpolation="bilinear", fill=255)
        ],
        "rotation off centre": [
            ff.RandomRotation((30, 90), interpolation="bilinear", center=(w, 0))
        ],
        "affine": [
            ff.RandomAffine((-30, 40), (0.1, 0.4), (0.5, 1.5), (-10, 10, -5, 20))
        ],
        "affine bilinear": [
            ff.RandomAffine(
                degrees=(-170, 40),
                translate=(1.0, 0.5),
                scale=(0.2, 2.0),
                shear=(-40, 30, -20, 20),
                interpolation="bilinear",
                fill=100,
                center=(1, h / 3),
            )
        ],
        "affine far away": [
            ff.RandomAffine(90, scale=(1e-6, 1e-3), interpolation="bilinear", fill=7)
        ],
        "affine close up": [
            ff.RandomAffine(90, scale=(30, 1e6), interpolation="bilinear", fill=7)
        ],
        "identity": [ff.RandomRotation(0, interpolation="bilinear", fill=50)],
        "affine, affine, affine": [turn, shift, turn],
        "affine, fill, affine": [
            turn,
            shift,
            ff.RandomRotation(20, interpolation="bilinear", fill=99),
            ff.RandomRotation(20, fill=99),
        ],
        "affine, flip, affine": [turn, ff.RandomHorizontalFlip(), shift],
        "affine, tone, affine": [turn, ff.RandomInvert(), shift],
        "elastic": [ff.ElasticTransform(alpha=50.0, sigma=5.0)],
        "elastic nearest": [
            ff.ElasticTransform([30.0, 90.0], [1.0, 2.5], interpolation="nearest")
        ],
        "elastic one way": [ff.ElasticTransform((0.0, 40.0), (0.0, 3.0))],
        "elastic rough": [ff.ElasticTransform(5.0, 0.3, fill=255)],
        "elastic wild": [ff.ElasticTransform(1e6, 60.0, fill=31)],
        "affine, elastic": [turn, ff.ElasticTransform(20.0, 3.0)],
    }


def sizes(h, w):
    less = max(1, h // 2), max(1, w // 3)
    return {
        "resize up": [ff.Resize((2 * h, w + 3))],
        "resize down": [ff.Resize(less)],
        "resize down without antialias": [ff.Resize(less, antialias=False)],
        "resize nearest": [ff.Resize((h + 5, less[1]), interpolation="nearest")],
        "resize to the same": [ff.Resize((h, w))],
        "resized crop": [ff.RandomResizedCrop((h, w))],
        "resized crop, small": [ff.RandomResizedCrop(less, scale=(0.3, 0.9))],
        "resized crop, nearest": [
            ff.RandomResizedCrop((h, 40), (0.01, 0.4), interpolation="nearest")
        ],
        "resized crop falls back": [ff.RandomResizedCrop((9, 8), (1, 1), (0.1, 0.2))],
        "resized crop without antialias": [
            ff.RandomResizedCrop((4, 5), ratio=(0.2, 5.0), antialias=False)
        ],
        "pad, resize, crop": [ff.Pad(2), ff.Resize((20, 30)), ff.RandomCrop((7, 29))],
    }


def tones(h, w):
    return {
        "invert": [ff.RandomInvert()],
        "solarize": [ff.RandomSolarize(100, p=0.8)],
        "autocontrast": [ff.RandomAutocontrast(p=1.0)],
        "equalize": [ff.RandomEqualize(p=1.0)],
        "brightness": [ff.ColorJitter(brightness=0.9)],
        "contrast": [ff.ColorJitter(contrast=(0.0, 3.0))],
        "jitter": [ff.ColorJitter(brightness=(0.3, 2.0), contrast=0.7)],
        "jitter, jitter": [ff.ColorJitter(0.9, 0.9), ff.ColorJitter(0.3, 0.3)],
        "tone, tone": [
            ff.RandomInvert(),
            ff.RandomSolarize(60),
            ff.RandomAutocontrast(),
            ff.RandomPosterize(3),
            ff.ColorJitter(0.5, 0.5),
            ff.RandomEqualize(),
            ff.RandomInvert(),
        ],
        **{f"posterize {n}": [ff.RandomPosterize(n)] for n in (1, 4, 8)},
    }


def filters(h, w):
    kernel = min(7, 2 * w - 1), min(5, 2 * h - 1)
    return {
        "blur": [ff.GaussianBlur(min(3, *kernel))],
        "blur sharp": [ff.GaussianBlur(kernel, sigma=(0.05, 0.5))],
        "blur wide": [ff.GaussianBlur(kernel, sigma=(1.0, 90.0))],
        "blur of one pixel": [ff.GaussianBlur(1)],
        **{
            f"sharpness {factor}": [ff.RandomAdjustSharpness(factor, p=1.0)]
            for factor in (0, 0.5, 2, 10.5)
        },
        "noise": [ff.GaussianNoise()],
        "noise bright": [ff.GaussianNoise(mean=0.3, sigma=0.8)],
        "noise, noise": [ff.GaussianNoise(sigma=0.02), ff.GaussianNoise(sigma=0.1)],
        "erasing": [ff.RandomErasing()],
        "erasing value": [ff.RandomErasing(1.0, (0.1, 0.9), (0.1, 9), value=200)],
        "erasing random": [ff.RandomErasing(1.0, (0.1, 0.9), value="random")],
        "erasing a pixel": [ff.RandomErasing(1.0, (0.0, 0.002), value=200)],
        "erasing nothing": [ff.RandomErasing(1.0, (0.0, 0.0), value=200)],
        "erasing too much": [ff.RandomErasing(1.0, (1.0, 1.0), value=200)],
        "cutout": [ff.Cutout(max(1, min(h, w) // 2))],
        "cutout of one pixel": [ff.Cutout(1)],
    }


def policies(h, w):
    tone = ff.RandomApply([ff.RandomInvert(), ff.RandomEqualize()], p=0.4)
    turn = ff.RandomRotation(40, interpolation="bilinear")
    return {
        "apply": [ff.RandomApply([turn, ff.RandomHorizontalFlip()], p=0.5)],
        "choice": [ff.RandomChoice([ff.RandomVerticalFlip(1.0), turn, tone])],
        "choice with weights": [ff.RandomChoice([turn, tone], p=[0.1, 0.9])],
        "nested": [
            turn,
            ff.RandomApply(
                [
                    ff.RandomChoice(
                        [
                            ff.Compose([turn, tone]),
                            ff.RandomChoice([tone, ff.RandomErasing(1.0)]),
                            ff.RandomHorizontalFlip(1.0),
                        ]
                    ),
                    turn,
                ],
                p=0.8,
            ),
            turn,
        ],
        "trivial augment": [ff.TrivialAugmentWide()],
        "trivial augment bilinear": [
            ff.TrivialAugmentWide(interpolation="bilinear", fill=128)
        ],
        "rand augment": [ff.RandAugment()],
        "rand augment bilinear": [
            ff.RandAugment(3, magnitude=25, interpolation="bilinear", fill=5)
        ],
    }


def boxes(h, w):
    """Painted boxes that windows are still to be taken of, and the other way round."""
    flips = [ff.RandomHorizontalFlip(), ff.RandomVerticalFlip()]
    box = ff.RandomErasing(p=0.8, scale=(0.1, 0.6), value=200)
    return {
        "box": [box],
        "box, flips": [box, *flips],
        "flips, box, flips": [*flips, box, *flips],
        "two boxes": [ff.Cutout(max(1, h // 2), fill=9), box, *flips],
        "box, crop": [box, *flips, ff.RandomCrop((h, w), padding=3, fill=7)],
        "crop, box, crop": [
            ff.RandomCrop((h, w), padding=(5, 2), fill=31),
            *flips,
            box,
            ff.RandomCrop((max(1, h - 1), max(1, w - 1))),
            box,
        ],
        "box, turn, box": [box, ff.RandomRotation(20), box],
        "box, tone, box": [box, ff.RandomInvert(), box],
        "pad far, box": [ff.Pad((40, 3), fill=8), *flips, box],
    }


FAMILIES = [windows, warps, sizes, tones, filters, boxes, policies]
SHAPES = [(28, 28), (5, 7), (9, 1), (1, 9), (1, 1), (33, 65), (130, 40)]


@functools.cache
def case(family, height, width):
    """For each set of parameters: a dataset, the steps, what the reference says."""
    n = 24 if height == width == 28 else 12 if height * width < 99 else 5
    dataset = dataset_of(height, width, n)
    options = {"batch_size": n, "shuffle": True, "seed": SEED, "epoch": 3, **RAW}
    return dataset, {
        name: (steps, wanted(dataset, steps, **options))
        for name, steps in family(height, width).items()
    }


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "{}x{}".format(*shape))
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_steps_equal_reference(family, shape, cpu_level):
    dataset, cases = case(family, *shape)
    for name, (steps, want) in cases.items():
        loader = ff.Loader(
            dataset, len(dataset), shuffle=True, seed=SEED, augment=steps, **RAW
        )
        loader.set_epoch(3)
        assert same(list(loader), want, name)


UNCHANGED = {"flip never", "identity", "resize to the same", "blur of one pixel"}
UNCHANGED |= {"erasing nothing", "erasing too much", "posterize 8"}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_every_case_changes_some_images_but_those_that_should_not(family):
    dataset, cases = case(family, 28, 28)
    order = reference.order_array(len(dataset), SEED, 3).astype(int)
    for name, (_, want) in cases.items():
        is_unchanged = np.array_equal(want[0][0], dataset.images[order])
        assert is_unchanged == (name in UNCHANGED), name


@pytest.mark.skipif(sys.platform == "win32", reason="pages are guarded by mprotect")
@pytest.mark.parametrize("shape", [(28, 28), (8, 16), (1, 1)], ids=str)
@pytest.mark.parametrize("n_parts", [1, 3])
def test_nothing_around_the_images_is_read(shape, n_parts):
    """Kernels load whole vectors; in a part only neighbours may be in them."""
    program = Path(__file__).with_name("helpers") / "guarded_images.py"
    words = [sys.executable, str(program), *map(str, (*shape, n_parts))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_c_functions_get_the_words_of_the_reference(odd):
    bytes_, words = (ctypes.POINTER(t) for t in (ctypes.c_uint8, ctypes.c_uint32))

    @ctypes.CFUNCTYPE(
        None, bytes_, ctypes.c_int64, ctypes.c_int64, words, ctypes.c_void_p
    )
    def stir(pixels, height, width, random, data):
        for i in range(height * width):
            pixels[i] ^= random[i % 4] >> i % 25 & 255
        pixels[0] = ctypes.cast(data, bytes_)[0]

    dataset = odd.select(range(20))
    steps = [
        ff.RandomRotation(9, interpolation="bilinear"),
        ff.RandomApply([ff.CFunction(stir, ctypes.c_uint8(93))]),
        ff.RandomInvert(),
    ]
    options = {"batch_size": 8, "shuffle": True, **RAW}
    got = list(ff.Loader(dataset, augment=steps, threads=2, **options))
    assert same(got, wanted(dataset, steps, **options))


@pytest.mark.parametrize("name", ["standard", "standard+erasing", "strong"])
def test_recipes_equal_reference(small, name, cpu_level):
    dataset = small.select(range(24))
    options = {"batch_size": 10, "shuffle": True, **RAW}
    got = list(ff.Loader(dataset, augment=name, **options))
    assert same(got, wanted(dataset, name, **options))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("layout", ["NCHW", "flat"])
def test_steps_before_conversion_equal_reference(odd, dtype, layout, cpu_level):
    dataset = odd.select(range(40))
    options = {"batch_size": 16, "shuffle": True, "dtype": dtype, "layout": layout}
    for steps in (
        [ff.RandomCrop((5, 7), padding=2, fill=40), ff.RandomHorizontalFlip()],
        [ff.RandomRotation(30, interpolation="bilinear"), ff.RandomErasing(1.0)],
        [ff.Resize((9, 31))],
        [ff.RandomHorizontalFlip(p=0.0)],
    ):
        got = list(ff.Loader(dataset, augment=steps, **options))
        want = wanted(dataset, steps, **options)
        for (x, y), (wanted_x, wanted_y) in zip(got, want, strict=True):
            assert x.shape == wanted_x.shape and x.tobytes() == wanted_x.tobytes()
            assert y.tobytes() == wanted_y.tobytes()


def test_normal_numbers_equal_reference_to_the_last_bit(cpu_level):
    """So much noise that one unit in the last place of a normal number near 1 is 0.15
    grey levels: a few pixels in 100,000 are neither black nor white."""
    dataset = dataset_of(400, 500, 5)
    steps = [ff.GaussianNoise(mean=-1e4, sigma=1e4)]
    options = {"batch_size": 5, **RAW}
    got = list(ff.Loader(dataset, augment=steps, **options))
    assert same(got, wanted(dataset, steps, **options))
    assert ((got[0][0] > 0) & (got[0][0] < 255)).sum() > 10


def test_alternating_flip_turns_each_image_in_every_second_epoch(small):
    dataset = small.select(range(50))
    steps = [ff.RandomHorizontalFlip(mode="alternating")]
    options = {"batch_size": 50, "shuffle": True, "seed": 1, **RAW}
    loader = ff.Loader(dataset, augment=steps, **options)
    flipped = []
    for epoch in range(4):
        batches = list(loader)
        assert same(batches, wanted(dataset, steps, epoch=epoch, **options))
        order = reference.order_array(50, 1, epoch).astype(int)
        turned = dataset.images[order][:, :, ::-1]
        is_turned = (batches[0][0] == turned).all(axis=(1, 2))
        flipped.append(is_turned[np.argsort(order)])
    assert np.array_equal(flipped[0], ~flipped[1])
    assert np.array_equal(flipped[0], flipped[2])
    assert np.array_equal(flipped[1], flipped[3])
    assert 10 < flipped[0].sum() < 40


# ---- any steps in any order ---------------------------------------------------------


def any_step():
    level, share = st.integers(0, 255), st.floats(0, 1, width=16)
    mode, sides = st.sampled_from(["nearest", "bilinear"]), st.integers(8, 40)
    same_size = st.one_of(
        st.builds(ff.RandomHorizontalFlip, share),
        st.builds(ff.RandomVerticalFlip, share),
        st.builds(
            ff.RandomRotation, st.integers(0, 180), interpolation=mode, fill=level
        ),
        st.builds(
            ff.RandomAffine,
            st.integers(0, 90),
            translate=st.tuples(share, share),
            interpolation=mode,
            fill=st.sampled_from([0, 9]),
        ),
        st.builds(ff.ElasticTransform, st.floats(0, 99), st.floats(0.1, 9)),
        st.builds(ff.ColorJitter, share, share),
        st.builds(ff.RandomInvert, share),
        st.builds(ff.RandomPosterize, st.integers(1, 8), share),
        st.builds(ff.RandomSolarize, level, share),
        st.builds(ff.RandomAutocontrast, share),
        st.builds(ff.RandomEqualize, share),
        st.builds(ff.GaussianBlur, st.sampled_from([1, 3, 9])),
        st.builds(ff.RandomAdjustSharpness, st.floats(0, 9), share),
        st.builds(ff.GaussianNoise, sigma=st.floats(0, 1)),
        st.builds(ff.RandomErasing, share, value=level | st.just("random")),
        st.builds(ff.Cutout, st.integers(1, 12)),
    )
    groups = st.recursive(
        same_size,
        lambda step: st.one_of(
            st.builds(ff.RandomApply, st.lists(step, min_size=1, max_size=3), share),
            st.builds(ff.RandomChoice, st.lists(step, min_size=1, max_size=3)),
        ),
        max_leaves=5,
    )
    other_size = st.one_of(
        st.builds(ff.Resize, st.tuples(sides, sides), interpolation=mode),
        st.builds(ff.RandomResizedCrop, st.tuples(sides, sides)),
        st.builds(ff.Pad, st.integers(0, 9), fill=level),
        st.builds(ff.RandomCrop, st.just(8)),
    )
    return groups | other_size


@given(
    st.lists(st.deferred(any_step), min_size=1, max_size=7),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 2),
)
@settings(max_examples=30)
def test_any_steps_in_any_order_equal_reference(steps, seed, epoch):
    dataset = dataset_of(11, 14, 5)
    options = {"batch_size": 3, "shuffle": True, "seed": seed, **RAW}
    loader = ff.Loader(dataset, augment=steps, threads=1, **options)
    loader.set_epoch(epoch)
    assert same(list(loader), wanted(dataset, steps, epoch=epoch, **options))


# ---- mixing -------------------------------------------------------------------------

MIXES = {
    "mixup": lambda: [ff.MixUp(alpha=0.2)],
    "mixup even": lambda: [ff.MixUp(alpha=1.0)],
    "mixup much": lambda: [ff.MixUp(alpha=8.0)],
    "cutmix": lambda: [ff.CutMix(alpha=1.0)],
    "cutmix edges": lambda: [ff.CutMix(alpha=0.05)],
    "one of both": lambda: [ff.RandomChoice([ff.MixUp(alpha=0.4), ff.CutMix()])],
    "after steps": lambda: [
        ff.RandomHorizontalFlip(),
        ff.RandomRotation(10, interpolation="bilinear"),
        ff.CutMix(alpha=1.0),
    ],
}


@pytest.mark.parametrize("batch_size", [1, 2, 16, 37, 50])
@pytest.mark.parametrize("name", MIXES)
def test_mixes_equal_reference(odd, name, batch_size, cpu_level):
    dataset, steps = odd.select(range(37)), MIXES[name]()
    options = {"batch_size": batch_size, "shuffle": True, "seed": 4, **RAW}
    got = list(ff.Loader(dataset, augment=steps, **options))
    assert same(got, wanted(dataset, steps, **options))
    for _, labels in got:
        assert abs(labels.sum(axis=1) - 1).max() < 1e-6


@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (33, 65)])
@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixes_of_any_shape_equal_reference(name, shape, cpu_level):
    dataset, steps = dataset_of(*shape, 24), MIXES[name]()
    for options in (RAW, RAW | {"dtype": "float32", "normalize": "dataset"}):
        options = {"batch_size": 10, **options}
        got = list(ff.Loader(dataset, augment=steps, **options))
        assert same(got, wanted(dataset, steps, **options))


@pytest.mark.parametrize("drop_last", [False, True, "wrap"])
@pytest.mark.parametrize("world", [2, 3, 7])
def test_shards_of_mixed_batches_make_up_the_whole(odd, world, drop_last):
    dataset = odd.select(range(101))
    steps = [ff.RandomCrop((5, 7), padding=1), *MIXES["one of both"]()]
    options = {"shuffle": True, "seed": 3, "drop_last": drop_last, **RAW}
    ranks = []
    for rank in range(world):
        sharded = options | {"batch_size": 5, "shard": (rank, world)}
        ranks.append(list(ff.Loader(dataset, augment=steps, **sharded)))
        assert same(ranks[-1], wanted(dataset, steps, **sharded))
    whole = list(ff.Loader(dataset, 5 * world, augment=steps, **options))
    for k, (x, y) in enumerate(whole):
        parts = [batches[k] for batches in ranks if k < len(batches)]
        assert np.array_equal(np.concatenate([part[0] for part in parts]), x)
        assert np.array_equal(np.concatenate([part[1] for part in parts]), y)


# ---- threads, prefetch, resuming ----------------------------------------------------


def strong(height, width):
    return [
        ff.RandomCrop((height, width), padding=2),
        ff.RandomHorizontalFlip(mode="alternating"),
        ff.TrivialAugmentWide(interpolation="bilinear"),
        ff.RandomErasing(value="random"),
        ff.RandomChoice([ff.MixUp(alpha=0.4), ff.CutMix()]),
    ]


@pytest.mark.parametrize("prefetch", [1, 2, 50])
def test_threads_and_prefetch_give_equal_bytes(odd, prefetch):
    dataset, steps = odd.select(range(150)), strong(5, 7)
    options = {"batch_size": 16, "shuffle": True, "seed": 9, **RAW}
    want = [wanted(dataset, steps, epoch=epoch, **options) for epoch in range(2)]
    for threads in (1, 2, 8):
        loader = ff.Loader(
            dataset, augment=steps, threads=threads, prefetch=prefetch, **options
        )
        for batches in want:
            assert same(list(loader), batches, threads)


def test_large_batches_cut_into_ranges_of_rows_give_equal_bytes():
    """Batches of 4 MB, which several threads fill together."""
    dataset = dataset_of(128, 128, 75)
    steps = [ff.RandomCrop(128, padding=9), ff.RandomHorizontalFlip(), ff.CutMix()]
    options = {"batch_size": 64, "shuffle": True, "label_dtype": "onehot"}
    want = wanted(dataset, steps, **options)
    for threads in (1, 2, 8):
        got = list(ff.Loader(dataset, augment=steps, threads=threads, **options))
        assert same(got, want, threads)


def test_resuming_at_every_batch_gives_equal_bytes(odd):
    dataset = odd.select(range(60))
    options = {"batch_size": 16, "shuffle": True, "seed": 6, **RAW}
    options["augment"] = strong(5, 7)
    run = ff.Loader(dataset, **options)
    batches, states = [], [run.state_dict()]
    for _ in range(2):
        for batch in run:
            batches.append(batch)
            states.append(json.loads(json.dumps(run.state_dict())))
    for k, state in enumerate(states):
        resumed = ff.Loader(dataset, **options, threads=1 + k % 3)
        resumed.load_state_dict(state)
        rest = []
        while resumed.epoch < 2:
            rest += list(resumed)
        assert same(rest, batches[k:], k)


def test_resuming_with_another_batch_size_mixes_the_batches_from_there(odd):
    dataset, steps = odd.select(range(60)), strong(5, 7)
    options = {"shuffle": True, "seed": 6, **RAW}
    before = ff.Loader(dataset, 10, augment=steps, **options)
    iterator = iter(before)
    next(iterator), next(iterator)
    after = ff.Loader(dataset, 13, augment=steps, **options)
    after.load_state_dict(before.state_dict())
    assert same(
        list(after), wanted(dataset, steps, batch_size=13, position=20, **options)
    )


# ---- the reference itself -----------------------------------------------------------


def through(image, step, /, **parameters):
    draws = reference_steps.Draws(1, 2, 3, 4)
    return getattr(reference_steps, step)(
        image, reference_steps.SimpleNamespace(**parameters), draws
    )


def always(value):
    return {"low": value, "high": value, "n_levels": 0, "random_sign": 0}


def test_functions_of_real_numbers_are_exact_to_1e_14():
    for x in np.linspace(-700, 700, 2001).tolist():
        assert math.isclose(reference_steps.fm_exp(x), math.exp(x), rel_tol=1e-14)
    for x in (10 ** np.linspace(-300, 300, 2001)).tolist():
        want = math.log(x)
        assert abs(reference_steps.fm_log(x) - want) < 1e-14 * max(1, abs(want))
    for x in np.linspace(-721, 721, 2001).tolist():
        sine, cosine = reference_steps.fm_sin_cos(x)
        assert abs(sine - math.sin(math.radians(x))) < 1e-14
        assert abs(cosine - math.cos(math.radians(x))) < 1e-14
    assert [reference_steps.fm_sin_cos(90.0 * k) for k in range(4)] == [
        (0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0)
    ]  # fmt: skip


def test_fields_are_the_words_of_their_counters():
    draws = reference_steps.Draws(1, 2, 3, 4)
    words = draws.field(200)
    key = reference.draw(1, 2, 3, 4, 0)[:2]
    for c, j, i in itertools.product(range(3), range(4), range(16)):
        assert (
            words[64 * c + 16 * j + i]
            == (reference.philox((16 * c + i, 0, 0, 0), key)[j])
        )


def test_normal_and_beta_numbers_have_their_moments():
    draws = reference_steps.Draws(5, 0, 0, 1)
    pixels = reference_steps.normals(draws.field(2**16)).astype(float)
    doubles = np.array([draws.normal() for _ in range(4000)])
    for numbers in (pixels, doubles):
        error = 5 / math.sqrt(len(numbers))
        assert abs(numbers.mean()) < error
        assert abs((numbers**2).mean() - 1) < error * math.sqrt(2)
        assert abs((numbers**4).mean() - 3) < error * math.sqrt(96)
    for alpha in (0.2, 1.0, 5.0):
        shares = np.array([draws.beta(alpha) for _ in range(2000)])
        variance = 1 / (4 * (2 * alpha + 1))
        assert abs(shares.mean() - 0.5) < 5 * math.sqrt(variance / 2000)
        assert abs(shares.var() / variance - 1) < 0.2


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
def test_windows_of_the_reference_are_numpys(mode):
    image = dataset_of(6, 9, 4).images[0]
    sides = {
        "top": -5,
        "left": -5,
        "n_tops": 1,
        "n_lefts": 1,
        "height": 16,
        "width": 19,
    }
    number = ["constant", "edge", "reflect", "symmetric"].index(mode)
    got = through(image, "crop", **sides, mode=number, fill=0)
    assert np.array_equal(got, np.pad(image, 5, mode=mode))


def test_tones_of_the_reference_are_pillows():
    for image in dataset_of(20, 30, 4).images:
        photo = Image.fromarray(image)
        for kind, value, want in [
            (reference_steps.INVERT, 0, ImageOps.invert(photo)),
            (reference_steps.POSTERIZE, 3, ImageOps.posterize(photo, 3)),
            (reference_steps.SOLARIZE, 99, ImageOps.solarize(photo, 99)),
            (reference_steps.EQUALIZE, 0, ImageOps.equalize(photo)),
        ]:
            got = through(image, "tone", kind=kind, value=always(value))
            assert np.array_equal(got, want), kind
        got = through(
            image, "tone", kind=reference_steps.AUTOCONTRAST, value=always(0)
        ).astype(int)
        assert abs(got - np.array(ImageOps.autocontrast(photo))).max() <= 1


@pytest.mark.parametrize("height, width", [(41, 60), (7, 12), (20, 30)])
def test_resizing_of_the_reference_is_pillows(height, width):
    image = dataset_of(20, 30, 4).images[0]
    want = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    options = {"height": height, "width": width, "interpolation": 1, "antialias": 1}
    got = through(image, "resize", **options).astype(int)
    assert abs(got - np.array(want)).max() <= 1


def test_rotation_of_the_reference_by_quarters_is_exact():
    image = dataset_of(13, 13, 4).images[0]
    zero = always(0.0)
    parts = {"translate_x": zero, "translate_y": zero, "shear_x": zero, "shear_y": zero}
    switches = {"shear_tangent": 0, "truncate": 0, "center_x": 0.0, "center_y": 0.0}
    for quarters in range(-2, 4):
        step = {"angle": always(90.0 * quarters), "scale": always(1.0)}
        step |= parts | switches | {"counter_clockwise": 1}
        step = reference_steps.SimpleNamespace(**step)
        m = reference_steps.affine_map(step, reference_steps.Draws(1, 2, 3, 4))
        for interpolation in (0, 1):
            got = reference_steps.warp(image, m, interpolation, 0)
            assert np.array_equal(got, np.rot90(image, quarters))


def test_extended_boxes_have_the_variance_of_the_gaussian():
    for sigma in (0.3, 1.0, 2.5, 8.0):
        side = math.ceil(6 * sigma) + 3
        row = np.zeros((2 * side + 1, 1), dtype=np.float32)
        row[side] = 1
        for _ in range(3):
            row = reference_steps.extended_box(row, sigma)
        x = np.arange(-side, side + 1)
        assert abs(row.sum() - 1) < 1e-5
        assert abs((row[:, 0] * x**2).sum() / sigma**2 - 1) < 1e-3


def test_every_alternative_of_a_choice_gets_the_memory_it_needs():
    """Its first alternative shrinks the image; the second works on it at full size."""
    long_way = [ff.RandomRotation(10, "bilinear"), ff.GaussianBlur(31), ff.Resize(4)]
    steps = [ff.RandomChoice([ff.Resize(4), ff.Compose(long_way)])]
    images = np.random.default_rng(0).integers(0, 256, (8, 300, 300), np.uint8)
    compiled = compile_steps(steps, 300, 300, 10)
    core = ff._core.Steps(compiled, 300, 300)
    for position, image in enumerate(images):
        got = core.run(image, seed=1, epochs=[0], position=position)[0]
        want = reference_steps.run(compiled, image, 1, 0, position, position)
        assert np.array_equal(got, want)


def test_an_image_of_another_size_is_refused():
    core = ff._core.Steps(compile_steps([ff.RandomInvert()], 5, 7, 10), 5, 7)
    with pytest.raises(ValueError, match=r"image must be \(5, 7\), got \(7, 5\)"):
        core.run(np.zeros((7, 5), np.uint8), seed=0, epochs=[0], position=0)

"""All core transforms equal the reference bit for bit.

They are compared for each instruction set, and for images of many sizes.
"""

import ctypes
import functools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import reference
import reference_sampler
from helpers import any_transforms
from helpers.against_reference import RAW, SEED, dataset_of, same, wanted
from helpers.transform_cases import KINDS
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_draws import Key

import fmnist_fast as ff
from fmnist_fast.augment import compile_transforms

SHAPES = [(28, 28), (5, 7), (9, 1), (1, 9), (1, 1), (33, 65), (130, 40)]


@functools.cache
def case(kind, height, width):
    """Return a dataset, and for each name transforms and the reference's batches."""
    n = 24 if height == width == 28 else 12 if height * width < 99 else 5
    dataset = dataset_of(height, width, n)
    options = {"batch_size": n, "shuffle": True, "seed": SEED, "epoch": 3, **RAW}
    return dataset, {
        name: (transforms, wanted(dataset, transforms, **options))
        for name, transforms in kind(height, width).items()
    }


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "{}x{}".format(*shape))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_transforms_equal_reference(kind, shape, cpu_level):
    dataset, cases = case(kind, *shape)
    for name, (transforms, want) in cases.items():
        loader = ff.Loader(
            dataset, len(dataset), shuffle=True, seed=SEED, augment=transforms, **RAW
        )
        loader.set_epoch(3)
        assert same(list(loader), want, name)


UNCHANGED = {"flip never", "identity", "resize to the same", "blur of one pixel"}
UNCHANGED |= {"perspective of the same corners", "zoom out to the same"}
UNCHANGED |= {"erasing nothing", "erasing too much", "posterize 8"}
UNCHANGED |= {"salt and pepper nowhere"}
UNCHANGED |= {"resize bicubic to the same"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_all_cases_change_images_except_those_that_should_not(kind):
    dataset, cases = case(kind, 28, 28)
    order = reference_sampler.permuted(len(dataset), SEED, 3).astype(int)
    for name, (_, want) in cases.items():
        is_unchanged = np.array_equal(want[0][0], dataset.images[order])
        assert is_unchanged == (name in UNCHANGED), name


@pytest.mark.skipif(sys.platform == "win32", reason="pages are guarded by mprotect")
@pytest.mark.parametrize("shape", [(28, 28), (8, 16), (1, 1)], ids=str)
@pytest.mark.parametrize("n_parts", [1, 3])
def test_nothing_around_the_images_is_read(shape, n_parts):
    """Kernels load whole vectors, but no bytes before or after a part of the images."""
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
    transforms = [
        ff.RandomRotation(9, interpolation="bilinear"),
        ff.RandomApply([ff.CFunction(stir, ctypes.c_uint8(93))]),
        ff.RandomInvert(),
    ]
    options = {"batch_size": 8, "shuffle": True, **RAW}
    got = list(ff.Loader(dataset, augment=transforms, threads=2, **options))
    assert same(got, wanted(dataset, transforms, **options))


@pytest.mark.parametrize("name", ["standard", "standard+erasing", "strong"])
def test_recipes_equal_reference(small, name, cpu_level):
    dataset = small.select(range(24))
    options = {"batch_size": 10, "shuffle": True, **RAW}
    got = list(ff.Loader(dataset, augment=name, **options))
    assert same(got, wanted(dataset, name, **options))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("layout", ["NCHW", "flat"])
def test_transforms_before_conversion_equal_reference(odd, dtype, layout, cpu_level):
    dataset = odd.select(range(40))
    options = {"batch_size": 16, "shuffle": True, "dtype": dtype, "layout": layout}
    for transforms in (
        [ff.RandomCrop((5, 7), padding=2, fill=40), ff.RandomHorizontalFlip()],
        [ff.RandomRotation(30, interpolation="bilinear"), ff.RandomErasing(1.0)],
        [ff.Resize((9, 31))],
        [ff.RandomHorizontalFlip(p=0.0)],
    ):
        got = list(ff.Loader(dataset, augment=transforms, **options))
        want = wanted(dataset, transforms, **options)
        for (x, y), (wanted_x, wanted_y) in zip(got, want, strict=True):
            assert x.shape == wanted_x.shape and x.tobytes() == wanted_x.tobytes()
            assert y.tobytes() == wanted_y.tobytes()


def test_normal_numbers_equal_reference_to_the_last_bit(cpu_level):
    """The last bit of a normal number near 1 is 0.15 gray levels of such strong noise.

    Only a few of 100,000 pixels are neither black nor white.
    """
    dataset = dataset_of(400, 500, 5)
    transforms = [ff.GaussianNoise(mean=-1e4, sigma=1e4)]
    options = {"batch_size": 5, **RAW}
    got = list(ff.Loader(dataset, augment=transforms, **options))
    assert same(got, wanted(dataset, transforms, **options))
    assert ((got[0][0] > 0) & (got[0][0] < 255)).sum() > 10


def test_alternating_flip_flips_each_image_in_every_second_epoch(small):
    dataset = small.select(range(50))
    transforms = [ff.RandomHorizontalFlip(mode="alternating")]
    options = {"batch_size": 50, "shuffle": True, "seed": 1, **RAW}
    loader = ff.Loader(dataset, augment=transforms, **options)
    flips = []
    for epoch in range(4):
        batches = list(loader)
        assert same(batches, wanted(dataset, transforms, epoch=epoch, **options))
        order = reference_sampler.permuted(50, 1, epoch).astype(int)
        flipped = dataset.images[order][:, :, ::-1]
        is_flipped = (batches[0][0] == flipped).all(axis=(1, 2))
        flips.append(is_flipped[np.argsort(order)])
    assert np.array_equal(flips[0], ~flips[1])
    assert np.array_equal(flips[0], flips[2])
    assert np.array_equal(flips[1], flips[3])
    assert 10 < flips[0].sum() < 40


# ---- any transforms in any order ----------------------------------------------------


@given(
    any_transforms.transforms(11, 14),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 2),
)
@settings(max_examples=30)
def test_any_transforms_in_any_order_equal_reference(transforms, seed, epoch):
    dataset = dataset_of(11, 14, 5)
    options = {"batch_size": 3, "shuffle": True, "seed": seed, **RAW}
    loader = ff.Loader(dataset, augment=transforms, threads=1, **options)
    loader.set_epoch(epoch)
    assert same(list(loader), wanted(dataset, transforms, epoch=epoch, **options))


def test_every_alternative_of_a_choice_gets_the_memory_it_needs():
    """The first alternative shrinks the image; the second needs it at full size."""
    second = [ff.RandomRotation(10, "bilinear"), ff.GaussianBlur(31), ff.Resize(4)]
    transforms = [ff.RandomChoice([ff.Resize(4), ff.Compose(second)])]
    images = np.random.default_rng(0).integers(0, 256, (8, 300, 300), np.uint8)
    compiled = compile_transforms(transforms, 300, 300, 10)
    core = ff._core.Program(compiled, 300, 300)
    for position, image in enumerate(images):
        got = core.run(image, seed=1, epochs=[0], position=position)[0]
        want = reference.augmented(compiled, image, Key(1, 0, position), position)
        assert np.array_equal(got, want)


def test_a_row_has_room_for_the_most_operations():
    """Each of these is two operations, and nothing joins them."""
    jitter, erasing = ff.ColorJitter(0.1, 0.1), ff.RandomErasing(1.0, value="random")
    zoom_out = ff.RandomZoomOut(90, (1, 1.2), 1.0)
    compiled = compile_transforms([jitter, erasing, zoom_out] * 341, 9, 14, 10)
    core = ff._core.Program(compiled, 9, 14)
    image = dataset_of(9, 14, 4).images[0]
    for epoch in range(3):
        got = core.run(image, seed=1, epochs=[epoch], position=0)[0]
        want = reference.augmented(compiled, image, Key(1, epoch, 0), 0)
        assert np.array_equal(got, want)


def test_an_image_of_another_size_is_refused():
    core = ff._core.Program(compile_transforms([ff.RandomInvert()], 5, 7, 10), 5, 7)
    with pytest.raises(ValueError, match=r"must have shape \(5, 7\), got \(7, 5\)"):
        core.run(np.zeros((7, 5), np.uint8), seed=0, epochs=[0], position=0)


def test_views_draw_apart_and_equal_the_reference(cpu_level):
    """By default, the random numbers are those of view 0."""
    crop, flip = ff.RandomCrop(28, padding=4), ff.RandomHorizontalFlip()
    transforms = [crop, flip, ff.RandomErasing(), ff.GaussianNoise()]
    compiled = compile_transforms(transforms, 28, 28, 10)
    image = dataset_of(28, 28, 4).images[0]
    views = []
    for view in (0, 1, 2, ff._core.MAX_VIEWS - 1):
        key = Key(1, 5, 7, view)
        core = ff._core.Program(compiled, 28, 28, draws_view=view)
        got = core.run(image, seed=1, epochs=[5], position=7)[0]
        assert np.array_equal(got, reference.augmented(compiled, image, key, 7))
        views.append(got.tobytes())
    assert len(set(views)) == 4
    core = ff._core.Program(compiled, 28, 28)
    assert core.run(image, seed=1, epochs=[5], position=7)[0].tobytes() == views[0]


def test_the_bytes_of_a_program_mean_the_same_on_a_device():
    """Its structs have no pointers, and no type whose size depends on the machine."""
    headers = (Path(__file__).parents[1] / "src").rglob("*.h")
    text = "\n".join(path.read_text(encoding="utf-8") for path in headers)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    bodies = dict(re.findall(r"^struct (\w+) \{\n(.*?)^\};", text, re.M | re.S))
    left, done = ["fm_program", "fm_transform"], set()
    while left:
        done.add(name := left.pop())
        assert not re.findall(r"\*|\w*size_t|\w*ptr\w*|\blong\b", bodies[name]), name
        left += set(re.findall(r"struct (\w+)", bodies[name])) - done
    assert {"fm_mix", "fm_shape", "fm_range", "fm_resize"} < done

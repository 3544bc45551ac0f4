"""The kernel for programs that only crop, flip and paint: which they are, its bytes."""

import functools
import itertools

import numpy as np
import pytest
from helpers import transform_cases
from helpers.against_reference import dataset_of, same
from reference_draws import Key
from reference_operations import Cut, Paint
from reference_plan import plan

import fmnist_fast as ff
from fmnist_fast._loader.pipelines import new_programs
from fmnist_fast.augment import compile_transforms
from fmnist_fast.frameworks._resident import FixedBuffersLoader, ResidentLoader

SHAPES = [(28, 28), (64, 48), (5, 7), (9, 1), (1, 9), (1, 1), (1, 300), (40, 66)]
CASES = {name: kind for kind in transform_cases.KINDS for name in kind(28, 28)}
FLIPS = [ff.RandomVerticalFlip(), ff.RandomHorizontalFlip()]
BOX = ff.RandomErasing(p=0.7, scale=(0.1, 0.6), value=200)
OF_5X7 = ff.Compose([ff.RandomCrop((3, 5)), ff.Pad(1)])
CHOICE = ff.RandomChoice([OF_5X7, ff.Cutout(3)])
EDGE = ff.RandomCrop((7, 5), padding=2, padding_mode="edge")
EDGE_28 = ff.RandomCrop(28, padding=3, padding_mode="edge")
SEVERAL = [ff.RandomApply([*FLIPS, BOX], p=0.6), BOX, ff.Pad(1), ff.RandomApply([BOX])]


@functools.cache
def images_of(shape):
    return dataset_of(*shape, 12)


def kernel_of(dataset, augment):
    """Return the name of the kernel that makes a loader's rows."""
    loader = ResidentLoader(dataset, augment=augment, label_dtype="onehot")
    return loader._pipeline.filler._making[0][0]


def made_by_each_kernel(dataset, *, epoch=0, **options):
    """Compare an epoch of kernels "cut" and "fill" with that of a Loader."""
    plain = ff.Loader(dataset, **options)
    plain.set_epoch(epoch)
    want = list(plain)
    for name in ("cut", "fill"):
        loader = ResidentLoader(dataset, **options)
        filler = loader._pipeline.filler
        assert filler._making == [("cut", 64, 0)]
        if name == "fill":
            filler._making = [("fill", 128, new_programs(loader)[0].shared_nbytes)]
        loader.set_epoch(epoch)
        assert same(list(loader), want, (name, dataset.images.shape))


# ---- which programs -----------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_programs_with_other_operations_are_left_to_the_general_kernel(name):
    """Compare with 200 plans of the reference."""
    augment = CASES[name](28, 28)[name]
    program = compile_transforms(augment, 28, 28, 3)
    plans = [plan(program, Key(7, 0, i), i, (28, 28)) for i in range(200)]
    only_cuts = all(isinstance(op, Cut | Paint) for op in itertools.chain(*plans))
    kernel = kernel_of(images_of((28, 28)), augment)
    assert kernel == ("cut" if only_cuts else "fill")


@pytest.mark.parametrize(
    "augment, kernel",
    [
        (None, "cut"),
        ("standard", "cut"),
        ("standard+erasing", "cut"),
        ([ff.Compose([ff.Compose(FLIPS)])], "cut"),
        ([ff.RandomChoice([ff.Compose(FLIPS), ff.RandomInvert()])], "fill"),
        ([ff.RandomOrder([*FLIPS, ff.Cutout(3), EDGE_28])], "cut"),
        ([ff.RandomOrder([*FLIPS, ff.RandomInvert()])], "fill"),
        ([ff.SaltAndPepperNoise(p=0.0)], "fill"),
        ([ff.RandomErasing(p=0.0, value="random")], "fill"),
        ([ff.RandomInvert(p=0.0)], "fill"),
        ([ff.Resize((28, 28))], "fill"),
        ([*FLIPS, ff.RandomApply([ff.MixUp()], p=0.0)], "fill"),
        ([ff.CutMix()], "fill"),
        ("strong", "fill"),
    ],
)
def test_kernels_of_programs(augment, kernel):
    assert kernel_of(images_of((28, 28)), augment) == kernel


# ---- the bytes ----------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_transforms(shape):
    n_compared, dataset = 0, images_of(shape)
    kinds = [transform_cases.crops, transform_cases.boxes, transform_cases.filters]
    for kind in [*kinds, transform_cases.orders]:
        for augment in kind(*shape).values():
            options = {"batch_size": 12, "shuffle": True, "augment": augment}
            if new_programs(ff.Loader(dataset, **options))[0].only_cuts:
                for epoch in (0, 3):
                    made_by_each_kernel(dataset, epoch=epoch, **options)
                n_compared += 1
    assert n_compared == 44


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "uint8"])
@pytest.mark.parametrize("label_dtype", ["int64", "int32", "uint8", "onehot"])
def test_data_types(odd, dtype, label_dtype):
    for augment in (None, "standard", [EDGE, *FLIPS, BOX]):
        options = {"dtype": dtype, "label_dtype": label_dtype, "augment": augment}
        made_by_each_kernel(odd, batch_size=60, shuffle=True, **options)


@pytest.mark.parametrize("augment", [[CHOICE], SEVERAL, "standard+erasing"])
@pytest.mark.parametrize("rank", [0, 1, 2])
@pytest.mark.parametrize("drop_last", [False, True, "wrap"])
def test_ranks(odd, augment, rank, drop_last):
    options = {"shard": (rank, 3), "drop_last": drop_last, "augment": augment}
    made_by_each_kernel(odd, batch_size=50, shuffle=True, epoch=2**32 - 1, **options)


def test_fixed_buffers(odd):
    options = {"batch_size": 50, "drop_last": True, "shuffle": True, "augment": SEVERAL}
    loader, plain = (kind(odd, **options) for kind in (FixedBuffersLoader, ff.Loader))
    for want in [*plain, *plain]:
        assert same([loader.fill()], [want])


def test_a_program_that_mixes_is_not_for_this_kernel(odd):
    """It would leave the samples unmixed: the comparison finds that."""
    options = {"batch_size": 517, "augment": [ff.MixUp()], "label_dtype": "onehot"}
    loader = ResidentLoader(odd, **options)
    assert same(list(loader), list(ff.Loader(odd, **options)))
    loader = ResidentLoader(odd, **options)
    loader._pipeline.filler._making = [("cut", 64, 0)]
    with pytest.raises(AssertionError, match=r"rows \[.*\] differ"):
        same(list(loader), list(ff.Loader(odd, **options)))
    ((images, _),) = loader
    ((unmixed, _),) = ff.Loader(odd, batch_size=517)
    assert np.array_equal(images, unmixed)

"""Batches that the kernels of devices fill, as plain C: they have a Loader's bytes.

tests/helpers/resident_cases.py compares as many bytes of random cases as it is told.
"""

import copy
import ctypes
import functools
import pickle
import re

import numpy as np
import pytest
from helpers import transform_cases
from helpers.against_reference import dataset_of, same
from helpers.loader_cases import cases, difference, in_files
from helpers.resident_cases import compared
from hypothesis import given, settings

import fmnist_fast as ff
from fmnist_fast._core import MAX_SHARED_NBYTES
from fmnist_fast._device.batches import ChunkPipeline
from fmnist_fast.frameworks import _resident
from fmnist_fast.frameworks._resident import ResidentLoader

SHAPES = [(28, 28), (64, 48), (5, 7), (9, 1), (1, 9), (1, 1)]
OPTIONS = {"batch_size": 50, "shuffle": True, "seed": 6, "augment": "strong"}
CASES = [(kind, name) for kind in transform_cases.KINDS for name in kind(28, 28)]
MIXES = {
    "mixup": ff.MixUp(),
    "mixup of few": ff.MixUp(alpha=0.01),
    "cutmix": ff.CutMix(),
    "cutmix of much": ff.CutMix(alpha=90.0),
    "both": ff.RandomChoice([ff.MixUp(alpha=0.2), ff.CutMix()], p=[1, 3]),
    "sometimes": ff.RandomApply([ff.MixUp()], p=0.3),
    "sometimes both": ff.RandomChoice(
        [ff.MixUp(), ff.RandomApply([ff.CutMix()]), ff.CutMix(alpha=3.0)]
    ),
}


@ctypes.CFUNCTYPE(
    None, *[ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64], *[ctypes.c_void_p] * 2
)
def blacken(pixels, height, width, random, data):
    ctypes.memset(pixels, 0, height * width)


NATIVE = ff.CFunction(blacken)


def check(dataset, *, epoch=0, note=None, **options):
    """Compare an epoch with that of a Loader, and return its batches."""
    runs = [kind(dataset, **options) for kind in (ResidentLoader, ff.Loader)]
    for loader in runs:
        loader.set_epoch(epoch)
    got, want = map(list, runs)
    assert same(got, want, note)
    return got


# ---- every transform, option and dataset --------------------------------------------


@functools.cache
def images_of(shape):
    return dataset_of(*shape, 12)


@pytest.mark.parametrize(
    "kind, name", CASES, ids=lambda case: getattr(case, "__name__", case)
)
def test_transforms(kind, name):
    n_compared = 0
    for shape in SHAPES:
        augment, dataset = kind(*shape)[name], images_of(shape)
        options = {"batch_size": 12, "shuffle": True, "augment": augment}
        try:
            ResidentLoader(dataset, **options)
        except ValueError as error:
            assert "bytes of shared memory" in str(error) and shape != (28, 28)
            continue
        for epoch in (0, 3):
            check(dataset, epoch=epoch, note=shape, **options)
        n_compared += 1
    assert n_compared >= 4


@pytest.mark.parametrize("name", MIXES)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "uint8"])
def test_mixes(odd, name, dtype):
    before = [ff.RandomHorizontalFlip(), ff.ColorJitter(0.4, 0.4)]
    options = {"shuffle": True, "dtype": dtype, "label_dtype": "onehot"}
    for augment in ([MIXES[name]], [*before, MIXES[name]]):
        for shard in ((0, 1), (0, 2), (1, 2)):  # partners are of the global batch
            check(odd, batch_size=60, augment=augment, shard=shard, **options)


@pytest.mark.parametrize("name", ff.augment.RECIPES)
def test_recipes(small, name):
    check(small, batch_size=200, shuffle=True, augment=name)
    check(small, batch_size=1000, threads=4, augment=name)  # several pieces of work


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "uint8"])
@pytest.mark.parametrize("label_dtype", ["int64", "int32", "uint8", "onehot"])
@pytest.mark.parametrize("augment", [None, "standard"])
def test_data_types(odd, dtype, label_dtype, augment):
    check(odd, dtype=dtype, label_dtype=label_dtype, augment=augment)


@pytest.mark.parametrize("normalize", [None, "unit", "dataset", (-3.0, 0.01)])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_normalization(odd, normalize, dtype):
    check(odd, dtype=dtype, normalize=normalize)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "NHW", "flat"])
def test_layouts(odd, layout):
    ((x, _), *_) = check(odd, batch_size=100, layout=layout, augment=[ff.Pad(1)])
    shape = {"NCHW": (1, 7, 9), "NHWC": (7, 9, 1), "NHW": (7, 9), "flat": (63,)}
    assert x.shape == (100, *shape[layout])


@pytest.mark.parametrize("labels", ["uint8", "int32", "int64"])
@pytest.mark.parametrize("label_dtype", ["int64", "int32", "uint8", "onehot"])
def test_labels_of_each_data_type(odd, labels, label_dtype):
    dataset = ff.Dataset.from_arrays(odd.images, odd.labels.astype(labels))
    check(dataset, shuffle=True, label_dtype=label_dtype)


@pytest.mark.parametrize("drop_last", [False, True, "wrap"])
@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [1, 8, 64, 517, 600])
def test_ranks_and_last_batches(odd, drop_last, world, batch_size):
    options = {"batch_size": batch_size, "drop_last": drop_last, "shuffle": True}
    for rank in range(world):
        check(odd, shard=(rank, world), augment=[ff.RandomInvert()], **options)


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
@pytest.mark.parametrize("epoch", [0, 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("shuffle", [False, True])
def test_seeds_and_epochs(odd, seed, epoch, shuffle):
    options = {"seed": seed, "shuffle": shuffle, "augment": "standard+erasing"}
    check(odd, epoch=epoch, **options)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 16, 17])
def test_few_images(odd, n):
    check(odd.select(range(n)), normalize="unit", shuffle=True, batch_size=2)


def test_images_in_files_and_selections(odd, tmp_path):
    files = in_files(odd, [1, 200, 517], tmp_path)
    rows = np.random.default_rng(0).integers(0, 517, 300)
    for dataset in (files, odd.select(rows), files.select(rows), odd.select(slice(9))):
        check(dataset, batch_size=40, shuffle=True, augment="standard")


@given(case=cases(most_rows=30))
@settings(max_examples=500)
def test_any_case(case, tmp_path_factory):
    _, n_differing = compared(case, tmp_path_factory.getbasetemp())
    assert n_differing == 0


def test_one_wrong_bit_is_found(odd):
    images = odd.images.copy()
    images[300, 2, 3] ^= 1
    wrong = ff.Dataset.from_arrays(images, odd.labels)
    options = {"batch_size": 60, "shuffle": True, "normalize": "unit"}
    runs = [list(ff.Loader(dataset, **options)) for dataset in (odd, wrong)]
    n_bytes, n_differing = difference(*runs)
    assert n_bytes == 517 * (35 * 4 + 8) and 0 < n_differing <= 4
    with pytest.raises(AssertionError, match=r"rows \[\d+\] differ"):
        same(*runs)


# ---- as a loader --------------------------------------------------------------------


@pytest.mark.parametrize("drop_last", [False, True, "wrap"])
@pytest.mark.parametrize("augment", ["strong", [ff.RandomVerticalFlip(), ff.MixUp()]])
def test_states_move_between_loaders_at_every_batch(odd, drop_last, augment):
    options = OPTIONS | {"drop_last": drop_last, "augment": augment}
    options["label_dtype"] = "onehot"
    kinds = ResidentLoader, ff.Loader
    want = list(ff.Loader(odd, **options))
    for kind, other in (kinds, kinds[::-1]):
        run = kind(odd, **options)
        batches = iter(run)
        for k in range(len(want)):
            resumed = other(odd, **options | {"seed": 0})
            resumed.load_state_dict(run.state_dict())
            assert resumed.state_dict() == run.state_dict()
            assert same(list(resumed), want[k:])
            back = kind(odd, threads=1, **options)
            back.load_state_dict(run.state_dict())
            assert same([next(iter(back))], want[k : k + 1])
            next(batches)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_epochs_in_turn_with_any_number_of_threads(odd, threads):
    resident = ResidentLoader(odd, threads=threads, **OPTIONS)
    plain = ff.Loader(odd, **OPTIONS)
    for epoch in range(3):
        assert resident.epoch == epoch
        assert same(list(resident), list(plain))


def test_iterators_at_once_have_epochs_of_their_own(odd):
    pairs = []
    for loader in (ResidentLoader(odd, **OPTIONS), ff.Loader(odd, **OPTIONS)):
        iterators = iter(loader), iter(loader)
        pairs.append([batch for both in zip(*iterators) for batch in both])
    assert same(*pairs)


@pytest.mark.parametrize(
    "copied",
    [
        copy.copy,
        lambda loader: pickle.loads(pickle.dumps(loader)),
        lambda loader: loader._replace(threads=1),
    ],
)
def test_copies_are_filled_by_the_same_kernels(odd, copied):
    resident = ResidentLoader(odd, **OPTIONS)
    next(iter(resident))
    twin = copied(resident)
    assert type(twin) is ResidentLoader and twin.epoch == 1
    assert same(list(twin), list(resident))
    assert type(twin._pipeline) is ChunkPipeline


def test_previews_and_pictures(small):
    resident, plain = ResidentLoader(small, **OPTIONS), ff.Loader(small, **OPTIONS)
    preview = resident.augment_preview(5, 4)
    assert np.array_equal(preview, plain.augment_preview(5, 4))
    pytest.importorskip("PIL.Image")
    batch = next(iter(resident))
    assert resident.show(batch) == plain.show(batch)


def test_close_stops_the_workers(odd):
    with ResidentLoader(odd, **OPTIONS) as resident:
        batches = iter(resident)
        kept = [next(batches)]
    with pytest.raises(RuntimeError, match="closed"):
        next(batches)
    assert same(kept, [next(iter(ff.Loader(odd, **OPTIONS)))])


def test_the_kernels_of_devices_fill_the_batches(odd, monkeypatch):
    """Unlike those of Loader, they call no function."""
    monkeypatch.setattr(_resident, "_check", lambda _: None)
    black, plain = ({"dtype": "uint8", "augment": a} for a in (NATIVE, None))
    assert not any(x.any() for x, _ in ff.Loader(odd, **black))
    assert same(list(ResidentLoader(odd, **black)), list(ff.Loader(odd, **plain)))


# ---- loaders that devices can't run -------------------------------------------------


def double(images, labels, rng):
    return images, labels


ADVICE = r"\.\nWith resident=False, this loader works\."


@pytest.mark.parametrize(
    "augment, functions",
    [
        (double, [double]),
        ([ff.RandomInvert(), double, double], [double]),
        ([ff.RandomInvert(), ff.Compose([ff.Compose([double])])], [double]),
        (NATIVE, [NATIVE]),
        (
            [ff.RandomApply([ff.RandomChoice([NATIVE, ff.Pad(0)])]), double],
            [NATIVE, double],
        ),
    ],
)
def test_functions_are_refused(odd, augment, functions):
    got = " and ".join(map(repr, functions))
    with pytest.raises(
        ValueError,
        match=r"^resident=True requires augment without functions of your own, got "
        rf"{re.escape(got)}{ADVICE}$",
    ):
        ResidentLoader(odd, augment=augment, views=2)  # named once
    assert ff.Loader(odd, augment=augment).augment is not None


def test_blocks_are_refused(odd):
    with pytest.raises(
        ValueError,
        match=rf"^resident=True requires shuffle_block=None, got 4{ADVICE}$",
    ):
        ResidentLoader(odd, shuffle=True, shuffle_block=4)


def test_slots_are_refused(odd):
    slots = [np.empty(1 << 16, np.uint8) for _ in range(6)]
    slots = [slot[-slot.ctypes.data % 64 :] for slot in slots]
    with pytest.raises(AttributeError, match=r"resident=True has no slots"):
        ResidentLoader(odd).slot_nbytes  # noqa: B018
    with pytest.raises(
        ValueError, match=rf"^resident=True requires slots=None, got 6 slots{ADVICE}$"
    ):
        ResidentLoader(odd, slots=slots)


def test_large_images_are_refused(odd):
    size, augment = MAX_SHARED_NBYTES, (ff.Resize((300, 400)), ff.Resize((5, 7)))
    with pytest.raises(
        ValueError,
        match=rf"^resident=True requires at most {size:,} bytes of shared memory for "
        rf"an image, got [\d,]+ for images of 5x7 pixels and augment="
        rf"{re.escape(repr(augment))}{ADVICE}$",
    ) as caught:
        ResidentLoader(odd, augment=augment)
    needed = re.search(r"got ([\d,]+)", str(caught.value))[1].replace(",", "")
    assert int(needed) > size
    large = dataset_of(300, 300, 4)
    with pytest.raises(ValueError, match=r"300x300 pixels and augment=\(Resize"):
        ResidentLoader(large, augment=[ff.Resize((9, 9))])
    assert len(list(ff.Loader(large, augment=[ff.Resize((9, 9))]))) == 1


def test_the_largest_images_that_fit(odd):
    """Each loader either raises that error, or has a Loader's bytes."""
    n_compared = 0
    for side in range(40, 300, 20):
        options = {"augment": [ff.Resize(side), ff.RandomRotation(9)]}
        try:
            ResidentLoader(odd.select(range(3)), **options)
        except ValueError as error:
            assert "bytes of shared memory" in str(error)
            break
        check(odd.select(range(3)), **options)
        n_compared += 1
    assert 0 < n_compared < 13

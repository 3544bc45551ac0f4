"""JaxBatches: errors for bad steps and seeds, and for what JAX can't make."""

import re
import unittest.mock

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import _core

jax = pytest.importorskip("jax")
from fmnist_fast.frameworks._jax import data as jax_data  # noqa: E402
from fmnist_fast.frameworks._jax import plan as jax_plan  # noqa: E402
from fmnist_fast.frameworks.jax import JaxBatches  # noqa: E402

MAX_EPOCH = _core.MAX_EPOCH
ADVICE = "\nUse JaxLoader"
jnp = jax.numpy


@pytest.fixture(scope="module")
def batches(odd):
    return JaxBatches(odd, 100)


def refused(dataset, match, error=ValueError, **options):
    with pytest.raises(error, match=match):
        JaxBatches(dataset, **options)


# ---- steps --------------------------------------------------------------------------


@pytest.mark.parametrize("as_step", [int, np.int64, np.array, jnp.int32])
def test_negative_steps(batches, as_step):
    for call in (batches, lambda step: batches.at(1, step)):
        with pytest.raises(ValueError, match=r"^step must be at least 0, got -3$"):
            call(as_step(-3))


@pytest.mark.parametrize(
    "step",
    [1.0, np.float32(2), np.array(3.0), jnp.float32(0), True, np.True_, "1", None],
)
def test_steps_that_are_not_integers(batches, step):
    for call in (batches, lambda step: batches.at(1, step)):
        with pytest.raises(TypeError, match=r"^step must be an integer, got "):
            call(step)


@pytest.mark.parametrize("step", [jnp.array(True), np.array(False)])
def test_arrays_of_booleans(batches, step):
    with pytest.raises(TypeError, match=r"^step must be an integer, got (True|False)$"):
        batches(step)


SHAPES = " of shape (3,).\nFor several, call "


@pytest.mark.parametrize("step", [np.arange(3), jnp.arange(3), jnp.ones(3)])
def test_steps_with_axes(batches, step):
    match = re.escape(f"{SHAPES}jax.vmap(batches).")
    for call in (batches, jax.jit(batches), lambda step: batches.at(0, step)):
        must = "^step must be one integer, got (int64|int32|float32)"
        with pytest.raises(TypeError, match=f"{must}{match}"):
            call(step)


@pytest.mark.parametrize("dtype", ["float32", "bool", "bfloat16"])
def test_traced_steps_that_are_not_integers(batches, dtype):
    step = jnp.ones((), dtype)
    for call in (jax.jit(batches), jax.jit(lambda step: batches.at(1, step))):
        with pytest.raises(TypeError, match=f"^step must be an integer, got {dtype}"):
            call(step)
    with pytest.raises(TypeError, match=f"^step must be an integer, got {dtype}"):
        jax.vmap(batches)(jnp.ones(3, dtype))


LATER = "\nFor later epochs, make batches with begin_epoch."


@pytest.mark.parametrize("begin", [0, MAX_EPOCH - 1, MAX_EPOCH])
def test_the_last_step(odd, begin):
    batches = JaxBatches(odd, 100, begin_epoch=begin)
    last = min(5 * (MAX_EPOCH - begin + 1), 2**32) - 1
    assert batches(last)[1].shape == batches(np.uint32(last))[1].shape == (100,)
    for step in (last + 1, np.int64(last + 1), 2**70):
        end = f", got {step}.{LATER}"
        if begin:
            end = f", the end of the last epoch, got {step}"
        match = re.escape(f"step must be at most {last}{end}")
        with pytest.raises(ValueError, match=f"^{match}$"):
            batches(step)


def test_the_last_step_with_steps(odd):
    last_epoch = (MAX_EPOCH + 1) * 517 // 700 - 1
    batches = JaxBatches(odd, 100, steps=7, begin_epoch=last_epoch - 2)
    assert batches(20)[1].shape == (100,)
    match = "step must be at most 20, the end of the last epoch, got 21$"
    with pytest.raises(ValueError, match=match):
        batches(21)
    match = f"begin_epoch must be in 0..{last_epoch}, got {last_epoch + 1}"
    refused(odd, f"^{match}$", batch_size=100, steps=7, begin_epoch=last_epoch + 1)
    with pytest.raises(ValueError, match="with steps, an epoch must end in the first"):
        loader = ff.Loader(odd, 100, steps=7)
        loader.set_epoch(last_epoch + 1)
        next(iter(loader))


def test_traced_steps_count_modulo_32_bits(batches):
    call = jax.jit(batches)
    for step in (2**32 - 1, 2**31):
        assert np.array_equal(call(np.uint32(step))[1], batches(step)[1])
    assert np.array_equal(call(jnp.int32(-1))[1], batches(2**32 - 1)[1])


@pytest.mark.parametrize("begin", [-1, MAX_EPOCH + 1])
def test_first_epochs_out_of_range(odd, begin):
    refused(odd, r"begin_epoch must be in 0\.\.4294967295, got ", begin_epoch=begin)


def test_first_epochs_that_are_not_integers(odd):
    refused(odd, "begin_epoch must be an integer, got 1.0", TypeError, begin_epoch=1.0)


# ---- seeds --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [-1, 2**64, np.int64(-1), jnp.int32(-2)])
def test_seeds_out_of_range(batches, seed):
    with pytest.raises(ValueError, match=r"seed must be in 0\.\.18446744073709551615"):
        batches.at(seed, 0)


@pytest.mark.parametrize("seed", [1.0, True, None, np.float64(1), jnp.float32(1)])
def test_seeds_that_are_not_integers(batches, seed):
    with pytest.raises(TypeError, match="seed must be an integer"):
        batches.at(seed, 0)


KEY = "seed must be an integer or two uint32 words, got a key of jax.random.\nPass "


def test_keys_of_jax(batches):
    key = jax.random.key(7)
    for call in (batches.at, jax.jit(batches.at)):
        with pytest.raises(
            TypeError, match=re.escape(f"{KEY}jax.random.key_data(key).")
        ):
            call(key, 0)
    low, upper = jax.random.key_data(key).tolist()
    got = batches.at(jax.random.key_data(key), 0)
    assert np.array_equal(got[1], batches.at(low | upper << 32, 0)[1])


@pytest.mark.parametrize("dtype", ["int32", "uint32"])
@pytest.mark.parametrize("shape", [(2,), (3,), (2, 2), (1,)])
def test_seeds_with_axes(batches, shape, dtype):
    if (shape, dtype) == ((2,), "uint32"):
        return
    text = f"seed must be one integer or two uint32 words, got {dtype} of shape {shape}"
    text += ".\nFor several, "
    match = re.escape(f"{text}call jax.vmap(batches.at).")
    for call in (batches.at, jax.jit(batches.at)):
        with pytest.raises(TypeError, match=f"^{match}"):
            call(jnp.ones(shape, dtype), 0)


@pytest.mark.parametrize("dtype", ["float32", "bool"])
def test_traced_seeds_that_are_not_integers(batches, dtype):
    with pytest.raises(TypeError, match=f"^seed must be an integer, got {dtype}"):
        jax.jit(batches.at)(jnp.ones((), dtype), 0)


# ---- options that JAX can't have ----------------------------------------------------

AUGMENT = "JaxBatches requires transforms that are exact in integers, got "
TAKES = re.escape(
    "\nIt takes crops, pads, flips, Cutout, RandomInvert, RandomPosterize, "
    "RandomSolarize, RandomAutocontrast and RandomEqualize.\nUse JaxLoader for others."
)


def double(images, labels, rng):
    return images * 2, labels


REFUSED = {
    "ColorJitter": [ff.ColorJitter(0.4)],
    "RandomErasing": [ff.RandomErasing()],
    "MixUp": [ff.RandomInvert(), ff.MixUp()],
    "CutMix": [ff.CutMix()],
    "RandomRotation": [ff.RandomRotation(5)],
    "RandomAffine": [ff.RandomAffine(5)],
    "RandomPerspective": [ff.RandomPerspective()],
    "ElasticTransform": [ff.ElasticTransform()],
    "Resize": [ff.Resize((3, 3))],
    "RandomResizedCrop": [ff.RandomResizedCrop((5, 7))],
    "RandomZoomOut": [ff.RandomZoomOut()],
    "GaussianBlur": [ff.GaussianBlur(3)],
    "RandomAdjustSharpness": [ff.RandomAdjustSharpness(2)],
    "GaussianNoise": [ff.GaussianNoise()],
    "SaltAndPepperNoise": [ff.SaltAndPepperNoise()],
    "TrivialAugmentWide": [ff.TrivialAugmentWide()],
    "RandAugment": [ff.RandAugment()],
    "AutoAugment": [ff.AutoAugment()],
    "GaussianNoise, CutMix": [
        ff.Compose([ff.Pad(1), ff.GaussianNoise()]),
        ff.CutMix(),
    ],
    "RandomErasing, ColorJitter": [
        ff.RandomChoice([ff.RandomErasing(), ff.RandomApply([ff.ColorJitter(0.1)])]),
        ff.RandomErasing(),
    ],
}


@pytest.mark.parametrize("names", REFUSED)
def test_transforms_that_need_floats(odd, names):
    options = {"augment": REFUSED[names]}
    if names.endswith(("MixUp", "CutMix")):
        options["label_dtype"] = "onehot"
    refused(odd, f"^{re.escape(AUGMENT + names)}\\.{TAKES}$", **options)


def test_functions_in_augment(odd):
    match = rf"{re.escape(AUGMENT)}<function double at .*>\.{TAKES}$"
    refused(odd, match, augment=[ff.RandomInvert(), double])
    refused(odd, match, augment=[ff.RandomInvert(), double], views=2)


def test_transforms_of_other_sizes_are_named(odd):
    """A crop that fits only padded images is not named."""
    augment = [ff.Pad(9), ff.RandomCrop((20, 20)), ff.GaussianNoise()]
    refused(odd, f"got GaussianNoise\\.{TAKES}$", augment=augment)


def test_transforms_of_views(odd):
    views = [[ff.RandomInvert()], [ff.GaussianNoise()], [ff.GaussianBlur(3)]]
    refused(odd, f"got GaussianNoise, GaussianBlur\\.{TAKES}$", views=views)


def test_blocks_slots_and_functions_as_order(odd):
    match = f"^JaxBatches requires shuffle_block=None, got 8\\.{ADVICE}\\.$"
    refused(odd, match, shuffle=True, shuffle_block=8)
    nbytes = ff.Loader(odd, 4, label_dtype="int32", drop_last=True).slot_nbytes
    slots = [np.zeros(nbytes + 64, np.uint8) for _ in range(9)]
    slots = [slot[-slot.ctypes.data % 64 :][:nbytes] for slot in slots]
    match = f"^JaxBatches requires slots=None, got 9 slots\\.{ADVICE}\\.$"
    refused(odd, match, batch_size=4, slots=slots)
    match = r"JaxBatches requires an array of rows as order, got the function .*\."
    match += r"\nPass the rows of all epochs one after another, with steps\.$"
    refused(odd, match, order=lambda epoch: np.arange(517))


@pytest.mark.parametrize(
    "normalize",
    [(0.0, 2.0**-108.1), (0.5, 2.0**92.1), (2.0**-101, 1.0), (-(2.0**-94), 2.0**7)],
)
def test_normalizations_beyond_normal_numbers(odd, normalize):
    match = (
        "JaxBatches requires normalize with a std in 2**-107..2**92 and a mean of 0 "
    )
    match += f"or at least 2**-100 times the std, got {normalize}"
    refused(odd, re.escape(match), normalize=normalize)


def test_epochs_without_batches(odd):
    match = r"at least 600 rows, as many as a batch of all ranks has, got 517\."
    refused(odd, match + "\nPass a smaller batch_size, or steps", batch_size=600)
    refused(odd, match, batch_size=300, shard=("rows", 2))
    refused(odd, match, batch_size=300, shard=(1, 2))


def test_batches_of_several_sizes(odd):
    match = (
        "requires batches of one size, but 517 rows are not a multiple of 100.\nPass "
    )
    match = re.escape(match + "drop_last=True or drop_last='wrap'.")
    refused(odd, f"JaxBatches {match}$", batch_size=100, drop_last=False)
    assert JaxBatches(odd, 47, drop_last=False).steps_per_epoch == 11


@pytest.mark.parametrize("most, shape", [(516, (517, 5, 7)), (34, (34, 5, 7))])
def test_images_that_no_index_reaches(odd, most, shape, monkeypatch):
    monkeypatch.setattr(jax_plan, "_MOST_INDEX", most)
    match = re.escape(
        "JaxBatches requires at most 2**31 - 1 images, and as many pixels of each, got "
        f"the shape {shape}."
    )
    refused(odd.select(range(shape[0])), f"^{match}{ADVICE}\\.$", batch_size=2)
    monkeypatch.setattr(jax_plan, "_MOST_INDEX", max(most + 1, 35))
    assert JaxBatches(odd.select(range(shape[0])), 2).steps_per_epoch == shape[0] // 2


def test_positions_beyond_32_bits(odd):
    match = r"requires at most 2\*\*32 positions in an epoch and a batch, got "
    refused(
        odd,
        f"{match}542113792 and 4000000000",
        repeats=2**20,
        batch_size=4 * 10**9,
        steps=1,
    )
    order = np.zeros(2**12, np.int64)
    refused(odd, f"{match}4294967296 and 1", order=order, repeats=2**20, batch_size=1)


def test_other_data_types_of_labels(odd):
    refused(odd, "label_dtype must be one of .*, got 'int64'", label_dtype="int64")


def test_unknown_options_have_hints(odd):
    refused(odd, "shufle.*shuffle", TypeError, shufle=True)


def test_drop_last_excludes_steps(odd):
    assert JaxBatches(odd, steps=3).steps_per_epoch == 3
    assert JaxBatches(odd, steps=3, drop_last=False).steps_per_epoch == 3
    refused(odd, r"steps.*drop_last|drop_last.*steps", steps=3, drop_last="wrap")


# ---- shards -------------------------------------------------------------------------


def test_axes_that_do_not_exist(odd):
    batches = JaxBatches(odd, 5, shard=("rows", 2))
    match = re.escape(
        "shard=('rows', 2) requires an axis 'rows' around the call.\nCall the batches "
        "in jax.shard_map or in jax.vmap(..., axis_name=...)."
    )
    mapped = jax.vmap(batches, axis_name="other")
    steps = np.uint32(0), np.uint32(0), np.zeros(2, np.uint32)
    for call, step in zip((batches, jax.jit(batches), mapped), steps):
        with pytest.raises(NameError, match=f"^{match}"):
            call(step)


def test_axes_of_another_size(odd):
    batches = JaxBatches(odd, 5, shard=("rows", 2))
    match = r"^shard=\('rows', 2\) requires an axis of 2 ranks, got 3"
    with pytest.raises(ValueError, match=match):
        jax.vmap(batches, axis_name="rows")(np.zeros(3, np.uint32))


@pytest.mark.parametrize(
    "shard", [("rows", 0), ("rows", 1.5), ("rows",), "rows", (2, 2)]
)
def test_bad_shards(odd, shard):
    with pytest.raises((TypeError, ValueError), match=r"shard|rank|world"):
        JaxBatches(odd, 5, shard=shard)


# ---- memory and columns -------------------------------------------------------------


class Device:
    """A device with little memory."""

    def __init__(self, **memory):
        self.memory = memory

    def memory_stats(self):
        return self.memory or None

    def __str__(self):
        return "device 3"


def test_datasets_larger_than_the_memory(odd, monkeypatch):
    nbytes = 517 * 36
    device = Device(bytes_limit=10**6, bytes_in_use=10**6 - nbytes + 1)
    default = unittest.mock.Mock(devices=lambda: {device})
    put = jax.device_put
    monkeypatch.setattr(
        jax, "device_put", lambda x, *to: put(x, *to) if to else default
    )
    match = (
        "^the dataset needs 18,612 bytes on a device, but device 3 has 18,611 bytes "
    )
    refused(odd, f"{match}free\\.{ADVICE}\\.$", MemoryError)
    device.memory["bytes_in_use"] -= 1
    assert JaxBatches(odd).steps_per_epoch == 2
    device.memory = {"bytes_in_use": 10**9}
    assert JaxBatches(odd).steps_per_epoch == 2
    device.memory = {"bytes_limit": nbytes - 1}
    refused(odd, "device 3 has 18,611 bytes free", MemoryError)


def test_memory_of_several_devices(odd):
    class Sharding(jax.sharding.Sharding):
        device_set = {Device(), Device(bytes_limit=10**4)}
        is_fully_replicated = False

    jax_data._check_memory(2 * 10**4, Sharding())
    with pytest.raises(
        MemoryError, match=r"needs 10,001 bytes on a device, but device 3"
    ):
        jax_data._check_memory(20_002, Sharding())
    Sharding.is_fully_replicated = True
    with pytest.raises(MemoryError, match="device 3 has 10,000 bytes free"):
        jax_data._check_memory(10_001, Sharding())


def test_devices_that_run_out_of_memory(odd, monkeypatch):
    error = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(jax, "device_put", fail)
    match = "^the dataset needs 18,612 bytes on a device, but a device has less free"
    refused(odd, f"{match}\\.{ADVICE}\\.$", MemoryError)
    error = jax.errors.JaxRuntimeError("INTERNAL: other")
    refused(odd, "^INTERNAL: other$", jax.errors.JaxRuntimeError)


def test_columns_that_do_not_fit(odd):
    wide = odd._with(extra={"big": np.arange(517) + 2**31, "text": ["a"] * 517})
    match = "columns must have integers that fit int32 for JAX, got 2147483648 in 'big'"
    refused(wide, match, columns=["big"])

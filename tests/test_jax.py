"""JaxLoader: JAX arrays with the same values, in separate memory, on any devices."""

import gc
import mmap
import subprocess
import sys
import weakref

import numpy as np
import pytest

import fmnist_fast as ff

jax = pytest.importorskip("jax")
from fmnist_fast.frameworks.jax import JaxLoader  # noqa: E402

OPTIONS = {"batch_size": 64, "shuffle": True, "seed": 5}


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "uint8"])
@pytest.mark.parametrize("label_dtype", ["int32", "uint8", "onehot"])
def test_values_equal_the_loaders(small, dtype, label_dtype):
    options = OPTIONS | {"dtype": dtype, "label_dtype": label_dtype}
    jax_loader, numpy_loader = JaxLoader(small, **options), ff.Loader(small, **options)
    assert len(jax_loader) == len(numpy_loader)
    for (x, y), (want_x, want_y) in zip(jax_loader, numpy_loader, strict=True):
        assert x.dtype == dtype and x.shape == want_x.shape
        assert np.asarray(x).tobytes() == want_x.tobytes()
        assert y.dtype == want_y.dtype and np.array_equal(y, want_y)


def test_images_in_files(small, small_in_files):
    options = OPTIONS | {"shuffle_block": 4}
    for got, want in zip(
        JaxLoader(small_in_files, **options), JaxLoader(small, **options)
    ):
        assert np.array_equal(got[0], want[0]) and np.array_equal(got[1], want[1])


@pytest.mark.parametrize("sharding", [None, jax.devices()[0]], ids=["default", "named"])
def test_arrays_do_not_share_memory_with_the_batch(small, sharding):
    nbytes = ff.Loader(small, **OPTIONS).slot_nbytes
    slots = [mmap.mmap(-1, nbytes) for _ in range(6)]
    begins = np.array([np.frombuffer(slot, np.uint8).ctypes.data for slot in slots])
    loader = JaxLoader(small, sharding=sharding, slots=slots, prefetch=4, **OPTIONS)
    held = list(loader)
    for array in (array for pair in held for array in pair):
        offset = array.unsafe_buffer_pointer() - begins
        assert not ((0 <= offset) & (offset < nbytes)).any()
    want = list(ff.Loader(small, label_dtype="int32", **OPTIONS))
    for (x, y), (want_x, want_y) in zip(held, want, strict=True):
        assert np.array_equal(x, want_x) and np.array_equal(y, want_y)


@pytest.mark.parametrize("sharding", [None, jax.devices()[0]], ids=["default", "named"])
def test_a_batch_is_read_before_its_memory_is_reused(small, sharding):
    """Other work keeps JAX busy, so it reads the batches late."""
    work = jax.jit(lambda x: jax.lax.fori_loop(0, 20, lambda _, y: jax.lax.tan(y), x))
    ballast = jax.numpy.ones((256, 256))
    loader = JaxLoader(small, sharding=sharding, threads=2, prefetch=1, **OPTIONS)
    numpy_loader, held = ff.Loader(small, label_dtype="int32", **OPTIONS), []
    for _ in range(5):
        for (x, y), (want_x, want_y) in zip(loader, numpy_loader, strict=True):
            ballast = work(ballast)
            held.append((x, y, want_x.tobytes(), want_y.tobytes()))
    for x, y, want_x, want_y in held:
        assert np.asarray(x).tobytes() == want_x and np.asarray(y).tobytes() == want_y


def test_jax_keeps_memory_of_numpy_while_it_refers_to_it(small):
    """The loader relies on this where JAX shares the memory of a batch for a while."""
    ((images, labels), *_) = ff.Loader(small, **OPTIONS)
    address, want = images.ctypes.data, images.copy()
    seen = weakref.ref(images)
    shared = jax.device_put(images)
    assert shared.unsafe_buffer_pointer() == address
    del images, labels
    for _ in range(3):  # fills other slots
        list(ff.Loader(small, threads=2, **OPTIONS))
    assert seen() is not None and np.array_equal(shared, want)
    late = jax.jit(lambda x: x * 2)(shared)
    del shared
    assert np.array_equal(late, want * 2)
    del late
    gc.collect()
    assert seen() is None


def test_arrays_may_be_donated(small):
    """Results written into the memory of a donated array change no other batch."""
    step = jax.jit(lambda x: x + 1, donate_argnums=0)
    loader = JaxLoader(small, threads=2, **OPTIONS)
    numpy_loader, held = ff.Loader(small, **OPTIONS), []
    for _ in range(3):
        for (x, _), (want, _) in zip(loader, numpy_loader, strict=True):
            held.append((step(x), want + 1))
            assert x.is_deleted()
    for x, want in held:
        assert np.array_equal(x, want)


def test_a_state_resumes(small):
    run = JaxLoader(small, **OPTIONS)
    batches = iter(run)
    next(batches), next(batches)
    resumed = JaxLoader(small, **OPTIONS)
    resumed.load_state_dict(run.state_dict())
    for (x, y), (want_x, want_y) in zip(resumed, batches, strict=True):
        assert np.array_equal(x, want_x) and np.array_equal(y, want_y)
    assert resumed.epoch == 1


def test_a_device_can_be_named(small):
    device = jax.devices()[0]
    x, _ = next(iter(JaxLoader(small, sharding=device)))
    assert x.devices() == {device}


SHARDED = """
import jax, numpy as np, fmnist_fast as ff
from fmnist_fast.frameworks.jax import JaxLoader
from jax.sharding import Mesh, NamedSharding, PartitionSpec
small = ff.synthetic(1000, 100)[0]
sharding = NamedSharding(Mesh(np.array(jax.devices()), "rows"), PartitionSpec("rows"))
loader = JaxLoader(small, 40, shuffle=True, sharding=sharding)
for (x, y), (want_x, want_y) in zip(loader, ff.Loader(small, 40, shuffle=True)):
    assert len(x.sharding.device_set) == len(y.sharding.device_set) == 4
    assert x.addressable_shards[0].data.shape == (10, 1, 28, 28)
    assert np.array_equal(x, want_x) and np.array_equal(y, want_y)
for batch_size in (42, 300):
    try:
        JaxLoader(small, batch_size, sharding=sharding)
    except ValueError as error:
        print(error)
for options in ({"order": range(302)}, {"repeats": 3, "order": range(99)}):
    try:
        JaxLoader(small, 100, sharding=sharding, **options)
    except ValueError as error:
        print(str(error).splitlines()[0])
for batch in JaxLoader(small, 300, sharding=sharding, steps=4, with_index=True):
    assert [len(array.sharding.device_set) for array in batch] == [4, 4, 4]
mixed = {"views": 2, "augment": [ff.MixUp()], "label_dtype": "onehot"}
for options in ({"views": 2, "augment": "standard", "channels": 3}, mixed):
    loader = JaxLoader(small, 40, sharding=sharding, with_index=True, **options)
    for got, want in zip(loader, ff.Loader(small, 40, with_index=True, **options)):
        for array, expected in zip(got, want):
            assert len(array.sharding.device_set) == 4
            assert np.array_equal(array, expected)
        shapes = [array.addressable_shards[0].data.shape for array in got]
        channels = loader.channels
        assert shapes[0] == (2, 10, channels, 28, 28) and shapes[2] == (10,)
        assert shapes[1] == ((2, 10, 10) if options is mixed else (10,))
class Other(jax.sharding.Sharding):
    device_set = sharding.device_set
try:
    JaxLoader(small, 40, sharding=Other(), views=2)
except ValueError as error:
    print(str(error).replace("batches with ", ""))
(x, _), *_ = JaxLoader(small, 42, views=2, sharding=jax.devices()[1])
assert x.devices() == {jax.devices()[1]}
for drop_last in (True, "wrap"):
    loader = JaxLoader(small, 300, sharding=sharding, drop_last=drop_last)
    assert {len(images) for images, _ in loader} == {300}
"""


def test_rows_are_spread_over_devices(monkeypatch, small):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=4")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    words = [sys.executable, "-c", SHARDED]
    process = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines() == [
        "a batch of 42 rows can't be divided evenly among the 4 devices of sharding.",
        "Choose another batch_size, or pass drop_last=True or drop_last='wrap'.",
        "a batch of 2 rows can't be divided evenly among the 4 devices of sharding.",
        "a batch of 97 rows can't be divided evenly among the 4 devices of sharding.",
        "sharding must be a NamedSharding or a device for views, got Other",
    ]


def test_bad_arguments(small):
    with pytest.raises(ValueError, match=r"label_dtype must be one of .*, got 'int64'"):
        JaxLoader(small, label_dtype="int64")
    with pytest.raises(TypeError, match=r"jax.sharding.Sharding or None, got str"):
        JaxLoader(small, sharding="gpu")

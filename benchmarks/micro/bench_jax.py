"""Compare batches in JAX with those of other loaders, and with bare loops in JAX.

    pytest benchmarks/micro/bench_jax.py

An epoch has 60,000 images in batches of 512, and its pixels are summed. JaxBatches are
compared with JaxLoader, with a bare gather in a scan, with torchvision, with tf.data,
and one run for several seeds with a run for each. JaxLoader is compared with Loader and
with the ways into JAX that it could take, in batches of 128.

Ratios are of lower quartiles from interleaved rounds. Output is checked before it is
timed.
"""

import contextlib
import importlib.util

import numpy as np
import pytest

import fmnist_fast as ff

from .bench_frameworks import OPTIONS, check_epoch
from .bench_loader import NOISE, drain
from .bench_sampling import quartile
from .conftest import interleaved
from .jax_others import Process, TfData, Torchvision

jax = pytest.importorskip("jax")
import jax.numpy as jnp  # noqa: E402

from fmnist_fast.frameworks.jax import JaxBatches, JaxLoader  # noqa: E402

# The bounds of the ratios.
BATCHES_OVER_LOADER = 1.0
BATCHES_OVER_BARE = 1.5
SIZE = 512
N_SEEDS, N_STEPS = 64, 8  # of the runs for several seeds
N_BY_OTHERS = 2000  # images of an epoch of torchvision and tf.data, which take long
NORMALIZE = {"cast": None, "unit": "unit", "default": "dataset"}


def seconds_of(runs, rounds):
    """Time functions in turns; return the lower quartile for each."""
    times = interleaved(runs, rounds)
    return {name: quartile(seconds) for name, seconds in times.items()}


@jax.jit
def scan(batches, seeds, steps):
    """Return the sum of the pixels of some steps for a seed, or for each of several."""
    at = jax.vmap(batches.at, in_axes=(0, None)) if seeds.ndim == 2 else batches.at

    def step(total, k):
        images = at(seeds, k)[0]
        axes = tuple(range(seeds.ndim - 1, images.ndim))
        return total + images.sum(axes, dtype=jnp.float32), None

    return jax.lax.scan(step, jnp.zeros(seeds.shape[:-1]), steps)[0]


def words(*seeds):
    """Return the words of seeds below 2**32."""
    return jnp.array([[seed, 0] for seed in seeds], jnp.uint32)


def scanned(batches):
    """Return the sum of the pixels of the first epoch, as seed 0 makes it."""
    steps = jnp.arange(batches.steps_per_epoch, dtype=jnp.uint32)
    return float(scan(batches, words(0)[0], steps))


add = jax.jit(lambda total, images: total + images.sum(dtype=jnp.float32))


def added(loader):
    """Return the sum of the pixels of an epoch of a loader."""
    total = jnp.float32(0)
    for images, _ in loader:
        total = add(total, images)
    return float(total)


def bare(change, own_order):
    """Return a compiled epoch of a gather, a change of the images and their sum.

    It draws its order from a key, or takes it. This is the way of cyreal
    (https://github.com/smorad/cyreal). An image is a row of the data, because rows of
    28 x 28 pixels take twice as long.
    """

    @jax.jit
    def epoch(images, order):
        n = len(images)
        if own_order:
            order = jax.random.permutation(order, n)

        def step(total, k):
            rows = jax.lax.dynamic_slice_in_dim(order, k * SIZE, SIZE)
            return total + change(images[rows]).sum(dtype=jnp.float32), None

        return jax.lax.scan(step, jnp.float32(0), jnp.arange(n // SIZE))[0]

    return epoch


def changes(data):
    """Return functions that make floats of bytes, as the options of NORMALIZE do."""
    scale, bias = np.float32(1 / (255 * data.std)), np.float32(-data.mean / data.std)
    return {
        "cast": lambda x: x.astype(jnp.float32),
        "unit": lambda x: x.astype(jnp.float32) * np.float32(1 / 255),
        "default": lambda x: x.astype(jnp.float32) * scale + bias,
    }


def check_batches(batches, loader):
    """Check that the steps of an epoch have the bytes of a loader."""
    n_steps, compiled = 0, jax.jit(lambda batches, k: batches(k))
    for k, arrays in enumerate(loader):
        for got, want in zip(compiled(batches, np.uint32(k)), arrays, strict=True):
            assert np.asarray(got).tobytes() == want.tobytes()
        n_steps += 1
    assert n_steps == batches.steps_per_epoch


def check_sum(total, data, order, change):
    """Check the sum of the pixels of the full batches of an epoch."""
    rows = order[: len(order) // SIZE * SIZE]
    pixels = np.asarray(change(jnp.arange(256)), np.float64)
    counts = np.bincount(data.images[rows].reshape(-1), minlength=256)
    assert abs(total - counts @ pixels) <= 1e-4 * (counts @ abs(pixels))


def each(function, batches):
    """Return a function that converts batches of numpy, one after another."""

    def run():
        for images, labels in batches:
            function(images, labels)

    return run


def test_jax_against_numpy(train, rounds, report, figure):
    """The ways into JAX have numpy batches that are ready, without a loader."""
    ours = JaxLoader(train, **OPTIONS)
    plain = ff.Loader(train, label_dtype="int32", **OPTIONS)
    check_epoch(train, ours)
    arrays = list(plain)  # in memory of the loader, which JAX can share
    copied = jax.jit(lambda x, y: (jnp.array(x), jnp.array(y)))
    ways = {
        "jnp.array": lambda x, y: (jnp.array(x), jnp.array(y)),
        "a compiled copy": copied,
        "device_put, which shares memory": lambda x, y: jax.device_put((x, y)),
        "numpy's copy": lambda x, y: (x.copy(), y.copy()),
    }
    for way in ways.values():
        for batch in (arrays[0], arrays[-1]):
            for got, want in zip(way(*batch), batch, strict=True):
                assert np.array_equal(got, want)
    runs = {"JaxLoader": lambda: drain(ours), "numpy": lambda: drain(plain)}
    runs |= {name: each(way, arrays) for name, way in ways.items()}
    seconds = seconds_of(runs, rounds)
    ours_us = seconds["JaxLoader"] / len(arrays) * 1e6
    for name in list(runs)[1:]:
        report(
            f"JaxLoader: {ours_us:.1f} us a batch, {name} "
            f"{seconds[name] / len(arrays) * 1e6:.1f} us, "
            f"{seconds['JaxLoader'] / seconds[name]:.2f} times as long"
        )
    figure("jax_over_numpy", seconds["JaxLoader"] / seconds["numpy"])
    figure("jax_over_array", seconds["JaxLoader"] / seconds["jnp.array"])
    figure("jax_over_compiled_copy", seconds["JaxLoader"] / seconds["a compiled copy"])
    figure("jax_over_numpy_copy", seconds["JaxLoader"] / seconds["numpy's copy"])


@pytest.mark.parametrize("name", NORMALIZE)
def test_an_epoch_of_batches(name, train, rounds, measured, report, figure):
    options = {"shuffle": True, "seed": 0, "normalize": NORMALIZE[name]}
    options |= {"drop_last": True, "threads": 2}
    batches, loader = (kind(train, SIZE, **options) for kind in (JaxBatches, JaxLoader))
    check_batches(batches, ff.Loader(train, SIZE, label_dtype="int32", **options))
    indices = (rows for *_, rows in ff.Loader(train, SIZE, with_index=True, **options))
    change = changes(train)[name]
    order, key = np.concatenate(list(indices)).astype(np.int32), jax.random.key(0)
    # The epoch leaves out the last rows, and a bare gather has an order of all rows.
    order = np.append(order, np.setdiff1d(np.arange(len(train)), order))
    permutation = jax.jit(jax.random.permutation, static_argnums=1)
    drawn = np.asarray(permutation(key, len(train)))
    assert np.array_equal(np.sort(drawn), np.arange(len(train)))
    images = jnp.array(train.images.reshape(len(train), -1))
    given, own = bare(change, False), bare(change, True)
    device_order = jnp.array(order, jnp.int32)
    runs = {
        "JaxBatches": lambda: scanned(batches),
        "JaxLoader": lambda: added(loader),
        "given order": lambda: float(given(images, device_order)),
        "own order": lambda: float(own(images, key)),
    }
    for kind, run in runs.items():
        loader.set_epoch(0)
        check_sum(run(), train, drawn if kind == "own order" else order, change)
    seconds = seconds_of(runs, rounds)
    ours = seconds["JaxBatches"]
    figure(f"{name}, JaxBatches_ms", ours * 1e3)
    goals = {"JaxLoader": BATCHES_OVER_LOADER, "given order": BATCHES_OVER_BARE}
    for kind in ("JaxLoader", "given order", "own order"):
        goal = f" (goal: {goals[kind]})" if kind in goals else ""
        report(
            f"JaxBatches, {name}: {ours * 1e3:.1f} ms, {kind} "
            f"{seconds[kind] * 1e3:.1f} ms, {ours / seconds[kind]:.2f} times as "
            f"long{goal}"
        )
        figure(f"{name}, over {kind}", ours / seconds[kind])
        if measured and kind in goals:
            assert ours / seconds[kind] < goals[kind] * NOISE


def check_augmented(runs, others, data, part):
    """Check the mean of the pixels, and that each sample comes once in an epoch."""
    mean = runs["JaxBatches"]() / (len(data) // SIZE * SIZE) / data.images[0].size
    assert abs(runs["JaxLoader"]() / len(data) / data.images[0].size - mean) < 0.01
    counts = np.bincount(part.labels)
    for process in others.values():
        labels, another = process.check()
        assert np.array_equal(np.bincount(labels), counts) and abs(another - mean) < 0.1


def test_an_epoch_with_crops_and_flips(train, rounds, measured, report, figure):
    """Torchvision and tf.data have a part of the images, and as much time for each."""
    options = {"shuffle": True, "seed": 0, "augment": "standard"}
    batches, loader = (
        JaxBatches(train, SIZE, **options),
        JaxLoader(train, SIZE, **options),
    )
    expected = ff.Loader(train, SIZE, label_dtype="int32", drop_last=True, **options)
    check_batches(batches, expected)
    part = train.select(slice(N_BY_OTHERS if measured else SIZE))
    arrays = part.images.copy(), part.labels.astype(np.int64)
    arguments = *arrays, train.mean, train.std, SIZE
    runs = {"JaxBatches": lambda: scanned(batches), "JaxLoader": lambda: added(loader)}
    with contextlib.ExitStack() as stack:
        others = {}
        if importlib.util.find_spec("torchvision"):
            for n in (0, 2):
                process = Process(Torchvision, *arguments, n)
                others[f"torchvision, {n} workers"] = stack.enter_context(process)
        if importlib.util.find_spec("tensorflow"):
            others["tf.data"] = stack.enter_context(Process(TfData, *arguments))
        check_augmented(runs, others, train, part)
        runs |= {name: process.run for name, process in others.items()}
        seconds = seconds_of(runs, min(rounds, 5))
    ours = seconds["JaxBatches"]
    figure("crop + flip, JaxBatches_ms", ours * 1e3)
    for name in runs:
        whole = seconds[name] * (len(train) / len(part) if name in others else 1)
        seconds[name] = whole
        scaled = f" as {len(part):,} images take" if name in others else ""
        report(
            f"crop + flip, {name}: {whole * 1e3:.1f} ms{scaled}, "
            f"{whole / ours:.2f} times as long as JaxBatches"
        )
    workers = [name for name in others if name.startswith("torchvision")]
    if workers:
        fastest = min(workers, key=seconds.get)
        figure("crop + flip, torchvision over JaxBatches", seconds[fastest] / ours)
    for name in ("JaxLoader", "tf.data"):
        if name in seconds:
            figure(f"crop + flip, {name} over JaxBatches", seconds[name] / ours)


@pytest.mark.parametrize("augment", [None, "standard"])
def test_a_map_over_seeds(augment, train, rounds, measured, report, figure):
    """One scan makes the batches of all seeds; each of the others those of one."""
    batches = JaxBatches(train, SIZE, shuffle=True, seed=0, augment=augment)
    seeds = words(*range(N_SEEDS if measured else 4))
    steps = jnp.arange(N_STEPS, dtype=jnp.uint32)

    def one_by_one():
        sums = [scan(batches, seed, steps) for seed in seeds]
        return np.array(jax.block_until_ready(sums))

    def at_once():
        return np.array(scan(batches, seeds, steps))

    first = jax.jit(jax.vmap(batches.at, in_axes=(0, None)))(seeds, np.uint32(1))
    for seed, *arrays in zip(seeds, *first):
        for got, want in zip(arrays, batches.at(seed, 1), strict=True):
            assert np.array_equal(got, want)
    assert np.allclose(
        one_by_one(), at_once(), rtol=1e-3, atol=1e-4 * N_STEPS * SIZE * 784
    )
    seconds = seconds_of({"scans": one_by_one, "map": at_once}, min(rounds, 5))
    ratio = seconds["scans"] / seconds["map"]
    report(
        f"{len(seeds)} seeds, {augment or 'plain'}, {N_STEPS} steps: one scan of a map "
        f"{seconds['map'] * 1e3:.0f} ms, a scan for each {seconds['scans'] * 1e3:.0f} "
        f"ms, {ratio:.2f} times as long (goal on a GPU: 10)"
    )
    figure(f"seeds, {augment or 'plain'}, scans over map", ratio)

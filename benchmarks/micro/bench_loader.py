"""Compare epochs of the training set with a numpy loop and with a bare C loop.

    pytest benchmarks/micro/bench_loader.py

Ratios are of medians from interleaved rounds. Output is checked before it is timed.
"""

import ctypes
import os
import shutil
import subprocess

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import _core

from .conftest import compare, interleaved

# The bounds of the ratios.
NUMPY_OVER_OURS = 4.0
OURS_OVER_BARE = 1.2
UINT8_OVER_FLOAT32 = 0.5
ORDER_OVER_EPOCH = 0.05
# Other programs on a shared machine change medians by up to this factor.
NOISE = 1.15


def numpy_epoch(images, labels, scale, bias, batch_size, seed):
    """Yield batches as people write them by hand: index, cast, scale in place."""
    order = np.random.default_rng(seed).permutation(len(images))
    for begin in range(0, len(order), batch_size):
        rows = order[begin : begin + batch_size]
        x = images[rows].astype(np.float32)
        x *= scale
        x += bias
        yield x, labels[rows].astype(np.int64)


def drain(batches):
    """Take all batches."""
    for _ in batches:
        pass


def loader(train, threads, batch_size=128, dtype="float32"):
    """Return a loader of shuffled batches."""
    return ff.Loader(train, batch_size, shuffle=True, threads=threads, dtype=dtype)


def check_epoch(train, batches):
    """Check that every sample comes once and normalized, by labels, number and mean."""
    counts, total, n = np.zeros(10, int), 0.0, 0
    for x, y in batches:
        counts += np.bincount(y, minlength=10)
        total += float(x.sum(dtype=np.float64))
        n += len(x)
    assert n == len(train)
    assert np.array_equal(counts, np.bincount(train.labels, minlength=10))
    assert abs(total / n / 784) < 1e-5


def numpy_loop(train, batch_size):
    """Return an epoch of `numpy_epoch`."""
    scale, bias = np.float32(1 / (255 * train.std)), np.float32(-train.mean / train.std)
    return numpy_epoch(train.images, train.labels, scale, bias, batch_size, 0)


@pytest.mark.parametrize("batch_size", [32, 128, 512, 4096])
def test_float32_against_numpy(train, batch_size, rounds, measured, report, benchmark):
    one, two = (loader(train, threads, batch_size) for threads in (1, 2))
    check_epoch(train, one)
    check_epoch(train, two)
    check_epoch(train, numpy_loop(train, batch_size))
    contenders = {
        "2 threads": lambda: drain(two),
        "numpy loop": lambda: drain(numpy_loop(train, batch_size)),
        "1 thread": lambda: drain(one),
    }
    times = interleaved(contenders, rounds)
    for name in ("2 threads", "1 thread"):
        ratio, text = compare(times, name, "numpy loop")
        report(
            f"float32, batch {batch_size:4}, {name:9}: {text}, {1 / ratio:.1f} times "
            "faster"
        )
        benchmark.extra_info[f"numpy loop / {name}"] = 1 / ratio
    if measured and batch_size == 128:
        ratio, _ = compare(times, "2 threads", "numpy loop")
        assert 1 / ratio > NUMPY_OVER_OURS / NOISE
    benchmark(lambda: drain(two))


def test_uint8_against_float32(train, rounds, measured, report, figure, benchmark):
    wide, narrow = (loader(train, 2, dtype=dtype) for dtype in ("float32", "uint8"))
    check_epoch(train, wide)
    assert sum(int(x.sum(dtype=np.int64)) for x, _ in narrow) == int(
        train.images.sum(dtype=np.int64)
    )
    contenders = {"uint8": lambda: drain(narrow), "float32": lambda: drain(wide)}
    ratio, text = compare(interleaved(contenders, rounds), "uint8", "float32")
    report(f"uint8, batch 128, 2 threads: {text}, {ratio:.2f} times as long")
    benchmark.extra_info["uint8 / float32"] = ratio
    figure("uint8_over_float32", ratio)
    if measured:
        assert ratio < UINT8_OVER_FLOAT32 * NOISE
    benchmark(lambda: drain(narrow))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_against_float32(
    train, dtype, rounds, report, figure, benchmark
):
    wide, narrow = (loader(train, 2, dtype=kind) for kind in ("float32", dtype))
    check_epoch(train, wide)
    assert sum(len(x) for x, _ in narrow) == len(train)
    contenders = {dtype: lambda: drain(narrow), "float32": lambda: drain(wide)}
    ratio, text = compare(interleaved(contenders, rounds), dtype, "float32")
    report(f"{dtype}, batch 128, 2 threads: {text}, {ratio:.2f} times as long")
    figure(f"{dtype}_over_float32", ratio)
    benchmark(lambda: drain(narrow))


def test_order_against_epoch(train, rounds, measured, report, figure, benchmark):
    """The order takes a small share of an epoch's time, both with one thread."""
    n, epoch = len(train), loader(train, 1)
    assert np.array_equal(np.sort(_core.order(n)), np.arange(n))
    contenders = {"order": lambda: _core.order(n), "epoch": lambda: drain(epoch)}
    ratio, text = compare(interleaved(contenders, rounds), "order", "epoch")
    report(f"order of {n} rows, 1 thread: {text}, {ratio:.1%} of the epoch")
    benchmark.extra_info["order / epoch"] = ratio
    figure("order_over_epoch", ratio)
    if measured:
        assert ratio < ORDER_OVER_EPOCH * NOISE
    benchmark(lambda: _core.order(n))


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Compile bare_loop.c for this machine, and return its function."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    library = tmp_path_factory.mktemp("bare") / "bare_loop.so"
    source = os.path.join(os.path.dirname(__file__), "bare_loop.c")
    flags = ["-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, source, "-o", str(library)], check=True)
    return ctypes.CDLL(str(library)).bare_epoch


def test_one_thread_against_a_bare_c_loop(
    train, bare, rounds, measured, report, figure, benchmark
):
    batch_size, n = 128, len(train)
    x = np.empty((2 * batch_size, 784), np.float32)
    y = np.empty(2 * batch_size, np.int64)
    order = np.random.default_rng(0).permutation(n).astype(np.uint64)
    scale, bias = 1 / (255 * train.std), -train.mean / train.std

    def pointer(array):
        return ctypes.c_void_p(array.ctypes.data)

    def bare_epoch():
        sizes = ctypes.c_uint64(n), ctypes.c_uint64(batch_size)
        numbers = ctypes.c_float(scale), ctypes.c_float(bias)
        arrays = [pointer(array) for array in (train.images, train.labels, order)]
        bare(*arrays, *sizes, *numbers, pointer(x), pointer(y))

    bare_epoch()
    last = order[-(n % (2 * batch_size)) :].astype(int)
    pixels = train.images[last].reshape(-1, 784)
    expected = pixels * np.float32(scale) + np.float32(bias)
    assert np.array_equal(x[: len(last)], expected)
    assert np.array_equal(y[: len(last)], train.labels[last])

    one = loader(train, 1)
    check_epoch(train, one)
    contenders = {"1 thread": lambda: drain(one), "bare C loop": bare_epoch}
    ratio, text = compare(interleaved(contenders, rounds), "1 thread", "bare C loop")
    report(f"float32, batch 128, 1 thread: {text}, {ratio:.2f} times as long")
    benchmark.extra_info["1 thread / bare C loop"] = ratio
    figure("thread_over_bare", ratio)
    if measured:
        assert ratio < OURS_OVER_BARE * NOISE
    benchmark(lambda: drain(one))

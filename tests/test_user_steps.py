"""A user's own C function, run inside the worker threads: made by numba, by Cython and
by a C compiler, each compared with numpy, and kept alive for as long as needed."""

import ctypes
import functools
import gc
import importlib.util
import shutil
import subprocess
import sys
import sysconfig
import weakref

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import _core

SEED, EPOCH, N = 2**40 + 3, 2, 300
RAW = {"dtype": "uint8", "normalize": None, "layout": "NHW"}

# What all three do: pixel i becomes table[pixel ^ a byte of word i % 4].
C_BODY = """
    const uint8_t *table = data;
    for (int64_t i = 0; i < height * width; i++)
        pixels[i] = table[pixels[i] ^ (random[i % 4] >> 13 & 255)];
"""
C_SOURCE = f"""
#include <stdint.h>
void stir(uint8_t *pixels, int64_t height, int64_t width, const uint32_t *random,
          void *data)
{{{C_BODY}}}
"""
PYX_SOURCE = """
# cython: language_level=3
from libc.stdint cimport int64_t, uint8_t, uint32_t

cdef api void stir(uint8_t *pixels, int64_t height, int64_t width,
                   const uint32_t *random, void *data) noexcept nogil:
    cdef const uint8_t *table = <const uint8_t *>data
    cdef int64_t i
    for i in range(height * width):
        pixels[i] = table[pixels[i] ^ (random[i % 4] >> 13 & 255)]
"""


@pytest.fixture(scope="session")
def compiler():
    names = [(sysconfig.get_config_var("CC") or "cc").split()[0], "cc", "gcc", "clang"]
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None or sys.platform == "win32":
        pytest.skip("there is no C compiler that takes the options of cc")
    return found


def built(compiler, source, out, *options):
    command = [compiler, "-O2", "-shared", "-fPIC", *options, source, "-o", out]
    subprocess.run(list(map(str, command)), check=True)


@pytest.fixture(scope="session")
def ctypes_function(compiler, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stir")
    (folder / "stir.c").write_text(C_SOURCE)
    built(compiler, folder / "stir.c", folder / "stir.so")
    return ctypes.CDLL(str(folder / "stir.so")).stir


@pytest.fixture(scope="session")
def cython_capsule(compiler, tmp_path_factory):
    reason = "a Cython function is compiled by Cython"
    main = pytest.importorskip("Cython.Compiler.Main", reason=reason)
    folder = tmp_path_factory.mktemp("cython")
    (folder / "stirring.pyx").write_text(PYX_SOURCE)
    result = main.compile_single(
        str(folder / "stirring.pyx"), main.CompilationOptions(), "stirring"
    )
    include = "-I" + sysconfig.get_paths()["include"]
    library = folder / ("stirring" + sysconfig.get_config_var("EXT_SUFFIX"))
    built(compiler, result.c_file, library, include)
    spec = importlib.util.spec_from_file_location("stirring", library)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.__pyx_capi__["stir"]


@functools.cache
def numba_function():
    reason = "a numba cfunc is compiled by numba"
    numba = pytest.importorskip("numba", reason=reason)
    t = numba.types
    signature = t.void(
        t.CPointer(t.uint8), t.int64, t.int64, t.CPointer(t.uint32), t.voidptr
    )

    @numba.cfunc(signature)
    def stir(pixels, height, width, random, data):
        table = numba.carray(data, (256,), dtype=np.uint8)
        for i in range(height * width):
            pixels[i] = table[pixels[i] ^ (random[i % 4] >> 13 & 255)]

    return stir


@pytest.fixture(params=["ctypes", "cython", "numba"])
def function(request):
    if request.param == "numba":
        return numba_function()
    name = {"ctypes": "ctypes_function", "cython": "cython_capsule"}[request.param]
    return request.getfixturevalue(name)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (N, 7, 9), dtype=np.uint8)


@pytest.fixture(scope="module")
def dataset(images):
    return ff.Dataset.from_arrays(images, np.arange(N) % 10)


@pytest.fixture(scope="module")
def table():
    values = np.random.default_rng(4).permutation(256).astype(np.uint8)
    return (ctypes.c_uint8 * 256)(*values.tolist())


def words(operation, draw):
    """What the core draws for every position of the epoch: uint32 (N, 4)."""
    drawn = [_core.draw(SEED, EPOCH, i, operation, draw) for i in range(N)]
    return np.array(drawn, dtype=np.uint32)


def stirred(images, table, operation):
    """What the function makes of them, the i-th at position i."""
    pixels = images.reshape(N, -1)
    bytes_ = (words(operation, 1) >> 13 & 255).astype(np.uint8)
    places = np.arange(pixels.shape[1]) % 4
    return np.array(table, dtype=np.uint8)[pixels ^ bytes_[:, places]].reshape(
        images.shape
    )


def loader_of(dataset, steps, threads=1):
    loader = ff.Loader(
        dataset, 32, shuffle=True, seed=SEED, augment=steps, threads=threads, **RAW
    )
    loader.set_epoch(EPOCH)
    return loader


def epoch_of(loader):
    return np.concatenate([x for x, _ in loader])


def ordered(images):
    return images[_core.order(N, seed=SEED, epoch=EPOCH).astype(np.int64)]


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_a_function_alone_is_operation_1(dataset, images, table, function, threads):
    got = epoch_of(loader_of(dataset, [ff.CFunction(function, table)], threads))
    want = stirred(ordered(images), table, 1)
    assert np.array_equal(got, want)
    assert (got != ordered(images)).mean() > 0.9


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_functions_among_steps_have_the_words_of_their_place(
    dataset, images, table, function, threads
):
    """Flat list: 1 flip, 2 group, 3 function, 4 invert, 5 function, 6 function."""
    own = ff.CFunction(function, table)
    steps = [
        ff.RandomHorizontalFlip(1.0),
        ff.RandomApply([own, ff.RandomInvert(1.0)], p=0.3),
        own,
        own,
    ]
    got = epoch_of(loader_of(dataset, steps, threads))
    x = ordered(images)[:, :, ::-1]
    is_run = words(2, 0)[:, 0] < int(0.3 * 2**32)
    assert 0.2 * N < is_run.sum() < 0.4 * N
    x = np.where(is_run[:, None, None], 255 - stirred(x, table, 3), x)
    x = stirred(stirred(x, table, 5), table, 6)
    assert np.array_equal(got, x)


def test_a_function_sees_the_size_that_steps_before_it_made(
    dataset, images, table, function
):
    steps = [ff.CenterCrop((4, 5)), ff.CFunction(function, table), ff.Pad(1, fill=7)]
    got = epoch_of(loader_of(dataset, steps, 2))
    want = stirred(ordered(images)[:, 2:6, 2:7], table, 2)
    assert np.array_equal(got[:, 1:5, 1:6], want)
    border = np.ones((6, 7), dtype=bool)
    border[1:5, 1:6] = False
    assert (got[:, border] == 7).all()


def test_a_function_runs_before_conversion(dataset, images, table, function):
    steps = [ff.CFunction(function, table)]
    options = {"dtype": "float32", "normalize": None, "layout": "flat"}
    loader = ff.Loader(dataset, 50, augment=steps, seed=SEED, threads=2, **options)
    loader.set_epoch(EPOCH)
    want = stirred(images, table, 1).reshape(N, -1).astype(np.float32)
    assert np.array_equal(epoch_of(loader), want)


def test_epochs_and_seeds_draw_different_words(dataset, table, ctypes_function):
    steps = [ff.CFunction(ctypes_function, table)]
    seen = [
        epoch_of(ff.Loader(dataset, N, seed=seed, augment=steps, **RAW))
        for seed in (1, 2)
    ]
    loader = ff.Loader(dataset, N, seed=1, augment=steps, **RAW)
    seen += [epoch_of(loader), epoch_of(loader)]
    assert np.array_equal(seen[0], seen[2])
    for other in (seen[1], seen[3]):
        # Two bytes are equal by chance in 1 of 256, and so for each of four words.
        assert (seen[0] == other).mean() < 0.02


# ---- lifetime -----------------------------------------------------------------------


def test_the_loader_keeps_the_function_and_its_data_alive(dataset, images):
    """A callback of ctypes is freed with its object: calling it then would crash."""
    seen = []

    class Table(ctypes.Array):
        _type_, _length_ = ctypes.c_uint8, 256

    pointers = [ctypes.POINTER(t) for t in (ctypes.c_uint8, ctypes.c_uint32)]
    prototype = ctypes.CFUNCTYPE(
        None, pointers[0], ctypes.c_int64, ctypes.c_int64, pointers[1], ctypes.c_void_p
    )

    def invert(pixels, height, width, random, data):
        seen.append(random[0])
        table = ctypes.cast(data, pointers[0])
        for i in range(height * width):
            pixels[i] = table[pixels[i]]

    function, table = prototype(invert), Table(*range(255, -1, -1))
    alive = weakref.ref(invert), weakref.ref(table)
    loader = loader_of(dataset, [ff.CFunction(function, table)], 2)
    del invert, function, table
    gc.collect()
    assert all(kept() is not None for kept in alive)
    iterator = iter(loader)
    first = next(iterator)[0]
    del loader  # the iterator keeps what it needs by itself
    gc.collect()
    assert all(kept() is not None for kept in alive)
    rest = [x for x, _ in iterator]
    assert np.array_equal(np.concatenate([first, *rest]), 255 - ordered(images))
    assert set(seen) == set(words(1, 1)[:, 0].tolist())
    iterator.close()
    del iterator, first, rest
    gc.collect()
    assert [kept() for kept in alive] == [None, None], "nothing leaks"


def test_the_loader_keeps_a_capsule_and_a_numba_function_alive(
    dataset, images, table, function
):
    before = sys.getrefcount(function)
    loader = loader_of(dataset, [ff.CFunction(function, table)], 2)
    gc.collect()
    assert sys.getrefcount(function) == before + 1
    assert np.array_equal(epoch_of(loader), stirred(ordered(images), table, 1))
    loader.close()
    del loader
    gc.collect()
    assert sys.getrefcount(function) == before

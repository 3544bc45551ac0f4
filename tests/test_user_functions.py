"""CFunction: C functions of the user run in the worker threads.

Functions of numba, of Cython and of a C compiler are compared with numpy. Loaders keep
functions and data alive as long as they need them.
"""

import ctypes
import functools
import gc
import importlib.util
import sys
import sysconfig
import weakref

import numpy as np
import pytest
from helpers.compilers import build

import fmnist_fast as ff
from fmnist_fast import _core

SEED, EPOCH, N = 2**40 + 3, 2, 300
RAW = {"dtype": "uint8", "normalize": None, "layout": "NHW"}

# All three functions do the same: pixel i becomes table[pixel ^ a byte of word i % 4].
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
def ctypes_function(compiler, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stir")
    (folder / "stir.c").write_text(C_SOURCE)
    build(compiler, folder / "stir.c", folder / "stir.so")
    return ctypes.CDLL(str(folder / "stir.so")).stir


@pytest.fixture(scope="session")
def cython_capsule(compiler, tmp_path_factory):
    reason = "Cython is not installed, which compiles the function"
    main = pytest.importorskip("Cython.Compiler.Main", reason=reason)
    folder = tmp_path_factory.mktemp("cython")
    (folder / "stirring.pyx").write_text(PYX_SOURCE)
    result = main.compile_single(
        str(folder / "stirring.pyx"), main.CompilationOptions(), "stirring"
    )
    include = "-I" + sysconfig.get_paths()["include"]
    library = folder / ("stirring" + sysconfig.get_config_var("EXT_SUFFIX"))
    build(compiler, result.c_file, library, include)
    spec = importlib.util.spec_from_file_location("stirring", library)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.__pyx_capi__["stir"]


@functools.cache
def numba_function():
    reason = "numba is not installed, which compiles the function"
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
    """Return one draw of every position of the epoch, uint32 (N, 4)."""
    drawn = [_core.draw(SEED, EPOCH, i, operation, draw) for i in range(N)]
    return np.array(drawn, dtype=np.uint32)


def stirred(images, table, operation):
    """Return the images after the function, where image i is at position i."""
    pixels = images.reshape(N, -1)
    bytes_ = (words(operation, 1) >> 13 & 255).astype(np.uint8)
    word_of_pixel = np.arange(pixels.shape[1]) % 4
    return np.array(table, dtype=np.uint8)[pixels ^ bytes_[:, word_of_pixel]].reshape(
        images.shape
    )


def loader_of(dataset, transforms, threads=1):
    loader = ff.Loader(
        dataset, 32, shuffle=True, seed=SEED, augment=transforms, threads=threads, **RAW
    )
    loader.set_epoch(EPOCH)
    return loader


def epoch_of(loader):
    return np.concatenate([x for x, _ in loader])


def ordered(images):
    """Return the images in the order of the epoch."""
    return images[_core.order(N, seed=SEED, epoch=EPOCH).astype(np.int64)]


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_a_single_function_is_operation_1(dataset, images, table, function, threads):
    got = epoch_of(loader_of(dataset, [ff.CFunction(function, table)], threads))
    want = stirred(ordered(images), table, 1)
    assert np.array_equal(got, want)
    assert (got != ordered(images)).mean() > 0.9


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_functions_among_transforms_get_the_words_of_their_place(
    dataset, images, table, function, threads
):
    """The flat list is flip, group, function, invert, function, function."""
    stir = ff.CFunction(function, table)
    transforms = [
        ff.RandomHorizontalFlip(1.0),
        ff.RandomApply([stir, ff.RandomInvert(1.0)], p=0.3),
        stir,
        stir,
    ]
    got = epoch_of(loader_of(dataset, transforms, threads))
    x = ordered(images)[:, :, ::-1]
    is_run = words(2, 0)[:, 0] < int(0.3 * 2**32)
    assert 0.2 * N < is_run.sum() < 0.4 * N
    x = np.where(is_run[:, None, None], 255 - stirred(x, table, 3), x)
    x = stirred(stirred(x, table, 5), table, 6)
    assert np.array_equal(got, x)


def test_a_function_gets_the_size_that_earlier_transforms_made(
    dataset, images, table, function
):
    transforms = [
        ff.CenterCrop((4, 5)),
        ff.CFunction(function, table),
        ff.Pad(1, fill=7),
    ]
    got = epoch_of(loader_of(dataset, transforms, 2))
    want = stirred(ordered(images)[:, 2:6, 2:7], table, 2)
    assert np.array_equal(got[:, 1:5, 1:6], want)
    border = np.ones((6, 7), dtype=bool)
    border[1:5, 1:6] = False
    assert (got[:, border] == 7).all()


def test_a_function_runs_before_conversion(dataset, images, table, function):
    transforms = [ff.CFunction(function, table)]
    options = {"dtype": "float32", "normalize": None, "layout": "flat"}
    loader = ff.Loader(dataset, 50, augment=transforms, seed=SEED, threads=2, **options)
    loader.set_epoch(EPOCH)
    want = stirred(images, table, 1).reshape(N, -1).astype(np.float32)
    assert np.array_equal(epoch_of(loader), want)


def test_epochs_and_seeds_draw_different_words(dataset, table, ctypes_function):
    transforms = [ff.CFunction(ctypes_function, table)]
    epochs = [
        epoch_of(ff.Loader(dataset, N, seed=seed, augment=transforms, **RAW))
        for seed in (1, 2)
    ]
    loader = ff.Loader(dataset, N, seed=1, augment=transforms, **RAW)
    epochs += [epoch_of(loader), epoch_of(loader)]
    assert np.array_equal(epochs[0], epochs[2])
    for other in (epochs[1], epochs[3]):
        # Four bytes change an image. Each is equal by chance in 1 of 256 images.
        assert (epochs[0] == other).mean() < 0.02


# ---- lifetime -----------------------------------------------------------------------


def test_the_loader_keeps_the_function_and_its_data_alive(dataset, images):
    """A callback of ctypes is freed with its object; a later call would crash."""
    first_words = []

    class Table(ctypes.Array):
        _type_, _length_ = ctypes.c_uint8, 256

    pointers = [ctypes.POINTER(t) for t in (ctypes.c_uint8, ctypes.c_uint32)]
    prototype = ctypes.CFUNCTYPE(
        None, pointers[0], ctypes.c_int64, ctypes.c_int64, pointers[1], ctypes.c_void_p
    )

    def invert(pixels, height, width, random, data):
        first_words.append(random[0])
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
    del loader  # the iterator keeps the function and the data alive
    gc.collect()
    assert all(kept() is not None for kept in alive)
    rest = [x for x, _ in iterator]
    assert np.array_equal(np.concatenate([first, *rest]), 255 - ordered(images))
    assert set(first_words) == set(words(1, 1)[:, 0].tolist())
    iterator.close()
    del iterator, first, rest
    gc.collect()
    assert [kept() for kept in alive] == [None, None], "the function or data leaks"


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

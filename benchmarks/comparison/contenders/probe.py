"""The memory floor: a C loop with the loader's reads and writes, and no arithmetic.

The loop is no loader, as its floats have no meaning. Its settings are the number of
threads, the distance of prefetching, and stores through or past the caches. The batches
in memory are as many as the loader has, or few enough for the caches. The fastest
setting counts.
"""

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile

import numpy as np

import fmnist_fast as ff

from ...work import each_of, threads
from ..environments import HERE


def versions():
    return {"compiler": _compiler()}


def settings(work):
    return each_of(
        threads=threads(),
        prefetch=[4, 8],
        streaming=[False, True],
        few_batches=[False, True],
    )


def _compiler():
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise RuntimeError(
            "the memory floor requires a C compiler. Install gcc, or set CC."
        )
    return compiler


@functools.cache
def build():
    """Compile probe.c for this machine, and return its function."""
    flags = ["-O3", "-march=native", "-pthread", "-shared", "-fPIC"]
    with tempfile.TemporaryDirectory() as folder:
        library = f"{folder}/probe.so"
        command = [_compiler(), *flags, str(HERE / "probe.c"), "-o", library]
        subprocess.run(command, check=True)
        function = ctypes.CDLL(library).probe_epoch
    u64, pointer = ctypes.c_uint64, ctypes.c_void_p
    arrays, sizes, flags = [pointer] * 3, [u64] * 5, [ctypes.c_int] * 2
    function.argtypes = [*arrays, *sizes, *flags, u64, pointer, pointer]
    function.restype = None
    return function


def ring_of(data, work):
    """Return how many batches the loader has in memory after an epoch."""
    dataset = ff.Dataset.from_arrays(data.images, data.labels)
    loader = ff.Loader(dataset, work.batch_size, shuffle=True, dtype=work.dtype)
    with loader:
        for _ in loader:
            pass
        return loader._pipeline.slots_nbytes // loader.slot_nbytes


def aligned(n_bytes):
    """Return memory that starts at a multiple of 64 bytes."""
    block = np.empty(n_bytes + 64, np.uint8)
    begin = -block.ctypes.data % 64
    return block[begin : begin + n_bytes]


def epochs(data, work, threads, prefetch, streaming, few_batches):
    ring = ring_of(data, work)
    if few_batches:
        ring = min(ring, threads + 1)  # each thread fills one, and one is read
    is_float = work.dtype == "float32"
    ring = Ring(data, work.batch_size, ring, is_float)
    while True:
        yield ring.epoch(prefetch, streaming, threads)


class Ring:
    """A ring of batches in memory, and the loop that writes an epoch into it.

    Each row has `n_copies` copies of an image's pixels, as floats or as bytes.
    """

    def __init__(self, data, batch_size, n_batches, is_float, n_copies=1):
        self._run = build()
        shape = n_batches, batch_size, n_copies, 784
        n_items = np.prod(shape)
        rows = aligned(n_items * (4 if is_float else 1))
        rows = rows.view(np.uint32 if is_float else np.uint8).reshape(shape)
        self._rows = rows[:, :, 0] if n_copies == 1 else rows
        self._labels = np.empty((n_batches, batch_size), np.int64)
        order = np.random.default_rng(0).permutation(len(data)).astype(np.uint32)
        self._arrays = data.images, data.labels, order
        self._sizes = len(data), batch_size, n_batches
        self._copies = n_copies, is_float

    def epoch(self, prefetch, streaming, threads):
        """Yield the ring once, after all batches were written to it."""
        addresses = [array.ctypes.data for array in self._arrays]
        numbers = [*self._sizes, prefetch, *self._copies, streaming, threads]
        outputs = self._rows.ctypes.data, self._labels.ctypes.data
        self._run(*addresses, *numbers, *outputs)
        yield self._rows, self._labels

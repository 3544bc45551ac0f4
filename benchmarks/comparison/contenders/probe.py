"""The memory floor: a C loop with the loader's reads and writes, and no arithmetic.

Not a loader: its floats are no floats. It writes into as many batches as the loader
has, or as few as the caches like best; of these, of threads, distances of prefetching,
and stores through or past the caches, the fastest count.
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
    found = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if found is None:
        raise RuntimeError(
            "the memory floor needs a C compiler: set CC, or install gcc"
        )
    return found


@functools.cache
def build():
    """The function of probe.c, compiled for this very machine."""
    flags = ["-O3", "-march=native", "-pthread", "-shared", "-fPIC"]
    with tempfile.TemporaryDirectory() as folder:
        library = f"{folder}/probe.so"
        command = [_compiler(), *flags, str(HERE / "probe.c"), "-o", library]
        subprocess.run(command, check=True)
        function = ctypes.CDLL(library).probe_epoch
    u64, pointer = ctypes.c_uint64, ctypes.c_void_p
    arrays, sizes, flags = [pointer] * 3, [u64] * 4, [ctypes.c_int] * 2
    function.argtypes = [*arrays, *sizes, *flags, u64, pointer, pointer]
    function.restype = None
    return function


def ring_of(data, work):
    """How many batches the loader keeps in memory, once it has run."""
    dataset = ff.Dataset.from_arrays(data.images, data.labels)
    loader = ff.Loader(dataset, work.batch_size, shuffle=True, dtype=work.dtype)
    with loader:
        for _ in loader:
            pass
        return loader._pipeline.slots_nbytes // loader.slot_nbytes


def aligned(n_bytes):
    """Memory from a multiple of 64 on."""
    block = np.empty(n_bytes + 64, np.uint8)
    begin = -block.ctypes.data % 64
    return block[begin : begin + n_bytes]


def epochs(data, work, threads, prefetch, streaming, few_batches):
    probe_epoch = build()
    ring, size = ring_of(data, work), work.batch_size
    if few_batches:
        ring = min(ring, threads + 1)  # one that is read, and those being filled
    out = aligned(ring * size * 784 * np.dtype(work.dtype).itemsize)
    labels_out = np.empty(ring * size, np.int64)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(data)).astype(np.uint32)
    arrays = [array.ctypes.data for array in (data.images, data.labels, order)]
    is_float = work.dtype == "float32"
    numbers = [len(data), size, ring, prefetch, is_float, streaming, threads]
    views = out.view(np.uint32 if is_float else np.uint8)

    def epoch():
        """One item, the ring, when all batches have been through it."""
        probe_epoch(*arrays, *numbers, out.ctypes.data, labels_out.ctypes.data)
        yield views.reshape(ring, size, 784), labels_out.reshape(ring, size)

    while True:
        yield epoch()

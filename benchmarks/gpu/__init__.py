"""Checks and figures of the loaders on a CUDA device: ``python -m benchmarks.gpu``.

    build     seconds to the first batch, with and without compiling the kernels
    bits      batches that the device fills have the bytes of `Loader`
    epochs    milliseconds of an epoch
    beside    other ways to get batches on a device, checked and timed
    training  steps of networks: the loader's share, and the same weights
    safety    streams, stalls, memory
    jax       batches that JAX makes: their bytes, and the time of scans

Each section has a module with a function `tasks`, which returns functions by name. A
task returns its figures. Checks have "ok". `__main__.py` divides the time among the
sections, `lines.py` writes a line per result, and `goals.py` judges them.
"""

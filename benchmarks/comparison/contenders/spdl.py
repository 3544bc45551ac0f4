"""SPDL: its pipeline of threads, in which numpy does the work on a batch of rows."""

import importlib.metadata

import numpy as np
from spdl.pipeline import PipelineBuilder

from ...work import each_of, threads
from .numpy import one_batch, prepared


def versions():
    return {"spdl": importlib.metadata.version("spdl-core")}


def settings(work):
    """Return the settings: threads, and batches that are prepared ahead.

    SPDL has no affine maps.
    """
    if "affine" in work.augment:
        return []
    return each_of(threads=threads(), buffer=[4, 32])


def epochs(data, work, threads, buffer):
    images, labels = prepared(data, work), data.labels.astype(np.int64)
    rng = np.random.default_rng(0)

    def rows():
        """Yield rows of a batch and a random generator, as threads can't share one."""
        order = rng.permutation(len(images))
        for begin in range(0, len(order), work.batch_size):
            yield order[begin : begin + work.batch_size], rng.spawn(1)[0]

    def run(item):
        rows, rng = item
        return one_batch(images, labels, rows, data, work, rng)

    def epoch():
        builder = PipelineBuilder().add_source(rows())
        builder = builder.pipe(run, concurrency=threads).add_sink(buffer)
        pipeline = builder.build(num_threads=threads)
        with pipeline.auto_stop():
            yield from pipeline

    while True:
        yield epoch()

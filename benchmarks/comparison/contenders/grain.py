"""Grain: a shuffled MapDataset, with batches of rows or of images."""

import importlib.metadata

import grain
import numpy as np

from ...usage import usable_cores
from ...work import each_of
from .numpy import augmented, normalized, one_batch, prepared


def versions():
    return {"grain": importlib.metadata.version("grain")}


def settings(work):
    """Return the settings: work on batches of rows or on images, and threads.

    Grain has no affine maps.
    """
    if "affine" in work.augment:
        return []
    return each_of(work_on=["rows", "images"], threads=[0, 1, usable_cores()])


def epochs(data, work, work_on, threads):
    images, labels = prepared(data, work), data.labels.astype(np.int64)

    def on_rows(rows, rng):
        return one_batch(images, labels, rows, data, work, rng)

    def on_image(row, rng):
        image = augmented(images, np.array([row]), work, rng)
        if work.dtype == "float32":
            image = normalized(image, data)
        return image.reshape(1, 28, 28), labels[row]

    reading = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=16 * threads)
    epoch = 0
    while True:
        rows = grain.MapDataset.range(len(images)).seed(epoch).shuffle()
        if work_on == "rows":
            batches = rows.batch(work.batch_size).random_map(on_rows)
        else:
            batches = rows.random_map(on_image).batch(work.batch_size)
        yield batches.to_iter_dataset(reading)
        epoch += 1

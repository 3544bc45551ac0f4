"""Augmented batches of the reference, and their comparison with those of the core."""

import numpy as np
import reference

import fmnist_fast as ff
from fmnist_fast.augment import compile_transforms

SEED = 2**63 + 5
RAW = {"dtype": "uint8", "normalize": None, "layout": "NHW", "label_dtype": "onehot"}


def dataset_of(height, width, n):
    """Return n images of four kinds: random, smooth, low contrast, and one value."""
    rng = np.random.default_rng([height, width])
    images = rng.integers(0, 256, (n, height, width), dtype=np.uint8)
    ramp = np.arange(height * width).reshape(height, width) * 255 // (height * width)
    images[1::4] = ramp
    images[2::4] = images[2::4] // 5 + 90
    images[3] = 77
    return ff.Dataset.from_arrays(images, np.arange(n) % 3)


def wanted(dataset, augment, **options):
    """Return the batches of an epoch that the reference computes."""
    n_classes = len(dataset.classes)
    compiled = compile_transforms(augment, *dataset.images.shape[1:], n_classes)
    options = {"n_classes": n_classes, "augment": compiled, **options}
    if options.get("normalize", "dataset") == "dataset":  # of the whole dataset
        options["normalize"] = ff.Loader(dataset).normalize
    return reference.epoch(dataset.images, dataset.labels, **options)


def same(got, want, note=None):
    """Return True if two lists of batches are equal bit for bit, or fail."""
    assert len(got) == len(want), note
    for k, (got_batch, want_batch) in enumerate(zip(got, want)):
        for x, y in zip(got_batch, want_batch):
            assert (x.shape, x.dtype) == (y.shape, y.dtype), (note, k)
            differ = [
                i for i in range(len(x)) if x[i].tobytes() != y[i].tobytes()
            ]  # bytes, because signs of zeros count
            assert not differ, (note, f"batch {k}, rows {differ} differ")
    return True

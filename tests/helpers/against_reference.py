"""Augmented batches of the reference, and their comparison with those of the core."""

import numpy as np
import reference
import reference_sampler

import fmnist_fast as ff
from fmnist_fast.augment._views import compile_views

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


def wanted(
    dataset, augment=None, *, views=None, with_index=False, columns=(), **options
):
    """Return the batches of an epoch that the reference computes.

    The options are those of Loader and of `reference.epoch`. The numbers of the rows
    are the column "row", if the dataset has one.
    """
    n_classes = len(dataset.classes)
    compiled = compile_views(augment, views, *dataset.images.shape[1:], n_classes)
    rows = dataset.extra.get("row", np.arange(len(dataset), dtype=np.int64))
    fields = [rows] if with_index else []
    fields += [dataset.extra[name] for name in columns]
    made = {"augment": compiled[0]} if views is None else {"views": compiled}
    options = {"n_classes": n_classes, **made, **options, "fields": fields}
    if options.get("normalize", "dataset") == "dataset":  # of the whole dataset
        options["normalize"] = ff.Loader(dataset).normalize
    if isinstance(options.get("weights"), str):
        options["weights"] = reference_sampler.balanced(dataset.labels)
    return reference.epoch(dataset.images, dataset.labels, **options)


def same(got, want, note=None):
    """Return True if two lists of batches are equal bit for bit, or fail."""
    assert len(got) == len(want), note
    for k, (got_batch, want_batch) in enumerate(zip(got, want)):
        for x, y in zip(got_batch, want_batch, strict=True):
            assert (x.shape, x.dtype) == (y.shape, y.dtype), (note, k)
            differ = [
                i for i in range(len(x)) if x[i].tobytes() != y[i].tobytes()
            ]  # bytes, because signs of zeros count
            assert not differ, (note, f"batch {k}, rows {differ} differ")
    return True

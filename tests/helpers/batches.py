"""Batches of the slow reference, and their comparison with those of a Loader."""

import reference


def same(got, want):
    """Return True if two lists of batches are equal bit for bit, or fail."""
    assert len(got) == len(want)
    for (x, y), (wanted_x, wanted_y) in zip(got, want):
        assert x.shape == wanted_x.shape and y.shape == wanted_y.shape
        assert x.tobytes() == wanted_x.tobytes()
        assert y.dtype == wanted_y.dtype and y.tobytes() == wanted_y.tobytes()
    return True


def wanted(dataset, **options):
    """Return the batches of an epoch that the reference computes."""
    return reference.epoch(
        dataset.images, dataset.labels, n_classes=len(dataset.classes), **options
    )

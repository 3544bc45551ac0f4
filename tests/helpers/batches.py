"""Batches as the slow reference makes them, and whether others are the same."""

import reference


def same(got, want):
    """Whether two lists of batches are equal bit for bit, and of the same dtypes."""
    assert len(got) == len(want)
    for (x, y), (wanted_x, wanted_y) in zip(got, want):
        assert x.shape == wanted_x.shape and y.shape == wanted_y.shape
        assert x.tobytes() == wanted_x.tobytes()
        assert y.dtype == wanted_y.dtype and y.tobytes() == wanted_y.tobytes()
    return True


def wanted(dataset, **options):
    return reference.epoch(
        dataset.images, dataset.labels, n_classes=len(dataset.classes), **options
    )

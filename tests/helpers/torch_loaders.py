"""TorchLoaders for the checks of tests/test_device_torch.py and test_device_limits.py.

PyTorch is imported late, because the stand-in for its CUDA is installed before.
"""

from helpers.against_reference import dataset_of, same

OPTIONS = {"batch_size": 50, "shuffle": True, "seed": 6, "augment": "standard"}
FIXED = OPTIONS | {"fixed_buffers": True, "drop_last": True}
dataset = dataset_of(28, 28, 517)
small = dataset.select(range(90))


def loader(data=dataset, device="cuda", resident=True, **options):
    from fmnist_fast.frameworks.torch import TorchLoader

    options = OPTIONS | options
    return TorchLoader(data, device=device, resident=resident, **options)


def plain(data=dataset, **options):
    return loader(data, "cpu", False, **options)


def arrays_of(batches):
    """Return batches as numpy arrays."""
    from helpers.fake_torch import arrays_of

    return arrays_of(batches)


def assert_same(got, want):
    """Compare tensors bit for bit, and their strides."""
    got, want = list(got), list(want)
    for batch, expected in zip(got, want, strict=True):
        for x, y in zip(batch, expected, strict=True):
            assert (x.dtype, x.shape, x.stride()) == (y.dtype, y.shape, y.stride())
    assert same(arrays_of(got), arrays_of(want))


def filled(fixed, n):
    """Return copies of the next n batches."""
    return [batch for _ in range(n) for batch in arrays_of([fixed.fill()])]


def epoch(number):
    """Return the batches of an epoch as numpy arrays."""
    run = plain()
    run.set_epoch(number)
    return arrays_of(run)

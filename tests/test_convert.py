"""Pixel conversion of a loader equals numpy's at every instruction set."""

import ml_dtypes
import numpy as np
import pytest
import reference_convert

import fmnist_fast as ff
from fmnist_fast._core import DTYPES

EVERY_PIXEL = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
NORMALIZE = [
    None,
    "unit",
    "dataset",
    (0.2860405969887955, 0.3530242445149223),
    (0.5, 0.5),
    (-3.0, 1e-5),  # float16 overflows to infinity
    (0.5, 1e4),  # float16 is subnormal
    (0.5, 3e9),  # float16 rounds to zero
    (0.1, 1e-36),  # close to the largest float32
]


def bits(array):
    return array.view(f"u{array.itemsize}")


def expected(images, dtype, normalize):
    return reference_convert.convert(
        images, dtype, *reference_convert.scale_and_bias(normalize, images)
    )


def converted(images, **options):
    labels = np.zeros(len(images), dtype=np.uint8)
    loader = ff.Loader(ff.Dataset.from_arrays(images, labels), threads=1, **options)
    return next(iter(loader))[0]


@pytest.mark.parametrize("normalize", NORMALIZE, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_pixel_value_equals_reference(dtype, normalize, cpu_level):
    if dtype == "uint8":
        normalize = None
    got = converted(EVERY_PIXEL, dtype=dtype, normalize=normalize)
    want = expected(EVERY_PIXEL, dtype, normalize)
    assert np.array_equal(bits(got).ravel(), bits(want).ravel())


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_width_equals_reference(dtype, cpu_level):
    """Widths around every vector length test the pixels after the last whole vector."""
    rng = np.random.default_rng(1)
    for width in range(1, 131):
        images = rng.integers(0, 256, (3, 1, width), dtype=np.uint8)
        normalize = None if dtype == "uint8" else (0.3, 0.7)
        got = converted(images, dtype=dtype, normalize=normalize)
        want = expected(images, dtype, normalize)
        assert np.array_equal(bits(got).ravel(), bits(want).ravel()), width


def test_unit_reaches_exactly_zero_and_one():
    got = converted(EVERY_PIXEL, normalize="unit")
    assert got.min() == 0.0 and got.max() == 1.0


def test_dataset_normalization_has_mean_0_and_std_1(small):
    got = next(iter(ff.Loader(small, len(small))))[0].astype(np.float64)
    assert abs(got.mean()) < 1e-6
    assert abs(got.std() - 1) < 1e-6


def test_bfloat16_has_the_dtype_of_ml_dtypes(small):
    images, _ = next(iter(ff.Loader(small, 8, dtype="bfloat16")))
    assert images.dtype == ml_dtypes.bfloat16
    wide, _ = next(iter(ff.Loader(small, 8)))
    assert np.array_equal(bits(images), bits(wide.astype(ml_dtypes.bfloat16)))


def test_bfloat16_without_ml_dtypes_is_uint16(small, monkeypatch):
    with_package = next(iter(ff.Loader(small, 8, dtype="bfloat16")))[0]
    monkeypatch.setitem(__import__("sys").modules, "ml_dtypes", None)
    without = next(iter(ff.Loader(small, 8, dtype="bfloat16")))[0]
    assert without.dtype == np.uint16
    assert np.array_equal(without, bits(with_package))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(28, 28), (4, 4), (13, 8)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_large_batches_equal_reference(dtype, shape, channels, layout, cpu_level):
    """Batches of 4 MB are written past the caches if a row has 32 n bytes."""
    itemsize = 4 if dtype == "float32" else 2
    n = 1 + (4 << 20) // (itemsize * channels * shape[0] * shape[1])
    images = np.random.default_rng(3).integers(0, 256, (n, *shape), np.uint8)
    mean, std = (0.485, 0.456, 0.406)[:channels], (0.229, 0.224, 0.225)[:channels]
    options = {"dtype": dtype, "channels": channels, "layout": layout}
    got = converted(images, batch_size=n, normalize=(mean, std), **options)
    if layout == "NHWC":
        got = np.moveaxis(got, -1, 1)
    assert got.shape == (n, channels, *shape)
    for channel in range(channels):
        want = expected(images, dtype, (mean[channel], std[channel]))
        assert np.array_equal(bits(got)[:, channel], bits(want))

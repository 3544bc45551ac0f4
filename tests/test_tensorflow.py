"""TensorFlowLoader: tensors with the bytes of a Loader, and a tf.data.Dataset."""

import gc
import os
import weakref

import numpy as np
import pytest

import fmnist_fast as ff

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no notes on instruction sets
tf = pytest.importorskip("tensorflow")
from fmnist_fast.frameworks.tensorflow import TensorFlowLoader  # noqa: E402

OPTIONS = {"batch_size": 64, "shuffle": True, "seed": 5}
NUMPY_OPTIONS = OPTIONS | {"layout": "NHWC"}


def same(tensors, arrays):
    """Return whether batches of tensors and of arrays are equal bit for bit."""
    return all(
        tensor.dtype.name == array.dtype and tensor.numpy().tobytes() == array.tobytes()
        for pair in zip(tensors, arrays, strict=True)
        for tensor, array in zip(*pair, strict=True)
    )


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "uint8"])
@pytest.mark.parametrize("label_dtype", ["int64", "int32", "uint8", "onehot"])
def test_tensors_have_the_bytes_of_a_loader(small, dtype, label_dtype):
    dtypes = {"dtype": dtype, "label_dtype": label_dtype}
    loader = TensorFlowLoader(small, **OPTIONS | dtypes)
    arrays = ff.Loader(small, **NUMPY_OPTIONS | dtypes)
    data = loader.to_tf_data()
    for tensors in (loader, data, data, loader):  # four epochs
        assert same(tensors, arrays)
    for tensor, spec in zip(next(iter(loader)), loader.element_spec):
        assert spec.is_compatible_with(tensor) and tensor.dtype == spec.dtype


def test_tensors_share_the_memory_of_the_batch_and_keep_it(small):
    loader = TensorFlowLoader(small, **OPTIONS)
    arrays = list(ff.Loader(small, **NUMPY_OPTIONS))
    owners = []

    class Recorder:
        """A Loader that records the memory of its batches."""

        def __iter__(self):
            for images, labels in ff.Loader(small, **NUMPY_OPTIONS):
                owners.append((images.ctypes.data, weakref.ref(images)))
                yield images, labels

    loader.loader = Recorder()
    loader.loader.dtype = "float32"
    held = list(loader)
    for _ in range(2):  # new batches must not take the memory of the held ones
        list(ff.Loader(small, **NUMPY_OPTIONS))
    assert same(held, arrays)
    for (images, _), (address, array) in zip(held, owners, strict=True):
        assert np.from_dlpack(images).ctypes.data == address and array() is not None
    del held, images
    gc.collect()
    assert all(array() is None for _, array in owners)


def test_operations_in_place_change_no_other_batch(small):
    """TensorFlow may write into the memory of a tensor without references."""
    loader = TensorFlowLoader(small, **OPTIONS)
    sums = [float(tf.reduce_sum((x + 1.0) * 2.0 - 2.0)) for x, _ in loader]
    want = [
        float(x.astype(np.float64).sum() * 2)
        for x, _ in ff.Loader(small, **NUMPY_OPTIONS)
    ]
    assert np.allclose(sums, want, atol=2)


@pytest.mark.parametrize("drop_last", [False, True, "wrap"])
def test_element_spec(small, drop_last):
    loader = TensorFlowLoader(small, drop_last=drop_last, **OPTIONS)
    size = 64 if drop_last else None
    images, labels = loader.to_tf_data().element_spec
    assert images == tf.TensorSpec((size, 28, 28, 1), tf.float32)
    assert labels == tf.TensorSpec((size,), tf.int64)
    n = 15 if drop_last is True else 16
    assert sum(1 for _ in loader.to_tf_data()) == len(loader) == n


def test_element_spec_of_other_options(odd):
    loader = TensorFlowLoader(
        odd, 10, layout="flat", label_dtype="onehot", augment=[ff.Resize((4, 6))]
    )
    images, labels = loader.element_spec
    assert images == tf.TensorSpec((None, 24), tf.float32)
    assert labels == tf.TensorSpec((None, 3), tf.float32)
    assert same(
        loader.to_tf_data(),
        ff.Loader(
            odd, 10, layout="flat", label_dtype="onehot", augment=[ff.Resize((4, 6))]
        ),
    )


def test_state_counts_the_batches_that_tf_data_has_returned(small):
    run = TensorFlowLoader(small, **OPTIONS)
    batches = iter(run.to_tf_data())
    for _ in range(5):
        next(batches)
    assert run.state_dict()["position"] == 5 * 64
    resumed = TensorFlowLoader(small, **OPTIONS)
    resumed.load_state_dict(run.state_dict())
    rest = [tuple(tensor.numpy() for tensor in batch) for batch in batches]
    assert len(rest) == 11
    assert same(resumed.to_tf_data(), rest)
    assert resumed.epoch == 1


def test_tf_data_can_be_mapped_and_prefetched(small):
    loader = TensorFlowLoader(small, **OPTIONS)
    batches = loader.to_tf_data().map(lambda x, y: (x * 2, y)).prefetch(2)
    arrays = ff.Loader(small, **NUMPY_OPTIONS)
    for (x, y), (want_x, want_y) in zip(batches, arrays, strict=True):
        assert np.array_equal(x, want_x * 2) and np.array_equal(y, want_y)

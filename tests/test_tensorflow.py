"""Tensors for TensorFlow: the same bytes as numpy's, and a tf.data.Dataset of them."""

import gc
import os
import weakref

import numpy as np
import pytest

import fmnist_fast as ff

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # of instruction sets it might use
tf = pytest.importorskip("tensorflow")
from fmnist_fast.frameworks.tensorflow import TensorFlowLoader  # noqa: E402

OPTIONS = {"batch_size": 64, "shuffle": True, "seed": 5}
NUMPYS = OPTIONS | {"layout": "NHWC"}


def same(ours, numpys):
    return all(
        tensor.dtype.name == array.dtype and tensor.numpy().tobytes() == array.tobytes()
        for pair in zip(ours, numpys, strict=True)
        for tensor, array in zip(*pair, strict=True)
    )


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "uint8"])
@pytest.mark.parametrize("label_dtype", ["int64", "int32", "uint8", "onehot"])
def test_bytes_are_the_loaders(small, dtype, label_dtype):
    dtypes = {"dtype": dtype, "label_dtype": label_dtype}
    ours = TensorFlowLoader(small, **OPTIONS | dtypes)
    numpys = ff.Loader(small, **NUMPYS | dtypes)
    batches = ours.to_tf_data()
    for given in (ours, batches, batches, ours):  # four epochs
        assert same(given, numpys)
    for tensor, spec in zip(next(iter(ours)), ours.element_spec):
        assert spec.is_compatible_with(tensor) and tensor.dtype == spec.dtype


def test_tensors_share_the_memory_of_the_batch_and_keep_it(small):
    loader = TensorFlowLoader(small, **OPTIONS)
    numpys = list(ff.Loader(small, **NUMPYS))
    owners = []

    class Noted:
        def __iter__(self):
            for images, labels in ff.Loader(small, **NUMPYS):
                owners.append((images.ctypes.data, weakref.ref(images)))
                yield images, labels

    loader.loader = Noted()
    loader.loader.dtype = "float32"
    held = list(loader)
    for _ in range(2):  # other batches, which must not take the memory of these
        list(ff.Loader(small, **NUMPYS))
    assert same(held, numpys)
    for (images, _), (address, array) in zip(held, owners, strict=True):
        assert np.from_dlpack(images).ctypes.data == address and array() is not None
    del held, images
    gc.collect()
    assert all(array() is None for _, array in owners)


def test_what_tensorflow_writes_in_place_is_nobody_elses(small):
    """It may reuse the memory of a tensor that nothing refers to any more."""
    loader = TensorFlowLoader(small, **OPTIONS)
    sums = [float(tf.reduce_sum((x + 1.0) * 2.0 - 2.0)) for x, _ in loader]
    want = [
        float(x.astype(np.float64).sum() * 2) for x, _ in ff.Loader(small, **NUMPYS)
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


def test_state_says_what_tf_data_has_handed_out(small):
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


def test_dataset_can_be_changed_and_trained_on(small):
    loader = TensorFlowLoader(small, **OPTIONS)
    batches = loader.to_tf_data().map(lambda x, y: (x * 2, y)).prefetch(2)
    numpys = ff.Loader(small, **NUMPYS)
    for (x, y), (want_x, want_y) in zip(batches, numpys, strict=True):
        assert np.array_equal(x, want_x * 2) and np.array_equal(y, want_y)

"""Consumers of DLPack share the memory of a batch, which stays valid meanwhile."""

import numpy as np
import pytest

import fmnist_fast as ff

OPTIONS = {"batch_size": 64, "shuffle": True, "seed": 5}


def numpy_consumer():
    """Return functions that import an array and that return its address."""
    return np.from_dlpack, lambda array: array.ctypes.data


def torch_consumer():
    torch = pytest.importorskip("torch")
    return torch.from_dlpack, lambda tensor: tensor.data_ptr()


def jax_consumer():
    jax = pytest.importorskip("jax")
    return jax.dlpack.from_dlpack, lambda array: array.unsafe_buffer_pointer()


def tensorflow_consumer():
    tensorflow = pytest.importorskip("tensorflow")
    from_dlpack = tensorflow.experimental.dlpack.from_dlpack
    return (
        lambda array: from_dlpack(array.__dlpack__()),
        lambda tensor: np.from_dlpack(tensor).ctypes.data,
    )


@pytest.mark.parametrize(
    "consumer", [numpy_consumer, torch_consumer, jax_consumer, tensorflow_consumer]
)
def test_consumers_share_the_memory_and_keep_it_valid(small, consumer):
    from_dlpack, address = consumer()
    # JAX converts int64 to int32.
    options = OPTIONS | {"threads": 2, "label_dtype": "int32"}
    loader, held = ff.Loader(small, **options), []
    for _ in range(3):
        for images, labels in loader:
            assert images.flags.writeable and labels.flags.writeable
            x, y = from_dlpack(images), from_dlpack(labels)
            assert address(x) == images.ctypes.data and address(y) == labels.ctypes.data
            held.append((x, y))
            del images, labels
    assert len({address(x) for x, _ in held}) == len(held)
    numpy_loader = ff.Loader(small, **options)
    want = [batch for _ in range(3) for batch in numpy_loader]
    for (x, y), (want_x, want_y) in zip(held, want, strict=True):
        assert np.asarray(x).tobytes() == want_x.tobytes()
        assert np.asarray(y).tobytes() == want_y.tobytes()
    # The slots are free again: a fourth epoch needs no more memory than the third.
    n_bytes = loader._pipeline.slots_nbytes
    del held, x, y
    assert sum(1 for _ in loader) == 16
    assert loader._pipeline.slots_nbytes <= n_bytes and loader._pipeline.n_lent == 0


def test_bfloat16_is_exported_as_uint16(small):
    images, _ = next(iter(ff.Loader(small, dtype="bfloat16")))
    with pytest.raises(BufferError, match="DLPack only supports"):
        images.__dlpack__()
    assert np.from_dlpack(images.view("uint16")).ctypes.data == images.ctypes.data

"""Batches cross to any consumer of DLPack without a copy, and are kept while it has
them."""

import numpy as np
import pytest

import fmnist_fast as ff

OPTIONS = {"batch_size": 64, "shuffle": True, "seed": 5}


def of_numpy():
    return np.from_dlpack, lambda array: array.ctypes.data


def of_torch():
    torch = pytest.importorskip("torch")
    return torch.from_dlpack, lambda tensor: tensor.data_ptr()


def of_jax():
    jax = pytest.importorskip("jax")
    return jax.dlpack.from_dlpack, lambda array: array.unsafe_buffer_pointer()


def of_tensorflow():
    tensorflow = pytest.importorskip("tensorflow")
    from_dlpack = tensorflow.experimental.dlpack.from_dlpack
    return (
        lambda array: from_dlpack(array.__dlpack__()),
        lambda tensor: np.from_dlpack(tensor).ctypes.data,
    )


@pytest.mark.parametrize("consumer", [of_numpy, of_torch, of_jax, of_tensorflow])
def test_batches_are_shared_and_kept(small, consumer):
    from_dlpack, address = consumer()
    # JAX makes int32 of int64.
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
    numpys = ff.Loader(small, **options)
    want = [batch for _ in range(3) for batch in numpys]
    for (x, y), (want_x, want_y) in zip(held, want, strict=True):
        assert np.asarray(x).tobytes() == want_x.tobytes()
        assert np.asarray(y).tobytes() == want_y.tobytes()
    # And they let go: a fourth epoch takes no more memory than the third did.
    n_bytes = loader._pipeline.slots_nbytes
    del held, x, y
    assert sum(1 for _ in loader) == 16
    assert loader._pipeline.slots_nbytes <= n_bytes and loader._pipeline.n_lent == 0


def test_what_numpy_does_not_export(small):
    images, _ = next(iter(ff.Loader(small, dtype="bfloat16")))
    with pytest.raises(BufferError, match="DLPack only supports"):
        images.__dlpack__()
    assert np.from_dlpack(images.view("uint16")).ctypes.data == images.ctypes.data

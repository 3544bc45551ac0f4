"""Indices and columns in the batches of every adapter, and weights for Keras."""

import importlib
import os

import numpy as np
import pytest
from helpers.late_device import Device, cupy_loader, torch_loader

import fmnist_fast as ff
from fmnist_fast.frameworks._adapter import check_columns

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
ADAPTERS = {
    "torch": "TorchLoader",
    "jax": "JaxLoader",
    "tensorflow": "TensorFlowLoader",
}
COLUMNS = {"quality": "f8", "group": "i2", "is_real": "?", "width": "u2", "half": "f2"}
FIELDS = {"with_index": True, "columns": list(COLUMNS)}
OPTIONS = {"batch_size": 64, "shuffle": True, "seed": 5, "augment": "standard"}


@pytest.fixture
def data(small):
    """Return a selection with columns."""
    chosen = small.select(np.arange(999, 99, -1))
    rng = np.random.default_rng(0)
    return chosen.with_columns(
        {
            name: rng.integers(0, 100, len(chosen)).astype(dtype)
            for name, dtype in COLUMNS.items()
        }
    )


@pytest.fixture(params=ADAPTERS)
def adapter(request):
    pytest.importorskip(request.param)
    module = importlib.import_module(f"fmnist_fast.frameworks.{request.param}")
    return getattr(module, ADAPTERS[request.param])


def plain_loader(loader, **options):
    """Return a Loader with the shapes and data types of an adapter."""
    kinds = {"layout": loader.layout, "label_dtype": loader.label_dtype}
    return ff.Loader(loader.dataset, **kinds | options)


def assert_same(batches, expected):
    """Check that batches have the values and types of those of a Loader."""
    for batch, want in zip(batches, expected, strict=True):
        for field, array in zip(batch, want, strict=True):
            is_jax = type(field).__module__.startswith("jax")
            cut = {"int64": "int32", "float64": "float32"} if is_jax else {}
            name, field = array.dtype.name, np.asarray(field)
            assert field.dtype == cut.get(name, name) and np.array_equal(field, array)


@pytest.mark.parametrize(
    "fields", [FIELDS, {"with_index": True}, {"columns": ["group"]}]
)
def test_fields_are_those_of_a_loader(data, adapter, fields):
    loader = adapter(data, **OPTIONS | fields)
    assert (loader.with_index, loader.columns) == (
        fields.get("with_index", False),
        tuple(fields.get("columns", ())),
    )
    plain = plain_loader(loader, **OPTIONS | fields)
    for _ in range(2):
        assert_same(loader, plain)


def test_a_state_resumes_with_fields(data, adapter):
    run, resumed = (adapter(data, **OPTIONS | FIELDS) for _ in range(2))
    batches = iter(run)
    for _ in range(3):
        next(batches)
    resumed.load_state_dict(run.state_dict())
    for batch, want in zip(resumed, batches, strict=True):
        for field, array in zip(batch, want, strict=True):
            assert np.array_equal(np.asarray(field), np.asarray(array))


def test_batches_with_fields_can_be_shown(data, adapter):
    loader = adapter(data, **OPTIONS | FIELDS)
    batch, plain = next(iter(loader)), plain_loader(loader, **OPTIONS)
    want = plain.show(next(iter(plain)), count=3)
    assert loader.show(batch, count=3) == loader.show(batch[:2], count=3) == want
    with pytest.raises(TypeError, match=r"batch must be a pair \(images, labels\)"):
        loader.show(batch[:4])


def test_a_column_without_a_data_type_is_refused(data, adapter):
    data = data.with_columns({"long": np.zeros(len(data), np.longdouble)})
    if data.extra["long"].dtype.itemsize == 8:
        pytest.skip("a long double is a double here")
    with pytest.raises(ValueError, match=r"^columns must have .*64 bits .*in 'long'$"):
        adapter(data, columns=["group", "long"])


def test_the_check_of_columns_names_the_column(data):
    """PyTorch 2.2 has no uint16."""

    def convert(array):
        if array.dtype == np.uint16:
            raise TypeError("can't convert np.ndarray of type numpy.uint16")

    check_columns(ff.Loader(data, columns=["group"]), "PyTorch", convert)
    with pytest.raises(ValueError, match=r"PyTorch, got uint16 in 'width'\.\nConvert"):
        check_columns(ff.Loader(data, columns=["group", "width"]), "PyTorch", convert)


def test_integers_that_jax_would_cut(data):
    pytest.importorskip("jax")
    from fmnist_fast.frameworks.jax import JaxLoader

    for dtype, value in (("i8", 2**31), ("i8", -(2**31) - 1), ("u8", 2**32)):
        data = data.with_columns({"id": np.arange(len(data)).astype(dtype)})
        JaxLoader(data, columns=["id"])
        data.extra["id"][7] = value
        with pytest.raises(
            ValueError,
            match=rf"^columns must have integers that fit u?int32 for JAX, got {value} "
            r"in 'id'\.\nCall jax\.config\.update\('jax_enable_x64', True\) first",
        ):
            JaxLoader(data, columns=["id"])


def test_tf_data_has_the_fields(data):
    tf = pytest.importorskip("tensorflow")
    from fmnist_fast.frameworks.tensorflow import TensorFlowLoader

    loader = TensorFlowLoader(data, 64, steps=20, **FIELDS)
    batches = loader.to_tf_data()
    dtypes = ["int64", "float64", "int16", "bool", "uint16", "float16"]
    columns = [tf.TensorSpec((64,), dtype) for dtype in dtypes]
    assert list(batches.element_spec[2:]) == columns
    assert batches.element_spec[0].shape == (64, 28, 28, 1)
    assert_same(batches, plain_loader(loader, batch_size=64, steps=20, **FIELDS))


def test_channels_last_and_resident_tensors_have_the_fields(data):
    torch = pytest.importorskip("torch")
    from fmnist_fast.frameworks.torch import TorchLoader

    want = list(TorchLoader(data, **OPTIONS | FIELDS))
    for options in ({"channels_last": True}, {"resident": True}):
        loader = TorchLoader(data, **OPTIONS | FIELDS | options)
        for batch, expected in zip(loader, want, strict=True):
            assert all(map(torch.equal, batch, expected))
    bits = TorchLoader(data, dtype="bfloat16", **FIELDS)
    assert_same((b[1:] for b in bits), (b[1:] for b in plain_loader(bits, **FIELDS)))


# ---- devices ------------------------------------------------------------------------


@pytest.mark.parametrize("make", [torch_loader, cupy_loader])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_fields_travel_in_the_slot(data, make, dtype):
    """They are copied out of the device's memory before the next batch comes there."""
    pytest.importorskip("torch")
    device = Device()
    loader = make(device)(data, dtype=dtype, **OPTIONS | FIELDS)
    plain = plain_loader(loader, dtype=dtype, **OPTIONS | FIELDS)
    held, n = [batch for _ in range(2) for batch in loader], len(loader)
    for batch, want in zip(held, [b for _ in range(2) for b in plain], strict=True):
        for field, array in zip(batch, want, strict=True):
            assert np.array_equal(np.asarray(field), array)
    assert device.n_copies == 2 * n and not device.faults


def test_fixed_buffers_have_the_fields(data):
    pytest.importorskip("torch")
    device = Device()
    options = OPTIONS | FIELDS | {"steps": 20}
    loader = torch_loader(device)(data, fixed_buffers=True, **options)
    addresses = set()
    for batch, want in zip(loader, plain_loader(loader, **options), strict=True):
        addresses.add(tuple(tensor.data_ptr() for tensor in batch))
        for field, array in zip(batch, want, strict=True):
            assert np.array_equal(np.asarray(field), array)
    assert len(addresses) == 1 and not device.faults


def test_interruptions_keep_no_slot_with_fields(data):
    pytest.importorskip("torch")
    device, held = Device(), []
    loader = torch_loader(device)(data, **OPTIONS | FIELDS)
    for n in range(1, 40):
        device.n_calls = n
        with pytest.raises(KeyboardInterrupt) as caught:
            list(loader)
        held.append(caught.value)
    assert len(list(loader)) == len(loader) and not device.faults


# ---- Keras --------------------------------------------------------------------------


@pytest.fixture
def keras_loader():
    pytest.importorskip("keras")
    from fmnist_fast.frameworks.keras import KerasLoader

    return KerasLoader


@pytest.mark.parametrize("name", COLUMNS)
def test_weights_of_samples(data, keras_loader, name):
    loader = keras_loader(data, sample_weight=name, **OPTIONS)
    assert loader.sample_weight == name
    for batch, want in zip(loader, plain_loader(loader, columns=[name], **OPTIONS)):
        images, labels, weights = batch
        assert weights.dtype == np.float32 and np.array_equal(weights, want[2])
        assert np.array_equal(images, want[0]) and np.array_equal(labels, want[1])
    assert loader.epoch == 1 and loader.show(batch) == loader.show(batch[:2])


@pytest.mark.parametrize(
    "options", [{"with_index": True}, {"columns": ["quality"]}, FIELDS]
)
def test_keras_takes_no_other_fields(data, keras_loader, options):
    name = next(iter(options))
    with pytest.raises(
        ValueError,
        match=rf"^KerasLoader can't take {name}=.*, because Keras uses the third array "
        r"of a batch as weights of samples\.\nFor weights, pass sample_weight='NAME'\.",
    ):
        keras_loader(data, **options)
    assert keras_loader(data, with_index=False, columns=()).sample_weight is None


def test_bad_weights_of_samples(data, small, keras_loader):
    with pytest.raises(
        ValueError, match=r"^sample_weight must be one of .*'qualty'\. Did .*'quality'"
    ):
        keras_loader(data, sample_weight="qualty")
    with pytest.raises(
        ValueError, match=r"sample_weight must be a name in dataset\.extra"
    ):
        keras_loader(small, sample_weight="quality")
    with pytest.raises(
        TypeError,
        match="^sample_weight must be the name of a column, got ndarray\\.\n"
        r"Add it: dataset\.with_columns\(\{name: weights\}\)\.$",
    ):
        keras_loader(data, sample_weight=np.ones(900))
    for values, message in [
        (
            np.full(900, "a"),
            r"must be a column of numbers, got <U1 in 'w'",
        ),
        (
            np.full(900, np.nan),
            r"must be a column of finite float32 numbers, got nan for row 0 of 'w'",
        ),
        (
            np.full(900, 1e39),
            r"must be a column of finite float32 numbers, got 1e\+39 for row 0 of 'w'",
        ),
    ]:
        data = data.with_columns({"w": values})
        with pytest.raises(ValueError, match=rf"^sample_weight {message}$"):
            keras_loader(data, sample_weight="w")
    with pytest.raises(TypeError, match="dataset must be a Dataset, got LazyImages"):
        keras_loader(data.images, sample_weight="w")

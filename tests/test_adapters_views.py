"""Views and channels in each framework: an adapter has the bytes of a Loader."""

import importlib
import os

import numpy as np
import pytest
from helpers import late_device
from helpers.late_device import Device

import fmnist_fast as ff

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
ADAPTERS = {
    "torch": "TorchLoader",
    "jax": "JaxLoader",
    "tensorflow": "TensorFlowLoader",
    "keras": "KerasLoader",
}
DTYPES = ["float32", "bfloat16", "uint8"]
LAYOUTS = ["NCHW", "NHWC", "flat"]
OPTIONS = {"batch_size": 64, "shuffle": True, "seed": 5, "label_dtype": "int32"}
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FLIP, ONEHOT = ff.RandomHorizontalFlip(), {"label_dtype": "onehot"}
VIEWS = {
    "no axis": {"augment": "standard"},
    "one": {"views": 1, "augment": "standard"},
    "two": {"views": 2, "augment": "standard"},
    "each": {"views": [None, [ff.RandomHorizontalFlip(p=1.0)], "standard"]},
    "crops": {"views": ff.FiveCrop(20)},
    "mixes": {"views": 2, "augment": [FLIP, ff.MixUp()], **ONEHOT},
    "shared labels": {"views": 2, "augment": [FLIP], **ONEHOT},
}


@pytest.fixture(scope="module")
def few(small):
    """Return 200 images, for three batches and a short one."""
    return small.select(range(200))


@pytest.fixture(params=ADAPTERS)
def adapter(request):
    pytest.importorskip(request.param)
    module = importlib.import_module(f"fmnist_fast.frameworks.{request.param}")
    return getattr(module, ADAPTERS[request.param])


def options_of(views, dtype="float32", layout="NCHW", channels=3):
    """Return options of a loader, with a normalization for each channel."""
    options = {**OPTIONS, "dtype": dtype, "layout": layout, "channels": channels}
    if channels == 3 and dtype != "uint8":
        options["normalize"] = IMAGENET
    return options | VIEWS[views]


def array(x):
    """Return an array of any framework as numpy's. bfloat16 becomes uint16."""
    if type(x).__module__.startswith("torch") and str(x.dtype) == "torch.bfloat16":
        import torch

        x = x.contiguous().view(torch.uint16)
    return np.ascontiguousarray(x)


def assert_same(got, want):
    """Check that batches have the bytes and the shapes of those of a Loader."""
    for got_batch, want_batch in zip(got, want, strict=True):
        for x, y in zip(got_batch, want_batch, strict=True):
            x = np.stack([*map(array, x)]) if isinstance(x, tuple) else array(x)
            assert x.shape == y.shape and x.tobytes() == y.tobytes()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("views", VIEWS)
def test_bytes(few, adapter, views, dtype, layout):
    for channels in (1, 3):
        options = options_of(views, dtype, layout, channels)
        run, plain = adapter(few, **options), ff.Loader(few, **options)
        assert (run.views, run.channels) == (plain.views, channels)
        assert_same(run, plain)


@pytest.mark.parametrize("views", VIEWS)
def test_states_and_pictures(few, adapter, views):
    pytest.importorskip("PIL.Image")
    options = options_of(views, "bfloat16", "NHWC")
    run, plain = adapter(few, **options), ff.Loader(few, **options)
    iterator = iter(run)
    batch, want = next(iterator), next(iter(plain))
    assert run.show(batch, count=5) == plain.show(want, count=5)
    resumed = ff.Loader(few, **options)
    resumed.load_state_dict(run.state_dict())
    assert_same(iterator, resumed)


# ---- PyTorch ------------------------------------------------------------------------


@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize("views", VIEWS)
def test_channels_last(few, views, resident):
    torch = pytest.importorskip("torch")
    from fmnist_fast.frameworks.torch import TorchLoader

    options = options_of(views)
    plain = list(ff.Loader(few, **options))
    loader = TorchLoader(few, channels_last=True, resident=resident, **options)
    batches = list(loader)
    assert_same(batches, plain)
    for images, _ in batches:
        for view in images if loader.views is not None else [images]:
            assert view.is_contiguous(memory_format=torch.channels_last)
    pytest.importorskip("PIL.Image")
    shown = loader.show(batches[0])
    assert shown == ff.Loader(few, **options).show(plain[0])


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("views", VIEWS)
def test_fixed_buffers(few, views, channels_last):
    pytest.importorskip("torch")
    from fmnist_fast.frameworks.torch import TorchLoader

    options = options_of(views) | {"drop_last": True}
    loader = TorchLoader(
        few,
        channels_last=channels_last,
        resident=True,
        fixed_buffers=True,
        **options,
    )
    for want in ff.Loader(few, **options):
        assert loader.fill() is loader.buffers
        assert_same([loader.buffers], [want])


@pytest.mark.parametrize("views", ["two", "mixes"])
def test_workers_of_a_data_loader_divide_the_rows(few, views):
    data = pytest.importorskip("torch.utils.data")
    from fmnist_fast.frameworks.torch import TorchLoader

    options = options_of(views) | {"drop_last": True, "with_index": True}
    loader = TorchLoader(few, **options)
    parts = list(data.DataLoader(loader, batch_size=None, num_workers=2))
    plain = list(ff.Loader(few, **options))
    assert len(parts) == 2 * len(plain)
    wanted = {
        index: (k, place)
        for k, (_, _, indices) in enumerate(plain)
        for place, index in enumerate(indices.tolist())
    }
    for images, _, indices in parts:
        assert images.shape == (2, 32, 3, 28, 28)
        for row, index in enumerate(indices.tolist()):
            k, place = wanted.pop(index)
            assert np.array_equal(images[:, row], plain[k][0][:, place])
    assert not wanted


# ---- devices ------------------------------------------------------------------------


@pytest.fixture(params=["cupy", "torch"])
def sending(request):
    """Return a function that gives a class of loaders for a device that works late."""
    if request.param == "torch":
        pytest.importorskip("torch")
    return getattr(late_device, f"{request.param}_loader")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("views", VIEWS)
def test_batches_that_are_sent_to_a_device(few, sending, views, dtype, layout):
    """The device normalizes each channel by its own numbers."""
    device = Device()
    for channels in (1, 3):
        options = options_of(views, dtype, layout, channels)
        loader = sending(device)(few, threads=1, **options)
        assert_same(loader, ff.Loader(few, **options))
    assert not device.faults


def test_one_normalization_of_three_channels(few, sending):
    options = options_of("two") | {"normalize": "unit"}
    loader = sending(Device())(few, **options)
    assert_same(loader, ff.Loader(few, **options))


@pytest.mark.parametrize("channels_last", [False, True])
def test_fixed_buffers_that_are_sent(few, channels_last):
    pytest.importorskip("torch")
    options = options_of("two") | {"drop_last": True}
    loader = late_device.torch_loader(Device())
    run = loader(few, fixed_buffers=True, channels_last=channels_last, **options)
    for batch, want in zip(run, ff.Loader(few, **options), strict=True):
        assert_same([batch], [want])


def test_a_short_batch_does_not_fit_fixed_buffers(small):
    """Its number of rows is not that of views."""
    pytest.importorskip("torch")
    options = OPTIONS | {"batch_size": 100, "views": 2}
    run = late_device.torch_loader(Device())(small, fixed_buffers=True, **options)
    state = run.state_dict()
    run.load_state_dict(state | {"position": 801})
    batches = iter(run)
    assert next(batches)[0].shape[:2] == (2, 100)
    with pytest.raises(RuntimeError, match="hold 100 rows, but this batch has 99"):
        next(batches)


# ---- TensorFlow and Keras -----------------------------------------------------------


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("views", VIEWS)
def test_tf_data(few, views, layout, drop_last):
    tf = pytest.importorskip("tensorflow")
    from fmnist_fast.frameworks.tensorflow import TensorFlowLoader

    options = options_of(views, layout=layout) | {"drop_last": drop_last}
    loader = TensorFlowLoader(few, with_index=True, **options)
    for batch in loader:
        for tensor, spec in zip(batch, loader.element_spec, strict=True):
            assert spec.is_compatible_with(tensor)
    rows = loader.element_spec[0].shape[loader.views is not None]
    assert rows == (64 if drop_last else None)
    loader.set_epoch(0)
    batches = [[x.numpy() for x in batch] for batch in loader.to_tf_data()]
    assert_same(batches, ff.Loader(few, with_index=True, **options))
    assert tf.executing_eagerly()


def test_keras_has_an_array_for_each_view(small):
    pytest.importorskip("keras")
    from fmnist_fast.frameworks.keras import KerasLoader

    small = small.with_columns({"weight": np.ones(len(small))})
    for options in (VIEWS["two"], VIEWS["mixes"]):
        loader = KerasLoader(small, sample_weight="weight", **options)
        (a, b), labels, weights = loader[0]
        assert a.shape == b.shape == (256, 28, 28, 1) and weights.shape == (256,)
        assert np.shares_memory(a, a.base) and not np.array_equal(a, b)
        mixed = [y.shape for y in labels] == [(256, 10)] * 2
        assert isinstance(labels, tuple) == mixed == (options is VIEWS["mixes"])

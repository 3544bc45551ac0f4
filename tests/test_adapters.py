"""What all adapters have: state and its errors, pictures, and missing packages."""

import importlib
import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import fmnist_fast as ff

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
ADAPTERS = {
    "torch": "TorchLoader",
    "jax": "JaxLoader",
    "tensorflow": "TensorFlowLoader",
    "keras": "KerasLoader",
}
NEEDS = {
    "torch": ("torch", "PyTorch: pip install torch"),
    "jax": ("jax", "JAX: pip install jax"),
    "tensorflow": ("tensorflow", "TensorFlow: pip install tensorflow"),
    "keras": ("keras", "Keras 3 and one of its backends, such as: pip install keras"),
    "cupy": ("cupy", "CuPy: pip install cupy-cuda12x"),
}
OPTIONS = {"batch_size": 64, "shuffle": True, "seed": 5, "augment": "standard"}


@pytest.fixture(params=ADAPTERS)
def adapter(request):
    pytest.importorskip(request.param)
    module = importlib.import_module(f"fmnist_fast.frameworks.{request.param}")
    return getattr(module, ADAPTERS[request.param])


def rows(batches):
    """The labels of all batches, of any framework."""
    return [np.asarray(labels).tolist() for _, labels in batches]


def test_state_is_the_loaders(small, adapter):
    run = adapter(small, **OPTIONS)
    batches = iter(run)
    for _ in range(5):
        next(batches)
    state = json.loads(json.dumps(run.state_dict()))
    numpys = ff.Loader(small, **OPTIONS)
    numpys.load_state_dict(state)
    assert run.state_dict() == numpys.state_dict()
    want = rows(numpys)
    assert rows(batches) == want and run.epoch == 1
    resumed = adapter(small, threads=1, **OPTIONS | {"seed": 6})
    resumed.load_state_dict(state)
    assert resumed.epoch == 0
    assert rows(resumed) == want
    resumed.set_epoch(0)
    assert rows(resumed)[5:] == want


def test_state_of_something_else_is_refused(small, odd, adapter):
    loader = adapter(small, **OPTIONS)
    state = loader.state_dict()
    other = adapter(odd, **OPTIONS).state_dict()
    for wrong, message in [
        (other, "state was taken with samples=517, this loader has 1000"),
        (state | {"dataset": "?"}, "state was taken with dataset='\\?', this loader"),
        (state | {"shuffle": False}, "state was taken with shuffle=False, this loader"),
        (state | {"version": 0}, "state was taken with version=0, this loader has 1"),
        (
            state | {"position": 1000},
            r"state\['position'\] must be in 0\.\.999, got 1000",
        ),
        ({"epoch": 1}, "state has no 'version'"),
    ]:
        with pytest.raises(ValueError, match=message):
            loader.load_state_dict(wrong)
    with pytest.raises(TypeError, match="state must be a dict, got list"):
        loader.load_state_dict([])
    assert loader.state_dict() == state


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "uint8"])
@pytest.mark.parametrize("layout", ["NHWC", "flat"])
def test_batches_can_be_shown(small, adapter, dtype, layout):
    options = OPTIONS | {"dtype": dtype, "layout": layout, "label_dtype": "onehot"}
    options["augment"] = [ff.MixUp()]
    ours, numpys = adapter(small, **options), ff.Loader(small, **options)
    want = numpys.show(next(iter(numpys)), count=5, columns=3)
    assert ours.show(next(iter(ours)), count=5, columns=3) == want


def test_what_is_no_batch_is_not_shown(small, adapter):
    loader = adapter(small, **OPTIONS)
    with pytest.raises(TypeError, match=r"batch must be a pair \(images, labels\)"):
        loader.show(None)
    images, labels = next(iter(loader))
    with pytest.raises(ValueError, match="one label for each image"):
        loader.show((images, labels[:3]))


def test_channels_last_can_be_shown(small):
    pytest.importorskip("torch")
    from fmnist_fast.frameworks.torch import TorchLoader

    ours, numpys = TorchLoader(small, channels_last=True), ff.Loader(small)
    assert ours.show(next(iter(ours))) == numpys.show(next(iter(numpys)))


def test_batches_of_a_device_can_be_shown(small):
    """There the loader behind them gives bytes, which the device normalises."""
    pytest.importorskip("torch")
    from fmnist_fast.frameworks.torch import TorchLoader

    ours, numpys = TorchLoader(small, **OPTIONS), ff.Loader(small, **OPTIONS)
    batch = next(iter(ours))
    ours.loader = ff.Loader(small, dtype="uint8", **OPTIONS)
    assert ours.show(batch) == numpys.show(next(iter(numpys)))


def test_it_ends_with_its_context(small, adapter):
    with adapter(small, **OPTIONS) as loader:
        batches = iter(loader)
        next(batches)
    with pytest.raises(RuntimeError, match="closed"):
        next(batches)
    assert adapter.__name__ in repr(loader)


@pytest.mark.parametrize("name", NEEDS)
def test_without_the_package_the_error_says_how_to_get_it(name):
    package, words = NEEDS[name]
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        f"import fmnist_fast.frameworks.{name}"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    wanted = f"ImportError: fmnist_fast.frameworks.{name} needs {words}"
    assert done.returncode == 1 and wanted in done.stderr


def test_no_framework_is_imported_unless_it_is_asked_for():
    program = (
        "import sys, fmnist_fast as ff\n"
        "list(ff.Loader(ff.synthetic(100, 10)[0]))\n"
        f"print([name for name in {list(NEEDS)} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert done.stdout.split() == [b"[]"]

"""Behavior of all adapters: state and its errors, pictures, and missing packages."""

import copy
import importlib
import importlib.util
import json
import operator
import os
import pickle
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
    "torch": ("torch", "PyTorch. Run: pip install torch"),
    "jax": ("jax", "JAX. Run: pip install jax"),
    "tensorflow": ("tensorflow", "TensorFlow. Run: pip install tensorflow"),
    "keras": ("keras", "Keras 3 and one of its backends. Run, for example: pip"),
    "cupy": ("cupy", "CuPy. Run: pip install cupy-cuda12x"),
}
OPTIONS = {"batch_size": 64, "shuffle": True, "seed": 5, "augment": "standard"}


@pytest.fixture(params=ADAPTERS)
def adapter(request):
    pytest.importorskip(request.param)
    module = importlib.import_module(f"fmnist_fast.frameworks.{request.param}")
    return getattr(module, ADAPTERS[request.param])


def labels_of(batches):
    """Return the labels of all batches, of any framework."""
    return [np.asarray(labels).tolist() for _, labels in batches]


def test_normalization_in_use(small, adapter):
    run = adapter(small.select(range(9)), batch_size=4)
    assert run.normalize == (run.mean, run.std) == (small.mean, small.std)


def test_state_equals_a_loaders(small, adapter):
    run = adapter(small, **OPTIONS)
    batches = iter(run)
    for _ in range(5):
        next(batches)
    state = json.loads(json.dumps(run.state_dict()))
    plain = ff.Loader(small, **OPTIONS)
    plain.load_state_dict(state)
    assert run.state_dict() == plain.state_dict()
    want = labels_of(plain)
    assert labels_of(batches) == want and run.epoch == 1
    resumed = adapter(small, threads=1, **OPTIONS | {"seed": 6})
    resumed.load_state_dict(state)
    assert resumed.epoch == 0
    assert labels_of(resumed) == want
    resumed.set_epoch(0)
    assert labels_of(resumed)[5:] == want


def test_the_last_batch_of_an_epoch(small, adapter):
    """Its state resumes with no batch. Keras, which needs one, has the next epoch."""
    loader, resumed = adapter(small, 500), adapter(small, 500)
    is_keras = adapter.__name__ == "KerasLoader"
    batches = iter(loader)
    if not is_keras:
        assert operator.length_hint(batches) == 2 and loader.epoch == 0
    next(batches), next(batches)
    state = ff.Loader(small).state_dict() | {"position": 1000}
    next_epoch = {"epoch": 1, "position": 0}
    assert loader.state_dict() == state | (next_epoch if is_keras else {})
    assert operator.length_hint(batches) == 0
    resumed.load_state_dict(state)
    assert len(list(resumed)) == 2 * is_keras
    assert resumed.epoch == 1 + is_keras


@pytest.mark.parametrize(
    "copied", [copy.copy, lambda loader: pickle.loads(pickle.dumps(loader))]
)
def test_a_copy_begins_where_the_next_loop_would(small, adapter, copied):
    loader = adapter(small, **OPTIONS)
    for use in (
        lambda: next(iter(loader)),
        lambda: list(loader) and None,
        lambda: loader.load_state_dict(loader.state_dict() | {"position": 320}),
    ):
        kept = use()
        twin = copied(loader)
        assert type(twin) is adapter and twin.loader is not loader.loader
        ours, theirs = ([labels_of(each) for _ in "ab"] for each in (loader, twin))
        assert ours == theirs and len(ours[1]) == 16
        del kept


def test_state_of_another_loader_is_refused(small, odd, adapter):
    loader = adapter(small, **OPTIONS)
    state = loader.state_dict()
    other = adapter(odd, **OPTIONS).state_dict()
    for wrong, message in [
        (other, r"state\['samples'\] must be 1000, as in this loader, got 517"),
        (state | {"dataset": "?"}, r"'dataset'\] must be .*, got '\?'"),
        (state | {"shuffle": False}, r"'shuffle'\] must be True, .*, got False"),
        (state | {"version": 0}, r"'version'\] must be 2, got 0"),
        (
            state | {"position": 1001},
            r"state\['position'\] must be in 0\.\.1000, got 1001",
        ),
        ({"epoch": 1}, "state must have an entry 'version', got "),
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
    loader, plain = adapter(small, **options), ff.Loader(small, **options)
    want = plain.show(next(iter(plain)), count=5, columns=3)
    assert loader.show(next(iter(loader)), count=5, columns=3) == want


def test_show_refuses_invalid_batches(small, adapter):
    loader = adapter(small, **OPTIONS)
    with pytest.raises(TypeError, match=r"batch must be a pair \(images, labels\)"):
        loader.show(None)
    images, labels = next(iter(loader))
    with pytest.raises(ValueError, match="one label for each sample"):
        loader.show((images, labels[:3]))


def test_channels_last_can_be_shown(small):
    pytest.importorskip("torch")
    from fmnist_fast.frameworks.torch import TorchLoader

    loader, plain = TorchLoader(small, channels_last=True), ff.Loader(small)
    assert loader.show(next(iter(loader))) == plain.show(next(iter(plain)))


def test_batches_of_a_device_can_be_shown(small):
    """The inner loader returns uint8 for a device, which normalizes the pixels."""
    pytest.importorskip("torch")
    from fmnist_fast.frameworks.torch import TorchLoader

    loader, plain = TorchLoader(small, **OPTIONS), ff.Loader(small, **OPTIONS)
    batch = next(iter(loader))
    loader.loader = ff.Loader(small, dtype="uint8", **OPTIONS)
    assert loader.show(batch) == plain.show(next(iter(plain)))


def test_context_closes_the_loader(small, adapter):
    with adapter(small, **OPTIONS) as loader:
        batches = iter(loader)
        next(batches)
    with pytest.raises(RuntimeError, match="closed"):
        next(batches)
    assert adapter.__name__ in repr(loader)


@pytest.mark.parametrize("name", NEEDS)
def test_error_without_the_package_says_how_to_install_it(name):
    package, advice = NEEDS[name]
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        f"import fmnist_fast.frameworks.{name}"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    expected = f"ImportError: fmnist_fast.frameworks.{name} requires {advice}"
    assert done.returncode == 1 and expected in done.stderr


def test_no_framework_is_imported_with_the_package():
    program = (
        "import sys, fmnist_fast as ff\n"
        "list(ff.Loader(ff.synthetic(100, 10)[0]))\n"
        f"print([name for name in {list(NEEDS)} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert done.stdout.split() == [b"[]"]

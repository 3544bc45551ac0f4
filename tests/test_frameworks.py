"""The recipes of docs/frameworks.md run, each with the real package."""

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.late_device import Device, cupy_stand_in
from helpers.transforms import EVERY

import fmnist_fast as ff

TEXT = (Path(__file__).parents[1] / "docs" / "frameworks.md").read_text("utf-8")
# Stand-ins run the code for PyTorch on a CUDA device: see test_device_torch.py.
RECIPES = {
    title: [
        code
        for code in re.findall(r"```python\n(.*?)```", section, re.DOTALL)
        if 'device="cuda"' not in code
    ]
    for title, section in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)
}
PACKAGES = {
    "PyTorch": "torch",
    "Indices and columns": "torch",
    "Views and channels": "torch",
    "Resident on the device": "torch",
    "Lightning": None,  # the test itself checks for it
    "JAX": "jax",
    "JAX, batch by batch": "jax",
    "tf.data": "tensorflow",
    "Keras": "keras",
    "CuPy": None,  # a stand-in replaces it
    "DLPack": "torch",
    "scikit-learn": "sklearn",
}
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def test_every_recipe_is_known_and_short():
    assert RECIPES.keys() == PACKAGES.keys()
    for recipes in RECIPES.values():
        (code,) = recipes
        n_lines = sum(1 for line in code.splitlines() if line.strip())
        assert n_lines <= (20 if "LightningModule" in code else 10)


@pytest.mark.filterwarnings("ignore:.*:UserWarning:lightning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # from their dependencies
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("title", PACKAGES)
def test_recipe(title, small, capsys, monkeypatch):
    names = {"ff": ff, "train": small, "test": small}
    if title == "CuPy":
        module = "fmnist_fast.frameworks.cupy"
        monkeypatch.setitem(sys.modules, "cupy", cupy_stand_in(Device()))
        monkeypatch.setitem(sys.modules, module, None)  # restores an earlier import
        del sys.modules[module]
    elif title == "Lightning":
        pytest.importorskip("torch")
        import helpers.any_torchvision  # noqa: F401  (which Lightning imports)

        pytest.importorskip("lightning")
    else:
        pytest.importorskip(PACKAGES[title])
    (code,) = RECIPES[title]
    exec(compile(code, title, "exec"), names)
    if title == "scikit-learn":
        assert float(capsys.readouterr().out) > 0.5
    elif title == "JAX":
        assert names["weights"].shape == (784, 10) and names["weights"].any()
    else:
        assert names["loader"].epoch == (2 if title == "tf.data" else 1)


def test_the_page_lists_the_transforms_of_jax(small):
    pytest.importorskip("jax")
    from fmnist_fast.frameworks.jax import JaxBatches

    groups = {"Compose", "RandomApply", "RandomChoice", "RandomOrder"}
    exact = set()
    for transform in EVERY:
        name = type(transform).__name__
        if name in groups:
            continue
        option = "views" if name in {"FiveCrop", "TenCrop"} else "augment"
        options = {option: transform, "label_dtype": "onehot"}
        try:
            JaxBatches(small, 100, **options)
        except ValueError as error:
            assert f", got {name}.\n" in str(error)
        else:
            exact.add(name)
    cells = re.findall(r"^\| (.+?) \|", TEXT.partition("| exact |")[2], re.MULTILINE)
    assert set(re.findall(r"`([A-Z]\w+)`", " ".join(cells[:2]))) == exact | groups


def test_columns_for_scikit_learn(small, odd):
    for dataset in (small, odd, odd.select([])):
        X, y = dataset.to_sklearn()
        n, height, width = dataset.images.shape
        assert X.shape == (n, height * width) and X.dtype == np.float32
        want = np.reshape(dataset.images, (n, height * width)) * np.float32(1 / 255)
        assert np.array_equal(X, want)
        assert y.dtype == np.int64 and np.array_equal(y, dataset.labels)

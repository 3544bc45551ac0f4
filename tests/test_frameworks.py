"""The recipes of docs/frameworks.md are run, each with the real package."""

import re
from pathlib import Path

import numpy as np
import pytest

import fmnist_fast as ff

TEXT = (Path(__file__).parents[1] / "docs" / "frameworks.md").read_text("utf-8")
RECIPES = {
    title: re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    for title, section in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)
}
PACKAGES = {"PyTorch": "torch", "JAX": "jax", "scikit-learn": "sklearn"}


def test_every_recipe_is_known():
    assert RECIPES.keys() == PACKAGES.keys()
    assert all(len(recipes) == 1 for recipes in RECIPES.values())


@pytest.mark.parametrize("title", PACKAGES)
def test_recipe(title, small, capsys):
    pytest.importorskip(PACKAGES[title])
    names = {"ff": ff, "train": small, "test": small}
    (code,) = RECIPES[title]
    exec(compile(code, title, "exec"), names)
    if title == "scikit-learn":
        assert float(capsys.readouterr().out) > 0.5
    else:
        assert names["loader"].epoch == 1


def test_columns_for_scikit_learn(small, odd):
    for dataset in (small, odd, odd.select([])):
        X, y = dataset.to_sklearn()
        n, height, width = dataset.images.shape
        assert X.shape == (n, height * width) and X.dtype == np.float32
        want = dataset.images.reshape(n, height * width) * np.float32(1 / 255)
        assert np.array_equal(X, want)
        assert y.dtype == np.int64 and np.array_equal(y, dataset.labels)

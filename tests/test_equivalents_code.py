"""The code in errors that name an equivalent runs, and its names exist."""

import functools
import importlib
import inspect
import itertools
import re

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import _equivalents

INNER = r"[^()\[\]]*"
for _ in range(4):
    INNER = rf"(?:[^()\[\]]|\({INNER}\)|\[{INNER}\])*"
CODE = rf"[a-zA-Z_]\w*(?:\.\w+|\({INNER}\)|\[{INNER}\])+"
KEYWORD = rf"\b([a-z_]+)=(\"\w+\"|[\w.]*\w|\({INNER}\)|\[{INNER}\])"
TEXTS = {
    (table, text)
    for table, entries in _equivalents._TABLES.items()
    for text in entries.values()
}


def bind(function, *arguments, **options):
    """Check arguments without a call, which would need files."""
    inspect.signature(function).bind(*arguments, **options)


def values(dataset):
    """Return what the names in the texts stand for."""
    names = {name: getattr(ff, name) for name in ff.__all__}
    names |= {"ff": ff, "numpy": np, "functools": functools, "itertools": itertools}
    names |= dict.fromkeys("angle factor threshold mean std test_size".split(), 0.25)
    names |= dict.fromkeys("size padding bits sigma alpha n k count label".split(), 4)
    names |= {"ds": dataset, "dataset": dataset, "other": dataset, "row": dataset[0]}
    names |= {"images": dataset.images, "labels": dataset.labels, "rows": [2, 1]}
    names |= {"loader": ff.Loader(dataset), "names": dataset.classes, "name": "Bag"}
    names |= {"rng": np.random.default_rng(0), "function": lambda *batch, k=1: batch}
    names |= {"kernel_size": 3, "epoch": 2, "rank": 0, "world": 2, "out": "data"}
    names |= {"weights": [1] * len(dataset), "values": [1] * len(dataset)}
    names |= {"folder": "photos", "flip": ff.RandomHorizontalFlip()}
    names |= {"split": dataset.split, "load": functools.partial(bind, ff.load)}
    return names | {"convert_folder": functools.partial(bind, ff.convert_folder)}


def receiver(table, name, dataset):
    """Return the call that takes a keyword which a text says to pass."""
    if name in ("fill", "interpolation"):
        return functools.partial(ff.RandomRotation, 9)
    if name == "p":
        return ff.RandomInvert
    defaults = {"split": {"fraction": 0.5}, "kfold": {"k": 5}}
    method = table.removeprefix("Dataset.")
    if method in ("show", "select", "split", "sample", "kfold", "partition"):
        call = getattr(dataset, method)
        return functools.partial(call, **defaults.get(method, {}))
    return functools.partial(ff.Loader, dataset, shuffle=name == "shuffle_block")


@pytest.mark.parametrize("table, text", sorted(TEXTS))
def test_code_in_an_equivalent(table, text, small, tmp_path, monkeypatch):
    names = values(small) | {"path": tmp_path / "images"}
    if "show" in f"{table} {text}" or "pil" in text:
        pytest.importorskip("PIL.Image")
    if "pandas" in text:
        names["pandas"] = pytest.importorskip("pandas")
    if "tensor." in text:
        names["tensor"] = pytest.importorskip("torch").zeros(5, 1, 28, 28)
    if "huggingface()" in text:
        pytest.importorskip("datasets")
    for variable, value in {"RANK": "0", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(variable, value)
    text = re.sub(r"import \w+$", "", text).replace("[...]", "[flip]")
    for name in re.findall(r"fmnist_fast\.frameworks\.(\w+)", text):
        assert importlib.util.find_spec(f"fmnist_fast.frameworks.{name}")
    text = re.sub(r"fmnist_fast\.[\w.]+", "", text)
    for source in re.findall(CODE, text):
        eval(source, names)
    for name, source in re.findall(KEYWORD, re.sub(CODE, "", text)):
        if name not in ("device", "shear"):  # of TorchLoader and RandomAffine
            call = receiver(table, name, small)
            call(**{name: eval(source, names)})

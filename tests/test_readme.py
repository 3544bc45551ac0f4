"""Examples of README.md, the docs and the docstrings run; the layout is complete."""

import doctest
import re
from pathlib import Path

import pytest
from helpers.dataset_files import write_synthetic

import fmnist_fast as ff

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_package_docstring_runs():
    assert doctest.testmod(ff).attempted
    assert doctest.testmod(ff).failed == 0


def test_the_examples_of_the_dataset_run():
    pytest.importorskip("PIL.Image")
    path = ROOT / "docs" / "dataset.md"
    results = doctest.testfile(str(path), module_relative=False, encoding="utf-8")
    assert results.attempted >= 20 and results.failed == 0


def test_the_first_example_runs(tmp_path, monkeypatch):
    write_synthetic(tmp_path, 600, 100)
    monkeypatch.setenv("FMNIST_FAST_DATA", str(tmp_path))
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["images"].shape[1:] == (1, 28, 28)
    assert names["loader"].epoch == 3 and names["state"]["epoch"] == 3
    assert len(names["fit"]) == 540 and len(names["val"]) == 60


@pytest.mark.parametrize(
    "folder, suffixes", [("src", ".c .h .pyx .pxd .pxi"), ("fmnist_fast", ".py")]
)
def test_the_layout_names_every_file(folder, suffixes):
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    layout = text.partition("## Layout")[2]
    words = set(re.findall(r"[\w.]+", layout))
    for path in sorted((ROOT / folder).iterdir()):
        if path.suffix in suffixes.split() and not path.name.startswith("__"):
            assert path.name in words or path.stem in words, path

"""environments.toml, the files of the contenders, and their environments."""

import ast
from pathlib import Path

import pytest

from benchmarks.comparison import environments
from benchmarks.comparison.environments import Contender, read_contenders

TREE = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("contender", read_contenders().values(), ids=lambda c: c.name)
def test_contenders_have_the_functions(contender):
    """The test parses the files, because the libraries they import may be missing."""
    text = contender.file.read_text(encoding="utf-8")
    body = ast.parse(text).body
    names = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    for node in body:
        if isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names}
    assert {"versions", "settings", "epochs"} <= names
    assert len(text.splitlines()) <= 250
    assert contender.kind in ("ours", "floor", "loop", "library")
    assert contender.environment is None or contender.environment in read_contenders()
    assert contender.environment != contender.name or contender.requires


def test_every_contender_is_listed():
    folder = TREE / "benchmarks" / "comparison" / "contenders"
    files = {path.stem for path in folder.glob("[a-z]*.py")}
    assert files == set(read_contenders())


def test_pip_lines_put_required_versions_first():
    contender = read_contenders()["torchvision"]
    require = {"torch": "torch==2.13.0", "torchvision": "torchvision<1"}
    lines = contender.pip_lines(require)
    assert lines == [
        ["install", "torch==2.13.0"],
        ["install", "numpy", "pillow"],
        ["install", "--no-deps", "torchvision<1"],
    ]
    assert read_contenders()["numpy"].pip_lines({}) == []


def test_install_names_the_contender_that_failed(tmp_path, monkeypatch, capsys):
    file = tmp_path / "fake.py"
    contender = Contender("fake", "Fake", "library", file, "fake", ["./none"])
    monkeypatch.setattr(environments, "read_contenders", lambda: {"fake": contender})
    monkeypatch.setattr(environments, "OURS", "fake")
    monkeypatch.setattr(environments, "FLOOR", "fake")
    assert environments.install(["fake"], tmp_path, {}) == 1
    printed = capsys.readouterr().out
    assert "pip install ./none" in printed
    assert "FAILED: Fake could not be installed" in printed
    # Its Python exists, and its import error will name the missing package.
    assert contender.is_installed(tmp_path)

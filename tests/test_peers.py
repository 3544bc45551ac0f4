"""peers.toml, the contenders' files, and the environments that are made for them."""

import ast
from pathlib import Path

import pytest

from benchmarks import peers

TREE = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    "peer", peers.read_peers().values(), ids=lambda peer: peer.name
)
def test_contenders_have_the_functions(peer):
    """Told without importing them: their libraries aren't here."""
    text = peer.file.read_text(encoding="utf-8")
    body = ast.parse(text).body
    names = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    for node in body:
        if isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names}
    assert {"versions", "settings", "epochs"} <= names
    assert len(text.splitlines()) <= 250
    assert peer.kind in ("ours", "floor", "loop", "library")
    assert peer.environment is None or peer.environment in peers.read_peers()
    assert peer.environment != peer.name or peer.requires


def test_every_contender_is_listed():
    files = {
        path.stem for path in (TREE / "benchmarks" / "contenders").glob("[a-z]*.py")
    }
    assert files == set(peers.read_peers())


def test_pip_lines_put_what_was_asked_for_first():
    peer = peers.read_peers()["torchvision"]
    lines = peer.pip_lines({"torch": "torch==2.13.0", "torchvision": "torchvision<1"})
    assert lines == [
        ["install", "torch==2.13.0"],
        ["install", "numpy", "pillow"],
        ["install", "--no-deps", "torchvision<1"],
    ]
    assert peers.read_peers()["numpy"].pip_lines({}) == []


def test_install_says_what_failed(tmp_path, monkeypatch, capsys):
    peer = peers.Peer(
        "fake", "Fake", "library", tmp_path / "fake.py", "fake", ["./none"]
    )
    monkeypatch.setattr(peers, "read_peers", lambda: {"fake": peer})
    monkeypatch.setattr(peers, "OURS", "fake")
    monkeypatch.setattr(peers, "FLOOR", "fake")
    assert peers.install(["fake"], tmp_path, {}) == 1
    printed = capsys.readouterr().out
    assert "pip install ./none" in printed
    assert "FAILED: Fake could not be installed" in printed
    assert peer.is_installed(
        tmp_path
    )  # its Python is there, and will say what is missing

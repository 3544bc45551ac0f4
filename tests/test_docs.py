"""The Python blocks of each page run in order, as a reader runs them."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.dataset_files import write_synthetic

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(?:<!-- ([^\n]+) -->\n)?```python\n(.*?)```", re.DOTALL)
# Packages that a page needs. docs/dataset.md is a doctest, in tests/test_readme.py, and
# tests/test_moving_in.py runs docs/from-*.md.
PACKAGES = {
    "README.md": [],
    "docs/augmentation.md": [],
    "docs/files.md": [],
    "docs/frameworks.md": [
        "torch",
        "lightning",
        "jax",
        "tensorflow",
        "keras",
        "sklearn",
    ],
    "docs/photos.md": ["PIL"],
    "docs/processes.md": ["torch"],
    "docs/published-datasets.md": [],
    "docs/resuming.md": ["torch", "torchdata"],
    "docs/sampling.md": ["torch", "torchvision", "sklearn"],
    "docs/show.md": ["PIL", "matplotlib"],
    "docs/training.md": [],
}
BEFORE = """\
import sys

sys.path.insert(0, sys.argv[1])
try:
    import helpers.any_torchvision  # which Lightning imports
except ImportError:
    pass
"""


def blocks(path):
    """Return the Python blocks of a page that can be run."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return [code for mark, code in BLOCK.findall(text) if "not run: " not in mark]


@pytest.mark.parametrize("path", PACKAGES)
def test_the_blocks_of_a_page_run_in_order(path, tmp_path):
    for package in PACKAGES[path]:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"could not import '{package}'")
    data = tmp_path / "files"
    data.mkdir()
    write_synthetic(data, 2000, 1000)
    codes = blocks(path)
    if (
        path == "docs/processes.md"
    ):  # the first is for torchrun: tests/test_processes.py
        codes = codes[1:]
    program = tmp_path / "page.py"
    program.write_text("\n".join([BEFORE, *codes]), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(program), str(ROOT / "tests")],
        cwd=tmp_path,
        env=os.environ
        | {
            "FMNIST_FAST_DATA": str(data),
            "FMNIST_FAST_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "CUDA_VISIBLE_DEVICES": "",
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_every_page_with_python_is_run():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    with_blocks = {
        path.relative_to(ROOT).as_posix()
        for path in pages
        if BLOCK.search(path.read_text(encoding="utf-8"))
    }
    elsewhere = {page for page in with_blocks if page.startswith("docs/from-")}
    assert with_blocks - elsewhere - {"docs/dataset.md"} == set(PACKAGES)


def test_every_block_has_a_language_that_is_checked():
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        fences = re.findall(r"^ *(?:```|~~~)(.*)$", text, re.MULTILINE)
        assert set(fences) <= {"", "python", "sh", "json", "diff"}, path
        assert fences[1::2] == [""] * (len(fences) // 2), path
    for mark, code in BLOCK.findall((ROOT / "docs/dataset.md").read_text("utf-8")):
        assert code.startswith(">>> ") or "not run: " in mark, code


def test_a_block_without_its_context_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "a.md").write_text("```python\nprint(undefined)\n```\n")
    monkeypatch.setitem(PACKAGES, "a.md", [])
    with pytest.raises(AssertionError, match="name 'undefined' is not defined"):
        test_the_blocks_of_a_page_run_in_order("a.md", tmp_path)

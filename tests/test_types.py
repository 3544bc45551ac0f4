"""A type checker knows the types of names that are imported at their first use."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fmnist_fast._names import MODULES

pytest.importorskip("mypy", reason="types are checked by mypy")
ROOT = Path(__file__).parents[1]
TYPES = {
    **{name: f"-> fmnist_fast.augment.{MODULES[name]}.{name}" for name in MODULES},
    **{
        f"augment.{name}": f"-> fmnist_fast.augment.{MODULES[name]}" for name in MODULES
    },
    "RandomCrop(28)": "fmnist_fast.augment.crop.RandomCrop",
    "augment.compile_transforms": "-> fmnist_fast.augment._compile.Compiled",
    "augment.parse_transforms": "def (text: str) -> str | ",
    "augment.RECIPES": "dict[str, def (int, int) -> tuple[",
    "load": "-> fmnist_fast.dataset.Dataset",
    "load_files": "-> fmnist_fast.dataset.Dataset",
    "Card": "-> fmnist_fast._dataset.",
    "convert": "def (image: ",
    "convert_folder": "def (folder: ",
    "RandomCorp": 'has no attribute "RandomCorp"; maybe "RandomCrop"?',
    "Transform": 'Module has no attribute "Transform"',
}


def test_every_name_has_its_type(tmp_path):
    program = tmp_path / "program.py"
    lines = ["import fmnist_fast as ff", *(f"reveal_type(ff.{name})" for name in TYPES)]
    program.write_text("\n".join(lines), encoding="utf-8")
    command = [sys.executable, "-m", "mypy", str(program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lines = re.findall(r"program\.py:(\d+): (.*)", done.stdout)
    messages = {int(number): text for number, text in reversed(lines)}
    for number, (name, type_) in enumerate(TYPES.items(), 2):
        assert type_ in messages.get(number, done.stdout + done.stderr), name

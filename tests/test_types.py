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
BATCHES = {
    "images, labels in ff.Loader(data)": None,
    "images, labels, indices in ff.Loader(data, with_index=True)": None,
    "a, b, c, d in ff.Loader(data, with_index=True, columns=['x'])": None,
    "images, labels, indices in ff.Loader(data)": "Need more than 2 values to unpack",
    "images, labels in ff.Loader(data, with_index=True)": "Too many values to unpack",
    "images, labels in ff.Loader(data, **options)": None,
    "images, labels in loader": None,
    "x, y in TorchLoader(data)": None,
    "x, y, rows in TorchLoader(data, with_index=True)": None,
}
PROGRAM = """
from typing import Any
import fmnist_fast as ff
from fmnist_fast.frameworks.torch import TorchLoader
def check(data: ff.Dataset, loader: ff.Loader, options: dict[str, Any]) -> None:
"""


def messages_of(program, text, *options):
    """Return the first message of mypy for each line of a program, and all output."""
    program.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", *options, str(program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lines = re.findall(r"program\.py:(\d+): (.*)", done.stdout)
    messages = {int(number): text for number, text in reversed(lines)}
    return messages, done.stdout + done.stderr


def test_every_name_has_its_type(tmp_path):
    lines = ["import fmnist_fast as ff", *(f"reveal_type(ff.{name})" for name in TYPES)]
    messages, output = messages_of(tmp_path / "program.py", "\n".join(lines))
    for number, (name, type_) in enumerate(TYPES.items(), 2):
        assert type_ in messages.get(number, output), name


def test_batches_have_the_fields_of_the_options(tmp_path):
    lines = [*PROGRAM.splitlines(), *(f"    for {each}: pass" for each in BATCHES)]
    text = "\n".join(lines)
    messages, output = messages_of(tmp_path / "program.py", text, "--strict")
    assert "program.py" in output  # two loops are wrong
    for number, (loop, error) in enumerate(BATCHES.items(), len(lines) - len(BATCHES)):
        message = messages.get(number + 1, "")
        assert (error in message) if error else not message, (loop, message)

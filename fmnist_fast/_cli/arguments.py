"""What the commands have in common: arguments of several, and the data they work on.

A command's module has ``ABOUT``, what it does in a sentence, and ``EXAMPLES``. Its
``add_arguments(parser)`` describes its arguments, and ``run(arguments)`` returns the
exit code. What a command needs to run is imported by `run`, so that ``--help`` is
quick.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..dataset import Dataset


def positive(text: str) -> int:
    """Return an integer from 1 on."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be an integer from 1 on, got {text!r}")
    return value


def png(text: str) -> str:
    """Return the name of a PNG file."""
    if not text.lower().endswith(".png"):
        raise argparse.ArgumentTypeError(f"must end in .png, got {text!r}")
    return text


_SHARED: dict[str, dict[str, Any]] = {
    "--count": {"type": positive},
    "--index": {"type": int, "nargs": "+", "metavar": "I"},
    "--name": {
        "metavar": "NAME",
        "help": "which dataset, such as mnist or emnist/letters; default: "
        "fashion-mnist, or the one that is in --root",
    },
    "--output": {"type": png, "metavar": "SHEET.png"},
    "--root": {"metavar": "DIR", "help": "folder with the files"},
    "--seed": {"type": int},
    "--split": {
        "default": "train",
        "help": "such as train, test or test10k; default: train",
    },
    "--threads": {"type": positive},
}


def add_shared(
    command: argparse.ArgumentParser, name: str, about: str = "", **options: Any
) -> None:
    """Add an argument that other commands have too; `options` are this one's own."""
    names = ("-o", name) if name == "--output" else (name,)
    command.add_argument(*names, **({"help": about} | _SHARED[name] | options))


def shown_name(dataset: Dataset) -> str:
    """Return what to call a dataset, in capitals where it is synthetic."""
    mark = "SYNTHETIC (drawn garments, not the real Fashion-MNIST)"
    return mark if dataset.synthetic else dataset.name or "a dataset without a name"


def find_or_draw(split: str, root: str | None, name: str | None = None) -> Dataset:
    """Return a split of the real data, or of the synthetic in place of the default."""
    from .._load.load import load
    from .._load.published import without_advice

    try:
        return load(split, root, name=name)
    except FileNotFoundError as error:
        if root is not None or name is not None:
            raise
        reason = without_advice(error)
    from ..synthetic import synthetic

    print(f"No real data: {reason}")
    print("Drawing the SYNTHETIC set instead, or reading it if it was drawn before.")
    sys.stdout.flush()
    return synthetic()[("train", "test").index(split)]


def check_indices(indices: list[int], dataset: Dataset) -> None:
    """Raise ValueError where --index names what is not in `dataset`."""
    n = len(dataset)
    if n == 0:
        raise ValueError(f"there are no images in {dataset.source}")
    for index in indices:
        if not -n <= index < n:
            raise ValueError(f"--index must be in {-n}..{n - 1}, got {index}")

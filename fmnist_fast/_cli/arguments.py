"""Arguments that several commands share, and the data that the commands read.

A module of a command has ``ABOUT``, a sentence that says what the command does, and
``EXAMPLES``. Its ``add_arguments(parser)`` describes the arguments, and its
``run(arguments)`` returns the exit code. `run` imports the modules that it needs, so
that ``--help`` is fast.
"""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING, Any

from .._io.paths import is_url, shown
from .messages import in_options

if TYPE_CHECKING:
    from ..dataset import Dataset


# Control characters except line breaks, and characters that reorder a line.
_NOT_HARMLESS = re.compile(r"[\0-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")


def harmless(text: str) -> str:
    """Return text that a terminal only shows: control characters become spaces."""
    valid = text.encode("utf-8", "backslashreplace").decode()
    return _NOT_HARMLESS.sub(" ", valid).strip()


def line_of(text: str) -> str:
    """Return `harmless` text without line breaks."""
    return harmless(text.replace("\n", " "))


def positive(text: str) -> int:
    """Return the integer in `text`, which must be at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer, got {text!r}")
    return value


def local(text: str) -> str:
    """Return `text`, which must be a path and not a URL."""
    if is_url(text):
        raise argparse.ArgumentTypeError(f"must be a path, got URL {shown(text)}")
    return text


def png(text: str) -> str:
    """Return `text`, which must be the name of a PNG file."""
    if not text.lower().endswith(".png"):
        raise argparse.ArgumentTypeError(f"must end in .png, got {text!r}")
    return text


_SHARED: dict[str, dict[str, Any]] = {
    "--count": {"type": positive},
    "--index": {"type": int, "nargs": "+", "metavar": "I"},
    "--name": {
        "metavar": "NAME",
        "help": "name of a dataset, such as mnist or emnist/letters "
        "(default: the dataset in --root, otherwise fashion-mnist)",
    },
    "--output": {"type": png, "metavar": "SHEET.png"},
    "--root": {"metavar": "DIR", "help": "folder with the data files"},
    "--seed": {"type": int},
    "--split": {
        "default": "train",
        "help": "name of a split, such as train, test or test10k (default: train)",
    },
    "--threads": {"type": positive},
}


def add_shared(
    command: argparse.ArgumentParser, name: str, about: str = "", **options: Any
) -> None:
    """Add a shared argument. `options` replace the shared settings for one command."""
    names = ("-o", name) if name == "--output" else (name,)
    command.add_argument(*names, **({"help": about} | _SHARED[name] | options))


def shown_name(dataset: Dataset) -> str:
    """Return the name of a dataset for output, with a warning if it is synthetic."""
    mark = "SYNTHETIC (drawn garments, not the real Fashion-MNIST)"
    name = mark if dataset.synthetic else dataset.name or "a dataset without a name"
    return line_of(name)


def find_or_draw(arguments: argparse.Namespace, split: str) -> Dataset:
    """Return a split of published files, or of the synthetic dataset if none are found.

    The synthetic dataset only replaces the default dataset. If --root or --name is
    given, missing files are an error.
    """
    from .._load.load import load
    from .._load.published import without_advice

    root, name = arguments.root, arguments.name
    try:
        return load(split, root, name=name)
    except FileNotFoundError as error:
        if root is not None or name is not None:
            raise
        reason = in_options(without_advice(error), arguments.options)
    from ..synthetic import synthetic

    print(f"No published files: {harmless(reason)}")
    print(
        "Drawing the SYNTHETIC dataset instead. A dataset that was drawn before is "
        "reused."
    )
    sys.stdout.flush()
    return synthetic()[("train", "test").index(split)]


def check_indices(indices: list[int], dataset: Dataset) -> None:
    """Raise ValueError if `dataset` is empty or lacks a row that --index names."""
    n = len(dataset)
    if n == 0:
        raise ValueError(f"there are no images in {dataset.source}")
    for index in indices:
        if not -n <= index < n:
            raise ValueError(f"--index must be in {-n}..{n - 1}, got {index}")

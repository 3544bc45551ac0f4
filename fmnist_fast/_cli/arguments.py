"""What the commands have in common: how one is added, and arguments of several.

A command's module has ``add(add_command)``, which describes the command and its
arguments, and ``run(arguments)``, which returns the exit code. What a command needs to
run is imported by `run`, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

# (name, run, what it does in a sentence, examples) -> the command's parser
Add = Callable[
    [str, Callable[[argparse.Namespace], int], str, str], argparse.ArgumentParser
]


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
    "--seed": {"type": int},
    "--threads": {"type": positive},
}


def add_shared(
    command: argparse.ArgumentParser, name: str, about: str, **options: Any
) -> None:
    """Add an argument that other commands have too; `options` are this one's own."""
    command.add_argument(name, help=about, **(_SHARED[name] | options))


def add_output(command: argparse.ArgumentParser, about: str, default: str) -> None:
    """Add --output, the PNG file to write."""
    command.add_argument(
        "-o",
        "--output",
        type=png,
        default=default,
        metavar="SHEET.png",
        help=f"{about}; default: {default}",
    )


def add_split(command: argparse.ArgumentParser) -> None:
    """Add --split, the split of the dataset."""
    about = "such as train, test or test10k; default: train"
    command.add_argument("--split", default="train", help=about)


def add_root(command: argparse.ArgumentParser) -> None:
    """Add --root, the folder to look for data in."""
    command.add_argument("--root", metavar="DIR", help="folder with the files")


def add_name(command: argparse.ArgumentParser) -> None:
    """Add --name, the name of a published dataset."""
    about = "which dataset, such as mnist or emnist/letters; default: fashion-mnist, "
    about += "or the one that is in --root"
    command.add_argument("--name", metavar="NAME", help=about)

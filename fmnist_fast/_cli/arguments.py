"""What the commands have in common: how one is added, and arguments of several.

A command's module has ``add(add_command)``, which describes the command and its
arguments, and ``run(arguments)``, which returns the exit code. What a command needs to
run is imported by `run`, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

# (name, run, what it does in a sentence, examples) -> the command's parser
Add = Callable[
    [str, Callable[[argparse.Namespace], int], str, str], argparse.ArgumentParser
]


def add_root(command: argparse.ArgumentParser) -> None:
    """Add --root, the folder to look for data in."""
    command.add_argument("--root", metavar="DIR", help="folder with the files")


def add_name(command: argparse.ArgumentParser) -> None:
    """Add --name, the name of a published dataset."""
    command.add_argument(
        "--name",
        metavar="NAME",
        help="which dataset, such as mnist or emnist/letters; default: fashion-mnist, "
        "or the one that is in --root",
    )


def positive(text: str) -> int:
    """An integer from 1 on."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be an integer from 1 on, got {text!r}")
    return value


def png(text: str) -> str:
    """The name of a PNG file."""
    if not text.lower().endswith(".png"):
        raise argparse.ArgumentTypeError(f"must end in .png, got {text!r}")
    return text

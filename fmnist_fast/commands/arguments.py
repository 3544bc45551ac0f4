"""Arguments that several commands take."""

from __future__ import annotations

import argparse


def add_root(command: argparse.ArgumentParser) -> None:
    """Add --root, the folder to look for data in."""
    command.add_argument("--root", metavar="DIR", help="folder with the files")


def add_name(command: argparse.ArgumentParser, default: str | None) -> None:
    """Add --name, the dataset of the family."""
    command.add_argument(
        "--name",
        metavar="NAME",
        default=default,
        help="which dataset, such as mnist or emnist/letters; default: "
        f"{default or 'whichever published files they are'}",
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

"""``fmnist-fast download``: fetch the published files of a dataset."""

from __future__ import annotations

import argparse

from .._registry.datasets import DATASETS, DEFAULT, find_spec

ABOUT = "Fetch the published files of datasets, those that are not there yet."
EXAMPLES = f"""  fmnist-fast download
  fmnist-fast download mnist qmnist --to data
  fmnist-fast download emnist/letters       562 MB, all of EMNIST is in one file

Names: {", ".join(DATASETS)}.
Each dataset goes into a folder of its own in DIR."""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    about, default = f"which; default: {DEFAULT}", [DEFAULT]
    add_argument = command.add_argument
    add_argument("names", nargs="*", metavar="NAME", default=default, help=about)
    about = "folder of datasets; default: the cache folder"
    add_argument("--to", metavar="DIR", help=about)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from .._load.published import fetch_splits

    for spec in [find_spec(name) for name in arguments.names]:
        for path in fetch_splits(spec, spec.splits.values(), arguments.to):
            print(path)
    return 0

"""``fmnist-fast download``: fetch the published files of a dataset."""

from __future__ import annotations

import argparse

from .._registry.datasets import DATASETS, DEFAULT, find_spec

_NAMES = "\n".join(f"  {name}" for name in DATASETS)
ABOUT = "Fetch the published files of datasets and check their hashes."
EXAMPLES = f"""  fmnist-fast download
  fmnist-fast download mnist qmnist --to data
  fmnist-fast download emnist/letters

The datasets are:
{_NAMES}

Each dataset gets its own folder in DIR. Files that are already there are not fetched.
All EMNIST datasets are in one file of 562 MB."""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    about, default = f"name of a dataset (default: {DEFAULT})", [DEFAULT]
    add_argument = command.add_argument
    add_argument("names", nargs="*", metavar="NAME", default=default, help=about)
    about = "folder for the datasets (default: the cache folder)"
    add_argument("--to", metavar="DIR", help=about)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from .._load.published import fetch_splits

    for spec in [find_spec(name) for name in arguments.names]:
        for path in fetch_splits(spec, spec.splits.values(), arguments.to):
            print(path)
    return 0

"""``fmnist-fast download``: fetch the published files of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._registry.datasets import DATASETS, DEFAULT, find_spec

if TYPE_CHECKING:
    import argparse

    from .arguments import Add


def add(add_command: Add) -> None:
    """Add the command to the command line."""
    command = add_command(
        "download",
        run,
        "Fetch the published files of datasets, those that are not there yet.",
        f"""  fmnist-fast download
  fmnist-fast download mnist qmnist --to data
  fmnist-fast download emnist/letters       562 MB, all of EMNIST is in one file

Names: {", ".join(DATASETS)}.
Each dataset goes into a folder of its own in DIR.""",
    )
    command.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        default=[DEFAULT],
        help=f"which; default: {DEFAULT}",
    )
    command.add_argument(
        "--to", metavar="DIR", help="folder of datasets; default: the cache folder"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    from .._load.published import fetch_splits

    for spec in [find_spec(name) for name in arguments.names]:
        for path in fetch_splits(spec, spec.splits.values(), arguments.to):
            print(path)
    return 0

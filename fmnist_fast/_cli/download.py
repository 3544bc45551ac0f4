"""``fmnist-fast download``: fetch the published files of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._load import load as sources
from .._registry import datasets as family

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

Names: {", ".join(family.MEMBERS)}.
Each dataset goes into a folder of its own in DIR.""",
    )
    command.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        default=[family.DEFAULT],
        help=f"which; default: {family.DEFAULT}",
    )
    command.add_argument(
        "--to", metavar="DIR", help="folder of datasets; default: the cache folder"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    members = [family.find_member(name) for name in arguments.names]
    for member in members:
        for path in sources.fetch_splits(member, member.splits, arguments.to):
            print(path)
    return 0

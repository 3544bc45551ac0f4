"""``fmnist-fast bench``: beside other loaders, out of the source tree.

The comparison is not part of the package: it lives in the folder ``benchmarks`` of the
checkout that the package was installed from, or that is the current folder.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import positive

if TYPE_CHECKING:
    import argparse

    from .arguments import Add

_REPOSITORY_MARK = Path("benchmarks") / "peers.toml"


def add(add_command: Add) -> None:
    """Add the command to the command line."""
    command = add_command(
        "bench",
        run,
        "Compare with other loaders, on this machine.",
        """  fmnist-fast bench --quick                  a few minutes, two works
  fmnist-fast bench --install                install the others, each on its own
  fmnist-fast bench -o result.json           everything: about 20 minutes
  fmnist-fast bench --only numpy dali --works plain crop_flip
  fmnist-fast bench --scaling                threads, batch sizes, sides, numbers
  fmnist-fast bench --gpu                    how well a CUDA device is fed
  fmnist-fast bench --publish result.json    tables and pictures of a run

Needs the source tree, and quiet cores. What isn't installed is listed as such.""",
    )
    command.add_argument(
        "--quick", action="store_true", help="two works, 3 rounds, smaller checks"
    )
    command.add_argument("--only", nargs="+", metavar="NAME", help="these contenders")
    command.add_argument("--works", nargs="+", metavar="WORK", help="these works")
    command.add_argument("--rounds", type=positive, help="default: 5, or 3 if --quick")
    command.add_argument(
        "--limit",
        type=positive,
        default=180,
        metavar="SECONDS",
        help="that a contender may take for an answer; default: 180",
    )
    command.add_argument(
        "-o", "--output", metavar="RESULT.json", help="keep what was measured"
    )
    command.add_argument(
        "--peers",
        metavar="FOLDER",
        help="of their environments; default: $FMNIST_FAST_PEERS or benchmarks/.peers",
    )
    command.add_argument(
        "--install",
        nargs="*",
        metavar="NAME",
        help="make the environments of these contenders, or of all",
    )
    command.add_argument(
        "--require",
        action="append",
        default=[],
        metavar="NAME=REQUIREMENT",
        help="what --install asks pip for instead, such as torch=torch==2.13.0",
    )
    command.add_argument(
        "--scaling", action="store_true", help="draw curves of this library instead"
    )
    command.add_argument(
        "--gpu",
        action="store_true",
        help="measure the feeding of a CUDA device instead",
    )
    command.add_argument(
        "--images",
        type=positive,
        default=10**6,
        metavar="N",
        help="of --scaling at most, 784 bytes each; default: 1000000",
    )
    command.add_argument(
        "--publish",
        nargs="+",
        metavar="RESULT.json",
        help="write README's table, docs/comparison.md and its pictures of these runs",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    tree = _find_tree()
    if str(tree) not in sys.path:
        sys.path.insert(0, str(tree))
    code: int = importlib.import_module("benchmarks.command").run(arguments, tree)
    return code


def _find_tree() -> Path:
    """The checkout: where the package lies, or the current folder."""
    for tree in (Path(__file__).resolve().parents[2], Path.cwd()):
        if (tree / _REPOSITORY_MARK).is_file():
            return tree
    raise FileNotFoundError(
        "the comparison is part of the source tree, and this is not one: in a checkout "
        "of fmnist_fast run `pip install -e .` and then `fmnist-fast bench`, or "
        "`python -m benchmarks`, there"
    )

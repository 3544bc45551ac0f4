"""``fmnist-fast info``: versions, folders and the data that is found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .. import sources
from .arguments import add_root

if TYPE_CHECKING:
    import argparse

    from .. import Dataset
    from . import Add


def add(add_command: Add) -> None:
    """Add the command to the command line."""
    command = add_command(
        "info",
        run,
        "Show versions, folders and the data that is found.",
        "  fmnist-fast info\n  fmnist-fast info --root data\n  fmnist-fast info --card",
    )
    add_root(command)
    command.add_argument(
        "--card",
        action="store_true",
        help="what the data is: description, licence, citation, how it was made",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    if arguments.card:
        return _print_card(arguments.root)
    from ..config import show_config

    show_config()
    missing = []
    for split in sources.FILES:
        try:
            dataset = sources.load(split, arguments.root)
            paths = sources.find_pair(split, arguments.root)
        except FileNotFoundError as error:
            missing.append(error)
            print(f"\n{split}: not found")
            continue
        print()
        _print_dataset(split, dataset, paths)
    if len(missing) == len(sources.FILES):
        if arguments.root is not None:
            raise missing[0]
        print(f"\n{missing[0]}")
    return 0


def _print_card(root: str | None) -> int:
    missing = []
    for split in sources.FILES:
        try:
            print(sources.load(split, root).info)
            return 0
        except FileNotFoundError as error:
            missing.append(error)
    raise missing[0]


def _print_dataset(split: str, dataset: Dataset, paths: tuple[Path, Path]) -> None:
    from .found import shown_name

    published = all(
        sources.is_published(path, sources.sha256_of(path), items)
        for path, items in zip(paths, (dataset.images, dataset.labels), strict=True)
    )
    pairs = zip(dataset.classes, dataset.class_counts, strict=True)
    rows = {
        "name": shown_name(dataset),
        "files": ", ".join(map(str, paths)),
        "published": "yes, by SHA-256" if published else "no",
        "images": f"{dataset.images.dtype} {dataset.images.shape}",
        "classes": ", ".join(f"{name} {count}" for name, count in pairs),
    }
    if len(dataset):
        rows |= {"mean": f"{dataset.mean:.6f}", "std": f"{dataset.std:.6f}"}
    print(f"{split}:")
    for name, value in rows.items():
        print(f"  {name:11} {value}")

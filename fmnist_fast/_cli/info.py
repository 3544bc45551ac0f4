"""``fmnist-fast info``: versions, folders and the data that is found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .._load import load as sources
from .._registry import datasets as family
from .arguments import add_name, add_root

if TYPE_CHECKING:
    import argparse

    from .. import Dataset
    from .._registry.spec import Member
    from .arguments import Add


def add(add_command: Add) -> None:
    """Add the command to the command line."""
    command = add_command(
        "info",
        run,
        "Show versions, folders, the data that is found, and what it is.",
        "  fmnist-fast info\n  fmnist-fast info --name mnist --root data\n"
        "  fmnist-fast info --card",
    )
    add_name(command, family.DEFAULT)
    add_root(command)
    command.add_argument(
        "--card",
        action="store_true",
        help="only what the data is: description, licence, citation, how it was made",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    member = family.find_member(arguments.name)
    if arguments.card:
        return _print_card(member, arguments.root)
    from ..config import show_config

    show_config()
    missing, card = [], None
    for split in member.splits:
        try:
            dataset = sources.load(split, arguments.root, name=member.name)
            paths = sources.find_pair(split, arguments.root, member.name)
        except FileNotFoundError as error:
            missing.append(error)
            print(f"\n{split}: not found")
            continue
        print()
        _print_dataset(split, dataset, member, paths)
        card = dataset.info
    if card is not None:
        print(f"\n{card}")
    if len(missing) == len(member.splits):
        if arguments.root is not None:
            raise missing[0]
        print(f"\n{missing[0]}")
    return 0


def _print_card(member: Member, root: str | None) -> int:
    missing = []
    for split in member.splits:
        try:
            print(sources.load(split, root, name=member.name).info)
            return 0
        except FileNotFoundError as error:
            missing.append(error)
    if root is not None:
        raise missing[0]
    from .._dataset.card import card_of

    print(card_of(member.name, member.classes))
    return 0


def _print_dataset(
    split: str, dataset: Dataset, member: Member, paths: tuple[Path, Path]
) -> None:
    from .found import shown_name

    pairs = zip(dataset.classes, dataset.class_counts, strict=True)
    rows = {
        "name": shown_name(dataset),
        "files": ", ".join(map(str, paths)),
        "published": _published(member, paths),
        "images": f"{dataset.images.dtype} {dataset.images.shape}",
        "classes": ", ".join(f"{name} {count}" for name, count in pairs),
    }
    if len(dataset):
        rows |= {"mean": f"{dataset.mean:.6f}", "std": f"{dataset.std:.6f}"}
    print(f"{split}:")
    for name, value in rows.items():
        print(f"  {name:11} {value}")


def _published(member: Member, paths: tuple[Path, Path]) -> str:
    from .._registry.hashes import is_published, known_sha256, sha256_of
    from ..idx import read_idx

    states = [
        is_published(member, path, known_sha256(sha256_of(path), read_idx(path)))
        for path in paths
    ]
    if None in states and False not in states:
        return "can't be told: no SHA-256 of such files is known"
    return "yes, by SHA-256" if all(states) else "no"

"""``fmnist-fast info``: print versions, folders and the datasets that are found."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .arguments import add_shared, harmless, line_of, shown_name
from .messages import message_of

if TYPE_CHECKING:
    from .._load.find import SplitFiles
    from .._registry.spec import DatasetSpec
    from ..dataset import Dataset

ABOUT = "Show versions, folders, and the dataset that is found."
EXAMPLES = """  fmnist-fast info
  fmnist-fast info --name mnist --root data
  fmnist-fast info --card"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    add_shared(command, "--name")
    add_shared(command, "--root")
    about = "print only the dataset's card: description, license, citation and origin"
    command.add_argument("--card", action="store_true", help=about)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from .._load.find import find_split, is_folder
    from .._load.load import load
    from .._load.published import longest_message
    from .._registry.datasets import DEFAULT, find_spec
    from ..config import show_config

    root, name, options = arguments.root, arguments.name, arguments.options
    spec = find_spec(DEFAULT if name is None or is_folder(name) else name)
    if not arguments.card:
        show_config()
    missing, card = [], None
    for split in spec.splits:
        try:
            files = find_split(split, root, name)
        except FileNotFoundError as error:
            missing.append(error)
            if not arguments.card:
                print(f"\n{split}: not found")
            continue
        dataset = load(split, root, name=name)
        card = dataset.info
        if arguments.card:
            print(harmless(str(card)))
            return 0
        print()
        _print_dataset(split, dataset, files)
    if root is not None and card is None:
        raise longest_message(missing)
    if arguments.card:
        from .._dataset.card import card_of

        print(card_of(spec.name, spec.classes))
    else:
        text = str(card) if card else message_of(longest_message(missing), options)
        print(f"\n{harmless(text)}")
    return 0


def _print_dataset(split: str, dataset: Dataset, files: SplitFiles) -> None:
    from .._registry.datasets import DATASETS

    spec = DATASETS.get(dataset.name or files.name or "")
    counts = zip(dataset.classes, dataset.class_counts, strict=True)
    rows = {
        "name": shown_name(dataset),
        "files": f"{files.images}, {files.labels}",
        "published": _published(spec, files),
        "images": f"{dataset.images.dtype} {dataset.images.shape}",
        "classes": ", ".join(f"{name} {count}" for name, count in counts),
    }
    if len(dataset):
        rows |= {"mean": f"{dataset.mean:.6f}", "std": f"{dataset.std:.6f}"}
    print(f"{split}:")
    for name, value in rows.items():
        print(f"  {name:11} {line_of(value)}")


def _published(spec: DatasetSpec | None, files: SplitFiles) -> str:
    from .._registry.hashes import is_published, published_sha256, sha256_of
    from ..idx import decode_idx, read_content

    states = []
    for i, path in enumerate((files.images.path, files.labels.path)):
        content = read_content(path, str(path))
        known = published_sha256(sha256_of(content), decode_idx(content, str(path)))
        stem = spec.splits[files.split].stems[i] if spec else ""
        states.append(spec and is_published(spec, stem, known, path))
    if spec is not None and None in states and False not in states:
        return "unknown, because no SHA-256 of these files is known"
    return "yes, by SHA-256" if all(states) else "no"

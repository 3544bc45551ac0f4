"""``fmnist-fast verify``: are the files whole, and are they the published ones?"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import sources
from .._core import FormatError
from .arguments import add_root

if TYPE_CHECKING:
    import argparse

    from . import Add


def add(add_command: Add) -> None:
    """Add the command to the command line."""
    command = add_command(
        "verify",
        run,
        "Check files: SHA-256, header, counts, labels.",
        """  fmnist-fast verify
  fmnist-fast verify --root data
  fmnist-fast verify train-images-idx3-ubyte.gz mine.idx

A line for each file: ok, DIFFERS (readable, but not the published Fashion-MNIST file
of that name), DAMAGED or MISSING. The exit code is 0 if all are ok, else 1.""",
    )
    command.add_argument("paths", nargs="*", metavar="PATH", help="IDX file, or folder")
    add_root(command)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    named = [Path(path) for path in arguments.paths]
    paths = [path for path in named if not path.is_dir()]
    folders: list[Any] = [path for path in named if path.is_dir()]
    if arguments.root is not None or not named:
        folders.append(arguments.root)
    absent = []
    for folder in folders:
        for split in sources.FILES:
            try:
                paths += sources.find_pair(split, folder)
            except FileNotFoundError as error:
                absent.append((split, error))
    if not paths:
        raise absent[0][1]
    verdicts = {path: _verify_file(path) for path in paths}
    _verify_pairs(verdicts)
    for path, (verdict, why) in verdicts.items():
        print(f"{verdict:8} {path}: {why}")
    for split, reason in absent:
        print(f"{'MISSING':8} {split}: {str(reason).partition('. ')[0]}")
    return int(bool(absent) or any(verdict != "ok" for verdict, _ in verdicts.values()))


def _verify_file(path: Path) -> tuple[str, str]:
    """ "ok", "DIFFERS", "DAMAGED" or "MISSING", and why."""
    from ..idx import read_idx

    try:
        items = read_idx(path)
        digest = sources.sha256_of(path)
    except FileNotFoundError:
        return "MISSING", "no such file"
    except OSError as error:
        return "DAMAGED", f"can't be read: {error.strerror or error}"
    except FormatError as error:
        return "DAMAGED", _without(error, path)
    header = f"{items.dtype} {items.shape}"
    known = sources.PUBLISHED.get(path.name.removesuffix(".gz"))
    if known is None:
        return "ok", f"{header}; only the format, the name isn't a published one"
    if "labels" in path.name and items.size:
        header += f", labels {items.min()} to {items.max()}"
    if sources.is_published(path, digest, items):
        how = "" if digest in known else ", in another compression"
        return "ok", f"{header}; the published file{how}"
    wanted = known[0] if path.suffix == ".gz" else known[1]
    return "DIFFERS", f"{header}; SHA-256 is {digest}, published is {wanted}"


def _verify_pairs(verdicts: dict[Path, tuple[str, str]]) -> None:
    """Where both files of a split are readable, see whether they go together."""
    readable = {
        (path.parent, path.name.removesuffix(".gz")): path
        for path, (verdict, _) in verdicts.items()
        if verdict in ("ok", "DIFFERS")
    }
    for folder in dict.fromkeys(folder for folder, _ in readable):
        for split, names in sources.FILES.items():
            pair = [readable.get((folder, name)) for name in names]
            if pair[0] and pair[1]:
                _verify_pair(split, pair[0], pair[1], verdicts)


def _verify_pair(
    split: str, images: Path, labels: Path, verdicts: dict[Path, tuple[str, str]]
) -> None:
    pair = [images, labels]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that they aren't published is known
            dataset = sources.load_pair(split, images, labels, False)
    except FormatError as error:
        guilty = [path for path in pair if str(error).startswith(f"{path}: ")]
        for path in guilty or pair:
            verdicts[path] = "DAMAGED", _without(error, path)
        return
    if dataset.synthetic:
        for path in pair:
            verdict, why = verdicts[path]
            verdicts[path] = verdict, f"SYNTHETIC by its {sources.CARD_NAME}; {why}"


def _without(error: Exception, path: Path) -> str:
    return str(error).removeprefix(str(path)).removeprefix(":").strip()

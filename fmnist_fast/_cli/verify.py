"""``fmnist-fast verify``: are the files whole, and are they the published ones?"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._dataset.card import CARD_NAME
from .._io.paths import expanded
from .._load import load as sources
from .._load.split import is_another, load_pair
from .._registry import datasets as family
from ..errors import FormatError
from .arguments import add_name, add_root

if TYPE_CHECKING:
    import argparse

    from .._registry.spec import Member
    from .arguments import Add


def add(add_command: Add) -> None:
    """Add the command to the command line."""
    command = add_command(
        "verify",
        run,
        "Check files: SHA-256, header, counts, labels.",
        """  fmnist-fast verify
  fmnist-fast verify --root data
  fmnist-fast verify --name emnist/letters
  fmnist-fast verify train-images-idx3-ubyte.gz mine.idx

A line for each file: ok, DIFFERS (readable, but not the published file of that name;
without --name any dataset's will do), DAMAGED or MISSING. The exit code is 0 if all
are ok, else 1.""",
    )
    command.add_argument("paths", nargs="*", metavar="PATH", help="IDX file, or folder")
    add_name(command, None)
    add_root(command)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    named = [Path(expanded(path)) for path in arguments.paths]
    paths = [path for path in named if not path.is_dir()]
    folders: list[Any] = [path for path in named if path.is_dir()]
    if arguments.root is not None or not named:
        folders.append(arguments.root)
    member = family.find_member(arguments.name or family.DEFAULT)
    members = [member] if arguments.name else list(family.MEMBERS.values())
    absent = []
    for folder in folders:
        for split in member.splits:
            try:
                paths += sources.find_pair(split, folder, member.name)
            except FileNotFoundError as error:
                absent.append((split, error))
    if not paths:
        raise absent[0][1]
    verdicts = {path: _verify_file(path, members) for path in paths}
    _verify_pairs(verdicts, member)
    for path, (verdict, why) in verdicts.items():
        print(f"{verdict:8} {path}: {why}")
    if any(is_another(path.parent) for path in paths):
        absent = []  # a dataset of one's own has the splits that it has
    for split, reason in absent:
        print(f"{'MISSING':8} {split}: {str(reason).partition('. ')[0]}")
    return int(bool(absent) or any(verdict != "ok" for verdict, _ in verdicts.values()))


def _verify_file(path: Path, members: list[Member]) -> tuple[str, str]:
    """ "ok", "DIFFERS", "DAMAGED" or "MISSING" for one of `members`, and why."""
    from .._registry.hashes import is_published, known_sha256, sha256_of
    from ..idx import read_idx

    try:
        items = read_idx(path)
        digest = sha256_of(path)
    except FileNotFoundError:
        return "MISSING", "no such file"
    except OSError as error:
        return "DAMAGED", f"can't be read: {error.strerror or error}"
    except FormatError as error:
        return "DAMAGED", _without(error, path)
    header = f"{items.dtype} {items.shape}"
    stem = path.name.removesuffix(".gz")
    named = [m for m in members if any(stem in _stems(m, s) for s in m.splits)]
    if not named:
        return "ok", f"{header}; only the format, the name isn't a published one"
    if "labels" in path.name and items.size:
        header += f", labels {items.min()} to {items.max()}"
    known = known_sha256(digest, items)
    for member in named:
        if is_published(member, path, known):
            how = "" if digest in member.sha256_of(stem) else ", in another compression"
            return "ok", f"{header}; the published {member.title} file{how}"
    compressed, inflated = named[0].sha256_of(stem)
    if is_published(named[0], path, known) is None:
        return "ok", f"{header}; only the format, no SHA-256 of such a file is known"
    wanted = compressed if path.suffix == ".gz" else inflated
    return "DIFFERS", f"{header}; SHA-256 is {digest}, published is {wanted}"


def _stems(member: Member, split: str) -> tuple[str, str]:
    return member.splits[split].images, member.splits[split].labels


def _verify_pairs(verdicts: dict[Path, tuple[str, str]], member: Member) -> None:
    """Where both files of a split are readable, see whether they go together."""
    readable = {
        (path.parent, path.name.removesuffix(".gz")): path
        for path, (verdict, _) in verdicts.items()
        if verdict in ("ok", "DIFFERS")
    }
    for folder in dict.fromkeys(folder for folder, _ in readable):
        for split in member.splits:
            pair = [readable.get((folder, name)) for name in _stems(member, split)]
            if pair[0] and pair[1]:
                _verify_pair(split, pair[0], pair[1], verdicts, member)


def _verify_pair(
    split: str,
    images: Path,
    labels: Path,
    verdicts: dict[Path, tuple[str, str]],
    member: Member,
) -> None:
    pair = [images, labels]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that they aren't published is known
            dataset = load_pair(split, images, labels, False, member.name)
    except FormatError as error:
        guilty = [path for path in pair if str(path) in str(error)]
        for path in guilty or pair:
            verdicts[path] = "DAMAGED", _without(error, path)
        return
    for path in pair:
        verdict, why = verdicts[path]
        if dataset.synthetic:
            verdicts[path] = verdict, f"SYNTHETIC by its {CARD_NAME}; {why}"
        elif verdict == "DIFFERS" and is_another(path.parent):
            header = why.partition("; ")[0]
            verdicts[path] = (
                "ok",
                f"{header}; of {dataset.name or 'another dataset'} by its {CARD_NAME}, "
                "so only the format, counts and labels",
            )


def _without(error: Exception, path: Path) -> str:
    return str(error).removeprefix(str(path)).removeprefix(":").strip()

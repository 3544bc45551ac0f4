"""``fmnist-fast verify``: compare files with the published files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._dataset.card import CARD_NAME
from .._io.paths import File, expanded
from .._load.find import (
    SplitFiles,
    find_half,
    find_split,
    has_own_card,
    is_folder,
    places_of,
)
from .._load.hints import hints_in
from .._load.names import spelling
from .._load.published import Root, command_of, if_allowed, longest_message
from .._load.split import read_split
from .._registry.datasets import DATASETS, DEFAULT, find_spec
from ..errors import FormatError
from .arguments import add_shared, harmless, line_of, local
from .messages import in_options

if TYPE_CHECKING:
    import numpy as np

    from .._registry.spec import DatasetSpec

ABOUT = "Check the SHA-256, header, counts and labels of files."
EXAMPLES = """  fmnist-fast verify
  fmnist-fast verify --root data
  fmnist-fast verify --name emnist/letters
  fmnist-fast verify train-images-idx3-ubyte.gz mine.idx

The command prints a line for each file. The line begins with one of these words:
  ok       The file is a published file. If its name or hash is not known, only its
           format was checked.
  DIFFERS  The file is readable, but it is not the published file of that name.
  DAMAGED  The file can't be read, or its content is wrong.
  MISSING  The file or the split was not found.

Without --name, a published file of any of the datasets is ok.
To replace a file, delete it, then run fmnist-fast download. If the file is in a folder
of your own, add --to FOLDER. The last lines give this command for damaged files.
The exit code is 0 if all files are ok. Otherwise it is 1."""

_UNREADABLE = "can't be read: "


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    about = "an IDX file or a folder (default: the data folders)"
    command.add_argument("paths", nargs="*", type=local, metavar="PATH", help=about)
    add_shared(command, "--name")
    add_shared(command, "--root")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    named = [Path(expanded(path)) for path in arguments.paths]
    paths = [path for path in named if not path.is_dir()]
    folders: list[Path | None] = [path for path in named if path.is_dir()]
    if arguments.root is not None or not named:
        folders.append(arguments.root)
    name = arguments.name
    if name is not None and is_folder(name):
        folders, name = [*filter(None, folders), Path(expanded(name))], None
    spec = find_spec(DEFAULT if name is None else name)
    specs = [spec] if name else list(DATASETS.values())
    pairs, missing, damaged = _find_pairs(paths, spec), [], []
    places: dict[Path, Root] = {path: _place_of(path) for path in paths}
    for folder in folders:
        try:
            found, absent = _find_splits(folder, name, spec)
        except FormatError as error:  # of a card
            damaged.append(str(error))
            continue
        pairs += found
        there = [file.path for files in found for file in (files.images, files.labels)]
        there += [half.path for half, _ in absent if isinstance(half, File)]
        places |= dict.fromkeys(there, folder)
        missing += absent
    nothing = [] if places or damaged else [error for error, _ in missing]
    if len({str(error) for error in nothing}) == 1:  # it names no split
        raise nothing[0]
    verdicts = {path: _verify_file(path, specs) for path in places}
    for files in pairs:
        _verify_split(files, verdicts)
    lines = [
        f"{word:8} {line_of(f'{at}: {why}')}" for at, (word, why) in verdicts.items()
    ]
    lines += [f"{'DAMAGED':8} {line_of(why)}" for why in damaged]
    lines += [f"{'MISSING':8} {line_of(why)}" for _, why in missing]
    lines += _how_to_replace(verdicts, places, specs)
    if nothing:
        lines.append(_how_to_get(nothing, arguments.options))
    print("\n".join(lines))
    return int(any(not line.startswith("ok ") for line in lines))


def _find_splits(
    folder: Path | None, name: str | None, spec: DatasetSpec
) -> tuple[list[SplitFiles], list[tuple[Any, str]]]:
    """Return the splits in a folder, and for each missing one a reason.

    Before the reason stands the one file of the split that is there, or the error.
    """
    found: list[SplitFiles] = []
    absent: list[tuple[Any, str]] = []
    for split, part in spec.splits.items():
        try:
            found.append(find_split(split, folder, name)._replace(is_named=False))
        except FileNotFoundError as error:
            half = find_half(spec, part, places_of(folder))
            if half is None:
                reason = str(error).partition("\n")[0].rstrip(".")
                absent.append((error, f"{split}: {reason}"))
            else:
                at = half[0].path.with_name(half[1])
                hints = " ".join(["", *hints_in(at.parent, [at.name])])
                absent.append((half[0], f"{at}: no such file, plain or .gz.{hints}"))
    if any(has_own_card(files.beside(CARD_NAME).path.parent) for files in found):
        absent = []  # a dataset with its own card may have other splits
    return found, absent


def _verify_file(path: Path, specs: list[DatasetSpec]) -> tuple[str, str]:
    """Return "ok", "DIFFERS", "DAMAGED" or "MISSING" for a file, and the reason."""
    from .._registry.hashes import sha256_of
    from ..idx import decode_idx, read_content

    try:
        content = read_content(path, str(path))  # `read_idx` would wait at a pipe
        items = decode_idx(content, str(path))
        digest = sha256_of(content)
    except FileNotFoundError:
        return "MISSING", "no such file"
    except OSError as error:
        return "DAMAGED", f"{_UNREADABLE}{error.strerror or error}"
    except (FormatError, MemoryError) as error:
        return "DAMAGED", _without(error, path)
    return _compare_file(path, specs, items, digest)


def _compare_file(
    path: Path, specs: list[DatasetSpec], items: np.ndarray, digest: str
) -> tuple[str, str]:
    """Return "ok" or "DIFFERS" for a file with these items and SHA-256."""
    from .._registry.hashes import is_published, owner_of, published_sha256

    header = f"{items.dtype} {items.shape}"
    published = [
        (spec, stem)
        for spec in specs
        for part in spec.splits.values()
        for stem in part.stems
        if spelling(path.name, stem)
    ]
    known = published_sha256(digest, items)
    owner = owner_of(known)
    if not published and owner and owner[0] in specs:
        return "ok", f"{header}; the published {owner[0].title} file {owner[1]}"
    if not published:
        return (
            "ok",
            f"{header}; only the format was checked: no published file has this name",
        )
    if "labels" in path.name and items.ndim == 1 and items.size:
        header += f", labels {items.min()} to {items.max()}"
    for spec, stem in published:
        if is_published(spec, stem, known, path):
            how = "" if digest in spec.sha256_of(stem) else ", compressed differently"
            return "ok", f"{header}; the published {spec.title} file{how}"
    spec, stem = published[0]
    if is_published(spec, stem, known, path) is None:
        return "ok", f"{header}; only the format was checked: its SHA-256 is not known"
    if owner is not None:
        return "DIFFERS", f"{header}; it is {owner[1]} of {owner[0].title}"
    expected = spec.sha256_of(stem)[path.suffix != ".gz"]
    return "DIFFERS", f"{header}; SHA-256 must be {expected}, got {digest}"


def _find_pairs(paths: list[Path], spec: DatasetSpec) -> list[SplitFiles]:
    """Return the splits whose two files are among `paths`, in one folder."""
    pairs = []
    for folder in dict.fromkeys(path.parent for path in paths):
        here = [path for path in paths if path.parent == folder]
        for split, part in spec.splits.items():
            files = [
                next((File(path) for path in here if spelling(path.name, stem)), None)
                for stem in part.stems
            ]
            if files[0] and files[1]:
                pairs.append(SplitFiles(files[0], files[1], split, spec.name))
    return pairs


def _verify_split(files: SplitFiles, verdicts: dict[Path, tuple[str, str]]) -> None:
    """Check that both files of a split belong together, if both are readable."""
    paths = files.images.path, files.labels.path
    if not all(verdicts[path][0] in ("ok", "DIFFERS") for path in paths):
        return
    try:
        dataset, _ = read_split(files, cache=False)
    except FormatError as error:
        named = [path for path in paths if str(path) in str(error)]
        for path in named or paths:
            verdicts[path] = "DAMAGED", _without(error, path)
        return
    for path in paths:
        verdict, why = verdicts[path]
        if dataset.synthetic:
            verdicts[path] = verdict, f"SYNTHETIC according to its {CARD_NAME}; {why}"
        elif verdict == "DIFFERS" and has_own_card(path.parent):
            header = why.partition("; ")[0]
            name = dataset.name or "another dataset"
            verdicts[path] = (
                "ok",
                f"{header}; part of {name} according to its {CARD_NAME}, so only the "
                "format, counts and labels were checked",
            )


def _how_to_get(errors: list[FileNotFoundError], options: dict[str, str]) -> str:
    """Return the lines of the most helpful error that say what to do."""
    advice = str(longest_message(errors)).partition("\n")[2]
    return harmless(in_options(advice, options))


def _place_of(path: Path) -> Path:
    """Return the folder for a download that puts a file in the place of `path`."""
    folders = {spec.folder for spec in DATASETS.values()}
    return path.parent.parent if path.parent.name in folders else path.parent


def _how_to_replace(
    verdicts: dict[Path, tuple[str, str]],
    places: dict[Path, Root],
    specs: list[DatasetSpec],
) -> list[str]:
    """Return lines that say how to replace damaged files with published names."""
    commands: dict[str, None] = {}
    for path, (word, why) in verdicts.items():
        beside = [why for at, (_, why) in verdicts.items() if at.parent == path.parent]
        known = [
            spec
            for spec in specs
            for part in spec.splits.values()
            if any(spelling(path.name, stem) for stem in part.stems)
        ]
        known.sort(key=lambda spec: f"published {spec.title} file" not in str(beside))
        is_own = why.startswith(_UNREADABLE) or has_own_card(path.parent)
        if word == "DAMAGED" and known and not is_own:
            commands[f"  {line_of(command_of(known[0], places[path]))}"] = None
    if not commands:
        return []
    text = "To replace damaged published files, delete them, then download them"
    return [f"{text}{if_allowed()}:", *commands]


def _without(error: Exception, path: Path) -> str:
    """Return a message on one line, without the path at its beginning."""
    text = str(error).removeprefix(str(path)).removeprefix(":")
    return " ".join(text.split())

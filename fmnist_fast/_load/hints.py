"""Hints for messages about missing files: what the folders have in their place."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from .. import config
from .._io.paths import File
from .._io.private import has_file
from .._registry.datasets import DATASETS
from .._registry.hashes import owner_of
from .._registry.spec import DatasetSpec
from .cache import read_items
from .names import (
    find_file,
    idx_names,
    is_idx_name,
    names_in,
    pair_by_words,
    spelling,
    subfolders,
)

_ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tgz", ".tar.gz")
# Patterns for files in which Hugging Face, Keras and Kaggle keep these datasets.
_FORMATS = {
    r"(train|test)-.*\.parquet": "Load it with ff.Dataset.from_huggingface("
    "datasets.load_dataset('parquet', data_files={0!r}, split='train')).",
    r"mnist\.npz": "Load it with x = numpy.load({0!r}), then "
    "ff.Dataset.from_arrays(x['x_{1}'], x['y_{1}']).",
    r"fashion-mnist_(train|test)\.csv": "Load it with x = numpy.loadtxt({0!r}, 'uint8',"
    " delimiter=',', skiprows=1), then "
    "ff.Dataset.from_arrays(x[:, 1:].copy().reshape(-1, 28, 28), x[:, 0]).",
}
_MAX_HINTS = 3  # per folder
_MAX_NEARBY = 6  # in other folders


def companion_missing(file: File, stem: str) -> str:
    """Return the message for a `file` whose companion `stem` is missing."""
    text = f"{file}: {stem} or {stem}.gz must be in the same folder, found neither."
    return "\n".join([text, *hints_in(file.path.parent, [stem])])


def hints_in(folder: Path, stems: Collection[str], split: str = "") -> list[str]:
    """Return sentences about what is named like a file, archives and other formats."""
    hints = []
    part = "test" if re.search("test|t10k", " ".join([split, *stems])) else "train"
    for name in sorted(names_in(folder)):
        with contextlib.suppress(PermissionError):  # nobody can know what it is
            if hint := _hint(folder / name, stems, part):
                hints.append(f"{folder / name} {hint}")
    return hints[:_MAX_HINTS]


def _hint(path: Path, stems: Collection[str], part: str) -> str:
    """Return what is at `path` and what to do, if it may explain a missing file.

    `part` is "train" or "test", the part of another format that has the split.
    """
    if any(spelling(path.name, stem) for stem in stems):
        if path.is_dir():
            inside = names_in(path)
            has_it = any(spelling(name, stem) for name in inside for stem in stems)
            return "" if has_it else "is a folder without a file of that name."
        return "" if has_file(path) else "is a broken link, a pipe or a device."
    if path.name.lower().endswith(_ARCHIVES):
        return "may hold the files. Unpack it."
    advice = (_FORMATS[key] for key in _FORMATS if re.fullmatch(key, path.name))
    return next(
        (f"is no IDX file. {text.format(str(path), part)}" for text in advice), ""
    )


def files_nearby(
    base: Path, split: str, spec: DatasetSpec, *, others: bool
) -> list[str]:
    """Return sentences about files in other formats and of published datasets.

    They say what to pass to load the files. `spec` is the dataset that was not found.
    With `others`, files of other datasets count also where those of `spec` can't be.
    """
    cache, hints = config.cache_folder(), []
    is_cache = cache is not None and base == cache.absolute()
    searched = [base / name for name in spec.folders]
    stems = spec.splits[split].stems if split in spec.splits else ()
    near = () if is_cache else subfolders(base)  # it has folders of copies
    for folder in dict.fromkeys([*searched, *near]):
        for labels, owner in _owned_files(folder, split):
            if owner is spec or others or folder in searched:
                root = [] if folder == base else [f"root={str(folder)!r}"]
                name = [] if owner is spec and root else [f"name={owner.name!r}"]
                advice = ", ".join(root + name)
                hints.append(f"{labels} is a file of {owner.title}. Pass {advice}.")
        hints += hints_in(folder, stems if folder in searched else (), split)
    return hints[:_MAX_NEARBY]


def _owned_files(folder: Path, split: str) -> Iterator[tuple[File, DatasetSpec]]:
    """Yield the label file of each published split in a folder, and its dataset."""
    stems: dict[tuple[str, str], list[DatasetSpec]] = {}
    found: list[File] = []
    for spec in DATASETS.values() if idx_names(folder) else ():
        if split in spec.splits:
            stems.setdefault(spec.splits[split].stems, []).append(spec)
    for pair, specs in stems.items():
        images, labels = (find_file(folder, stem) for stem in pair)
        if images and labels:
            owner = owner_of_labels(labels) or (specs[0] if len(specs) == 1 else None)
            if owner is not None:
                yield labels, owner
                found.append(labels)
    renamed = pair_by_words(folder, split)
    if renamed and renamed[1] not in found and (owner := owner_of_labels(renamed[1])):
        yield renamed[1], owner


def owner_of_labels(labels: File) -> DatasetSpec | None:
    """Return the dataset that published this label file, if there is one."""
    try:
        owner = owner_of(read_items(labels, cache=False, verify=True)[1])
    except (OSError, ValueError, MemoryError):
        return None  # reading the split reports the error
    return owner[0] if owner else None


def similar(path: Path) -> str:
    """Return a line about an IDX file whose name is a spelling of `path`'s, or ""."""
    file = None
    with contextlib.suppress(OSError):
        if is_idx_name(path.name):
            file = find_file(path.parent, path.name.removesuffix(".gz"))
    return f"\nThere is {file}." if file else ""

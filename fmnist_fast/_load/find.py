"""Find the two files of a split, for `load` and for the command line.

The files are in a folder that the caller names, in $FMNIST_FAST_DATA, in the cache
folder or at a URL. They are found by the names of the published files, in all spellings
of `names`. In any other folder of IDX files they are found by three words in their
names: the split (``train``; ``test`` or ``t10k``; any other), ``images`` or ``idx3``,
and ``labels`` or ``idx1``. If a dataset is asked for, the hash of the labels counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from .. import config
from .._dataset.card import CARD_NAME, read_card
from .._io.paths import File, expanded, is_url, shown
from .._registry.datasets import (
    DATASETS,
    DEFAULT,
    find_spec,
    find_split_spec,
    split_hint,
)
from .._registry.spec import DatasetSpec, SplitSpec
from ..errors import DownloadError
from .hints import companion_missing, files_nearby, owner_of_labels
from .names import (
    distinct_files,
    find_by_words,
    find_file,
    idx_names,
    is_idx_name,
    pair_by_words,
    spelling,
)
from .published import OR_SYNTHETIC, Root, fetch_splits, how_to_get, how_to_replace

_MAX_LISTED = 12  # file names in a message


class SplitFiles(NamedTuple):
    """The two files of a split.

    Attributes
    ----------
    images : File
        Image file.
    labels : File
        Label file.
    split : str
        Name of the split.
    name : str or None
        Published dataset whose files have these names. None for other names.
    is_named : bool
        Whether the caller asked for `name`. Then a file of another published dataset
        is an error.
    advice : str
        Lines for a message that say how to replace a damaged file.
    """

    images: File
    labels: File
    split: str = ""
    name: str | None = None
    is_named: bool = False
    advice: str = ""

    def beside(self, name: str) -> File:
        """Return the file `name` beside both files, which may not exist.

        If each of them is in a folder of its own, it is beside these folders.
        """
        parents = {self.images.path.parent, self.labels.path.parent}
        if len(parents) == 1:
            return self.images.beside(name)
        return File(Path(os.path.commonpath(parents), name))


def find_split(
    split: str,
    root: str | os.PathLike[str] | None = None,
    name: str | os.PathLike[str] | None = None,
    *,
    download: bool = False,
) -> SplitFiles:
    """Return the files of a split. The arguments are the same as for `load`.

    If the files are missing, this raises FileNotFoundError. The first line of the
    message says what is missing and where the function looked. The next lines say what
    the folders have instead, and the last lines say how to get the files.
    """
    if name is not None and is_folder(name):
        return _find_in_folder(split, name, root, download=download)
    spec, is_named = find_spec(DEFAULT if name is None else name), name is not None
    base = None if root is None or is_url(root) else _path_of(root)
    any_folder = None if is_named else base  # its files may be of any dataset
    known = None
    if any_folder is None or not isinstance(split, str) or split in spec.splits:
        known = find_split_spec(spec, split)
    notes: list[str] = []
    pair: list[File] = []
    if known is not None and is_url(root):
        pair = _fetch_files(known, str(root))
    elif known is not None:
        options = {"is_named": is_named, "any_dataset": bool(any_folder)}
        bases = places_of(base)
        pair = _find_by_names(spec, split, known, bases, notes, **options)
    if any_folder and not pair:
        files = _find_any(split, any_folder, notes, is_known=known is not None)
        if files is not None:
            return files
    part = known or find_split_spec(spec, split)
    if root is not None and base and (os.path.exists(base) or not download):
        _checked_folder("root must be a folder", root)
    if len(pair) < 2 and download:
        pair = _download(spec, part, root)
    if len(pair) < 2:
        advice = how_to_get(spec, split, part, root, is_named=is_named)
        raise FileNotFoundError("\n".join([*notes, advice]))
    # A call with neither `name` nor `root` asks for Fashion-MNIST.
    files = SplitFiles(pair[0], pair[1], split, spec.name, is_named or root is None)
    is_own = is_url(root) or has_own_card(files.beside(CARD_NAME).path.parent)
    advice = "" if is_own else how_to_replace(spec, split, root, is_named=is_named)
    return files._replace(advice=advice)


def _download(spec: DatasetSpec, part: SplitSpec, root: Root) -> list[File]:
    """Download the files of a split. If that fails, the error offers a substitute."""
    try:
        return [File(path) for path in fetch_splits(spec, [part], root)]
    except DownloadError as error:
        if spec.name != DEFAULT:
            raise
        raise DownloadError(f"{error}\n{OR_SYNTHETIC}") from None


def is_folder(name: str | os.PathLike[str]) -> bool:
    """Return whether `name` is a path and not the name of a published dataset."""
    if not isinstance(name, str):
        return isinstance(name, os.PathLike)
    if name in DATASETS:
        return False
    return os.path.isabs(name) or name.startswith((".", "~")) or os.path.isdir(name)


def has_own_card(folder: Path) -> bool:
    """Return whether `folder` has a card, and not that of a published dataset."""
    card = read_card(folder)
    return bool(card) and card.get("name") not in DATASETS


def _path_of(root: str | os.PathLike[str]) -> Path:
    """Return the absolute path of `root`, or raise TypeError."""
    try:
        return Path(expanded(root)).absolute()
    except TypeError:
        raise TypeError(f"root must be a path, got {root!r}") from None


def _checked_folder(requirement: str, path: str | os.PathLike[str]) -> Path:
    """Return the absolute path of a folder, or raise FileNotFoundError."""
    folder = _path_of(path)
    if not folder.is_dir():
        is_name = isinstance(path, str) and path in DATASETS
        reason = "does not exist" + f".\nPass name={path!r}." * is_name
        if folder.exists():
            reason = f"is a file.\nPass its folder, {str(folder.parent)!r}."
        raise FileNotFoundError(f"{requirement}, got {folder}, which {reason}")
    return folder


# ---- by the names of the published files ------------------------------------------


def _find_by_names(
    spec: DatasetSpec,
    split: str,
    part: SplitSpec,
    bases: list[Path],
    notes: list[str],
    *,
    is_named: bool,
    any_dataset: bool,
) -> list[File]:
    """Return both files from the first folder that has both, otherwise one or none.

    Unless `any_dataset` is True, files of another published dataset are skipped. Unless
    both files are found, the function adds to `notes` what is missing and what the
    folders have. With `is_named`, they say nothing about files of other datasets.
    """
    for pair in _pairs_in(spec, part, bases):
        if len(pair) == 2 and (any_dataset or not _is_of_another(spec, pair[1])):
            return pair
    half = find_half(spec, part, bases)
    # Without a name, the words are searched for afterwards, for files of any dataset.
    for at in _folders_of(spec, bases) if half or not any_dataset else ():
        pair = pair_by_words(at, split)
        if pair and owner_of_labels(pair[1]) is spec:
            return pair
    if half is not None:
        notes.append(companion_missing(*half))
        return [half[0]]
    where = f" in {', '.join(map(_place, bases))}."
    if not bases:
        where = ": FMNIST_FAST_CACHE is off and FMNIST_FAST_DATA is not set."
    of = "" if any_dataset else f" of {spec.title}"
    notes.append(f"found no {split} files{of}{where}")
    for at in bases if not any_dataset else ():  # otherwise `_find_any` adds them
        notes += files_nearby(at, split, spec, others=not is_named)
    return []


def _pairs_in(
    spec: DatasetSpec, part: SplitSpec, bases: Iterable[Path]
) -> Iterator[list[File]]:
    """Yield the image file and the label file of a split in each folder, if found."""
    for at in _folders_of(spec, bases):
        files = (find_file(at, stem) for stem in part.stems)
        yield [file for file in files if file is not None]


def _place(at: Path) -> str:
    """Return a searched folder for messages, and say so if it is none."""
    if at.is_dir():
        return str(at)
    return f"{at} ({'a file' if os.path.lexists(at) else 'no such folder'})"


def _folders_of(spec: DatasetSpec, bases: Iterable[Path]) -> list[Path]:
    return [base / name for base in bases for name in spec.folders]


def find_half(
    spec: DatasetSpec, part: SplitSpec, bases: Iterable[Path]
) -> tuple[File, str] | None:
    """Return a file of a split without its companion, and the companion's name."""
    for pair in _pairs_in(spec, part, bases):
        if len(pair) == 1:
            is_images = spelling(pair[0].path.name, part.images) is not None
            return pair[0], part.stems[is_images]
    return None


def places_of(root: Root) -> list[Path]:
    """Return the folders in which `load` looks for the files."""
    if root is not None:
        return [_path_of(root)]
    places = (config.data_folder(), config.cache_folder())
    return [place.absolute() for place in places if place]


def _is_of_another(spec: DatasetSpec, labels: File) -> bool:
    """Return whether another dataset than `spec` published this label file."""
    sizes = [file.nbytes for file in spec.files if file.name == labels.path.name]
    if labels.path.stat().st_size in sizes:
        return False  # no two datasets have label files of one size
    owner = owner_of_labels(labels)
    return owner is not None and owner.name != spec.name


# ---- at a URL ---------------------------------------------------------------------


def _fetch_files(part: SplitSpec, url: str) -> list[File]:
    """Download the files of a split, and their card, from the folder at `url`."""
    folder, pair = url.rstrip("/"), []
    for stem in part.stems:
        dotted = stem.replace("-idx", ".idx")
        file = fetch_any(folder, stem, f"{stem}.gz", dotted, f"{dotted}.gz")
        if file is None:
            parent, _, name = shown(folder).rpartition("/")
            hint = f".\nPass the URL of its folder, {parent!r}." * is_idx_name(name)
            raise FileNotFoundError(f"{shown(url)}: found no {stem} or {stem}.gz{hint}")
        pair.append(file)
    fetch_any(folder, CARD_NAME, needed=False)
    return pair


def fetch_any(folder: str, *names: str, needed: bool = True) -> File | None:
    """Download the first of some files that the folder at a URL has."""
    from .._download.urls import fetch_first  # a slow import that only URLs need

    copy = fetch_first([f"{folder}/{name}" for name in names], needed=needed)
    return File(copy, f"{shown(folder)}/{copy.name}") if copy else None


# ---- by words, in any folder of IDX files -----------------------------------------


def _find_in_folder(
    split: str, name: str | os.PathLike[str], root: Root, *, download: bool
) -> SplitFiles:
    """Return the files of a split in the folder `name`, which excludes the others."""
    if root is not None or download:
        option = "download" if root is None else "root"
        raise ValueError(
            f"{option} requires a dataset's name, got folder {name}.\n"
            "Pass the folder as root."
        )
    notes: list[str] = []
    folder = _checked_folder("name must be a published dataset or a folder", name)
    files = _find_by_words(split, folder, notes)
    if files is None:
        notes += files_nearby(folder, split, DATASETS[DEFAULT], others=True)
        raise FileNotFoundError("\n".join(notes))
    return files


def _find_any(
    split: str, folder: Path, notes: list[str], *, is_known: bool
) -> SplitFiles | None:
    """Return the files of a split, found by words in their names.

    Raise FileNotFoundError if `folder` has files of another dataset instead. If it has
    none, the function adds to `notes` what the folder has.
    """
    files = _find_by_words(split, folder, notes)
    if files is not None:
        return files
    if has_own_card(folder):
        raise FileNotFoundError(
            f"{folder}: the dataset that its {CARD_NAME} describes has no split "
            f"{split!r}"
        )
    if is_known:
        notes += files_nearby(folder, split, DATASETS[DEFAULT], others=True)
    elif distinct_files(folder, idx_names(folder)):
        raise FileNotFoundError("\n".join(notes))
    return None


def _find_by_words(split: str, folder: Path, notes: list[str]) -> SplitFiles | None:
    """Return the files of a split, found by words in their names.

    Unless exactly one file matches, the function adds to `notes` which files it found.
    """
    if not isinstance(split, str) or not split.isalnum():
        raise ValueError(
            f"split must be a word such as 'train', got {split!r}{split_hint(split)}"
        )
    names = idx_names(folder)
    if not distinct_files(folder, names):
        notes.append(
            f"{folder}: found no IDX file. Its name must contain idx or ubyte."
        )
        return None
    pair = []
    for kind, sets, paths in find_by_words(folder, split):
        if len(paths) != 1:
            split_words, kinds = (" or ".join(sorted(words)) for words in sets)
            found = [path.name for path in paths or distinct_files(folder, names)]
            more = f" and {len(found) - _MAX_LISTED} more" * (len(found) > _MAX_LISTED)
            notes.append(
                f"{folder}: split {split!r} must have one {kind} file, got "
                f"{len(paths)}. Its name must contain {split_words}, and {kinds}.\n"
                f"Found {', '.join(found[:_MAX_LISTED])}{more}."
            )
            return None
        pair.append(File(paths[0]))
    owners = [
        spec
        for spec in DATASETS.values()
        if any(spelling(pair[0].path.name, p.images) for p in spec.splits.values())
    ]
    files = SplitFiles(pair[0], pair[1], split)
    if len(owners) != 1 or _is_of_another(owners[0], pair[1]):
        return files  # the hashes tell
    return files._replace(name=owners[0].name)

"""Find the two files of a split, for `load` and for the command line.

The files are in a folder that the caller names, in $FMNIST_FAST_DATA, in the cache
folder or at a URL. They are found by the names of the published files, in all spellings
that tools leave behind: plain or ``.gz``, `t10k-images.idx3-ubyte` as 7-zip unpacks it,
`train-images-idx3-ubyte (1).gz` as a browser names a second download. In any other
folder of IDX files they are found by three words in their names: the split (``train``;
``test`` or ``t10k``; any other), ``images`` or ``idx3``, and ``labels`` or ``idx1``.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from .. import config
from .._dataset.card import CARD_NAME, read_card
from .._io.paths import File, expanded, is_url, shown
from .._io.private import has_file, only_files
from .._registry.datasets import (
    DATASETS,
    DEFAULT,
    SPLITS,
    find_spec,
    find_split_spec,
    hint_if_folder,
)
from .._registry.hashes import owner_of
from .._registry.spec import DatasetSpec, SplitSpec
from ..errors import DownloadError
from .published import OR_SYNTHETIC, Root, fetch_splits, how_to_get

_SPLIT_WORDS = {"test": {"test", "t10k"}}
_KINDS = {
    "image": {"images", "image", "idx3"},
    "label": {"labels", "label", "idx1", "idx2"},
}
_COPY = re.compile(r" ?\(\d+\)")  # a browser marks a second download like this
_ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tgz", ".tar.gz")
_MAX_LISTED = 12  # file names in a message
_MAX_HINTS = 3  # hints per folder in a message


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
    """

    images: File
    labels: File
    split: str = ""
    name: str | None = None
    is_named: bool = False


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
        if root is not None or download:
            option = "download" if root is None else "root"
            raise ValueError(f"{option} requires a dataset's name, got folder {name}")
        return _find_in_folder(split, name)
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
        places = [base] if base else [config.data_folder(), config.cache_folder()]
        pair = _find_by_names(spec, split, known, places, notes, check=not any_folder)
    if any_folder and not pair:
        files = _find_any(split, any_folder, notes, is_known=known is not None)
        if files is not None:
            return files
    part = known or find_split_spec(spec, split)
    if base is not None and (os.path.exists(base) or not download):
        _checked_folder("root must be a folder", base)
    if len(pair) < 2 and download:
        pair = _download(spec, part, root)
    if len(pair) < 2:
        advice = how_to_get(spec, split, part, root, is_named=is_named)
        raise FileNotFoundError("\n".join([*notes, advice]))
    # A call with neither `name` nor `root` asks for Fashion-MNIST.
    return SplitFiles(pair[0], pair[1], split, spec.name, is_named or root is None)


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
        reason = "is a file" if folder.exists() else "does not exist"
        raise FileNotFoundError(f"{requirement}, got {folder}, which {reason}")
    return folder


# ---- by the names of the published files ------------------------------------------


def _find_by_names(
    spec: DatasetSpec,
    split: str,
    part: SplitSpec,
    places: Iterable[Path | None],
    notes: list[str],
    *,
    check: bool,
) -> list[File]:
    """Return both files from the first folder that has both, otherwise one or none.

    With `check`, files of another published dataset are skipped. Unless both files are
    found, the function adds to `notes` what is missing and what the folders have.
    """
    stems = part.stems
    skipped: list[str] = []
    half: list[File] = []
    bases = [place.absolute() for place in places if place]
    folders = [base / name for base in bases for name in spec.folders]
    for folder in folders:
        files = [find_file(folder, stem) for stem in stems]
        pair = [file for file in files if file is not None]
        owner = None
        if len(pair) == 2 and check:
            owner = _other_owner(spec, pair[1].path)
        if owner is not None:
            skipped.append(
                f"{pair[1]} is a file of {owner.title}. Pass name={owner.name!r}."
            )
        elif len(pair) == 2:
            return pair
        elif pair and not half:
            notes.append(companion_missing(pair[0], stems[files.index(None)]))
            half = pair
    if half:
        return half
    searched = [str(at) if at.is_dir() else f"{at} (no such folder)" for at in bases]
    where = f" in {', '.join(searched)}."
    if not searched:
        where = ": FMNIST_FAST_CACHE is off and FMNIST_FAST_DATA is not set."
    notes.append(f"found no {split} files of {spec.title}{where}")
    notes += skipped + [hint for at in folders for hint in _hints(at, stems)]
    return []


def find_file(folder: Path, stem: str) -> File | None:
    """Return the file in `folder` whose name is closest to `stem`, if it has one."""
    paths = (folder / name for name in _spellings_in(folder, stem))
    return next(map(File, only_files(paths)), None)


def _spellings_in(folder: Path, stem: str) -> Iterator[str]:
    """Yield the names that a file may have, the closest to `stem` first."""
    yield from (stem, f"{stem}.gz")
    names = _names_in(folder)
    ranked = [(rank, name) for name in names if (rank := spelling(name, stem))]
    yield from (name for _, name in sorted(ranked))


def _names_in(folder: Path) -> list[str]:
    """Return the names in a folder, or no names if it is unreadable."""
    try:
        return os.listdir(folder)
    except (OSError, ValueError):
        return []


def spelling(name: str, stem: str) -> tuple[list[int], bool] | None:
    """Return a sort key for a spelling of `stem`, or None if `name` is another name.

    The words of `stem` may be joined by any characters. Suffixes and the number of a
    copy may follow.
    """
    stem_words = _words(stem)
    # This check is cheap, and a folder may have thousands of other files.
    if stem_words[0] not in name.lower() or name.startswith("."):
        return None
    words, n = _words(name), len(stem_words)
    marks = [word for word in words[n:] if word not in ("gz", "idx")]
    numbers = [int(word) for word in marks if word.isdigit()]
    if words[:n] != stem_words or len(numbers) + marks.count("copy") < len(marks):
        return None
    return numbers or [0] * len(marks), "gz" in words


def companion_missing(file: File, stem: str) -> str:
    """Return the message for a `file` whose companion `stem` is missing."""
    text = f"{file}: {stem} or {stem}.gz must be in the same folder, found neither."
    return "\n".join([text, *_hints(file.path.parent, [stem])])


def _hints(folder: Path, stems: Iterable[str]) -> list[str]:
    """Return a sentence for what is named like a file, and for each archive."""
    hints = []
    for name in _names_in(folder):
        matches = [stem for stem in stems if spelling(name, stem)]
        with contextlib.suppress(PermissionError):  # nobody can know what it is
            if matches and os.path.isdir(folder / name):
                hints.append(f"{folder / name} is a folder.")
                file = find_file(folder / name, matches[0])
                hints[-1] += f" Move {file.path.name} out of it." if file else ""
            elif matches and not has_file(folder / name):
                hints.append(f"{folder / name} is a broken link, a pipe or a device.")
            elif name.lower().endswith(_ARCHIVES):
                hints.append(f"{folder / name} may hold the files. Unpack it.")
    return sorted(hints)[:_MAX_HINTS]


def _other_owner(spec: DatasetSpec, labels: Path) -> DatasetSpec | None:
    """Return the other dataset that published this label file, if there is one."""
    sizes = [file.nbytes for file in spec.files if file.name == labels.name]
    if labels.stat().st_size in sizes:  # no two datasets have label files of one size
        return None
    from .cache import read_items

    try:
        owner = owner_of(read_items(File(labels), cache=False, verify=True)[1])
    except (OSError, ValueError, MemoryError):
        return None  # reading the split reports the error
    return owner[0] if owner and owner[0].name != spec.name else None


# ---- at a URL ---------------------------------------------------------------------


def _fetch_files(part: SplitSpec, url: str) -> list[File]:
    """Download the files of a split, and their card, from the folder at `url`."""
    folder, pair = url.rstrip("/"), []
    for stem in part.stems:
        dotted = stem.replace("-idx", ".idx")
        file = fetch_any(folder, stem, f"{stem}.gz", dotted, f"{dotted}.gz")
        if file is None:
            raise FileNotFoundError(f"{shown(url)}: found no {stem} or {stem}.gz")
        pair.append(file)
    fetch_any(folder, CARD_NAME, needed=False)
    return pair


def fetch_any(folder: str, *names: str, needed: bool = True) -> File | None:
    """Download the first of some files that the folder at a URL has."""
    from .._download.urls import fetch_first  # a slow import that only URLs need

    copy = fetch_first([f"{folder}/{name}" for name in names], needed=needed)
    return File(copy, f"{shown(folder)}/{copy.name}") if copy else None


# ---- by words, in any folder of IDX files -----------------------------------------


def _find_in_folder(split: str, name: str | os.PathLike[str]) -> SplitFiles:
    """Return the files of a split in the folder `name`."""
    notes: list[str] = []
    folder = _checked_folder("name must be a published dataset or a folder", name)
    files = _find_by_words(split, folder, notes)
    if files is None:
        stems = SPLITS[split].stems if split in SPLITS else ()
        raise FileNotFoundError("\n".join([*notes, *_hints(folder, stems)]))
    return files


def _find_any(
    split: str, folder: Path, notes: list[str], *, is_known: bool
) -> SplitFiles | None:
    """Return the files of a split, found by words in their names.

    Raise FileNotFoundError if `folder` has files of another dataset instead.
    """
    files = _find_by_words(split, folder, notes)
    if files is None and has_own_card(folder):
        raise FileNotFoundError(
            f"{folder}: the dataset that its {CARD_NAME} describes has no split "
            f"{split!r}"
        )
    if files is None and not is_known and _distinct_files(folder, _idx_names(folder)):
        raise FileNotFoundError("\n".join(notes))
    return files


def _find_by_words(split: str, folder: Path, notes: list[str]) -> SplitFiles | None:
    """Return the files of a split, found by words in their names.

    Unless exactly one file matches, the function adds to `notes` which files it found.
    """
    if not isinstance(split, str) or not split.isalnum():
        raise ValueError(
            f"split must be a word such as 'train', got {split!r}"
            f"{hint_if_folder(split)}"
        )
    names = _idx_names(folder)
    if not _distinct_files(folder, names):
        notes.append(
            f"{folder}: found no IDX file. Its name must contain idx or ubyte."
        )
        return None
    words, pair = _SPLIT_WORDS.get(split.lower(), {split.lower()}), []
    for kind, kind_words in _KINDS.items():
        matching = [
            name
            for name in names
            if words & {*_words(_stem(name))} and kind_words & {*_words(name)}
        ]
        paths = _distinct_files(folder, matching)
        if len(paths) != 1:
            split_words, kinds = (" or ".join(sorted(w)) for w in (words, kind_words))
            found = [path.name for path in paths or _distinct_files(folder, names)]
            more = f" and {len(found) - _MAX_LISTED} more" * (len(found) > _MAX_LISTED)
            notes.append(
                f"{folder}: split {split!r} must have one {kind} file, got "
                f"{len(paths)}. Its name must contain {split_words}, and {kinds}.\n"
                f"Found {', '.join(found[:_MAX_LISTED])}{more}."
            )
            return None
        pair.append(File(paths[0]))
    owners = [
        spec.name
        for spec in DATASETS.values()
        if any(spelling(pair[0].path.name, p.images) for p in spec.splits.values())
    ]
    return SplitFiles(pair[0], pair[1], split, owners[0] if len(owners) == 1 else None)


def _stem(name: str) -> str:
    """Return a file's name without the number of a copy and without ``.gz``."""
    return _COPY.sub("", name).removesuffix(".gz")


def _distinct_files(folder: Path, names: Iterable[str]) -> list[Path]:
    """Return the preferred file of each stem, sorted by stem."""
    paths = only_files(folder / name for name in sorted(names, key=_preference))
    by_stem = {_stem(path.name): path for path in paths}  # the last one wins
    return [path for _, path in sorted(by_stem.items())]


def _preference(name: str) -> tuple[bool, bool, str]:
    """Return a key that sorts the file to prefer last."""
    return not _COPY.search(name), not name.endswith(".gz"), name


def _idx_names(folder: Path) -> list[str]:
    """Return the names in a folder that are those of IDX files."""
    return [
        name
        for name in _names_in(folder)
        if not name.startswith(".")  # such as a file that is still being written
        and any(re.fullmatch(r"ubyte|idx\d?", word) for word in _words(name))
    ]


def _words(name: str) -> list[str]:
    """Return the words and numbers in a file's name, in lower case."""
    return re.findall(r"[a-z0-9]+", name.lower())

"""Find the files of a split: one search for all ways of asking.

The files are in a folder that is given, in $FMNIST_FAST_DATA or in the cache folder, or
at a URL. They are known by the names of the published files, in all spellings that
tools leave behind: plain or ``.gz``, `t10k-images.idx3-ubyte` as 7-zip unpacks it,
`train-images-idx3-ubyte (1).gz` as a browser calls a second download. In any folder of
IDX files they are known by the words in their names: the split (``train``; ``test`` or
``t10k``; any other), ``images`` or ``idx3``, ``labels`` or ``idx1``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from .. import config
from .._dataset.card import CARD_NAME, read_card
from .._io.paths import File, expanded, is_url, shown
from .._registry.datasets import (
    DATASETS,
    DEFAULT,
    SPLITS,
    find_spec,
    find_split_spec,
)
from .._registry.hashes import owner_of, published_sha256, sha256_of
from .._registry.spec import DatasetSpec, SplitSpec
from .published import fetch_splits, how_to_get

_SPLIT_WORDS = {"test": {"test", "t10k"}}
_KINDS = {
    "images": {"images", "image", "idx3"},
    "labels": {"labels", "label", "idx1", "idx2"},
}
_COPY = re.compile(r" ?\(\d+\)")  # a browser's mark of a second download
_ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tgz", ".tar.gz")
_MAX_LISTED, _MAX_NOTES = 12, 3  # names of files in a message; sentences a folder


class SplitFiles(NamedTuple):
    """The two files of a split."""

    images: File
    labels: File
    split: str = ""
    name: str | None = None  # the dataset whose published files have such names
    is_named: bool = False  # by the caller, so that files of another are an error


def find_split(
    split: str,
    root: str | os.PathLike[str] | None = None,
    name: str | os.PathLike[str] | None = None,
    *,
    download: bool = False,
) -> SplitFiles:
    """Return the files of a split. The arguments are those of `load`.

    Raises FileNotFoundError where they are not there: the first line of the message
    says what was looked for and where, the next ones what is there instead, and the
    last ones what to do.
    """
    if name is not None and is_folder(name):
        if root is not None or download:
            what = "download" if root is None else "root"
            raise ValueError(f"{what} requires a dataset's name, got folder {name}")
        return _find_in_folder(split, name)
    spec, is_named = find_spec(DEFAULT if name is None else name), name is not None
    base = None if root is None or is_url(root) else _path_of(root)
    holds_any = None if is_named else base  # a folder that may hold any dataset
    known = None
    if holds_any is None or not isinstance(split, str) or split in spec.splits:
        known = find_split_spec(spec, split)
    notes: list[str] = []
    pair: list[File] = []
    if known is not None and is_url(root):
        pair = _fetch_pair(known, str(root))
    elif known is not None:
        places = [base] if base else [config.data_folder(), config.cache_folder()]
        pair = _find_by_names(spec, known, places, notes, check=holds_any is None)
    if holds_any and not pair:
        files = _find_any(split, holds_any, notes, is_known=known is not None)
        if files is not None:
            return files
    part = known or find_split_spec(spec, split)
    if base is not None and (os.path.exists(base) or not download):
        _checked_folder("root must be a folder", base)
    if len(pair) < 2 and download:
        pair = [File(path) for path in fetch_splits(spec, [part], root)]
    if len(pair) < 2:
        raise FileNotFoundError("\n".join([*notes, how_to_get(spec, part, root)]))
    # Where no folder was given either, Fashion-MNIST was asked for.
    return SplitFiles(pair[0], pair[1], split, spec.name, is_named or root is None)


def is_folder(name: str | os.PathLike[str]) -> bool:
    """Return whether that is a path and not the name of a dataset."""
    if not isinstance(name, str):
        return isinstance(name, os.PathLike)
    if name in DATASETS:
        return False
    return os.path.isabs(name) or name.startswith((".", "~")) or os.path.isdir(name)


def has_own_card(folder: Path) -> bool:
    """Return whether a card in `folder` says that its files are not published ones."""
    card = read_card(folder)
    return bool(card) and card.get("name") not in DATASETS


def _path_of(given: str | os.PathLike[str]) -> Path:
    try:
        return Path(expanded(given)).absolute()
    except TypeError:
        raise TypeError(f"root must be a path, got {given!r}") from None


def _checked_folder(what: str, given: str | os.PathLike[str]) -> Path:
    folder = _path_of(given)
    if not folder.is_dir():
        state = "a file" if folder.exists() else "missing"
        raise FileNotFoundError(f"{what}, but {given} is {state}")
    return folder


# ---- by the names of the published files ------------------------------------------


def _find_by_names(
    spec: DatasetSpec,
    part: SplitSpec,
    places: Iterable[Path | None],
    notes: list[str],
    *,
    check: bool,
) -> list[File]:
    """Return the images and the labels in the first folder that has both, or one.

    With `check` files that are another dataset's are passed over. Unless both are
    found, `notes` says what is missing and what is there instead.
    """
    stems, passed = part.stems, []
    half: list[File] = []
    bases = [place.absolute() for place in places if place]
    folders = [at / name for at in bases for name in spec.folders]
    for folder in folders:
        found = [find_file(folder, stem) for stem in stems]
        pair = [file for file in found if file is not None]
        owner = None
        if len(pair) == 2 and check:
            owner = _other_owner(spec, pair[1].path)
        if owner is not None:
            passed.append(f"{pair[1]} is {owner.title}'s: pass name={owner.name!r}.")
        elif len(pair) == 2:
            return pair
        elif pair and not half:
            notes.append(half_of_pair(pair[0], stems[found.index(None)]))
            half = pair
    if half:
        return half
    named = (str(at) if at.is_dir() else f"{at} (missing)" for at in bases)
    where = ", ".join(named) or "nowhere: FMNIST_FAST_DATA is not set"
    other = ", but another dataset's" if passed else ""
    notes.append(f"found no {stems[0]}[.gz] and {stems[1]}[.gz] in {where}{other}.")
    notes += passed + [note for at in folders for note in _what_is_near(at, stems)]
    return []


def find_file(folder: Path, stem: str) -> File | None:
    """Return the file in `folder` that is called `stem`, in the likeliest spelling."""
    for name in (stem, f"{stem}.gz"):
        if os.path.isfile(folder / name):
            return File(folder / name)
    ranked = [(rank, n) for n in _names_in(folder) if (rank := spelling(n, stem))]
    paths = (folder / name for _, name in sorted(ranked))
    return next((File(path) for path in paths if os.path.isfile(path)), None)


def _names_in(folder: Path) -> list[str]:
    """Return the names in a folder, none where it can't be read."""
    try:
        return os.listdir(folder)
    except (OSError, ValueError):
        return []


def spelling(name: str, stem: str) -> tuple[list[int], bool] | None:
    """Return how far a file's name is from `stem`, or None if it is another name.

    Any characters may join its words. Suffixes and numbers of copies may follow.
    """
    wanted = _words(stem)
    if wanted[0] not in name.lower() or name.startswith("."):  # of thousands of names
        return None
    words = _words(name)
    marks = [word for word in words[len(wanted) :] if word not in ("gz", "idx")]
    numbers = [int(word) for word in marks if word.isdigit()]
    if words[: len(wanted)] != wanted or len(numbers) + marks.count("copy") < len(
        marks
    ):
        return None
    return numbers or [0] * len(marks), "gz" in words


def half_of_pair(there: File, stem: str) -> str:
    """Return the message that one file of a pair is there, and what is near."""
    text = f"{there} is there, but {stem} or {stem}.gz is not beside it."
    return "\n".join([text, *_what_is_near(there.path.parent, [stem])])


def _what_is_near(folder: Path, stems: Iterable[str]) -> list[str]:
    """Return sentences on folders of such names in `folder`, and on archives."""
    notes = []
    for name in _names_in(folder):
        named = [stem for stem in stems if spelling(name, stem)]
        if named and os.path.isdir(folder / name):
            inside = find_file(folder / name, named[0])
            hint = f": move {inside.path.name} out of it" if inside else ""
            notes.append(f"{folder / name} is a folder{hint}.")
        elif name.lower().endswith(_ARCHIVES):
            notes.append(f"{folder / name} may hold the files: unpack it.")
    return sorted(notes)[:_MAX_NOTES]


def _other_owner(spec: DatasetSpec, labels: Path) -> DatasetSpec | None:
    """Return whose published labels these are, if they are another dataset's."""
    own = [file.nbytes for file in spec.files if file.name == labels.name]
    if labels.stat().st_size in own:  # no two datasets agree in this
        return None
    from ..idx import read_idx

    try:
        owner = owner_of(published_sha256(sha256_of(labels), read_idx(labels)))
    except (OSError, ValueError):
        return None  # to be reported when it is loaded
    return owner[0] if owner and owner[0].name != spec.name else None


# ---- at a URL ---------------------------------------------------------------------


def _fetch_pair(part: SplitSpec, url: str) -> list[File]:
    """Fetch the files of a split, and their card, from the folder at `url`."""
    folder, pair = url.rstrip("/"), []
    for stem in part.stems:
        dotted = stem.replace("-idx", ".idx")
        file = fetch_any(folder, stem, f"{stem}.gz", dotted, f"{dotted}.gz")
        if file is None:
            raise FileNotFoundError(f"there is no {stem} or {stem}.gz in {shown(url)}")
        pair.append(file)
    fetch_any(folder, CARD_NAME, needed=False)
    return pair


def fetch_any(folder: str, *names: str, needed: bool = True) -> File | None:
    """Fetch the first file that is in the folder at a URL; see `fetch_first`."""
    from .._download.urls import fetch_first  # takes time, and is for URLs alone

    copy = fetch_first([f"{folder}/{name}" for name in names], needed=needed)
    return File(copy, f"{shown(folder)}/{copy.name}") if copy else None


# ---- by words, in any folder of IDX files -----------------------------------------


def _find_in_folder(split: str, name: str | os.PathLike[str]) -> SplitFiles:
    """Return the files of a split in the folder `name`."""
    notes: list[str] = []
    folder = _checked_folder("name must be a dataset or a folder", name)
    files = _find_by_words(split, folder, notes)
    if files is None:
        stems = SPLITS[split].stems if split in SPLITS else ()
        raise FileNotFoundError("\n".join([*notes, *_what_is_near(folder, stems)]))
    return files


def _find_any(
    split: str, folder: Path, notes: list[str], *, is_known: bool
) -> SplitFiles | None:
    """Return the files of a split by words. Raise where `folder` has others instead."""
    files = _find_by_words(split, folder, notes)
    if files is None and has_own_card(folder):
        raise FileNotFoundError(
            f"{folder} is a dataset of its own by its {CARD_NAME}, and has no split "
            f"{split!r}"
        )
    if files is None and not is_known and _idx_files(folder):
        raise FileNotFoundError("\n".join(notes))
    return files


def _find_by_words(split: str, folder: Path, notes: list[str]) -> SplitFiles | None:
    """Return the files of a split by the words in their names.

    Where no file or more than one fits, `notes` says which there are.
    """
    if not isinstance(split, str) or not split.isalnum():
        raise ValueError(f"split must be a word such as 'train', got {split!r}")
    # Of one name the last counts: originals after copies, plain files after their .gz.
    files = {
        _COPY.sub("", name).removesuffix(".gz"): folder / name
        for name in sorted(_idx_files(folder), key=_likelihood)
    }
    if not files:
        idx = "its name must have idx or ubyte in it"
        notes.append(f"there is no IDX file in {folder}: {idx}.")
        return None
    words, pair = _SPLIT_WORDS.get(split.lower(), {split.lower()}), []
    for kind, kind_words in _KINDS.items():
        paths = [
            path
            for name, path in sorted(files.items())
            if words & {*_words(name)} and kind_words & {*_words(name)}
        ]
        if len(paths) != 1:
            amount = "no" if not paths else "more than one"
            either = [" or ".join(sorted(each)) for each in (words, kind_words)]
            names = [path.name for path in paths or sorted(files.values())]
            more = f" and {len(names) - _MAX_LISTED} more" * (len(names) > _MAX_LISTED)
            notes.append(
                f"{amount} file of {kind} of the split {split!r} in {folder}: its name "
                f"must have {either[0]}, and {either[1]}; there are "
                f"{', '.join(names[:_MAX_LISTED])}{more}."
            )
            return None
        pair.append(File(paths[0]))
    owners = [
        spec.name
        for spec in DATASETS.values()
        if any(spelling(pair[0].path.name, p.images) for p in spec.splits.values())
    ]
    return SplitFiles(pair[0], pair[1], split, owners[0] if len(owners) == 1 else None)


def _likelihood(name: str) -> tuple[bool, bool, str]:
    return not _COPY.search(name), not name.endswith(".gz"), name


def _idx_files(folder: Path) -> list[str]:
    """Return the names of the IDX files in a folder."""
    return [
        name
        for name in _names_in(folder)
        if not name.startswith(".")  # such as one that is being written
        and any(re.fullmatch(r"ubyte|idx\d?", word) for word in _words(name))
        and os.path.isfile(folder / name)
    ]


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", name.lower())

"""Where a dataset's files are: given, found, or fetched."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from .. import config
from .._dataset.card import CARD_NAME
from .._io.paths import expanded, is_url, shown
from .._registry.datasets import DEFAULT, check_split, find_member, owner_of
from .._registry.spec import Member
from ..dataset import Dataset
from .folders import Found, find_any, find_named, is_folder
from .split import is_another, load_pair

_SHARED_FOLDERS = ("", "raw")  # where another dataset's files may have the same names


def load(
    split: str,
    root: str | os.PathLike[str] | None = None,
    *,
    name: str | os.PathLike[str] = DEFAULT,
    download: bool = False,
    cache: bool = True,
) -> Dataset:
    """Load Fashion-MNIST, another dataset of its family, or any folder of IDX files.

    Parameters
    ----------
    split : str
        "train" or "test"; of QMNIST also "test10k" and "test50k"; of a folder whatever
        word its files have in their names.
    root : path, optional
        The folder with the files, plain or gzip, or one that holds them the way
        torchvision or Keras does. By default ``$FMNIST_FAST_DATA``, then the user's
        cache folder. Or the URL of a folder with the files, which needs the extra
        ``remote``: they are fetched into the cache folder, and again when the server
        has others.
    name : str or path
        "fashion-mnist", "mnist", "kmnist", "emnist/byclass", "emnist/bymerge",
        "emnist/balanced", "emnist/letters", "emnist/digits", "emnist/mnist", "qmnist",
        or a folder with an IDX file of images and one of labels for the split.
    download : bool
        Fetch the files if they are not there, into ``root/name`` or the cache folder.
        Without it nothing is fetched.
    cache : bool
        Keep decoded copies in the cache folder and use them the next time.

    Returns
    -------
    Dataset
        Read-only arrays. EMNIST's images stand upright, and labels count from 0.
        QMNIST's other labels are in `extra`. If a file isn't the published one of that
        name, a warning says so, `name` is None, and `classes` are numbers unless a
        ``dataset.json`` beside the files names them.

    Raises
    ------
    FileNotFoundError
        The files are not there; the message says where they were looked for, and what
        would be fetched from where.
    FormatError
        A file is damaged, isn't images or labels, or they disagree in number.
    OSError
        Fetching failed.
    ImportError
        A URL needs a package that is missing.
    ValueError
        There is no such dataset or split.
    """
    if is_url(root):
        root = _fetched_from(str(root), split, name, download)
    known, images, labels = _locate(split, root, name, download)
    return load_pair(split, images, labels, cache, known)


def _fetched_from(
    url: str, split: str, name: str | os.PathLike[str], download: bool
) -> Path:
    """The folder with copies of a split's files, which are in the folder at `url`."""
    if download:
        raise ValueError(
            "download fetches the published files; those of root are fetched without "
            f"it, got root={shown(url)!r}"
        )
    if is_folder(name):
        raise ValueError(f"root goes with the name of a dataset, got folder {name}")
    from .._download.urls import fetch_first  # takes time, and is for URLs alone

    part = check_split(find_member(name), split)
    folder = url.rstrip("/")
    copies = []
    for stem in (part.images, part.labels):
        copy = fetch_first([f"{folder}/{stem}", f"{folder}/{stem}.gz"])
        if copy is None:
            raise FileNotFoundError(f"there is no {stem} or {stem}.gz in {shown(url)}")
        copies.append(copy)
    fetch_first([f"{folder}/{CARD_NAME}"], needed=False)
    return copies[0].parent


def find_pair(
    split: str, root: str | os.PathLike[str] | None = None, name: str = DEFAULT
) -> tuple[Path, Path]:
    """The paths of the images and of the labels file of a split."""
    member = find_member(name)
    part = check_split(member, split)
    # A root without a name is taken at its word; load() warns.
    strict = root is None or name != DEFAULT
    bases, passed = _bases(root), ""
    for base in bases:
        for folder in member.folders:
            images = _find_file(base / folder, part.images)
            labels = _find_file(base / folder, part.labels)
            if images is None and labels is None:
                continue
            if images is None or labels is None:
                there, stem = images or labels, part.labels if images else part.images
                raise FileNotFoundError(
                    f"{there} is there, but {stem} or {stem}.gz is not beside it"
                )
            other = None
            if strict and folder in _SHARED_FOLDERS:
                other = _other_owner(member, labels)
            if other is None:
                return images, labels
            passed += f"; {labels} is {other.title}'s: pass name={other.name!r}"
    raise FileNotFoundError(_what_is_missing(member, split, bases, root, passed))


def fetch_splits(
    member: Member,
    splits: Iterable[str],
    root: str | os.PathLike[str] | None = None,
    *,
    progress: bool = True,
) -> list[Path]:
    """Fetch the files of splits that aren't there yet; returns where all of them are.

    Parameters
    ----------
    root : path, optional
        The folder of datasets, the files come into one below it. By default the cache
        folder, or ``$FMNIST_FAST_DATA`` where that is switched off.
    progress : bool
        Show how far it is.
    """
    from .._download.fetch import fetch

    splits = list(splits)
    folder = _target(member, root)
    remote = dict.fromkeys(file for split in splits for file in member.remote_of(split))
    paths = fetch(list(remote), folder, progress=progress)
    if not member.archive:
        return paths
    from .._download.archive import extract

    return extract(paths[0], folder, member.archived(splits))


def _locate(
    split: str,
    root: str | os.PathLike[str] | None,
    name: str | os.PathLike[str],
    download: bool,
) -> Found:
    """A split's files, which may have to be fetched first."""
    if is_folder(name):
        if root is not None or download:
            what = "root" if root is not None else "download"
            raise ValueError(
                f"{what} goes with the name of a dataset, got folder {name}"
            )
        return find_named(split, name)
    member = find_member(name)
    # What a root without a name holds may be anything.
    folder, found = None, None
    if root is not None and member.name == DEFAULT and _path_of(root).is_dir():
        folder = _path_of(root)
    if folder is not None and split not in member.splits and str(split).isalnum():
        found = find_any(split, folder)
        if found is not None:
            return found
    part = check_split(member, split)
    try:
        return member.name, *find_pair(split, root, member.name)
    except FileNotFoundError:
        half = folder and (
            _find_file(folder, part.images) or _find_file(folder, part.labels)
        )
        if folder is not None and not half and is_another(folder):
            raise FileNotFoundError(
                f"{folder} is a dataset of its own by its {CARD_NAME}, and has no "
                f"split {split!r}"
            ) from None
        if not download:
            if folder is not None:
                found = _any_others(member, split, folder)
            if found is None:
                raise
            return found
    images, labels = fetch_splits(member, [split], root)
    return member.name, images, labels


def _any_others(member: Member, split: str, folder: Path) -> Found | None:
    """The split in a folder without a file that is named like one of `member`."""
    stems = [
        stem for part in member.splits.values() for stem in (part.images, part.labels)
    ]
    if not folder.is_dir() or any(_find_file(folder, stem) for stem in stems):
        return None
    return find_any(split, folder)


def _bases(root: str | os.PathLike[str] | None) -> list[Path]:
    """Folders of datasets to look in."""
    if root is None:
        known = [config.data_folder(), config.cache_folder()]
        return [folder for folder in known if folder is not None]
    base = _path_of(root)
    if not base.is_dir():
        what = "a file" if base.exists() else "missing"
        raise FileNotFoundError(f"root must be a folder, but {root} is {what}")
    return [base]


def _path_of(root: str | os.PathLike[str]) -> Path:
    try:
        return Path(expanded(root))
    except TypeError:
        raise TypeError(f"root must be a path, got {root!r}") from None


def _target(member: Member, root: str | os.PathLike[str] | None) -> Path:
    """The folder to fetch files into."""
    if root is not None:
        return _path_of(root) / member.folder
    base = config.cache_folder() or config.data_folder()
    if base is None:
        raise FileNotFoundError(
            f"nowhere to put {member.title}: FMNIST_FAST_CACHE is off and "
            "FMNIST_FAST_DATA is not set; name a folder"
        )
    return base / member.folder


def _find_file(folder: Path, stem: str) -> Path | None:
    for name in (stem, f"{stem}.gz"):
        if (folder / name).is_file():
            return folder / name
    return None


def _other_owner(member: Member, labels: Path) -> Member | None:
    """Whose published file this is, if it is another dataset's.

    Labels are short: reading them costs little.
    """
    own = [file.nbytes for file in member.remote if file.name == labels.name]
    if labels.stat().st_size in own:  # no two datasets agree in this
        return None
    from .._registry.hashes import known_sha256, sha256_of
    from ..idx import read_idx

    try:
        owner = owner_of(known_sha256(sha256_of(labels), read_idx(labels)))
    except (OSError, ValueError):
        return None  # to be reported when it is loaded
    return None if owner is None or owner[0].name == member.name else owner[0]


def _what_is_missing(
    member: Member,
    split: str,
    bases: list[Path],
    root: str | os.PathLike[str] | None,
    passed: str,
) -> str:
    part = member.splits[split]
    named = (str(base) if base.is_dir() else f"{base} (missing)" for base in bases)
    places = ", ".join(named) or "nowhere: FMNIST_FAST_DATA is not set"
    remote = member.remote_of(split)
    size = sum(file.nbytes or 0 for file in remote) / 1e6
    try:
        target = f"to {_target(member, root)}"
    except FileNotFoundError:
        target = "where root= says"
    stand_in = (
        ", or draw a stand-in with fmnist_fast.synthetic()"
        if member.name == DEFAULT
        else ""
    )
    return (
        f"found no {part.images}[.gz] and {part.labels}[.gz] in {places}{passed}. "
        f"download=True or 'fmnist-fast download {member.name}' fetches "
        f"{' and '.join(file.urls[0] for file in remote)} ({size:.1f} MB) "
        f"{target}. Or put the files there, pass root=FOLDER, set "
        f"FMNIST_FAST_DATA=FOLDER{stand_in}"
    )

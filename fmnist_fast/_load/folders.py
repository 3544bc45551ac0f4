"""Finding a split in any folder of IDX files, by what the files are called.

MNIST's names are the pattern: a word for the split (``train``; ``test`` or ``t10k``;
any other), ``images`` or ``idx3``, ``labels`` or ``idx1``, in any order and with
anything between them. ``.gz`` may follow.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from .._io.paths import expanded
from .._registry.datasets import MEMBERS

_SPLIT_WORDS = {"test": {"test", "t10k"}}
_KINDS = {
    "images": {"images", "image", "idx3"},
    "labels": {"labels", "label", "idx1", "idx2"},
}
_MAX_LISTED = 12

Found = tuple[str | None, Path, Path]  # whose files, the images and the labels


def is_folder(name: str | os.PathLike[str]) -> bool:
    """Whether that is a path and not the name of a dataset."""
    if not isinstance(name, str):
        return isinstance(name, os.PathLike)
    if name in MEMBERS:
        return False
    return os.path.isabs(name) or name.startswith((".", "~")) or os.path.isdir(name)


def find_named(split: str, name: str | os.PathLike[str]) -> Found:
    """What `find_any` finds in the folder `name`; raises if that is nothing."""
    if not isinstance(split, str) or not split.isalnum():
        raise ValueError(f"split must be a word such as 'train', got {split!r}")
    folder = Path(expanded(name))
    if not folder.is_dir():
        what = "a file" if folder.exists() else "missing"
        raise FileNotFoundError(
            f"name must be a dataset or a folder, but {name} is {what}"
        )
    found = find_any(split, folder)
    if found is None:
        raise FileNotFoundError(
            f"there is no IDX file in {folder}: its name must have idx or ubyte in it"
        )
    return found


def find_any(split: str, folder: Path) -> Found | None:
    """The images and the labels of a split in `folder`.

    Returns
    -------
    tuple of str or None, Path, Path, or None
        The member of the family whose own names these are, if it is one with names
        like no other; both files. None where no IDX file is in the folder.

    Raises
    ------
    FileNotFoundError
        There are IDX files, but none or more than one that fit; lists them.
    """
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), reverse=True):  # plain files after their .gz
        if path.is_file() and _is_idx(path):
            files[path.name.removesuffix(".gz")] = path
    if not files:
        return None
    words = _SPLIT_WORDS.get(split, {split.lower()})
    found = {
        kind: [
            path
            for stem, path in sorted(files.items())
            if _words(stem) & words and _words(stem) & kind_words
        ]
        for kind, kind_words in _KINDS.items()
    }
    for kind, paths in found.items():
        if len(paths) != 1:
            amount = "no" if not paths else "more than one"
            listed = _listed(paths or sorted(files.values()))
            raise FileNotFoundError(
                f"{amount} file of {kind} of the split {split!r} in {folder}: its name "
                f"must have {_either(words)}, and {_either(_KINDS[kind])}; there are "
                f"{listed}"
            )
    images, labels = found["images"][0], found["labels"][0]
    return _named_after(images), images, labels


def _is_idx(path: Path) -> bool:
    if path.name.startswith("."):  # such as one that is being written
        return False
    words = _words(path.name.removesuffix(".gz"))
    return any(
        word in ("ubyte", "idx") or re.fullmatch(r"idx\d", word) for word in words
    )


def _words(name: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", name.lower()))


def _either(words: set[str]) -> str:
    return " or ".join(sorted(words))


def _listed(paths: list[Path]) -> str:
    more = len(paths) - _MAX_LISTED
    names = ", ".join(path.name for path in paths[:_MAX_LISTED])
    return names + (f" and {more} more" if more > 0 else "")


def _named_after(images: Path) -> str | None:
    stem = images.name.removesuffix(".gz")
    owners = [
        member.name
        for member in MEMBERS.values()
        if any(split.images == stem for split in member.splits.values())
    ]
    return owners[0] if len(owners) == 1 else None

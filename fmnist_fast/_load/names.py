"""Names of dataset files: the spellings of a published name, and the words in a name.

The same file is called `t10k-images-idx3-ubyte.gz` by its publisher,
`t10k-images.idx3-ubyte` by 7-zip and `t10k-images-idx3-ubyte (1).gz` by a browser. Some
tools unpack it into a folder of its name.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from .._io.paths import File
from .._io.private import only_files

_COPY = re.compile(r" ?\(\d+\)")  # a browser marks a second download like this
_SPLIT_WORDS = {"test": {"test", "t10k"}}
_KINDS = {
    "image": {"images", "image", "idx3"},
    "label": {"labels", "label", "idx1", "idx2"},
}


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder, or no names if it is unreadable."""
    try:
        return os.listdir(folder)
    except (OSError, ValueError):
        return []


def words_of(name: str) -> list[str]:
    """Return the words and numbers in a file's name, in lower case."""
    return re.findall(r"[a-z0-9]+", name.lower())


def stem_of(name: str) -> str:
    """Return a file's name without the number of a copy and without ``.gz``."""
    return _COPY.sub("", name).removesuffix(".gz")


# ---- files of published names -----------------------------------------------------


def find_file(folder: Path, stem: str) -> File | None:
    """Return the file in `folder` whose name is closest to `stem`, if it has one.

    A file that lies in a folder of its name counts if there is no other file.
    """
    return next(map(File, only_files(_candidates(folder, stem))), None)


def _candidates(folder: Path, stem: str) -> Iterator[Path]:
    """Yield the paths that a file may have, the closest to `stem` first."""
    yield folder / stem
    yield folder / f"{stem}.gz"
    names = _spellings_in(folder, stem)
    yield from (folder / name for name in names)
    for at in names:  # a folder of that name?
        yield from (folder / at / name for name in _spellings_in(folder / at, stem))


def _spellings_in(folder: Path, stem: str) -> list[str]:
    """Return the spellings of `stem` in a folder, the closest one first."""
    names = names_in(folder)
    ranked = [(rank, name) for name in names if (rank := spelling(name, stem))]
    return [name for _, name in sorted(ranked)]


def spelling(name: str, stem: str) -> tuple[list[int], bool] | None:
    """Return a sort key for a spelling of `stem`, or None if `name` is another name.

    The words of `stem` may be joined by any characters. Suffixes and the number of a
    copy may follow.
    """
    stem_words = words_of(stem) or [stem]
    # This check is cheap, and a folder may have thousands of other files.
    if stem_words[0] not in name.lower() or name.startswith("."):
        return None
    words, n = words_of(name), len(stem_words)
    marks = [word for word in words[n:] if word not in ("gz", "idx")]
    numbers = [int(word) for word in marks if word.isdigit()]
    if words[:n] != stem_words or len(numbers) + marks.count("copy") < len(marks):
        return None
    return numbers or [0] * len(marks), "gz" in words


# ---- any IDX files ----------------------------------------------------------------


def idx_names(folder: Path) -> list[str]:
    """Return the names of the IDX files in a folder.

    If each of them lies in a folder of its name, the names begin with those folders.
    """
    names = _names_of_idx(folder)
    if distinct_files(folder, names):
        return names
    return [
        f"{at}/{name}"
        for at in names
        for name in _names_of_idx(folder / at)
        if spelling(name, at)
    ]


def _names_of_idx(folder: Path) -> list[str]:
    return [
        name
        for name in names_in(folder)
        if not name.startswith(".")  # such as a file that is still being written
        and is_idx_name(name)
    ]


def find_by_words(
    folder: Path, split: str
) -> Iterator[tuple[str, list[set[str]], list[Path]]]:
    """Yield the kind, the sets of words and the files, of images and of labels.

    A file's name has a word of each set, the first of which stands for the split.
    """
    names = idx_names(folder)
    split_words = _SPLIT_WORDS.get(split.lower(), {split.lower()})
    for kind, words in _KINDS.items():
        matching = [
            name
            for name in names
            if split_words & {*words_of(stem_of(name))} and words & {*words_of(name)}
        ]
        yield kind, [split_words, words], distinct_files(folder, matching)


def pair_by_words(folder: Path, split: str) -> list[File]:
    """Return the image file and the label file of a split, or none if not one each."""
    found = [paths for _, _, paths in find_by_words(folder, split)]
    return [File(path) for [path] in found] if [*map(len, found)] == [1, 1] else []


def is_idx_name(name: str) -> bool:
    """Return whether a name is that of an IDX file."""
    return any(re.fullmatch(r"ubyte|idx\d?", word) for word in words_of(name))


def distinct_files(folder: Path, names: Iterable[str]) -> list[Path]:
    """Return the preferred file of each stem, sorted by stem."""
    paths = only_files(folder / name for name in sorted(names, key=_preference))
    by_stem = {stem_of(path.name): path for path in paths}  # the last one wins
    return [path for _, path in sorted(by_stem.items())]


def _preference(name: str) -> tuple[bool, bool, str]:
    """Return a key that sorts the file to prefer last."""
    return not _COPY.search(name), not name.endswith(".gz"), name


def subfolders(base: Path, depth: int = 2, most: int = 100) -> Iterator[Path]:
    """Yield the folders in `base` to a depth, without hidden ones, `most` in all."""
    folders = [base]
    for _ in range(depth):
        names = ((at, name) for at in folders for name in sorted(names_in(at)))
        paths = (at / name for at, name in names if not name.startswith("."))
        folders = [*itertools.islice(filter(os.path.isdir, paths), most)]
        yield from folders

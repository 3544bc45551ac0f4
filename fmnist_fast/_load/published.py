"""Download the published files of a dataset, or say how to get them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from .. import config
from .._io.content import AGAIN, REPLACE
from .._io.paths import expanded
from .._registry.datasets import DEFAULT
from .._registry.spec import DatasetSpec, SplitSpec
from ..errors import FormatError

Root = str | os.PathLike[str] | None
OR_SYNTHETIC = "Or draw a synthetic dataset in Python: train, test = ff.synthetic()"
_ADVICE = "Download the files ("  # how the text of `how_to_get` starts


def fetch_splits(
    spec: DatasetSpec, parts: Iterable[SplitSpec], root: Root = None
) -> list[Path]:
    """Download the missing files of some splits, and return the paths of all files.

    The files go into a subfolder of `root`, which is named after the dataset. By
    default, `root` is the cache folder. If the cache is off, it is
    ``$FMNIST_FAST_DATA``.
    """
    from .._download.fetch import fetch

    parts, folder = list(parts), _target_folder(spec, root)
    if folder is None:
        raise FileNotFoundError(
            f"no folder to download {spec.title} into: FMNIST_FAST_CACHE is off and "
            "FMNIST_FAST_DATA is not set.\n"
            "Pass root=FOLDER, or --to FOLDER on the command line."
        )
    files = dict.fromkeys(file for part in parts for file in spec.files_of(part))
    try:
        paths = fetch(list(files), folder)
    except FormatError as error:
        split = next(name for name in spec.splits if spec.splits[name] in parts)
        raise with_advice(error, how_to_replace(spec, split, root)) from None
    if not spec.archive:
        return paths
    from .._io.archive import extract

    return extract(paths[0], folder, spec.archived(parts))


def _target_folder(spec: DatasetSpec, root: Root) -> Path | None:
    """Return the folder for downloaded files, or None if no setting names one."""
    base = config.cache_folder() or config.data_folder()
    base = base if root is None else Path(expanded(root))
    return base and base / spec.folder


def how_to_get(
    spec: DatasetSpec, split: str, part: SplitSpec, root: Root, *, is_named: bool
) -> str:
    """Return the lines of a message that say how to get the files of a split.

    `is_named` says whether the caller passed the dataset's name to `load`.
    """
    files, folder = spec.files_of(part), _target_folder(spec, root)
    size = sum(file.nbytes or 0 for file in files) / 1e6
    target = "FOLDER" if root is None and folder is None else root
    where = f"{folder or 'a folder of your choice'}{if_allowed()}"
    lines = [
        f"{_ADVICE}{size:.1f} MB) into {where}:",
        *_commands(spec, split, target, is_named=is_named),
        f"Or put {' and '.join(part.stems)} there, plain or .gz, from:",
        *(f"  {file.urls[0]}" for file in files),
    ]
    if root is None:
        lines.append(
            "If you have the files, pass root=FOLDER or set FMNIST_FAST_DATA=FOLDER."
        )
    if spec.name == DEFAULT:
        lines.append(OR_SYNTHETIC)
    return "\n".join(lines)


def how_to_replace(
    spec: DatasetSpec, split: str, root: Root, *, is_named: bool = True
) -> str:
    """Return lines that say how to replace a file, with a line break before them."""
    text = f"\nDelete it, then download the published file{if_allowed()}:"
    return "\n".join([text, *_commands(spec, split, root, is_named=is_named)])


def with_advice(error: FormatError, advice: str) -> FormatError:
    """Return an error that ends with `advice`, unless this is empty."""
    if not advice:
        return error
    text = str(error).removesuffix(AGAIN).removesuffix(REPLACE).rstrip()
    return FormatError(f"{text}{advice}")


def if_allowed() -> str:
    """Return what must be done before a download, or "" if downloads are allowed."""
    return ", after you unset FMNIST_FAST_OFFLINE" if config.offline() else ""


def command_of(spec: DatasetSpec, root: Root) -> str:
    """Return the command that downloads all splits of a dataset."""
    folder = "" if root is None else f' --to "{os.fspath(root)}"'
    return f"fmnist-fast download {spec.name}{folder}"


def _commands(
    spec: DatasetSpec, split: str, root: Root, *, is_named: bool
) -> tuple[str, str]:
    """Return the call and the command that download a split."""
    in_python = "" if root is None else f", root={os.fspath(root)!r}"
    name = f', name="{spec.name}"' if is_named else ""
    return (
        f'  in Python:  ff.load("{split}"{in_python}{name}, download=True)',
        f"  in a shell: {command_of(spec, root)}  # all splits",
    )


def longest_message(errors: Iterable[FileNotFoundError]) -> FileNotFoundError:
    """Return the error with the most lines, since hints have a line each."""
    return max(errors, key=lambda error: str(error).count("\n"))


def without_advice(error: FileNotFoundError) -> str:
    """Return a message without the lines that `how_to_get` added to it."""
    return str(error).partition(f"\n{_ADVICE}")[0]

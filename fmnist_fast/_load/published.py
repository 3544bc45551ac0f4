"""Fetch the published files of a dataset, or say how to get them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from .. import config
from .._io.paths import expanded
from .._registry.datasets import DEFAULT
from .._registry.spec import DatasetSpec, SplitSpec

Root = str | os.PathLike[str] | None
_ADVICE = "download=True or "


def fetch_splits(
    spec: DatasetSpec, parts: Iterable[SplitSpec], root: Root = None
) -> list[Path]:
    """Fetch the files of splits that aren't there yet, and return all their paths.

    `root` is the folder of datasets, below which they come into a folder of their own.
    By default it is the cache folder, or ``$FMNIST_FAST_DATA`` where that is off.
    """
    from .._download.fetch import fetch

    parts, folder = list(parts), _target_folder(spec, root)
    if folder is None:
        raise FileNotFoundError(
            f"nowhere to put {spec.title}: FMNIST_FAST_CACHE is off and "
            "FMNIST_FAST_DATA is not set; name a folder"
        )
    files = dict.fromkeys(file for part in parts for file in spec.files_of(part))
    paths = fetch(list(files), folder)
    if not spec.archive:
        return paths
    from .._download.archive import extract

    return extract(paths[0], folder, spec.archived(parts))


def _target_folder(spec: DatasetSpec, root: Root) -> Path | None:
    base = config.cache_folder() or config.data_folder()
    base = base if root is None else Path(expanded(root))
    return base and base / spec.folder


def how_to_get(spec: DatasetSpec, part: SplitSpec, root: Root) -> str:
    """Return the lines of a message that say how to get the files of a split."""
    files, folder = spec.files_of(part), _target_folder(spec, root)
    size = sum(file.nbytes or 0 for file in files) / 1e6
    where, put = "", "there, pass root=FOLDER, or set FMNIST_FAST_DATA=FOLDER"
    if root is not None:
        where, put = f" --to {root}", f"into {root}"
    lines = [
        f"{_ADVICE}'fmnist-fast download {spec.name}{where}' fetches "
        f"{' and '.join(file.urls[0] for file in files)} ({size:.1f} MB) "
        f"{f'to {folder}' if folder else 'where root= says'}.",
        f"Or put the files {put}.",
    ]
    if spec.name == DEFAULT:
        lines.append("Or draw a stand-in: train, test = fmnist_fast.synthetic().")
    return "\n".join(lines)


def most_telling(errors: Iterable[FileNotFoundError]) -> FileNotFoundError:
    """Return the error that says most of what is there instead, a line each."""
    return max(errors, key=lambda error: str(error).count("\n"))


def without_advice(error: FileNotFoundError) -> str:
    """Return a message without the lines that `how_to_get` added to it."""
    return str(error).partition(f"\n{_ADVICE}")[0]

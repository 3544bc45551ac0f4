"""The files of the published datasets, read from files.txt beside this module."""

from __future__ import annotations

from pathlib import Path

from .spec import PublishedFile


def _read_list() -> dict[str, tuple[PublishedFile, ...]]:
    """Return the published files, by the folder that they are downloaded into."""
    text = Path(__file__).with_name("files.txt").read_text("utf-8")
    mirrors: dict[str, list[str]] = {}
    files: dict[str, tuple[PublishedFile, ...]] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        dataset, *words = line.split()
        if len(words) == 1:
            mirrors.setdefault(dataset, []).extend(words)
            continue
        name, nbytes, md5, sha256, idx_sha256 = words
        urls = (url + name if url.endswith("/") else url for url in mirrors[dataset])
        inside = None if idx_sha256 == "-" else idx_sha256
        file = PublishedFile(name, tuple(urls), sha256, md5, int(nbytes), inside)
        files[dataset] = (*files.get(dataset, ()), file)
    return files


PUBLISHED = _read_list()

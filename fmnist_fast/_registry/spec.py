"""What is known of a published dataset: its files, and how to read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class PublishedFile(NamedTuple):
    """A published file: where to fetch it, and how to tell that it is the right one.

    At least one of the hashes is known, all in hexadecimal.
    """

    name: str  # on disk, never taken from a server
    urls: tuple[str, ...]  # in the order to try; http only where `sha256` is known
    sha256: str | None = None
    md5: str | None = None
    nbytes: int | None = None
    idx_sha256: str | None = None  # of the IDX file inside


class SplitSpec(NamedTuple):
    """The files of a split, and which of their rows it has."""

    images: str  # without .gz
    labels: str
    n_items: int  # in the published file
    begin: int = 0
    end: int | None = None

    @property
    def stems(self) -> tuple[str, str]:
        """The names of both files."""
        return self.images, self.labels


class DatasetSpec(NamedTuple):
    """A published dataset."""

    name: str  # as `load` has it
    title: str  # as people have it
    classes: tuple[str, ...]
    splits: Mapping[str, SplitSpec]
    folders: tuple[str, ...]  # below a folder of datasets, the likely ones first
    files: tuple[PublishedFile, ...]  # what to fetch: an archive, or compressed files
    archive: str = ""  # the folder inside the archive, where there is an archive
    transposed: bool = False  # whether files hold columns of pixels instead of rows
    first_label: int = 0  # the number of the first class in the files
    columns: tuple[str, ...] = ()  # names of the columns of labels after the class

    @property
    def folder(self) -> str:
        """The folder that its files are fetched into, below a folder of datasets."""
        return self.name.partition("/")[0]

    def files_of(self, part: SplitSpec) -> tuple[PublishedFile, ...]:
        """Return what has to be fetched for a split."""
        names = [f"{stem}.gz" for stem in part.stems]
        return tuple(f for f in self.files if self.archive or f.name in names)

    def archived(self, parts: Iterable[SplitSpec]) -> dict[str, int]:
        """Return the files of splits in the archive, and the most bytes of each."""
        sizes = {}
        for part in parts:
            sizes[part.images] = 16 + 28 * 28 * part.n_items
            sizes[part.labels] = 8 + part.n_items
        # What does not compress is stored: 5 bytes for each 16 KiB or more, and a head.
        return {
            f"{self.archive}/{stem}.gz": nbytes + nbytes // 1000 + 1024
            for stem, nbytes in sizes.items()
        }

    def sha256_of(self, stem: str) -> tuple[str | None, str | None]:
        """Return SHA-256 of the file `stem`, compressed and inflated, where known."""
        known = [(f.sha256, f.idx_sha256) for f in self.files if f.name == f"{stem}.gz"]
        return known[0] if known else (None, None)

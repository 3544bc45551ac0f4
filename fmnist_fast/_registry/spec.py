"""The type of a published dataset: its files, and how to read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class PublishedFile(NamedTuple):
    """A published file: its URLs, and the hashes by which it is recognized.

    Attributes
    ----------
    name : str
        Name of the file on disk. It never comes from a server.
    urls : tuple of str
        URLs in the order to try. http is used only if `sha256` is known.
    sha256, md5 : str or None
        Hashes of the file in hexadecimal. At least one of them is known.
    nbytes : int or None
        Size of the file.
    idx_sha256 : str or None
        SHA-256 of the IDX file inside.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str | None = None
    md5: str | None = None
    nbytes: int | None = None
    idx_sha256: str | None = None


class SplitSpec(NamedTuple):
    """The two files of a split, and the rows of these files that it has.

    Attributes
    ----------
    images, labels : str
        Names of the files without ``.gz``.
    n_items : int
        Number of items in each published file.
    begin, end : int, int or None
        First row of the split, and the row after its last one. None is the end of the
        file.
    """

    images: str
    labels: str
    n_items: int
    begin: int = 0
    end: int | None = None

    @property
    def stems(self) -> tuple[str, str]:
        """Return the names of both files."""
        return self.images, self.labels


class DatasetSpec(NamedTuple):
    """A published dataset.

    Attributes
    ----------
    name : str
        Name for `load`.
    title : str
        Name in messages.
    classes : tuple of str
        Names of the classes.
    splits : mapping
        The splits by name.
    folders : tuple of str
        Subfolders to search for the files, the likely ones first.
    files : tuple of PublishedFile
        Files to download: one archive, or the compressed IDX files.
    archive : str
        Folder of the files inside the archive. Empty without an archive.
    transposed : bool
        Whether image files are stored column by column.
    first_label : int
        Number of the first class in the label files.
    columns : tuple of str
        Names of the label columns after the class number.
    moments : (mean, std), or None
        Mean and standard deviation of all training pixels divided by 255, if known.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    splits: Mapping[str, SplitSpec]
    folders: tuple[str, ...]
    files: tuple[PublishedFile, ...]
    archive: str = ""
    transposed: bool = False
    first_label: int = 0
    columns: tuple[str, ...] = ()
    moments: tuple[float, float] | None = None

    @property
    def folder(self) -> str:
        """Return the subfolder that the files are downloaded into."""
        return self.name.partition("/")[0]

    def files_of(self, part: SplitSpec) -> tuple[PublishedFile, ...]:
        """Return the files to download for a split."""
        names = [f"{stem}.gz" for stem in part.stems]
        return tuple(f for f in self.files if self.archive or f.name in names)

    def archived(self, parts: Iterable[SplitSpec]) -> dict[str, int]:
        """Return the files of splits inside the archive, and their maximum sizes."""
        sizes = {}
        for part in parts:
            sizes[part.images] = 16 + 28 * 28 * part.n_items
            sizes[part.labels] = 8 + part.n_items
        # gzip stores data that does not compress. This adds 5 bytes for each block of
        # 16 KiB or more, and a header.
        return {
            f"{self.archive}/{stem}.gz": nbytes + nbytes // 1000 + 1024
            for stem, nbytes in sizes.items()
        }

    def sha256_of(self, stem: str) -> tuple[str | None, str | None]:
        """Return the SHA-256 of file `stem`, compressed and uncompressed, if known."""
        known = [(f.sha256, f.idx_sha256) for f in self.files if f.name == f"{stem}.gz"]
        return known[0] if known else (None, None)

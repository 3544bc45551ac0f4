"""What is known of a published dataset: its files, and how to read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedFile:
    """A published file: where to fetch it, and how to tell that it is the right one.

    Attributes
    ----------
    name : str
        Name on disk, never taken from a server.
    urls : tuple of str
        Where it is, in the order to try. A URL that is not https is only tried where
        `sha256` is known.
    sha256, md5 : str or None
        Published hashes, in hexadecimal. At least one is known.
    nbytes : int or None
        Its size, where that is published.
    idx_sha256 : str or None
        SHA-256 of the IDX file inside, where that is known.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str | None = None
    md5: str | None = None
    nbytes: int | None = None
    idx_sha256: str | None = None


@dataclass(frozen=True)
class SplitSpec:
    """The names of a split's files without ``.gz``, how many items they have, which
    of these make the split.
    """

    images: str
    labels: str
    n_items: int
    begin: int = 0
    end: int | None = None

    @property
    def stems(self) -> tuple[str, str]:
        """Both names."""
        return self.images, self.labels


@dataclass(frozen=True)
class DatasetSpec:
    """A published dataset.

    Attributes
    ----------
    name, title : str
        What :func:`load` calls it, and what people do.
    classes : tuple of str
    splits : mapping of str to SplitSpec
    folders : tuple of str
        Where its files may be below a folder of datasets, the likely ones first.
    files : tuple of PublishedFile
        What to fetch: the compressed files, or the archive that holds them.
    archive : str
        The folder inside the archive, where there is an archive.
    transposed : bool
        Whether the files hold columns of pixels instead of rows.
    first_label : int
        The number of the first class in the files.
    columns : tuple of str
        Names of the columns of labels after the class.
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

    @property
    def folder(self) -> str:
        """The folder that its files are fetched into, below a folder of datasets."""
        return self.name.partition("/")[0]

    def files_of(self, split: str) -> tuple[PublishedFile, ...]:
        """Return what has to be fetched for a split."""
        names = [f"{stem}.gz" for stem in self.splits[split].stems]
        return tuple(f for f in self.files if self.archive or f.name in names)

    def archived(self, splits: Iterable[str]) -> dict[str, int]:
        """Return the files of splits in the archive, and the most bytes of each."""
        sizes = {}
        for split in map(self.splits.__getitem__, splits):
            sizes[split.images] = 16 + 28 * 28 * split.n_items
            sizes[split.labels] = 8 + split.n_items
        # What does not compress is stored: 5 bytes for each 16 KiB or more, and a head.
        return {
            f"{self.archive}/{stem}.gz": nbytes + nbytes // 1000 + 1024
            for stem, nbytes in sizes.items()
        }

    def sha256_of(self, stem: str) -> tuple[str | None, str | None]:
        """Return SHA-256 of the file `stem`, compressed and inflated, where known."""
        known = [(f.sha256, f.idx_sha256) for f in self.files if f.name == f"{stem}.gz"]
        return known[0] if known else (None, None)

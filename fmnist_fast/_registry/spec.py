"""What is known of a dataset of the family: its files, and how they are to be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .published import RemoteFile


@dataclass(frozen=True)
class Split:
    """Where the rows of a split are.

    Attributes
    ----------
    images, labels : str
        The files, without ``.gz``.
    n_items : int
        Images in the published file.
    begin, end : int
        The images that make the split, where they aren't all.
    """

    images: str
    labels: str
    n_items: int
    begin: int = 0
    end: int | None = None


@dataclass(frozen=True)
class Member:
    """A dataset of the family.

    Attributes
    ----------
    name, title : str
        What :func:`load` calls it, and what people do.
    classes : tuple of str
    splits : mapping of str to Split
    folders : tuple of str
        Where its files may be below a folder of datasets, the likely ones first; ""
        and "raw" are others' too.
    remote : tuple of RemoteFile
        What to fetch: the compressed files, or the archive with them inside.
    archive : str
        The folder inside of the archive, where there is one.
    idx_sha256 : mapping of str to str
        SHA-256 of inflated files, where they are known.
    transposed : bool
        Whether the files hold columns of pixels instead of rows.
    first_label : int
        What the files count classes from.
    columns : tuple of str
        Names of the columns of labels after the class.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    folders: tuple[str, ...]
    remote: tuple[RemoteFile, ...]
    archive: str = ""
    idx_sha256: Mapping[str, str] = field(default_factory=dict)
    transposed: bool = False
    first_label: int = 0
    columns: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """The folder that its files are fetched into, below one of datasets."""
        return self.name.partition("/")[0]

    def remote_of(self, split: str) -> tuple[RemoteFile, ...]:
        """What has to be fetched for a split."""
        if self.archive:
            return self.remote
        wanted = (self.splits[split].images, self.splits[split].labels)
        return tuple(f for f in self.remote if f.name.removesuffix(".gz") in wanted)

    def archived(self, splits: Iterable[str]) -> dict[str, int]:
        """The files of splits in the archive, and the bytes that each has at most."""
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
        """SHA-256 of the file `stem` as compressed and as inflated, where known."""
        compressed = [f.sha256 for f in self.remote if f.name == f"{stem}.gz"]
        return (*compressed, None)[0], self.idx_sha256.get(stem)

"""Find the photos in a folder, in an order that stays, and read one.

FOLDER/class/.../photo.jpg, or FOLDER/train/class/... and FOLDER/test/class/..., as
torchvision's ImageFolder has it.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .._checks import install_hint
from .._registry.datasets import SPLITS
from ..errors import FormatError
from .convert import MAX_PIXELS, convert_in_steps

# What Pillow decodes by itself (for EPS, say, it would start another program), and how
# their files are called. JPEG comprises the MPO of cameras.
_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = frozenset(
    ".avif .bmp .gif .jfif .jpe .jpeg .jpg .pgm .png .pnm .ppm .tif .tiff .webp".split()
)
_OTHER_SPLITS = {"val", "valid", "validation", "dev"}
_RESOURCES = "__MACOSX"  # the folder that macOS adds to a zip file; no photos are in it


class Photo(NamedTuple):
    """A file, and which image is to become of it.

    Attributes
    ----------
    split : str
        "train" or "test".
    label : int
    path : str
        Below the folder.
    nbytes, mtime_ns : int
        Size and time of change; -1 and 0 where the file can't be seen.
    """

    split: str
    label: int
    path: str
    nbytes: int
    mtime_ns: int

    def to_line(self) -> bytes:
        """Return a line of JSON in ASCII, whatever characters the path has."""
        return json.dumps(self).encode() + b"\n"

    @staticmethod
    def from_line(line: bytes) -> Photo:
        """Return the photo that `to_line` made the line of."""
        return Photo(*json.loads(line))


class PhotoFolder:
    """Photos in a folder for each class, or in train and test that have these.

    Attributes
    ----------
    folder : Path
    splits : dict of str to Path
        The folder of the classes of each split; "train" alone, which is `folder`, where
        there are no folders of splits.
    classes : list of str
        The names of the classes of all splits together, sorted.
    n_skipped : int
        Files without a photo suffix or outside of the classes, counted by `photos`.

    Raises
    ------
    FileNotFoundError
        There is no such folder.
    ValueError
        There are no subfolders, or train is beside splits that IDX files don't have.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: there is no such folder of photos")
        self.folder, self.n_skipped = folder, 0
        names = _subfolders(folder)
        if not names:
            raise ValueError(f"{folder}: wanted a subfolder for each class, found none")
        self.splits = {"train": folder}
        if names <= SPLITS.keys():
            self.splits = {name: folder / name for name in SPLITS if name in names}
        elif "train" in names and names <= SPLITS.keys() | _OTHER_SPLITS:
            raise ValueError(
                f"{folder}: wanted a subfolder for each class, or train and test, "
                f"found {', '.join(sorted(names))}"
            )
        self.classes = sorted(set().union(*map(_subfolders, self.splits.values())))

    def photos(self) -> Iterator[Photo]:
        """Yield photos by split, class and path, with one folder's names in memory."""
        self.n_skipped = sum(
            not path.is_dir() and not _is_hidden(path.name)
            for parent in {self.folder, *self.splits.values()}
            for path in parent.iterdir()
        )
        for split, parent in self.splits.items():
            for label, name in enumerate(self.classes):
                if (parent / name).is_dir():
                    for path in _files(parent / name):
                        if os.path.splitext(path)[1].lower() in SUFFIXES:
                            relative = os.path.relpath(path, self.folder)
                            yield Photo(split, label, relative, *_size_and_time(path))
                        else:
                            self.n_skipped += 1


def _subfolders(folder: Path) -> set[str]:
    names = {path.name for path in folder.iterdir() if path.is_dir()}
    return {name for name in names if not _is_hidden(name)}


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == _RESOURCES


def _files(folder: str | Path) -> Iterator[str]:
    """Yield whatever isn't a folder, at any depth. Links to folders are left out."""
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not _is_hidden(entry.name)]
    for entry in sorted(visible, key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path)
        elif not entry.is_dir():
            yield entry.path


def _size_and_time(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return -1, 0  # a broken link, say; reading it will tell
    return status.st_size, status.st_mtime_ns


def steps_of_file(path: str | os.PathLike[str]) -> list[tuple[str, np.ndarray]]:
    """Return a list of what `convert_in_steps` yields for the photo in a file.

    Raises
    ------
    ImportError
        Pillow is not installed.
    OSError
        The system can't read the file.
    FormatError
        It isn't a photo, or can't be decoded or converted; the message names the file.
        Nothing else is raised, whatever is in the file.
    """
    with install_hint("photos need Pillow", "pillow"):
        from PIL import Image, UnidentifiedImageError
    Image.init()  # all formats; a few are there without
    # Opening a pipe would wait for a writer.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise FormatError(f"{path}: not a regular file")
    formats = [name for name in _FORMATS if name in Image.OPEN]
    try:
        with Image.open(path, formats=formats) as image:
            frames = list(convert_in_steps(image))
        if image.format == "PNG":
            # Decoding passes over the checksums of IDAT; this takes 1 % of its time.
            with Image.open(path, formats=["PNG"]) as image:
                image.verify()
        return frames
    except UnidentifiedImageError:
        known = ", ".join(formats)
        raise FormatError(f"{path}: not a photo in {known}, or damaged") from None
    except Image.DecompressionBombError:  # before there is an image, and a size
        limit = min(MAX_PIXELS, 2 * (Image.MAX_IMAGE_PIXELS or MAX_PIXELS))
        raise FormatError(
            f"{path}: image must have at most {limit:,} pixels, its header says more"
        ) from None
    except Exception as error:  # decoders raise what they like on damaged files
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the system, not of a decoder
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FormatError(f"{path}: {reason}") from error


def image_or_reason(path: str | os.PathLike[str]) -> np.ndarray | str:
    """Convert a photo, or say why it can't be converted.

    Returns
    -------
    ndarray, uint8 (28, 28), or str
        The image, or the reason on one line, without the path.

    Raises
    ------
    ImportError
        Pillow is not installed.
    """
    try:
        return steps_of_file(path)[-1][1]
    except FormatError as error:
        return str(error).removeprefix(f"{path}: ")
    except OSError as error:
        return error.strerror or str(error)

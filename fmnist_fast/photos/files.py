"""List the photos of a folder in a fixed order, and convert one photo file.

The photos are FOLDER/class/.../photo.jpg, as for torchvision's ImageFolder, or
FOLDER/train/class/.../photo.jpg and FOLDER/test/class/.../photo.jpg.
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

# Pillow decodes these formats by itself. For EPS, for example, it would start another
# program. JPEG includes the MPO files of cameras. SUFFIXES has the suffixes of all
# these formats.
_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = frozenset(
    ".avif .bmp .gif .jfif .jpe .jpeg .jpg .pgm .png .pnm .ppm .tif .tiff .webp".split()
)
_OTHER_SPLITS = {"val", "valid", "validation", "dev"}
_MACOS_FOLDER = "__MACOSX"  # macOS adds this folder, without photos, to zip files


class Photo(NamedTuple):
    """A photo file, with the split and the label of its image.

    Attributes
    ----------
    split : str
        Name of the split, "train" or "test".
    label : int
        Index of the class.
    path : str
        Path relative to the folder of photos.
    nbytes : int
        Size of the file in bytes, or -1 if the file is not accessible.
    mtime_ns : int
        Modification time in nanoseconds, or 0 if the file is not accessible.

    Notes
    -----
    Determinism: The values are those of the file when it was listed.

    Thread safety: A photo doesn't change after it is made, so threads can share it.

    Buffers: A photo has no pixels.
    """

    split: str
    label: int
    path: str
    nbytes: int
    mtime_ns: int

    def to_line(self) -> bytes:
        """Return one line of JSON in ASCII, for any characters in the path.

        Returns
        -------
        bytes
            The line, with a newline at the end.
        """
        return json.dumps(self).encode() + b"\n"

    @staticmethod
    def from_line(line: bytes) -> Photo:
        """Return the photo of a line from `to_line`.

        Parameters
        ----------
        line : bytes
            Line of JSON.

        Returns
        -------
        Photo
            The photo that was written to the line.

        Raises
        ------
        TypeError, ValueError
            The line is not one of `to_line`.
        """
        return Photo(*json.loads(line))


class PhotoFolder:
    """A folder of photos, with a subfolder for each class or for each split.

    Parameters
    ----------
    folder : Path
        Folder with a subfolder of photos for each class, or with the subfolders train
        and test, which have a subfolder for each class.

    Attributes
    ----------
    folder : Path
        Folder, as given.
    splits : dict of str to Path
        Folder with the classes of each split. Without subfolders for splits, the only
        split is "train", and its folder is `folder`.
    classes : list of str
        Class names of all splits together, sorted as text. If all are integers, such as
        "0" to "10", they are sorted by value.
    n_skipped : int
        Number of files that have no photo suffix or are not in the folder of a class.
        It is 0 until `photos` counts them.

    Raises
    ------
    FileNotFoundError
        The folder does not exist.
    ValueError
        The folder has no subfolders, or has train and a split such as val, for which
        IDX files have no name.

    Notes
    -----
    Determinism: The order of the photos depends only on the names of files and folders.

    Thread safety: Use an object in one thread at a time.

    Buffers: Only the names in one folder at a time are in memory. No photo is read.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: there is no such folder of photos")
        self.folder, self.n_skipped = folder, 0
        names = _subfolders(folder)
        if not names:
            raise ValueError(
                f"{folder}: a folder of photos must have a subfolder for each class, "
                "got none"
            )
        self.splits = {"train": folder}
        if names <= SPLITS.keys():
            self.splits = {name: folder / name for name in SPLITS if name in names}
        elif "train" in names and names <= SPLITS.keys() | _OTHER_SPLITS:
            raise ValueError(
                f"{folder}: a folder of photos must have a subfolder for each class, "
                f"or train and test, got {', '.join(sorted(names))}"
            )
        self.classes = _in_order(set().union(*map(_subfolders, self.splits.values())))

    def photos(self) -> Iterator[Photo]:
        """Yield the photos in the order of split, class and path.

        Only the names in one folder at a time are in memory.

        Yields
        ------
        Photo
            The next photo.
        """
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


def _in_order(names: set[str]) -> list[str]:
    """Sort the names as text, or by value if all of them are integers."""
    is_numbers = all(name.isascii() and name.isdecimal() for name in names)
    return sorted(names, key=(lambda name: (int(name), name)) if is_numbers else None)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == _MACOS_FOLDER


def _files(folder: str | Path) -> Iterator[str]:
    """Yield the path of each file at any depth, without following links to folders."""
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
        return -1, 0  # for example a broken link; converting it reports the error
    return status.st_size, status.st_mtime_ns


def steps_of_file(path: str | os.PathLike[str]) -> list[tuple[str, np.ndarray]]:
    """Return the name and the result of each conversion step of a photo file.

    Parameters
    ----------
    path : str or path
        Photo file, in one of the formats AVIF, BMP, GIF, JPEG, PNG, PPM, TIFF or WebP.

    Returns
    -------
    list of (str, ndarray)
        All that `convert_in_steps` yields for the photo. The last array is the
        Fashion-MNIST image.

    Raises
    ------
    ImportError
        Pillow is not installed.
    OSError
        The operating system can't read the file.
    FormatError
        The file is not a photo, or can't be decoded or converted. The message names the
        file. No contents of a file raise any other exception.
    """
    with install_hint("photos require Pillow", "pillow"):
        from PIL import Image, UnidentifiedImageError
    Image.init()  # registers all formats, of which Pillow loads only a few by default
    # Opening a pipe would wait until another process writes to it.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise FormatError(
            f"{path}: a photo must be a regular file, not a folder or a pipe"
        )
    formats = [name for name in _FORMATS if name in Image.OPEN]
    try:
        with Image.open(path, formats=formats) as image:
            frames = list(convert_in_steps(image))
        if image.format == "PNG":
            # Decoding ignores the checksums of IDAT chunks. Checking them takes 1 % of
            # the time of decoding.
            with Image.open(path, formats=["PNG"]) as image:
                image.verify()
        return frames
    except UnidentifiedImageError:
        known = ", ".join(formats)
        raise FormatError(
            f"{path}: a photo must be an undamaged file in {known}"
        ) from None
    except Image.DecompressionBombError:  # raised before the size can be checked here
        limit = min(MAX_PIXELS, 2 * (Image.MAX_IMAGE_PIXELS or MAX_PIXELS))
        raise FormatError(
            f"{path}: image must have at most {limit:,} pixels, got more in its header"
        ) from None
    except Exception as error:  # decoders raise any exception for a damaged file
        if isinstance(error, OSError) and error.errno is not None:
            raise  # it comes from the operating system, not from a decoder
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FormatError(f"{path}: {reason}") from error


def image_or_reason(path: str | os.PathLike[str]) -> np.ndarray | str:
    """Convert a photo file, or return the reason why it can't be converted.

    Parameters
    ----------
    path : str or path
        Photo file, as for `steps_of_file`.

    Returns
    -------
    ndarray, uint8 (28, 28), or str
        Fashion-MNIST image, or the reason in one line without the path.

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

"""Photographs in folders: which there are, in an order that stays, and reading one.

FOLDER/class/.../photo.jpg, or FOLDER/train/class/... and FOLDER/test/class/..., as
torchvision's ImageFolder has it.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

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
# A block is of 16 MB at most: three hold a photo of 12 megapixels, and as many its
# copy turned upright.
_BLOCKS = 8


class Photo(NamedTuple):
    """A file, and which image is to become of it."""

    split: str
    label: int
    path: str  # below the folder
    nbytes: int  # -1 where the file can't be seen
    mtime_ns: int

    def to_line(self) -> bytes:
        """A line of JSON in ASCII, whatever characters the path has."""
        return json.dumps(self).encode() + b"\n"

    @staticmethod
    def from_line(line: bytes) -> Photo:
        """What `to_line` made the line of."""
        return Photo(*json.loads(line))


def find_splits(folder: Path) -> dict[str, Path]:
    """The folder of the classes of each split; "train" alone where there are none."""
    names = {path.name for path in _subfolders(folder)}
    if not names:
        raise ValueError(f"{folder}: wanted a subfolder for each class, found none")
    if names <= SPLITS.keys():
        return {split: folder / split for split in SPLITS if split in names}
    if "train" in names and names <= SPLITS.keys() | _OTHER_SPLITS:
        raise ValueError(
            f"{folder}: wanted a subfolder for each class, or train and test, found "
            f"{', '.join(sorted(names))}"
        )
    return {"train": folder}


def find_classes(splits: dict[str, Path]) -> list[str]:
    """The names of all classes, sorted; those of the splits together."""
    return sorted({path.name for each in splits.values() for path in _subfolders(each)})


def find_photos(
    folder: Path, splits: dict[str, Path], classes: list[str], skipped: list[int]
) -> Iterator[Photo]:
    """All photos by split, class and path, with the names of one folder in memory.

    Files that aren't called as photos, or are beside the folders of the classes, are
    counted in ``skipped[0]``.
    """
    for parent in {folder, *splits.values()}:
        skipped[0] += sum(
            not path.is_dir() and not _is_hidden(path.name) for path in parent.iterdir()
        )
    for split, parent in splits.items():
        for label, name in enumerate(classes):
            if (parent / name).is_dir():
                for path in _files(parent / name):
                    if os.path.splitext(path)[1].lower() in SUFFIXES:
                        relative = os.path.relpath(path, folder)
                        yield Photo(split, label, relative, *_size_and_time(path))
                    else:
                        skipped[0] += 1


def _subfolders(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not _is_hidden(path.name)
    )


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == _RESOURCES


def _files(folder: str | Path) -> Iterator[str]:
    """Whatever isn't a folder, at any depth. Links to folders are not followed."""
    with os.scandir(folder) as entries:
        found = sorted(
            (
                entry.name,
                entry.path,
                entry.is_dir(follow_symlinks=False),
                entry.is_dir(),
            )
            for entry in entries
            if not _is_hidden(entry.name)
        )
    for _, path, is_folder, is_link_to_folder in found:
        if is_folder:
            yield from _files(path)
        elif not is_link_to_folder:
            yield path


def _size_and_time(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return -1, 0  # a broken link, say; reading it will tell
    return status.st_size, status.st_mtime_ns


def steps_of_file(path: str | os.PathLike[str]) -> list[tuple[str, np.ndarray]]:
    """What each of the seven steps makes of a file; see `convert_in_steps`.

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
    pillow = pillow_image()
    # Opening a pipe would wait for a writer.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise FormatError(f"{path}: not a regular file")
    formats = [name for name in _FORMATS if name in pillow.OPEN]
    try:
        with pillow.open(path, formats=formats) as image:
            frames = list(convert_in_steps(image))
        if image.format == "PNG":
            _check_png(pillow, path)
        return frames
    except pillow.UnidentifiedImageError:
        known = ", ".join(formats)
        raise FormatError(f"{path}: not a photo in {known}, or damaged") from None
    except pillow.DecompressionBombError:  # before there is an image, and a size
        limit = min(MAX_PIXELS, 2 * pillow.MAX_IMAGE_PIXELS)
        raise FormatError(
            f"{path}: image must have at most {limit:,} pixels, its header says more"
        ) from None
    except Exception as error:  # decoders raise what they like on damaged files
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the system, not of a decoder
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FormatError(f"{path}: {reason}") from error


def _check_png(pillow: ModuleType, path: str | os.PathLike[str]) -> None:
    """Compare the checksums, which decoding passes over in IDAT: 1 % of its time."""
    with pillow.open(path, formats=["PNG"]) as image:
        image.verify()


@contextlib.contextmanager
def kept_blocks(threads: int) -> Iterator[None]:
    """Let Pillow keep the memory of a photo for the next one; for the whole process.

    Each photo would else take fresh pages of the system, and glibc gives them back
    after each where they and the copies for numpy are too large together. 600 JPEG
    photos of 762x1000, two threads, MALLOC_TRIM_THRESHOLD_=131072, which has it do so
    always: 1,095,000 page faults without, 651,000 with this. The others are of
    numpy's copies; to copy by strips instead had more faults where glibc keeps memory,
    and took 1.9 s for 1.6.
    """
    core = pillow_image().core
    if not hasattr(core, "set_blocks_max"):
        yield
        return
    before = core.get_blocks_max()
    core.set_blocks_max(max(before, _BLOCKS * threads))
    try:
        yield
    finally:
        core.set_blocks_max(before)  # which gives the memory back


def pillow_image() -> ModuleType:
    """The module PIL.Image; ImportError says how to get it."""
    try:
        import PIL.Image
    except ImportError as error:
        raise ImportError(
            f"photos need Pillow ({error}): pip install pillow"
        ) from error
    PIL.Image.init()  # all formats; a few are there without
    return PIL.Image

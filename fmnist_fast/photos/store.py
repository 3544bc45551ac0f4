"""Write the IDX files of a conversion of photos, with checkpoints.

The subfolder .progress has the list of the photos and the last checkpoint, which says
how much of the files has been flushed to disk. A later process with the same list cuts
the files to these sizes and resumes. A checkpoint has a checksum. If it is damaged, or
if a file is shorter than it says, the conversion starts again.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .._core import pixel_sums
from .._dataset.card import CARD_NAME, MAX_CARD_NBYTES
from .._dataset.statistics import moments_of_sums
from .._io.files import naming
from .._io.own_folder import OwnFolder
from .._registry.datasets import SPLITS
from ..idx import header_of
from .convert import SIDE
from .files import Photo, PhotoFolder

BAD_NAME = "bad-photos.txt"  # has a line for each photo that could not be converted
_PROGRESS = ".progress"
_LIST, _SAVED = f"{_PROGRESS}/photos", f"{_PROGRESS}/state.json"
_LOCK, _NEW = f"{_PROGRESS}/lock", f"{_PROGRESS}/new"
_MODE = f"{_PROGRESS}/mode"  # is empty, and has the mode that the umask allows
_PROGRESS_FILES = (_LOCK, _NEW, _MODE, _LIST, _SAVED)  # removed in this order
_FILES = (*(stem for part in SPLITS.values() for stem in part.stems), BAD_NAME)
_FORMAT = 1  # version of the files in .progress
_MAX_BYTE_LABELS = 256  # with more classes than this, labels are int32
_LONGEST = -1.2345678901234567e-300  # no number takes more bytes in JSON
_READ_NBYTES = 4096 * SIDE * SIDE  # of images, to add up their pixels
_MAX_SAVED_NBYTES = 4096  # a checkpoint has less than 300 bytes


class _State(NamedTuple):
    """Progress of a conversion, replaced by one assignment, so Ctrl-C is harmless."""

    n_done: int  # photos of the list that were appended
    n_bad: int  # photos among them that could not be converted
    bad_nbytes: int  # size of bad-photos.txt
    n_images: dict[str, int]  # images of each split


def open_part(path: Path) -> OwnFolder:
    """Open the folder of an interrupted conversion, or a new one, and lock it.

    Parameters
    ----------
    path : Path
        Folder in which the IDX files grow.

    Returns
    -------
    OwnFolder
        The folder, as `PhotoStore` takes it.

    Raises
    ------
    FileExistsError
        Another user may have written to the folder, or something in it is not from a
        conversion. Nothing has been changed then.
    BlockingIOError
        Another process is converting photos to the folder.
    FileNotFoundError
        Another process has just finished the folder and moved it. Nothing is left in
        it then.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(OwnFolder(path))
        try:
            _check_files(folder)
        except FileExistsError:
            folder.check_at_path()
            raise
        folder.check_at_path()
        try:
            folder.make_subfolder(_PROGRESS)
            is_locked = folder.lock(_LOCK)
        except FileNotFoundError:
            with contextlib.suppress(OSError):
                folder.remove_subfolder(_PROGRESS)
            folder.check_at_path()
            raise
        if not is_locked:
            raise BlockingIOError(f"{path}: in use")
        stack.pop_all()
        return folder


def checked_card(source: PhotoFolder) -> dict[str, Any]:
    """Return the dataset.json for photos, to which `PhotoStore.finish` adds numbers.

    Parameters
    ----------
    source : PhotoFolder
        Photos to convert.

    Returns
    -------
    dict
        Name of the folder and names of the classes.

    Raises
    ------
    ValueError
        The names are too long, so `load` would refuse the file.
    """
    name, classes = _text(source.folder.resolve().name), [*map(_text, source.classes)]
    card = {"name": name, "classes": classes}
    nbytes = len(_content(card | {"mean": _LONGEST, "std": _LONGEST}))
    if nbytes > MAX_CARD_NBYTES:
        raise ValueError(
            f"{source.folder}: the names of the {len(classes)} classes must fit in a "
            f"{CARD_NAME} of {MAX_CARD_NBYTES} bytes, got {nbytes} bytes.\n"
            "Choose shorter names."
        )
    return card


def _content(card: dict[str, Any]) -> bytes:
    return json.dumps(card, indent=1, ensure_ascii=False).encode()


def remove_leftover(path: Path) -> None:
    """Complete what `publish` does, if a killed process has left .progress.

    Parameters
    ----------
    path : Path
        Anything. Only files that a conversion has left there are removed.
    """
    with contextlib.suppress(OSError), OwnFolder(path, create=False) as folder:
        _check_files(folder)
        if folder.nbytes(CARD_NAME) > 0 and _saved(folder):
            _complete(folder)


def _check_files(folder: OwnFolder) -> None:
    """Raise FileExistsError if a file is not ours, or not from a conversion."""
    names = list(folder.files(_PROGRESS))
    is_begun = _LIST in names or _SAVED in names
    for name in names:
        # Programs that show folders may add files, but not to .progress.
        may_be_other = is_begun and not name.startswith(f"{_PROGRESS}/")
        if name not in _PROGRESS_FILES and not may_be_other:
            raise FileExistsError(f"{folder.path / name} is not from such a run")
        if name != _MODE and name in (*_PROGRESS_FILES, *_FILES, CARD_NAME):
            folder.check_file(name)


def _saved(folder: OwnFolder) -> dict[str, Any]:
    """Return the last checkpoint, or an empty dict if it is missing or damaged."""
    with contextlib.suppress(FileNotFoundError, TypeError, ValueError, RecursionError):
        with folder.open(_SAVED) as file:
            saved, digest = json.loads(file.read(_MAX_SAVED_NBYTES))
        if digest == _digest(saved) and type(saved) is dict:
            return saved
    return {}


def _digest(saved: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(saved).encode()).hexdigest()


def _remove_progress(folder: OwnFolder) -> None:
    """Remove .progress, with the checkpoint last, by which a later run knows it."""
    for name in _PROGRESS_FILES:
        folder.remove(name)
    folder.remove_subfolder(_PROGRESS)


def _complete(folder: OwnFolder) -> None:
    """Remove .progress from a complete folder, and let others use the rest.

    The folder already has its final name. Before, others could have written to files
    with which the next run resumes, so it would refuse them.
    """
    mode = folder.new_mode(_MODE)
    _remove_progress(folder)
    folder.share((CARD_NAME, *_FILES), mode)


class PhotoStore:
    """Files of a dataset that grows by one photo at a time.

    Parameters
    ----------
    folder : OwnFolder
        Folder for the IDX files, from `open_part`.
    source : PhotoFolder
        Photos to convert.

    Attributes
    ----------
    folder : OwnFolder
        Folder for the IDX files.
    classes : list of str
        Class names of `source`, with escapes for bytes that are not text.
    n_photos : int
        Number of all photos of `source`.
    state : _State
        Numbers of photos and images that have been appended.
    is_new : bool
        Whether the images of an interrupted run were dropped, because its list of
        photos was different or its files were damaged.

    Notes
    -----
    Determinism: The files depend only on the photos and their order, and not on
    interruptions.

    Thread safety: Use a store in one thread at a time.

    Buffers: Images are written to the files when they are appended. None is kept.
    """

    def __init__(self, folder: OwnFolder, source: PhotoFolder) -> None:
        self.folder, self.classes = folder, [*map(_text, source.classes)]
        fit_in_byte = len(self.classes) <= _MAX_BYTE_LABELS
        self._label_dtype = np.dtype(np.uint8 if fit_in_byte else np.int32)
        self._files: dict[str, BinaryIO] = {}
        saved, was_saved = _saved(folder), folder.nbytes(_SAVED) >= 0
        self.n_photos, self._list_sha256 = self._write_list(source)
        is_same = saved.pop("photos", None) == self._list_sha256
        if is_same:
            self.state = _State(**saved)
            sizes = self._sizes().items()
            is_same = all(folder.nbytes(name) >= nbytes for name, nbytes in sizes)
        if not is_same:
            self.state = _State(0, 0, 0, dict.fromkeys(source.splits, 0))
            self._remove_files()
        self.is_new = was_saved and not is_same

    def _write_list(self, source: PhotoFolder) -> tuple[int, str]:
        """Return the number of photos, and the SHA-256 of their list."""
        n_photos = 0
        line = json.dumps([_FORMAT, list(source.splits), self.classes]).encode() + b"\n"
        digest = hashlib.sha256(line)
        with self.folder.replacing(_LIST, _NEW) as file:
            file.write(line)
            for photo in source.photos():
                line = photo.to_line()
                file.write(line)
                digest.update(line)
                n_photos += 1
        return n_photos, digest.hexdigest()

    def _remove_files(self) -> None:
        for name in (_SAVED, CARD_NAME, *_FILES):
            self.folder.remove(name)

    def remaining(self) -> Iterator[Photo]:
        """Yield the photos that have not been appended yet, in order.

        Yields
        ------
        Photo
            Photo to convert and then to `append`.
        """
        with self.folder.open(_LIST) as lines:
            for line in itertools.islice(lines, 1 + self.state.n_done, None):
                yield Photo.from_line(line)

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Open all files for the block to append to, cut to the sizes of `state`.

        Yields
        ------
        None
            The files are open while the block runs.

        Raises
        ------
        OSError
            A file can't be opened or cut.
        """
        flags = os.O_RDWR | os.O_CREAT
        with naming(self.folder.path), contextlib.ExitStack() as stack:
            for name, nbytes in self._sizes().items():
                file = stack.enter_context(self.folder.open(name, flags))
                file.truncate(nbytes)  # an empty file gets the size of its header
                file.seek(nbytes)
                self._files[name] = file
            yield

    def _sizes(self) -> dict[str, int]:
        """Return the size in bytes of each file, by its name."""
        sizes = {name: nbytes for name, _, nbytes in self._idx_files()}
        return sizes | {BAD_NAME: self.state.bad_nbytes}

    def _idx_files(self) -> Iterator[tuple[str, bytes, int]]:
        """Yield the name, the header and the size in bytes of each IDX file."""
        for split, n in self.state.n_images.items():
            layouts = (np.dtype(np.uint8), (n, SIDE, SIDE)), (self._label_dtype, (n,))
            for name, (dtype, shape) in zip(SPLITS[split].stems, layouts):
                header = header_of(dtype, shape)
                yield name, header, len(header) + dtype.itemsize * math.prod(shape)

    def append(self, photo: Photo, result: np.ndarray | str) -> None:
        """Append the image of the next photo of `remaining`, or list it as bad.

        Parameters
        ----------
        photo : Photo
            Next photo of `remaining`.
        result : ndarray, uint8 (28, 28), or str
            Image of the photo, or the reason why it could not be converted.

        Raises
        ------
        KeyError, ValueError
            The files are not open, because the call is not in a block of `open`.
        OSError
            A file can't be written.
        """
        n_done, n_bad, bad_nbytes, n_images = self.state
        if isinstance(result, str):
            line = f"{photo.path}: {result}\n".encode("utf-8", "backslashreplace")
            bad_nbytes += self._files[BAD_NAME].write(line)
            n_bad += 1
        else:
            images, labels = SPLITS[photo.split].stems
            label = photo.label.to_bytes(self._label_dtype.itemsize, "big")
            self._files[images].write(result.tobytes())
            self._files[labels].write(label)
            n_images = n_images | {photo.split: n_images[photo.split] + 1}
        self.state = _State(n_done + 1, n_bad, bad_nbytes, n_images)

    def save(self) -> None:
        """Write a checkpoint: first the appended data, then the state.

        Raises
        ------
        OSError
            A file can't be written.
        """
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        saved = {"photos": self._list_sha256} | self.state._asdict()
        with self.folder.replacing(_SAVED, _NEW) as file:
            file.write(json.dumps([saved, _digest(saved)]).encode())

    def first_bad(self) -> str:
        """Return the first line of the list of photos that could not be converted.

        Returns
        -------
        str
            Path and reason.
        """
        with self.folder.open(BAD_NAME) as lines:
            return lines.readline().decode("utf-8").rstrip("\n")

    def finish(self, card: dict[str, Any]) -> None:
        """Write the headers of the files, and the card with the training statistics.

        Call this in the block of `open`, after the last photo.

        Parameters
        ----------
        card : dict
            Content of the dataset.json, from `checked_card`.

        Raises
        ------
        KeyError, ValueError
            The files are not open, because the call is not in a block of `open`.
        OSError
            A file can't be written.
        """
        for name, header, _ in self._idx_files():
            self._files[name].seek(0)
            self._files[name].write(header)
        self.save()
        content = _content(card | self._training_moments())
        with self.folder.replacing(CARD_NAME, _NEW) as file:
            file.write(content)

    def _training_moments(self) -> dict[str, float]:
        """Return the mean and the std of the training images, unless the std is 0."""
        n, total, squares = self.state.n_images.get("train", 0), 0, 0
        file = self._files.get(SPLITS["train"].images)
        if n == 0 or file is None:
            return {}
        file.seek(-n * SIDE * SIDE, os.SEEK_END)
        while pixels := file.read(_READ_NBYTES):
            sums = pixel_sums(np.frombuffer(pixels, np.uint8))
            total, squares = total + sums[0], squares + sums[1]
        mean, std = moments_of_sums(n * SIDE * SIDE, total, squares)
        return {"mean": mean, "std": std} if std > 0 else {}

    def publish(self, target: Path) -> None:
        """Rename the folder, and remove what only a later run would need.

        Call this after the block of `open`. The files and the folder get the modes that
        the umask allows.

        Parameters
        ----------
        target : Path
            New path of the folder. It must not exist, or must be an empty folder.

        Raises
        ------
        OSError
            The folder can't be renamed, or another process has moved it.
        """
        if self.state.n_bad == 0:
            self.folder.remove(BAD_NAME)
        self.folder.move(target)
        with contextlib.suppress(OSError):
            _complete(self.folder)

    def remove(self) -> None:
        """Remove the folder with all that conversions have written to it."""
        self._remove_files()
        self.folder.unlock()  # Windows can't remove an open file
        _remove_progress(self.folder)
        with contextlib.suppress(OSError):  # other files
            self.folder.path.rmdir()


def _text(name: str) -> str:
    """Return the name of a folder, with escapes for bytes that are not text."""
    return name.encode("utf-8", "backslashreplace").decode()

"""Write the IDX files of a conversion of photos, with checkpoints.

The subfolder .progress has the list of the photos and the last checkpoint, which says
how much of the files has been flushed to disk. A later process with the same list cuts
the files to these sizes and resumes.
"""

from __future__ import annotations

import contextlib
import filecmp
import itertools
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from .._dataset.card import CARD_NAME
from .._io.files import naming, replacing
from .._registry.datasets import SPLITS
from ..idx import header_of
from .convert import SIDE
from .files import Photo, PhotoFolder

BAD_NAME = "bad-photos.txt"  # has a line for each photo that could not be converted
PROGRESS_NAME = ".progress"
_FORMAT = 1  # version of the files in .progress
_MAX_BYTE_LABELS = 256  # with more classes than this, labels are int32


class _State(NamedTuple):
    """Progress of a conversion, replaced by one assignment, so Ctrl-C is harmless."""

    n_done: int  # photos of the list that were appended
    n_bad: int  # photos among them that could not be converted
    bad_nbytes: int  # size of bad-photos.txt
    n_images: dict[str, int]  # images of each split


class PhotoStore:
    """Files of a dataset that grows by one photo at a time.

    Parameters
    ----------
    folder : Path
        Folder for the IDX files. Its subfolder .progress must exist, and no other
        process may write there.
    source : PhotoFolder
        Photos to convert.

    Attributes
    ----------
    folder : Path
        Folder for the IDX files.
    classes : list of str
        Class names of `source`.
    n_photos : int
        Number of all photos of `source`.
    state : _State
        Numbers of photos and images that have been appended.
    is_new : bool
        Whether the images of an interrupted run were dropped, because its list of
        photos was different.

    Notes
    -----
    Determinism: The files depend only on the photos and their order, and not on
    interruptions.

    Thread safety: Use a store in one thread at a time.

    Buffers: Images are written to the files when they are appended. None is kept.
    """

    def __init__(self, folder: Path, source: PhotoFolder) -> None:
        self.folder, self.classes = folder, source.classes
        self._list = folder / PROGRESS_NAME / "photos"
        self._saved = folder / PROGRESS_NAME / "state.json"
        fit_in_byte = len(self.classes) <= _MAX_BYTE_LABELS
        self._label_dtype = np.dtype(np.uint8 if fit_in_byte else np.int32)
        self._files: dict[str, BinaryIO] = {}
        self.state = _State(0, 0, 0, dict.fromkeys(source.splits, 0))
        is_saved = self._saved.exists()
        self.n_photos, is_same = self._write_list(source.photos())
        self.is_new = is_saved and not is_same
        if is_saved and is_same:
            self.state = _State(**json.loads(self._saved.read_bytes()))

    def _write_list(self, photos: Iterator[Photo]) -> tuple[int, bool]:
        """Return the number of photos, and whether the list is the same as before."""
        n_photos = 0
        new = self._list.with_suffix(".new")
        with open(new, "wb") as file:
            file.write(json.dumps([_FORMAT, self.classes]).encode() + b"\n")
            for photo in photos:
                file.write(photo.to_line())
                n_photos += 1
        is_same = self._list.exists() and filecmp.cmp(new, self._list, shallow=False)
        if not is_same:  # a kill at any time must not leave a state without its list
            self._saved.unlink(missing_ok=True)
        os.replace(new, self._list)
        return n_photos, is_same

    def remaining(self) -> Iterator[Photo]:
        """Yield the photos that have not been appended yet, in order.

        Yields
        ------
        Photo
            Photo to convert and then to `append`.
        """
        with open(self._list, "rb") as lines:
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
        sizes = {name: nbytes for name, _, nbytes in self._idx_files()}
        sizes[BAD_NAME] = self.state.bad_nbytes
        with naming(self.folder), contextlib.ExitStack() as stack:
            for name, nbytes in sizes.items():
                path = self.folder / name
                path.touch()
                file = stack.enter_context(open(path, "r+b"))
                file.truncate(nbytes)  # an empty file gets the size of its header
                file.seek(nbytes)
                self._files[name] = file
            yield

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
        with replacing(self._saved) as file:
            file.write(json.dumps(self.state._asdict()).encode())

    def finish(self, name: str) -> None:
        """Write the headers of the files and the card of the dataset.

        Call this in the block of `open`, after the last photo.

        Parameters
        ----------
        name : str
            Name of the dataset.

        Raises
        ------
        KeyError, ValueError
            The files are not open, because the call is not in a block of `open`.
        OSError
            A file can't be written.
        """
        for file_name, header, _ in self._idx_files():
            self._files[file_name].seek(0)
            self._files[file_name].write(header)
        self.save()
        with replacing(self.folder / CARD_NAME) as file:
            card = {"name": name, "classes": self.classes}
            file.write(json.dumps(card, indent=1).encode())

"""Write the IDX files that photos become, with checkpoints.

They are in a folder of their own. In its .progress are the list of the photos and how
far the files go that a checkpoint has made safe. A process that finds the same list
cuts the files there and goes on.
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
from .._io.files import replacing
from .._registry.datasets import SPLITS
from ..idx import header_of
from .convert import SIDE
from .files import Photo, PhotoFolder

BAD_NAME = "bad-photos.txt"  # a line for each photo that could not be converted
PROGRESS_NAME = ".progress"
_FORMAT = 1  # of what is in there
_MAX_BYTE_LABELS = 256  # classes; where there are more, labels are int32


class _State(NamedTuple):
    """How far the work is. Replaced as a whole, so that Ctrl-C can't halve a step."""

    n_done: int  # photos of the list
    n_bad: int
    bad_nbytes: int
    n_images: dict[str, int]


class PhotoStore:
    """Write the files of a dataset that grows by one photo at a time.

    Parameters
    ----------
    folder : Path
        Its subfolder .progress must exist, and no other process may write there.
    source : PhotoFolder
        What is to be converted.

    Attributes
    ----------
    n_photos : int
        All that are to be converted.
    state : _State
        What has been appended.
    is_anew : bool
        What an interrupted run had appended was dropped: it had other photos.
    """

    def __init__(self, folder: Path, source: PhotoFolder) -> None:
        self.folder, self.classes = folder, source.classes
        self._list = folder / PROGRESS_NAME / "photos"
        self._saved = folder / PROGRESS_NAME / "state.json"
        few = len(self.classes) <= _MAX_BYTE_LABELS
        self._label_dtype = np.dtype(np.uint8 if few else np.int32)
        self._files: dict[str, BinaryIO] = {}
        self.state = _State(0, 0, 0, dict.fromkeys(source.splits, 0))
        saved = self._saved.exists()
        self.n_photos, same = self._write_list(source.photos())
        self.is_anew = saved and not same
        if saved and same:
            self.state = _State(**json.loads(self._saved.read_bytes()))

    def _write_list(self, photos: Iterator[Photo]) -> tuple[int, bool]:
        """Return the number of photos, and whether the list is what it was before."""
        n_photos = 0
        new = self._list.with_suffix(".new")
        with open(new, "wb") as file:
            file.write(json.dumps([_FORMAT, self.classes]).encode() + b"\n")
            for photo in photos:
                file.write(photo.to_line())
                n_photos += 1
        same = self._list.exists() and filecmp.cmp(new, self._list, shallow=False)
        if not same:  # the state must not outlive its list, whenever a kill comes
            self._saved.unlink(missing_ok=True)
        os.replace(new, self._list)
        return n_photos, same

    def remaining(self) -> Iterator[Photo]:
        """Yield the photos that have not been appended, in order."""
        with open(self._list, "rb") as lines:
            for line in itertools.islice(lines, 1 + self.state.n_done, None):
                yield Photo.from_line(line)

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Open all files, cut to what `state` says, for the block to append to."""
        sizes = {name: nbytes for name, _, nbytes in self._idx_files()}
        sizes[BAD_NAME] = self.state.bad_nbytes
        with contextlib.ExitStack() as stack:
            for name, nbytes in sizes.items():
                path = self.folder / name
                path.touch()
                file = stack.enter_context(open(path, "r+b"))
                file.truncate(nbytes)  # which makes room for a header to come
                file.seek(nbytes)
                self._files[name] = file
            yield

    def _idx_files(self) -> Iterator[tuple[str, bytes, int]]:
        """Yield the name of each IDX file, its header, and the bytes of the file."""
        for split, n in self.state.n_images.items():
            layouts = (np.dtype(np.uint8), (n, SIDE, SIDE)), (self._label_dtype, (n,))
            for name, (dtype, shape) in zip(SPLITS[split].stems, layouts):
                header = header_of(dtype, shape)
                yield name, header, len(header) + dtype.itemsize * math.prod(shape)

    def append(self, photo: Photo, result: np.ndarray | str) -> None:
        """Add the next photo of `remaining`: its image, or why there is no image."""
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
        """Make a checkpoint: first what was appended, then that it was."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        with replacing(self._saved) as file:
            file.write(json.dumps(self.state._asdict()).encode())

    def finish(self, name: str) -> None:
        """Write the headers, and the card of a dataset of that name.

        Call this in the block of `open`, after the last photo.
        """
        for file_name, header, _ in self._idx_files():
            self._files[file_name].seek(0)
            self._files[file_name].write(header)
        self.save()
        with replacing(self.folder / CARD_NAME) as file:
            card = {"name": name, "classes": self.classes}
            file.write(json.dumps(card, indent=1).encode())

"""The images and labels of a dataset in a machine's memory, shared by its loaders."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._core import FileReads, source_bytes
from .._dataset.arrays import parts_of, rows_of
from .machine import Machine

_PIECE_NBYTES = 1 << 26  # copied at once
_MAX_WHOLE_NBYTES = 1 << 28  # of images that any selection of them has copied whole
_SOURCE_NBYTES = 256  # of the struct and its arrays, with room

_all: weakref.WeakValueDictionary[Any, Any] = weakref.WeakValueDictionary()
_lock = threading.RLock()


class _Images:
    """Images in a machine's memory, and the stream that it was allocated on."""

    def __init__(self, machine: Machine, parts: Sequence[Any]) -> None:
        self._parts = parts  # keeps their memory, whose addresses are the key
        self.array, self.n = copy_to(machine, *parts), sum(map(len, parts))
        self.stream = machine.stream()


class Pixels:
    """Images and labels in a machine's memory. `shared_pixels` makes it.

    Attributes
    ----------
    source : array
        The struct fm_source, with the addresses of the others.
    arrays : tuple
        All arrays in the machine's memory.
    stream : object
        Stream that they may be used on.
    """

    def __init__(self, machine: Machine, dataset: Any) -> None:
        self._dataset = dataset  # keeps its memory, whose addresses are the key
        self.stream, address = machine.stream(), machine.address
        parts, rows = machine_images(dataset.images)
        self._images = _shared(_Images, machine, parts, parts)
        if self._images.stream != self.stream:
            machine.follow(self.stream, self._images.stream, (self._images.array,))
        self.source = machine.empty((_SOURCE_NBYTES,), "uint8")
        copied = [copy_to(machine, dataset.labels)]
        if rows is not None:
            copied.append(copy_to(machine, rows))
        self.arrays = self._images.array, self.source, *copied
        content = source_bytes(
            address(self.source),
            len(dataset),
            self._images.n,
            int(np.prod(dataset.images.shape[1:])),
            address(self._images.array),
            0 if rows is None else address(copied[1]),
            dataset.labels.dtype.name,
            address(copied[0]),
        )
        machine.write(self.source, 0, np.frombuffer(bytearray(content), np.uint8))


def machine_images(images: Any) -> tuple[tuple[Any, ...], np.ndarray | None]:
    """Return the images to copy to a machine, and the rows of a selection in them.

    Selections share the images that they were made from, unless these are large and the
    selection has less than half of them. Then it has a copy of its own, without rows.
    """
    parts, rows = parts_of(images), rows_of(images)
    nbytes = sum(part.nbytes for part in parts)
    if rows is not None and nbytes > max(_MAX_WHOLE_NBYTES, 2 * images.nbytes):
        n = max(1, _PIECE_NBYTES * len(images) // max(1, images.nbytes))
        begins = range(0, len(images), n)
        return tuple(images.between(i, i + n) for i in begins), None
    return parts, rows


def shared_pixels(machine: Machine, dataset: Any) -> Pixels:
    """Return the pixels of a dataset in the memory of a machine.

    Loaders of the same arrays share them, in each framework, and so do loaders of
    selections of them. They are freed when no loader refers to them any more. Raise
    MemoryError if they don't fit.
    """
    images, labels = dataset.images, dataset.labels
    rows = rows_of(images)
    arrays = (*parts_of(images), labels, *(() if rows is None else (rows,)))
    with _lock:
        return _shared(_new_pixels, machine, arrays, dataset)


def _shared(make: Any, machine: Machine, arrays: Sequence[Any], given: Any) -> Any:
    """Return what `make` made of these arrays before, or make it of what is given."""
    if not arrays or not all(isinstance(array, np.ndarray) for array in arrays):
        return make(machine, given)  # the images of a selection alone
    places = [(array.ctypes.data, array.nbytes) for array in arrays]
    key = make, type(machine), machine.name, arrays[-1].dtype.name, *places
    made = _all.get(key)
    if made is None:
        made = _all[key] = make(machine, given)
    return made


def _new_pixels(machine: Machine, dataset: Any) -> Pixels:
    try:
        return Pixels(machine, dataset)
    except Exception as error:
        memory = machine.free_nbytes()
        nbytes = machine_nbytes(dataset.images) + dataset.labels.nbytes
        if memory is None or nbytes <= memory[0]:
            raise
        raise MemoryError(
            f"the dataset has {nbytes:,} bytes, but device {machine.name} has only "
            f"{memory[0]:,} of {memory[1]:,} bytes free.\nFree memory there, or pass "
            "resident=False."
        ) from error


def machine_nbytes(images: Any) -> int:
    """Return the bytes of images in a machine's memory."""
    return sum(part.nbytes for part in machine_images(images)[0])


def copy_to(machine: Machine, *arrays: Any) -> Any:
    """Copy arrays, which may lie in mapped files, to one uint8 array of a machine."""
    memory = machine.empty((sum(array.nbytes for array in arrays),), "uint8")
    begin = 0
    for array in arrays:
        content = np.asarray(array)  # of a part of a selection, only now
        flat = content.reshape(-1).view(np.uint8)
        for i in range(0, len(flat), _PIECE_NBYTES):
            with FileReads((content,)):
                piece = np.array(flat[i : i + _PIECE_NBYTES])
            machine.write(memory, begin + i, piece)
        begin += array.nbytes
    return memory


def _renew_lock() -> None:
    """Replace the lock in a forked child, where another thread's lock stays locked."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)

"""The images and labels of a dataset in a machine's memory, shared by its loaders."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

import numpy as np

from .._core import FileReads, source_bytes
from .._dataset.arrays import parts_of
from .machine import Machine

_PIECE_NBYTES = 1 << 26  # copied at once
_SOURCE_NBYTES = 256  # of the struct and its arrays, with room

_all: weakref.WeakValueDictionary[Any, Pixels] = weakref.WeakValueDictionary()
_lock = threading.RLock()


class Pixels:
    """Images and labels in a machine's memory. `shared_pixels` makes it.

    Attributes
    ----------
    source : array
        The struct fm_source, with the addresses of the others.
    arrays : tuple
        All arrays in the machine's memory.
    stream : object
        Stream that they were allocated on.
    """

    def __init__(self, machine: Machine, dataset: Any) -> None:
        self._dataset = dataset  # keeps its memory, whose addresses are the key
        parts, labels = parts_of(dataset.images), dataset.labels
        nbytes = sum(part.nbytes for part in parts)
        images = machine.empty((nbytes,), "uint8")
        numbers = machine.empty((labels.nbytes,), "uint8")
        self.source = machine.empty((_SOURCE_NBYTES,), "uint8")
        self.arrays, self.stream = (images, numbers, self.source), machine.stream()
        begin = 0
        for part in parts:
            _write(machine, images, begin, part)
            begin += part.nbytes
        _write(machine, numbers, 0, labels)
        content = source_bytes(
            machine.address(self.source),
            len(labels),
            int(np.prod(dataset.images.shape[1:])),
            machine.address(images),
            labels.dtype.name,
            machine.address(numbers),
        )
        machine.write(self.source, 0, np.frombuffer(bytearray(content), np.uint8))


def shared_pixels(machine: Machine, dataset: Any) -> Pixels:
    """Return the pixels of a dataset in the memory of a machine.

    Loaders of the same arrays share them, in each framework. They are freed when no
    loader refers to them any more. Raise MemoryError if they don't fit.
    """
    parts, labels = parts_of(dataset.images), dataset.labels
    places = [(array.ctypes.data, array.nbytes) for array in (*parts, labels)]
    key = type(machine), machine.name, labels.dtype.name, *places
    with _lock:
        pixels = _all.get(key)
        if pixels is None:
            pixels = _all[key] = _new_pixels(machine, dataset)
        return pixels


def _new_pixels(machine: Machine, dataset: Any) -> Pixels:
    try:
        return Pixels(machine, dataset)
    except Exception as error:
        memory = machine.free_nbytes()
        nbytes = dataset.images.nbytes + dataset.labels.nbytes
        if memory is None or nbytes <= memory[0]:
            raise
        raise MemoryError(
            f"the dataset has {nbytes:,} bytes, but device {machine.name} has only "
            f"{memory[0]:,} of {memory[1]:,} bytes free.\nFree memory there, or pass "
            "resident=False."
        ) from error


def _write(machine: Machine, memory: Any, begin: int, array: np.ndarray) -> None:
    """Copy an array, which may lie in a mapped file, to uint8 memory of a machine."""
    flat = array.reshape(-1).view(np.uint8)
    for i in range(0, len(flat), _PIECE_NBYTES):
        with FileReads((array,)):
            piece = np.array(flat[i : i + _PIECE_NBYTES])
        machine.write(memory, begin + i, piece)


def _renew_lock() -> None:
    """Replace the lock in a forked child, where another thread's lock stays locked."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)

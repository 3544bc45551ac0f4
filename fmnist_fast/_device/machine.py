"""Machines: the memory, the streams and the kernels of a device.

Kernels get addresses and a stream, and depend on no framework. A framework's machine
gives memory and streams of its own, so that batches are its arrays. The machine here is
this process: its memory is numpy's, and the kernels run as plain C.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from .._core import launch_on_host
from .._loader.options import array_dtype


class Machine:
    """Base class of machines, and the machine of this process.

    Arrays are C-contiguous, and have `nbytes` and a length. A stream is anything that
    can be compared with another one. `empty`, `write`, `read` and `launch` are called
    while `on_device` is entered.
    """

    name = "cpu"  # loaders for machines with one class and name share the pixels

    def check(self) -> None:
        """Raise an error if the kernels can't be used in this process."""

    def on_device(self) -> AbstractContextManager[Any]:
        """Return a context manager that makes the device the current one."""
        return nullcontext()

    def stream(self) -> Any:
        """Return the consumer's current stream."""
        return None

    def is_capturing(self) -> bool:
        """Return whether the current stream captures a graph."""
        return False

    def follow(self, stream: Any, earlier: Any, arrays: tuple[Any, ...]) -> None:
        """Let `stream` wait for all work of `earlier`, and use its arrays."""

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Return an array of the framework for use on the current stream."""
        return np.empty(shape, array_dtype(dtype))

    def address(self, array: Any) -> int:
        """Return the address of the first byte of an array."""
        return int(array.ctypes.data)

    def write(self, array: Any, begin: int, data: np.ndarray) -> None:
        """Copy uint8 `data` to a uint8 array from `begin` on. The host waits."""
        array[begin : begin + len(data)] = data

    def read(self, array: Any) -> np.ndarray:
        """Return a uint8 array of the host, after all work of the device."""
        return np.array(array)

    def free_nbytes(self) -> tuple[int, int] | None:
        """Return the free and all bytes of the device's memory, if it has its own."""
        return None

    def split(self, arrays: tuple[Any, ...], rows: int) -> Iterator[tuple[Any, ...]]:
        """Return an iterator over batches, `rows` rows each, that share the memory.

        `arrays` are images, labels and columns.
        """
        begins = range(0, len(arrays[1]), rows)
        return (tuple(array[i : i + rows] for array in arrays) for i in begins)

    def laid_out(self, batches: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """Return batches with their images in the framework's order of dimensions."""
        return batches

    def launch(self, name: str, stream: Any, *numbers: int) -> None:
        """Launch kernel ``fm_kernels_<name>``.

        `numbers` are the thread blocks, the threads and the bytes of shared memory of a
        thread block, and the arguments, which have 64 bits each.
        """
        n_blocks, _, shared_nbytes, *arguments = numbers
        launch_on_host(name, n_blocks, shared_nbytes, *arguments)

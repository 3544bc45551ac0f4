"""Passes of a DataLoader's workers over a TorchLoader, which count the epochs.

A DataLoader starts new workers for each pass, with copies of the same TorchLoader. So
the workers keep the epochs of the newest passes in memory that all of them share. Each
pass has a random number, which is the same in its workers. If a program sets PyTorch's
seed before each pass, the numbers repeat. But each worker joins a pass only once.
"""

from __future__ import annotations

import ctypes
from multiprocessing.context import get_spawning_popen
from multiprocessing.sharedctypes import RawArray
from typing import Any

from ..loader import Loader

_N_PASSES = 8  # that may have workers at the same time
MAX_WORKERS = 256  # of a DataLoader


class Passes:
    """Epochs of the newest passes, shared with the workers of a DataLoader.

    An item of the shared memory has the number of a pass in its upper 32 bits and its
    epoch in the lower ones, or is 0. Each worker of a pass writes an item of its own,
    in one store, so they need no lock.
    """

    def __init__(self) -> None:
        self._items = RawArray(ctypes.c_uint64, _N_PASSES * MAX_WORKERS)
        self._is_set = False  # whether the epoch was set in this worker

    def join(self, loader: Loader, info: Any) -> None:
        """Set the epoch of a worker's loader to that of the pass.

        The first pass begins where the loader does. Each further pass is over the next
        epoch. An epoch or a state that was set in the worker takes precedence.
        """
        number = 1 + (info.seed - info.id) % (2**32 - 1)
        passes = {(item % 2**32, item >> 32) for item in self._items if item}
        if passes and not self._is_set:
            newest, _ = max(passes)
            epoch = max((e for e, of in passes if of == number), default=newest + 1)
            if self._items[_place(epoch, info)] == number << 32 | epoch:
                epoch = newest + 1
            begin = loader._progress.next_begin()
            if epoch > begin.epoch:  # with steps, epochs follow a loaded state
                begin = loader._epochs.following(begin, epoch - begin.epoch)
                loader._progress.go_to(begin)
            loader.set_epoch(epoch)
        epoch = loader.epoch
        self._items[_place(epoch, info)] = number << 32 | epoch

    def forget(self, info: Any) -> None:
        """Begin the next pass where the loader does, because its epoch was set."""
        if info is not None:
            self._is_set = True
        else:
            ctypes.memset(self._items, 0, ctypes.sizeof(self._items))

    def __getstate__(self) -> dict[str, Any]:
        """Return the memory for a process that is being started, and no other copy."""
        return self.__dict__ if get_spawning_popen() is not None else {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Use the shared memory, or make new memory for a copy."""
        self.__init__()  # type: ignore[misc]
        self.__dict__.update(state)


def _place(epoch: int, info: Any) -> int:
    return epoch % _N_PASSES * MAX_WORKERS + int(info.id)

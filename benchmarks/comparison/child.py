"""Answer commands inside a contender's process.

Each line of stdin is a command and each line of stdout is its answer, both in JSON. The
contender is a module with three functions:

versions()
    Return {package: version}.
settings(work)
    Return the settings to try, a list of dicts. It is empty if the library can't do
    `work`.
epochs(data, work, **setting)
    Yield epochs. Each is an iterable of (images, labels) in a new order.

A module may also have ``load(folder, own, cache)``, if the library reads the .gz files
faster than Python's gzip or keeps a cache (KEEPS_CACHE = True). See `data.read_gz`.
This file needs only numpy.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib.util
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from .. import data, usage
from ..work import Work
from . import checks


class Commands:
    """The commands. Each public method is one, and returns its answer."""

    def __init__(self, file: Path, own: Path) -> None:
        name = f"{__package__}.contenders.{file.stem}"
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        self.module = importlib.util.module_from_spec(spec)
        sys.modules[name] = self.module  # worker processes look for it there
        spec.loader.exec_module(self.module)
        self.own = own
        self.data: data.Data | None = None
        self.epochs: Any = None

    def versions(self) -> dict[str, str]:
        """Return the versions of Python and of the packages."""
        return {"python": sys.version.split()[0], **self.module.versions()}

    def keeps_cache(self) -> bool:
        """Return whether a second process starts from a cache of the first."""
        return getattr(self.module, "KEEPS_CACHE", False)

    def settings(self, work: dict) -> list[dict]:
        """Return the settings to try for a workload."""
        return self.module.settings(Work.from_json(work))

    def check(self, work: dict, setting: dict, part: float) -> None:
        """Raise `checks.CheckError` unless the output is correct."""
        whole = self._read()
        for check in checks.checks_of(Work.from_json(work)):
            own = self._new_folder()
            given = check.data(whole, part, own)
            epochs = self.module.epochs(given, Work.from_json(work), **setting)
            try:
                check.verify(given, Work.from_json(work), [next(epochs), next(epochs)])
            finally:
                epochs.close()

    def open(self, work: dict, setting: dict, part: float) -> None:
        """Prepare for `time`, with the first `part` of the images."""
        self.close()
        given = self._read()
        if part < 1:
            n = round(len(given) * part)
            own = self._new_folder()
            given = data.Data(given.images[:n].copy(), given.labels[:n].copy(), own)
        self.epochs = self.module.epochs(given, Work.from_json(work), **setting)

    def time(self, seconds: float) -> dict[str, float]:
        """Run epochs until `seconds` have passed; return the time of one.

        At least one epoch runs, and the last one runs to its end. The dict has seconds
        and processor seconds.
        """
        n_epochs, start, cpu = 0, time.perf_counter(), usage.cpu_seconds()
        while not n_epochs or time.perf_counter() - start < seconds:
            for _ in next(self.epochs):
                pass
            n_epochs += 1
        passed = (time.perf_counter() - start) / n_epochs
        return {"seconds": passed, "cpu": (usage.cpu_seconds() - cpu) / n_epochs}

    def close(self) -> None:
        """Release the objects that `open` created."""
        if self.epochs is not None:
            self.epochs.close()
        self.epochs = None
        gc.collect()

    def first_batch(
        self, work: dict, setting: dict, files: str, cache: str | None
    ) -> int:
        """Go from the .gz files to the first batch, and return its number of labels.

        The epoch stays open for `memory`.
        """
        self.before = usage.resident()
        usage.forget_peak()
        load = getattr(self.module, "load", data.read_gz)
        loaded = load(Path(files), self.own, Path(cache) if cache else None)
        self.epochs = self.module.epochs(loaded, Work.from_json(work), **setting)
        self.rest = iter(next(self.epochs))
        return len(next(self.rest)[1])

    def memory(self) -> int:
        """Finish the epoch, and return the most bytes in memory beyond the imports'."""
        children = 0
        for k, _ in enumerate(self.rest):
            if k % 100 == 0:
                children = max(children, usage.children_bytes())
        return usage.peak_resident() - self.before + children

    def _read(self) -> data.Data:
        if self.data is None:
            self.data = data.read(self.own.parent, self._new_folder())
        return self.data

    def _new_folder(self) -> Path:
        folder = self.own / str(len(list(self.own.iterdir())))
        folder.mkdir()
        return folder


def _end_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends.

    While the process is stopped, it would not notice the end of its stdin.
    """
    with contextlib.suppress(AttributeError, OSError):  # only Linux has prctl
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 is PR_SET_PDEATHSIG


def main(file: str, own: str) -> None:
    """Answer commands until stdin ends, and redirect the library's prints to stderr."""
    _end_with_parent()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    commands: Commands | None = None
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if commands is None:
                commands = Commands(Path(file), Path(own))
            answer = {"is": getattr(commands, command.pop("do"))(**command)}
        except Exception as error:
            lines = str(error).strip().splitlines() or [""]
            answer = {"error": f"{type(error).__name__}: {lines[-1]}"}
        print(json.dumps(answer), file=answers, flush=True)
    if commands is not None:
        commands.close()

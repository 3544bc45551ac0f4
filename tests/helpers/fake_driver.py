"""A stand-in for the driver of CUDA; see fake_driver.c.

cuda-core itself runs on it, without a device. Memory of devices is that of this
machine, and launches run the kernels as plain C. `build` makes the library. A program
in a process of its own, with the variables of `environment`, then has one device or
several. In that process, `FakeDriver` shows and replays the launches, and
`FakeMachine` lets a ResidentLoader make its batches by them.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks.gpu import nvrtc
from fmnist_fast._device.cuda import cuda_kernels
from fmnist_fast._device.machine import Machine
from helpers.compilers import build as build_library

ROOT = Path(__file__).parents[2]
SOURCES = "canvas device host planes ../labels ../plan"
MAX_ARGUMENTS, MAX_LAUNCHES = 10, 65536


class Launch(NamedTuple):
    """A launch. The arguments that a kernel does not have are 0."""

    name: str
    device: int
    n_blocks: int
    n_threads: int
    shared_nbytes: int
    stream: int
    arguments: tuple[int, ...]


class _Launch(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("kernel", *Launch._fields[1:-1])]
    _fields_ += [("arguments", ctypes.c_uint64 * MAX_ARGUMENTS)]


_Observer = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint64)


class FakeDriver:
    """The stand-in in the process that uses it."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libcuda.so.1")
        self._library.fake_kernel_name.restype = ctypes.c_char_p
        self._library.fake_replay.argtypes = [ctypes.c_uint64]

    def launches(self) -> list[Launch]:
        """Return the first launches, also those that a graph has captured."""
        n = ctypes.c_uint64.in_dll(self._library, "fake_n_launches").value
        return [self.launch(number) for number in range(min(n, MAX_LAUNCHES))]

    def launch(self, number: int) -> Launch:
        """Return the launch with a number."""
        kept = (_Launch * MAX_LAUNCHES).in_dll(self._library, "fake_launches")
        launch = kept[number]
        name = self._library.fake_kernel_name(launch.kernel).decode()
        middle = (getattr(launch, name) for name in Launch._fields[1:-1])
        return Launch(name, *middle, tuple(launch.arguments))

    def observe(self, observer: Callable[[int], int]) -> None:
        """Let a function be told the number of each launch; see fake_driver.c."""
        self._observer = _Observer(observer)  # keeps it
        pointer = ctypes.c_void_p.in_dll(self._library, "fake_observer")
        pointer.value = ctypes.cast(self._observer, ctypes.c_void_p).value

    def make_current(self, device: int) -> None:
        """Make the primary context of a device the current one of this thread."""
        context = ctypes.c_void_p()
        self._library.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)
        self._library.cuCtxSetCurrent(context)

    @contextlib.contextmanager
    def capturing(self) -> Iterator[list[int]]:
        """Keep the launches of the block, and don't run them, as a graph does.

        The list that is yielded has their numbers when the block has ended.
        """
        flag = ctypes.c_int.in_dll(self._library, "fake_is_capturing")
        numbers: list[int] = []
        begin, flag.value = len(self.launches()), 1
        try:
            yield numbers
        finally:
            flag.value = 0
            numbers += range(begin, len(self.launches()))

    def replay(self, numbers: list[int]) -> None:
        """Run launches again, as the replay of a graph does."""
        for number in numbers:
            code = self._library.fake_replay(number)
            if code:
                raise RuntimeError(f"launch {number} failed with code {code}")


class FakeMachine(Machine):
    """A machine whose kernels cuda-core launches. Its memory is numpy's."""

    name = "fake"

    def check(self) -> None:
        self._kernels = cuda_kernels(0)

    def stream(self) -> int:
        return 0

    def launch(self, *args: Any) -> None:
        self._kernels.launch(*args)


@pytest.fixture(scope="session")
def driver(compiler, tmp_path_factory):
    """Return the folder of the stand-in for the driver."""
    return build(compiler, tmp_path_factory.mktemp("driver"))


def build(compiler, folder):
    """Make the library in a folder. Skip the test if cuda-core is not installed."""
    if sys.platform != "linux":
        pytest.skip("needs Linux")
    found = importlib.util.find_spec("cuda") and importlib.util.find_spec("cuda.core")
    if not found or nvrtc.load() is None:
        pytest.skip('needs cuda-core and NVRTC: pip install -e ".[cuda]"')
    options = ["-std=c11", "-ffp-contract=off", "-Wall", "-Wextra", "-Wshadow"]
    options += ["-Werror", f"-I{ROOT / 'src'}", "-Wl,-soname,libcuda.so.1"]
    options += [ROOT / "src" / "device" / f"{name}.c" for name in SOURCES.split()]
    source = ROOT / "tests" / "helpers" / "fake_driver.c"
    build_library(compiler, source, folder / "libcuda.so.1", *options, "-lm")
    return folder


def environment(folder, **settings):
    """Return the environment of a process that uses the library in a folder.

    The settings are those of fake_driver.c, such as capability=90.
    """
    paths = [folder, os.environ.get("LD_LIBRARY_PATH")]
    values = {f"FAKE_DRIVER_{name.upper()}": str(settings[name]) for name in settings}
    return {
        **os.environ,
        "LD_LIBRARY_PATH": os.pathsep.join(str(path) for path in paths if path),
        "PYTHONPATH": os.pathsep.join([*map(str, (ROOT, ROOT / "tests")), *sys.path]),
        **values,
    }


def run(folder, program, *arguments, **settings):
    """Run the text of a program that uses the library in a folder."""
    # Where NVRTC is on PYTHONPATH alone, cuda-core finds it only if it is loaded.
    program = f"from benchmarks.gpu import nvrtc\nnvrtc.load()\n{program}"
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(
        command,
        env=environment(folder, **settings),
        capture_output=True,
        text=True,
        timeout=120,
    )

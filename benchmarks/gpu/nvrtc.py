"""NVRTC, the compiler of CUDA, by ctypes. It needs no device."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import time
from pathlib import Path
from typing import NamedTuple


class Compiled(NamedTuple):
    """Code for one architecture, the messages, and the time of both."""

    ptx: str
    cubin: bytes
    log: str
    seconds: float


class CompileError(Exception):
    """The compiler's messages on a source that does not compile."""


def load() -> ctypes.CDLL | None:
    """Load the newest NVRTC of CUDA 12 and 13, or return None without one.

    It comes from the wheel, or without one from where the system has it.
    """
    spec = importlib.util.find_spec("nvidia")
    folders = spec.submodule_search_locations if spec else ()
    paths = [p for f in folders for p in Path(f).glob("*/lib/libnvrtc.so.1[23]")]
    paths.sort(key=lambda path: path.suffix, reverse=True)
    for name in (*paths, "libnvrtc.so.13", "libnvrtc.so.12"):
        with contextlib.suppress(OSError):
            return ctypes.CDLL(str(name))
    return None


def version(nvrtc: ctypes.CDLL) -> str:
    """Return the version, such as "13.0"."""
    numbers = ctypes.c_int(), ctypes.c_int()
    _check(nvrtc.nvrtcVersion(*map(ctypes.byref, numbers)))
    return ".".join(str(number.value) for number in numbers)


def architectures(nvrtc: ctypes.CDLL) -> list[int]:
    """Return the numbers of the architectures that it compiles for, such as 90."""
    n = ctypes.c_int()
    _check(nvrtc.nvrtcGetNumSupportedArchs(ctypes.byref(n)))
    numbers = (ctypes.c_int * n.value)()
    _check(nvrtc.nvrtcGetSupportedArchs(numbers))
    return list(numbers)


def compiled(nvrtc: ctypes.CDLL, source: str, *options: str) -> Compiled:
    """Compile a source. The log has the figures of ptxas for each function."""
    program = ctypes.c_void_p()
    text = source.encode()
    _check(
        nvrtc.nvrtcCreateProgram(
            ctypes.byref(program), text, b"kernels.cu", 0, None, None
        )
    )
    words = [option.encode() for option in ("--ptxas-options=-v", *options)]
    array = (ctypes.c_char_p * len(words))(*words)
    try:
        begin = time.perf_counter()
        code = nvrtc.nvrtcCompileProgram(program, len(words), array)
        seconds = time.perf_counter() - begin
        log = _output(nvrtc, program, "ProgramLog").decode().strip("\0 \n")
        if code:
            raise CompileError(log)
        ptx = _output(nvrtc, program, "PTX").decode().strip("\0 \n")
        cubin = _output(nvrtc, program, "CUBIN")
        return Compiled(ptx, cubin, log, seconds)
    finally:
        _check(nvrtc.nvrtcDestroyProgram(ctypes.byref(program)))


def _output(nvrtc: ctypes.CDLL, program: ctypes.c_void_p, what: str) -> bytes:
    """Return something that a compilation has made."""
    size = ctypes.c_size_t()
    _check(getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
    content = ctypes.create_string_buffer(size.value)
    _check(getattr(nvrtc, f"nvrtcGet{what}")(program, content))
    return content.raw


def _check(code: int) -> None:
    if code:
        raise RuntimeError(f"NVRTC failed with code {code}")

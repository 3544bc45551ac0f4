"""Cubins, the kernels for one architecture. NVRTC makes them at first use.

The cache folder keeps them. A file there has the SHA-256 of a cubin, then the cubin.
Its name is the SHA-256 of all that determines the cubin. The file is used only if its
content is right, and if nobody else may have written it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from .. import config
from .._checks import install_hint
from .._io.files import replacing, set_folder_aside
from .._io.private import open_file, trusted_folder
from .._io.warn import warn
from ..errors import FormatError
from .source import OPTIONS, joined_source

_FOLDER = "kernels"
_DIGEST_NBYTES = 32
_MOST_NBYTES = 1 << 24  # of a file; a cubin has about 200 KB
_MODE = 0o600  # an umask of 002 would let the group write


@contextlib.contextmanager
def requiring_cuda() -> Iterator[None]:
    """Add an instruction to install what is missing to an ImportError in the block."""
    requirement = "resident=True on a CUDA device requires"
    packages = "cuda-core, cuda-bindings and NVRTC"
    with install_hint(f"{requirement} {packages}", '"fmnist_fast[cuda]"'):
        yield


def nvrtc_version() -> tuple[int, int]:
    """Return the version of NVRTC, such as (13, 0)."""
    with requiring_cuda():
        from cuda.bindings import nvrtc

        try:
            _, major, minor = nvrtc.nvrtcVersion()
        except RuntimeError as error:
            raise ImportError("NVRTC was not found") from error
    return major, minor


def cubin(architecture: str) -> bytes:
    """Return the kernels for an architecture, such as "sm_90".

    If the cache folder can't keep them, warn. Raise RuntimeError if NVRTC can't compile
    them.
    """
    source, version = joined_source(), "{}.{}".format(*nvrtc_version())
    words = "\0".join([source, *OPTIONS, architecture, version])
    name = f"{hashlib.sha256(words.encode()).hexdigest()}.cubin"
    cache = config.cache_folder()
    code = _read(cache, name) if cache else None
    if code is None:
        code = _compile(source, architecture, version)
        if cache:
            _keep(cache, name, code)
    return code


def _compile(source: str, architecture: str, version: str) -> bytes:
    with requiring_cuda():
        from cuda.bindings import nvrtc
        from cuda.core import Program, ProgramOptions
    _, known = nvrtc.nvrtcGetSupportedArchs()
    if architecture not in [f"sm_{number}" for number in known]:
        raise RuntimeError(
            f"NVRTC {version} can't compile for this device, of architecture "
            f"{architecture}.\nRun: pip install --upgrade nvidia-cuda-nvrtc"
        )
    options = ProgramOptions(  # the same as OPTIONS
        name="kernels.cu",
        arch=architecture,
        std="c++20",
        fma=False,
        device_as_default_execution_space=True,
    )
    try:
        return bytes(Program(source, "c++", options).compile("cubin").code)
    except Exception as error:  # a class of cuda-core, whose text has the log
        log = str(error).strip("\0 \n")
        raise RuntimeError(
            f"NVRTC {version} can't compile the kernels for {architecture}. Report "
            f"this to the authors of fmnist_fast, with these lines:\n{log}"
        ) from error


def _read(cache: Path, name: str) -> bytes | None:
    """Return a cubin that the cache folder keeps, or None without a valid one."""
    try:
        path = trusted_folder(cache, _FOLDER) / name
        with open_file(path, trusted=True) as file:
            content = file.read(_MOST_NBYTES)
    except (OSError, FormatError):
        return None
    digest, code = content[:_DIGEST_NBYTES], content[_DIGEST_NBYTES:]
    return code if digest == hashlib.sha256(code).digest() else None


def _keep(cache: Path, name: str, code: bytes) -> None:
    """Write a cubin to the cache folder, or warn."""
    try:
        path = trusted_folder(cache, _FOLDER) / name
        set_folder_aside(path)
        # It is not synced: the digest reveals damage by a power failure.
        with replacing(path, sync=False, mode=_MODE) as file:
            file.write(hashlib.sha256(code).digest() + code)
    except OSError as error:
        warn(
            f"could not keep compiled kernels in {cache}: {error}.\n"
            "Set FMNIST_FAST_CACHE to another folder, which only you can write, or to "
            "'off'.",
            repeat=True,
        )

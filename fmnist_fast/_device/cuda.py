"""Launches of the kernels on a CUDA device, by cuda-core.

Nothing of CUDA is imported before the first use. Sources: cuda-core documentation; CUDA
Driver API; CUDA C++ Programming Guide, "Binary Compatibility".
"""

from __future__ import annotations

import functools
import os
import threading
from typing import Any

import numpy as np

from .compile import cubin, nvrtc_version, requiring_cuda

KERNELS = ("start", "plan", "fill", "cut", "gather", "advance")
_LEAST_CAPABILITY = (7, 5)
_SHARED_NBYTES = 65536  # the most that a device of this capability has
_NEWER_NVRTC = (
    "Update the driver. For a driver of CUDA 12, you can run pip uninstall "
    "nvidia-cuda-nvrtc, then pip install nvidia-cuda-nvrtc-cu12 'cuda-bindings<13'."
)


class CudaKernels:
    """The kernels, loaded on one CUDA device.

    `device` is its number. Its primary context becomes the current one of the thread,
    here and at launches: the runtime of CUDA, which frameworks use, leaves a new thread
    without a context. Get an object by `cuda_kernels`.

    Raises
    ------
    ImportError
        A package of the extra "cuda" is missing.
    RuntimeError
        There is no driver, the driver or NVRTC is too old, NVRTC can't compile the
        kernels, or the device can't run them.
    """

    def __init__(self, device: int) -> None:
        with requiring_cuda():
            from cuda.bindings import driver
            from cuda.core import (
                LEGACY_DEFAULT_STREAM,
                Device,
                LaunchConfig,
                Stream,
                launch,
            )
        versions = _checked_versions(driver)
        code = cubin(_architecture(device))
        self._device = Device(device)
        try:
            self._device.set_current()
            self._kernels = _load(driver, code, device)
        except Exception as error:  # a class of cuda-core
            raise RuntimeError(
                f"the driver can't load the kernels for CUDA device {device}: {error}\n"
                f"{versions}. {_NEWER_NVRTC}"
            ) from error
        self._launch = launch
        # On a stand-in for the driver, a launch takes 3.4 us in place of 10.7 us.
        self._config = functools.lru_cache(64)(LaunchConfig)
        self._stream = functools.lru_cache(64)(Stream.from_handle)
        self._default_stream = LEGACY_DEFAULT_STREAM

    def launch(
        self,
        name: str,
        stream: int,
        n_blocks: int,
        n_threads: int,
        shared_nbytes: int,
        *args: int,
    ) -> None:
        """Launch the kernel fm_kernels_NAME on a stream.

        `stream` is a handle, 0 for the legacy default stream. `args` are addresses and
        numbers from 0 to 2**64 - 1. `n_threads` and `shared_nbytes` are those of a
        thread block.
        """
        check_process()
        self._device.set_current()  # 0.4 us of 4.0 on a stand-in for the driver
        self._launch(
            self._stream(stream) if stream else self._default_stream,
            self._config(grid=n_blocks, block=n_threads, shmem_size=shared_nbytes),
            self._kernels[name],
            *map(np.uint64, args),  # cuda-core refuses integers from 2**63 on
        )


def _checked_versions(driver: Any) -> str:
    """Check that the driver loads what NVRTC makes, and return both versions in words.

    A driver loads the cubins of all NVRTCs with its major version of CUDA, and of older
    ones.
    """
    try:
        _, number = driver.cuDriverGetVersion()
    except RuntimeError as error:
        raise RuntimeError(
            "resident=True on a CUDA device requires NVIDIA's driver, which was not "
            "found.\nInstall the driver, or use device='cpu'."
        ) from error
    nvrtc, version = nvrtc_version(), (number // 1000, number % 1000 // 10)
    text = "NVRTC is that of CUDA {}.{}, and the driver that of CUDA {}.{}"
    text = text.format(*nvrtc, *version)
    if nvrtc[0] > version[0]:
        raise RuntimeError(
            f"NVRTC must not be newer than the driver. {text}.\n{_NEWER_NVRTC}"
        )
    return text


def _architecture(device: int) -> str:
    from cuda.core import Device

    capability = tuple(Device(device).compute_capability)
    if capability < _LEAST_CAPABILITY:
        text = (
            "resident=True requires a CUDA device of compute capability {}.{} or "
            "higher, got {}.{} for CUDA device {}.\n"
            "With resident=False, this loader works."
        )
        raise RuntimeError(text.format(*_LEAST_CAPABILITY, *capability, device))
    return "sm_{}{}".format(*capability)


def _load(driver: Any, code: bytes, device: int) -> dict[str, Any]:
    """Return the kernels in a cubin by name, ready to launch."""
    from cuda.core import ObjectCode

    module = ObjectCode.from_cubin(code, name="fmnist_fast")
    kernels = {name: module.get_kernel(f"fm_kernels_{name}") for name in KERNELS}
    limit = "CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES"  # 48 KB by default
    attribute = getattr(driver.CUfunction_attribute, limit)
    for kernel in kernels.values():
        handle = kernel.handle
        # Otherwise a kernel is loaded at its first launch, which a graph may capture.
        _check(driver.cuKernelGetFunction(handle))
        _check(driver.cuKernelSetAttribute(attribute, _SHARED_NBYTES, handle, device))
    return kernels


def _check(results: tuple) -> None:
    """Raise RuntimeError if a function of the driver has failed."""
    if int(results[0]):
        raise RuntimeError(results[0].name)


# ---- one object for each device -----------------------------------------------------

_FORKED = (
    "a forked process can't use CUDA, which its parent process has used.\n"
    "Start processes with the method 'spawn': "
    "multiprocessing.get_context('spawn')."
)
_is_forked = False
_lock = threading.Lock()
_loaded: dict[int, CudaKernels] = {}


def check_process() -> None:
    """Raise RuntimeError in a forked child of a process that has used the kernels."""
    if _is_forked:
        raise RuntimeError(_FORKED)


def cuda_kernels(device: int) -> CudaKernels:
    """Return the kernels on a CUDA device, which are loaded at the first call."""
    check_process()
    kernels = _loaded.get(device)
    if kernels is None:
        with _lock:
            kernels = _loaded.get(device)
            if kernels is None:
                kernels = _loaded[device] = CudaKernels(device)
    return kernels


def _forbid_in_child() -> None:
    """Forbid CUDA in a forked child if its parent has used it."""
    global _is_forked
    _is_forked = _is_forked or _lock.locked() or bool(_loaded)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forbid_in_child)

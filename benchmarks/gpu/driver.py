"""A stand-in for the names of cuda.core and cuda.bindings that the loaders use.

It calls the driver, libcuda.so.1, and NVRTC by ctypes, for machines without these
packages. Arguments of kernels have 8 bytes each. Source: CUDA Driver API.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

from . import nvrtc

_CAPABILITY = (75, 76)  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR


def install() -> str:
    """Put the stand-in in the place of what is missing; return what launches."""
    if not _is_installed("cuda.core"):
        _add("cuda.core", CORE)
    if not _is_installed("cuda.bindings"):
        _add("cuda.bindings.driver", DRIVER)
        _add("cuda.bindings.nvrtc", NVRTC)
    core = sys.modules.get("cuda.core")
    return __name__ if getattr(core, "launch", None) is launch else "cuda-core"


def _is_installed(name: str) -> bool:
    if name in sys.modules:
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # raised if the parent package is missing too
        return False


def _add(name: str, names: dict[str, Any]) -> None:
    """Add a module with these names, and the packages that it is in."""
    parent, _, own = name.rpartition(".")
    if parent and parent not in sys.modules:
        if _is_installed(parent):
            importlib.import_module(parent)
        else:
            _add(parent, {"__path__": []})
    module = sys.modules[name] = ModuleType(name)
    vars(module).update(names)
    if parent:
        setattr(sys.modules[parent], own, module)


class _Result(int):
    """A code of the driver, 0 for success."""

    @property
    def name(self) -> str:
        return f"CUDA_ERROR {int(self)}"


@functools.cache  # a call takes 20 us
def _library() -> ctypes.CDLL:
    """Return the driver."""
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise RuntimeError(str(error)) from None


def _call(name: str, *arguments: Any) -> _Result:
    """Call a function of the driver."""
    return _Result(getattr(_library(), name)(*arguments))


def _checked(name: str, *arguments: Any) -> None:
    code = _call(name, *arguments)
    if code:
        raise RuntimeError(f"{name} failed: {code.name}")


# ---- cuda.core ----------------------------------------------------------------------


class Device:
    """A device, by its number."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._context: ctypes.c_void_p | None = None

    @property
    def compute_capability(self) -> tuple[int, ...]:
        _checked("cuInit", 0)
        values = [ctypes.c_int() for _ in _CAPABILITY]
        for value, attribute in zip(values, _CAPABILITY):
            place = ctypes.byref(value)
            _checked("cuDeviceGetAttribute", place, attribute, self._number)
        return tuple(value.value for value in values)

    def set_current(self) -> None:
        if self._context is None:  # once: each call would retain it once more
            self._context = ctypes.c_void_p()
            _checked("cuInit", 0)
            reference = ctypes.byref(self._context)
            _checked("cuDevicePrimaryCtxRetain", reference, self._number)
        _checked("cuCtxSetCurrent", self._context)


class ObjectCode:
    """A cubin that the driver has loaded."""

    def __init__(self, code: bytes) -> None:
        self._library = ctypes.c_void_p()
        none = (None, None, 0) * 2
        _checked("cuLibraryLoadData", ctypes.byref(self._library), code, *none)

    @classmethod
    def from_cubin(cls, code: bytes, *, name: str = "") -> ObjectCode:
        return cls(code)

    def get_kernel(self, name: str) -> SimpleNamespace:
        kernel = ctypes.c_void_p()
        place = ctypes.byref(kernel)
        _checked("cuLibraryGetKernel", place, self._library, name.encode())
        return SimpleNamespace(handle=kernel.value, library=self)


class Stream(int):
    """A handle of a stream."""

    @classmethod
    def from_handle(cls, handle: int) -> Stream:
        return cls(handle)


class LaunchConfig(ctypes.Structure):
    """CUlaunchConfig."""

    _fields_ = [
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared_nbytes", ctypes.c_uint),
        ("stream", ctypes.c_void_p),
        ("attributes", ctypes.c_void_p),
        ("n_attributes", ctypes.c_uint),
    ]

    def __init__(self, *, grid: int, block: int, shmem_size: int) -> None:
        super().__init__((grid, 1, 1), (block, 1, 1), shmem_size)


def launch(stream: int, config: LaunchConfig, kernel: Any, *arguments: int) -> None:
    """Launch a kernel."""
    values = (ctypes.c_uint64 * len(arguments))(*map(int, arguments))
    first = ctypes.addressof(values)
    places = [first + 8 * i for i in range(len(arguments))]
    array = (ctypes.c_void_p * len(arguments))(*places)
    own = LaunchConfig.from_buffer_copy(config)  # other threads may use `config`
    own.stream = stream
    handle = ctypes.c_void_p(kernel.handle)
    _checked("cuLaunchKernelEx", ctypes.byref(own), handle, array, None)


class Program:
    """A source for NVRTC, and its options."""

    def __init__(self, source: str, _language: str, options: SimpleNamespace) -> None:
        self._source, self._options = source, options

    def compile(self, _kind: str) -> SimpleNamespace:
        given = self._options
        words = [f"--std={given.std}", f"--gpu-architecture={given.arch}"]
        words += [] if given.fma else ["--fmad=false"]
        if given.device_as_default_execution_space:
            words.append("--device-as-default-execution-space")
        made = nvrtc.compiled(_loaded_nvrtc(), self._source, *words)
        return SimpleNamespace(code=made.cubin)


CORE = {
    "Device": Device,
    "LEGACY_DEFAULT_STREAM": Stream(1),  # CU_STREAM_LEGACY
    "LaunchConfig": LaunchConfig,
    "ObjectCode": ObjectCode,
    "Program": Program,
    "ProgramOptions": SimpleNamespace,
    "Stream": Stream,
    "launch": launch,
}

# ---- cuda.bindings ------------------------------------------------------------------


def version() -> str:
    """Return the version of CUDA that the driver has, such as "13.0"."""
    _, number = _driver_version()
    return f"{number // 1000}.{number % 1000 // 10}"


def _driver_version() -> tuple[_Result, int]:
    number = ctypes.c_int()
    return _call("cuDriverGetVersion", ctypes.byref(number)), number.value


def _kernel_function(handle: int) -> tuple[_Result, int | None]:
    function, kernel = ctypes.c_void_p(), ctypes.c_void_p(handle)
    code = _call("cuKernelGetFunction", ctypes.byref(function), kernel)
    return code, function.value


def _set_kernel_attribute(
    attribute: int, value: int, handle: int, device: int
) -> tuple[_Result]:
    kernel = ctypes.c_void_p(handle)
    return (_call("cuKernelSetAttribute", attribute, value, kernel, device),)


def _loaded_nvrtc() -> ctypes.CDLL:
    library = nvrtc.load()
    if library is None:
        raise RuntimeError("NVRTC was not found")
    return library


def _nvrtc_version() -> tuple[int, int, int]:
    major, minor = map(int, nvrtc.version(_loaded_nvrtc()).split("."))
    return 0, major, minor


def _architectures() -> tuple[int, Sequence[int]]:
    return 0, nvrtc.architectures(_loaded_nvrtc())


DRIVER = {
    "CUfunction_attribute": SimpleNamespace(
        CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES=8
    ),
    "cuDriverGetVersion": _driver_version,
    "cuKernelGetFunction": _kernel_function,
    "cuKernelSetAttribute": _set_kernel_attribute,
}
NVRTC = {"nvrtcGetSupportedArchs": _architectures, "nvrtcVersion": _nvrtc_version}

"""Native threads of this process, and Python functions that workers call."""

import ctypes
import os
import sys

import pytest

needs_linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="needs Linux"
)
# Type of a function for CFunction: pixels, height, width, random words, data.
USER_FUNCTION = ctypes.CFUNCTYPE(
    None,
    ctypes.c_void_p,
    ctypes.c_int64,
    ctypes.c_int64,
    ctypes.c_void_p,
    ctypes.c_void_p,
)


def n_threads():
    """Return the number of threads of this process, with the native ones."""
    return len(os.listdir("/proc/self/task"))

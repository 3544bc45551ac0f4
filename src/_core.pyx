# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The binding between the Python package and the C kernels.

Only this file and its parts in binding/ know both sides. Every function checks its
arguments, takes pointers, calls a kernel without the GIL, checks the status and
returns.
"""
cimport cython
cimport numpy as cnp
from cpython.buffer cimport (PyBuffer_FillInfo, PyBuffer_Release, PyBUF_SIMPLE,
                             PyObject_GetBuffer)
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport UINT32_MAX, uint32_t, uint64_t, uint8_t, uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from kernels cimport *
from transforms cimport *

import functools
import operator
import os
import threading
import warnings
from itertools import accumulate

import numpy as np

from fmnist_fast.errors import FormatError

cnp.import_array()

cdef extern from "Python.h":
    int Py_AddPendingCall(int (*function)(void *) except -1, void *argument) nogil

cdef extern from "numpy/arrayobject.h":
    object PyArray_NewFromDescr(type subtype, cnp.dtype descr, int nd,
                                cnp.npy_intp *dims, cnp.npy_intp *strides, void *data,
                                int flags, void *obj)


cdef int check(fm_status status, str source="") except -1:
    """Raise the exception for `status`; `source` names the file at fault."""
    if status == FM_OK:
        return 0
    message = fm_status_message(status).decode()
    if status == FM_NO_MEMORY:
        raise MemoryError(message)
    if source:
        raise FormatError(f"{source}: {message}")
    raise RuntimeError(message)


# ---- exit -----------------------------------------------------------------------

cdef bint is_exiting = False


def begin_exit():
    """Let daemon threads end quietly from now on, when they need a batch."""
    global is_exiting
    is_exiting = True


cdef int end_daemon_thread() except -1:
    """Raise SystemExit in a daemon thread while the process exits."""
    if is_exiting and threading.current_thread().daemon:
        raise SystemExit
    return 0


# ---- instruction sets -----------------------------------------------------------

CPU_LEVELS = ("baseline", "avx2", "avx512")
cdef fm_cpu_shared level_in_use = fm_cpu_detect()


cdef fm_cpu_level cpu_level() noexcept:
    return <fm_cpu_level>FM_CPU_LOAD(level_in_use)


def cpu_levels():
    """Return the instruction set levels that this machine can run, lowest first."""
    return CPU_LEVELS[:fm_cpu_detect() + 1]


def get_cpu_level():
    """Return the level whose kernels new calls and loaders use."""
    return CPU_LEVELS[cpu_level()]


def set_cpu_level(level):
    """Use the kernels of `level` from now on. Loaders in use keep their kernels."""
    if level not in CPU_LEVELS:
        raise ValueError(f"CPU level must be one of {', '.join(CPU_LEVELS)}, "
                         f"got {level!r}")
    if level not in cpu_levels():
        raise ValueError("CPU level must be one that this machine has "
                         f"({', '.join(cpu_levels())}), got {level!r}")
    FM_CPU_STORE(level_in_use, <int>CPU_LEVELS.index(level))


# ---- floats ---------------------------------------------------------------------

def default_floats(function):
    """Return `function` so that it computes the same in every thread.

    While it runs, operations on floats round to the nearest number, keep denormal
    numbers, and do not trap. Afterward the caller's state is as before.
    """
    @functools.wraps(function)
    def called(*arguments, **options):
        cdef fm_floats caller
        fm_floats_begin(&caller)
        try:
            return function(*arguments, **options)
        finally:
            fm_floats_end(&caller)

    return called


# ---- interrupts -----------------------------------------------------------------

def uninterrupted(function):
    """Return `function` as a callback that is repeated until nothing interrupts it.

    Python drops the exceptions of callbacks of weak references. So a KeyboardInterrupt
    is raised afterward, in the main thread, where the program is by then.
    """
    @functools.wraps(function)
    def called(*arguments):
        interrupt = None
        while True:
            try:
                function(*arguments)
                break
            except KeyboardInterrupt as error:
                interrupt = error
        if interrupt is not None:
            Py_INCREF(interrupt)
            Py_AddPendingCall(raise_later, <void *>interrupt)

    return called


cdef int raise_later(void *error) except -1 with gil:
    interrupt = <object>error
    Py_DECREF(interrupt)
    raise interrupt


# ---- the parts of this file -----------------------------------------------------

include "binding/files.pxi"
include "binding/sampling.pxi"
include "binding/pixels.pxi"
include "binding/programs.pxi"
include "binding/batches.pxi"
include "binding/devices.pxi"

fm_faults_setup(notify_reader)
fm_pipeline_setup()

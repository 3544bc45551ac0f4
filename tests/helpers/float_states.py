"""Set and read the floating-point state of the calling thread, by the C library."""

import contextlib
import ctypes
import platform
import struct
import sys
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Machine:
    """Where fenv_t has the state, and which bits to clear and to set for a state."""

    control_at: int
    flags_at: int
    flags: int  # bits of exceptions that have occurred
    states: dict[str, tuple[int, int]]


MACHINES = {
    "x86_64": Machine(
        control_at=28,
        flags_at=28,
        flags=0x3F,
        states={
            "down": (0x6000, 0x2000),
            "up": (0x6000, 0x4000),
            "to zero": (0x6000, 0x6000),
            "flush": (0x8040, 0x8040),
            "traps": (0x0F80, 0),
            "traps at every rounding": (0x1F80, 0),
        },
    ),
    # Many arm64 processors have no traps, and ignore the bits for them.
    "aarch64": Machine(
        control_at=0,
        flags_at=4,
        flags=0x9F,
        states={
            "up": (0xC00000, 0x400000),
            "down": (0xC00000, 0x800000),
            "to zero": (0xC00000, 0xC00000),
            "flush": (0x1000000, 0x1000000),
            "traps": (0, 0x8F00),
            "traps at every rounding": (0, 0x9F00),
        },
    ),
}
STATES = ("down", "up", "to zero", "flush")  # with traps, Python itself would stop
MACHINE = MACHINES.get(platform.machine())

linux_only = pytest.mark.skipif(
    sys.platform != "linux" or MACHINE is None,
    reason="the layout of fenv_t is known for Linux on x86-64 and arm64 only",
)


def _read(env, offset):
    return struct.unpack_from("I", env, offset)[0]


def get_state():
    """Return the control bits, and the flags of exceptions that have occurred."""
    env = ctypes.create_string_buffer(64)
    ctypes.CDLL(None).fegetenv(env)
    control, flags = _read(env, MACHINE.control_at), _read(env, MACHINE.flags_at)
    if MACHINE.control_at == MACHINE.flags_at:
        control &= ~MACHINE.flags
    return control, flags & MACHINE.flags


@contextlib.contextmanager
def float_state(name):
    """Run a block in a state in which no exception has occurred yet."""
    before, env = ctypes.create_string_buffer(64), ctypes.create_string_buffer(64)
    set_env = ctypes.CDLL(None).fesetenv
    ctypes.CDLL(None).fegetenv(before)
    clear, bits = MACHINE.states[name]
    env.raw = before.raw
    flags = _read(env, MACHINE.flags_at) & ~MACHINE.flags
    struct.pack_into("I", env, MACHINE.flags_at, flags)
    control = _read(env, MACHINE.control_at) & ~clear | bits
    struct.pack_into("I", env, MACHINE.control_at, control)
    set_env(env)
    try:
        yield
    finally:
        set_env(before)

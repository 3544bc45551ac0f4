"""Cores that a process may use, and its time and memory (from /proc of Linux)."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

_PROC = Path("/proc")


def usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _children() -> list[Path]:
    """Return other processes of this process's group, such as workers of loaders."""
    children = []
    for path in _PROC.iterdir():
        try:
            if path.name.isdigit() and int(path.name) != os.getpid():
                if os.getpgid(int(path.name)) == os.getpgid(0):
                    children.append(path)
        except ProcessLookupError:
            continue
    return children


def cpu_seconds() -> float:
    """Return processor seconds of this process and its children.

    All threads count. The kernel counts the children's time in hundredths of a second.
    """
    total, ticks = time.process_time(), os.sysconf("SC_CLK_TCK")
    for path in _children():
        try:  # the second field, a name in brackets, may contain spaces
            fields = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # utime and stime are fields 14 and 15, and `fields` starts with field 3.
        total += (int(fields[11]) + int(fields[12])) / ticks
    return total


def _kilobytes(path: Path, pattern: str) -> int:
    return sum(int(n) for n in re.findall(pattern, path.read_text(), re.MULTILINE))


def resident() -> int:
    """Return the bytes of this process that are in memory now."""
    return 1024 * _kilobytes(_PROC / "self/status", r"^VmRSS:\s+(\d+)")


def forget_peak() -> None:
    """Reset the peak, so that `peak_resident` counts from now on."""
    (_PROC / "self/clear_refs").write_text("5")


def peak_resident() -> int:
    """Return the most bytes of this process that were in memory at a time."""
    return 1024 * _kilobytes(_PROC / "self/status", r"^VmHWM:\s+(\d+)")


def children_bytes() -> int:
    """Return the bytes of all children that they share with no other process."""
    total = 0
    for path in _children():
        try:
            total += _kilobytes(path / "smaps_rollup", r"^Private_\w+:\s+(\d+)")
        except OSError:
            continue
    return 1024 * total

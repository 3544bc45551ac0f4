"""What a process may use, and what it and its children have used (Linux's /proc)."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

_PROC = Path("/proc")


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _children() -> list[Path]:
    """The other processes of this process's group, such as loaders' workers."""
    found = []
    for path in _PROC.iterdir():
        try:
            if path.name.isdigit() and int(path.name) != os.getpid():
                if os.getpgid(int(path.name)) == os.getpgid(0):
                    found.append(path)
        except ProcessLookupError:
            continue
    return found


def cpu_seconds() -> float:
    """Of all threads of this process, and of its children to a hundredth."""
    total, ticks = time.process_time(), os.sysconf("SC_CLK_TCK")
    for path in _children():
        try:  # after the name, which may hold spaces: utime and stime are 14 and 15
            fields = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / ticks
    return total


def _kilobytes(path: Path, pattern: str) -> int:
    return sum(int(n) for n in re.findall(pattern, path.read_text(), re.MULTILINE))


def resident() -> int:
    """Bytes of this process that are in memory now."""
    return 1024 * _kilobytes(_PROC / "self/status", r"^VmRSS:\s+(\d+)")


def forget_peak() -> None:
    """Let `peak_resident` count from now on."""
    (_PROC / "self/clear_refs").write_text("5")


def peak_resident() -> int:
    """Bytes of this process that were in memory at most."""
    return 1024 * _kilobytes(_PROC / "self/status", r"^VmHWM:\s+(\d+)")


def children_bytes() -> int:
    """Bytes that the children don't share with anybody, together."""
    total = 0
    for path in _children():
        try:
            total += _kilobytes(path / "smaps_rollup", r"^Private_\w+:\s+(\d+)")
        except OSError:
            continue
    return 1024 * total

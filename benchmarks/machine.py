"""The machine on which the figures were measured."""

from __future__ import annotations

import platform
import re
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

import fmnist_fast as ff

from .usage import usable_cores


def describe() -> dict[str, str]:
    """Return processor, cores, memory, system, versions and time, as text."""
    return {
        "processor": _first("/proc/cpuinfo", r"model name\s*:\s*(.+)")
        or platform.processor(),
        "cores": str(usable_cores()),
        "memory": _memory(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "fmnist_fast": f"{ff.__version__}, {ff._core.get_cpu_level()}",
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _memory() -> str:
    kilobytes = _first("/proc/meminfo", r"MemTotal:\s+(\d+)")
    return f"{int(kilobytes) / 2**20:.0f} GiB" if kilobytes else "unknown"


def _first(path: str, pattern: str) -> str:
    """Return the first match in a file, or "" if the file does not exist."""
    try:
        match = re.search(pattern, Path(path).read_text())
    except OSError:
        return ""
    return match[1].strip() if match else ""

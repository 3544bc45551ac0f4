"""Number of cores that this process may keep busy.

Containers limit the CPU time of their processes by control groups. The Linux kernel's
documentation describes the files: cpu.max in "Control Group v2", and cpu.cfs_quota_us
in "CFS Bandwidth Control". /proc/self/cgroup is described in cgroups(7), and
/proc/self/mountinfo in proc(5).
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Iterator
from pathlib import PurePath

_PROC = "/proc/self"
# 4:cpu,cpuacct:/group, and in version 2 0::/group
_GROUP = re.compile(r"^\d+:([^:\n]*):(/.*)$", re.M)
# 32 31 0:29 ROOT FOLDER rw,relatime - KIND cgroup OPTIONS
_MOUNT = re.compile(r"^\S+ \S+ \S+ (\S+) (\S+) .* - (\S+) \S+ (\S+)$", re.M)


def usable_cores() -> int:
    """Return the number of cores that this process may keep busy, at least 1.

    It is the smallest of three numbers: the cores that Python counts, the cores of the
    affinity mask, and the quota of CPU time, rounded up. From Python 3.13 on,
    PYTHON_CPU_COUNT and ``-X cpu_count`` set what Python counts.
    """
    if hasattr(os, "sched_getaffinity"):
        return min(_most_cores(), len(os.sched_getaffinity(0)))
    return _most_cores()


@functools.cache  # changes are rare, and reading takes 20 times as long as a new Loader
def _most_cores() -> int:
    """Return the number of cores by Python's count and by the quotas."""
    return min([os.cpu_count() or 1, *_quotas()])


def _quotas() -> Iterator[int]:
    """Yield the quotas of this process's control groups, in cores, rounded up."""
    for group in _groups():
        names = "cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us"  # versions 2, 1, 1
        text = " ".join(_text(group / name) for name in names)
        with contextlib.suppress(ValueError):  # "max" means no limit
            quota, period = map(int, text.split())
            if quota > 0 and period > 0:  # -1 means no limit
                yield -(-quota // period)


def _groups() -> Iterator[PurePath]:
    """Yield the folders of this process's control groups, and of all that hold them."""
    paths = {
        "cgroup" if controllers else "cgroup2": PurePath(path)
        for controllers, path in _GROUP.findall(_text(f"{_PROC}/cgroup"))
        if not controllers or "cpu" in controllers.split(",")
    }
    for root, folder, kind, options in _MOUNT.findall(_text(f"{_PROC}/mountinfo")):
        path, top = paths.get(kind), _unescaped(root)
        is_for_cpu = kind == "cgroup2" or "cpu" in options.split(",")
        if path is not None and is_for_cpu and path.is_relative_to(top):
            below = path.relative_to(top)
            yield from (_unescaped(folder) / part for part in (below, *below.parents))


def _unescaped(path: str) -> PurePath:
    """Return a path of mountinfo, where a space is written as 040 after a backslash."""
    return PurePath(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path))


def _text(path: str | os.PathLike[str]) -> str:
    """Return the content of a file, or "" if it can't be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except (OSError, ValueError):  # ValueError for a null byte in the path
        return ""

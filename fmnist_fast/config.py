"""Environment variables, and the configuration in use.

FMNIST_FAST_DATA     folder where dataset files are looked for
FMNIST_FAST_CACHE    folder for copies and downloads, or "off"
FMNIST_FAST_CPU      highest instruction set to use: baseline, avx2 or avx512
FMNIST_FAST_OFFLINE  1 to refuse downloads; "", 0, false, no and off allow them
FMNIST_FAST_MAX_DOWNLOAD_GB  largest file to fetch from a URL, in 10**9 bytes
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from pathlib import Path

from . import _core
from ._io.cores import usable_cores
from ._io.paths import expanded
from ._version import __version__

_MAX_THREADS = 4  # two fill about 15 GB/s, more than a training loop needs
# A crop and a flip take 12 us for a batch of 128, and other transforms take longer. The
# consumer and the mutex take at most 0.8 us, so that 15 threads would keep them busy.
_MAX_THREADS_WITH_TRANSFORMS = 8


def data_folder() -> Path | None:
    """Return the folder that $FMNIST_FAST_DATA names, or None.

    Returns
    -------
    Path or None
        Folder with the user's home in place of ``~``. None if the variable is not set.
    """
    value = os.environ.get("FMNIST_FAST_DATA")
    return Path(expanded(value)) if value else None


def cache_folder() -> Path | None:
    """Return the folder for decoded copies, or None if $FMNIST_FAST_CACHE is off.

    Returns
    -------
    Path or None
        Folder that the variable names. The default is the folder fmnist_fast in the
        user's cache folder. It may not exist yet. None for a user without a home.
    """
    value = os.environ.get("FMNIST_FAST_CACHE", "")
    if value.strip().lower() == "off":
        return None
    if value:
        return Path(expanded(value))
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    base = expanded(base)
    return None if base.startswith("~") else Path(base) / "fmnist_fast"


def offline() -> bool:
    """Return whether $FMNIST_FAST_OFFLINE forbids downloads.

    Returns
    -------
    bool
        False if the variable is not set or is "", 0, false, no or off.
    """
    value = os.environ.get("FMNIST_FAST_OFFLINE", "")
    return value.strip().lower() not in ("", "0", "false", "no", "off")


def max_download_nbytes() -> int:
    """Return the size of the largest file that is fetched from a URL of the user.

    Returns
    -------
    int
        Number of bytes. $FMNIST_FAST_MAX_DOWNLOAD_GB sets it, and the default is 4 GB.

    Raises
    ------
    ValueError
        The variable is not a positive number.
    """
    name = "FMNIST_FAST_MAX_DOWNLOAD_GB"
    value = os.environ.get(name) or "4"
    with contextlib.suppress(ValueError, OverflowError):
        nbytes = round(float(value) * 1e9)
        if nbytes > 0:
            return nbytes
    raise ValueError(f"{name} must be a positive number, got {value!r}")


def default_threads(*, transforms: bool = False) -> int:
    """Return a loader's default number of threads.

    Parameters
    ----------
    transforms : bool, default False
        Whether the loader augments images.

    Returns
    -------
    int in 1..8
        Number of cores that this process may use, at most 4, or at most 8 with
        transforms. The affinity mask and the CPU quota of a container limit it.
    """
    most = _MAX_THREADS_WITH_TRANSFORMS if transforms else _MAX_THREADS
    return min(most, usable_cores())


def apply_cpu_level() -> None:
    """Use the instruction set that $FMNIST_FAST_CPU names, if the variable is set.

    Raises
    ------
    ValueError
        The variable names no instruction set that this machine has.
    """
    level = os.environ.get("FMNIST_FAST_CPU")
    if level:
        try:
            _core.set_cpu_level(level)
        except ValueError as error:
            raise ValueError(f"FMNIST_FAST_CPU: {error}") from None


def show_config() -> None:
    """Print versions, instruction sets, threads, folders and the use of the network."""
    import numpy

    levels = ", ".join(_core.cpu_levels())
    rows = {
        "fmnist_fast": __version__,
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "platform": f"{sys.platform} {platform.machine()}",
        "instructions": f"{_core.get_cpu_level()} (this machine has {levels})",
        "threads": f"{default_threads()}, or {default_threads(transforms=True)} with "
        f"transforms ({usable_cores()} usable cores)",
        "data folder": data_folder() or "not set (FMNIST_FAST_DATA)",
        "cache folder": cache_folder() or "off",
        "downloads": "never (FMNIST_FAST_OFFLINE)" if offline() else "when asked for",
        "from URLs": f"files of at most {max_download_nbytes() / 1e9:g} GB "
        "(FMNIST_FAST_MAX_DOWNLOAD_GB)",
    }
    for name, value in rows.items():
        print(f"{name:13} {value}")

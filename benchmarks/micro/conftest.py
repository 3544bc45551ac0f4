"""What the benchmarks share: data, interleaved timing, and the table at the end."""

import os
import platform
import statistics
import time

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import _core

from ..usage import usable_cores

LINES = []


def interleaved(contenders, rounds):
    """Time each of `contenders` once a round, in turns; returns lists of seconds.

    Taking turns lets a noisy neighbour hit all alike; one more round comes first and
    does not count.
    """
    times = {name: [] for name in contenders}
    for k in range(rounds + 1):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            if k:
                times[name].append(time.perf_counter() - start)
    return times


@pytest.fixture(scope="session")
def rounds(request):
    """Rounds of a comparison: few in a smoke run (--benchmark-disable)."""
    return 2 if request.config.getoption("benchmark_disable") else 21


@pytest.fixture(scope="session")
def measured(request):
    """False in a smoke run, whose figures mean nothing."""
    return not request.config.getoption("benchmark_disable")


@pytest.fixture(scope="session")
def train():
    """The real training set where $FMNIST_FAST_DATA has it, else the synthetic one."""
    if os.environ.get("FMNIST_FAST_DATA"):
        return ff.load("train")
    return ff.synthetic()[0]


@pytest.fixture
def report():
    """Keep a line for the table at the end of the run."""
    return LINES.append


def compare(times, name, against):
    """Median milliseconds of both, with the spread of the first, and their ratio."""
    ours, theirs = (statistics.median(times[key]) for key in (name, against))
    low, high = (np.quantile(times[name], q) * 1e3 for q in (0.1, 0.9))
    text = (
        f"{ours * 1e3:6.2f} ms ({low:.2f}-{high:.2f}), {against} {theirs * 1e3:.2f} ms"
    )
    return ours / theirs, text


def pytest_terminal_summary(terminalreporter):
    if not LINES:
        return
    write = terminalreporter.write_line
    terminalreporter.section("fmnist_fast")
    write(f"{platform.platform()}, {usable_cores()} usable cores")
    write(f"python {platform.python_version()}, numpy {np.__version__}")
    write(f"fmnist_fast {ff.__version__}, {_core.get_cpu_level()}; medians of an epoch")
    for line in LINES:
        write(line)

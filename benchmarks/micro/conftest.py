"""Data, interleaved timing, and the table at the end, for all benchmarks here."""

import os
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import pytest

import fmnist_fast as ff
from fmnist_fast import _core

from .. import machine
from ..files import merge_json
from ..usage import usable_cores

LINES = []
FIGURES = {}


def interleaved(contenders, rounds):
    """Time each of `contenders` once per round, in turns; return lists of seconds.

    Because of the turns, other programs affect all contenders equally. An additional
    first round does not count.
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
    """Return the rounds of a comparison, few in a smoke run (--benchmark-disable)."""
    return 2 if request.config.getoption("benchmark_disable") else 21


@pytest.fixture(scope="session")
def measured(request):
    """Return False in a smoke run, whose figures mean nothing."""
    return not request.config.getoption("benchmark_disable")


@pytest.fixture(scope="session")
def train():
    """Return training images: published with FMNIST_FAST_DATA, otherwise synthetic."""
    if os.environ.get("FMNIST_FAST_DATA"):
        return ff.load("train")
    return ff.synthetic()[0]


@pytest.fixture
def report():
    """Return a function that adds a line to the table at the end of the run."""
    return LINES.append


@pytest.fixture
def figure(request):
    """Return a function that keeps a named figure of this module for --figures."""
    figures = FIGURES.setdefault(request.module.__name__.rpartition(".")[2], {})

    def keep(name, value):
        figures[name] = float(f"{value:.4g}")

    return keep


def compare(times, name, against):
    """Return the ratio of two medians, and text with both medians and a spread."""
    ours, theirs = (statistics.median(times[key]) for key in (name, against))
    low, high = (np.quantile(times[name], q) * 1e3 for q in (0.1, 0.9))
    text = (
        f"{ours * 1e3:6.2f} ms ({low:.2f}-{high:.2f}), {against} {theirs * 1e3:.2f} ms"
    )
    return ours / theirs, text


def pytest_collection_modifyitems(items):
    """Run bench_frameworks.py last; the threads of TensorFlow slow JAX down."""
    items.sort(key=lambda item: item.path.name == "bench_frameworks.py")


def pytest_sessionfinish(session):
    """Write the figures of the modules that ran to the file of --figures."""
    path = session.config.getoption("figures")
    if path is None or session.config.getoption("benchmark_disable"):
        return
    for module, figures in FIGURES.items():
        if not figures:  # all tests of the module were skipped
            continue
        part = {"machine": machine.describe(), "figures": figures}
        merge_json(Path(path), "parts", {module: part})


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

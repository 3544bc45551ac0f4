"""Options of micro/, which pytest reads here even if it is given only `benchmarks`."""

from pathlib import Path

import pytest

from .files import read_figures


def pytest_configure(config):
    """Check the file of --figures before anything is measured."""
    path = config.getoption("figures", None)
    if path is not None:
        try:
            read_figures(Path(path))
        except (OSError, ValueError) as error:
            raise pytest.UsageError(f"--figures {error}") from None


def pytest_addoption(parser):
    parser.addoption(
        "--save-baselines",
        action="store_true",
        help="save the ratios of this run of bench_micro.py in baselines.json",
    )
    parser.addoption(
        "--figures",
        metavar="FIGURES.json",
        help="write the figures of this run to the file, and keep those of other parts",
    )
    parser.addoption(
        "--images-in-files",
        type=int,
        default=1_000_000,
        help="number of images that bench_load_files.py writes, 784 bytes each",
    )

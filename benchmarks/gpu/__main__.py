"""Measure the loaders on a CUDA device: ``python -m benchmarks.gpu``.

Exit codes: 0 success; 1 a check failed; 2 wrong command line, or no CUDA device; 130
Ctrl-C, after which the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import importlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import driver
from .goals import Results, judge
from .lines import Lines

RESULTS = Path(__file__).parents[1] / "results" / "gpu.jsonl"
# Seconds of each section in a run of 360. Sections get shares in this proportion.
SECTIONS = {
    "build": 20,
    "bits": 70,
    "epochs": 50,
    "beside": 70,
    "training": 80,
    "safety": 30,
    "jax": 40,
}
CHECKED = ("bits", "safety", "jax")  # sections in which an error is a failed check
_MOST_SECONDS = 86400
_GRACE = 5  # seconds after which a call that can't be interrupted ends the process


class OutOfTime(BaseException):
    """A task took longer than the time that was left for it."""


def main(words: list[str] | None = None) -> int:
    """Run `words`, by default those of the command line; return the exit code."""
    arguments = parser().parse_args(words)
    end = time.monotonic() + arguments.seconds
    most = arguments.seconds + _GRACE
    try:
        faulthandler.dump_traceback_later(most, exit=True, file=sys.__stderr__)
        return run(arguments, end)
    except (ImportError, OSError, ValueError) as error:
        print(f"python -m benchmarks.gpu: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        faulthandler.cancel_dump_traceback_later()


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description="Check and measure the loaders on a CUDA device. Each result is a "
        "line of JSON.",
    )
    parser.add_argument(
        "--seconds", type=seconds, default=360, help="time for all; default: 360"
    )
    parser.add_argument(
        "--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS)
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="file that keeps the lines, and whose results are not measured again; "
        f"default: benchmarks/results/{RESULTS.name}, or none with --dry",
    )
    parser.add_argument(
        "--again", action="store_true", help="also measure results of the file again"
    )
    parser.add_argument(
        "--dry",
        action="store_true",
        help="walk through all sections without a device: few images, kernels in C",
    )
    parser.add_argument("--images", type=int, help="take only this number of images")
    return parser


def seconds(text: str) -> float:
    """Return the seconds of a run, which timers of the system can wait."""
    if not 0 <= float(text) <= _MOST_SECONDS:
        raise argparse.ArgumentTypeError(
            f"must be in 0..{_MOST_SECONDS} seconds, got {text}"
        )
    return float(text)


def run(arguments: argparse.Namespace, end: float) -> int:
    """Run the sections, and return the exit code."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic sums
    try:
        import torch
    except ModuleNotFoundError:
        raise ImportError("PyTorch is missing. Run pip install torch.") from None
    if not (arguments.dry or torch.cuda.is_available()):
        raise OSError(
            f"a CUDA device is required, but PyTorch {torch.__version__} finds none.\n"
            "To check that this program runs, pass --dry."
        )
    launcher = driver.install()
    from .bench import Bench
    from .bits import RECIPES

    bench = Bench(arguments.dry, arguments.images)
    lines = opened(arguments, bench.name)
    with contextlib.redirect_stdout(sys.stderr):  # of other packages
        lines.write("machine", "machine", bench.about() | {"launcher": launcher})
        left = run_sections(bench, lines, end, arguments.sections, arguments.again)
        summary = summarized(lines.results, left)
        goals = judge(lines.results, RECIPES)
        # The times of a dry run are those of the processor.
        summary["goals"] = goals[:1] if arguments.dry else goals
        lines.write("summary", "summary", summary)
    return int(bool(summary["failed"]))


def opened(arguments: argparse.Namespace, device: str) -> Lines:
    """Return the results of the file, and write more to it if it can be written."""
    if arguments.dry and arguments.output is None:
        return Lines(None, device)
    try:
        return Lines(arguments.output or RESULTS, device)
    except OSError as error:
        if arguments.output is not None:
            raise
        print(f"The lines are not kept in a file: {error}", file=sys.stderr)
        return Lines(None, device)


def run_sections(
    bench: Any, lines: Lines, end: float, names: list[str], again: bool
) -> list[str]:
    """Run what has no result yet, and return the tasks for which no time was left.

    A section gets its share of the time that is left, and starts no task after that. A
    task is ended where it would take more than half of the time of later sections.
    """
    gc.collect()
    gc.freeze()  # collections after each task are short
    pending = {}
    for section in names:
        module = importlib.import_module(f".{section}", __package__)
        tasks = module.tasks(bench)
        keep = [name for name in tasks if again or not lines.is_done(section, name)]
        if keep:
            pending[section] = {name: tasks[name] for name in keep}
    left = []
    for section in list(pending):
        begin, weights = time.monotonic(), [SECTIONS[name] for name in pending]
        stop = begin + (end - begin) * SECTIONS[section] / sum(weights)
        for name, task in pending.pop(section).items():
            now = time.monotonic()
            if now >= stop:
                left.append(f"{section}: {name}")
                continue
            figures = outcome(task, (stop + end) / 2 - now)
            figures["took_s"] = time.monotonic() - now
            lines.write(section, name, figures)
    return left


def outcome(task: Callable[[], dict], seconds: float) -> dict[str, Any]:
    """Return the figures of a task, or its error; other tasks can still be run."""
    try:
        with limited(seconds):
            figures = task()
        json.dumps(figures, allow_nan=False)  # NaN is an error of this task alone
        return figures
    except OutOfTime:
        return {"late": f"it needed more than {seconds:.1f} s"}
    except Exception as error:
        traceback.print_exc()
        words = " ".join(str(error).split())
        return {"error": f"{type(error).__name__}: {words[:500]}"}
    finally:
        gc.collect()  # loaders of a task that failed


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise OutOfTime in the block after some seconds, where the system has a timer."""

    def stop(*_: object) -> None:
        raise OutOfTime

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def summarized(results: Results, left: list[str]) -> dict[str, Any]:
    """Return the names of what failed, had errors or had no time."""
    failed, errors, late = [], [], list(left)
    for (section, name), line in results.items():
        label = f"{section}: {name}"
        if line.get("ok") is False or ("error" in line and section in CHECKED):
            failed.append(label)
        elif "error" in line:
            errors.append(label)
        elif "late" in line:
            late.append(label)
    return {"failed": failed, "errors": errors, "left_out": late}


if __name__ == "__main__":
    sys.exit(main())

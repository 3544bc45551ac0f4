"""Compare with other loaders on this machine: ``python -m benchmarks``.

Exit codes: 0 success; 1 error; 2 wrong command line; 130 Ctrl-C; 141 the reader of the
output has closed it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from .comparison import environments
from .comparison.comparison import Comparison, Options
from .comparison.goals import judge
from .comparison.tables import ratio_text, summary, work_title
from .files import merge_json, read_figures
from .gpu.lines import read_lines
from .work import QUICK, WORKS

PROGRAM = "python -m benchmarks"
TREE = Path(__file__).parents[1]
FIGURES = TREE / "benchmarks" / "results" / "figures.json"
_QUICK = Options(3, QUICK, part=0.25, start_rounds=1, n_synthetic=10_000)


def main(words: list[str] | None = None) -> int:
    """Run `words`, by default those of the command line; return the exit code."""
    try:
        code = run(parser().parse_args(words))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Python flushes stdout once more when it exits, which must not fail again.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ImportError, MemoryError, OSError, RuntimeError, ValueError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        print(f"{PROGRAM}: error: {text}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Compare with other loaders, on this machine.",
        epilog="""examples:
  python -m benchmarks --quick                  a few minutes, two workloads
  python -m benchmarks --install                install the other loaders
  python -m benchmarks -o result.json           everything: about 20 minutes
  python -m benchmarks --only numpy dali --works plain crop_flip
  python -m benchmarks --scaling                threads, batch sizes, sides, numbers
  python -m benchmarks.gpu                      what the loaders do on a CUDA device
  python -m benchmarks --training               accuracy of the examples
  python -m benchmarks --publish                tables and charts of the docs

Needs quiet cores. Contenders that are not installed are listed as such.""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_comparison(parser)
    add_others(parser)
    return parser


def add_comparison(parser: argparse.ArgumentParser) -> None:
    """Add the options of the comparison, and of the environments that it needs."""
    parser.add_argument(
        "--quick", action="store_true", help="two workloads, 3 rounds, smaller checks"
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="contenders to compare"
    )
    parser.add_argument("--works", nargs="+", metavar="WORK", help="workloads to do")
    parser.add_argument("--rounds", type=positive, help="default: 5, or 3 if --quick")
    parser.add_argument(
        "--limit",
        type=positive,
        default=180,
        metavar="SECONDS",
        help="longest time that a contender may take for an answer; default: 180",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FIGURES.json",
        help="write the results to the file, and keep those of other commands",
    )
    parser.add_argument(
        "--environments",
        metavar="FOLDER",
        help="folder of the environments; default: $FMNIST_FAST_BENCH_ENVS or "
        "benchmarks/comparison/.environments",
    )
    parser.add_argument(
        "--install",
        nargs="*",
        metavar="NAME",
        help="create the environments of these contenders, or of all",
    )
    parser.add_argument(
        "--require",
        action="append",
        default=[],
        metavar="NAME=REQUIREMENT",
        help="requirement that --install uses instead: torch=torch==2.13.0",
    )


def add_others(parser: argparse.ArgumentParser) -> None:
    """Add the options that measure or do something else."""
    parser.add_argument(
        "--scaling", action="store_true", help="measure curves of this library instead"
    )
    parser.add_argument(
        "--training",
        nargs="*",
        choices=["accuracy", "speed", "gain", "speedrun", "jax"],
        help="measure the examples that train instead; default: all parts",
    )
    parser.add_argument(
        "--images",
        type=positive,
        default=10**6,
        metavar="N",
        help="most images for --scaling, 784 bytes each; default: 1000000",
    )
    parser.add_argument(
        "--publish",
        nargs="?",
        const=str(FIGURES),
        metavar="FIGURES.json",
        help="write the figures of the file into README.md and docs/; default: "
        "benchmarks/results/figures.json",
    )


def positive(text: str) -> int:
    """Return an integer that is at least 1."""
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(
            f"must be an integer and at least 1, got {text!r}"
        )
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Run what the arguments ask for; return the exit code."""
    folder = Path(arguments.environments or environments.default_folder())
    if arguments.install is not None:
        require = dict(_requirement(text) for text in arguments.require)
        n_failed = environments.install(arguments.install, folder.resolve(), require)
        return int(n_failed > 0)
    if arguments.publish:
        from .publish import publish

        path = Path(arguments.publish)
        gpu = read_lines(path.with_name("gpu.jsonl"))
        publish(read_figures(path) | {"gpu": gpu}, TREE)
        return 0
    if arguments.output:
        read_figures(Path(arguments.output))  # an error now, not after measuring
    if arguments.scaling:
        from .comparison.scaling import measure

        key, result = "scaling", measure(arguments.images, arguments.rounds or 5)
    elif arguments.training is not None:
        from .training import PARTS, measure

        key, result = "training", measure(arguments.training or PARTS, arguments.quick)
    else:
        key, result = "comparison", compare(arguments, folder.resolve())
    if arguments.output:
        merge_json(Path(arguments.output), key, result)
        print(f"Written to {arguments.output}")
    return 0


def compare(arguments: argparse.Namespace, folder: Path) -> dict:
    """Run the comparison and print its results; return them for a JSON file."""
    if not sys.platform.startswith("linux"):
        raise OSError(
            f"the comparison requires Linux, whose /proc it reads, got {sys.platform}"
        )
    options = _options(arguments)
    comparison = Comparison(environments.chosen(arguments.only), folder, options)
    # A SIGTERM runs the `finally` below, which ends all processes.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        comparison.start()
        result = comparison.result
        for what, value in result["machine"].items():
            print(f"{what:12} {value}")
        for name, about in result["contenders"].items():
            print(f"{name:15} {_about(about)}")
        for work in options.works:
            print(f"\n{work_title(work)}", flush=True)
            for name, entry in comparison.run_work(WORKS[work]):
                print(f"  {name:15} {ratio_text(entry)}", flush=True)
            if arguments.output:  # a run takes long, and may be ended
                merge_json(Path(arguments.output), "comparison", result)
        print("\nstart to first batch, and memory")
        for name, entry in comparison.run_start():
            print(f"  {name:15} {summary(entry)}", flush=True)
    finally:
        comparison.close()
        signal.signal(signal.SIGTERM, before)
    print()
    for goal in judge(result):
        print(f"goal, {goal['name']}: {goal['asked']}, {goal['verdict']}")
    return result


def _options(arguments: argparse.Namespace) -> Options:
    options = replace(_QUICK if arguments.quick else Options(), limit=arguments.limit)
    if arguments.works:
        options.works = tuple(arguments.works)
    if arguments.rounds:
        options.rounds = arguments.rounds
    for name in options.works:
        if name not in WORKS:
            raise ValueError(
                f"workload must be one of {', '.join(WORKS)}, got {name!r}"
            )
    return options


def _about(about: dict) -> str:
    if "missing" in about:
        return f"not installed: {about['missing']}"
    if "error" in about:
        return f"FAILED: {about['error']}"
    return ", ".join(f"{name} {version}" for name, version in about["versions"].items())


def _requirement(text: str) -> tuple[str, str]:
    name, equals, requirement = text.partition("=")
    if not (name and equals and requirement):
        raise ValueError(f"--require must be NAME=REQUIREMENT, got {text!r}")
    return name, requirement

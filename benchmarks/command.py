"""``python -m benchmarks``: beside other loaders, on this machine.

Exit codes: 0 all is well, 1 an error, 2 a command line that can't be understood or no
CUDA device for --gpu, 130 Ctrl-C, 141 nobody reads the output any more.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from .comparison import environments
from .comparison.comparison import Comparison, Options
from .comparison.goals import judge
from .comparison.tables import ratio_text, summary, work_title
from .files import replace_text
from .work import QUICK, WORKS

PROGRAM = "python -m benchmarks"
TREE = Path(__file__).parents[1]
_QUICK = Options(3, QUICK, part=0.25, start_rounds=1, n_synthetic=10_000)


def main(words: list[str] | None = None) -> int:
    """Run what `words` ask for, by default ``sys.argv[1:]``; return the exit code."""
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
  python -m benchmarks --quick                  a few minutes, two works
  python -m benchmarks --install                install the others, each on its own
  python -m benchmarks -o result.json           everything: about 20 minutes
  python -m benchmarks --only numpy dali --works plain crop_flip
  python -m benchmarks --scaling                threads, batch sizes, sides, numbers
  python -m benchmarks --gpu                    how well a CUDA device is fed
  python -m benchmarks --publish result.json    tables and pictures of a run

Needs quiet cores. What isn't installed is listed as such.""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_comparison(parser)
    add_others(parser)
    return parser


def add_comparison(parser: argparse.ArgumentParser) -> None:
    """Add the options of the comparison, and of the environments that it needs."""
    parser.add_argument(
        "--quick", action="store_true", help="two works, 3 rounds, smaller checks"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these contenders")
    parser.add_argument("--works", nargs="+", metavar="WORK", help="these works")
    parser.add_argument("--rounds", type=positive, help="default: 5, or 3 if --quick")
    parser.add_argument(
        "--limit",
        type=positive,
        default=180,
        metavar="SECONDS",
        help="that a contender may take for an answer; default: 180",
    )
    parser.add_argument(
        "-o", "--output", metavar="RESULT.json", help="keep what was measured"
    )
    parser.add_argument(
        "--environments",
        metavar="FOLDER",
        help="of the contenders' environments; default: $FMNIST_FAST_BENCH_ENVS or "
        "benchmarks/comparison/.environments",
    )
    parser.add_argument(
        "--install",
        nargs="*",
        metavar="NAME",
        help="make the environments of these contenders, or of all",
    )
    parser.add_argument(
        "--require",
        action="append",
        default=[],
        metavar="NAME=REQUIREMENT",
        help="what --install asks pip for instead, such as torch=torch==2.13.0",
    )


def add_others(parser: argparse.ArgumentParser) -> None:
    """Add the options that measure or do something else."""
    parser.add_argument(
        "--scaling", action="store_true", help="draw curves of this library instead"
    )
    parser.add_argument(
        "--gpu",
        action="store_true",
        help="measure the feeding of a CUDA device instead",
    )
    parser.add_argument(
        "--images",
        type=positive,
        default=10**6,
        metavar="N",
        help="of --scaling at most, 784 bytes each; default: 1000000",
    )
    parser.add_argument(
        "--publish",
        nargs="+",
        metavar="RESULT.json",
        help="write README's table, docs/comparison.md and its pictures of these runs",
    )


def positive(text: str) -> int:
    """Return an integer from 1 on."""
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"must be an integer from 1 on, got {text!r}")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Run what the arguments ask for; return the exit code."""
    folder = Path(arguments.environments or environments.default_folder())
    if arguments.install is not None:
        require = dict(_requirement(text) for text in arguments.require)
        n_failed = environments.install(arguments.install, folder.resolve(), require)
        return int(n_failed > 0)
    if arguments.publish:
        from .comparison.publish import publish

        publish([_read(path) for path in arguments.publish], TREE)
        return 0
    if arguments.output and not Path(arguments.output).absolute().parent.is_dir():
        raise FileNotFoundError(f"{arguments.output}: there is no such folder")
    if arguments.gpu:
        return _feed_gpu(arguments)
    if arguments.scaling:
        from .comparison.scaling import measure

        result = measure(arguments.images, rounds=arguments.rounds or 5)
    else:
        result = compare(arguments, folder.resolve())
    if arguments.output:
        _keep(result, arguments.output)
        print(f"Kept in {arguments.output}")
    return 0


def _feed_gpu(arguments: argparse.Namespace) -> int:
    """Run gpu_feed.py, which needs PyTorch in this environment."""
    try:
        from .gpu_feed import main
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError("--gpu needs PyTorch: pip install torch") from None
    words = ["--quick"] if arguments.quick else []
    words += ["--rounds", str(arguments.rounds)] if arguments.rounds else []
    words += ["--json", arguments.output] if arguments.output else []
    return main(words)


def compare(arguments: argparse.Namespace, folder: Path) -> dict:
    """Run the comparison, printing as it goes; the result, for a JSON file."""
    if not sys.platform.startswith("linux"):
        raise OSError(
            f"the comparison reads /proc, of Linux, and this is {sys.platform}"
        )
    options = _options(arguments)
    comparison = Comparison(environments.chosen(arguments.only), folder, options)
    # So that all processes are ended with this one.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        comparison.start()
        result = comparison.result
        for what, value in result["machine"].items():
            print(f"{what:12} {value}")
        for name, about in result["contenders"].items():
            print(f"{name:15} {_about(about)}")
        for work in options.works:
            print(f"\n{work_title(work)}; x: times as long as ours", flush=True)
            for name, entry in comparison.run_work(WORKS[work]):
                print(f"  {name:15} {ratio_text(entry)}", flush=True)
            if arguments.output:  # a run takes long, and may be ended
                _keep(result, arguments.output)
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
            raise ValueError(f"no work {name!r}; there are {', '.join(WORKS)}")
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


def _keep(result: dict, path: str) -> None:
    replace_text(Path(path), json.dumps(result, indent=1) + "\n")


def _read(path: str) -> dict:
    return json.loads(Path(path).read_text(encoding="utf-8"))

"""What ``fmnist-fast bench`` does with its arguments."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path

from fmnist_fast._io.files import replacing

from . import peers
from .comparison import Comparison, Options
from .goals import judge
from .tables import ratio_text, summary, work_title
from .work import QUICK, WORKS

_QUICK = Options(3, QUICK, part=0.25, start_rounds=1, n_synthetic=10_000)


def run(arguments: argparse.Namespace, tree: Path) -> int:
    """Run what the arguments ask for; `tree` is the checkout. Returns the exit code."""
    folder = Path(arguments.peers) if arguments.peers else peers.default_folder()
    if arguments.install is not None:
        require = dict(_requirement(text) for text in arguments.require)
        return int(peers.install(arguments.install, folder.resolve(), require) > 0)
    if arguments.publish:
        from .publish import publish

        publish([_read(path) for path in arguments.publish], tree)
        return 0
    if arguments.output and not Path(arguments.output).absolute().parent.is_dir():
        raise FileNotFoundError(f"{arguments.output}: there is no such folder")
    if arguments.gpu:
        return _feed_gpu(arguments)
    if arguments.scaling:
        from .scaling import measure

        result = measure(arguments.images, rounds=arguments.rounds or 5)
    else:
        result = compare(arguments, folder.resolve())
    if arguments.output:
        _keep(result, arguments.output)
        print(f"Kept in {arguments.output}")
    return 0


def _feed_gpu(arguments: argparse.Namespace) -> int:
    """What gpu_feed.py measures, which needs PyTorch in this environment."""
    try:
        from .gpu_feed import main
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError("bench --gpu needs PyTorch: pip install torch") from None
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
    options = replace(_QUICK if arguments.quick else Options(), limit=arguments.limit)
    if arguments.works:
        options.works = tuple(arguments.works)
    if arguments.rounds:
        options.rounds = arguments.rounds
    for name in options.works:
        if name not in WORKS:
            raise ValueError(f"no work {name!r}; there are {', '.join(WORKS)}")
    comparison = Comparison(peers.chosen(arguments.only), folder, options)
    # So that all processes are ended with this one.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        comparison.start()
        result = comparison.result
        for what, value in result["machine"].items():
            print(f"{what:12} {value}")
        for name, about in result["contenders"].items():
            print(f"{name:15} {_about(about)}")
        for name in options.works:
            print(f"\n{work_title(name)}; x: times as long as ours", flush=True)
            for contender, entry in comparison.run_work(WORKS[name]):
                print(f"  {contender:15} {ratio_text(entry)}", flush=True)
            if arguments.output:  # a run takes long, and may be ended
                _keep(result, arguments.output)
        print("\nstart to first batch, and memory")
        for contender, entry in comparison.run_start():
            print(f"  {contender:15} {summary(entry)}", flush=True)
    finally:
        comparison.close()
        signal.signal(signal.SIGTERM, before)
    print()
    for goal in judge(result):
        print(f"goal, {goal['name']}: {goal['asked']}, {goal['verdict']}")
    return result


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
    with replacing(Path(path)) as file:
        file.write(json.dumps(result, indent=1).encode() + b"\n")


def _read(path: str) -> dict:
    return json.loads(Path(path).read_text(encoding="utf-8"))

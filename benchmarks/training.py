"""Accuracy and seconds of the programs in examples/ that train, and the gain."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import machine

EXAMPLES = Path(__file__).parents[1] / "examples"
SEEDS = 3
SPEED_EPOCHS = 2
LOADERS = {
    "fmnist_fast": ["train_torch.py"],
    "torchvision": ["train_torch.py", "--loader", "torchvision", "--workers", "2"],
}
OTHERS = {"sklearn": ["train_sklearn.py"]}
JAX = {"jax": ["train_jax.py"], "ensemble": ["ensemble_jax.py"]}
PICTURE = EXAMPLES.parent / "docs" / "images" / "ensemble.png"
PARTS = ("accuracy", "speed", "gain", "speedrun", "jax")


def measure(parts: Sequence[str], quick: bool) -> dict:
    """Run the programs, and return the machine and the figures of each part.

    Parameters
    ----------
    parts : list of str
        "accuracy" runs programs at the same time, each with one OpenMP thread, as other
        load does not change an accuracy. "speed" runs the two loaders of
        train_torch.py one after the other and needs quiet cores. "gain" trains a CNN
        and an MLP behind two loaders in turn (gain.py), and needs quiet cores too.
        So do "speedrun", which runs speedrun.py on the CPU, and "jax", which runs the
        two programs for JAX.
    quick : bool
        Take the options --quick and --synthetic of the programs. Otherwise "jax" draws
        the picture of docs/training.md.
    """
    measures = {
        "accuracy": _accuracies,
        "speed": _speeds,
        "gain": _gain,
        "speedrun": _speedrun,
        "jax": _jax,
    }
    return {
        part: {
            "machine": machine.describe(),
            "quick": quick,
            "figures": measures[part](quick),
        }
        for part in parts
    }


def _more(quick: bool) -> list[str]:
    return ["--quick", "--synthetic"] if quick else []


def _accuracies(quick: bool) -> dict[str, dict]:
    """Return accuracies in percent of the programs, which run at the same time."""
    commands = {n: [*w, "--seeds", str(SEEDS)] for n, w in LOADERS.items()} | OTHERS
    running = {
        name: _start([*words, *_more(quick)], OMP_NUM_THREADS="1")
        for name, words in commands.items()
    }
    try:
        texts = {name: _finish(process) for name, process in running.items()}
    finally:
        for process in running.values():  # those that still run after an error
            process.kill()
            process.wait()
    figures = {name: _accuracy(text, -1) for name, text in texts.items()}
    # The program prints a line for partial_fit, and then one for fit.
    figures["sklearn"] = _accuracy(texts["sklearn"], 0)
    figures["sklearn_fit"] = _accuracy(texts["sklearn"], 1)
    return figures


def _accuracy(text: str, index: int) -> dict[str, float]:
    """Return an accuracy that a program printed, with its deviation if it has one."""
    found = re.findall(r"accuracy ([\d.]+)%(?: \+- ([\d.]+)%)?", text)
    if len(found) <= max(index, 0):
        raise ValueError(f"the program printed no accuracy: {text[-200:]!r}")
    percents, deviation = found[index]
    figures = {"accuracy": float(percents)}
    return figures | ({"deviation": float(deviation)} if deviation else {})


def _speeds(quick: bool) -> dict[str, dict]:
    """Return the speeds of both loaders, which run one after the other."""
    more = ["--epochs", str(SPEED_EPOCHS), *_more(quick)]
    return {
        name: _speed(_finish(_start([*words, *more])))
        for name, words in LOADERS.items()
    }


def _gain(quick: bool) -> dict[str, dict]:
    from .gain import measure  # which needs PyTorch and torchvision

    return measure(quick)


def _speedrun(quick: bool) -> dict[str, Any]:
    """Return what speedrun.py writes after its runs on the CPU."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "result.json")
        words = ["speedrun.py", "--device", "cpu", "--json", str(path)]
        _finish(_start([*words, *(["--quick", "--seeds", "2"] if quick else [])]))
        return json.loads(path.read_text("utf-8"))


def _jax(quick: bool) -> dict[str, dict]:
    """Return accuracies, and seconds of an epoch, of programs one after the other."""
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        picture = str(Path(folder, PICTURE.name) if quick else PICTURE)
        for name, words in JAX.items():
            more = ["--output", picture] if name == "ensemble" else []
            text = _finish(_start([*words, *more, *_more(quick)]))
            seconds = re.findall(r"^epoch \d+: ([\d.]+) s", text, re.MULTILINE)
            figures[name] = _accuracy(text, -1)
            figures[name]["seconds"] = statistics.median(map(float, seconds))
    return figures


def _speed(text: str) -> dict[str, float]:
    """Return seconds of an epoch, and the percentage of them in next(loader)."""
    match = re.search(r"epochs: ([\d.]+) s an epoch, ([\d.]+)%", text)
    if match is None:
        raise ValueError(f"the last line has no seconds of an epoch: {text[-200:]!r}")
    return {"seconds": float(match[1]), "waiting": float(match[2])}


def _start(words: list[str], **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(EXAMPLES / words[0]), *words[1:]],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


def _finish(process: subprocess.Popen) -> str:
    """Return what a process printed, and print it too."""
    text, _ = process.communicate()
    print(text, end="", flush=True)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, process.args))} failed")
    return text

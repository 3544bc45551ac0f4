"""Earlier results of the micro-benchmarks, by processor, in baselines.json.

A ratio to a reference loop in the same process is the same on a busy machine. It
differs between processors, so each processor has its baselines.
"""

import json
import platform
from pathlib import Path

from fmnist_fast import _core

from ..files import replace_text
from ..usage import usable_cores

PATH = Path(__file__).with_name("baselines.json")
LOSS = 1.25  # a ratio above this multiple of its baseline is a loss


def processor(cpuinfo="/proc/cpuinfo"):
    """Return the name of this processor in baselines.json.

    Virtual processors have vague names, so it includes other facts.
    """
    try:
        lines = Path(cpuinfo).read_text().split("\n\n")[0].splitlines()
    except OSError:
        lines = []
    facts = {
        k.strip(): v.strip() for k, _, v in (line.partition(":") for line in lines)
    }
    parts = [facts.get("model name") or platform.processor() or platform.machine()]
    parts += [f"{key} {facts[key]}" for key in ("cpu family", "model") if key in facts]
    return ", ".join([*parts, f"{usable_cores()} cores", _core.get_cpu_level()])


def load(path=PATH):
    """Return all baselines: a dict of ratios by name for each processor."""
    return json.loads(path.read_text()) if path.exists() else {}


def save(ratios, name, path=PATH):
    """Save `ratios` for the processor `name`, and keep all other baselines."""
    baselines = load(path)
    rounded = {key: float(f"{value:.4g}") for key, value in ratios.items()}
    baselines[name] = dict(sorted((baselines.get(name, {}) | rounded).items()))
    text = json.dumps(dict(sorted(baselines.items())), indent=2) + "\n"
    replace_text(path, text)


def is_loss(ratio, baseline):
    """Return whether `ratio` is much above its baseline; None is no baseline."""
    return baseline is not None and ratio > LOSS * baseline

"""What the micro-benchmarks measured before, by processor, in baselines.json.

A ratio to a yardstick in the same process survives a busy machine; it does not survive
another processor, so each has baselines of its own.
"""

import json
import platform
from pathlib import Path

from fmnist_fast import _core

from ..files import replace_text
from ..usage import usable_cores

PATH = Path(__file__).with_name("baselines.json")
LOSS = 1.25  # of a ratio, from which on something is wrong


def processor(cpuinfo="/proc/cpuinfo"):
    """This processor as baselines.json calls it; virtual ones have vague names."""
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
    """All baselines: ratios by name, by processor."""
    return json.loads(path.read_text()) if path.exists() else {}


def save(ratios, name, path=PATH):
    """Keep `ratios` as those of the processor `name`, beside what else is there."""
    baselines = load(path)
    mine = baselines.get(name, {}) | {k: float(f"{v:.4g}") for k, v in ratios.items()}
    baselines[name] = dict(sorted(mine.items()))
    text = json.dumps(dict(sorted(baselines.items())), indent=2) + "\n"
    replace_text(path, text)


def is_loss(ratio, baseline):
    """Whether `ratio` is much above its baseline, where there is one."""
    return baseline is not None and ratio > LOSS * baseline

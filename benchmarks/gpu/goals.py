"""The goals for the figures, and whether they are met."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Results = dict[tuple[str, str], dict[str, Any]]

MOST_EPOCH_MS = 0.3  # float32, in chunks
LEAST_RATIO = 10  # of an epoch that PyTorch indexes, to ours: crops and flips
MOST_SHARE = 0.02  # of a captured ResNet-18 step
LEAST_SEEDS_RATIO = 10  # of a scan of JAX for each of 64 seeds, to one scan for all


def judge(results: Results, recipes: Iterable[str]) -> list[dict[str, Any]]:
    """Return each goal with what was asked, what was measured, and whether it is met.

    The last two are None if it was not measured.
    """

    def of(section: str, name: str, figure: str) -> float | None:
        return results.get((section, name), {}).get(figure)

    differ = [of("bits", name, "differ") for name in recipes]
    n_differing = None if None in differ else sum(differ)
    goals = {f"bytes that differ, {len(differ)} recipes": (0, n_differing)}
    for augment in ("plain", "crop_flip"):
        for size in (512, 4096):
            what = f"ms of a float32 epoch in chunks, {augment}, batches of {size}"
            ms = of("epochs", f"float32 {augment} {size}", "chunks_ms")
            goals[what] = (MOST_EPOCH_MS, ms)
    what = "share of a captured ResNet-18 step, batches of 512"
    goals[what] = (MOST_SHARE, of("training", "resnet18", "resident_share"))
    judged = [_judged(what, "at most", *pair) for what, pair in goals.items()]
    ways = ("resident crop_flip", "indexed crop_flip")
    ours, indexed = (of("beside", name, "ms") for name in ways)
    ratio = indexed / ours if ours and indexed else None
    what = "times faster than PyTorch's indexing with crops and flips"
    judged.append(_judged(what, "at least", LEAST_RATIO, ratio))
    differ = [
        line.get("differ") for (section, _), line in results.items() if section == "jax"
    ]
    counts = [n for n in differ if n is not None]
    what = "bytes that differ, batches of JAX"
    judged.append(_judged(what, "at most", 0, sum(counts) if counts else None))
    for augment in ("plain", "standard"):
        ratio = of("jax", f"seeds {augment}", "ratio")
        what = f"times faster than a scan for each of 64 seeds, {augment}"
        judged.append(_judged(what, "at least", LEAST_SEEDS_RATIO, ratio))
    return judged


def _judged(what: str, limit: str, asked: float, value: float | None) -> dict[str, Any]:
    met = None
    if value is not None:
        met = value <= asked if limit == "at most" else value >= asked
    return {"goal": what, "asked": f"{limit} {asked}", "measured": value, "met": met}

"""The goals of the comparison, and whether a run reached them."""

from __future__ import annotations

import statistics
from typing import Any

from .environments import FLOOR, OURS

# (name, workload, contenders, how many times as long as fmnist_fast the best of them
# takes)
RATIOS = [
    ("shuffle + normalize: the best library", "plain", "library", 10),
    ("shuffle + normalize: the best hand-written loop", "plain", "loop", 4),
    ("shuffle + normalize: torchvision + DataLoader", "plain", "torchvision", 800),
    ("crop + flip: the best library", "crop_flip", "library", 18),
    ("crop + flip: torchvision + DataLoader", "crop_flip", "torchvision", 1200),
    ("affine: the OpenCV loop", "affine", "opencv", 12),
]
# (name, workload, the memory floor's time divided by that of fmnist_fast)
SHARES = [
    ("shuffle + normalize: share of the memory floor", "plain", 0.75),
    ("crop + flip: share of the memory floor", "crop_flip", 0.60),
    ("uint8: share of the memory floor", "uint8", 0.80),
]
# (name, two workloads, the time of fmnist_fast for the first divided by the second's)
BATCHES = [
    ("epoch in batches of 32, relative to 512", ("plain_32", "plain_512"), 1.5),
]
# (name, figure of the start, end of "the best other takes 2 times as ...")
BEST = [
    ("cold start from .gz: fastest of all", "cold", "long"),
    ("memory: least of all", "memory", "much"),
]


def ratio(entry: dict) -> float:
    """Return how many times as long as fmnist_fast a contender takes, as a median."""
    ratios = [b / a for b, a in zip(entry["seconds"], entry["ours"], strict=True)]
    return statistics.median(ratios)


def is_measured(entry: dict) -> bool:
    """Return whether the contender completed all rounds."""
    return bool(entry.get("seconds")) and "error" not in entry


def judge(result: dict) -> list[dict[str, Any]]:
    """Return a dict for each goal: its name, what is asked, the result, the verdict."""
    judged = [_judge_ratio(result, *goal) for goal in RATIOS]
    judged += [_judge_share(result, *goal) for goal in SHARES]
    judged += [_judge_batches(result, *goal) for goal in BATCHES]
    return judged + [_judge_best(result, *goal) for goal in BEST]


def _goal(name: str, asked: str, best: str, measured: str, reached: bool) -> dict:
    verdict = f"{'reached' if reached else 'missed'}: {measured} ({best})"
    return _unmeasured(name, asked) | {
        "best": best,
        "measured": measured,
        "verdict": verdict,
    }


def _unmeasured(name: str, asked: str) -> dict[str, Any]:
    goal = {"name": name, "asked": asked}
    return goal | {"best": "", "measured": "", "verdict": "not measured"}


def _judge_ratio(result: dict, name: str, work: str, who: str, asked: int) -> dict:
    ratios = {
        contender: ratio(entry)
        for contender, entry in result["works"].get(work, {}).items()
        if is_measured(entry)
        and contender != OURS
        and who in (contender, result["contenders"][contender]["kind"])
    }
    if not ratios:
        return _unmeasured(name, f"{asked:,} times")
    best = min(ratios, key=ratios.__getitem__)
    title, measured = result["contenders"][best]["title"], f"{ratios[best]:,.1f} times"
    return _goal(name, f"{asked:,} times", title, measured, ratios[best] >= asked)


def _judge_share(result: dict, name: str, work: str, asked: float) -> dict:
    floor = result["works"].get(work, {}).get(FLOOR, {})
    if not is_measured(floor):
        return _unmeasured(name, f"{asked:.0%}")
    title, share = result["contenders"][FLOOR]["title"], ratio(floor)
    return _goal(name, f"{asked:.0%}", title, f"{share:.0%}", share >= asked)


def _judge_batches(
    result: dict, name: str, works: tuple[str, str], asked: float
) -> dict:
    goal = f"at most {asked} times as long"
    ours = [result["works"].get(work, {}).get(OURS, {}) for work in works]
    if not all(map(is_measured, ours)):
        return _unmeasured(name, goal)
    slow, fast = (statistics.median(entry["seconds"]) for entry in ours)
    times, title = slow / fast, result["contenders"][OURS]["title"]
    return _goal(name, goal, title, f"{times:.2f} times as long", times <= asked)


def _judge_best(result: dict, name: str, key: str, amount: str) -> dict:
    medians = {
        contender: sorted(entry[key])[len(entry[key]) // 2]
        for contender, entry in result["start"].items()
        if entry.get(key) and "error" not in entry
    }
    goal = f"the best other takes at least as {amount}"
    others = {who: value for who, value in medians.items() if who != OURS}
    if OURS not in medians or not others:
        return _unmeasured(name, goal)
    best = min(others, key=others.__getitem__)
    title, times = result["contenders"][best]["title"], others[best] / medians[OURS]
    reached = medians[OURS] <= others[best]
    measured = f"the best other takes {times:.2f} times as {amount}"
    return _goal(name, goal, title, measured, reached)

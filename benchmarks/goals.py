"""What was asked of the comparison, and whether a run reached it."""

from __future__ import annotations

from typing import Any

from .peers import OURS

# (what, work, which contenders, how many times as long as ours the best of them takes)
RATIOS = [
    ("plain: the best library", "plain", "library", 10),
    ("plain: the best hand-written loop", "plain", "loop", 4),
    ("plain: torchvision + DataLoader", "plain", "torchvision", 800),
    ("crop + flip: the best library", "crop_flip", "library", 18),
    ("crop + flip: torchvision + DataLoader", "crop_flip", "torchvision", 1200),
    ("affine: the OpenCV loop", "affine", "opencv", 12),
]
BEST = [
    ("cold start, from .gz: best of all", "cold"),
    ("memory: best of all", "memory"),
]


def ratio(entry: dict) -> float:
    """How many times as long as ours a contender takes: the median of its rounds."""
    pairs = sorted(b / a for b, a in zip(entry["seconds"], entry["ours"], strict=True))
    middle = len(pairs) // 2
    return pairs[middle] if len(pairs) % 2 else (pairs[middle - 1] + pairs[middle]) / 2


def is_measured(entry: dict) -> bool:
    """Whether it came through all rounds."""
    return bool(entry.get("seconds")) and "error" not in entry


def judge(result: dict) -> list[dict[str, Any]]:
    """Each goal: name, asked, the best of the others, its ratio, and the verdict."""
    return [_judge_ratio(result, *goal) for goal in RATIOS] + [
        _judge_best(result, *goal) for goal in BEST
    ]


def _judge_ratio(result: dict, name: str, work: str, who: str, asked: int) -> dict:
    ratios = {
        contender: ratio(entry)
        for contender, entry in result["works"].get(work, {}).items()
        if is_measured(entry)
        and contender != OURS
        and who in (contender, result["contenders"][contender]["kind"])
    }
    goal: dict[str, Any] = {"name": name, "asked": f"{asked:,} x"}
    if not ratios:
        return goal | {"best": "", "measured": "", "verdict": "not measured"}
    best = min(ratios, key=ratios.__getitem__)
    verdict = "reached" if ratios[best] >= asked else "missed"
    measured = f"{ratios[best]:,.1f} x"
    title = result["contenders"][best]["title"]
    return goal | {
        "best": title,
        "measured": measured,
        "verdict": f"{verdict}: {measured} ({title})",
    }


def _judge_best(result: dict, name: str, key: str) -> dict:
    medians = {
        contender: sorted(entry[key])[len(entry[key]) // 2]
        for contender, entry in result["start"].items()
        if entry.get(key) and "error" not in entry
    }
    goal: dict[str, Any] = {"name": name, "asked": "best"}
    others = {who: value for who, value in medians.items() if who != OURS}
    if OURS not in medians or not others:
        return goal | {"best": "", "measured": "", "verdict": "not measured"}
    best = min(others, key=others.__getitem__)
    reached = medians[OURS] <= others[best]
    measured = f"{others[best] / medians[OURS]:.2f} x"
    title = result["contenders"][best]["title"]
    verdict = f"{'reached' if reached else 'missed'}: {measured} ({title})"
    return goal | {"best": title, "measured": measured, "verdict": verdict}

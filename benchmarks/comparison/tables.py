"""The tables of a run, in Markdown and in lines for the terminal."""

from __future__ import annotations

from typing import Any

from ..work import WORKS
from .environments import FLOOR, OURS
from .goals import is_measured, judge, ratio

BRACKETS = (
    "The brackets say how many times as long as fmnist_fast a loader takes: the median "
    "of ratios within a round, which may differ from the quotient of the medians."
)


def median(values: list[float]) -> float:
    """Return the median."""
    ordered, middle = sorted(values), len(values) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def milliseconds(seconds: float) -> str:
    """Return milliseconds with three digits, or all digits from a hundred on."""
    value = seconds * 1e3
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def factor(value: float) -> str:
    """Return a ratio with two digits, or all digits from ten on."""
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.2g}"


def times(value: float) -> str:
    """Return a ratio in words: "6.9 times"."""
    return f"{factor(value)} times"


def _setting(setting: dict) -> str:
    return ", ".join(f"{name} {value}" for name, value in setting.items())


def ratio_text(entry: dict) -> str:
    """Return a workload's entry as a line: median, spread, ratio, CPU time, setting."""
    if "none" in entry:
        return f"- ({entry['none']})"
    if not is_measured(entry):
        return f"FAILED: {entry.get('error', 'nothing was measured')}"
    low, high = min(entry["seconds"]), max(entry["seconds"])
    text = f"{milliseconds(median(entry['seconds'])):>8} ms"
    text += f" ({milliseconds(low)}-{milliseconds(high)})"
    if entry["ours"]:
        text += f", {times(ratio(entry))} as long as fmnist_fast"
    text += f", processor {milliseconds(median(entry['cpu']))} ms"
    wrong = [one for one in entry["tried"] if "error" in one]
    if wrong:
        text += f"; {len(wrong)} settings FAILED: {wrong[0]['error']}"
    return f"{text}; {_setting(entry['setting'])}"


def summary(entry: dict) -> str:
    """Return an entry of the start as a line."""
    if "error" in entry:
        return f"FAILED: {entry['error']}"
    text = f"{milliseconds(median(entry['cold'])):>7} ms from .gz"
    if entry["cached"]:
        text += f", {milliseconds(median(entry['cached']))} ms from its cache"
    return f"{text}, {median(entry['memory']) / 2**20:.0f} MiB"


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(entry: dict | None) -> str:
    if entry is None or "none" in entry:
        return "-"
    if not is_measured(entry):
        return "failed"
    text = milliseconds(median(entry["seconds"]))
    return f"{text} ({times(ratio(entry))})" if entry["ours"] else f"**{text}**"


def _contenders(result: dict, with_floor: bool) -> list[str]:
    """Return the contenders that ran, fmnist_fast first, then by their times."""
    first = next(iter(result["works"].values()), {})

    def key(name: str) -> tuple[bool, float]:
        entry = first.get(name, {})
        return name != OURS, ratio(entry) if entry.get("ours") else 1e9

    names = [n for n, about in result["contenders"].items() if "versions" in about]
    return sorted([n for n in names if with_floor or n != FLOOR], key=key)


def works_table(result: dict, works: list[str]) -> str:
    """Return a table of milliseconds per epoch and ratios, with a row per contender."""
    works = [work for work in works if work in result["works"]]
    rows = []
    for name in _contenders(result, with_floor=False):
        cells = [_cell(result["works"][work].get(name)) for work in works]
        if any(cell != "-" for cell in cells):
            rows.append([result["contenders"][name]["title"], *cells])
    return table(["", *[WORKS[work].title for work in works]], rows)


def floor_table(result: dict) -> str:
    """Return a table of the memory floor and fmnist_fast, with a row per workload."""
    rows = []
    for work, entries in result["works"].items():
        ours, floor = entries.get(OURS, {}), entries.get(FLOOR, {})
        if is_measured(ours) and is_measured(floor):
            cells = [milliseconds(median(e["seconds"])) for e in (ours, floor)]
            rows.append([work_title(work), *cells, f"{ratio(floor):.0%}"])
    header = ["workload", "fmnist_fast, ms", "memory floor, ms"]
    return table([*header, "share of the floor's speed"], rows)


def work_title(name: str) -> str:
    """Return the title of a workload, with its batch size."""
    title, size = WORKS[name].title, f"batch {WORKS[name].batch_size}"
    return title if title == size else f"{title}, {size}"


def start_table(result: dict) -> str:
    """Return a table of the time to the first batch and the memory after an epoch."""
    rows = []
    for name, entry in result["start"].items():
        title = result["contenders"][name]["title"]
        if "error" in entry:
            rows.append([title, "failed", "", ""])
            continue
        cached = milliseconds(median(entry["cached"])) if entry["cached"] else "-"
        memory = f"{median(entry['memory']) / 2**20:.0f}"
        rows.append([title, milliseconds(median(entry["cold"])), cached, memory])
    rows.sort(key=lambda row: float(row[1].replace(",", "").replace("failed", "inf")))
    return table(
        ["", "first batch from .gz, ms", "from its cache, ms", "memory, MiB"], rows
    )


def cpu_table(result: dict) -> str:
    """Return a table of processor milliseconds per epoch, of all processes."""
    rows = []
    for name in _contenders(result, with_floor=False):
        entries = [result["works"][work].get(name, {}) for work in result["works"]]
        cells = [
            milliseconds(median(e["cpu"])) if is_measured(e) else "-" for e in entries
        ]
        rows.append([result["contenders"][name]["title"], *cells])
    return table(["", *[WORKS[work].title for work in result["works"]]], rows)


def goals_table(result: dict) -> str:
    """Return a table of the goals."""
    rows = [
        [
            goal["name"],
            goal["asked"],
            goal["measured"],
            goal["verdict"].partition(":")[0],
        ]
        for goal in judge(result)
    ]
    return table(["goal", "asked", "measured", "verdict"], rows)


def details_table(result: dict) -> str:
    """Return a table of all figures and failures."""
    rows = []
    for work, entries in result["works"].items():
        for name, entry in entries.items():
            if "none" not in entry:
                title = result["contenders"][name]["title"]
                rows.append([work_title(work), title, ratio_text(entry).strip()])
    return table(["workload", "contender", "median (lowest-highest); setting"], rows)


def wins(result: dict) -> list[str]:
    """Return a line wherever a contender is faster or takes less memory."""
    lines = []
    for work, entries in result["works"].items():
        for name, entry in entries.items():
            if name not in (OURS, FLOOR) and is_measured(entry) and ratio(entry) < 1:
                title = result["contenders"][name]["title"]
                share = _share(ratio(entry), "time")
                lines.append(f"{title}, {work_title(work)} ({share})")
    lines += _start_wins(result, "cold", "start from .gz", "time")
    return lines + _start_wins(result, "memory", "memory", "memory")


def _share(value: float, amount: str) -> str:
    return f"{value:.0%} of the {amount} of fmnist_fast"


def _start_wins(result: dict, key: str, title: str, amount: str) -> list[str]:
    entries: dict[str, Any] = {
        name: median(entry[key])
        for name, entry in result["start"].items()
        if entry.get(key) and "error" not in entry
    }
    contenders = result["contenders"]
    return [
        f"{contenders[name]['title']}, {title} "
        f"({_share(value / entries[OURS], amount)})"
        for name, value in entries.items()
        if OURS in entries and value < entries[OURS]
    ]

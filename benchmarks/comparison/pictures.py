"""Charts of a run that can be read on a phone: large type and few elements."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from ..work import WORKS
from .environments import FLOOR, OURS
from .goals import is_measured
from .scaling import NANOSECONDS, UNITS, cost
from .tables import median, milliseconds

OUR_COLOR, OTHER_COLOR, FLOOR_COLOR = "#c2304a", "#6b7a93", "#2b2d42"
GROUND = "#ffffff"  # the text stays legible on light and on dark pages
DOTS_PER_INCH = 150
WIDTH = 6  # inches: large type beside short bars suits a phone
TITLE = {"fontsize": 17, "loc": "left"}
TYPE = 14  # points


def draw_bars(result: dict, work: str, path: Path) -> None:
    """Draw milliseconds per epoch on a logarithmic axis, the fastest on top."""
    entries = result["works"][work]
    seconds = {n: median(e["seconds"]) for n, e in entries.items() if is_measured(e)}
    names = sorted(seconds, key=seconds.__getitem__, reverse=True)
    values = [seconds[name] * 1e3 for name in names]
    figure = _figure(2.2 + 0.45 * len(names))
    axes = figure.add_subplot()
    colors = {OURS: OUR_COLOR, FLOOR: FLOOR_COLOR}
    titles = [result["contenders"][name]["title"] for name in names]
    axes.barh(titles, values, color=[colors.get(n, OTHER_COLOR) for n in names])
    for y, value in enumerate(values):
        axes.text(value * 1.1, y, milliseconds(value / 1e3), va="center", fontsize=TYPE)
    axes.set_xscale("log")
    axes.set_xlim(min(values) / 2, max(values) * 15)
    axes.xaxis.set_major_locator(LogLocator(numticks=9))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    title = f"{WORKS[work].title}, batch {WORKS[work].batch_size}"
    figure.suptitle(title, x=0.02, ha="left", fontsize=TITLE["fontsize"])
    axes.tick_params(axis="y", labelsize=TYPE)
    axes.tick_params(axis="x", labelsize=12)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, result, path, "milliseconds per epoch, logarithmic axis\n")


def draw_curves(result: dict, path: Path) -> None:
    """Draw the four curves of a scaling run, one below the other."""
    names = list(result["curves"])
    figure = _figure(3.6 * len(names))
    for axes, name in zip(figure.subplots(len(names), squeeze=False)[:, 0], names):
        xs, ys = zip(*cost(result, name))
        axes.plot(xs, ys, "o-", color=OUR_COLOR, linewidth=3, markersize=8)
        axes.set_ylim(0, max(ys) * 1.25)
        title, label = UNITS.get(name, NANOSECONDS), result["curves"][name]["title"]
        if name == "batch_size":  # batches of one image cost much more
            axes.set_yscale("log")
            axes.set_ylim(min(ys) / 2, max(ys) * 2)
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            title += ", log axis"
        if name == "threads":
            axes.set_xticks(xs)
        else:
            axes.set_xscale("log")
            axes.set_xticks(xs[:: max(1, len(xs) // 4)], minor=False)
            axes.set_xticks([], minor=True)
            axes.set_xticklabels([_short(x) for x in xs[:: max(1, len(xs) // 4)]])
            label += ", log axis"
        axes.set_title(title, **TITLE)
        axes.set_xlabel(label, fontsize=TYPE)
        axes.tick_params(labelsize=TYPE)
        axes.grid(axis="y", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    _save(figure, result, path)


def _short(number: int) -> str:
    """Return a number as an axis shows it, such as "10M"."""
    return f"{number // 10**6}M" if number >= 10**6 else f"{number:,}"


def _figure(height: float) -> Figure:
    return Figure(figsize=(WIDTH, height), layout="constrained", facecolor=GROUND)


def _save(figure: Figure, result: dict, path: Path, label: str = "") -> None:
    """Save a figure with `label`, the machine and the day below it."""
    about = result["machine"]
    words = (
        f"{label}{about['cores']} cores of {about['processor']}, {about['time'][:10]}"
    )
    figure.supxlabel(words, fontsize=12)
    figure.savefig(path, dpi=DOTS_PER_INCH)

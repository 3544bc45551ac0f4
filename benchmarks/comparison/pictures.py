"""Pictures of a run, for reading on a phone: large type and few elements."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from ..work import WORKS
from .environments import FLOOR, OURS
from .goals import is_measured
from .scaling import UNITS, cost
from .tables import median, milliseconds

OUR_COLOUR, OTHER_COLOUR, FLOOR_COLOUR = "#d1495b", "#8d99ae", "#2b2d42"
DOTS_PER_INCH = 100
WIDTH = 8  # inches


def draw_bars(result: dict, work: str, path: Path) -> None:
    """Milliseconds of an epoch on a log scale, the fastest on top."""
    entries = result["works"][work]
    seconds = {n: median(e["seconds"]) for n, e in entries.items() if is_measured(e)}
    names = sorted(seconds, key=seconds.__getitem__, reverse=True)
    values = [seconds[name] * 1e3 for name in names]
    figure = Figure(figsize=(WIDTH, 1.6 + 0.55 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    colours = {OURS: OUR_COLOUR, FLOOR: FLOOR_COLOUR}
    titles = [result["contenders"][name]["title"] for name in names]
    axes.barh(titles, values, color=[colours.get(n, OTHER_COLOUR) for n in names])
    for y, value in enumerate(values):
        axes.text(value * 1.1, y, milliseconds(value / 1e3), va="center", fontsize=16)
    axes.set_xscale("log")
    axes.set_xlim(min(values) / 2, max(values) * 6)
    axes.set_title(f"{WORKS[work].title}: ms an epoch", fontsize=19, loc="left")
    axes.tick_params(labelsize=16)
    axes.tick_params(axis="x", which="both", bottom=False, labelbottom=False)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    figure.savefig(path, dpi=DOTS_PER_INCH)


def draw_curves(result: dict, path: Path) -> None:
    """The four curves of a scaling run, one above the other."""
    names = list(result["curves"])
    figure = Figure(figsize=(WIDTH, 4 * len(names)), layout="constrained")
    for axes, name in zip(figure.subplots(len(names), squeeze=False)[:, 0], names):
        xs, ys = zip(*cost(result, name))
        axes.plot(xs, ys, "o-", color=OUR_COLOUR, linewidth=3, markersize=9)
        axes.set_ylim(0, max(ys) * 1.25)
        if name == "batch_size":  # one image at a time costs much more
            axes.set_yscale("log")
            axes.set_ylim(min(ys) / 2, max(ys) * 2)
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        if name == "threads":
            axes.set_xticks(xs)
        else:
            axes.set_xscale("log")
            axes.set_xticks(xs[:: max(1, len(xs) // 4)], minor=False)
            axes.set_xticks([], minor=True)
            axes.set_xticklabels([f"{x:,}" for x in xs[:: max(1, len(xs) // 4)]])
        axes.set_title(UNITS.get(name, "ns an image"), fontsize=19, loc="left")
        axes.set_xlabel(result["curves"][name]["title"], fontsize=17)
        axes.tick_params(labelsize=16)
        axes.grid(axis="y", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=DOTS_PER_INCH)

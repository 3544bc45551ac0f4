"""Writes what a run measured: README's table, docs/comparison.md, docs/images/."""

from __future__ import annotations

import textwrap
from pathlib import Path

from ..files import replace_text
from ..work import WORKS
from . import pictures, tables
from .goals import judge
from .scaling import UNITS, cost, flatness

MARK = "<!-- comparison -->"
README_WORKS = ["plain", "crop_flip", "affine"]
MAIN_WORKS = ["plain", "crop_flip", "erasing", "affine", "uint8"]

METHOD = """\
Every contender does the same work on the same data: shuffled epochs over the training
set in batches of 128 (or as said), images (n, 1, 28, 28) in normalised float32 (or
uint8) and integer labels. Each runs in a process of its own, in its own virtual
environment, at the fastest of the settings that
`benchmarks/comparison/contenders/NAME.py` lists and whose output passes the check; all
other processes are stopped while one is timed. In every round ours runs before and
after each contender (A/B/A); a ratio is the median over the rounds of the contender's
time over the mean of ours around it. A round has as many epochs as 0.1 s take, at least
one; a warm-up comes before.

What is checked first, on images made for it: each comes once an epoch, unchanged, in an
order that is neither the dataset's nor the last epoch's; crops and flips go to all 9 x
9 places alike, drawn for each image rather than each batch; rectangles are erased in
half of the images; angles, scales and shifts spread as asked. Who fails is shown as
failed.

The memory floor is a C loop with the same reads and writes, into as many batches as the
loader has or as few as the caches like best, and no arithmetic
(`benchmarks/comparison/probe.c`), in the fastest of its variants that were tried: a
share above 100 % says that ours was faster than all of these. Cold start is from the
start of a process to its first batch, with the files in the system's cache; memory is
the most that a process held beyond what it had after its imports, when it had read the
files and run an epoch."""


def publish(results: list[dict], tree: Path) -> None:
    """Write README's table, the page, and the pictures of a run and its curves."""
    runs = [result for result in results if "works" in result]
    curves = [result for result in results if "curves" in result]
    if len(runs) != 1 or len(curves) > 1:
        raise ValueError(
            "wanted the result of one comparison, and at most one of --scaling, got "
            f"{len(runs)} and {len(curves)}"
        )
    images = tree / "docs" / "images"
    drawn = [work for work in README_WORKS if work in runs[0]["works"]]
    for work in drawn:
        pictures.draw_bars(runs[0], work, images / f"comparison-{work}.png")
    if curves:
        pictures.draw_curves(curves[0], images / "comparison-scaling.png")
    readme = tree / "README.md"
    changed = with_block(readme.read_text(encoding="utf-8"), readme_block(runs[0]))
    page = docs_page(runs[0], curves[0] if curves else None, drawn)
    for path, text in ((readme, changed), (tree / "docs" / "comparison.md", page)):
        replace_text(path, text)
        print(f"Written: {path}")


def with_block(text: str, block: str) -> str:
    """`text` with what is between its two marks replaced."""
    parts = text.split(MARK)
    if len(parts) != 3:
        raise ValueError(f"README.md must have {MARK} twice, found {len(parts) - 1}")
    return f"{parts[0]}{MARK}\n{block}\n{MARK}{parts[2]}"


def readme_block(result: dict) -> str:
    """The table, and where others are better."""
    about, won = result["machine"], tables.wins(result)
    where = f"{about['cores']} cores of {about['processor']}"
    better = "; ".join(won) if won else "nowhere in this run"
    head = (
        f"Milliseconds for an epoch over {result['n_images']:,} images in batches of "
        f"128, and how many times as long as ours that is; {where}. Each contender at "
        "the best settings found, in turns with ours, output checked first:"
    )
    rest = (
        f"Where others are better: {better}. Method, all tables, versions and "
        "settings: [docs/comparison.md](docs/comparison.md)."
    )
    table = tables.works_table(result, README_WORKS)
    work = README_WORKS[0]
    bars = f"![{WORKS[work].title}: bars](docs/images/comparison-{work}.png)"
    return "\n\n".join([_filled(head), table, bars, _filled(rest)])


def _filled(text: str) -> str:
    return textwrap.fill(text, 88, break_on_hyphens=False, break_long_words=False)


def docs_page(result: dict, curves: dict | None, drawn: list[str]) -> str:
    """docs/comparison.md, all of it."""
    sections = [
        "# Comparison with other loaders",
        "Written by `python -m benchmarks --publish` of a run over "
        f"{result['n_images']:,} images of {result['data']}, {result['rounds']} rounds."
        " On your machine, in a checkout: `python -m benchmarks --install`, then "
        "`python -m benchmarks`.",
        *[
            f"![{WORKS[work].title}: bars of all contenders]"
            f"(images/comparison-{work}.png)"
            for work in drawn
        ],
        "## Milliseconds of an epoch, and times as long as ours",
        tables.works_table(result, MAIN_WORKS),
        "## Batch sizes",
        tables.works_table(result, ["plain_32", "plain", "plain_512", "plain_4096"]),
        "## Goals",
        tables.goals_table(result),
        *[f"Missed: {g['name']}." for g in judge(result) if "missed" in g["verdict"]],
        "## Where others are better",
        "\n".join(f"- {line}" for line in tables.wins(result))
        or "Nowhere in this run.",
        "## How near the memory's limit",
        tables.floor_table(result),
        "## Start and memory",
        tables.start_table(result),
        "## Processor milliseconds of an epoch, all threads and processes",
        tables.cpu_table(result),
    ]
    if curves is not None:
        sections += ["## Scaling", _scaling(curves)]
    sections += ["## Method", METHOD, "## Machine and versions", _versions(result)]
    sections += ["## All figures", tables.details_table(result)]
    return "\n\n".join(sections) + "\n"


def _scaling(curves: dict) -> str:
    lines = [
        "![Curves: threads, batch size, side, images](images/comparison-scaling.png)"
    ]
    for name, curve in curves["curves"].items():
        points = ", ".join(f"{x:,}: {y:.3g}" for x, y in cost(curves, name))
        lines.append(
            f"By {curve['title']}, {UNITS.get(name, 'ns an image')}: {points}."
        )
    return "\n\n".join([*lines, f"{flatness(curves)}."])


def _versions(result: dict) -> str:
    lines = [f"- {what}: {value}" for what, value in result["machine"].items()]
    for about in result["contenders"].values():
        if "versions" in about:
            said = ", ".join(f"{name} {v}" for name, v in about["versions"].items())
        else:
            said = about.get("error") or f"not installed: `{about['missing']}`"
        lines.append(f"- {about['title']}: {said}. {about['note']}".rstrip())
    return "\n".join(lines)

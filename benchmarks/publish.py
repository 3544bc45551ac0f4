"""Write what was measured into README.md, docs/ and docs/images/."""

from __future__ import annotations

from pathlib import Path

from .comparison import pictures, tables
from .comparison.scaling import NANOSECONDS, UNITS, cost, flatness
from .files import replace_text
from .pages import README_WORKS, pages
from .work import WORKS

MAIN_WORKS = ["plain", "crop_flip", "erasing", "affine", "uint8"]

METHOD = """\
Every contender has the same workload and the same data: shuffled epochs over the
training set in batches of 128 (unless the table says otherwise). Images are
(n, 1, 28, 28) in normalized float32 or in uint8, and labels are integers.

Each contender runs in a process of its own, in its own virtual environment. Its file
`benchmarks/comparison/contenders/NAME.py` lists settings; the fastest setting whose
output passes the check is used. All other processes are stopped while one is timed. In
every round fmnist_fast runs before and after each contender. A ratio is the median over
the rounds of the contender's time divided by the mean of the two times of fmnist_fast
around it. A round has as many epochs as fit in 0.1 s, at least one, after a warm-up.

The output is checked first, on images made for the check:

- Each image comes once per epoch, unchanged. The order is neither that of the dataset
  nor that of the epoch before.
- Crops and flips reach all 9 x 9 places equally often. They are drawn for each image,
  not for each batch.
- Rectangles are erased in half of the images.
- Angles, scales and shifts are spread over the ranges that the workload names.

A contender that does not pass is shown as failed.

The memory floor is a C loop with the same reads and writes and no arithmetic
(`benchmarks/comparison/probe.c`), in the fastest of several variants. One variant
writes into as many batches as the loader has. Another writes into fewer batches, which
stay in the caches. A share above 100% means that fmnist_fast was faster than all of
these variants.

Cold start is the time from the start of a process to its first batch, with the files in
the system's page cache. Memory is the largest size of a process that has read the files
and run an epoch, beyond its size after the imports."""


def publish(figures: dict, tree: Path) -> None:
    """Write the blocks of figures, docs/comparison.md and the charts of a checkout.

    Parameters
    ----------
    figures : dict
        Contents of the file of figures: "comparison" with the results of
        `python -m benchmarks`, "scaling" with those of `--scaling`, "training" with
        those of `--training`, "parts" with those of `pytest benchmarks --figures`, and
        "gpu" with the lines of `python -m benchmarks.gpu`, if there are any.
    tree : Path
        Folder of the checkout.

    Raises
    ------
    ValueError
        A page lacks a block, or a block needs a figure that was not measured. Nothing
        is written in this case.
    """
    if "comparison" not in figures:
        raise ValueError("the figures have no comparison. Run python -m benchmarks -o")
    result, curves = figures["comparison"], figures.get("scaling")
    if result.get("data") != "fashion-mnist":
        raise ValueError(
            f"the comparison must be of fashion-mnist, got {result.get('data')}.\n"
            "Set FMNIST_FAST_DATA, and run it again without --quick."
        )
    drawn = [work for work in README_WORKS if work in result.get("works", ())]
    texts = pages(figures, lambda path: (tree / path).read_text(encoding="utf-8"))
    try:
        texts["docs/comparison.md"] = docs_page(result, curves, drawn)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"docs/comparison.md: a figure is missing: {error}") from None
    images = tree / "docs" / "images"
    for work in drawn:
        pictures.draw_bars(result, work, images / f"comparison-{work}.png")
    if curves:
        pictures.draw_curves(curves, images / "comparison-scaling.png")
    for path, text in texts.items():
        replace_text(tree / path, text)
        print(f"Written: {tree / path}")


def docs_page(result: dict, curves: dict | None, drawn: list[str]) -> str:
    """Return the text of docs/comparison.md."""
    sections = [
        "# Comparison with other loaders",
        "`python -m benchmarks --publish` writes this page. The figures are from "
        f"{result['rounds']} rounds over {result['n_images']:,} images of "
        f"{result['data']}. To measure on your machine, run `python -m benchmarks "
        "--install` in a checkout, then `python -m benchmarks`.",
        *[
            f"![{WORKS[work].title}: bars of all contenders]"
            f"(images/comparison-{work}.png)"
            for work in drawn
        ],
        "## Milliseconds per epoch",
        tables.BRACKETS,
        tables.works_table(result, MAIN_WORKS),
        "## Batch sizes",
        _batch_sizes(result),
        "## Goals",
        tables.goals_table(result),
        "## Where others are better",
        "\n".join(f"- {line}" for line in tables.wins(result))
        or "No other loader was faster than fmnist_fast in this run.",
        "## Share of the memory's speed",
        tables.floor_table(result),
        "## Start and memory",
        tables.start_table(result),
        "## Processor time",
        "Milliseconds per epoch of all threads and processes together.",
        tables.cpu_table(result),
    ]
    if curves is not None:
        sections += ["## Scaling", _scaling(curves)]
    sections += ["## Method", METHOD, "## Machine and versions", _versions(result)]
    sections += ["## All figures", tables.details_table(result)]
    return "\n\n".join(sections) + "\n"


def _batch_sizes(result: dict) -> str:
    """Return the table of the same workload in batches of different sizes."""
    works = ["plain_32", "plain", "plain_512", "plain_4096"]
    table = tables.works_table(result, works)
    return table.replace(WORKS["plain"].title, f"batch {WORKS['plain'].batch_size}", 1)


def _scaling(curves: dict) -> str:
    lines = [
        "![Curves: threads, batch size, side, images](images/comparison-scaling.png)"
    ]
    for name, curve in curves["curves"].items():
        header = [curve["title"], UNITS.get(name, NANOSECONDS)]
        rows = [[f"{x:,}", f"{y:.3g}"] for x, y in cost(curves, name)]
        lines.append(tables.table(header, rows))
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

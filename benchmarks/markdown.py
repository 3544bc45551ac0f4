"""Markdown of the pages with figures: tables, paragraphs, machines."""

from __future__ import annotations

import textwrap
from typing import Any


def columns(left: str, right: str, rows: dict[str, Any]) -> str:
    """Return a table of two columns, with the heads `left` and `right`."""
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(
        [f"| {left} | {right} |".replace("|  |", "| |"), "|---|---|", *lines]
    )


def percent(share: float) -> str:
    """Return a share in percent, with two digits below 99.5 %."""
    return f"{share * 100:.2g}%" if share < 0.995 else f"{share * 100:.0f}%"


def machines(results: list[dict]) -> str:
    """Return a sentence for each machine of some results, with the days."""
    days: dict[str, list[str]] = {}
    for result in results:
        about = result["machine"]
        versions = f"Python {about['python']}, numpy {about['numpy']}"
        machine = f"Machine: {about['cores']} cores of {about['processor']}, {versions}"
        days.setdefault(machine, []).append(about["time"][:10])
    return " ".join(
        f"{machine}, {' and '.join(sorted(set(dates)))}."
        for machine, dates in days.items()
    )


def wrapped(text: str, indent: int = 0) -> str:
    """Return a paragraph in lines of 88 columns, the later ones indented."""
    return textwrap.fill(
        text,
        88 - indent,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=False,
    )

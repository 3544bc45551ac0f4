"""The table of differences from torchvision, on docs/augmentation.md."""

from __future__ import annotations

import math

from .markdown import machines, wrapped


def line(figures: dict[str, dict[str, int]]) -> list[str]:
    """Return six cells: the largest difference and two shares, real and of noise."""
    cells = []
    for part in (figures["real"], figures["noise"]):
        cells.append(str(part["largest"]))
        cells += [_percent(part[n] / part["pixels"]) for n in ("differ", "by two")]
    return cells


def _percent(share: float) -> str:
    """Return a share in percent with two digits, such as 0.00051 %, or 0."""
    if not share:
        return "0"
    digits = max(0, 1 - math.floor(math.log10(share * 100)))
    return f"{share * 100:.{digits}f} %"


def block(figures: dict) -> str:
    """Return the table and the text below it, given the contents of the figures."""
    result = figures["differences"]
    titles = ["largest", "differ", "by 2 or more"]
    titles = ["transform", *titles, *(f"{title}, noise" for title in titles)]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for row, values in result["rows"].items():
        lines.append(f"| `{row}` | {' | '.join(line(values))} |")
    for name, why in result["absent"].items():
        lines.append(f"| `{name}` | not compared: {why} |" + " |" * 5)
    images, flat = result["images"], result["flat"]
    about = (
        f"The images are the first {images['real']:,} of Fashion-MNIST's test set, and "
        f"{images['noise']:,} of noise with uniform gray levels. Elastic warps have "
        f"{images['slow'][0]} and {images['slow'][1]} of them. The quarter turn has "
        "images of 27x28 pixels. A contrast of "
        f"{flat['factor']} changes {flat['ours']} of the 256 images of one gray level. "
        f"In torchvision, it makes {flat['theirs']} of them darker by one level."
    )
    measured = (
        f"Measured by `python tests/helpers/differences.py`, with torchvision "
        f"{result['torchvision']} and the code of torch {result['torch']} for "
        f"{result['capability']}. "
        f"{machines([result])}"
    )
    return "\n".join([*lines, "", wrapped(about), "", wrapped(measured)])

"""``fmnist-fast show``: draw images of a split, or a plot of the whole split."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._checks import checked_integer
from .arguments import add_shared, check_indices, find_or_draw, positive

if TYPE_CHECKING:
    import PIL.Image

    from ..dataset import Dataset

ABOUT = "Draw images with their class names, or a plot of a split."
EXAMPLES = """  fmnist-fast show
  fmnist-fast show --split test --class Bag "Ankle boot" --seed 0 --numbers
  fmnist-fast show --index 0 5 9 --zoom 8 -o three.png
  fmnist-fast show --plot means -o means.png

If no data is found, and neither --root nor --name is given, the command draws a
SYNTHETIC dataset and uses it."""

_PLOTS = ("counts", "means", "histogram")  # functions of plot.py
_DOTS_PER_INCH = 120
# Options that choose and arrange images. They have no default, so that a given option
# is recognized.
_SHEET_OPTIONS = ("classes", "index", "count", "seed", "columns", "zoom", "numbers")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    add_shared(command, "--split")
    add_argument = command.add_argument
    about = "names or numbers of the classes to draw (default: all)"
    add_argument("--class", dest="classes", nargs="+", metavar="NAME", help=about)
    add_shared(command, "--index", "numbers of the images to draw, in this order")
    add_shared(
        command, "--count", "maximum number of images (default: 32, or all of --index)"
    )
    about = "seed for a random choice of images (default: the first images)"
    add_shared(command, "--seed", about)
    about = "number of images on a line (default: 8)"
    add_argument("--columns", type=positive, help=about)
    about = "factor of enlargement (default: 3 for images of 28x28)"
    add_argument("--zoom", type=positive, help=about)
    about = "write the number of each image before its class name"
    add_argument("--numbers", action="store_true", default=None, help=about)
    about = "plot of the whole split to draw instead, with matplotlib"
    add_argument("--plot", choices=_PLOTS, help=about)
    about = "PNG file to write (default: %(default)s)"
    add_shared(command, "--output", about, default="fmnist_fast_show.png")
    add_shared(command, "--name")
    add_shared(command, "--root")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from .._show.contact_sheet import save_png

    options = {
        name: value
        for name, value in vars(arguments).items()
        if name in _SHEET_OPTIONS and value is not None
    }
    if arguments.plot and options:
        given = "class" if "classes" in options else next(iter(options))
        raise ValueError(f"--plot draws a whole split. Leave out --{given}.")
    dataset = find_or_draw(arguments, arguments.split)
    check_indices(arguments.index or [], dataset)
    if arguments.plot:
        picture = _drawn_plot(dataset, arguments.plot)
    else:
        if arguments.classes:
            options["classes"] = _classes_of(arguments.classes, dataset.classes)
        picture = dataset.show(options.pop("index", None), **options)
    kind = "Plot" if arguments.plot else "Contact sheet"
    print(f"{kind}: {save_png(picture, arguments.output)}")
    return 0


def _classes_of(words: list[str], classes: Sequence[str]) -> list[str | int]:
    """Return the classes that --class names: exactly, in another case, or by number."""
    found: list[str | int] = []
    for word in words:
        near = [name for name in classes if name.casefold() == word.casefold()]
        if len(near) > 1 and word not in near:
            raise ValueError(f"--class must be one of {', '.join(near)}, got {word!r}")
        if not near and "," in word:
            raise ValueError(f"--class must be words with spaces between, got {word!r}")
        if not near and re.fullmatch(r"-?\d+", word, re.ASCII):
            found.append(checked_integer("--class", int(word), 0, len(classes) - 1))
        else:
            found.append(word if word in near else (near or [word])[0])
    return found


def _drawn_plot(dataset: Dataset, name: str) -> PIL.Image.Image:
    """Return a plot of plot.py as a Pillow image."""
    import io

    from .. import plot

    figure = getattr(plot, name)(dataset)
    from PIL import Image  # matplotlib requires Pillow, so it is installed here

    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DOTS_PER_INCH)
    return Image.open(file).convert("RGB")

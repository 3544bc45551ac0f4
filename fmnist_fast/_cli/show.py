"""``fmnist-fast show``: images of a split, or figures of all of it, as a PNG."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .arguments import add_shared, check_indices, find_or_draw, positive

if TYPE_CHECKING:
    import PIL.Image

    from ..dataset import Dataset

ABOUT = "Draw images with their classes, or figures of a split."
EXAMPLES = """  fmnist-fast show
  fmnist-fast show --split test --class Bag "Ankle boot" --seed 0 --numbers
  fmnist-fast show --index 0 5 9 --zoom 8 -o three.png
  fmnist-fast show --plot means -o means.png

--plot draws all of the split, with matplotlib. Where there are no files, a SYNTHETIC
set is drawn and used."""

_PLOTS = ("counts", "means", "histogram")  # functions of plot.py
_DOTS_PER_INCH = 120
# What chooses and places images; without a default, to know whether it was given.
_SHEET_OPTIONS = ("classes", "index", "count", "seed", "columns", "zoom", "numbers")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    add_shared(command, "--split")
    add_argument = command.add_argument
    about = "only images of these classes"
    add_argument("--class", dest="classes", nargs="+", metavar="NAME", help=about)
    add_shared(command, "--index", "these images, in this order")
    add_shared(command, "--count", "at most; default: 32, or all of --index")
    add_shared(command, "--seed", "draw images at random")
    add_argument("--columns", type=positive, help="default: 8")
    add_argument("--zoom", type=positive, help="side of a pixel; default: 3 for 28x28")
    about = "write the number of each image before its class"
    add_argument("--numbers", action="store_true", default=None, help=about)
    add_argument("--plot", choices=_PLOTS, help="draw a figure instead")
    about = "the picture; default: %(default)s"
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
        raise ValueError(f"--plot draws all of a split: leave out --{given}")
    dataset = find_or_draw(arguments.split, arguments.root, arguments.name)
    check_indices(arguments.index or [], dataset)
    if arguments.plot:
        picture = _figure(dataset, arguments.plot)
    else:
        picture = dataset.show(options.pop("index", None), **options)
    kind = "Figure" if arguments.plot else "Contact sheet"
    print(f"{kind}: {save_png(picture, arguments.output)}")
    return 0


def _figure(dataset: Dataset, name: str) -> PIL.Image.Image:
    """Return a figure's pixels, in the form that all other pictures have."""
    import io

    from .. import plot

    figure = getattr(plot, name)(dataset)
    from PIL import Image  # which matplotlib needs, so that it is there now

    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DOTS_PER_INCH)
    return Image.open(file).convert("RGB")

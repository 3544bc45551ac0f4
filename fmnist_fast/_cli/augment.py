"""``fmnist-fast augment``: draw a contact sheet of augmented images."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .._checks import one_line
from .arguments import add_shared, check_indices, find_or_draw, positive, shown_name

if TYPE_CHECKING:
    import numpy as np

ABOUT = "Draw augmented versions of images."
EXAMPLES = """  fmnist-fast augment
  fmnist-fast augment --augment strong --index 0 5 9 --output strong.png
  fmnist-fast augment --augment "RandomRotation(20), RandomErasing(p=1)" --count 8

The contact sheet has a line for each image. The line begins with the original image.
After it come the versions of the image in epochs 0, 1, 2, ...
If no data is found, and neither --root nor --name is given, the command draws a
SYNTHETIC dataset and uses it."""

_MAX_COUNT = 1000  # versions of an image on a line of the sheet
_CELL = 112  # pixels, approximately; images of 28x28 are enlarged 4 times
_LONGEST_TEXT = 80  # characters of --augment that the title shows


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    about = "recipe (standard, standard+erasing or strong), or a list of transforms as "
    about += "in Python (default: standard)"
    command.add_argument("--augment", default="standard", metavar="TEXT", help=about)
    add_shared(command, "--split")
    add_shared(
        command, "--index", "numbers of the images to augment (default: 0)", default=[0]
    )
    about = "number of versions of each image (default: 15)"
    add_shared(command, "--count", about, type=_count, default=15)
    add_shared(command, "--seed", "seed of the random numbers (default: 0)", default=0)
    about = "PNG file for the contact sheet (default: %(default)s)"
    add_shared(command, "--output", about, default="fmnist_fast_augment.png")
    add_shared(command, "--name")
    add_shared(command, "--root")


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from .._show import contact_sheet
    from ..augment import compile_transforms, parse_transforms
    from ..loader import Loader

    augment = parse_transforms(arguments.augment)
    dataset = find_or_draw(arguments, arguments.split)
    check_indices(arguments.index, dataset)
    height, width = dataset.images.shape[1:]
    compiled = compile_transforms(augment, height, width, len(dataset.classes))
    print(f"Transforms: {', '.join(map(repr, compiled.source))}")
    if compiled.mix is not None:
        print("Not shown: MixUp and CutMix, which need the other images of a batch.")
    loader = Loader(
        dataset,
        dtype="uint8",  # needs no mean and no standard deviation
        label_dtype="onehot",
        augment=augment,
        seed=arguments.seed,
    )
    images: list[np.ndarray] = []
    for index in arguments.index:
        images.append(dataset.images[index])
        images.extend(loader.augment_preview(index, arguments.count))
    epochs = [f"epoch {epoch}" for epoch in range(arguments.count)]
    sheet = contact_sheet.contact_sheet(
        images,
        ["original", *epochs] * len(arguments.index),
        columns=1 + arguments.count,
        zoom=max(1, round(_CELL / max(max(image.shape) for image in images))),
        title=f"{shown_name(dataset)}: {one_line(arguments.augment, _LONGEST_TEXT)}",
    )
    print(f"Contact sheet: {contact_sheet.save_png(sheet, arguments.output)}")
    return 0


def _count(text: str) -> int:
    value = positive(text)
    if value > _MAX_COUNT:
        raise argparse.ArgumentTypeError(f"must be at most {_MAX_COUNT}, got {value}")
    return value

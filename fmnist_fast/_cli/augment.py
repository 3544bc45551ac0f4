"""``fmnist-fast augment``: what an augmentation does to images, as a contact sheet."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .arguments import add_name, add_output, add_root, add_shared, add_split, positive

if TYPE_CHECKING:
    import numpy as np

    from .arguments import Add

_MAX_COUNT = 1000  # versions of an image in a row of a sheet
_CELL = 112  # pixels, about: images of 28x28 are drawn four times as large
_LONGEST_TEXT = 80  # characters of --augment in the title


def add(add_command: Add) -> None:
    """Add the command to the command line."""
    command = add_command(
        "augment",
        run,
        "Draw augmented versions of images.",
        """  fmnist-fast augment
  fmnist-fast augment --augment strong --index 0 5 9 --output strong.png
  fmnist-fast augment --augment "RandomRotation(20), RandomErasing(p=1)" --count 8

A row for each image: the original, and what it becomes in epochs 0, 1, ... Where there
are no files, a SYNTHETIC set is drawn and used.""",
    )
    command.add_argument(
        "--augment",
        default="standard",
        metavar="TEXT",
        help="recipe (standard, standard+erasing, strong), or steps as in Python; "
        "default: standard",
    )
    add_split(command)
    add_shared(command, "--index", "of one or several images; default: 0", default=[0])
    about = "versions of each; default: 15"
    add_shared(command, "--count", about, type=_count, default=15)
    add_shared(command, "--seed", "default: 0", default=0)
    add_output(command, "the contact sheet", "fmnist_fast_augment.png")
    add_name(command)
    add_root(command)


def run(arguments: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from .._show import contact_sheet
    from ..augment import compile_steps, parse_steps
    from ..loader import Loader
    from .data import check_indices, find_or_draw, shown_name

    augment = parse_steps(arguments.augment)
    dataset = find_or_draw(arguments.split, arguments.root, arguments.name)
    check_indices(arguments.index, dataset)
    height, width = dataset.images.shape[1:]
    compiled = compile_steps(augment, height, width, len(dataset.classes))
    print(f"Steps: {', '.join(map(repr, compiled.source))}")
    if compiled.mix is not None:
        print("Not shown: MixUp and CutMix, which need the other images of a batch.")
    loader = Loader(
        dataset,
        dtype="uint8",  # which needs no standard deviation
        label_dtype="onehot",
        augment=augment,
        seed=arguments.seed,
    )
    images: list[np.ndarray] = []
    for index in arguments.index:
        versions = loader.augment_preview(index, arguments.count)
        images += [dataset.images[index], *versions]
    epochs = [f"epoch {epoch}" for epoch in range(arguments.count)]
    sheet = contact_sheet.contact_sheet(
        images,
        ["original", *epochs] * len(arguments.index),
        columns=1 + arguments.count,
        zoom=max(1, round(_CELL / max(max(image.shape) for image in images))),
        title=f"{shown_name(dataset)}: {_shortened(arguments.augment)}",
    )
    print(f"Contact sheet: {contact_sheet.save_png(sheet, arguments.output)}")
    return 0


def _count(text: str) -> int:
    value = positive(text)
    if value > _MAX_COUNT:
        raise argparse.ArgumentTypeError(f"must be at most {_MAX_COUNT}, got {value}")
    return value


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."

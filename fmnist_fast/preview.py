"""``fmnist-fast augment``: what an augmentation does to images, as a contact sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    import numpy as np

    from . import Dataset

_CELL = 112  # pixels, about: images of 28x28 are drawn four times as large
_LONGEST_TEXT = 80  # characters of --augment in the title


def preview(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    from . import view
    from .augment import compile_steps, parse_steps
    from .demo import find_or_draw, shown_name
    from .loader import Loader

    augment = parse_steps(arguments.augment)
    dataset = find_or_draw(arguments.split, arguments.root)
    _check_indices(arguments.index, dataset)
    height, width = dataset.images.shape[1:]
    compiled = compile_steps(augment, height, width, len(dataset.classes))
    print(f"Steps: {', '.join(map(repr, compiled.source))}")
    if compiled.mix is not None:
        print("Not shown: MixUp and CutMix, which need the other images of a batch.")
    loader = Loader(dataset, augment=augment, seed=arguments.seed, label_dtype="onehot")
    images: list[np.ndarray] = []
    for index in arguments.index:
        versions = loader.augment_preview(index, arguments.count)
        images += [dataset.images[index], *versions]
    epochs = [f"epoch {epoch}" for epoch in range(arguments.count)]
    sheet = view.captioned_sheet(
        images,
        ["original", *epochs] * len(arguments.index),
        columns=1 + arguments.count,
        zoom=max(1, round(_CELL / max(max(image.shape) for image in images))),
        title=f"{shown_name(dataset)}: {_shortened(arguments.augment)}",
    )
    print(f"Contact sheet: {view.save_png(sheet, arguments.output)}")
    return 0


def _check_indices(indices: list[int], dataset: Dataset) -> None:
    n = len(dataset)
    if n == 0:
        raise ValueError(f"there are no images in {dataset.source}")
    for index in indices:
        if not -n <= index < n:
            raise ValueError(f"--index must be in {-n}..{n - 1}, got {index}")


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."

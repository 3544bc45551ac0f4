"""The data that a command works on: the real one where it is found, else drawn."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .._load.load import load

if TYPE_CHECKING:
    from ..dataset import Dataset


def shown_name(dataset: Dataset) -> str:
    """What to call a dataset, in capitals where it is synthetic."""
    mark = "SYNTHETIC (drawn garments, not the real Fashion-MNIST)"
    return mark if dataset.synthetic else dataset.name or "a dataset without a name"


def find_or_draw(split: str, root: str | None, name: str | None = None) -> Dataset:
    """Return a split of the real data, or of the synthetic in place of the default."""
    try:
        return load(split, root, name=name)
    except FileNotFoundError as error:
        if root is not None or name is not None:
            raise
        reason = str(error).partition("\n")[0]
    from ..synthetic import synthetic

    print(f"No real data: {reason}")
    print("Drawing the SYNTHETIC set instead, or reading it if it was drawn before.")
    sys.stdout.flush()
    return synthetic()[("train", "test").index(split)]


def check_indices(indices: list[int], dataset: Dataset) -> None:
    """Raise ValueError where --index names what is not in `dataset`."""
    n = len(dataset)
    if n == 0:
        raise ValueError(f"there are no images in {dataset.source}")
    for index in indices:
        if not -n <= index < n:
            raise ValueError(f"--index must be in {-n}..{n - 1}, got {index}")

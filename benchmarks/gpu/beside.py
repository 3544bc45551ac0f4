"""Other ways to get batches on the device, each checked before it is timed.

An epoch of a contender must have every sample once, and without crops and flips the
right bytes. Nothing reads the batches while epochs are timed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

import fmnist_fast as ff

from .bench import Bench
from .checksum import Checksum
from .contenders import CONTENDERS, PACKAGES, contender_named
from .epochs import run

SIZE = 512


def tasks(bench: Bench) -> dict[str, Callable[[], dict]]:
    """Return the tasks of the section."""
    return {
        f"{name} {augment}": partial(measure, bench, name, augment == "crop_flip")
        for augment in ("crop_flip", "plain")
        for name in (*CONTENDERS, *PACKAGES)
    }


def measure(bench: Bench, name: str, augment: bool) -> dict[str, Any]:
    """Return the milliseconds of an epoch in batches of `SIZE`."""
    try:
        contender = contender_named(name)
    except ModuleNotFoundError as error:
        return {"skipped": str(error)}
    batches = contender(bench.train, bench.device, min(SIZE, len(bench.train)), augment)
    try:
        if not is_whole(batches, bench.train, bench.device, augment):
            raise ValueError(f"{name}: an epoch must have every sample once, unchanged")
        seconds = bench.median(lambda: run(batches))
    finally:
        batches.close()
    return {"ms": seconds * 1e3}


def is_whole(
    batches: Any, train: ff.Dataset, device: torch.device, augment: bool
) -> bool:
    """Return whether an epoch has every sample once, as read on the device.

    Only the labels of augmented images are compared.
    """
    checksum, expected = (Checksum(d, train.images[0].size) for d in (device, "cpu"))
    for images, labels in batches:
        pixels = bytes_of(images, train)
        checksum.add(torch.zeros_like(pixels) if augment else pixels, labels)
    if not augment:
        return checksum.total() == Checksum.of_dataset(train)
    labels = torch.from_numpy(train.labels.astype("int64"))
    expected.add(torch.zeros(train.images.shape, dtype=torch.uint8), labels)
    return checksum.total() == expected.total()


def bytes_of(images: torch.Tensor, dataset: ff.Dataset) -> torch.Tensor:
    """Return the uint8 pixels of a batch, without normalization."""
    pixels = images * (255 * dataset.std) + 255 * dataset.mean
    return pixels.round().to(torch.uint8)

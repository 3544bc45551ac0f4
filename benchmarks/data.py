"""The images and labels that every contender gets, and files of them."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Of the training images, divided by 255: fmnist_fast.load("train").mean and .std. All
# contenders are told, as people tell their loaders.
MEAN, STD = 0.2860405969887955, 0.3530242445149223
FILES = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@dataclass
class Data:
    """A training set in memory.

    Attributes
    ----------
    images : uint8 (n, 28, 28)
    labels : uint8 (n,)
    folder : Path
        For files of the contender's own, made from these images and no others.
    source : object
        Whatever the contender's `load` made beside the arrays.
    """

    images: np.ndarray
    labels: np.ndarray
    folder: Path
    source: Any = None
    mean: float = MEAN
    std: float = STD

    def __len__(self) -> int:
        return len(self.images)

    @property
    def scale(self) -> np.float32:
        """What a pixel is multiplied by, before `bias` is added."""
        return np.float32(1 / (255 * self.std))

    @property
    def bias(self) -> np.float32:
        return np.float32(-self.mean / self.std)


def read_gz(folder: Path, own: Path, cache: Path | None) -> Data:
    """The training set out of its two .gz files, by Python's own gzip.

    `load` of a contender takes the same arguments, where it has a better way; `cache`
    is the folder that its earlier processes left their cache in, or None.
    """
    arrays = []
    for name in FILES:
        with gzip.open(folder / f"{name}.gz") as file:
            n_dimensions = file.read(4)[3]
            shape = struct.unpack(f">{n_dimensions}I", file.read(4 * n_dimensions))
            items = np.empty(shape, np.uint8)
            file.readinto(items)  # type: ignore[attr-defined]
        arrays.append(items)
    return Data(*arrays, own)


def only_files(folder: Path) -> Data:
    """No arrays, for a contender that reads its own files in `folder`."""
    return Data(np.empty((0, 28, 28), np.uint8), np.empty(0, np.uint8), folder)


def write_gz(images: np.ndarray, labels: np.ndarray, folder: Path) -> None:
    """The two .gz files of a set that has none, such as the synthetic one."""
    for name, items in zip(FILES, (images, labels)):
        with gzip.open(folder / f"{name}.gz", "wb", compresslevel=1) as file:
            file.write(idx_header(items) + items.tobytes())


def idx_header(items: np.ndarray) -> bytes:
    """The first bytes of an IDX file of uint8 items."""
    return struct.pack(f">HBB{items.ndim}I", 0, 8, items.ndim, *items.shape)


def save(data: Data) -> None:
    """Leave the arrays in the data's folder, for contenders to read."""
    np.save(data.folder / "images.npy", data.images)
    np.save(data.folder / "labels.npy", data.labels)


def read(folder: Path, own: Path) -> Data:
    """What `save` left in `folder`, for a contender whose files go to `own`."""
    arrays = (np.load(folder / f"{name}.npy") for name in ("images", "labels"))
    return Data(*arrays, own)

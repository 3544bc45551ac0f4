"""The images and labels that every contender gets, and files of them."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Mean and standard deviation of the training images, divided by 255. They are
# fmnist_fast.load("train").mean and .std. All contenders get them as constants, as
# training programs use them.
MEAN, STD = 0.2860405969887955, 0.3530242445149223
FILES = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@dataclass
class Data:
    """A training set in memory.

    Attributes
    ----------
    images : uint8 (n, 28, 28)
        Images.
    labels : uint8 (n,)
        Labels.
    folder : Path
        Folder for files that the contender makes, from these images only.
    source : object
        Object that the contender's `load` made in addition to the arrays.
    mean, std : float
        Mean and standard deviation of the pixels, divided by 255.
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
        """Return the factor of a pixel; `bias` is added to the product."""
        return np.float32(1 / (255 * self.std))

    @property
    def bias(self) -> np.float32:
        """Return the number that is added to a pixel times `scale`."""
        return np.float32(-self.mean / self.std)


def read_gz(folder: Path, own: Path, cache: Path | None) -> Data:
    """Return the training set from its two .gz files, read by Python's gzip.

    A contender with a faster way has a function `load` with the same arguments. `cache`
    is the folder in which its earlier processes left their cache, or None.
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
    """Return no arrays, for a contender that reads its own files in `folder`."""
    return Data(np.empty((0, 28, 28), np.uint8), np.empty(0, np.uint8), folder)


def write_gz(images: np.ndarray, labels: np.ndarray, folder: Path) -> None:
    """Write the two .gz files of a dataset that has none, such as the synthetic one."""
    for name, items in zip(FILES, (images, labels)):
        with gzip.open(folder / f"{name}.gz", "wb", compresslevel=1) as file:
            file.write(idx_header(items) + items.tobytes())


def idx_header(items: np.ndarray) -> bytes:
    """Return the first bytes of an IDX file of uint8 items."""
    return struct.pack(f">HBB{items.ndim}I", 0, 8, items.ndim, *items.shape)


def save(data: Data) -> None:
    """Write the arrays to the data's folder, for contenders to read."""
    np.save(data.folder / "images.npy", data.images)
    np.save(data.folder / "labels.npy", data.labels)


def read(folder: Path, own: Path) -> Data:
    """Return the data that `save` wrote; the contender's files go to `own`."""
    arrays = (np.load(folder / f"{name}.npy") for name in ("images", "labels"))
    return Data(*arrays, own)

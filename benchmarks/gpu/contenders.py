"""Ways to get batches on the device: float32, normalized, with labels in int64.

Each contender is made for a dataset, a device, a batch size, and with or without crops
and flips. An iteration is an epoch in a new order. They differ in other things:

- `Ours` and `Pinned` can resume, shard and repeat, and have the bytes of `Loader`.
- `Indexed`, `Compiled` and `WholeEpoch` are loops that users write. They draw from
  PyTorch's generator, and keep no position.
- `Pinned`, DALI and FFCV gather rows on the host. `Pinned` and FFCV also crop and flip
  there, and FFCV reads a file. DALI and FFCV are made for photos, which they decode.
"""

from __future__ import annotations

import importlib
import importlib.util
import shlex
from collections.abc import Iterator
from typing import Any

import torch

import fmnist_fast as ff
from fmnist_fast.frameworks.torch import TorchLoader

from ..comparison.environments import read_contenders
from .bench import CROP_FLIP

Batches = Iterator[tuple[torch.Tensor, torch.Tensor]]


class Ours:
    """Batches of TorchLoader, which the device fills in chunks."""

    resident = True

    def __init__(
        self,
        dataset: ff.Dataset,
        device: torch.device,
        batch_size: int,
        augment: bool,
    ) -> None:
        options = {"augment": CROP_FLIP if augment else None, "shuffle": True}
        options |= {"device": device, "resident": self.resident}
        self._loader = TorchLoader(dataset, batch_size, **options)

    def __iter__(self) -> Batches:
        return iter(self._loader)

    def close(self) -> None:
        self._loader.close()


class Pinned(Ours):
    """Batches of TorchLoader, copied from pinned memory and augmented on the host."""

    resident = False


class Indexed:
    """Bytes on the device: each batch is indexed, cropped, flipped and normalized.

    The crop and the flip are one indexing. A loop with one operation of PyTorch after
    another can hardly do less.
    """

    def __init__(
        self,
        dataset: ff.Dataset,
        device: torch.device,
        batch_size: int,
        augment: bool,
    ) -> None:
        self._images = torch.from_numpy(dataset.images.copy()).to(device)
        self._labels = torch.from_numpy(dataset.labels.astype("int64")).to(device)
        self._batch_size, self._augment = batch_size, augment
        self._scale = 1 / (255 * dataset.std)
        self._bias = -dataset.mean / dataset.std
        height, width = self._images.shape[1:]
        self._padded = torch.nn.functional.pad(self._images, (4, 4, 4, 4))
        self._rows = torch.arange(height, device=device)[None, :, None]
        self._columns = torch.arange(width, device=device)[None, None, :]

    def __iter__(self) -> Batches:
        for rows in self._order().split(self._batch_size):
            yield self._made(rows), self._labels[rows]

    def _order(self) -> torch.Tensor:
        return torch.randperm(len(self._labels), device=self._labels.device)

    def _made(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the images of a batch."""
        if self._augment:
            images = self._crops(rows, self._flips(rows))
        else:
            images = self._images[rows]
        images = images.unsqueeze(1).to(torch.float32)
        return images.mul_(self._scale).add_(self._bias)

    def _flips(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.rand(len(rows), device=rows.device) < 0.5

    def _crops(self, rows: torch.Tensor, flips: torch.Tensor) -> torch.Tensor:
        """Return the rows, each with a random crop (padding 4), some flipped."""
        n, width = len(rows), self._images.shape[2]
        top, left = torch.randint(0, 9, (2, n, 1, 1), device=rows.device)
        mirrored = width - 1 - self._columns
        columns = torch.where(flips[:, None, None], mirrored, self._columns)
        return self._padded[rows[:, None, None], self._rows + top, columns + left]

    def close(self) -> None:
        pass


class Compiled(Indexed):
    """The same, as one kernel that torch.compile makes of the operations.

    An epoch has batches of two sizes, so it compiles twice, before it is timed.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        # On the processor, only the tracing is walked through.
        backend = "inductor" if self._images.is_cuda else "eager"
        self._made = torch.compile(super()._made, dynamic=False, backend=backend)


class WholeEpoch(Indexed):
    """All images of an epoch at once, then rows of them (Jordan, arXiv:2404.00498).

    As the paper describes, the first epoch flips half of the images, and each later
    epoch flips those that the epoch before has not. Padding, normalization and data
    type are those of the other contenders, not those of the paper. It needs memory for
    all images in float32, and more while it makes them.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._all = torch.arange(len(self._labels), device=self._labels.device)
        self._next_flips = super()._flips(self._all)

    def __iter__(self) -> Batches:
        images = self._made(self._all)
        for rows in self._order().split(self._batch_size):
            yield images[rows], self._labels[rows]

    def _flips(self, rows: torch.Tensor) -> torch.Tensor:
        flips, self._next_flips = self._next_flips, ~self._next_flips
        return flips


CONTENDERS: dict[str, type] = {
    "resident": Ours,
    "indexed": Indexed,
    "whole epoch": WholeEpoch,
    "pinned": Pinned,
    "compiled": Compiled,  # the last one, because compiling takes long
}
# Packages of other contenders, by their names in comparison/environments.toml.
PACKAGES = {"dali": "nvidia.dali", "ffcv": "ffcv"}


def contender_named(name: str) -> type:
    """Return the class of a contender.

    Raises
    ------
    ModuleNotFoundError
        Its package is not installed. The message says how to install it.
    """
    if name in CONTENDERS:
        return CONTENDERS[name]
    if not _is_installed(PACKAGES[name]):
        raise ModuleNotFoundError(f"to install {name}: {how_to_install(name)}")
    threads = torch.get_num_threads()
    module = importlib.import_module(f".{name}", __package__)
    torch.set_num_threads(threads)  # the import of FFCV sets one thread
    return module.Contender


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # raised if the parent package is missing too
        return False


def how_to_install(name: str) -> str:
    """Return the commands that install a contender in this environment."""
    contender = read_contenders()[name]
    lines = [["apt-get", "install", *contender.apt]] if contender.apt else []
    lines += [["pip", *line] for line in contender.pip_lines({})]
    return " && ".join(map(shlex.join, lines))

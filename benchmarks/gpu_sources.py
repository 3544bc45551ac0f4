"""The sources of batches for benchmarks/gpu_feed.py.

A source is created for a dataset, a device, a batch size and a dtype. Each iteration
yields an epoch of (images, labels) on the device. float32 images are normalized, and
uint8 images are the bytes.
"""

import importlib
import importlib.util
import time

import torch

import fmnist_fast as ff
from fmnist_fast.frameworks.torch import TorchLoader

from .usage import usable_cores


class Fast:
    """Batches of fmnist_fast's TorchLoader."""

    name = "fmnist_fast"

    def __init__(self, dataset, device, batch_size, dtype, augment):
        transforms = [ff.RandomCrop(28, padding=4), ff.RandomHorizontalFlip()]
        is_raw, pair = dtype == torch.uint8, (dataset.mean, dataset.std)
        self._loader = TorchLoader(
            dataset,
            batch_size,
            device=device,
            dtype=dtype,
            normalize=None if is_raw else pair,
            shuffle=True,
            augment=transforms if augment else None,
        )

    def __iter__(self):
        return iter(self._loader)

    def close(self):
        self._loader.close()


class Images(torch.utils.data.Dataset):
    """Single images for a DataLoader."""

    def __init__(self, dataset, transform):
        self.images = torch.from_numpy(dataset.images.copy()).unsqueeze(1)
        self.labels = dataset.labels.tolist()
        self.transform = transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(self.images[index]), self.labels[index]


class Torchvision:
    """Batches of a DataLoader with torchvision's transforms in worker processes."""

    name = "torchvision"
    workers = usable_cores()

    def __init__(self, dataset, device, batch_size, dtype, augment):
        from .comparison.contenders.torchvision import v2

        transforms = [v2.RandomCrop(28, padding=4), v2.RandomHorizontalFlip()]
        transforms = transforms if augment else [v2.Identity()]
        if dtype != torch.uint8:
            transforms += [
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([dataset.mean], [dataset.std]),
            ]
        self._device = device
        self._loader = torch.utils.data.DataLoader(
            Images(dataset, v2.Compose(transforms)),
            batch_size,
            shuffle=True,
            num_workers=self.workers,
            persistent_workers=True,
            pin_memory=torch.device(device).type == "cuda",
        )

    def __iter__(self):
        for batch in self._loader:
            yield tuple(part.to(self._device, non_blocking=True) for part in batch)

    def close(self):
        iterator, self._loader._iterator = self._loader._iterator, None
        del iterator  # its destructor joins the workers


class Resident:
    """The whole dataset on the device, indexed and augmented there batch by batch.

    No loop without a loader can do less.
    """

    name = "resident"

    def __init__(self, dataset, device, batch_size, dtype, augment):
        self._images = torch.from_numpy(dataset.images.copy()).to(device)
        self._labels = torch.from_numpy(dataset.labels.astype("int64")).to(device)
        self._batch_size, self._dtype, self._augment = batch_size, dtype, augment
        self._scale = 1 / (255 * dataset.std)
        self._bias = -dataset.mean / dataset.std
        height, width = self._images.shape[1:]
        self._padded = torch.nn.functional.pad(self._images, (4, 4, 4, 4))
        self._rows = torch.arange(height, device=device)[None, :, None]
        self._columns = torch.arange(width, device=device)[None, None, :]

    def __iter__(self):
        order = torch.randperm(len(self._labels), device=self._labels.device)
        for rows in order.split(self._batch_size):
            images = self._augmented(rows) if self._augment else self._images[rows]
            images = images.unsqueeze(1)
            if self._dtype != torch.uint8:
                images = images.to(self._dtype).mul_(self._scale).add_(self._bias)
            yield images, self._labels[rows]

    def _augmented(self, rows):
        """Return the rows, each with a random crop (padding 4) and a random flip."""
        n, device, width = len(rows), rows.device, self._images.shape[2]
        top, left = torch.randint(0, 9, (2, n, 1, 1), device=device)
        flip = torch.rand(n, 1, 1, device=device) < 0.5
        columns = torch.where(flip, width - 1 - self._columns, self._columns)
        return self._padded[rows[:, None, None], self._rows + top, columns + left]

    def close(self):
        pass


class Cached:
    """Batches of another source that are on the device already, without any feeding."""

    name = "cached"

    def __init__(self, source):
        self._batches = [(images.clone(), labels.clone()) for images, labels in source]

    def __iter__(self):
        return iter(self._batches)


SOURCES = {source.name: source for source in (Fast, Torchvision, Resident)}
# Packages of other sources, by their names in comparison/environments.toml. The sources
# of FFCV and DALI are in gpu_ffcv.py and gpu_dali.py, which import the packages.
PACKAGES = {"torchvision": "torchvision", "ffcv": "ffcv", "dali": "nvidia.dali"}
NAMES = (Fast.name, *PACKAGES, Resident.name)


def source_named(name):
    """Return the class of a source, and import its module if necessary."""
    if name not in SOURCES:
        threads = torch.get_num_threads()
        module = importlib.import_module(f".gpu_{name}", __package__)
        torch.set_num_threads(threads)  # the import of FFCV sets one thread
        SOURCES[name] = module.Source
    return SOURCES[name]


def is_installed(name):
    """Return whether the package of a source is installed."""
    if name not in PACKAGES:
        return True
    try:
        return importlib.util.find_spec(PACKAGES[name]) is not None
    except ModuleNotFoundError:  # raised if the parent package is missing too
        return False


def choose_workers(source, dataset, device):
    """Set `source.workers` to all cores or half of them, and return the number.

    The number with the faster second epoch is chosen.
    """
    seconds = {}
    for source.workers in {usable_cores(), max(1, usable_cores() // 2)}:
        feed = source(dataset, device, 256, torch.float32, False)
        try:
            for _ in range(2):
                start = time.perf_counter()
                n = sum(len(labels) for _, labels in feed)
                seconds[source.workers] = (time.perf_counter() - start) / n
        finally:
            feed.close()
    source.workers = min(seconds, key=seconds.get)
    return source.workers


def bytes_of(images, dataset):
    """Return the uint8 pixels of a batch, without normalization."""
    if images.dtype == torch.uint8:
        return images
    return (images * (255 * dataset.std) + 255 * dataset.mean).round().to(torch.uint8)

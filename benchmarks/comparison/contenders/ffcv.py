"""FFCV: a file in its format, and operations that Numba compiles.

FFCV's fields and operations for images require color. Therefore images are arrays here,
and crop, flip and normalization are custom operations as in FFCV's documentation.
"""

import dataclasses
import importlib.metadata

import numpy as np
import torch
from ffcv.fields import IntField, NDArrayField
from ffcv.fields.decoders import IntDecoder, NDArrayDecoder
from ffcv.loader import Loader, OrderOption
from ffcv.pipeline.allocation_query import AllocationQuery
from ffcv.pipeline.compiler import Compiler
from ffcv.pipeline.operation import Operation
from ffcv.transforms import Squeeze, ToTensor
from ffcv.writer import DatasetWriter

from ... import work as works
from ...data import only_files, read_gz
from ...work import each_of, threads

KEEPS_CACHE = True


def versions():
    return {"ffcv": importlib.metadata.version("ffcv"), "torch": torch.__version__}


def settings(work):
    """Return the numbers of threads; FFCV has no affine maps and no erasing."""
    if {"affine", "erasing"} & set(work.augment):
        return []
    return each_of(threads=threads())


def load(folder, own, cache):
    """Return the data; if `cache` has FFCV's file, only this file is read."""
    if cache is not None and any(cache.iterdir()):
        return only_files(cache)
    return read_gz(folder, cache or own, cache)


class OnBatch(Operation):
    """An operation that turns a batch of images into a batch (n, 1, 28, 28)."""

    dtype = np.dtype(np.uint8)

    def declare_state_and_memory(self, previous):
        state = dataclasses.replace(previous, shape=(1, 28, 28), dtype=self.dtype)
        return state, AllocationQuery((1, 28, 28), self.dtype)


class CropFlip(OnBatch):
    """A random crop and flip of each image."""

    def generate_code(self):
        n_places, p = 2 * works.PADDING + 1, works.FLIP_P
        each = Compiler.get_iterator()

        def crop_flip(images, out):
            for i in each(images.shape[0]):
                y, x = np.random.randint(0, n_places), np.random.randint(0, n_places)
                crop = images[i, 0, y : y + 28, x : x + 28]
                out[i, 0] = crop[:, ::-1] if np.random.rand() < p else crop
            return out[: images.shape[0]]

        crop_flip.is_parallel = True
        return crop_flip


class Normalize(OnBatch):
    """Normalization to float32: ``pixel * scale + bias``."""

    dtype = np.dtype(np.float32)

    def __init__(self, data):
        super().__init__()
        self.scale, self.bias = data.scale, data.bias

    def generate_code(self):
        each, scale, bias = Compiler.get_iterator(), self.scale, self.bias

        def normalize(images, out):
            for i in each(images.shape[0]):
                out[i] = images[i] * scale + bias
            return out[: images.shape[0]]

        normalize.is_parallel = True
        return normalize


class Rows:
    """A dataset from which FFCV's writer takes one image after the other."""

    def __init__(self, data, padding):
        around = ((0, 0), (padding, padding), (padding, padding))
        self.images, self.labels = np.pad(data.images, around)[:, None], data.labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, row):
        return self.images[row], int(self.labels[row])


def beton(data, padding):
    """Return the path of the file with padded images and labels; write it once."""
    file = data.folder / f"{padding}.beton"
    if not file.exists():
        rows = Rows(data, padding)
        shape = rows.images.shape[1:]
        fields = {"image": NDArrayField(np.dtype(np.uint8), shape), "label": IntField()}
        writer = DatasetWriter(str(file), fields, num_workers=1)
        writer.from_indexed_dataset(rows)
    return file


def epochs(data, work, threads):
    padding = works.PADDING if "crop" in work.augment else 0
    operations = [NDArrayDecoder()]
    if "crop" in work.augment:
        operations.append(CropFlip())
    if work.dtype == "float32":
        operations.append(Normalize(data))
    loader = Loader(
        str(beton(data, padding)),
        work.batch_size,
        order=OrderOption.RANDOM,
        num_workers=threads,
        os_cache=True,
        drop_last=False,
        seed=0,
        pipelines={
            "image": [*operations, ToTensor()],
            "label": [IntDecoder(), ToTensor(), Squeeze(1)],
        },
    )
    while True:
        yield loader

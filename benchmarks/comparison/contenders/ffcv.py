"""FFCV: a file of its own format, and operations that Numba compiles.

Images are arrays, since its image fields are in colour; crop, flip and normalisation
are operations of the kind that its documentation shows how to write, since its own are
for images in colour as well.
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
    """How many threads. Affine maps and erasing it does not have."""
    if {"affine", "erasing"} & set(work.augment):
        return []
    return each_of(threads=threads())


def load(folder, own, cache):
    """With `cache`, only its own file is read, once that is there."""
    if cache is not None and any(cache.iterdir()):
        return only_files(cache)
    return read_gz(folder, cache or own, cache)


class OnBatch(Operation):
    """An operation from a batch of images to a batch (n, 1, 28, 28)."""

    dtype = np.dtype(np.uint8)

    def declare_state_and_memory(self, previous):
        state = dataclasses.replace(previous, shape=(1, 28, 28), dtype=self.dtype)
        return state, AllocationQuery((1, 28, 28), self.dtype)


class CropFlip(OnBatch):
    def generate_code(self):
        n_places, p = 2 * works.PADDING + 1, works.FLIP_P
        each = Compiler.get_iterator()

        def crop_flip(images, out):
            for i in each(images.shape[0]):
                y, x = np.random.randint(0, n_places), np.random.randint(0, n_places)
                window = images[i, 0, y : y + 28, x : x + 28]
                out[i, 0] = window[:, ::-1] if np.random.rand() < p else window
            return out[: images.shape[0]]

        crop_flip.is_parallel = True
        return crop_flip


class Normalise(OnBatch):
    dtype = np.dtype(np.float32)

    def __init__(self, data):
        super().__init__()
        self.scale, self.bias = data.scale, data.bias

    def generate_code(self):
        each, scale, bias = Compiler.get_iterator(), self.scale, self.bias

        def normalise(images, out):
            for i in each(images.shape[0]):
                out[i] = images[i] * scale + bias
            return out[: images.shape[0]]

        normalise.is_parallel = True
        return normalise


class Rows:
    """What the writer asks for images: one at a time."""

    def __init__(self, data, padding):
        around = ((0, 0), (padding, padding), (padding, padding))
        self.images, self.labels = np.pad(data.images, around)[:, None], data.labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, row):
        return self.images[row], int(self.labels[row])


def beton(data, padding):
    """The file of the images, black around them, and labels; written once."""
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
    steps = [NDArrayDecoder()]
    if "crop" in work.augment:
        steps.append(CropFlip())
    if work.dtype == "float32":
        steps.append(Normalise(data))
    loader = Loader(
        str(beton(data, padding)),
        work.batch_size,
        order=OrderOption.RANDOM,
        num_workers=threads,
        os_cache=True,
        drop_last=False,
        seed=0,
        pipelines={
            "image": [*steps, ToTensor()],
            "label": [IntDecoder(), ToTensor(), Squeeze(1)],
        },
    )
    while True:
        yield loader

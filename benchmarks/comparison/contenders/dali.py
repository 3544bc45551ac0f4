"""NVIDIA DALI on the CPU: numpy gathers batches of rows, and DALI does the rest."""

import importlib.metadata

import numpy as np
from nvidia.dali import fn, pipeline_def, types

from ... import work as works
from ...work import each_of, threads
from .numpy import prepared


def versions():
    return {"nvidia-dali": importlib.metadata.version("nvidia-dali-cuda120")}


def settings(work):
    return each_of(threads=threads(), prefetch=[2, 4])


class Rows:
    """Batches of rows, gathered by numpy, in a new order in each epoch."""

    def __init__(self, images, labels, batch_size):
        self.images, self.labels = images[..., None], labels
        self.batch_size, self.rng = batch_size, np.random.default_rng(0)

    def __iter__(self):
        order = self.rng.permutation(len(self.images))
        for begin in range(0, len(order), self.batch_size):
            rows = order[begin : begin + self.batch_size]
            yield self.images[rows], self.labels[rows, None]


def affine(images):
    """Apply a random affine map to each image, around its center."""
    shift = 28 * works.TRANSLATE
    middle = np.float32([14, 14])
    matrix = fn.transforms.rotation(
        angle=fn.random.uniform(range=(-works.DEGREES, works.DEGREES)), center=middle
    )
    size = fn.random.uniform(range=works.SCALE)
    matrix = fn.transforms.scale(matrix, scale=fn.stack(size, size), center=middle)
    moved = fn.random.uniform(range=(-shift, shift), shape=2)
    matrix = fn.transforms.translation(matrix, offset=moved)
    return fn.warp_affine(
        images,
        matrix=matrix,
        inverse_map=False,  # the matrix maps pixels of the input to the output
        interp_type=types.INTERP_LINEAR,
        fill_value=0,
    )


def erase(images):
    """Blacken a rectangle of some of the images."""
    area = 28 * 28 * fn.random.uniform(range=works.ERASING_SCALE)
    low, high = np.log(works.ERASING_RATIO)
    ratio = dali_exp(fn.random.uniform(range=(low, high)))
    drawn = fn.random.coin_flip(probability=works.ERASING_P)
    height = dali_round((area * ratio) ** 0.5) * drawn
    width = dali_round((area / ratio) ** 0.5)
    at = fn.random.uniform(range=(0, 1), shape=2)
    top, left = dali_floor(at[0] * (29 - height)), dali_floor(at[1] * (29 - width))
    return fn.erase(
        images,
        anchor=fn.stack(top, left),
        shape=fn.stack(height, width),
        axis_names="HW",
        fill_value=0,
    )


def dali_exp(x):
    return np.float32(np.e) ** x


def dali_floor(x):
    return fn.cast(fn.cast(x, dtype=types.INT32), dtype=types.FLOAT)


def dali_round(x):
    return dali_floor(x + np.float32(0.5))


@pipeline_def(exec_pipelined=True)
def pipeline(source, data, work, on_gpu=False):
    """Return images (n, 1, 28, 28) and labels (n, 1), sent to a GPU as bytes."""
    images, labels = fn.external_source(
        source, num_outputs=2, batch=True, cycle="raise", layout=["HWC", ""]
    )
    if on_gpu:
        images, labels = images.gpu(), labels.gpu()
    crop = {}
    if "crop" in work.augment:  # the images are padded already
        places = [k / (2 * works.PADDING) for k in range(2 * works.PADDING + 1)]
        crop = {
            "crop": (28, 28),
            "crop_pos_y": fn.random.uniform(values=places),
            "crop_pos_x": fn.random.uniform(values=places),
            "mirror": fn.random.coin_flip(probability=works.FLIP_P),
        }
    if "affine" in work.augment:
        images = affine(images)
    if "erasing" in work.augment:  # erase bytes, before they become floats
        images = fn.crop_mirror_normalize(
            images, dtype=types.UINT8, output_layout="HWC", **crop
        )
        images, crop = erase(images), {}
    if work.dtype == "uint8":
        if crop:
            images = fn.crop_mirror_normalize(
                images, dtype=types.UINT8, output_layout="HWC", **crop
            )
        # A reshape of one channel copies nothing.
        return fn.reshape(images, shape=[1, 28, 28], layout="CHW"), labels
    mean, std = [255 * data.mean], [255 * data.std]
    images = fn.crop_mirror_normalize(
        images, dtype=types.FLOAT, mean=mean, std=std, output_layout="CHW", **crop
    )
    return images, labels


def epochs(data, work, threads, prefetch):
    images, labels = prepared(data, work), data.labels.astype(np.int64)
    source = Rows(images, labels, work.batch_size)
    pipe = pipeline(
        source,
        data,
        work,
        batch_size=work.batch_size,
        num_threads=threads,
        device_id=None,
        prefetch_queue_depth=prefetch,
        seed=0,
    )
    pipe.build()

    def epoch():
        while True:
            try:
                images, labels = pipe.run()
            except StopIteration:
                pipe.reset()
                return
            yield images.as_tensor(), np.asarray(labels.as_tensor())[:, 0]

    while True:
        yield epoch()

"""Loaders that batches in JAX are compared with, each in a process by itself.

The threads of PyTorch and TensorFlow slow JAX down where they share its process.
"""

import concurrent.futures
import multiprocessing
import os

import numpy as np

_LOADER = None  # of this process


class Process:
    """A process with a loader, which `kind` makes of its arguments."""

    def __init__(self, kind, *arguments):
        self._pool = concurrent.futures.ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), _start, (kind, *arguments)
        )

    def check(self):
        """Run an epoch; return the labels, and the mean of the pixels."""
        return self._pool.submit(_check).result()

    def run(self):
        """Run an epoch, and return the sum of its pixels."""
        return self._pool.submit(_sum).result()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._pool.shutdown()


def _start(kind, *arguments):
    global _LOADER
    _LOADER = kind(*arguments)


def _sum():
    return sum(_LOADER.total(images) for images, _ in _LOADER.batches)


def _check():
    batches = [[np.array(array) for array in batch] for batch in _LOADER.batches]
    images, labels = (np.concatenate(arrays) for arrays in zip(*batches))
    return labels, float(images.mean(dtype=np.float64))


class Rows:
    """A dataset with a transform of torchvision, as people write it for PyTorch."""

    def __init__(self, images, labels, transform):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.transform(self.images[i]), int(self.labels[i])


class Torchvision:
    """Transforms of torchvision in a DataLoader."""

    def __init__(self, images, labels, mean, std, batch_size, workers):
        import torch

        from ..comparison.contenders.torchvision import v2

        torch.set_num_threads(1)  # an image is too small for several threads
        transform = v2.Compose(
            [
                v2.ToImage(),
                v2.RandomCrop(28, padding=4),
                v2.RandomHorizontalFlip(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([mean], [std]),
            ]
        )
        options = {"num_workers": workers, "persistent_workers": workers > 0}
        if workers:
            options["multiprocessing_context"] = "fork"  # the default of a DataLoader
        rows = Rows(images, labels, transform)
        self.batches = torch.utils.data.DataLoader(
            rows, batch_size, shuffle=True, **options
        )

    def total(self, images):
        """Return the sum of the pixels."""
        return float(images.sum())


class TfData:
    """A tf.data.Dataset that maps tf.image's functions, as people write it."""

    def __init__(self, images, labels, mean, std, batch_size):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import tensorflow as tf

        def augment(image, label):
            image = tf.image.random_crop(
                tf.pad(image, [[4, 4], [4, 4], [0, 0]]), (28, 28, 1)
            )
            image = tf.image.random_flip_left_right(image)
            return (tf.cast(image, tf.float32) / 255 - mean) / std, label

        self.batches = (
            tf.data.Dataset.from_tensor_slices((images[..., None], labels))
            .shuffle(len(images))
            .map(augment, num_parallel_calls=tf.data.AUTOTUNE)
            .batch(batch_size)
            .prefetch(tf.data.AUTOTUNE)
        )
        self._sum = tf.function(tf.reduce_sum)

    def total(self, images):
        """Return the sum of the pixels."""
        return float(self._sum(images))

"""This library, with several numbers of threads and default options."""

import os

import fmnist_fast as ff

from ...data import Data
from ...work import (
    DEGREES,
    ERASING_RATIO,
    ERASING_SCALE,
    PADDING,
    SCALE,
    TRANSLATE,
    each_of,
    threads,
)

KEEPS_CACHE = True
TRANSFORMS = {
    "crop": lambda: ff.RandomCrop(28, padding=PADDING),
    "flip": ff.RandomHorizontalFlip,
    "erasing": lambda: ff.RandomErasing(scale=ERASING_SCALE, ratio=ERASING_RATIO),
    "affine": lambda: ff.RandomAffine(
        DEGREES,
        translate=(TRANSLATE, TRANSLATE),
        scale=SCALE,
        interpolation="bilinear",
    ),
}


def versions():
    return {"fmnist_fast": ff.__version__, "cpu level": ff._core.get_cpu_level()}


def settings(work):
    return each_of(threads=threads())


def load(folder, own, cache):
    os.environ["FMNIST_FAST_CACHE"] = "off" if cache is None else str(cache)
    train = ff.load("train", root=folder)
    return Data(train.images, train.labels, own, source=train)


def epochs(data, work, threads):
    loader = ff.Loader(
        data.source or ff.Dataset.from_arrays(data.images, data.labels),
        work.batch_size,
        shuffle=True,
        threads=threads,
        dtype=work.dtype,
        normalize=None if work.dtype == "uint8" else (data.mean, data.std),
        augment=[TRANSFORMS[name]() for name in work.augment] or None,
    )
    with loader:
        while True:
            yield loader

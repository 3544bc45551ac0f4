"""Hugging Face datasets: an Arrow table in memory, shuffled and read in batches."""

import datasets
import numpy as np
import pyarrow

from ...data import only_files, read_gz
from ...work import each_of
from .numpy import one_batch, prepared

datasets.disable_progress_bars()
KEEPS_CACHE = True


def versions():
    return {"datasets": datasets.__version__}


def settings(work):
    """Return the settings: format of a read, and batches by iter or by lists of rows.

    The formats are numpy arrays, or Arrow arrays that numpy views. The library has no
    affine maps.
    """
    if "affine" in work.augment:
        return []
    return each_of(format=["numpy", "arrow"], read_by=["iter", "rows"])


def table(images, labels):
    """Return a table whose images are rows of bytes, which Arrow reads fastest."""
    pixels = pyarrow.array(images.reshape(-1))
    columns = {
        "image": pyarrow.FixedSizeListArray.from_arrays(pixels, images[0].size),
        "label": pyarrow.array(labels.astype(np.int64)),
    }
    return datasets.Dataset(pyarrow.table(columns))


def load(folder, own, cache):
    """Return the data with a table, memory-mapped if it was saved in `cache`."""
    if cache is not None and (cache / "state.json").exists():
        data = only_files(own)
        data.source = datasets.load_from_disk(cache)
        return data
    data = read_gz(folder, own, cache)
    data.source = table(data.images, data.labels)
    if cache is not None:
        data.source.save_to_disk(cache)
    return data


def as_numpy(columns, format):
    """Return the columns of a read as uint8 (n, pixels) and int64 (n,)."""
    if format == "numpy":
        return columns["image"], columns["label"].astype(np.int64)
    image = columns["image"].combine_chunks()
    if hasattr(image, "chunk"):
        image = image.chunk(0)
    pixels = image.flatten().to_numpy()
    return pixels.reshape(len(image), -1), columns["label"].to_numpy()


def epochs(data, work, format, read_by):
    source = data.source or table(prepared(data, work), data.labels)
    rng, size = np.random.default_rng(0), work.batch_size
    # By default, the library converts bytes to int64. The labels fit into uint8, too.
    options = {"dtype": np.uint8} if format == "numpy" else {}
    formatted = source.with_format(format, **options)
    side = round(source.features["image"].length ** 0.5)

    def reads(epoch):
        if read_by == "iter":
            yield from formatted.shuffle(seed=epoch).iter(size)
        else:
            order = rng.permutation(len(source))
            for begin in range(0, len(order), size):
                yield formatted[order[begin : begin + size]]

    def batches(epoch):
        for columns in reads(epoch):
            images, labels = as_numpy(columns, format)
            images = images.reshape(-1, side, side)
            rows = np.arange(len(images)) if work.augment else slice(None)
            yield one_batch(images, labels, rows, data, work, rng)

    epoch = 0
    while True:
        yield batches(epoch)
        epoch += 1

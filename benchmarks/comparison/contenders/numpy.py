"""The loop that people write by hand in numpy, a batch at a time.

Libraries that leave the work to the user's functions use the functions of this file.
"""

import numpy as np

from ... import work as works
from ...work import each_of

ROWS, COLUMNS = np.arange(28)[:, None], np.arange(28)


def versions():
    return {"numpy": np.__version__}


def settings(work):
    """Return the settings: new or reused memory, and floats once or in every epoch."""
    if "affine" in work.augment:
        return []
    if work.augment or work.dtype == "uint8":
        return each_of(reuse=[False, True])
    return each_of(reuse=[False, True], ahead=[False, True])


def pad(images):
    """Return the images with room for the crops, once for all epochs."""
    return np.pad(images, ((0, 0), (works.PADDING,) * 2, (works.PADDING,) * 2))


def crop_flip(padded, rows, rng):
    """Return rows of padded images, uint8 (n, 28, 28), each with its crop and flip."""
    top, left = rng.integers(0, 2 * works.PADDING + 1, (2, len(rows), 1, 1))
    columns = np.where(
        rng.random((len(rows), 1, 1)) < works.FLIP_P, COLUMNS[::-1], COLUMNS
    )
    return padded[rows[:, None, None], top + ROWS, left + columns]


def rectangles(n, rng):
    """Return top, left, height and width for n images; height 0 erases nothing."""
    area = 28 * 28 * rng.uniform(*works.ERASING_SCALE, n)
    ratio = np.exp(rng.uniform(*np.log(works.ERASING_RATIO), n))
    height = np.clip(np.rint(np.sqrt(area * ratio)), 1, 27).astype(int)
    width = np.clip(np.rint(np.sqrt(area / ratio)), 1, 27).astype(int)
    height[rng.random(n) >= works.ERASING_P] = 0
    return rng.integers(0, 29 - height), rng.integers(0, 29 - width), height, width


def erase(images, rng):
    """Blacken a rectangle of some of the images, in place."""
    for image, y, x, height, width in zip(images, *rectangles(len(images), rng)):
        image[y : y + height, x : x + width] = 0
    return images


def augmented(images, rows, work, rng):
    """Return augmented rows of the images of `prepared`, uint8 (n, 28, 28)."""
    if not work.augment:
        return images[rows]
    batch = crop_flip(images, rows, rng)
    return erase(batch, rng) if "erasing" in work.augment else batch


def normalized(batch, data, out=None):
    """Return float32 (n, 1, 28, 28) for uint8 (n, 28, 28)."""
    out = np.empty(batch.shape, np.float32) if out is None else out
    np.multiply(batch, data.scale, out=out)
    out += data.bias
    return out[:, None]


def prepared(data, work):
    """Return the images that `augmented` takes: padded, if they are to be cropped."""
    return pad(data.images) if "crop" in work.augment else data.images


def one_batch(images, labels, rows, data, work, rng):
    """Do the work on a batch in new memory, and return images and labels."""
    batch = augmented(images, rows, work, rng)
    if work.dtype == "float32":
        return normalized(batch, data), labels[rows]
    return batch[:, None], labels[rows]


def epochs(data, work, reuse, ahead=False):
    rng = np.random.default_rng(0)
    images, labels = prepared(data, work), data.labels.astype(np.int64)
    if ahead:
        images = normalized(images, data)[:, 0]
    narrow = np.empty((work.batch_size, 28, 28), images.dtype)
    wide = np.empty((work.batch_size, 28, 28), np.float32)

    def epoch():
        order = rng.permutation(len(images))
        for begin in range(0, len(order), work.batch_size):
            rows = order[begin : begin + work.batch_size]
            n = len(rows)
            if work.augment or not reuse:
                batch = augmented(images, rows, work, rng)
            else:
                batch = np.take(images, rows, axis=0, out=narrow[:n], mode="clip")
            if work.dtype == "float32" and not ahead:
                yield normalized(batch, data, wide[:n] if reuse else None), labels[rows]
            else:
                yield batch[:, None], labels[rows]

    while True:
        yield epoch()

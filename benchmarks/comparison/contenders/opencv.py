"""The loop that people write with OpenCV: a matrix and a warp for each image."""

import cv2
import numpy as np

from ...work import DEGREES, FLIP_P, PADDING, SCALE, TRANSLATE, each_of
from .numpy import erase, normalized, pad


def versions():
    return {"opencv": cv2.__version__, "numpy": np.__version__}


def settings(work):
    return each_of(threads=[1]) if work.augment else []


def warp(images, rows, out, rng):
    """Rotate, scale and shift each image by random amounts."""
    angles = rng.uniform(-DEGREES, DEGREES, len(rows)).tolist()
    scales = rng.uniform(*SCALE, len(rows)).tolist()
    shifts = rng.uniform(-28 * TRANSLATE, 28 * TRANSLATE, (len(rows), 2))
    for i, row in enumerate(rows.tolist()):
        matrix = cv2.getRotationMatrix2D((13.5, 13.5), angles[i], scales[i])
        matrix[:, 2] += shifts[i]
        cv2.warpAffine(images[row], matrix, (28, 28), out[i], cv2.INTER_LINEAR)


def crop_flip(padded, rows, out, rng):
    """Take a random crop of each padded image, and mirror half of them."""
    offsets = rng.integers(0, 2 * PADDING + 1, (len(rows), 2)).tolist()
    flips = (rng.random(len(rows)) < FLIP_P).tolist()
    for i, row in enumerate(rows.tolist()):
        y, x = offsets[i]
        crop = padded[row, y : y + 28, x : x + 28]
        if flips[i]:
            cv2.flip(crop, 1, out[i])
        else:
            out[i] = crop


def epochs(data, work, threads):
    cv2.setNumThreads(threads)
    rng = np.random.default_rng(0)
    move = warp if "affine" in work.augment else crop_flip
    images = data.images if move is warp else pad(data.images)
    labels, out = (
        data.labels.astype(np.int64),
        np.empty((work.batch_size, 28, 28), np.uint8),
    )

    def epoch():
        order = rng.permutation(len(images))
        for begin in range(0, len(order), work.batch_size):
            rows = order[begin : begin + work.batch_size]
            batch = out[: len(rows)]
            move(images, rows, batch, rng)
            if "erasing" in work.augment:
                erase(batch, rng)
            yield normalized(batch, data), labels[rows]

    while True:
        yield epoch()

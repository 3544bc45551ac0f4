"""tf.data: a shuffled dataset, mapped and batched in TensorFlow's threads."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from ... import work as works
from ...work import each_of, threads

ROWS, COLUMNS = tf.range(28)[:, None], tf.range(28)


def versions():
    return {"tensorflow": tf.__version__}


def settings(work):
    """Return the settings: rows or images are shuffled, and the number of threads."""
    return each_of(shuffled=["rows", "images"], threads=[*threads(), "autotune"])


def crop_flip(padded):
    """Return the padded images, uint8 (n, 28, 28), each with its crop and flip."""
    n = tf.shape(padded)[0]
    offsets = tf.random.uniform((2, n, 1, 1), 0, 2 * works.PADDING + 1, tf.int32)
    flips = tf.random.uniform((n, 1, 1)) < works.FLIP_P
    columns = tf.where(flips, COLUMNS[::-1], COLUMNS) + offsets[1]
    rows = tf.broadcast_to(offsets[0] + ROWS, (n, 28, 28))
    columns = tf.broadcast_to(columns, (n, 28, 28))
    return tf.gather_nd(padded, tf.stack([rows, columns], -1), batch_dims=1)


def erase(images):
    """Blacken a rectangle of some of the images."""
    n = tf.shape(images)[0]
    area = 28 * 28 * tf.random.uniform((n, 1, 1), *works.ERASING_SCALE)
    low, high = np.log(works.ERASING_RATIO)
    ratio = tf.exp(tf.random.uniform((n, 1, 1), low, high))
    height = tf.clip_by_value(tf.round(tf.sqrt(area * ratio)), 1, 27)
    width = tf.clip_by_value(tf.round(tf.sqrt(area / ratio)), 1, 27)
    drawn = tf.random.uniform((n, 1, 1)) < works.ERASING_P
    height = tf.where(drawn, height, 0)
    top = tf.floor(tf.random.uniform((n, 1, 1)) * (29 - height))
    left = tf.floor(tf.random.uniform((n, 1, 1)) * (29 - width))
    rows, columns = tf.cast(ROWS, tf.float32), tf.cast(COLUMNS, tf.float32)
    inside = (rows >= top) & (rows < top + height)
    inside = inside & (columns >= left) & (columns < left + width)
    return tf.where(inside, tf.zeros((), images.dtype), images)


def affine(images):
    """Return gray levels, float32 (n, 28, 28), after an affine map of each image."""
    n = tf.shape(images)[0]
    limit, most = np.radians(works.DEGREES), 28 * works.TRANSLATE
    angle = tf.random.uniform((n,), -limit, limit)
    scale = tf.random.uniform((n,), *works.SCALE)
    shift = tf.random.uniform((2, n), -most, most)
    cos, sin, middle = tf.cos(angle) / scale, tf.sin(angle) / scale, 13.5
    x, y = middle + shift[0], middle + shift[1]
    zero = tf.zeros_like(cos)
    maps = [cos, sin, middle - cos * x - sin * y]
    maps += [-sin, cos, middle + sin * x - cos * y, zero, zero]
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, tf.float32)[..., None],
        transforms=tf.stack(maps, 1),
        output_shape=[28, 28],
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
        fill_value=0.0,
    )
    return moved[..., 0]


def epochs(data, work, shuffled, threads):
    n = len(data)
    pad = [(0, 0), *[(works.PADDING,) * 2 if "crop" in work.augment else (0, 0)] * 2]
    images = tf.constant(np.pad(data.images, pad))
    labels = tf.constant(data.labels.astype(np.int64))

    def finish(batch, labels):
        if "crop" in work.augment:
            batch = crop_flip(batch)
        if "erasing" in work.augment:
            batch = erase(batch)
        if "affine" in work.augment:
            batch = affine(batch)
        if work.dtype == "float32":
            batch = tf.cast(batch, tf.float32) * data.scale + data.bias
        return batch[:, None], labels

    def gather(rows):
        return finish(tf.gather(images, rows), tf.gather(labels, rows))

    parallel = tf.data.AUTOTUNE if threads == "autotune" else threads
    if shuffled == "rows":
        dataset, function = tf.data.Dataset.range(n), gather
    else:
        dataset = tf.data.Dataset.from_tensor_slices((images, labels))
        function = finish
    dataset = dataset.shuffle(n, seed=0, reshuffle_each_iteration=True)
    dataset = dataset.batch(work.batch_size)
    dataset = dataset.map(function, num_parallel_calls=parallel)
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    while True:
        yield dataset

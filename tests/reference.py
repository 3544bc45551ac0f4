"""The batches of an epoch in slow, obvious numpy. The core must give the same bits.

This file goes from the top down. Other files have the parts, in the order of a batch's
way:

- reference_batching.py: the positions of each batch
- reference_sampler.py: the index at each position
- reference_plan.py: the operations of each row, from reference_transforms.py, which
  draws their numbers by reference_draws.py and reference_real.py
- reference_operations.py: the operations
- reference_fill.py: the pixels that they give, by reference_geometry.py and
  reference_pixels.py
- reference_mix.py: MixUp and CutMix
- reference_convert.py, reference_labels.py: pixels and labels in their data types

Apart from batches, reference_files.py parses files, and reference_photos.py finds the
edges of a photo.

Each function was written from the comments in the C headers and from the sources that
they name (papers, RFCs, specifications). None was written from the C code, so that a
mistake in the C code is not repeated here. Tests compare the results bit for bit.
"""

import functools
from types import SimpleNamespace

import numpy as np
import reference_sampler
from reference_batching import of_epoch, of_stream, shard_rows
from reference_convert import arranged, convert, scales_and_biases
from reference_draws import Key
from reference_fill import fill
from reference_labels import batch_labels
from reference_mix import mixed, mixture
from reference_plan import plan


def epoch(
    images,
    labels,
    *,
    batch_size,
    shuffle=False,
    shuffle_block=None,
    weights=None,
    order=None,
    repeats=1,
    steps=None,
    seed=0,
    augment_seed=None,
    epoch=0,
    dtype="float32",
    normalize="dataset",
    channels=1,
    layout="NCHW",
    label_dtype="int64",
    n_classes=10,
    drop_last=False,
    shard=(0, 1),
    position=None,
    augment=None,
    views=None,
    fields=(),
):
    """Return all batches of one epoch, from `position` on, for one rank.

    The options are those of Loader, except the ones below. The twin of fm_batch_fill
    (src/batch.h).

    Parameters
    ----------
    images : uint8 array of shape (n, height, width)
    labels : integer array of shape (n,)
    weights : float array of shape (n,) or None
    epoch : int
        Number of the epoch, from 0. With `steps`, that of the iteration.
    n_classes : int
        Width of one-hot labels.
    shard : (rank, world)
    position : int
        Position to start at: the first one of a global batch. It is the beginning of
        the epoch by default. With `steps`, it is a position of the stream.
    augment : Compiled or None
        Result of fmnist_fast.augment.compile_transforms. Its Python functions are not
        called.
    views : sequence of (Compiled or None), or None
        Result of compile_views: an augmentation for each view, in place of `augment`.
    fields : sequence of arrays of shape (n,)
        Values of each sample, which follow the images and labels of a batch.

    Returns
    -------
    list of (x, y, *fields)
        Batches in the data types and layout of the options. With `views`, images have
        the shape (views, n, ...), and so do labels if a view mixes. bfloat16 pixels are
        uint16 bits. A rank whose shard of a short last batch is empty has one batch
        fewer.
    """
    n, height, width = images.shape
    rank, world = shard
    unchanged = SimpleNamespace(
        transforms=(), mix=None, height=height, width=width, draws_view=0
    )
    programs = [view or unchanged for view in ([augment] if views is None else views)]
    order_of = functools.cache(
        lambda number: reference_sampler.indices(
            n, seed, number, shuffle, shuffle_block, weights, order, repeats
        )
    )
    n_positions, stride = len(order_of(0 if steps else epoch)), batch_size * world
    if steps is None:
        places = of_epoch(epoch, position or 0, n_positions, stride, drop_last)
    else:
        begin = epoch * steps * stride if position is None else position
        places = of_stream(begin, steps, stride, n_positions)
    key_seed = seed if augment_seed is None else augment_seed
    numbers = scales_and_biases(normalize, images, channels)
    batches = []
    for batch in places:  # of all ranks
        rows = shard_rows(len(batch), rank, world)
        if not rows:
            continue
        keys = [Key(key_seed, *place) for place in batch]
        indices = [int(order_of(number)[at % n_positions]) for number, at in batch]
        every_x, every_y = [], []
        for program in programs:
            pixels, mixtures = augmented_rows(program, images, indices, keys, rows)
            planes = [convert(pixels, dtype, *pair) for pair in numbers]
            every_x.append(arranged(planes, layout))
            labeling = label_dtype, n_classes, rows, mixtures
            every_y.append(batch_labels(labels[indices], *labeling))
        x, y = every_x[0], every_y[0]
        if views is not None:
            x = np.stack(every_x)
            y = np.stack(every_y) if any(program.mix for program in programs) else y
        batches.append((x, y, *(field[indices][rows] for field in fields)))
    return batches


def augmented(program, image, key, index):
    """Return the image of one row before it is mixed: planned, then filled.

    Parameters
    ----------
    program : Compiled
    image : uint8 array of shape (height, width)
    key : Key
    index : int
        Index of the image in the dataset.

    Returns
    -------
    uint8 array of shape (out_height, out_width)
    """
    return fill(plan(program, key, index, image.shape), image)


def augmented_rows(program, images, indices, keys, rows):
    """Return the augmented images of some rows of a global batch, and their mixtures.

    A partner is augmented by its own transforms before it is mixed, and may lie in the
    shard of another rank. The random numbers are those of view `program.draws_view`.

    Parameters
    ----------
    program : Compiled
    images : uint8 array of shape (n, height, width)
    indices : list of int
        Index of each sample of the global batch.
    keys : list of Key
        Key of each row of the global batch.
    rows : list of int
        Rows of the global batch to return.

    Returns
    -------
    uint8 array of shape (len(rows), out_height, out_width)
    list of Mixture
    """

    keys = [key._replace(view=program.draws_view) for key in keys]

    @functools.cache
    def unmixed(row):
        return augmented(program, images[indices[row]], keys[row], indices[row])

    mixtures = [mixture(program, keys[row], row, len(indices)) for row in rows]
    pixels = [
        unmixed(row)
        if drawn.partner == row
        else mixed(unmixed(row), unmixed(drawn.partner), drawn)
        for row, drawn in zip(rows, mixtures)
    ]
    return np.stack(pixels), mixtures

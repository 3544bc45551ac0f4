"""Batching: the places that each batch of each rank has.

A place is an epoch and a position in it. A global batch is `batch_size` times `world`
consecutive places. It consists of the shards of all ranks, one after another.
"""

import numpy as np


def of_epoch(epoch, begin, end, stride, drop_last):
    """Yield the places of each global batch of an epoch.

    The twin of fm_batching_global and fm_batching_count (src/batching.h).

    Parameters
    ----------
    epoch : int
    begin, end : int
        Positions of the epoch: [begin, end).
    stride : int
        Positions of a whole global batch.
    drop_last : False, True or "wrap"
        The last global batch stays short, is left out, or is filled up with positions
        from `end` on. Position `end` + i has the sample of position i.

    Yields
    ------
    list of at most `stride` pairs (epoch, position)
    """
    for first in range(begin, end, stride):
        last = first + stride
        if last > end and drop_last is True:
            return
        if drop_last is False:
            last = min(last, end)
        yield [(epoch, position) for position in range(first, last)]


def of_stream(begin, steps, stride, n_positions):
    """Yield the places of each global batch of an iteration with `steps`.

    The stream consists of epochs, which are called passes, one after another.

    Parameters
    ----------
    begin : int
        Position of the stream where the iteration begins.
    steps : int
        Number of batches, which are all whole.
    stride : int
        Positions of a global batch.
    n_positions : int
        Positions of a pass.

    Yields
    ------
    list of `stride` pairs (epoch, position)
    """
    for first in range(begin, begin + steps * stride, stride):
        yield [divmod(at, n_positions) for at in range(first, first + stride)]


def shard_rows(n, rank, world):
    """Return the rows that a rank has of a global batch of n rows, maybe none.

    Shards differ by at most one row, and the first ones are longer. The twin of
    fm_batching_rows (src/batching.h).

    Returns
    -------
    list of int
    """
    return np.array_split(np.arange(n), world)[rank].tolist()

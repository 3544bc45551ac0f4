"""Batching: the positions of an epoch that each batch of each rank has.

A global batch is `batch_size` times `world` consecutive positions. It consists of the
shards of all ranks, one after another.
"""

import numpy as np


def global_batches(begin, end, stride, drop_last):
    """Yield the positions of each global batch of an epoch.

    The twin of fm_batching_global and fm_batching_count (src/batching.h).

    Parameters
    ----------
    begin, end : int
        Positions of the epoch: [begin, end).
    stride : int
        Positions of a whole global batch.
    drop_last : False, True or "wrap"
        The last global batch stays short, is left out, or is filled up with positions
        from `end` on. Position `end` + i has the sample of position i.

    Yields
    ------
    range of at most `stride` positions
    """
    for first in range(begin, end, stride):
        last = first + stride
        if last <= end or drop_last == "wrap":
            yield range(first, last)
        elif drop_last is False:
            yield range(first, end)


def shard_rows(n, rank, world):
    """Return the rows that a rank has of a global batch of n rows, maybe none.

    Shards differ by at most one row, and the first ones are longer. The twin of
    fm_batching_rows (src/batching.h).

    Returns
    -------
    list of int
    """
    return np.array_split(np.arange(n), world)[rank].tolist()

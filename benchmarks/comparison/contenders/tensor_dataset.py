"""PyTorch's TensorDataset and DataLoader, with one access for a whole batch.

With ``batch_size=None`` and a BatchSampler as the sampler, the DataLoader indexes the
dataset once for each batch. With ``__getitems__``, it makes batches of rows and fetches
each in one call. Both are much faster than an access for each row.
"""

import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from ...work import each_of, threads, workers
from .torch import augmented, normalized, prepared, versions

__all__ = ["epochs", "settings", "versions"]


def settings(work):
    """Return the settings: kind of access, workers, threads, floats once or each time.

    PyTorch's threads are only useful without workers, which have one thread each.
    """
    ahead = [False, True] if work.dtype == "float32" and not work.augment else [False]
    choices = {"fetch": ["batch_sampler", "__getitems__"], "ahead": ahead}
    without_workers = each_of(workers=[0], threads=threads(), **choices)
    return without_workers + each_of(workers=workers()[1:], threads=[1], **choices)


class Batches(TensorDataset):
    """A dataset that does the work on the rows of a batch."""

    def __init__(self, data, work, ahead):
        images = prepared(data, work)
        if ahead:
            images = normalized(images, data)[:, 0]
        super().__init__(images, torch.from_numpy(data.labels).long())
        self.data, self.work = data, work
        self.makes_floats = work.dtype == "float32" and not ahead

    def __getitem__(self, rows):
        rows = torch.as_tensor(rows)
        batch = augmented(self.tensors[0], rows, self.work)
        if self.makes_floats:
            return normalized(batch, self.data), self.tensors[1][rows]
        return batch[:, None], self.tensors[1][rows]

    __getitems__ = __getitem__


def unchanged(batch):
    return batch


def epochs(data, work, fetch, workers, threads, ahead):
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    dataset = Batches(data, work, ahead)
    options = {"num_workers": workers, "persistent_workers": workers > 0}
    if fetch == "batch_sampler":
        sampler = BatchSampler(RandomSampler(dataset), work.batch_size, drop_last=False)
        options |= {"batch_size": None, "sampler": sampler}
    else:
        options |= {"batch_size": work.batch_size, "shuffle": True}
        options["collate_fn"] = unchanged
    loader = DataLoader(dataset, **options)
    while True:
        yield loader

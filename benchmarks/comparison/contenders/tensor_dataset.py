"""PyTorch's TensorDataset and DataLoader, which is given the rows of a whole batch.

By ``batch_size=None`` and a BatchSampler as the sampler, the dataset is indexed once
for each batch; by ``__getitems__`` the DataLoader makes batches of rows, and one call
fetches them all. Both are far quicker than a row at a time.
"""

import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from ...work import each_of, threads, workers
from .torch import augmented, normalised, prepared, versions

__all__ = ["epochs", "settings", "versions"]


def settings(work):
    """How batches are fetched, by how many workers; floats made once, or each time.

    Threads of PyTorch's are of use where there are no workers, which have one each.
    """
    ahead = [False, True] if work.dtype == "float32" and not work.augment else [False]
    choices = {"fetch": ["batch_sampler", "__getitems__"], "ahead": ahead}
    alone = each_of(workers=[0], threads=threads(), **choices)
    return alone + each_of(workers=workers()[1:], threads=[1], **choices)


class Batches(TensorDataset):
    """The work, on the rows of a batch."""

    def __init__(self, data, work, ahead):
        images = prepared(data, work)
        if ahead:
            images = normalised(images, data)[:, 0]
        super().__init__(images, torch.from_numpy(data.labels).long())
        self.data, self.work = data, work
        self.makes_floats = work.dtype == "float32" and not ahead

    def __getitem__(self, rows):
        rows = torch.as_tensor(rows)
        batch = augmented(self.tensors[0], rows, self.work)
        if self.makes_floats:
            return normalised(batch, self.data), self.tensors[1][rows]
        return batch[:, None], self.tensors[1][rows]

    __getitems__ = __getitem__


def same(batch):
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
        options |= {"batch_size": work.batch_size, "shuffle": True, "collate_fn": same}
    loader = DataLoader(dataset, **options)
    while True:
        yield loader

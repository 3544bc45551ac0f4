"""A program for torchrun: train with DistributedDataParallel and an uneven last batch.

    torchrun --nproc-per-node 4 uneven.py

The last global batch has rows for the first two of four ranks only. Rank 0 prints the
steps of each rank as JSON, for each way to treat the last batch.
"""

import datetime
import json

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.algorithms.join import Join

import fmnist_fast as ff
from fmnist_fast.frameworks.torch import TorchLoader

dist.init_process_group("gloo")
torch.set_num_threads(1)
images = ff.synthetic(100, 10)[0].images[:50]  # two global batches of 24, and two rows
train = ff.Dataset.from_arrays(images, np.arange(50))


def count_steps(drop_last, *, join=False, group=None):
    """Return the steps of this rank in an epoch, with "!" if it timed out."""
    loader = TorchLoader(train, 6, shuffle=True, shard="env", drop_last=drop_last)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 50))
    model = torch.nn.parallel.DistributedDataParallel(model, process_group=group)
    n_steps = 0
    with Join([model], enable=join):
        for pixels, labels in loader:
            loss = torch.nn.functional.cross_entropy(model(pixels), labels)
            try:
                loss.backward()
            except RuntimeError:
                return f"{n_steps}!"
            n_steps += 1
    return str(n_steps)


impatient = dist.new_group(timeout=datetime.timedelta(seconds=5))
ways = {
    "drop": lambda: count_steps(True),
    "wrap": lambda: count_steps("wrap"),
    "join": lambda: count_steps(False, join=True),
    "nothing": lambda: count_steps(False, group=impatient),
}
counts = {}
for name, way in ways.items():
    counts[name] = [None] * dist.get_world_size()
    dist.all_gather_object(counts[name], way())
if dist.get_rank() == 0:
    print(json.dumps(counts))
dist.barrier()
dist.destroy_process_group()

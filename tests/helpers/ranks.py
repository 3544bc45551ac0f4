"""A program for torchrun: compare the shards of all ranks with batches of one process.

    torchrun --nproc-per-node 4 ranks.py

All ranks read two epochs. They stop in the third epoch at the same batch, and continue
from the state of rank 0.
"""

import torch
import torch.distributed as dist

import fmnist_fast as ff
from fmnist_fast.frameworks.torch import TorchLoader

ROWS = 24  # rows of a global batch; 1000 images leave a short one of 16

dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
train, _ = ff.synthetic(1000, 100)
options = {"shuffle": True, "seed": 7, "augment": "standard"}


def compare(own, whole):
    """Raise an error unless the shards of all ranks make up the whole batch."""
    shards = [None] * world
    dist.all_gather_object(shards, own)
    for k, parts in enumerate(zip(*shards)):
        if not torch.equal(torch.cat(parts), whole[k]):
            raise RuntimeError(f"the ranks' {('images', 'labels')[k]} differ")


loader = TorchLoader(train, ROWS // world, shard="env", **options)
single = TorchLoader(train, ROWS, **options)
for _ in range(2):
    for own, whole in zip(loader, single, strict=True):
        compare(own, whole)

batches = iter(loader)
for _ in range(5):
    next(batches)
state = [loader.state_dict()]
dist.broadcast_object_list(state, src=0)
resumed = TorchLoader(train, ROWS // world, shard="env", **options)
resumed.load_state_dict(state[0])
n_rows = 0
for own, rest in zip(resumed, batches, strict=True):
    n_rows += len(own[1])
    if not (torch.equal(own[0], rest[0]) and torch.equal(own[1], rest[1])):
        raise RuntimeError("the resumed run differs")
counted = torch.tensor(n_rows)
dist.all_reduce(counted)
if rank == 0:
    print(f"ranks agree, {counted.item()} rows after the state")
dist.destroy_process_group()

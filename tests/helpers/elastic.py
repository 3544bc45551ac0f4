"""A program for torchrun: two epochs of a small network, with a checkpoint every few
steps, from the last of which the ranks go on when they are started again, as many or
fewer.

    torchrun --nproc-per-node N elastic.py FOLDER [--kill-at STEP]

Each rank appends the steps and the samples that it trained on to a file of its own; at
the end FOLDER has the file "weights.pt".
"""

import argparse
import os
import signal
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

import fmnist_fast as ff
from fmnist_fast.frameworks.torch import TorchLoader

EVERY = 7  # steps
ROWS = 24  # of a global batch; 1000 samples leave a short one of 16

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=Path)
parser.add_argument("--kill-at", type=int, help="let rank 2 die, but not twice")
arguments = parser.parse_args()


def save(path, value):
    torch.save(value, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


def average(_, bucket):
    """Gradients summed in the order of ranks, to the bit the same in every start.

    DistributedDataParallel's own sums depend on where in a bucket a gradient lies, and
    after the first step of a start it lays the buckets out anew.
    """
    mine = bucket.buffer()
    parts = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, mine)
    done = torch.futures.Future()
    done.set_result(sum(parts) / len(parts))
    return done


def train(folder, kill_at):
    torch.manual_seed(0)
    rank, world = dist.get_rank(), dist.get_world_size()
    images = ff.synthetic(1000, 100)[0].images
    dataset = ff.Dataset.from_arrays(images, np.arange(1000))  # labels are the samples
    loader = TorchLoader(
        dataset, ROWS // world, shuffle=True, seed=3, augment="standard", shard="env"
    )
    model = torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.Linear(784, 8),
        torch.nn.ReLU(),
        torch.nn.Linear(8, 1000),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    parts = {"model": model, "optimizer": optimizer, "loader": loader}
    checkpoints = {int(path.stem[-3:]): path for path in folder.glob("step-*.pt")}
    step = max(checkpoints, default=0)
    if step:
        states = torch.load(checkpoints[step], weights_only=True)
        for name, state in states.items():
            parts[name].load_state_dict(state)
    replica = torch.nn.parallel.DistributedDataParallel(model)
    replica.register_comm_hook(None, average)
    with open(folder / f"{rank}-of-{world}", "a", buffering=1) as log:
        while loader.epoch < 2:
            for images, labels in loader:
                step += 1
                if step == kill_at and rank == 2:
                    (folder / "killed").touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                loss = torch.nn.functional.cross_entropy(replica(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                print(step, *labels.tolist(), file=log)
                if rank == 0 and step % EVERY == 0:
                    states = {name: part.state_dict() for name, part in parts.items()}
                    save(folder / f"step-{step:03}.pt", states)
    if rank == 0:
        save(folder / "weights.pt", model.state_dict())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kill-at", type=int, help="let rank 2 die, but not twice")
    arguments = parser.parse_args()
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    is_first_start = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    train(arguments.folder, arguments.kill_at if is_first_start else None)
    dist.barrier()
    dist.destroy_process_group()

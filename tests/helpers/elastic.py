"""A program for torchrun: train a small network for two epochs, with checkpoints.

    torchrun --nproc-per-node N elastic.py FOLDER [--kill-at STEP]

Every few steps, rank 0 saves a checkpoint. When the ranks are started again, as many or
fewer of them, they continue from the last checkpoint. Each rank appends its steps, and
the samples of each step, to a separate file. At the end FOLDER has the file
"weights.pt".
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
ROWS = 24  # rows of a global batch; 1000 samples leave a short one of 16


def save(path, value):
    """Save a file whose name appears only when it is complete."""
    torch.save(value, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


def average(_, bucket):
    """Average gradients in the order of ranks, with the same bits after every start.

    The sums of DistributedDataParallel depend on the place of a gradient in its bucket,
    and it rearranges the buckets after the first step of every start.
    """
    own = bucket.buffer()
    parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, own)
    done = torch.futures.Future()
    done.set_result(sum(parts) / len(parts))
    return done


def train(folder, kill_at):
    """Train this rank to the end of the second epoch, or let rank 2 die at a step."""
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
    parser.add_argument("--kill-at", type=int, help="kill rank 2, at the first start")
    arguments = parser.parse_args()
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    is_first_start = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    train(arguments.folder, arguments.kill_at if is_first_start else None)
    dist.barrier()
    dist.destroy_process_group()

"""A program: train a small network for two epochs, with a checkpoint every few steps.

    python training.py FOLDER

When it is started again, it continues from the checkpoint. It prints the number of each
step. At the end FOLDER has the file "weights.pt".
"""

import os
import sys
from pathlib import Path

import torch

import fmnist_fast as ff
from fmnist_fast.frameworks.torch import TorchLoader

EVERY = 7  # steps

torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)
torch.manual_seed(0)
folder = Path(sys.argv[1])
train, _ = ff.synthetic(1000, 100)
loader = TorchLoader(train, 24, shuffle=True, seed=None, augment="standard+erasing")
model = torch.nn.Sequential(
    torch.nn.Flatten(),
    torch.nn.Linear(784, 16),
    torch.nn.ReLU(),
    torch.nn.Linear(16, 10),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
parts = {"model": model, "optimizer": optimizer, "loader": loader}


def save(path, value):
    """Save a file whose name appears only when it is complete."""
    torch.save(value, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


checkpoint, step = folder / "checkpoint.pt", 0
if checkpoint.exists():
    states = torch.load(checkpoint, weights_only=True)
    step = states.pop("step")
    for name, state in states.items():
        parts[name].load_state_dict(state)
else:  # the first checkpoint keeps the random seed, which is part of the state
    save(
        checkpoint,
        {name: part.state_dict() for name, part in parts.items()} | {"step": 0},
    )
while loader.epoch < 2:
    for images, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        print(step, flush=True)
        if step % EVERY == 0:
            states = {name: part.state_dict() for name, part in parts.items()}
            save(checkpoint, states | {"step": step})
save(folder / "weights.pt", model.state_dict())

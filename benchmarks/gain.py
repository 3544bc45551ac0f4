"""Seconds of training behind torchvision's usual way, and behind TorchLoader.

The two loaders take turns, so that other load on the machine slows down both.
"""

from __future__ import annotations

import itertools
import runpy
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

import fmnist_fast as ff
from fmnist_fast.frameworks.torch import TorchLoader

from .comparison.contenders.torchvision import torchvision, v1
from .data import FILES, MEAN, STD

EXAMPLE = Path(__file__).parents[1] / "examples" / "moved_torch.py"
BATCH_SIZE, WORKERS = 64, 2
CNN_STEPS = 200
ROUNDS = {"cnn": 7, "mlp": 5}


def measure(quick: bool) -> dict[str, dict[str, float]]:
    """Return the seconds of both loaders, and the share saved, for each network.

    "cnn" trains the network of examples/moved_torch.py for `CNN_STEPS` steps. "mlp"
    trains 784-128-10 for an epoch. `quick` takes few synthetic images and one round.
    """
    train = ff.synthetic(1000, 10)[0] if quick else ff.load("train")
    networks = {"cnn": runpy.run_path(str(EXAMPLE))["Net"], "mlp": _mlp}
    n_steps = {"cnn": 5 if quick else CNN_STEPS, "mlp": None}
    with tempfile.TemporaryDirectory() as folder:
        loaders = {
            "torchvision": _usual_loader(train, Path(folder)),
            "fmnist_fast": TorchLoader(train, BATCH_SIZE, shuffle=True),
        }
        return {
            name: _compare(make, n_steps[name], loaders, 1 if quick else ROUNDS[name])
            for name, make in networks.items()
        }


def _usual_loader(train: ff.Dataset, folder: Path) -> torch.utils.data.DataLoader:
    """Return a DataLoader as in PyTorch's tutorials, of files in torchvision's form."""
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, array in zip(FILES, (train.images, train.labels)):
        ff.write_idx(raw / name, array)
        # FashionMNIST requires that the test files exist, too.
        (raw / name.replace("train", "t10k")).touch()
    transform = v1.Compose([v1.ToTensor(), v1.Normalize((MEAN,), (STD,))])
    return torch.utils.data.DataLoader(
        torchvision.datasets.FashionMNIST(folder, transform=transform),
        BATCH_SIZE,
        shuffle=True,
        num_workers=WORKERS,
    )


def _mlp() -> nn.Module:
    layers = nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)
    return nn.Sequential(nn.Flatten(), *layers)


def _compare(
    make: Callable[[], nn.Module],
    n_steps: int | None,
    loaders: dict[str, Iterable[Any]],
    n_rounds: int,
) -> dict[str, float]:
    """Train behind each loader in turn, and return medians over the rounds."""
    for loader in loaders.values():
        _seconds(make(), itertools.islice(loader, 5))  # a warm-up
    rounds = []
    for _ in range(n_rounds):
        seconds = {
            name: _seconds(make(), itertools.islice(loader, n_steps))
            for name, loader in loaders.items()
        }
        rounds.append(seconds)
        print({name: round(value, 3) for name, value in seconds.items()}, flush=True)
    medians = {
        name: statistics.median(each[name] for each in rounds) for name in loaders
    }
    return medians | {"saved": 1 - medians["fmnist_fast"] / medians["torchvision"]}


def _seconds(model: nn.Module, batches: Iterable[Any]) -> float:
    """Train a network on the batches, and return the seconds that this took."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    start = time.perf_counter()
    for images, labels in batches:
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start

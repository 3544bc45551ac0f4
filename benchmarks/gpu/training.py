"""Training steps: the share of a step that the loader takes, and the same weights.

A step is captured in a CUDA graph, in bfloat16 and channels_last:

- "cached": the step alone, replayed on one batch that is in the buffers already
- "resident": `fill` and the step, in one graph
- "pinned": batches that the host makes, copied to the same buffers; then the graph

The share is the additional time over the cached step, as a part of the whole step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

import fmnist_fast as ff
from fmnist_fast.frameworks.torch import TorchLoader

from .bench import CROP_FLIP, Bench
from .networks import NETWORKS

SIZE, _N_STEPS = 512, 30
_MOST_DIFFERENCE = 0.02  # of accuracies, if PyTorch is not deterministic


def tasks(bench: Bench) -> dict[str, Callable[[], dict]]:
    """Return the tasks of the section."""
    times = {name: partial(measure, bench, name) for name in ("resnet18", "cnn")}
    return times | {"same weights": partial(compare_weights, bench)}


class Training:
    """Steps of a network: forward, backward, SGD with momentum."""

    def __init__(self, name: str, device: torch.device) -> None:
        torch.manual_seed(0)
        self._device = device.type
        model = NETWORKS[name]().to(device, memory_format=torch.channels_last)
        self.model = model
        self._optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """Do a step without waiting for the device."""
        # Without its cache, autocast can be captured.
        with torch.autocast(self._device, torch.bfloat16, cache_enabled=False):
            loss = torch.nn.functional.cross_entropy(self.model(images), labels)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()


def measure(bench: Bench, name: str) -> dict[str, float]:
    """Return the milliseconds of a step in each way, and the loaders' shares."""
    size, n_steps = SIZE, _N_STEPS
    if bench.is_dry:
        size, n_steps = 8, 1
    options = {"dtype": "bfloat16", "channels_last": True, "augment": CROP_FLIP}
    options |= {"drop_last": True, "fixed_buffers": True}
    loader, training = bench.loader(size, **options), Training(name, bench.device)
    buffers = loader.fill()
    step = bench.graph(lambda: training.step(*buffers))
    filled_step = bench.graph(lambda: training.step(*loader.fill()))
    pinned = endless(pinned_loader(bench, size, options))
    pinned_buffers = next(pinned)
    pinned_step = bench.graph(lambda: training.step(*pinned_buffers))

    def pinned_way() -> None:
        next(pinned)
        pinned_step()

    ways = {"cached": step, "resident": filled_step, "pinned": pinned_way}
    figures = {}
    for way, function in ways.items():

        def steps(function: Callable[[], Any] = function) -> None:
            for _ in range(n_steps):
                function()

        figures[f"{way}_ms"] = bench.median(steps) / n_steps * 1e3
    for way in ("resident", "pinned"):
        share = 1 - figures["cached_ms"] / figures[f"{way}_ms"]
        figures[f"{way}_share"] = max(0.0, share)
    return figures


def pinned_loader(bench: Bench, size: int, options: dict[str, Any]) -> TorchLoader:
    """Return the loader of the pinned way; on the CPU it has new buffers each time."""
    options = options | {"fixed_buffers": not bench.is_dry, "shuffle": True}
    return TorchLoader(bench.train, size, device=bench.device, **options)


def endless(loader: TorchLoader) -> Iterator[Any]:
    """Yield the batches of one epoch after another."""
    while True:
        yield from loader


def compare_weights(bench: Bench) -> dict[str, Any]:
    """Train behind the device's batches and the host's, and compare the weights.

    A second training behind the host's batches tells whether PyTorch is deterministic.
    If not, the accuracies are compared.
    """
    size, n_steps = (16, 3) if bench.is_dry else (512, 100)
    options = {"augment": CROP_FLIP, "shuffle": True, "drop_last": True, "seed": 8}

    def trained(loader: TorchLoader) -> torch.nn.Module:
        training, batches = Training("cnn", bench.device), endless(loader)
        for _ in range(n_steps):
            training.step(*(x.to(bench.device) for x in next(batches)))
        return training.model.eval()

    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        models = [
            trained(TorchLoader(bench.train, size, **options)),
            trained(TorchLoader(bench.train, size, **options)),
            trained(bench.loader(size, **options)),
        ]
    finally:
        torch.use_deterministic_algorithms(False)
    host, again, device = map(weights, models)
    accuracies = [accuracy(bench, model) for model in (models[0], models[2])]
    is_deterministic, is_same = torch.equal(host, again), torch.equal(host, device)
    difference = abs(accuracies[0] - accuracies[1])
    return {
        "steps": n_steps,
        "deterministic": is_deterministic,
        "same": is_same,
        "host_accuracy": accuracies[0],
        "device_accuracy": accuracies[1],
        "ok": is_same if is_deterministic else difference < _MOST_DIFFERENCE,
    }


def weights(model: torch.nn.Module) -> torch.Tensor:
    """Return all weights of a model in one tensor."""
    return torch.cat([each.detach().reshape(-1) for each in model.parameters()])


@torch.no_grad()
def accuracy(bench: Bench, model: torch.nn.Module) -> float:
    """Return the share of the first images that a model classifies correctly."""
    some = bench.train.select(range(min(10_000, len(bench.train))))
    n_right = 0
    for images, labels in ff.Loader(some, 1000):
        logits = model(torch.from_numpy(images).to(bench.device))
        n_right += int((logits.argmax(1).cpu() == torch.from_numpy(labels)).sum())
    return n_right / len(some)

"""Train on Fashion-MNIST in as few seconds as possible: docs/speedrun.md has the rules.

    python examples/speedrun.py                    # 94% on a CUDA device
    python examples/speedrun.py --device cpu       # 90% on a CPU
    python examples/speedrun.py --json run.json    # what a record needs

All numbers that change from step to step are on the device, also the learning rate and
the loader's position. So a CUDA graph captures one training step, from the batch to the
new weights, and is launched for every step. On a CPU, the same step runs as it is.

Large parts follow Keller Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU",
arXiv:2404.00498, and his optimizer Muon, https://kellerjordan.github.io/posts/muon.
"""

import argparse
import dataclasses
import functools
import itertools
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

import fmnist_fast as ff
from fmnist_fast.frameworks.torch import TorchLoader

N_CLASSES = 10

# ---- the networks -------------------------------------------------------------------


class WhitenedPatches(nn.Module):
    """A convolution of 4x4 pixels whose weights are computed, and not learned.

    They are the principal components of such patches of the training images, each
    divided by its standard deviation, and the negatives of these.
    """

    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.zeros(32, 1, 4, 4))

    @torch.no_grad()
    def fit(self, images):
        """Compute the weights from a batch of images."""
        patches = functional.unfold(images.float(), 4, stride=2)
        patches = patches.transpose(1, 2).flatten(0, 1)
        variances, components = torch.linalg.eigh(patches.T @ patches / len(patches))
        components = (components / (variances + 0.01).sqrt()).T.reshape(16, 1, 4, 4)
        self.weight.copy_(torch.cat([components, -components]))

    def forward(self, images):
        """Return 7x7 places of 32 values, as one row for an image."""
        values = functional.conv2d(images, self.weight, stride=2, padding=1)
        values = functional.max_pool2d(values, 2).relu()
        return values.permute(0, 2, 3, 1).flatten(1)  # no copy, as channels come last


class Residual(nn.Module):
    """A convolution whose input is added to its output."""

    def __init__(self, n_channels):
        super().__init__()
        self.body = nn.Sequential(*convolution(n_channels, n_channels))

    def forward(self, images):
        return images + self.body(images)


def convolution(n_in, n_out, halve=False):
    """Return the layers of a convolution; `halve` makes the sides half as long."""
    return (
        nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
        *([nn.MaxPool2d(2)] if halve else []),
        nn.BatchNorm2d(n_out),
        nn.GELU(),
    )


def residual_network(width):
    """Return a network of five convolutions with up to 4 * `width` channels."""
    return nn.Sequential(
        *convolution(1, width, halve=True),
        *convolution(width, 2 * width, halve=True),
        Residual(2 * width),
        *convolution(2 * width, 4 * width, halve=True),
        Residual(4 * width),
        nn.MaxPool2d(3),
        nn.Flatten(),
        nn.Linear(4 * width, 10, bias=False),
    )


def patch_network(width):
    """Return a network of three linear layers behind whitened patches."""
    return nn.Sequential(
        WhitenedPatches(),
        *linear(7 * 7 * 32, width),
        *linear(width, width // 2),
        nn.Linear(width // 2, 10),
    )


def linear(n_in, n_out):
    """Return a linear layer with its normalization and activation."""
    return nn.Linear(n_in, n_out, bias=False), nn.BatchNorm1d(n_out), nn.ReLU()


# ---- training -----------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The network, its data and its training."""

    target: float  # mean accuracy to reach, in percent
    network: Callable[[], nn.Module]
    augment: list
    resident: bool  # whether kernels make the batches, from images on the device
    batch_size: int
    epochs: int
    rate: float  # highest learning rate of SGD
    muon_rate: float  # the same of Muon


RECIPES = {
    "cuda": Recipe(
        target=94,
        network=lambda: residual_network(64),
        augment=[ff.RandomCrop(28, padding=1), ff.RandomHorizontalFlip()],
        resident=True,
        batch_size=500,
        epochs=8,
        rate=0.1,
        muon_rate=0.05,
    ),
    "cpu": Recipe(
        target=90,
        network=lambda: patch_network(192),
        augment=[ff.RandomHorizontalFlip()],
        resident=False,
        batch_size=512,
        epochs=1,
        rate=0.3,
        muon_rate=0.2,
    ),
}


class Training:
    """A network, its loaders, and the state of its optimizer."""

    def __init__(self, recipe, device, train, test, seed):
        torch.manual_seed(seed)
        self.recipe, self.device = recipe, torch.device(device)
        self.model = recipe.network().to(self.device, memory_format=torch.channels_last)
        self.weights = list(self.model.parameters())
        self.momenta = [torch.zeros_like(weight) for weight in self.weights]
        self.n_done = torch.zeros((), device=self.device)  # training steps
        common = {
            "device": self.device,
            "resident": recipe.resident,
            "normalize": (train.mean, train.std),
            "dtype": "bfloat16",
            "channels_last": True,
        }
        self.loader = TorchLoader(
            train,
            recipe.batch_size,
            shuffle=True,
            seed=seed,
            drop_last=True,
            augment=recipe.augment,
            fixed_buffers=recipe.resident,
            **common,
        )
        self.test_loader = TorchLoader(test, 1000, **common)
        self.n_steps = recipe.epochs * len(self.loader)
        self.launch = self.step
        self.begin()

    def begin(self):
        """Let the next batch be the first one of epoch 0."""
        self.loader.set_epoch(0)
        epochs = itertools.chain.from_iterable(itertools.repeat(self.loader))
        is_fixed = self.loader.fixed_buffers
        self.batch = self.loader.fill if is_fixed else functools.partial(next, epochs)

    def step(self):
        """Train with the next batch."""
        images, labels = self.batch()
        logits = self.logits(images)
        loss = functional.cross_entropy(logits, labels, label_smoothing=0.1)
        self.update(torch.autograd.grad(loss, self.weights), self.share_of_rate())
        self.n_done += 1

    def logits(self, images):
        """Return the output of the network in float32."""
        with torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False):
            return self.model(images).float() / 8  # small at first, learned fast

    def share_of_rate(self):
        """Return this step's share of the highest learning rate: up, then down to 0."""
        up = (self.n_done + 1) / (0.1 * self.n_steps)
        down = (self.n_steps - self.n_done) / (0.9 * self.n_steps)
        return torch.minimum(up, down)

    @torch.no_grad()
    def update(self, gradients, share):
        """Change the weights: the last layer and vectors by SGD, the others by Muon."""
        for weight, momentum, gradient in zip(self.weights, self.momenta, gradients):
            is_muon = weight.ndim > 1 and len(weight) > N_CLASSES
            inertia = 0.6 if is_muon else 0.9
            momentum.mul_(inertia).add_(gradient)
            change = gradient + inertia * momentum  # as Nesterov proposed
            if is_muon:
                weight *= len(weight) ** 0.5 / weight.norm()
                weight -= self.recipe.muon_rate * share * orthogonal(change)
            else:
                weight -= self.recipe.rate * share * change

    def prepare(self):
        """Run what is slow at its first run, and undo it. Capture a step on a GPU."""
        state = [*self.model.state_dict().values(), *self.momenta, self.n_done]
        before = [tensor.clone() for tensor in state]
        if self.device.type == "cpu":
            self.run(n_steps=3)
        else:
            stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):  # warm-ups need a stream of their own
                self.run(n_steps=3)
            torch.cuda.synchronize()
            with torch.cuda.graph(graph):
                self.step()
            self.launch = graph.replay
        for tensor, values in zip(state, before):
            tensor.copy_(values)
        self.begin()
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def whiten(self):
        """Compute the weights of a whitening layer, if there is one, from a batch."""
        for layer in self.model:
            if isinstance(layer, WhitenedPatches):
                layer.fit(self.batch()[0])

    def run(self, n_steps):
        """Train, and return the predicted classes of the test images."""
        self.whiten()
        for _ in range(n_steps):
            self.launch()
        return self.predictions()

    @torch.no_grad()
    def predictions(self):
        """Return the classes of the test images: those of an image and its flip."""
        self.model.eval()
        classes = [
            (self.logits(images) + self.logits(images.flip(3))).argmax(1)
            for images, _ in self.test_loader
        ]
        self.model.train()
        return torch.cat(classes).cpu()


def orthogonal(change):
    """Return nearly the closest orthogonal matrix, by three Newton-Schulz steps."""
    matrix = change.flatten(1).bfloat16()
    is_tall = matrix.shape[0] > matrix.shape[1]
    if is_tall:
        matrix = matrix.T
    matrix = matrix / (matrix.norm() + 1e-7)
    for _ in range(3):
        square = matrix @ matrix.T
        matrix = 3.4445 * matrix + (2.0315 * square @ square - 4.775 * square) @ matrix
    return (matrix.T if is_tall else matrix).reshape(change.shape)


# ---- the command --------------------------------------------------------------------


def main():
    """Train once for each seed, and print and write the results."""
    options = parsed_options()
    recipe = RECIPES[options.device]
    if options.epochs:
        recipe = dataclasses.replace(recipe, epochs=options.epochs)
    if options.quick:
        train, test = ff.synthetic(5000, 1000)
    else:
        train, test = ff.load("train"), ff.load("test")
    torch.backends.cudnn.benchmark = True  # choose the fastest algorithms
    runs = []
    for seed in range(options.seed, options.seed + options.seeds):
        runs.append(timed_run(recipe, options.device, train, test, seed))
        print(
            "seed {seed}: {seconds:.3f} s, {cpu_seconds:.3f} s of CPU time, accuracy "
            "{accuracy:.2f}%, prepared in {prepare_seconds:.1f} s".format(**runs[-1]),
            flush=True,
        )
    result = summary(runs) | {"epochs": recipe.epochs, "runs": runs}
    print(
        "mean of {n_runs}: {seconds:.3f} +- {seconds_deviation:.3f} s, accuracy "
        "{accuracy:.2f} +- {accuracy_deviation:.2f}%, ".format(**result)
        + f"{'at least' if result['accuracy'] >= recipe.target else 'less than'} "
        f"{recipe.target}%"
    )
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1), "utf-8")


def parsed_options():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description="Train on Fashion-MNIST, fast.")
    parser.add_argument("--device", choices=RECIPES, default="cuda")
    parser.add_argument("--epochs", type=positive, help="default: the recipe's")
    parser.add_argument("--seeds", type=positive, default=20, help="number of runs")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first run")
    parser.add_argument("--json", metavar="FILE", help="write the results to a file")
    parser.add_argument("--quick", action="store_true", help="use few, drawn images")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: PyTorch finds no CUDA device. Pass --device cpu.")
    if options.json and not Path(options.json).parent.is_dir():
        parser.error(f"--json {options.json}: the folder does not exist.")
    return options


def positive(text):
    """Return an integer of the command line that is at least 1."""
    if int(text) < 1:
        raise ValueError
    return int(text)


def timed_run(recipe, device, train, test, seed):
    """Train once, and return the seconds and the accuracy."""
    start = time.perf_counter()
    training = Training(recipe, device, train, test, seed)
    training.prepare()
    begin, cpu_begin = time.perf_counter(), time.process_time()
    predictions = training.run(training.n_steps)
    end, cpu_end = time.perf_counter(), time.process_time()
    is_right = predictions == torch.tensor(test.labels)
    return {
        "seed": seed,
        "prepare_seconds": begin - start,
        "seconds": end - begin,
        "cpu_seconds": cpu_end - cpu_begin,
        "accuracy": 100 * is_right.float().mean().item(),
    }


def summary(runs):
    """Return means over the runs, with standard deviations, and the machine."""
    result = {"n_runs": len(runs), "machine": machine()}
    for name in ("prepare_seconds", "seconds", "cpu_seconds", "accuracy"):
        values = [run[name] for run in runs]
        result[name] = statistics.mean(values)
        result[f"{name}_deviation"] = statistics.pstdev(values)
    return result


def machine():
    """Return the device, the threads and the versions."""
    has_gpu = torch.cuda.is_available()
    return {
        "gpu": torch.cuda.get_device_name() if has_gpu else None,
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


if __name__ == "__main__":
    main()

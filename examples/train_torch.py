"""Train a small network on Fashion-MNIST with PyTorch, with either of two loaders.

    python examples/train_torch.py                        # batches from fmnist_fast
    python examples/train_torch.py --loader torchvision   # Dataset, transforms, workers
    python examples/train_torch.py --device cuda --width 64 --epochs 20

For each epoch the program prints the seconds, the share of this time that is spent in
next(loader), and the accuracy on the test images. At the end it prints the mean over
the runs with different `--seeds`. docs/training.md has the results.
"""

import argparse
import os
import statistics
import time

import numpy as np
import torch
from torch import nn

import fmnist_fast as ff
from fmnist_fast.frameworks.torch import TorchLoader

TARGET = 0.94  # with --device cuda, the time until this accuracy is printed


# ---- the two loaders ----------------------------------------------------------------


def fast_loaders(train, test, seed, options):
    """Return loaders of fmnist_fast for training and testing.

    Native threads crop, flip and normalize whole batches. The batches arrive on the
    device.
    """
    common = {
        "normalize": (train.mean, train.std),
        "device": options.device,
        "channels_last": True,
    }
    augment = [ff.RandomCrop(28, padding=1), ff.RandomHorizontalFlip()]
    training = {"shuffle": True, "seed": seed, "drop_last": True, "augment": augment}
    return (
        TorchLoader(train, options.batch_size, **training, **common),
        TorchLoader(test, 1000, **common),
    )


def torchvision_loaders(train, test, seed, options):
    """Return torchvision's loaders for training and testing.

    Their worker processes crop, flip and normalize one image at a time.
    """
    v2 = torchvision_transforms()
    augment = [v2.RandomCrop(28, padding=1), v2.RandomHorizontalFlip()]
    normalize = [
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize([train.mean], [train.std]),
    ]
    common = {
        "num_workers": options.workers,
        "persistent_workers": options.workers > 0,
        "pin_memory": options.device != "cpu",
    }
    generator = torch.Generator().manual_seed(seed)
    training = {"shuffle": True, "generator": generator, "drop_last": True}
    make = torch.utils.data.DataLoader
    train_images = Images(train, v2.Compose(augment + normalize))
    test_images = Images(test, v2.Compose(normalize))
    return (
        make(train_images, options.batch_size, **training, **common),
        make(test_images, 1000, **common),
    )


class Images(torch.utils.data.Dataset):
    """A dataset from which a DataLoader takes one image after the other."""

    def __init__(self, dataset, transform):
        self.images = torch.from_numpy(np.array(dataset.images)).unsqueeze(1)
        self.labels = dataset.labels.tolist()
        self.transform = transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(self.images[index]), self.labels[index]


def torchvision_transforms():
    """Return torchvision.transforms.v2, even if torchvision is for another PyTorch."""
    try:
        from torchvision.transforms import v2
    except RuntimeError:
        # torchvision's compiled operators can't be loaded. The transforms need only
        # the names of two of them.
        for name in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{name}",
                "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
            )
        from torchvision.transforms import v2
    return v2


# ---- the network and its training ---------------------------------------------------


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
        nn.ReLU(),
    )


def network(width):
    """Return a network of five convolutions and a linear layer.

    The convolutions have `width`, 2 * `width` or 4 * `width` channels.
    """
    return nn.Sequential(
        *convolution(1, width, halve=True),
        *convolution(width, 2 * width, halve=True),
        Residual(2 * width),
        *convolution(2 * width, 4 * width, halve=True),
        Residual(4 * width),
        nn.Flatten(),
        nn.Linear(4 * width * 3 * 3, 10),
    )


def run(seed, train, test, options):
    """Train once, and return (seconds, share spent waiting, accuracy) of each epoch."""
    torch.manual_seed(seed)
    make_loaders = LOADERS[options.loader]
    train_loader, test_loader = make_loaders(train, test, seed, options)
    device = torch.device(options.device)
    model = network(options.width).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    n_steps = options.epochs * len(train_loader)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.1, total_steps=n_steps, pct_start=0.2
    )
    epochs = []
    for epoch in range(options.epochs):
        seconds, waiting = train_epoch(model, train_loader, optimizer, schedule, device)
        accuracy = accuracy_of(model, test_loader, device)
        epochs.append((seconds, waiting / seconds, accuracy))
        print(
            f"{options.loader}, seed {seed}, epoch {epoch + 1}: {seconds:.2f} s, "
            f"{waiting / seconds:.1%} of it in next(loader), accuracy {accuracy:.2%}",
            flush=True,
        )
    if options.loader == "fmnist_fast":
        print(f"In the last epoch: {train_loader.stats().summary()}")
    return epochs


def train_epoch(model, loader, optimizer, schedule, device):
    """Train for an epoch, and return its seconds and the seconds in next(loader)."""
    model.train()
    start, waiting = time.perf_counter(), 0.0
    batches = iter(loader)
    while True:
        begin = time.perf_counter()
        batch = next(batches, None)
        waiting += time.perf_counter() - begin
        if batch is None:
            break
        images, labels = (part.to(device, non_blocking=True) for part in batch)
        images = images.contiguous(memory_format=torch.channels_last)
        loss = nn.functional.cross_entropy(model(images), labels, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start, waiting


@torch.inference_mode()
def accuracy_of(model, loader, device):
    """Return the share of images that get the correct class."""
    model.eval()
    n_correct = n = 0
    for images, labels in loader:
        predicted = model(images.to(device)).argmax(1)
        n_correct += (predicted == labels.to(device)).sum().item()
        n += len(labels)
    return n_correct / n


# ---- the command --------------------------------------------------------------------

LOADERS = {"fmnist_fast": fast_loaders, "torchvision": torchvision_loaders}


def main():
    """Train once for each seed, and print the mean of the runs."""
    options = parsed_options()
    if options.synthetic:
        train, test = ff.synthetic(2000, 500) if options.quick else ff.synthetic()
    else:
        train, test = ff.load("train"), ff.load("test")
    if options.quick:
        train, test = train.select(range(2000)), test.select(range(500))
    report([run(seed, train, test, options) for seed in range(options.seeds)], options)


def parsed_options():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description="Train on Fashion-MNIST with PyTorch.")
    parser.add_argument("--loader", choices=LOADERS, default="fmnist_fast")
    parser.add_argument("--device", default="cpu", help='"cpu" or "cuda"')
    parser.add_argument(
        "--seeds", type=positive, default=1, help="number of runs, from seed 0 on"
    )
    parser.add_argument("--epochs", type=positive, help="default: 10; --quick: 2")
    parser.add_argument("--batch-size", type=positive, help="default: 128; --quick: 50")
    parser.add_argument(
        "--width",
        type=positive,
        help="channels of the first convolution; default: 32; --quick: 8",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=min(os.cpu_count() or 1, 8),
        help="worker processes of torchvision's loader",
    )
    parser.add_argument("--synthetic", action="store_true", help="use drawn images")
    parser.add_argument("--quick", action="store_true", help="2000 images")
    options = parser.parse_args()
    defaults = {"epochs": (10, 2), "batch_size": (128, 50), "width": (32, 8)}
    for name, (usual, quick) in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, quick if options.quick else usual)
    return options


def positive(text):
    """Return an integer of the command line that is at least 1."""
    if int(text) < 1:
        raise ValueError
    return int(text)


def report(runs, options):
    """Print the mean accuracy and the median seconds of all runs."""
    accuracies = [epochs[-1][2] for epochs in runs]
    spread = f" +- {statistics.stdev(accuracies):.2%}" if len(runs) > 1 else ""
    seconds = statistics.median(second for epochs in runs for second, _, _ in epochs)
    waiting = statistics.median(share for epochs in runs for _, share, _ in epochs)
    print(
        f"{options.loader}, {len(runs)} x {options.epochs} epochs: {seconds:.2f} s an "
        f"epoch, {waiting:.1%} of it in next(loader), accuracy "
        f"{statistics.mean(accuracies):.2%}{spread}"
    )
    if options.device == "cpu":
        return
    for seed, epochs in enumerate(runs):
        reached = [i for i, (_, _, accuracy) in enumerate(epochs) if accuracy >= TARGET]
        text = f"{TARGET:.0%} was not reached"
        if reached:
            seconds = sum(seconds for seconds, _, _ in epochs[: reached[0] + 1])
            text = f"{seconds:.2f} s of training to {TARGET:.0%}"
        print(f"seed {seed}: {text}")


if __name__ == "__main__":
    main()

"""Train a small network on Fashion-MNIST with PyTorch: one recipe, two loaders.

    python examples/train_torch.py                        # batches by fmnist_fast
    python examples/train_torch.py --loader torchvision   # Dataset, transforms, workers
    python examples/train_torch.py --device cuda --width 64 --epochs 20

Prints for each epoch its seconds, the share of them spent in next(loader), and the
accuracy on the test images; at the end the mean over `--seeds` runs. What it gave is in
docs/training.md.
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

TARGET = 0.94  # the accuracy that --device cuda is timed to


# ---- the two loaders ----------------------------------------------------------------


def fast_loaders(train, test, seed, options):
    """Threads crop, flip and normalise whole batches, the device's part included."""
    common = {
        "normalize": (train.mean, train.std),
        "device": options.device,
        "channels_last": True,
    }
    augment = [ff.RandomCrop(28, padding=1), ff.RandomHorizontalFlip()]
    drawn = {"shuffle": True, "seed": seed, "drop_last": True, "augment": augment}
    return (
        TorchLoader(train, options.batch_size, **drawn, **common),
        TorchLoader(test, 1000, **common),
    )


def torchvision_loaders(train, test, seed, options):
    """Worker processes crop, flip and normalise one image at a time."""
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
    drawn = {"shuffle": True, "generator": generator, "drop_last": True}
    make = torch.utils.data.DataLoader
    train_images = Images(train, v2.Compose(augment + normalize))
    test_images = Images(test, v2.Compose(normalize))
    return (
        make(train_images, options.batch_size, **drawn, **common),
        make(test_images, 1000, **common),
    )


class Images(torch.utils.data.Dataset):
    """What a DataLoader asks for one image after the other."""

    def __init__(self, dataset, transform):
        self.images = torch.from_numpy(np.array(dataset.images)).unsqueeze(1)
        self.labels = dataset.labels.tolist()
        self.transform = transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(self.images[index]), self.labels[index]


def torchvision_transforms():
    """torchvision.transforms.v2, also where torchvision was built for another torch."""
    try:
        from torchvision.transforms import v2
    except RuntimeError:  # its compiled operators are missing, which v2 only names
        for name in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{name}",
                "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
            )
        from torchvision.transforms import v2
    return v2


# ---- the network and its training ---------------------------------------------------


class Residual(nn.Module):
    """What goes in, and what a convolution makes of it."""

    def __init__(self, n_channels):
        super().__init__()
        self.change = nn.Sequential(*convolution(n_channels, n_channels))

    def forward(self, images):
        return images + self.change(images)


def convolution(n_in, n_out, halve=False):
    """Layers of one convolution, after which sides may be half as long."""
    return (
        nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
        *([nn.MaxPool2d(2)] if halve else []),
        nn.BatchNorm2d(n_out),
        nn.ReLU(),
    )


def network(width):
    """Five convolutions, of `width`, 2 and 4 times `width` channels, and a linear."""
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
    """Train once; returns (seconds, share of them waited, accuracy) of each epoch."""
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
        seconds, waited = train_epoch(model, train_loader, optimizer, schedule, device)
        accuracy = accuracy_of(model, test_loader, device)
        epochs.append((seconds, waited / seconds, accuracy))
        print(
            f"{options.loader}, seed {seed}, epoch {epoch + 1}: {seconds:.2f} s, "
            f"{waited / seconds:.1%} of them in next(loader), accuracy {accuracy:.2%}",
            flush=True,
        )
    return epochs


def train_epoch(model, loader, optimizer, schedule, device):
    """One epoch; returns its seconds, and those of them that next(loader) took."""
    model.train()
    start, waited = time.perf_counter(), 0.0
    batches = iter(loader)
    while True:
        asked = time.perf_counter()
        batch = next(batches, None)
        waited += time.perf_counter() - asked
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
    return time.perf_counter() - start, waited


@torch.inference_mode()
def accuracy_of(model, loader, device):
    """The share of images whose class the model finds."""
    model.eval()
    n_right = n = 0
    for images, labels in loader:
        found = model(images.to(device)).argmax(1)
        n_right += (found == labels.to(device)).sum().item()
        n += len(labels)
    return n_right / n


# ---- the command --------------------------------------------------------------------

LOADERS = {"fmnist_fast": fast_loaders, "torchvision": torchvision_loaders}


def main():
    options = parsed_options()
    if options.synthetic:
        train, test = ff.synthetic(2000, 500) if options.quick else ff.synthetic()
    else:
        train, test = ff.load("train"), ff.load("test")
    if options.quick:
        train, test = train.select(range(2000)), test.select(range(500))
    report([run(seed, train, test, options) for seed in range(options.seeds)], options)


def parsed_options():
    parser = argparse.ArgumentParser(description="Train on Fashion-MNIST with PyTorch.")
    parser.add_argument("--loader", choices=LOADERS, default="fmnist_fast")
    parser.add_argument("--device", default="cpu", help='"cpu" or "cuda"')
    parser.add_argument(
        "--seeds", type=positive, default=1, help="runs, from seed 0 on"
    )
    parser.add_argument("--epochs", type=positive, help="default: 10, --quick: 2")
    parser.add_argument("--batch-size", type=positive, help="default: 128, --quick: 50")
    parser.add_argument("--width", type=positive, help="default: 32, --quick: 8")
    parser.add_argument(
        "--workers",
        type=int,
        default=min(os.cpu_count() or 1, 8),
        help="processes of torchvision's loader",
    )
    parser.add_argument("--synthetic", action="store_true", help="without the files")
    parser.add_argument("--quick", action="store_true", help="2000 images")
    options = parser.parse_args()
    usual = {"epochs": (10, 2), "batch_size": (128, 50), "width": (32, 8)}
    for name, (whole, quick) in usual.items():
        if getattr(options, name) is None:
            setattr(options, name, quick if options.quick else whole)
    return options


def positive(text):
    if int(text) < 1:
        raise ValueError
    return int(text)


def report(runs, options):
    """The last line: what all runs gave."""
    accuracies = [epochs[-1][2] for epochs in runs]
    spread = f" +- {statistics.stdev(accuracies):.2%}" if len(runs) > 1 else ""
    seconds = statistics.median(second for epochs in runs for second, _, _ in epochs)
    waited = statistics.median(share for epochs in runs for _, share, _ in epochs)
    print(
        f"{options.loader}, {len(runs)} x {options.epochs} epochs: {seconds:.2f} s an "
        f"epoch, {waited:.1%} of them in next(loader), accuracy "
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

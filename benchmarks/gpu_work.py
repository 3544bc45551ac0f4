"""The workloads of benchmarks/gpu_feed.py on the device.

They are a checksum, which proves that each sample comes once and undamaged, and three
networks to train.
"""

import torch
from torch import nn

_MIX = (0x9E3779B97F4A7C15 - 2**64, 0xBF58476D1CE4E5B9 - 2**64)  # odd 64-bit numbers


class Checksum:
    """Sum over all rows of a hash of (bytes of the row, label), in any order.

    It is computed in 64 bits that wrap around. A row's bytes are multiplied by random
    odd numbers and added. The sum is mixed before the rows are added, so that bytes
    moved between rows change the checksum.
    """

    name, dtype = "checksum", torch.uint8

    def __init__(self, device, n_pixels):
        drawn = torch.Generator().manual_seed(0)
        weights = torch.randint(-(2**63), 2**63 - 1, (n_pixels + 1,), generator=drawn)
        self._weights = (weights | 1).to(device)
        self._total = torch.zeros(2, dtype=torch.int64, device=self._weights.device)

    def step(self, images, labels):
        """Add a batch, uint8 images of any layout and int64 labels, without waiting."""
        rows = images.reshape(len(images), -1).to(torch.int64)
        hashes = (rows * self._weights[:-1]).sum(1) + (labels + 1) * self._weights[-1]
        for factor in _MIX:
            hashes = (hashes ^ (hashes >> 32)) * factor
        self._total[0] += hashes.sum()
        self._total[1] += len(images)

    def total(self):
        """Wait for the device, and return (sum, rows) of all batches."""
        return tuple(self._total.tolist())

    @classmethod
    def of_dataset(cls, dataset):
        """Return the total of a whole epoch, computed on the host."""
        checksum = cls("cpu", dataset.images[0].size)
        for begin in range(0, len(dataset), 4096):
            rows = slice(begin, begin + 4096)
            images = torch.from_numpy(dataset.images[rows].copy())
            checksum.step(
                images, torch.from_numpy(dataset.labels[rows].astype("int64"))
            )
        return checksum.total()


class Training:
    """Training steps of a network: forward, backward, SGD with momentum."""

    dtype = torch.float32

    def __init__(self, name, device):
        self.name, self._device = name, torch.device(device)
        torch.manual_seed(0)
        model = NETWORKS[name]().to(self._device, memory_format=torch.channels_last)
        self._model = model
        self._optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step(self, images, labels):
        """Do a training step without waiting, on a CUDA device in bfloat16."""
        device = self._device.type
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss = nn.functional.cross_entropy(self._model(images), labels)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()


def mlp():
    """Return a network of linear layers, 784-512-256-10."""
    return nn.Sequential(
        nn.Flatten(),
        *(nn.Linear(784, 512), nn.ReLU()),
        *(nn.Linear(512, 256), nn.ReLU()),
        nn.Linear(256, 10),
    )


def cnn():
    """Return a network of three convolutions with 32, 64 and 128 channels."""

    def block(n_in, n_out):
        convolution = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
        return convolution, nn.MaxPool2d(2), nn.BatchNorm2d(n_out), nn.ReLU()

    blocks = *block(1, 32), *block(32, 64), *block(64, 128)
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(128 * 9, 10))


class Residual(nn.Module):
    """The basic block of He et al., "Deep Residual Learning", arXiv:1512.03385."""

    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.shortcut = nn.Identity()
        if stride > 1 or n_in != n_out:
            narrowed = nn.Conv2d(n_in, n_out, 1, stride, bias=False)
            self.shortcut = nn.Sequential(narrowed, nn.BatchNorm2d(n_out))

    def forward(self, images):
        return nn.functional.relu(self.body(images) + self.shortcut(images))


def resnet18():
    """Return a ResNet-18 for small grayscale images, with a 3x3 stem without stride."""
    stem = nn.Conv2d(1, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()
    blocks, n_in = [], 64
    for n_out, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        blocks += Residual(n_in, n_out, stride), Residual(n_out, n_out, 1)
        n_in = n_out
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)
    return nn.Sequential(*stem, *blocks, *head)


NETWORKS = {"mlp": mlp, "cnn": cnn, "resnet18": resnet18}
WORKS = ("checksum", *NETWORKS)


def make_work(name, device, n_pixels):
    """Return the workload with this name, on this device."""
    if name == "checksum":
        return Checksum(device, n_pixels)
    return Training(name, device)

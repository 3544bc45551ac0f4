"""A checksum, which proves that each sample comes once and undamaged."""

import torch

_MIX = (0x9E3779B97F4A7C15 - 2**64, 0xBF58476D1CE4E5B9 - 2**64)  # odd 64-bit numbers


class Checksum:
    """Sum over all rows of a hash of (bytes of the row, label), in any order.

    It is computed in 64 bits that wrap around. A row's bytes are multiplied by random
    odd numbers and added. The sum is mixed before the rows are added, so that bytes
    moved between rows change the checksum.
    """

    def __init__(self, device, n_pixels):
        drawn = torch.Generator().manual_seed(0)
        weights = torch.randint(-(2**63), 2**63 - 1, (n_pixels + 1,), generator=drawn)
        self._weights = (weights | 1).to(device)
        self._total = torch.zeros(2, dtype=torch.int64, device=self._weights.device)

    def add(self, images, labels):
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
            labels = torch.from_numpy(dataset.labels[rows].astype("int64"))
            checksum.add(images, labels)
        return checksum.total()

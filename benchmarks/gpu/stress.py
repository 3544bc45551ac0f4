"""Batches from pinned memory, whose memory is used again only after the device used it.

Copies and consumer are delayed on purpose, and nothing else waits for the device. A
checksum of the batches on the device is compared with that of the dataset. A faulty
control uses slots, and memory of the device, without waiting. The test must detect it.
"""

from contextlib import nullcontext

import torch

import fmnist_fast as ff
from fmnist_fast.frameworks.cuda import CudaFeed

from .checksum import Checksum

_CYCLES = 2_000_000  # about a millisecond
_EPOCHS = 3


class StalledFeed(CudaFeed):
    """A feed whose copies begin late."""

    n_damaged = 0  # on a device, only the checksum shows damage

    def _copy(self, slot, memory):
        with torch.cuda.stream(self._stream):
            torch.cuda._sleep(_CYCLES)
        super()._copy(slot, memory)

    def stall_consumer(self):
        """Delay the consumer's stream."""
        torch.cuda._sleep(2 * _CYCLES)


class LateCopies:
    """A substitute for streams and events. Copies end when the host waits for them.

    Each copy notices whether its slot has changed before its end.
    """

    def __init__(self):
        self.copies, self.n_damaged = [], 0

    def wait_event(self, event):
        pass

    def synchronize(self):
        """End the copies."""
        for slot, sent in self.copies:
            self.n_damaged += not torch.equal(slot, sent)
        self.copies.clear()


class LateFeed(CudaFeed):
    """A substitute on the CPU, whose copies end late."""

    def _on_device(self):
        return nullcontext()

    def _new_stream(self):
        return LateCopies()

    def _current_stream(self):
        return self._stream

    def _recorded(self, stream):
        return stream

    def _new_slot(self, nbytes):
        return torch.empty(nbytes, dtype=torch.uint8)

    _new_memory = _new_slot

    def _copy(self, slot, memory):
        memory.copy_(slot)
        self._stream.copies.append((slot, slot.clone()))

    def stall_consumer(self):
        """Do nothing, because the copies are late already."""

    @property
    def n_damaged(self):
        """Return how many copies are damaged, after all of them have ended."""
        self._stream.synchronize()
        return self._stream.n_damaged


class Hasty:
    """The faulty control, which does not wait until memory is free."""

    def _free_buffer(self):
        return self._ring[self._n_sent % len(self._ring)]


class HastyStalledFeed(Hasty, StalledFeed):
    """The control on a device."""


class HastyLateFeed(Hasty, LateFeed):
    """The control on the CPU."""


def is_intact(feed_class, dataset, device):
    """Return whether every sample of several epochs arrives once and undamaged."""
    # An epoch needs many batches, because its end waits for the copies.
    batch_size = max(1, min(256, len(dataset) // 40))
    loader = ff.Loader(dataset, batch_size, shuffle=True, dtype="uint8", prefetch=2)
    feed = feed_class(loader, device)
    checksum = Checksum(device, dataset.images[0].size)
    for _ in range(_EPOCHS):
        for images, labels in feed:
            feed.stall_consumer()
            checksum.add(images, labels)
    total, rows = Checksum.of_dataset(dataset)
    expected = (total * _EPOCHS) % 2**64, rows * _EPOCHS
    actual = checksum.total()
    return (actual[0] % 2**64, actual[1]) == expected and feed.n_damaged == 0


def stress(dataset, device):
    """Return whether batches are intact, and whether damage by the control is seen."""
    feed, control = StalledFeed, HastyStalledFeed
    if device.type == "cpu":
        feed, control = LateFeed, HastyLateFeed
    intact = is_intact(feed, dataset, device)
    detected = not is_intact(control, dataset, device)
    return {"intact": intact, "control_detected": detected, "ok": intact and detected}

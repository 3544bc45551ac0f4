"""Check that a slot of pinned memory is given back only after the device has read it.

Copies and consumer are delayed on purpose, and nothing waits for the device. A checksum
of the batches on the device is compared with that of the dataset. A faulty control
gives slots back without waiting for the events of their copies. The test must detect
it.
"""

import torch

import fmnist_fast as ff
from fmnist_fast.frameworks.cuda import CudaFeed, CudaStreams

from .gpu_work import Checksum

_CYCLES = 2_000_000  # about a millisecond
_EPOCHS = 3


class StalledStreams(CudaStreams):
    """Streams of a CUDA device, whose copies begin late."""

    n_damaged = 0  # on a device, only the checksum shows damage

    def send(self, slot):
        """Copy a slot to the device after a delay."""
        with torch.cuda.stream(self._stream):
            torch.cuda._sleep(_CYCLES)
        return super().send(slot)

    def stall_consumer(self):
        """Delay the consumer's stream."""
        torch.cuda._sleep(2 * _CYCLES)


class LateStreams:
    """A substitute on the CPU, whose copies end three copies later.

    Each copy notices whether its slot has changed before its end.
    """

    def __init__(self):
        self.copies = []

    def slot(self, nbytes):
        return torch.empty(nbytes, dtype=torch.uint8)

    def send(self, slot):
        self.copies.append(LateCopy(self, slot))
        return slot.clone(), self.copies[-1]

    def stall_consumer(self):
        pass

    @property
    def n_damaged(self):
        """Return how many copies are damaged, after all of them have ended."""
        for copy in self.copies:
            copy.synchronize()
        return sum(copy.is_damaged for copy in self.copies)


class LateCopy:
    """The event of a late copy."""

    def __init__(self, streams, slot):
        self._streams, self._number = streams, len(streams.copies)
        self._slot, self._sent, self.is_damaged = slot, slot.clone(), False

    def query(self):
        """Return whether the copy has ended."""
        if len(self._streams.copies) >= self._number + 3:
            self.synchronize()
        return self._sent is None

    def synchronize(self):
        """End the copy, and compare the slot with the bytes that were sent."""
        if self._sent is not None:
            self.is_damaged = not torch.equal(self._slot, self._sent)
            self._sent = None


class HastyFeed(CudaFeed):
    """The faulty control, which gives slots back before they have been read."""

    def _give_back(self, n_kept):
        self._copies.clear()


def is_intact(feed_class, dataset, device, batch_size=256):
    """Return whether every sample of several epochs arrives once and undamaged."""
    device = torch.device(device)
    streams = StalledStreams(device) if device.type == "cuda" else LateStreams()
    loader = ff.Loader(dataset, batch_size, shuffle=True, dtype="uint8", prefetch=2)
    feed = feed_class(loader, device, streams=streams)
    checksum = Checksum(device, dataset.images[0].size)
    for _ in range(_EPOCHS):
        for images, labels in feed:
            streams.stall_consumer()
            checksum.step(images, labels)
    total, rows = Checksum.of_dataset(dataset)
    expected = (total * _EPOCHS) % 2**64, rows * _EPOCHS
    actual = checksum.total()
    return (actual[0] % 2**64, actual[1]) == expected and streams.n_damaged == 0


def stress(dataset, device):
    """Return {"intact": ..., "control_detected": ...}, both True on success."""
    return {
        "intact": is_intact(CudaFeed, dataset, device),
        "control_detected": not is_intact(HastyFeed, dataset, device),
    }

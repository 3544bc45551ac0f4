"""Does a slot of pinned memory come back only after the device has read it?

Copies and consumer are made late on purpose, nothing waits for the device, and a
checksum of what arrived is compared with the dataset's. The control gives slots back
without asking for the events of their copies, and must be found out.
"""

import torch

import fmnist_fast as ff
from fmnist_fast.frameworks.cuda import CudaFeed, CudaStreams

from .gpu_work import Checksum

_CYCLES = 2_000_000  # about a millisecond
_EPOCHS = 3


class StalledStreams(CudaStreams):
    """Copies that begin late, on a CUDA device."""

    n_spoiled = 0  # there the checksum alone tells

    def send(self, slot):
        with torch.cuda.stream(self._stream):
            torch.cuda._sleep(_CYCLES)
        return super().send(slot)

    def stall_consumer(self):
        torch.cuda._sleep(2 * _CYCLES)


class LateStreams:
    """A stand-in on the CPU: its copies are over three copies later, and notice whether
    their slot has changed until then."""

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
    def n_spoiled(self):
        for copy in self.copies:
            copy.synchronize()
        return sum(copy.is_spoiled for copy in self.copies)


class LateCopy:
    """The event after which a late copy has been made."""

    def __init__(self, streams, slot):
        self._streams, self._number = streams, len(streams.copies)
        self._slot, self._sent, self.is_spoiled = slot, slot.clone(), False

    def query(self):
        if len(self._streams.copies) >= self._number + 3:
            self.synchronize()
        return self._sent is None

    def synchronize(self):
        if self._sent is not None:
            self.is_spoiled = not torch.equal(self._slot, self._sent)
            self._sent = None


class HastyFeed(CudaFeed):
    """The control: gives slots back at once, whatever still reads from them."""

    def _give_back(self, n_kept):
        self._copies.clear()


def is_intact(feed_class, dataset, device, batch_size=256):
    """Whether every sample of some epochs arrives once and unspoiled."""
    device = torch.device(device)
    streams = StalledStreams(device) if device.type == "cuda" else LateStreams()
    plain = ff.Loader(dataset, batch_size, shuffle=True, dtype="uint8", prefetch=2)
    feed = feed_class(plain, device, streams=streams)
    checksum = Checksum(device, dataset.images[0].size)
    for _ in range(_EPOCHS):
        for images, labels in feed:
            streams.stall_consumer()
            checksum.step(images, labels)
    total, rows = Checksum.of_dataset(dataset)
    want = (total * _EPOCHS) % 2**64, rows * _EPOCHS
    got = checksum.total()
    return (got[0] % 2**64, got[1]) == want and streams.n_spoiled == 0


def stress(dataset, device):
    """{"intact": ..., "control_found_out": ...}, both True where all is well."""
    return {
        "intact": is_intact(CudaFeed, dataset, device),
        "control_found_out": not is_intact(HastyFeed, dataset, device),
    }

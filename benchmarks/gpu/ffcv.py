"""FFCV as a contender.

It has the settings that FFCV's documentation recommends for a GPU. The file is in the
system's page cache. Pixels are sent as bytes from pinned memory and normalized on the
device. Crop and flip are compiled for the CPU.

FFCV fills the memory of five batches in turn, and relies on a loop that sometimes waits
for the device. The loops here never do, so `Copies` protects the memory.
"""

import contextlib
import dataclasses
import io
import queue
import tempfile
from collections import deque
from pathlib import Path

import ffcv.loader
import ffcv.transforms
import torch
from ffcv.fields.decoders import IntDecoder, NDArrayDecoder
from ffcv.loader.epoch_iterator import EpochIterator
from ffcv.pipeline.allocation_query import AllocationQuery
from ffcv.pipeline.operation import Operation
from ffcv.transforms import Squeeze, ToTensor

from .. import work as works
from ..comparison.contenders.ffcv import CropFlip, beton
from ..data import Data
from ..usage import usable_cores


class Contender:
    """Batches of FFCV's Loader, with a thread for each core."""

    def __init__(self, dataset, device, batch_size, augment):
        with contextlib.ExitStack() as stack:
            # FFCV changes PyTorch's number of threads.
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            moments = {"mean": dataset.mean, "std": dataset.std}
            data = Data(dataset.images, dataset.labels, folder, **moments)
            self._copies = Copies(torch.device(device))
            crop = [CropFlip()] if augment else []
            send = (ToTensor, self._copies.to_device)
            with contextlib.redirect_stderr(io.StringIO()):  # hides a progress bar
                file = beton(data, works.PADDING if augment else 0)
            self._loader = Loader(
                str(file),
                batch_size,
                order=ffcv.loader.OrderOption.RANDOM,
                num_workers=usable_cores(),
                os_cache=True,
                drop_last=False,
                pipelines={
                    "image": [
                        NDArrayDecoder(),
                        *crop,
                        *(s() for s in send),
                        Normalize(data, device),
                    ],
                    "label": [IntDecoder(), *(s() for s in send), Squeeze(1)],
                },
            )
            self._resources = stack.pop_all()

    def __iter__(self):
        self._copies.begin()
        epoch = iter(self._loader)
        try:
            for batch in epoch:
                yield batch
                self._copies.wait(len(batch))
        finally:
            epoch.end()
            self._copies.end()
        if epoch.error is not None:
            raise epoch.error

    def close(self):
        """Release the loader, and delete FFCV's file."""
        self._loader = None
        self._resources.close()


class Copies:
    """The copies to a CUDA device that may not be complete.

    FFCV's streams wait until the loop has used a batch, but only from the sixth batch
    of an epoch on. FFCV's threads write to pinned memory even if the copy out of it is
    not complete. Therefore this class adds two waits. The streams wait for the work
    that the device had before the epoch, because they may reuse its memory. The host
    waits for the copies of a batch before it takes the next batch.
    """

    def __init__(self, device):
        self.device, self._begun, self._events = device, None, deque()

    def begin(self):
        """Record the start of an epoch, on the stream of the loop."""
        if self.device.type == "cuda":
            self._begun = torch.cuda.current_stream(self.device).record_event()

    def to_device(self):
        """Return an operation for a pipeline."""
        return ToDevice(self)

    @contextlib.contextmanager
    def made(self):
        """Make FFCV's stream wait before a copy, and record an event after it."""
        if self.device.type != "cuda":
            yield
            return
        stream = torch.cuda.current_stream(self.device)
        stream.wait_event(self._begun)
        yield
        self._events.append(stream.record_event())

    def wait(self, n):
        """Wait until the oldest `n` copies are complete."""
        for _ in range(min(n, len(self._events))):
            self._events.popleft().synchronize()

    def end(self):
        """Wait for all copies at the end of an epoch, before its memory is released."""
        if self._events:  # the loop did not take all batches
            torch.cuda.synchronize(self.device)
        self._events.clear()


class ToDevice(ffcv.transforms.ToDevice):
    """FFCV's operation, with its copies recorded in `Copies`."""

    def __init__(self, copies):
        super().__init__(copies.device, non_blocking=True)
        self._copies = copies

    def generate_code(self):
        copy = super().generate_code()

        def to_device(tensor, out):
            with self._copies.made():
                return copy(tensor, out)

        return to_device


class Normalize(Operation):
    """Normalization, ``pixel * scale + bias``; that of FFCV requires color images."""

    def __init__(self, data, device):
        super().__init__()
        self._scale, self._bias = float(data.scale), float(data.bias)
        self._device = torch.device(device)

    def declare_state_and_memory(self, previous):
        state = dataclasses.replace(previous, dtype=torch.float32)
        return state, AllocationQuery(previous.shape, torch.float32, self._device)

    def generate_code(self):
        def normalize(images, out):
            return torch.mul(images, self._scale, out=out).add_(self._bias)

        return normalize


class Loader(ffcv.loader.Loader):
    """FFCV's Loader, whose epochs raise the errors of their thread."""

    def __iter__(self):
        order = self.next_traversal_order()
        self.next_epoch += 1
        return Epoch(self, order)


class Epoch(EpochIterator):
    """FFCV's thread, which keeps its error.

    In FFCV's class, an error leaves the loop waiting forever.
    """

    error = None

    def run(self):
        try:
            super().run()
        except Exception as error:
            self.error = error
            self.output_queue.put(None)  # ends the loop

    def end(self):
        """Stop the thread at any point of the epoch."""
        self.close()
        while self.is_alive():
            # The thread may wait until the queue has room.
            with contextlib.suppress(queue.Empty):
                self.output_queue.get(timeout=0.01)

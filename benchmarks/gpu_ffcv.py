"""FFCV as a source of gpu_feed.py, with the settings that its documentation has for a
GPU: the file in the system's cache, pixels sent as bytes out of pinned memory, and
normalised on the device. Crop and flip are compiled for the CPU.

FFCV fills the memory of five batches in turns, and counts on loops that wait for the
device at times. Ours don't; what guards its memory from them is said below.
"""

import contextlib
import dataclasses
import io
import multiprocessing
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

from . import work as works
from .comparison.contenders.ffcv import CropFlip, beton
from .data import Data
from .usage import usable_cores


class Source:
    """FFCV's Loader; its threads are the `workers`."""

    name = "ffcv"
    workers = usable_cores()

    def __init__(self, dataset, device, batch_size, dtype, augment):
        with contextlib.ExitStack() as stack:
            # FFCV sets PyTorch's threads to its own.
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            moments = {"mean": dataset.mean, "std": dataset.std}
            data = Data(dataset.images, dataset.labels, folder, **moments)
            self._copies = Copies(torch.device(device))
            crop = [CropFlip()] if augment else []
            finish = [] if dtype == torch.uint8 else [Normalise(data, device)]
            send = (ToTensor, self._copies.to_device)
            self._loader = Loader(
                str(written(data, works.PADDING if augment else 0)),
                batch_size,
                order=ffcv.loader.OrderOption.RANDOM,
                num_workers=self.workers,
                os_cache=True,
                drop_last=False,
                pipelines={
                    "image": [NDArrayDecoder(), *crop, *(s() for s in send), *finish],
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
        self._loader = None
        self._resources.close()


def written(data, padding):
    """FFCV's file. The process that writes it has ended, and counts no more."""
    before = set(multiprocessing.active_children())
    with contextlib.redirect_stderr(io.StringIO()):  # a bar of progress
        file = beton(data, padding)
    for writer in set(multiprocessing.active_children()) - before:
        writer.join()
    return file


class Copies:
    """The copies to a CUDA device that are under way.

    FFCV makes its streams wait for what the loop does with a batch, but only from the
    sixth batch of an epoch on; and its threads write into pinned memory without asking
    whether the copy out of it was made. So streams are made to wait for what was
    asked of the device before the epoch, whose memory they may have been given, and
    the host for the copies of a batch before it takes the next one.
    """

    def __init__(self, device):
        self.device, self._begun, self._events = device, None, deque()

    def begin(self):
        """Call where an epoch begins, on the stream of the loop."""
        if self.device.type == "cuda":
            self._begun = torch.cuda.current_stream(self.device).record_event()

    def to_device(self):
        """An operation of a pipeline."""
        return ToDevice(self)

    @contextlib.contextmanager
    def made(self):
        """Around a copy, on FFCV's stream."""
        if self.device.type != "cuda":
            yield
            return
        stream = torch.cuda.current_stream(self.device)
        stream.wait_event(self._begun)
        yield
        self._events.append(stream.record_event())

    def wait(self, n):
        """Until the oldest `n` of them are made."""
        for _ in range(min(n, len(self._events))):
            self._events.popleft().synchronize()

    def end(self):
        """Call where an epoch ends, before its memory is let go of."""
        if self._events:  # of batches that the loop did not take
            torch.cuda.synchronize(self.device)
        self._events.clear()


class ToDevice(ffcv.transforms.ToDevice):
    """FFCV's, and its copies are kept track of."""

    def __init__(self, copies):
        super().__init__(copies.device, non_blocking=True)
        self._copies = copies

    def generate_code(self):
        copy = super().generate_code()

        def to_device(tensor, out):
            with self._copies.made():
                return copy(tensor, out)

        return to_device


class Normalise(Operation):
    """``pixel * scale + bias``; FFCV's own is for images in colour."""

    def __init__(self, data, device):
        super().__init__()
        self._scale, self._bias = float(data.scale), float(data.bias)
        self._device = torch.device(device)

    def declare_state_and_memory(self, previous):
        state = dataclasses.replace(previous, dtype=torch.float32)
        return state, AllocationQuery(previous.shape, torch.float32, self._device)

    def generate_code(self):
        def normalise(images, out):
            return torch.mul(images, self._scale, out=out).add_(self._bias)

        return normalise


class Loader(ffcv.loader.Loader):
    """FFCV's, for epochs whose errors are seen."""

    def __iter__(self):
        order = self.next_traversal_order()
        self.next_epoch += 1
        return Epoch(self, order)


class Epoch(EpochIterator):
    """FFCV's thread: an error in it would leave the loop waiting for ever."""

    error = None

    def run(self):
        try:
            super().run()
        except Exception as error:
            self.error = error
            self.output_queue.put(None)  # the end

    def end(self):
        """Stop the thread, wherever it is."""
        self.close()
        while self.is_alive():
            with contextlib.suppress(queue.Empty):  # it may wait for a place there
                self.output_queue.get(timeout=0.01)

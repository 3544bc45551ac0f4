"""NVIDIA DALI as a source of gpu_feed.py: the pipeline of contenders/dali.py, on a CUDA
device all but the gathering of rows there, and DALI's own iterator for PyTorch."""

from collections import deque

import numpy as np
import torch
from nvidia.dali.plugin.pytorch import DALIGenericIterator

from .comparison.contenders import dali
from .comparison.contenders.numpy import prepared
from .data import Data
from .usage import usable_cores
from .work import Work


class Source:
    """Bytes by external_source, the rest by crop_mirror_normalize.

    Rows are gathered in this process: to have that done by others (parallel=True) took
    mostly longer. An epoch has to be taken to its end, since DALI can't leave it.
    """

    name = "dali"
    workers = usable_cores()

    def __init__(self, dataset, device, batch_size, dtype, augment):
        self._device = torch.device(device)
        on_gpu = self._device.type == "cuda"
        steps = ("crop", "flip") if augment else ()
        dtype = str(dtype).removeprefix("torch.")
        work = Work(self.name, self.name, batch_size, dtype, steps)
        moments = {"mean": dataset.mean, "std": dataset.std}
        data = Data(dataset.images, dataset.labels, None, **moments)
        labels = data.labels.astype(np.int64)
        pipeline = dali.pipeline(
            dali.Rows(prepared(data, work), labels, batch_size),
            data,
            work,
            on_gpu,
            batch_size=batch_size,
            num_threads=self.workers,
            device_id=self._index() if on_gpu else None,
            prefetch_queue_depth=4,
        )
        names = ["images", "labels"]
        self._batches = DALIGenericIterator(pipeline, names, auto_reset=True)
        self._lent = deque()

    def __iter__(self):
        for (batch,) in self._batches:
            images, labels = batch["images"], batch["labels"].squeeze(1)
            try:
                yield images, labels
            finally:
                self._keep(images, labels)

    def _keep(self, *tensors):
        """Until the device has read them.

        They are DALI's memory. Once PyTorch lets go of it, DALI's streams may write
        there, and know nothing of PyTorch's.
        """
        if self._device.type != "cuda":
            return
        read = torch.cuda.current_stream(self._device).record_event()
        self._lent.append((read, tensors))
        while self._lent and self._lent[0][0].query():
            self._lent.popleft()

    def _index(self):
        """The number of the device."""
        if self._device.index is None:
            return torch.cuda.current_device()
        return self._device.index

    def close(self):
        for read, _ in self._lent:
            read.synchronize()
        self._lent.clear()
        self._batches = None  # which joins DALI's threads

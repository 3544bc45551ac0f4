"""NVIDIA DALI as a contender.

It uses the pipeline of contenders/dali.py and DALI's iterator for PyTorch. On a CUDA
device, DALI does all work there except gathering the rows.
"""

from collections import deque

import numpy as np
import torch
from nvidia.dali.plugin.pytorch import DALIGenericIterator

from ..comparison.contenders import dali
from ..comparison.contenders.numpy import prepared
from ..data import Data
from ..usage import usable_cores
from ..work import Work


class Contender:
    """Batches of bytes by external_source, transformed by crop_mirror_normalize.

    This process gathers the rows. Other processes (parallel=True) took longer in most
    cases. An epoch must run to its end, because DALI can't leave it.
    """

    def __init__(self, dataset, device, batch_size, augment):
        self._device = torch.device(device)
        on_gpu = self._device.type == "cuda"
        transforms = ("crop", "flip") if augment else ()
        work = Work("dali", "DALI", batch_size, augment=transforms)
        moments = {"mean": dataset.mean, "std": dataset.std}
        data = Data(dataset.images, dataset.labels, None, **moments)
        labels = data.labels.astype(np.int64)
        pipeline = dali.pipeline(
            dali.Rows(prepared(data, work), labels, batch_size),
            data,
            work,
            on_gpu,
            batch_size=batch_size,
            num_threads=usable_cores(),
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
        """Hold the tensors until the device has read them.

        Their memory belongs to DALI. When PyTorch releases it, DALI's streams may write
        to it, and they don't wait for PyTorch's streams.
        """
        if self._device.type != "cuda":
            return
        event = torch.cuda.current_stream(self._device).record_event()
        self._lent.append((event, tensors))
        while self._lent and self._lent[0][0].query():
            self._lent.popleft()

    def _index(self):
        """Return the number of the device."""
        if self._device.index is None:
            return torch.cuda.current_device()
        return self._device.index

    def close(self):
        """Wait for the device, and end DALI's threads."""
        for event, _ in self._lent:
            event.synchronize()
        self._lent.clear()
        self._batches = None  # the destructor joins DALI's threads

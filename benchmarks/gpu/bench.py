"""The device and the dataset of a run, with timers, graphs and streams.

In a dry run, the processor has the place of the device: timers that of events, and
plain calls that of graphs. The loaders run the kernels as plain C.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib import metadata
from typing import Any

import torch

import fmnist_fast as ff
from fmnist_fast.frameworks.torch import TorchLoader

from .. import machine
from . import driver, nvrtc

CROP_FLIP = [ff.RandomCrop(28, padding=4), ff.RandomHorizontalFlip()]
_N_TIMES, _MOST_SECONDS = 9, 3.0  # of which a median is taken


class Bench:
    """The device and the dataset: `device` is a torch.device, `train` a Dataset."""

    def __init__(self, is_dry: bool, n_images: int | None = None) -> None:
        self.is_dry = is_dry
        self.device = torch.device("cpu" if is_dry else "cuda")
        self.name = "dry run" if is_dry else torch.cuda.get_device_name()
        self.is_drawn = not os.environ.get("FMNIST_FAST_DATA")
        if is_dry:
            torch.set_num_threads(1)  # more threads mostly wait for each other
            self.train = ff.synthetic(n_images or 320, 10)[0]
        else:
            train = ff.synthetic()[0] if self.is_drawn else ff.load("train")
            self.train = train.select(range(n_images)) if n_images else train

    def loader(self, batch_size: int = 512, **options: Any) -> TorchLoader:
        """Return a shuffled loader whose batches the device fills."""
        place = {"device": self.device, "resident": True, "shuffle": True}
        return TorchLoader(self.train, batch_size, **place | options)

    def synchronize(self) -> None:
        """Wait for the device."""
        if not self.is_dry:
            torch.cuda.synchronize()

    def seconds(self, function: Callable[[], Any], is_behind: bool = False) -> float:
        """Run a function, and return the seconds until the device has done its work.

        With `is_behind`, a stall comes before the work. So the device never waits for
        the host, if the host launches everything within some milliseconds.
        """
        if self.is_dry:
            begin = time.perf_counter()
            function()
            return time.perf_counter() - begin
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        if is_behind:
            self.stall()
        begin.record()
        function()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1000

    def median(self, function: Callable[[], Any], is_behind: bool = False) -> float:
        """Return the median seconds of a function, after a run that is not timed."""
        if self.is_dry:
            return self.seconds(function)
        function()
        times, end = [], time.monotonic() + _MOST_SECONDS
        while len(times) < _N_TIMES and (len(times) < 3 or time.monotonic() < end):
            times.append(self.seconds(function, is_behind))
        return statistics.median(times)

    def graph(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """Capture a function in a CUDA graph, and return what replays it.

        It runs three times before, as PyTorch asks, so that it allocates and compiles.
        """
        if self.is_dry:
            return function
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                function()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            function()
        return graph.replay

    def stream(self) -> AbstractContextManager[Any]:
        """Return a context in which a new stream is current."""
        return nullcontext() if self.is_dry else torch.cuda.stream(torch.cuda.Stream())

    def stall(self) -> None:
        """Keep the current stream busy for some milliseconds."""
        if not self.is_dry:
            torch.cuda._sleep(10_000_000)

    def about(self) -> dict[str, Any]:
        """Return the machine, the versions and the data."""
        about: dict[str, Any] = machine.describe()
        about |= {"torch": torch.__version__, "torch_cuda": torch.version.cuda}
        for package in ("cuda-core", "cuda-bindings"):
            with suppress(metadata.PackageNotFoundError):
                about[package] = metadata.version(package)
        library = nvrtc.load()
        about["nvrtc"] = nvrtc.version(library) if library else None
        if not self.is_dry:
            about["driver"] = driver.version()
            about["capability"] = torch.cuda.get_device_capability()
        data = "drawn images" if self.is_drawn or self.is_dry else "fashion-mnist"
        return about | {"images": len(self.train), "data": data}

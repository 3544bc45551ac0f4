"""Batches stay right beside other streams, under stalls, and without memory."""

from __future__ import annotations

import gc
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import islice
from typing import Any

import torch

import fmnist_fast as ff

from .bench import CROP_FLIP, Bench
from .bits import Comparison
from .build import first_batch
from .stress import stress

_OPTIONS: dict[str, Any] = {"augment": CROP_FLIP, "seed": 9}
_SANITIZER_SECONDS = 30


def tasks(bench: Bench) -> dict[str, Callable[[], dict]]:
    """Return the tasks of the section."""
    return {
        "overlapping epochs": partial(overlapping, bench, nullcontext),
        "two streams": partial(overlapping, bench, bench.stream),
        "held batches": partial(held, bench),
        "stalled consumer": partial(stalled, bench),
        "stalled copies": partial(stress, bench.train, bench.device),
        "freed memory": partial(freed, bench),
        "out of memory": partial(out_of_memory, bench),
        "compute-sanitizer": partial(sanitized, bench),
    }


def rows_of(bench: Bench) -> int:
    """Return a batch size that gives an epoch several batches."""
    return min(512, len(bench.train) // 5)


def epochs_of_loader(bench: Bench, **options: Any) -> ff.Loader:
    """Return a Loader with the batches that the device has to make."""
    return ff.Loader(bench.train, rows_of(bench), shuffle=True, **_OPTIONS | options)


def overlapping(bench: Bench, context: Callable[[], Any]) -> dict[str, Any]:
    """Take the batches of two epochs in turns, each in a context of its own."""
    loader, wanted = bench.loader(rows_of(bench), **_OPTIONS), epochs_of_loader(bench)
    runs = [(context(), Comparison(bench.device)) for _ in range(2)]
    bench.synchronize()
    epochs = [(iter(loader), iter(wanted)) for _ in runs]
    for _ in range(len(loader)):
        for (stream, comparison), (batches, arrays) in zip(runs, epochs):
            with stream:
                comparison.add(next(batches), next(arrays))
    bench.synchronize()
    first, second = (comparison.result() for _, comparison in runs)
    both = {key: first[key] + second[key] for key in ("bytes", "differ")}
    return both | {"ok": first["ok"] and second["ok"]}


def held(bench: Bench) -> dict[str, Any]:
    """Keep the batches of an epoch during the next one."""
    loader = bench.loader(rows_of(bench), **_OPTIONS)
    batches = list(loader)
    for images, _ in loader:
        images.zero_()
    return Comparison(bench.device).add_all(batches, epochs_of_loader(bench)).result()


def stalled(bench: Bench) -> dict[str, Any]:
    """Read batches late, on the stream that fills them.

    The faulty control fills the buffers again on another stream. The loader lets it
    wait for the first batch, but it can't wait for the reader, which comes later.
    """
    right, control = (fill_under_stalls(bench, is_faulty) for is_faulty in (0, 1))
    detected = not control["ok"]
    return right | {"control_detected": detected, "ok": right["ok"] and detected}


def fill_under_stalls(bench: Bench, is_faulty: int) -> dict[str, Any]:
    """Compare an epoch of `fill`."""
    options = _OPTIONS | {"fixed_buffers": True, "drop_last": True}
    loader, other = bench.loader(rows_of(bench), **options), bench.stream()
    comparison = Comparison(bench.device)
    expected = epochs_of_loader(bench, drop_last=True)
    for arrays in islice(expected, 0, None, 1 + is_faulty):  # the control fills twice
        batch = loader.fill()
        if is_faulty:
            with other:
                loader.fill()
        bench.stall()
        comparison.add(batch, arrays)
    return comparison.result()


def freed(bench: Bench) -> dict[str, Any]:
    """Return how many bytes stay allocated after the last reference to a loader."""
    gc.collect()
    before = allocated(bench)
    loader = bench.loader(rows_of(bench), **_OPTIONS)
    batch = next(iter(loader))
    during, reference = allocated(bench) - before, weakref.ref(loader)
    del loader, batch
    gc.collect()
    bench.synchronize()
    left = allocated(bench) - before
    return {
        "used_bytes": during,
        "left_bytes": left,
        "ok": left == 0 and reference() is None and (during > 0 or bench.is_dry),
    }


def allocated(bench: Bench) -> int:
    """Return the bytes that PyTorch has allocated on the device."""
    return 0 if bench.is_dry else torch.cuda.memory_allocated()


def out_of_memory(bench: Bench) -> dict[str, Any]:
    """Keep batches until memory is short, and go on with the loader after that."""
    loader, kept, n_errors = bench.loader(rows_of(bench), **_OPTIONS), [], 0
    next(iter(loader))
    with little_memory(bench):
        try:
            while True:
                for batch in loader:
                    kept.append(batch)
                    if bench.is_dry and len(kept) == 3:
                        raise torch.OutOfMemoryError("of the dry run")
        except torch.OutOfMemoryError:
            n_errors = 1
    n_kept = len(kept)
    kept.clear()
    loader.set_epoch(0)
    result = Comparison(bench.device).add_all(loader, epochs_of_loader(bench)).result()
    return result | {
        "kept": n_kept,
        "errors": n_errors,
        "ok": result["ok"] and n_errors == 1,
    }


@contextmanager
def little_memory(bench: Bench) -> Iterator[None]:
    """Let PyTorch allocate 256 MiB more than it has now."""
    if bench.is_dry:
        yield
        return
    torch.cuda.empty_cache()
    most = torch.cuda.memory_reserved() + 2**28
    total = torch.cuda.get_device_properties(bench.device).total_memory
    torch.cuda.set_per_process_memory_fraction(most / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def sanitized(bench: Bench) -> dict[str, Any]:
    """Make a batch under NVIDIA's checker of memory, where it is installed."""
    program: list[str] = []
    if not bench.is_dry:
        path = shutil.which("compute-sanitizer")
        if path is None:
            return {"skipped": "compute-sanitizer is not on PATH"}
        program = [path, "--report-api-errors", "no", "--error-exitcode", "9"]
    device, most = bench.device.type, _SANITIZER_SECONDS
    with tempfile.TemporaryDirectory() as folder:
        try:
            seconds = first_batch(program, device, folder, most)
        except subprocess.TimeoutExpired:
            return {"skipped": f"it needed more than {most} s"}
    return {"first_batch_s": seconds, "ok": True}

"""Milliseconds of an epoch that the device makes, by its events.

"chunks" is a loop over the loader, which makes many batches in a launch. "device" is
the part of the device in this loop: it never waits for the host. "fill" makes one batch
after another. "graph" replays one `fill` from a CUDA graph. Nothing reads the batches.
With fill, the last batch is filled up from the start of the epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .bench import CROP_FLIP, Bench

AUGMENTS: dict[str, Any] = {"plain": None, "crop_flip": CROP_FLIP, "strong": "strong"}
_DTYPES, _SIZES = ("float32", "bfloat16", "uint8"), (512, 4096, 128)


def tasks(bench: Bench) -> dict[str, Callable[[], dict]]:
    """Return the tasks of the section."""
    return {
        f"{dtype} {augment} {size}": partial(epoch, bench, dtype, augment, size)
        for size in _SIZES
        for dtype in _DTYPES
        for augment in AUGMENTS
    }


def epoch(bench: Bench, dtype: str, augment: str, size: int) -> dict[str, float]:
    """Return the milliseconds of an epoch, made in each way."""
    size = min(size, len(bench.train))
    options = {"dtype": dtype, "augment": AUGMENTS[augment]}
    chunks = bench.loader(size, **options)
    figures = {
        f"{name}_ms": bench.median(lambda: run(chunks), is_behind) * 1e3
        for name, is_behind in (("chunks", False), ("device", True))
    }
    chunks.close()
    loader = bench.loader(size, fixed_buffers=True, drop_last="wrap", **options)
    ways = {"fill_ms": loader.fill, "graph_ms": bench.graph(loader.fill)}
    for way, fill in ways.items():

        def batches(fill: Callable[[], Any] = fill) -> None:
            for _ in range(len(loader)):
                fill()

        figures[way] = bench.median(batches) * 1e3
    loader.close()
    return figures


def run(batches: Any) -> None:
    """Take all batches, and keep none."""
    for _ in batches:
        pass
